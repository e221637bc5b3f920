//! The first five minutes.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use super::binary::{Running, program, run};

#[test]
fn one_deployment_is_made_and_nothing_is_left() {
    let temporary = tempfile::tempdir().unwrap();

    let ran = run(program()
        .args(["demo", "--once", "--json", "--port", "0"])
        .env("TMPDIR", temporary.path())
        .env("STACKBLAZE_PUBLIC_URL", "https://deploy.example.com"))
    .ok();

    let line = ran.json();
    let keys: Vec<_> = line.as_object().unwrap().keys().map(String::as_str).collect();
    let wanted = ["url", "hookUrl", "service", "deploymentId", "status", "signInUrl", "apiToken", "dataDir"];
    assert_eq!(keys, wanted);
    assert_eq!(ran.stdout.lines().count(), 1);
    assert_eq!((&line["service"], &line["status"]), (&"hello".into(), &"succeeded".into()));
    assert!(line["hookUrl"].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert!(!Path::new(line["dataDir"].as_str().unwrap()).exists());
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn what_it_prints_next_works_as_printed() {
    let temporary = tempfile::tempdir().unwrap();
    let mut demo = Running::spawn(program().args(["demo", "--port", "0"]).env("TMPDIR", temporary.path()));
    let text = demo.wait_for_output("Ctrl-C stops the demo.");

    let site = text.lines().find_map(|line| line.trim().strip_prefix("serving file://")).unwrap();
    let site = std::fs::read_to_string(site).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("Try next     ")).unwrap();
    let accepted =
        run(Command::new("sh").args(["-c", line]).stdout(Stdio::piped()).stderr(Stdio::piped())).ok();
    let id =
        serde_json::from_str::<Value>(&accepted.stdout).unwrap()["deploymentId"].as_str().unwrap().to_owned();
    let base = line.split('"').nth(1).unwrap().split("/deploy-hooks").next().unwrap();
    let waited = run(program().args(["deployment", "wait", &id, "--server", base, "--json"])).ok().json();
    demo.signal(Signal::INT);
    let ended = demo.end().ok();

    assert!(text.contains("current -> releases/dep-") && text.contains("succeeded in"), "{text}");
    assert!(site.contains("<dt>Branch</dt><dd>main</dd>") && site.contains("<dd>dep_"), "{site}");
    let (_, failed) = text.split_once("\n5 fail ").unwrap();
    for said in [
        "clone ",
        "failed, build_failed: ",
        "error: index.html: line 16: </html> is missing",
        "/deploys/dep_",
    ] {
        assert!(failed.contains(said), "{said}: {text}");
    }
    assert_eq!((&waited["branch"], &waited["status"]), (&"feat/new-ui".into(), &"succeeded".into()));
    assert!(ended.stdout.contains("Stopping."));
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn what_is_missing_is_said_in_a_sentence_with_its_fix() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let temporary = tempfile::tempdir().unwrap();
    let demo = || {
        let mut command = program();
        command.args(["demo", "--once"]).env("TMPDIR", temporary.path());
        command
    };

    let no_git = run(demo().env("PATH", "/nowhere")).code(1);
    let no_folder = run(demo().env("TMPDIR", "/nowhere")).code(1);
    let no_port = run(demo().args(["--port", &port])).code(1);

    assert!(
        no_git.stderr.contains("git cannot be run") && no_git.stderr.contains("install it"),
        "{}",
        no_git.stderr
    );
    assert!(
        no_folder.stderr.contains("cannot make a folder in /nowhere") && no_folder.stderr.contains("TMPDIR=")
    );
    assert!(no_port.stderr.contains("cannot listen on") && no_port.stderr.contains("leave --port out"));
}
