//! Wrong values of flags, flags before the noun, completion and the manual.

use tempfile::TempDir;

use super::binary::{RunningServer, program, run};
use crate::harness::receiver::Receiver;

#[test]
fn all_values_that_are_wrong_are_told_in_our_own_words() {
    let told = run(program().args([
        "serve",
        "--listen",
        "8080",
        "--concurrency",
        "0",
        "--public-url",
        "x",
        "--keep-audit",
        "yesterday",
        "--min-free",
        "5MB",
    ]))
    .code(64)
    .stderr;

    for line in [
        "--listen: \"8080\" is wrong: it is an address and a port; write 127.0.0.1:8080",
        "--concurrency: \"0\" is wrong: it is a whole number from 1 to 4294967295",
        "--public-url: \"x\" must be like https://deploy.example.com, without a path",
        "--keep-audit: \"yesterday\" is not a duration; write 30s, 15m, 24h or 90d",
        "--min-free: \"5MB\" is no size; write 512KiB, 5MiB or 1GiB",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    assert_eq!(told.lines().count(), 5, "{told}");
}

#[test]
fn names_are_completed_and_hidden_commands_are_not() {
    let (server, receiver) = (RunningServer::start_with(&["--allow-target", "127.0.0.1"]), Receiver::start());
    server.cli(&["service", "add", "api-service", "--repo", "/x", "--deploy", "true"]).ok();
    server.cli(&["hook", "create", "api-service", "--name", "github-actions"]).ok();
    let id = server.cli(&["deploy", "api-service"]).ok().stdout.trim().to_owned();
    let add = ["target", "add", "webhook", &receiver.url("/"), "--branch", "none", "--json"];
    let target = server.cli(&add).ok().json()["id"].as_str().unwrap().to_owned();
    let notice = server.cli(&["target", "test", &target, "--json"]).ok().json();
    let complete = |words: &[&str]| {
        let mut command = program();
        command.env("COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
        let command = command.args(["--", "stackblaze"]).args(words);
        let done = run(command.env("STACKBLAZE_DATA_DIR", server.dir())).ok().stdout;
        done.split(['\u{b}', '\n']).map(str::to_owned).collect::<Vec<_>>()
    };

    let first = complete(&["s"]);
    assert!(first.contains(&"service".to_owned()) && !first.contains(&"step".to_owned()), "{first:?}");
    assert_eq!(complete(&["token", "create", "x", "--scope", ""]), ["read", "deploy", "admin"]);
    assert_eq!(complete(&["deploy", "ap"]), ["api-service"]);
    assert_eq!(complete(&["hook", "rotate", "api-service", "git"]), ["github-actions"]);
    assert_eq!(complete(&["deployment", "logs", "dep_"]), [id]);
    assert_eq!(complete(&["target", "show", "tgt_"]), [target.as_str()]);
    assert_eq!(complete(&["target", "redeliver", &target, "ntc_"]), [notice["id"].as_str().unwrap()]);
    assert_eq!(complete(&["target", "add", "gi"]), ["github", "gitlab", "gitea"]);
    assert_eq!(complete(&["deploy", "zzz"]), [""]);
}

#[test]
fn flags_of_a_noun_stand_before_it_too() {
    let server = RunningServer::start();
    let made = server.cli(&["token", "create", "laptop", "--scope", "admin"]).ok();
    let token = server.write("token", &made.stdout);

    let listed =
        run(program().args(["--server", &server.url, "--token-file", &token, "--json", "service", "list"]));

    assert_eq!(listed.ok().json()["next"], serde_json::Value::Null);
}

#[test]
fn the_manual_has_a_page_of_each_command() {
    let folder = TempDir::new().unwrap();

    run(program().args(["completions", "man", "--dir"]).arg(folder.path())).ok();

    for page in ["stackblaze.1", "stackblaze-serve.1", "stackblaze-hook-create.1", "stackblaze-target-add.1"]
    {
        let text = std::fs::read_to_string(folder.path().join(page)).unwrap();
        assert!(text.contains(".TH"), "{page}");
    }
    assert!(!folder.path().join("stackblaze-step.1").exists());
}
