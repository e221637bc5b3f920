//! Targets of notices: who is told of deployments, and what became of it.

use std::fs::File;

use serde_json::{Value, json};

use super::binary::{Ran, RunningServer, program, run};
use crate::harness::receiver::Receiver;

/// A server that may tell somebody on this machine, with a service whose deployments fail.
fn server() -> RunningServer {
    let server = RunningServer::start_with(&["--allow-target", "127.0.0.1"]);
    server.cli(&["service", "add", "api", "--repo", "/nowhere/api.git", "--deploy", "make"]).ok();
    server
}

/// Adds a webhook; its id.
fn webhook(server: &RunningServer, url: &str) -> String {
    let added = server.cli(&["target", "add", "webhook", url, "--json"]).ok().json();
    added["id"].as_str().unwrap().to_owned()
}

/// Runs a command that reads stdin from a file.
fn with_stdin(server: &RunningServer, file: &str, arguments: &[&str]) -> Ran {
    let mut command = program();
    command.args(arguments).arg("--data-dir").arg(server.dir());
    run(command.stdin(File::open(file).unwrap()))
}

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_webhook_is_added_shown_changed_and_deleted() {
    let (server, receiver) = (server(), Receiver::start());
    let (url, other) = (receiver.url("/hook"), receiver.url("/other"));
    let add = ["target", "add", "webhook", &url, "--service", "api", "--branch", "main"];

    let added = server.cli(&add).ok();
    let json = server.cli(&["target", "add", "webhook", &other, "--json"]).ok();
    let again = server.cli(&add).code(5);
    let own = server.cli(&["target", "list", "--service", "api", "--json"]).ok().json();
    let listed = server.cli(&["target", "list"]).ok();

    assert!(added.stdout.starts_with("whsec_") && added.stdout.lines().count() == 1, "{}", added.stdout);
    assert!(added.stderr.contains("shown this once") && added.stderr.contains("warning: over http://"));
    assert_eq!(keys(&json.json()), ["id", "secret"]);
    assert!(json.json()["secret"].as_str().unwrap().starts_with("whsec_") && !json.stderr.contains("whsec_"));
    assert!(again.stderr.contains("there is a target webhook"), "{}", again.stderr);
    assert_eq!(own["items"].as_array().unwrap().len(), 1);
    let id = own["items"][0]["id"].as_str().unwrap();
    assert!(added.stderr.contains(&format!("next: stackblaze target test {id}")), "{}", added.stderr);
    assert!(
        listed.stdout.starts_with("ID") && listed.stdout.contains(&url) && listed.stdout.contains(&other)
    );

    let shown = server.cli(&["target", "show", id]).ok();
    let set =
        ["target", "set", id, "--event", "deployment.failed", "--all-branches", "--with-lines", "--json"];
    let set = server.cli(&set).ok().json();
    let off =
        server.cli(&["target", "set", id, "--off", "--without-lines", "--url", &receiver.url("/2")]).ok();
    let refused = server.cli(&["target", "test", id]).code(5);
    let shown_off = server.cli(&["target", "show", id]).ok();
    server.cli(&["target", "set", id, "--on"]).ok();

    for line in ["service    api\n", "branches   main\n", "lines      none\n"] {
        assert!(shown.stdout.contains(line), "{line}: {}", shown.stdout);
    }
    assert_eq!((&set["events"], &set["branches"]), (&json!(["deployment.failed"]), &json!([])));
    assert_eq!((&set["withLines"], &set["state"]), (&json!(true), &json!("active")));
    assert_eq!(off.stdout, format!("target {id} changed\n"));
    assert!(refused.stderr.contains("switched off") && refused.stdout.is_empty(), "{}", refused.stderr);
    assert!(shown_off.stdout.contains("an operator switched it off"), "{}", shown_off.stdout);

    server.cli(&["target", "rm", id]).code(64);
    let removed = server.cli(&["target", "rm", id, "--yes", "--json"]).ok().json();
    assert_eq!(removed, json!({ "id": id, "deleted": true }));
    server.cli(&["target", "show", id]).code(3);
    server.cli(&["target", "rm", id, "--yes"]).code(3);
    assert_eq!(receiver.received().len(), 0, "it was never told of anything");
}

#[test]
fn a_test_shows_the_answer_and_the_log_every_one() {
    let (server, receiver) = (server(), Receiver::start());
    let id = webhook(&server, &receiver.url("/hook"));
    receiver.answer_next(&["204 No Content", "404 Not Found", "404 Not Found"]);

    let empty = server.cli(&["target", "log", &id]).ok();
    let good = server.cli(&["target", "test", &id]).ok();
    let bad = server.cli(&["target", "test", &id]).code(1);
    let json = server.cli(&["target", "test", &id, "--json"]).code(1).json();
    let logged = server.cli(&["target", "log", &id]).ok();
    let log = server.cli(&["target", "log", &id, "--json"]).ok().json();

    assert!(empty.stdout.is_empty() && empty.stderr.contains("told of nothing yet"), "{}", empty.stderr);
    assert!(good.stdout.contains("state        delivered\nHTTP status  204\n"), "{}", good.stdout);
    assert!(bad.stdout.contains("state        given_up\nHTTP status  404\n"), "{}", bad.stdout);
    assert_eq!((&json["state"], &json["lastTry"]["status"]), (&json!("given_up"), &json!(404)));
    assert_eq!(logged.stdout.lines().count(), 4, "{}", logged.stdout);
    let states: Vec<_> = log["items"].as_array().unwrap().iter().map(|item| &item["state"]).collect();
    assert_eq!(states, ["given_up", "given_up", "delivered"]);

    let last = log["items"][0]["id"].as_str().unwrap();
    let redelivered = server.cli(&["target", "redeliver", &id, last]).ok();
    receiver.wait_for(4);
    server.cli(&["target", "redeliver", &id, "ntc_00000000000000000000"]).code(3);

    assert_eq!(redelivered.stdout, format!("notice {last} is sent once more\n"));
    let posts = receiver.received();
    assert_eq!((posts[2].header("webhook-id"), posts[3].header("webhook-id")), (last, last));
    assert_eq!((posts[0].line.as_str(), &posts[0].json()["type"]), ("POST /hook", &json!("test")));
}

#[test]
fn a_deployment_is_told_to_its_end() {
    let (server, receiver) = (server(), Receiver::start());
    webhook(&server, &receiver.url("/all"));
    let elsewhere = ["target", "add", "webhook", &receiver.url("/release"), "--branch", "release/*"];
    server.cli(&elsewhere).ok();

    let deployed = server.cli(&["deploy", "api", "--json"]).ok().json();
    receiver.wait_for(3);

    let told: Vec<_> =
        receiver.received().iter().map(|received| (received.line.clone(), received.json())).collect();
    for ((line, body), event) in told.iter().zip(["queued", "started", "failed"]) {
        assert_eq!((line.as_str(), &body["type"]), ("POST /all", &json!(format!("deployment.{event}"))));
        assert_eq!(body["data"]["deploymentId"], deployed["deploymentId"]);
    }
    assert_eq!(told[2].1["data"]["reason"], "clone_failed");
}

#[test]
fn a_rotated_secret_is_shown_once_and_both_sign_for_a_while() {
    let (server, receiver) = (server(), Receiver::start());
    let id = webhook(&server, &receiver.url("/hook"));

    let rotated = server.cli(&["target", "rotate", &id, "--overlap", "1h"]).ok();
    server.cli(&["target", "test", &id]).ok();
    let again = server.cli(&["target", "rotate", &id]).code(5);
    let at_once = server.cli(&["target", "rotate", &id, "--overlap", "0", "--json"]).ok().json();
    server.cli(&["target", "test", &id]).ok();
    let wrong = server.cli(&["target", "rotate", &id, "--overlap", "2h"]).code(64);

    assert!(rotated.stdout.starts_with("whsec_") && rotated.stdout.lines().count() == 1);
    assert!(rotated.stderr.contains("signed with the old secret too until"), "{}", rotated.stderr);
    assert!(again.stderr.contains("rotate with overlap 0"), "{}", again.stderr);
    assert_eq!(keys(&at_once), ["id", "secret"]);
    assert_ne!(at_once["secret"].as_str().unwrap(), rotated.stdout.trim());
    assert!(wrong.stderr.contains("--overlap: must be 0, 1h, 24h or 7d"), "{}", wrong.stderr);
    let signatures: Vec<_> =
        receiver.received().iter().map(|told| told.header("webhook-signature").len()).collect();
    assert_eq!(signatures[0], 2 * signatures[1] + 1, "two, and a blank between them");
}

#[test]
fn secrets_of_chats_and_forges_come_from_files_and_are_not_shown() {
    let server = server();
    let slack = server.write("slack", "https://hooks.slack.com/services/T0/B0/XSECRETXSECRET\n");
    let token = server.write("token", "ghp_hunter2hunter2\n");

    let chat = with_stdin(&server, &slack, &["target", "add", "slack", "-"]).ok();
    let forge =
        server.cli(&["target", "add", "https://github.com/you/api", "--secret-file", &token, "--json"]).ok();
    let other = ["target", "add", "gitea", "https://git.example.com", "--secret-file", "-"];
    let other = with_stdin(&server, &token, &other).ok();
    let listed = server.cli(&["target", "list"]).ok();
    let json = server.cli(&["target", "list", "--json"]).ok();
    let id = chat.stdout.trim();
    let set = server.cli(&["target", "set", id, "--event", "deployment.failed"]).ok();
    let unsigned = server.cli(&["target", "rotate", id]).code(64);

    assert!(id.starts_with("tgt_") && chat.stderr.contains("only its host is shown again"), "{chat:?}");
    assert_eq!((keys(&forge.json()), &forge.json()["secret"]), (vec!["id", "secret"], &Value::Null));
    assert!(other.stderr.contains("The token is stored in clear"), "{}", other.stderr);
    assert!(listed.stdout.contains("https://hooks.slack.com/••"), "{}", listed.stdout);
    let kinds: Vec<_> =
        json.json()["items"].as_array().unwrap().iter().map(|item| item["kind"].clone()).collect();
    assert_eq!(kinds, ["slack", "github", "gitea"]);
    assert!(unsigned.stderr.contains("notices to slack are not signed"), "{}", unsigned.stderr);
    for ran in [&chat, &forge, &other, &listed, &json, &set] {
        let said = format!("{ran:?}");
        assert!(!said.contains("XSECRET") && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn an_error_names_what_was_typed_and_what_would_be_right() {
    let server = RunningServer::start();
    let token = server.write("token", "ghp_hunter2hunter2\n");
    let site = "https://example.com/";
    let cases: [(&[&str], i32, &str); 12] = [
        (&["webhook"], 64, "the URL is missing"),
        (&[site], 64, "KIND: must be one of webhook, github, gitlab, gitea, slack, discord, teams"),
        (&["slak", site], 64, "KIND: must be one of webhook"),
        (&["webhook", "example.com"], 64, "URL: is no address"),
        (
            &["webhook", "http://127.0.0.1/x"],
            64,
            "URL: leads to 127.0.0.1, which is no address of the public",
        ),
        (&["webhook", "https://you:hunter2@example.com/"], 64, "URL: must not hold a name or password"),
        (&["github", "https://github.com/you/api"], 64, "--secret-file: is missing: a token that may"),
        (&["webhook", site, "--secret-file", &token], 64, "--secret-file: is made here and shown once"),
        (&["webhook", site, "--event", "failed"], 64, "--event: must be deployment.queued, "),
        (&["webhook", site, "--required-context", "ci"], 64, "--required-context: is GitHub's alone"),
        (&["webhook", site, "--branch", "a b"], 64, "--branch: "),
        (&["webhook", site, "--service", "web"], 3, "there is no service web"),
    ];
    for (arguments, code, text) in cases {
        let ran = server.cli(&[&["target", "add"], arguments].concat()).code(code);

        assert!(ran.stderr.contains(text), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stdout.is_empty() && !ran.stderr.contains("hunter2"), "{arguments:?}");
    }
    let json = server.cli(&["target", "add", "slak", site, "--json"]).code(64);
    assert_eq!(serde_json::from_str::<Value>(json.stderr.trim()).unwrap()["parameter"], "kind");
    for verb in ["show", "test", "log", "rotate"] {
        let ran = server.cli(&["target", verb, "tgt_000000000000"]).code(3);
        assert!(ran.stderr.contains("there is no target tgt_000000000000"), "{}", ran.stderr);
    }
    assert!(server.cli(&["target", "list"]).ok().stderr.contains("Nobody is told of deployments yet."));
}
