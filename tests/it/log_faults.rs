//! A disk that takes no log for a while: the lines that say why a deployment failed are there all the same.

use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::git::GitRepo;
use crate::harness::process::{Server, client, serve};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_lines_of_a_log_outlive_a_disk_that_is_full_for_a_while() {
    if Command::new("strace").args(["-o", "/dev/null", "true"]).status().is_err() {
        eprintln!("LEFT OUT, since strace is missing: a disk that is full for a while");
        return;
    }
    let (data, repo) = (TempDir::new().unwrap(), GitRepo::new());
    repo.commit("hello", "one\n", "Say hello");
    let mut first = Server::start(data.path(), &[]);
    let service = json!({
        "name": "api", "repository": repo.url(), "buildCommand": "echo building; echo 'error: the cause'; exit 3",
    });
    let hook = first.hook(service).await;
    first.signal("TERM");
    first.wait();
    let plain = serve(data.path(), &[]);
    let mut command = Command::new("strace");
    let log = data.path().join("logs.db-wal");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=pwrite64", "-P"]).arg(&log);
    // Each failed try is one call: the first lines, those of the build, and the end meet a full disk.
    command.args(["-e", "inject=pwrite64:error=ENOSPC:when=1..6"]);
    command.arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
    let mut server = Server::from_command(command, data.path());

    let answer = client().post(format!("{}{hook}", server.url)).send().await.unwrap();
    let id = answer.json::<Value>().await.unwrap()["deploymentId"].as_str().unwrap().to_owned();
    client().get(format!("{}/deployments/{id}/wait", server.url)).send().await.unwrap();

    let shown = server.api("GET", &format!("/deployments/{id}"), None).await;
    assert_eq!((&shown["reason"], &shown["failure"]["exitCode"]), (&json!("build_failed"), &json!(3)));
    let tail = shown["failure"]["logTail"].as_array().unwrap();
    assert!(tail.contains(&json!("error: the cause")), "{tail:?}");
    let refused = server.lines.try_iter().filter(|line| line.contains("were not stored")).count();
    assert!(refused > 0, "the disk was never full");
    let pid = std::fs::read_to_string(data.path().join("lock")).unwrap();
    Command::new("kill").args(["-TERM", &pid]).status().unwrap();
    server.wait();
}
