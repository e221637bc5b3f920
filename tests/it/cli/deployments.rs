//! Deploying, waiting, logs.

use std::process::Command;

use rustix::process::Signal;

use super::binary::{Running, RunningServer, program, run};

/// A repository with one commit and no file of interest.
fn repository(server: &RunningServer) -> String {
    let folder = server.file("repository");
    std::fs::create_dir(&folder).unwrap();
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command
            .arg("-C")
            .arg(&folder)
            .args(["-c", "user.name=t", "-c", "user.email=t@example.com"])
            .args(arguments);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        run(&mut command).ok();
    };
    git(&["init", "--quiet"]);
    git(&["symbolic-ref", "HEAD", "refs/heads/main"]);
    git(&["commit", "--quiet", "--allow-empty", "--message", "Say hello"]);
    folder.into_os_string().into_string().unwrap()
}

/// A server with a service that is built by this command.
fn server_with(build: &str) -> RunningServer {
    let server = RunningServer::start();
    let repo = repository(&server);
    server.cli(&["service", "add", "api", "--repo", &repo, "--build", build, "--deploy", "true"]).ok();
    server
}

fn deploy(server: &RunningServer) -> String {
    server.cli(&["deploy", "api"]).ok().stdout.trim_end().to_owned()
}

#[test]
fn a_failed_deployment_exits_1_and_says_why() {
    let server = RunningServer::start();
    server.cli(&["service", "add", "api", "--repo", "/nowhere/at/all", "--deploy", "true"]).ok();

    let waited = server.cli(&["deploy", "api", "--wait"]).code(1);
    let id = waited.stdout.lines().next().unwrap().to_owned();
    let json = server.cli(&["deploy", "api", "--wait", "--json"]).code(1).json();

    assert_eq!(waited.stdout, format!("{id}\nfailed\n"));
    assert!(waited.stderr.contains(&format!("next: stackblaze deployment logs {id}")), "{}", waited.stderr);
    assert_eq!(json["status"], "failed");
    server.cli(&["deployment", "wait", &id]).code(1);
    server.cli(&["deployment", "cancel", &id]).code(5);
    server.cli(&["deployment", "rollback", &id]).code(5);
    server.cli(&["deployment", "logs", &id]).ok();
    server.cli(&["deployment", "logs", "-f", &id]).ok();
    assert!(server.cli(&["deployment", "redeploy", &id]).ok().stdout.starts_with("dep_"));
    let listed = server.cli(&["deployment", "list", "api", "--status", "failed", "--limit", "1"]).ok();
    assert!(listed.stdout.lines().count() == 2 && listed.stderr.contains("--after dep_"), "{listed:?}");
    server.cli(&["deployment", "list", "api", "--status", "done"]).code(64);
    server.cli(&["deployment", "list", "web"]).code(3);
}

#[test]
fn an_unknown_deployment_is_3_everywhere() {
    let server = RunningServer::start();
    for verb in ["show", "logs", "cancel", "wait", "redeploy", "rollback"] {
        server.cli(&["deployment", verb, "dep_00000000000000000000"]).code(3);
    }
    server.cli(&["deployment", "logs", "-f", "dep_00000000000000000000"]).code(3);
    server.cli(&["deploy", "api"]).code(3);
}

#[test]
fn a_wait_outlasts_a_restart_of_the_server() {
    let mut server = RunningServer::start();
    server.cli(&["service", "add", "api", "--repo", "/nowhere/at/all", "--deploy", "true"]).ok();
    let id = server.cli(&["deploy", "api", "--wait"]).code(1).stdout.lines().next().unwrap().to_owned();
    server.stop();

    let mut waiting =
        Running::spawn(program().args(["deployment", "wait", &id, "--data-dir"]).arg(server.dir()));
    waiting.wait_for("trying again");
    server.start_again();

    assert_eq!(waiting.end().code(1).stdout, "failed\n");
}

#[test]
fn a_wait_that_learns_nothing_exits_2_and_an_interrupted_one_130() {
    let mut server = RunningServer::start();
    server.stop();
    let wait = ["deployment", "wait", "dep_00000000000000000000"];

    let unknown = server.cli(&[&wait[..], &["--timeout", "1s"]].concat()).code(2);
    let mut waiting = Running::spawn(program().args(wait).arg("--data-dir").arg(server.dir()));
    waiting.wait_for("trying again");
    waiting.signal(Signal::INT);
    let interrupted = waiting.end().code(130);

    assert!(unknown.stderr.contains("the server could not be asked"), "{}", unknown.stderr);
    let go_on =
        format!("stackblaze deployment wait dep_00000000000000000000 --data-dir {}", server.dir().display());
    assert!(interrupted.stderr.contains(&go_on), "{}", interrupted.stderr);
}

#[test]
fn a_deployment_that_succeeds_exits_0_and_can_be_read_and_repeated() {
    let server = server_with("printf '\\033[32mgreen\\033[0m\\n'");

    let waited = server.cli(&["deploy", "api", "--wait"]).ok();
    let id = waited.stdout.lines().next().unwrap().to_owned();
    let shown = server.cli(&["deployment", "show", &id]).ok();
    let logs = server.cli(&["deployment", "logs", &id]).ok();
    let followed = server.cli(&["deployment", "logs", "-f", &id]).ok();
    let json = server.cli(&["deployment", "logs", &id, "--json"]).ok().json();

    assert!(waited.stdout.ends_with("\nsucceeded\n"));
    assert!(
        shown.stdout.contains("Say hello") && shown.stdout.contains("build   succeeded"),
        "{}",
        shown.stdout
    );
    assert!(logs.stdout.contains("green\n") && !logs.stdout.contains('\x1b'), "{}", logs.stdout);
    assert_eq!(logs.stdout, followed.stdout);
    assert!(json["text"].as_str().unwrap().contains("\x1b[32mgreen"));
    server.cli(&["deployment", "rollback", &id, "--wait"]).ok();
    server.cli(&["deployment", "redeploy", &id, "--clear-cache", "--wait"]).ok();
    server.cli(&["deploy", "api", "--branch", "nope", "--wait"]).code(1);
}

#[test]
fn the_last_lines_of_a_failed_build_are_shown() {
    let server = server_with("echo it broke here; exit 3");

    let waited = server.cli(&["deploy", "api", "--wait"]).code(1);

    assert!(
        waited.stderr.contains("build_failed") && waited.stderr.contains("  it broke here"),
        "{}",
        waited.stderr
    );
}

#[test]
fn a_running_deployment_is_cancelled_and_its_log_followed_to_the_end() {
    let server = server_with("echo begun; exec sleep 600");
    let id = deploy(&server);
    let mut waiting =
        Running::spawn(program().args(["deployment", "wait", &id, "--data-dir"]).arg(server.dir()));
    waiting.wait_for("building");

    server.cli(&["deployment", "cancel", &id]).ok();

    let waited = waiting.end().code(1);
    assert!(waited.stderr.contains("cancelled"), "{}", waited.stderr);
    server.cli(&["deployment", "logs", "-f", &id]).ok();
}

#[test]
fn what_was_unfinished_in_a_backup_ends_as_lost() {
    let mut server = server_with("exec sleep 600");
    let id = deploy(&server);
    let copy = server.file("copy.db");
    server.cli(&["backup", copy.to_str().unwrap()]).ok();
    server.stop();

    let restored = server.cli(&["restore", copy.to_str().unwrap(), "--yes", "--json"]).ok().json();
    server.start_again();

    assert_eq!((&restored["deployments"], &restored["interrupted"]), (&1.into(), &1.into()));
    let shown = server.cli(&["deployment", "show", &id, "--json"]).ok().json();
    assert_eq!((&shown["reason"], &shown["message"]), (&"interrupted".into(), &"lost in restore".into()));
}

#[test]
fn a_deployment_is_followed_from_the_call_to_its_end() {
    let server = server_with("for word in one two three; do echo $word; sleep 0.1; done");

    let followed = server.cli(&["deploy", "api", "--follow"]).ok();
    let both = server.cli(&["deploy", "api", "--follow", "--wait"]).code(64);

    for line in ["one\ntwo\nthree\n", "succeeded\n"] {
        assert!(followed.stdout.contains(line), "{}", followed.stdout);
    }
    assert!(followed.stdout.ends_with("succeeded\n") && followed.stderr.contains("dep_"), "{followed:?}");
    assert!(both.stderr.contains("--wait"), "{}", both.stderr);
}

#[test]
fn the_end_of_a_log_is_shown_alone() {
    let server = server_with("seq 1 200; exit 3");
    let id = server.cli(&["deploy", "api", "--wait"]).code(1).stdout.lines().next().unwrap().to_owned();

    let tail = server.cli(&["deployment", "logs", "--tail", "3", &id]).ok();
    let all = server.cli(&["deployment", "logs", "--tail", "100000", &id]).ok();
    let none = server.cli(&["deployment", "logs", "--tail", "0", &id]).ok();

    let lines: Vec<_> = tail.stdout.lines().collect();
    assert!(lines.len() == 3 && lines[..2] == ["199", "200"], "{lines:?}");
    assert_eq!(all.stdout, server.cli(&["deployment", "logs", &id]).ok().stdout);
    assert_eq!(none.stdout, "");
}

#[test]
fn what_serves_and_what_failed_is_told_of_all_services_at_once() {
    let server = server_with("test ! -e fails");
    server.cli(&["service", "add", "web", "--repo", "/nowhere/at/all", "--deploy", "true"]).ok();
    server.cli(&["service", "add", "new", "--repo", "/nowhere", "--deploy", "true"]).code(64);
    server.cli(&["service", "add", "idle", "--repo", "/nowhere", "--deploy", "true"]).ok();
    server.cli(&["deploy", "api", "--wait"]).ok();
    server.cli(&["deploy", "web", "--wait"]).code(1);
    server.cli(&["service", "freeze", "idle", "--reason", "holidays"]).ok();

    let shown = server.cli(&["status"]).ok();
    let json = server.cli(&["status", "--json"]).ok().json();
    let all = server.cli(&["deployment", "list"]).ok();

    let row = |name: &str| {
        let line = shown.stdout.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(row("api").starts_with("api succeeded main at ") && row("api").contains("just now"), "{shown:?}");
    assert!(row("web").starts_with("web failed - - - clone_failed"), "{shown:?}");
    assert!(row("idle").ends_with("frozen: holidays"), "{shown:?}");
    assert_eq!(json["items"].as_array().unwrap().len(), 3);
    let listed: Vec<_> =
        all.stdout.lines().skip(1).map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    assert_eq!(listed, ["web", "api"], "{}", all.stdout);
}
