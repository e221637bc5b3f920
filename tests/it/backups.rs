//! Copies that the server makes by itself, as the real program.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::guest::output;
use crate::harness::process::{Server, serve, stackblaze, wait_until};

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs the command line on a data directory; its exit code and all that it says.
fn cli(data: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = stackblaze();
    let ran = output(command.args(arguments).arg("--data-dir").arg(data));
    (ran.status.code(), String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap())
}

fn has_copy(folder: &Path) -> bool {
    names(folder).iter().any(|name| name.starts_with("stackblaze-") && name.ends_with("Z.db"))
}

#[tokio::test]
async fn a_copy_is_made_at_the_start_and_can_be_restored() {
    let (data, folder, fresh) = (TempDir::new().unwrap(), TempDir::new().unwrap(), TempDir::new().unwrap());
    std::fs::write(folder.path().join("notes.txt"), "not ours").unwrap();
    let flags = ["--backup-every", "24h", "--backup-keep", "1", "--backup-dir"];
    let dir = folder.path().to_str().unwrap();
    let server = Server::start(data.path(), &[&flags[..], &[dir]].concat());
    server.hook(json!({ "name": "api", "repository": "/srv/api" })).await;

    wait_until("the copy", || {
        let told = ready(Command::new("curl").args(["-s", "--unix-socket"]).arg(server.socket()));
        has_copy(folder.path()) && told["backup"]["newest"].is_string()
    });
    let (code, doctor) = cli(data.path(), &["doctor"]);
    let copy = folder
        .path()
        .join(names(folder.path()).into_iter().find(|name| name.starts_with("stackblaze-")).unwrap());
    let (restored, said) = cli(fresh.path(), &["restore", copy.to_str().unwrap()]);

    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(folder.path()).len(), 2, "{:?}", names(folder.path()));
    assert_eq!((code, restored), (Some(0), Some(0)), "{doctor} {said}");
    assert!(doctor.contains("backup") && doctor.contains("copy of the database"), "{doctor}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told_and_stops_no_call() {
    let (data, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let missing = folder.path().join("mount");
    let mut command = serve(data.path(), &[]);
    command.env("STACKBLAZE_BACKUP_EVERY", "24h").env("STACKBLAZE_BACKUP_DIR", &missing);
    let server = Server::from_command(command, data.path());

    wait_until("the problem", || {
        let asked = ready(Command::new("curl").args(["-s", "--unix-socket"]).arg(server.socket()));
        asked["backup"]["problem"].as_str().is_some_and(|problem| problem.contains("mount"))
    });
    let (code, doctor) = cli(data.path(), &["doctor"]);
    let answer = server.api("GET", "/readyz?verbose", None).await;

    assert!(code == Some(1) && doctor.contains("no copy of the database yet"), "{doctor}");
    assert!(doctor.contains("fix: make room in the folder of --backup-dir, mount it"), "{doctor}");
    assert_eq!((&answer["ready"], missing.exists()), (&json!(true), false));
}

fn ready(command: &mut Command) -> Value {
    let ran = command.args(["-m", "5", "http://server/readyz?verbose"]).output().unwrap();
    serde_json::from_slice(&ran.stdout).unwrap_or_default()
}

#[test]
fn flags_that_mean_nothing_alone_or_at_all_are_refused() {
    let data = TempDir::new().unwrap();
    let refused = |flags: &[&str]| {
        let ran = output(&mut serve(data.path(), flags));
        (ran.status.code(), String::from_utf8(ran.stderr).unwrap())
    };

    for (flags, told) in [
        (&["--backup-every", "24h"][..], "--backup-dir"),
        (&["--backup-dir", "/tmp"], "--backup-every"),
        (&["--backup-every", "10s", "--backup-dir", "/tmp"], "less than 1m"),
        (&["--backup-every", "daily", "--backup-dir", "/tmp"], "write 30s, 15m, 24h or 90d"),
        (&["--backup-every", "24h", "--backup-dir", ""], "must not be empty"),
        (&["--backup-every", "24h", "--backup-dir", "/tmp", "--backup-keep", "0"], "whole number from 1"),
        (&["--metrics-listen", "9464"], "127.0.0.1:9464"),
    ] {
        let (code, said) = refused(flags);
        assert!(code == Some(64) && said.contains(told), "{flags:?}: {code:?} {said}");
    }
}
