//! The snippets that the page of a new hook prints, run as a CI system's shell runs them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use stackblaze::web::pages::hooks::snippets::{SYSTEMS, System};
use tempfile::TempDir;

use crate::harness::forms::text_of;
use crate::harness::git::GitRepo;
use crate::harness::guest::output;
use crate::harness::process::{Server, client};

/// What each system sets for its jobs; `run` tells one job from another.
fn variables(system: &str, run: &str, commit: &str) -> Vec<(&'static str, String)> {
    let branch = "main".to_owned();
    let commit = commit.to_owned();
    let run = run.to_owned();
    match system {
        "gh" => vec![
            ("GITHUB_RUN_ID", run),
            ("GITHUB_RUN_ATTEMPT", "1".to_owned()),
            ("GITHUB_REF_NAME", branch),
            ("GITHUB_SHA", commit),
        ],
        "gl" => vec![("CI_JOB_ID", run), ("CI_COMMIT_BRANCH", branch), ("CI_COMMIT_SHA", commit)],
        "jk" => vec![
            ("BUILD_TAG", format!("jenkins-My shop-{run}")),
            ("GIT_BRANCH", "origin/main".to_owned()),
            ("GIT_COMMIT", commit),
        ],
        "cc" => {
            vec![("CIRCLE_WORKFLOW_JOB_ID", run), ("CIRCLE_BRANCH", branch), ("CIRCLE_SHA1", commit)]
        }
        "bb" => vec![
            ("BITBUCKET_STEP_UUID", format!("{{{run}}}")),
            ("BITBUCKET_BRANCH", branch),
            ("BITBUCKET_COMMIT", commit),
        ],
        "wp" => vec![
            ("CI_PIPELINE_NUMBER", run),
            ("CI_STEP_NUMBER", "3".to_owned()),
            ("CI_COMMIT_BRANCH", branch),
            ("CI_COMMIT_SHA", commit),
        ],
        "az" => {
            vec![("BUILD_SOURCEBRANCH", "refs/heads/main".to_owned()), ("BUILD_SOURCEVERSION", commit)]
        }
        _ => Vec::new(),
    }
}

/// What a system itself fills in before its shell sees the text.
fn filled(system: &System, shell: &str, run: &str, folder: &Path) -> String {
    let shell = shell.replace("/tmp/deploy.json", &folder.join("answer.json").to_string_lossy());
    match system.id {
        "az" => shell.replace("$(Build.BuildId)", run).replace("$(System.JobAttempt)", "1"),
        // In Groovy's quotes a backslash at the end of a line joins it with the next.
        "jk" => shell.replace("\\\n", ""),
        // What would be a variable of its own has two dollar signs.
        "wp" => shell.replace("$$", "$"),
        _ => shell,
    }
}

/// A checkout as a job has it: at a commit, on the branch.
struct Checkout {
    folder: TempDir,
    commit: String,
}

impl Checkout {
    fn of(repo: &GitRepo, commit: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let git = |args: &[&str]| {
            let done = output(Command::new("git").arg("-C").arg(folder.path()).args(args));
            assert!(done.status.success(), "{args:?}: {}", said(&done));
        };
        git(&["clone", "-q", &repo.url(), "."]);
        git(&["reset", "-q", "--hard", commit]);
        Self { folder, commit: commit.to_owned() }
    }

    fn run(&self, system: &System, shell: &str, hook: &str, name: &str) -> Output {
        let folder = self.folder.path();
        let mut command = Command::new("sh");
        command
            .args(["-e", "-c", &filled(system, shell, name, folder)])
            .current_dir(folder)
            .env("STACKBLAZE_DEPLOY_HOOK", hook)
            .envs(variables(system.id, name, &self.commit));
        output(&mut command)
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The snippets as the page shows them, by system.
async fn printed(server: &Server) -> BTreeMap<String, String> {
    let operator = server.api("POST", "/api/v1/operators", Some(json!({ "name": "mira" }))).await;
    let once = operator["signInUrl"].as_str().unwrap().split_once("once=").unwrap().1.to_owned();
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let form = |path: &str, body: String| {
        let request = browser.post(format!("{}{path}", server.url)).header("origin", &server.url);
        request.header("content-type", "application/x-www-form-urlencoded").body(body)
    };
    let signed_in = form("/login", format!("once={once}")).send().await.unwrap();
    let cookie = signed_in.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let request =
        form("/services/good/settings/deploy-hooks", "name=printed".to_owned()).header("cookie", cookie);
    let html = request.send().await.unwrap().text().await.unwrap();
    let block = |system: &System| {
        let block = html.split(&format!("<pre id=\"sn-{}\"", system.id)).nth(1).unwrap();
        let block = block.split_once('>').unwrap().1.split("</pre>").next().unwrap();
        (system.id.to_owned(), block.to_owned())
    };
    SYSTEMS.iter().map(block).collect()
}

/// The HTML without what is hidden while nobody wants it.
fn without(html: &str, class: &str) -> String {
    let mut text = String::new();
    for (index, part) in html.split(&format!("<span class=\"{class}\">")).enumerate() {
        let mut rest = part;
        let mut depth = usize::from(index > 0);
        while depth > 0 {
            let (open, close) = (rest.find("<span"), rest.find("</span>").unwrap());
            if let Some(open) = open.filter(|open| *open < close) {
                (depth, rest) = (depth + 1, &rest[open + "<span".len()..]);
            } else {
                (depth, rest) = (depth - 1, &rest[close + "</span>".len()..]);
            }
        }
        text.push_str(rest);
    }
    text
}

/// Whether each line of the shell part is in the printed text, in order and equally indented.
fn holds(printed: &str, shell: &str) -> bool {
    let first = shell.lines().next().unwrap();
    let Some(start) = printed.lines().position(|line| line.trim_start() == first) else { return false };
    let lines: Vec<_> = printed.lines().skip(start).collect();
    let indent = lines[0].len() - first.len();
    shell.lines().enumerate().all(|(at, line)| lines.get(at).and_then(|own| own.get(indent..)) == Some(line))
}

#[tokio::test]
async fn every_printed_snippet_deploys_and_tells_the_end_by_its_exit_code() {
    let (data, repo) = (TempDir::new().unwrap(), GitRepo::new());
    let first = repo.commit("hello", "one\n", "Say hello");
    repo.commit("hello", "two\n", "Say it again");
    let job = Checkout::of(&repo, &first);
    let server = Server::start(data.path(), &["--concurrency", "2"]);
    let mut hooks = Vec::new();
    for (name, build) in [("good", "true"), ("bad", "echo the cause is here; false")] {
        let service =
            json!({ "name": name, "repository": repo.url(), "buildCommand": build, "queuePolicy": "every" });
        hooks.push(format!("{}{}", server.url, server.hook(service).await));
    }
    let pages = printed(&server).await;

    for system in &SYSTEMS {
        let quick = system.shell(&server.url, false, true);
        let waiting = system.shell(&server.url, true, true);
        let head = system.shell(&server.url, true, false);
        let page = &pages[system.id];
        assert!(holds(&text_of(page), &waiting), "{}: {}", system.id, text_of(page));
        assert!(
            holds(&text_of(&without(page, "w")), &quick),
            "{}: {}",
            system.id,
            text_of(&without(page, "w"))
        );
        assert!(holds(&text_of(&without(page, "x")), &head), "{}: {}", system.id, text_of(page));
        assert!(
            text_of(page).contains("STACKBLAZE_DEPLOY_HOOK") && !page.contains("sbhook_"),
            "{}",
            system.id
        );

        let accepted = job.run(system, &quick, &hooks[0], &format!("{}1", system.id));
        let again = job.run(system, &quick, &hooks[0], &format!("{}1", system.id));
        let serving = job.run(system, &waiting, &hooks[0], &format!("{}2", system.id));
        let failed = job.run(system, &waiting, &hooks[1], &format!("{}3", system.id));
        let newest = job.run(system, &head, &hooks[0], &format!("{}4", system.id));

        let accepted_text = said(&accepted);
        assert!(
            accepted.status.success() && accepted_text.contains("\"status\":\"queued\""),
            "{}: {accepted_text}",
            system.id
        );
        let is_same = accepted.stdout == again.stdout;
        assert_eq!(is_same, system.id != "curl", "{}: a job that is tried again deploys once", system.id);
        // The link stands before the end, and the end is one line.
        let told = said(&serving);
        let link = format!("See {}/deploys/dep_", server.url);
        assert!(serving.status.success() && told.contains(&link), "{}: {told}", system.id);
        assert!(told.find(&link) < told.find("succeeded"), "{}: {told}", system.id);
        assert_eq!(commit_of(&server, &told).await, first, "{}: exactly this commit", system.id);
        let told = said(&newest);
        assert!(newest.status.success(), "{}: {told}", system.id);
        assert_ne!(commit_of(&server, &told).await, first, "{}: the head of the branch", system.id);
        // The job's log ends with why it failed, in the step's own words.
        let told = said(&failed);
        assert!(!failed.status.success() && told.contains("failed build_failed"), "{}: {told}", system.id);
        assert!(told.contains("the cause is here"), "{}: {told}", system.id);
    }
}

/// The commit that was deployed, by what a job printed.
async fn commit_of(server: &Server, printed: &str) -> String {
    let id =
        printed.split("dep_").nth(1).unwrap().split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
    let deployment = server.api("GET", &format!("/deployments/dep_{id}"), None).await;
    deployment["commit"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn every_snippet_fails_with_the_reason_where_the_call_is_refused() {
    let (data, repo) = (TempDir::new().unwrap(), GitRepo::new());
    let job = Checkout::of(&repo, &repo.commit("hello", "one\n", "Say hello"));
    let server = Server::start(data.path(), &[]);
    let service = json!({ "name": "api", "repository": "https://git.example.com/api.git" });
    let hook = format!("{}{}", server.url, server.hook(service).await);
    server.api("PATCH", "/api/v1/services/api/hooks/ci", Some(json!({ "paused": "holidays" }))).await;

    for wanted in ["holidays", "unknown_hook"] {
        for (system, waits) in SYSTEMS.iter().flat_map(|system| [(system, false), (system, true)]) {
            let refused = job.run(system, &system.shell(&server.url, waits, true), &hook, "1");

            assert!(!refused.status.success(), "{} {waits}: {}", system.id, said(&refused));
            assert!(said(&refused).contains(wanted), "{} {waits}: {}", system.id, said(&refused));
            assert!(!said(&refused).contains("sbhook_"), "{} {waits}: {}", system.id, said(&refused));
        }
        // From now on the hook is unknown.
        client().delete(&hook).send().await.unwrap();
    }
}
