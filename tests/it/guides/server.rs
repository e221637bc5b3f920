//! The quick start of `docs/README.md` and the lines of `docs/OPERATIONS.md`.

use serde_json::json;
use tempfile::TempDir;

use super::{Shell, page, program, shell_of};
use crate::harness::git::GitRepo;
use crate::harness::process::{Server, serve};

#[tokio::test]
async fn the_quick_start_leads_to_a_deployment_that_has_succeeded() {
    let (data, folder, repo) = (TempDir::new().unwrap(), TempDir::new().unwrap(), GitRepo::new());
    repo.commit("hello", "one\n", "Say hello");
    program(folder.path(), "make", "echo built >built");
    let mut shell = Shell { folder: folder.path(), data: data.path(), variables: Vec::new() };
    let mut command = serve(data.path(), &[]);
    command.env("HOME", folder.path()).env("PATH", shell.path());
    let server = Server::from_command(command, data.path());
    let lines = shell_of(&page("README.md"), Some("## Quick start"));
    let [start, make, call, look] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(start.trim(), "stackblaze serve");

    let printed = shell.ok(&make.replace("https://git.example.com/you/hello.git", &repo.url()));
    let hook = printed.lines().find(|line| line.contains("/deploy-hooks/")).unwrap().to_owned();
    assert!(hook.starts_with(&server.url));
    shell.variables.push(("STACKBLAZE_DEPLOY_HOOK", hook));
    shell.ok(call);
    let looked = shell.ok(look);

    assert!(looked.contains("succeeded"), "{looked}");
    assert_eq!(std::fs::read_to_string(folder.path().join("site/built")).unwrap(), "built\n");
}

#[tokio::test]
async fn copies_come_back_and_a_lost_key_is_replaced_as_the_page_says() {
    let (folder, text) = (TempDir::new().unwrap(), page("OPERATIONS.md"));
    let data = folder.path().join("data");
    let mut server = Server::start(&data, &[]);
    server.hook(json!({ "name": "api", "repository": "/srv/api" })).await;
    let token =
        server.api("POST", "/api/v1/tokens", Some(json!({ "name": "copies", "scope": "admin" }))).await;
    std::fs::write(folder.path().join("admin.token"), token["token"].as_str().unwrap()).unwrap();
    let shell = Shell { folder: folder.path(), data: &data, variables: Vec::new() };
    let [here, away] = &shell_of(&text, Some("## Copies"))[..] else { panic!() };

    shell.ok(here);
    std::fs::rename(folder.path().join("stackblaze.db"), folder.path().join("first.db")).unwrap();
    shell.ok(&away.replace("https://deploy.example.com", &server.url));
    server.signal("TERM");
    assert!(server.wait().success());
    let restored =
        shell.ok(&shell_of(&text, Some("## Restore")).concat().replace("restore ", "restore --yes "));
    let tried = folder.path().join("tried");
    shell.ok(&format!("stackblaze restore first.db --data-dir {} --yes", tried.display()));

    assert!(restored.contains("restored into"), "{restored}");

    std::fs::remove_file(data.join("secret.key")).unwrap();
    assert_eq!(serve(&data, &[]).status().unwrap().code(), Some(1));
    let inside = Shell { folder: &data, data: &data, variables: Vec::new() };
    inside.ok(&shell_of(&text, Some("### The key is lost")).concat());
    let server = Server::start(&data, &[]);
    let again = server.api("POST", "/api/v1/services/api/hooks", Some(json!({ "name": "ci" }))).await;
    assert!(again["url"].is_string(), "{again}");
}
