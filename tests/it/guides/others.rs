//! The lines of ours in `docs/COMING-FROM.md` and `docs/CI.md`.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Shell, page, shell_of};
use crate::harness::git::GitRepo;
use crate::harness::process::Server;

fn shell<'a>(folder: &'a Path, hook: &str, commit: &str) -> Shell<'a> {
    let variables = vec![("STACKBLAZE_DEPLOY_HOOK", hook.to_owned()), ("GIT_COMMIT", commit.to_owned())];
    Shell { folder, data: folder, variables }
}

#[tokio::test]
async fn what_takes_the_place_of_other_hooks_is_accepted() {
    let (data, folder, repo) = (TempDir::new().unwrap(), TempDir::new().unwrap(), GitRepo::new());
    let commit = repo.commit("hello", "one\n", "Say hello");
    let server = Server::start(data.path(), &["--hook-burst", "100"]);
    let service = json!({ "name": "api", "repository": repo.url(), "image": "registry.example.com/shop/api",
        "queuePolicy": "every" });
    let hook = format!("{}{}", server.url, server.hook(service).await);
    let lines = shell_of(&page("COMING-FROM.md"), None);
    assert_eq!(lines.len(), 5);

    let answers: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(&shell(folder.path(), &hook, &commit).ok(line)).unwrap())
        .collect();
    let dry = shell(folder.path(), &hook, &commit)
        .ok("curl --fail-with-body -X POST \"$STACKBLAZE_DEPLOY_HOOK?dry_run=true\"");

    assert!(answers.iter().all(|answer| answer["deploymentId"].is_string()), "{answers:?}");
    let mut asked = Vec::new();
    for answer in &answers[1..] {
        let id = answer["deploymentId"].as_str().unwrap();
        asked.push(server.api("GET", &format!("/deployments/{id}"), None).await);
    }
    assert_eq!(asked[0]["clearCache"], true, "{}", asked[0]);
    assert_eq!(asked[1]["branch"], "main");
    assert_eq!(asked[2]["commit"], json!(commit), "{}", asked[2]);
    assert_eq!(asked[3]["image"], "registry.example.com/shop/api:v1.2.3", "{}", asked[3]);
    assert!(dry.contains("main"), "{dry}");
}

#[tokio::test]
async fn a_timer_calls_the_hook_by_a_file_that_holds_the_url() {
    let (data, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let server = Server::start(data.path(), &[]);
    let hook = server.hook(json!({ "name": "api", "repository": "/srv/api" })).await;
    let text = page("CI.md");
    let words = ["url = \"https://…\"", "curl --config FILE --fail-with-body -X POST"];
    assert!(words.iter().all(|words| text.contains(&format!("`{words}`"))));
    std::fs::write(
        folder.path().join("FILE"),
        words[0].replace("https://…", &format!("{}{hook}", server.url)),
    )
    .unwrap();

    let answer = shell(folder.path(), "", "").ok(words[1]);

    assert!(answer.contains("\"deploymentId\":\"dep_"), "{answer}");
}
