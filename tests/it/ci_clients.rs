//! What CI systems take in place of a snippet: the script behind the action and the component, run as they run it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::git::GitRepo;
use crate::harness::guest::output;
use crate::harness::process::Server;

/// A server with a service that deploys and one whose build fails, and what the script leaves.
struct Ci {
    server: Server,
    _folders: (TempDir, GitRepo),
    left: TempDir,
    good: String,
    bad: String,
}

/// What came of a run of the script.
struct Ran {
    code: i32,
    said: String,
    left: String,
    summary: String,
}

impl Ci {
    async fn new() -> Self {
        let (data, repo) = (TempDir::new().unwrap(), GitRepo::new());
        repo.commit("hello", "one\n", "Say hello");
        let server = Server::start(data.path(), &[]);
        let mut hooks = Vec::new();
        for (name, build) in [("good", "true"), ("bad", "echo '<b>the cause is here</b>'; false")] {
            let service = json!({ "name": name, "repository": repo.url(), "buildCommand": build,
                "queuePolicy": "every" });
            hooks.push(format!("{}{}", server.url, server.hook(service).await));
        }
        let [good, bad] = <[String; 2]>::try_from(hooks).unwrap();
        Self { server, _folders: (data, repo), left: TempDir::new().unwrap(), good, bad }
    }

    fn run(&self, env: &[(&str, &str)]) -> Ran {
        let [left, summary] = ["left", "summary"].map(|name| self.left.path().join(name));
        for file in [&left, &summary] {
            drop(std::fs::remove_file(file));
        }
        let mut command = Command::new("sh");
        command.arg(root().join("deploy/ci/deploy.sh")).current_dir(self.left.path());
        command.env("GITHUB_OUTPUT", &left).env("GITHUB_STEP_SUMMARY", &summary).envs(env.iter().copied());
        let done = output(&mut command);
        let read = |file: &Path| std::fs::read_to_string(file).unwrap_or_default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = format!("{}{}", text(&done.stdout), text(&done.stderr));
        assert!(!said.contains("sbhook_"), "{said}");
        Ran { code: done.status.code().unwrap(), said, left: read(&left), summary: read(&summary) }
    }

    async fn deployment(&self, id: &str) -> Value {
        self.server.api("GET", &format!("/deployments/{id}"), None).await
    }
}

impl Ran {
    fn value(&self, name: &str) -> &str {
        let line = self.left.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("{name}: {}", self.left))
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_deploys_waits_and_leaves_what_came_of_it() {
    let ci = Ci::new().await;

    let ran = ci.run(&[
        ("STACKBLAZE_DEPLOY_HOOK", &ci.good),
        ("STACKBLAZE_BRANCH", "main"),
        ("STACKBLAZE_NOTE", "why \"& not\""),
        ("STACKBLAZE_KEY", "run-1"),
    ]);

    assert_eq!((ran.code, ran.value("status"), ran.value("reason")), (0, "succeeded", ""), "{}", ran.said);
    let id = ran.value("id");
    assert_eq!(ran.value("url"), format!("{}/deploys/{id}", ci.server.url));
    assert!(
        ran.said.ends_with("succeeded\n") && ran.summary.starts_with("### succeeded\n"),
        "{}",
        ran.summary
    );
    let shown = ci.deployment(id).await;
    assert_eq!((&shown["note"], &shown["branch"]), (&json!("why \"& not\""), &json!("main")));
    // The same job again is the same deployment.
    let again = ci.run(&[
        ("STACKBLAZE_DEPLOY_HOOK", &ci.good),
        ("STACKBLAZE_BRANCH", "main"),
        ("STACKBLAZE_NOTE", "why \"& not\""),
        ("STACKBLAZE_KEY", "run-1"),
    ]);
    assert_eq!(again.value("id"), id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_one_with_its_cause_in_log_and_summary() {
    let ci = Ci::new().await;

    let ran = ci.run(&[("STACKBLAZE_DEPLOY_HOOK", &ci.bad)]);

    assert_eq!((ran.code, ran.value("status"), ran.value("reason")), (1, "failed", "build_failed"));
    assert!(ran.said.contains("<b>the cause is here</b>"), "{}", ran.said);
    // Indented it is a block of code, and no markup of the summary's.
    assert!(ran.summary.contains("\n    <b>the cause is here</b>\n"), "{}", ran.summary);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_and_a_wrong_use_are_told_apart_and_deploy_nothing() {
    let ci = Ci::new().await;
    let token = ci.good.rsplit('/').next().unwrap();
    let cut = &ci.good[..ci.good.len() - 1];
    for (env, code, told) in [
        (vec![("STACKBLAZE_DEPLOY_HOOK", cut)], 2, "refused with 401"),
        (vec![("STACKBLAZE_DEPLOY_HOOK", &*ci.good), ("STACKBLAZE_BRANCH", "a..b")], 2, "invalid_parameter"),
        (vec![("STACKBLAZE_DEPLOY_HOOK", "http://127.0.0.1:1/deploy-hooks/x")], 2, "was not reached"),
        (vec![("STACKBLAZE_DEPLOY_HOOK", "sbhook")], 64, "is no hook URL"),
        (vec![], 64, "STACKBLAZE_DEPLOY_HOOK"),
        (vec![("STACKBLAZE_HOOK_TOKEN", token)], 64, "STACKBLAZE_SERVER"),
    ] {
        let ran = ci.run(&env);

        assert_eq!(ran.code, code, "{}", ran.said);
        assert!(ran.said.contains(told) && ran.left.is_empty(), "{}", ran.said);
    }
    let all = ci.server.api("GET", "/api/v1/deployments", None).await;
    assert_eq!(all["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_and_a_token_are_as_good_as_the_url_and_nobody_has_to_wait() {
    let ci = Ci::new().await;
    let token = ci.good.rsplit('/').next().unwrap();
    let server = format!("{}/", ci.server.url);

    let ran = ci.run(&[
        ("STACKBLAZE_SERVER", &server),
        ("STACKBLAZE_HOOK_TOKEN", token),
        ("STACKBLAZE_WAIT", "false"),
    ]);

    assert_eq!((ran.code, ran.value("status")), (0, "queued"), "{}", ran.said);
    assert_eq!(ci.deployment(ran.value("id")).await["service"], json!("good"));
}

/// A component can bring no other file, so it has the script in it.
#[test]
fn the_component_for_gitlab_has_the_same_script() {
    let read = |file: &str| std::fs::read_to_string(root().join(file)).unwrap();
    let script = read("deploy/ci/deploy.sh");
    let indent = |line: &str| if line.is_empty() { String::new() } else { format!("      {line}") };
    let indented: Vec<_> = script.lines().map(indent).collect();

    assert!(
        read("templates/deploy.yml").contains(&indented.join("\n")),
        "write it into templates/deploy.yml again"
    );
}
