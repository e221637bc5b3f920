//! The texts of `docs/NOTIFICATIONS.md`, run as they stand there.

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::cli::binary::RunningServer;
use crate::harness::guest::output;
use crate::harness::receiver::Receiver;

const DOCS: &str = include_str!("../../docs/NOTIFICATIONS.md");

fn shell(text: &str, folder: &Path, variables: &[(&str, &str)]) -> Output {
    let program = Path::new(env!("CARGO_BIN_EXE_stackblaze")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var_os("PATH").unwrap().display());
    let mut command = Command::new("sh");
    command.args(["-e", "-c", text]).current_dir(folder).env("PATH", path).envs(variables.iter().copied());
    output(&mut command)
}

#[test]
fn each_kind_is_added_by_its_command() {
    let server = RunningServer::start();
    server.cli(&["service", "add", "api", "--repo", "/nowhere/api.git", "--deploy", "make"]).ok();
    let folder = TempDir::new().unwrap();
    for (name, text) in [
        ("token", "hunter2hunter2"),
        ("slack.url", "https://hooks.slack.com/services/T0/B0/X"),
        ("discord.url", "https://discord.com/api/webhooks/1/X"),
        ("teams.url", "https://example.webhook.office.com/X"),
    ] {
        std::fs::write(folder.path().join(name), format!("{text}\n")).unwrap();
    }
    let shown =
        DOCS.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| line.contains("target add"));

    for line in shown.clone() {
        let data = server.dir().into_os_string().into_string().unwrap();
        let ran = shell(line, folder.path(), &[("STACKBLAZE_DATA_DIR", &data)]);
        assert!(ran.status.success(), "{line}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    let listed = server.cli(&["target", "list", "--json"]).ok().json();
    assert_eq!((shown.count(), listed["items"].as_array().unwrap().len()), (7, 7));
}

#[test]
fn the_lines_for_a_shell_tell_what_is_genuine() {
    let server = RunningServer::start_with(&["--allow-target", "127.0.0.1"]);
    let (receiver, folder) = (Receiver::start(), TempDir::new().unwrap());
    let added = server.cli(&["target", "add", "webhook", &receiver.url("/"), "--json"]).ok().json();
    server.cli(&["target", "test", added["id"].as_str().unwrap()]).ok();
    let told = receiver.received().remove(0);
    let lines = DOCS.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let verify = |secret: &str, body: &str| {
        std::fs::write(folder.path().join("secret"), format!("{secret}\n")).unwrap();
        std::fs::write(folder.path().join("body"), body).unwrap();
        let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let names = ["webhook_id", "webhook_timestamp", "webhook_signature"];
        let values = headers.map(|name| told.header(name));
        let variables: Vec<_> = names.into_iter().zip(values).collect();
        let ran = shell(lines, folder.path(), &variables);
        (ran.status.code(), String::from_utf8_lossy(&ran.stdout).into_owned())
    };

    let secret = added["secret"].as_str().unwrap();
    let other = server.cli(&["target", "rotate", added["id"].as_str().unwrap()]).ok().stdout;

    assert_eq!(verify(secret, &told.body), (Some(0), "genuine\n".to_owned()));
    assert_eq!(verify(secret, &told.body.replace("test", "text")), (Some(1), "forged\n".to_owned()));
    assert_eq!(verify(other.trim(), &told.body), (Some(1), "forged\n".to_owned()));
}
