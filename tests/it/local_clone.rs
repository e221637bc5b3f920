//! What a run of the local executor fetches for a commit that was asked for: that commit, from any server that gives it.

use stackblaze::domain::{Commit, Reason, Repository, Step};
use stackblaze::executor::{Outcome, Run};

use crate::executor_contract::log_of;
use crate::harness::git::{GitHttp, GitRepo};
use crate::local::Bench;

/// Commits on the branch; each has another text of `SIZE` bytes, which takes less than that on the way.
const COMMITS: usize = 8;
const SIZE: usize = 100_000;
/// Writes how many commits the source holds, and the number of the one that is built.
const LOOK: &str = "git rev-list --all --count; cut -c1 numbered";

/// A repository with a history, and its commits, the oldest first.
fn history() -> (Bench, Vec<String>) {
    let bench = Bench::new();
    let commits = (1..=COMMITS).map(|number| commit(&bench.repo, number)).collect();
    (bench, commits)
}

fn commit(repo: &GitRepo, number: usize) -> String {
    let mut state = u64::try_from(number).unwrap();
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + u8::try_from(state >> 58).unwrap())
    });
    let text = format!("{number}{}", noise.take(SIZE).collect::<String>());
    repo.commit("numbered", &text, &format!("Number {number}"))
}

fn serve(bench: &Bench) -> GitHttp {
    GitHttp::serve(bench.repo.parent(), "sample", "right-password-1")
}

/// A run of a commit that is fetched from a server.
fn run_of(bench: &Bench, http: &GitHttp, commit: &str) -> Run {
    let token = bench.data.path().join("token");
    std::fs::write(&token, "sample:right-password-1\n").unwrap();
    let mut run = bench.run(LOOK, "");
    run.service.repository = Repository::parse(&http.url("sample/.git")).ok();
    run.service.local.git_token_file = Some(token.to_string_lossy().into_owned());
    Run { commit: Some(Commit::parse(commit).unwrap()), ..run }
}

/// What a run that succeeds sees in its source.
async fn built(bench: &Bench, run: &Run) -> String {
    let (events, outcome) = bench.end(run).await;
    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&events, Step::Clone));
    log_of(&events, Step::Build)
}

#[tokio::test]
async fn the_newest_commit_of_the_branch_is_fetched_alone() {
    let (bench, commits) = history();
    let http = serve(&bench);

    let seen = built(&bench, &run_of(&bench, &http, &commits[COMMITS - 1])).await;

    assert_eq!(seen, "1\n8\n");
    assert!(http.sent() < 2 * SIZE, "{} bytes", http.sent());
}

#[tokio::test]
async fn an_older_commit_is_fetched_without_the_files_of_the_others() {
    let (bench, commits) = history();
    bench.repo.git(&["config", "uploadpack.allowFilter", "true"]);
    let http = serve(&bench);

    let seen = built(&bench, &run_of(&bench, &http, &commits[2])).await;

    assert_eq!(seen, "1\n3\n");
    assert!(http.sent() < 3 * SIZE, "{} bytes", http.sent());
}

#[tokio::test]
async fn a_server_that_knows_no_filters_sends_the_history_once_and_the_source_does_not_hold_it() {
    let (bench, commits) = history();
    let http = serve(&bench);
    let by_path = Run { commit: Some(Commit::parse(&commits[2]).unwrap()), ..bench.run(LOOK, "") };

    let seen = [built(&bench, &run_of(&bench, &http, &commits[2])).await, built(&bench, &by_path).await];

    assert_eq!(seen, ["1\n3\n", "1\n3\n"]);
    assert!(http.sent() < (COMMITS + 3) * SIZE, "{} bytes", http.sent());
}

#[tokio::test]
async fn a_commit_that_the_server_does_not_give_by_itself_comes_with_the_branch() {
    let (bench, commits) = history();
    let old = GitHttp::serve_old(bench.repo.parent(), "sample", "right-password-1");

    let seen = built(&bench, &run_of(&bench, &old, &commits[2])).await;

    assert_eq!(seen.lines().last(), Some("3"));
}

#[tokio::test]
async fn a_commit_whose_history_the_server_does_not_give_by_itself_comes_with_the_branch() {
    let (bench, commits) = history();
    bench.repo.git(&["config", "uploadpack.allowFilter", "true"]);
    bench.repo.git(&["config", "uploadpackfilter.allow", "false"]);
    let http = serve(&bench);

    let seen = built(&bench, &run_of(&bench, &http, &commits[2])).await;

    assert_eq!(seen.lines().last(), Some("3"));
}

#[tokio::test]
async fn a_commit_that_is_not_on_the_branch_is_not_found_whether_the_server_gives_it_or_not() {
    let (bench, _) = history();
    bench.repo.git(&["config", "uploadpack.allowFilter", "true"]);
    let elsewhere = bench.repo.branch("other").commit("hello", "two\n", "Elsewhere");
    let (http, old) = (serve(&bench), GitHttp::serve_old(bench.repo.parent(), "sample", "right-password-1"));

    for server in [&http, &old] {
        for commit in [elsewhere.as_str(), &"1".repeat(40)] {
            let (reason, message) = bench.failure(&run_of(&bench, server, commit)).await;

            assert_eq!(reason, Reason::CommitNotFound);
            assert_eq!(message, format!("{commit} is not on branch main"));
        }
    }
}
