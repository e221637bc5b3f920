//! The commands of `docs/OUTGROWING.md`, in their order, on a server that gets a cluster which does not answer.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use tempfile::TempDir;

use crate::harness::git::GitRepo;
use crate::harness::guest::output;
use crate::harness::process::{Server, client, serve};

const DOCS: &str = include_str!("../../docs/OUTGROWING.md");
const KUBECONFIG: &str = "apiVersion: v1\nkind: Config\ncurrent-context: production\n\
    clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]\n\
    contexts: [{name: production, context: {cluster: c, user: u}}]\nusers: [{name: u, user: {token: t}}]\n";

/// The commands, one a line, in their order.
fn commands() -> Vec<String> {
    let blocks = DOCS.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let text: String = blocks.collect();
    let text = text.replace("\\\n", " ");
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect()
}

/// Runs a command as the page has it, in this folder, which is empty of all settings.
fn run(folder: &Path, data: &Path, line: &str) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_stackblaze")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var_os("PATH").unwrap().display());
    let mut command = Command::new("sh");
    command.args(["-e", "-c", line]).current_dir(folder).env("PATH", path).env("STACKBLAZE_DATA_DIR", data);
    output(command.env_remove("STATE_DIRECTORY"))
}

#[tokio::test]
async fn a_service_moves_to_a_cluster_with_its_hook_and_its_queue() {
    let (folder, data, repo) = (TempDir::new().unwrap(), TempDir::new().unwrap(), GitRepo::new());
    repo.commit("hello", "one\n", "Say hello");
    let lines = commands();
    assert_eq!(
        lines.iter().map(|line| line.split(' ').nth(1).unwrap()).collect::<Vec<_>>(),
        ["manifests", "serve", "service", "service", "deploy"]
    );
    let server = Server::start(data.path(), &[]);
    let service = json!({ "name": "api", "repository": "https://git.example.com/shop/api.git",
        "deployCommand": "true", "executor": "local", "queuePolicy": "every" });
    let hook = server.hook(service).await;
    drop(server);

    let rights = run(folder.path(), data.path(), &lines[0]);
    assert!(rights.status.success(), "{rights:?}");
    let yaml = std::fs::read_to_string(folder.path().join("rights.yaml")).unwrap();
    assert!(yaml.contains("resourceNames: [api]") || yaml.contains("- api"), "{yaml}");

    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, KUBECONFIG).unwrap();
    let flags: Vec<&str> = lines[1].split(' ').skip(2).collect();
    let mut command = serve(data.path(), &flags);
    command.arg("--kubeconfig").arg(&kubeconfig);
    let server = Server::from_command(command, data.path());
    let set = run(folder.path(), data.path(), &lines[2]);
    assert!(set.status.success(), "{set:?}");

    let answer = client().post(format!("{}{hook}", server.url)).send().await.unwrap();
    assert_eq!(answer.status(), 202);
    let id = answer.json::<serde_json::Value>().await.unwrap()["deploymentId"].as_str().unwrap().to_owned();
    let shown = server.api("GET", "/api/v1/services/api", None).await;
    assert_eq!((&shown["executor"], &shown["workloads"]), (&json!("tekton"), &json!(["shop/api"])));
    assert_eq!(shown["deployCommand"], "true");
    let waiting = server.api("GET", &format!("/deployments/{id}"), None).await;
    assert_eq!(waiting["status"], "queued");
    let check = run(folder.path(), data.path(), &lines[3]);
    assert!(!String::from_utf8_lossy(&check.stdout).is_empty(), "{check:?}");
}
