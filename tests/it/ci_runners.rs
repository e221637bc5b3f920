//! The printed snippets, whole, in the runners of two systems on this host: a workflow and a GitLab job. `./test` fetches
//! the runners.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use stackblaze::web::pages::hooks::snippets::SYSTEMS;
use tempfile::TempDir;

use crate::harness::git::GitRepo;
use crate::harness::guest::output;
use crate::harness::process::Server;
use crate::harness::tools;

/// The runner leaves unread what a failing step has printed last, and waits for it only where the step ends well: so the
/// shell that the system itself would take keeps its exit code for a step of its own.
const HEAD: &str = "on: push
jobs:
  deploy:
    runs-on: ubuntu-latest
    defaults:
      run:
        shell: bash -c 'bash -e \"$0\" || echo $? > failed' {0}
    steps:
";
const TAIL: &str = "      - run: '[ ! -e failed ] || exit \"$(cat failed)\"'\n        shell: bash -e {0}\n";

/// What the page prints for a system.
fn printed(system: &str, base: &str) -> String {
    let system = SYSTEMS.iter().find(|own| own.id == system).unwrap();
    system.snippet(base).into_iter().map(|part| part.text).collect()
}

/// A server with a service that deploys and one whose build fails, the checkout that jobs run in, and their hooks.
struct Ci {
    server: Server,
    _folders: (TempDir, GitRepo),
    work: TempDir,
    good: String,
    bad: String,
    commit: String,
}

impl Ci {
    async fn new(file: &str, text: impl FnOnce(&str) -> String) -> Self {
        let (data, work, repo) = (TempDir::new().unwrap(), TempDir::new().unwrap(), GitRepo::new());
        let server = Server::start(data.path(), &[]);
        std::fs::create_dir_all(repo.path().join(file).parent().unwrap()).unwrap();
        let commit = repo.commit(file, &text(&server.url), "Deploy from CI");
        git(work.path(), &["clone", "-q", &repo.url(), "."]);
        // The branch goes on, and the job deploys what it is about.
        repo.commit("later", "x\n", "Something else");
        let mut hooks = Vec::new();
        for (name, build) in [("good", "true"), ("bad", "echo the cause is here; false")] {
            let service = json!({ "name": name, "repository": repo.url(), "buildCommand": build });
            hooks.push(format!("{}{}", server.url, server.hook(service).await));
        }
        let [good, bad] = <[String; 2]>::try_from(hooks).unwrap();
        Self { server, _folders: (data, repo), work, good, bad, commit }
    }

    /// Deploys, is refused and fails; each is seen in the job's log and in its exit code.
    async fn shows(&self, job: impl Fn(&Path, &str) -> Output) {
        let refused_hook = format!("{}x", self.good);
        let [good, bad, refused] =
            [&self.good, &self.bad, &refused_hook].map(|hook| job(self.work.path(), hook));

        let told = said(&good);
        assert!(good.status.success() && told.contains("succeeded"), "{told}");
        let id = told.split("dep_").nth(1).unwrap().split(|c: char| !c.is_ascii_alphanumeric()).next();
        let deployment = self.server.api("GET", &format!("/deployments/dep_{}", id.unwrap()), None).await;
        assert_eq!(deployment["commit"], json!(self.commit), "{told}");
        let told = said(&bad);
        assert!(!bad.status.success() && told.contains("failed build_failed"), "{told}");
        assert!(told.contains("the cause is here") && told.contains("/deploys/dep_"), "{told}");
        let told = said(&refused);
        assert!(!refused.status.success() && told.contains("unknown_hook"), "{told}");
        for output in [&good, &bad, &refused] {
            assert!(!said(output).contains("sbhook_"), "{}", said(output));
        }
    }
}

fn git(folder: &Path, args: &[&str]) {
    let done = output(Command::new("git").arg("-C").arg(folder).args(args));
    assert!(done.status.success(), "{args:?}: {}", said(&done));
}

/// Runs the workflow of a checkout.
fn act(work: &Path, hook: &str) -> Output {
    let home = TempDir::new().unwrap();
    let mut command = Command::new(tools().join("bin/act"));
    command
        .args(["push", "-P", "ubuntu-latest=-self-hosted", "-s"])
        .arg(format!("STACKBLAZE_DEPLOY_HOOK={hook}"))
        .current_dir(work)
        .env("HOME", home.path())
        .env("XDG_CACHE_HOME", home.path());
    output(&mut command)
}

/// Runs one GitLab job of a checkout.
fn gitlab_ci(work: &Path, hook: &str, job: &str) -> Output {
    let home = TempDir::new().unwrap();
    let mut command = Command::new(tools().join("node_modules/.bin/gitlab-ci-local"));
    command
        .args(["--force-shell-executor", "--variable"])
        .arg(format!("STACKBLAZE_DEPLOY_HOOK={hook}"))
        .arg(job)
        .current_dir(work)
        .env("HOME", home.path())
        .env_remove("XDG_CONFIG_HOME");
    output(&mut command)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
#[ignore = "needs a workflow runner"]
async fn the_snippet_for_workflows_deploys_and_says_why_it_does_not() {
    let ci = Ci::new(".github/workflows/deploy.yml", |base| {
        let step = printed("gh", base);
        let lines = step.lines().map(|line| format!("      {line}\n"));
        format!("{HEAD}{}{TAIL}", lines.collect::<String>())
    })
    .await;
    ci.shows(act).await;
}

#[tokio::test]
#[ignore = "needs a GitLab runner"]
async fn the_snippet_for_gitlab_deploys_and_says_why_it_does_not() {
    let ci = Ci::new(".gitlab-ci.yml", |base| format!("stages: [deploy]\n{}\n", printed("gl", base))).await;
    ci.shows(|work, hook| gitlab_ci(work, hook, "deploy")).await;
}

/// The action itself, from a checkout of the project that the runner has beside it.
#[tokio::test]
#[ignore = "needs a workflow runner"]
async fn the_action_deploys_and_gives_what_came_of_it_to_later_steps() {
    let ci = Ci::new(".github/workflows/deploy.yml", |_| {
        "on: push
jobs:
  deploy:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - id: stackblaze
        uses: ./
        continue-on-error: true
        with:
          url: ${{ secrets.STACKBLAZE_DEPLOY_HOOK }}
          branch: main
          note: from an action
      - run: echo \"told ${{ steps.stackblaze.outputs.status }} ${{ steps.stackblaze.outputs.reason }} ${{ steps.stackblaze.outputs.id }}.\"
      - run: '[ \"${{ steps.stackblaze.outcome }}\" = success ]'
"
        .to_owned()
    })
    .await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir_all(ci.work.path().join("deploy/ci")).unwrap();
    for file in ["action.yml", "deploy/ci/deploy.sh"] {
        std::fs::copy(root.join(file), ci.work.path().join(file)).unwrap();
    }
    let (good, bad) = (act(ci.work.path(), &ci.good), act(ci.work.path(), &ci.bad));

    let told = said(&good);
    assert!(good.status.success() && told.contains("told succeeded  dep_"), "{told}");
    let told = said(&bad);
    assert!(!bad.status.success() && told.contains("told failed build_failed dep_"), "{told}");
    assert!(told.contains("the cause is here"), "{told}");
}

/// The component, included as a file of the job's own project.
#[tokio::test]
#[ignore = "needs a GitLab runner"]
async fn the_component_deploys_and_says_why_it_does_not() {
    let ci = Ci::new(".gitlab-ci.yml", |_| {
        "stages: [deploy]\ninclude:\n  - local: templates/deploy.yml\n    inputs:\n      branch: main\n"
            .to_owned()
    })
    .await;
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    std::fs::create_dir_all(ci.work.path().join("templates")).unwrap();
    std::fs::copy(root.join("templates/deploy.yml"), ci.work.path().join("templates/deploy.yml")).unwrap();
    // The runner includes only what git knows.
    git(ci.work.path(), &["add", "templates"]);
    ci.shows(|work, hook| gitlab_ci(work, hook, "deploy-with-stackblaze")).await;
}
