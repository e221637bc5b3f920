//! As text, whole, from a byte on, and followed.

use reqwest::Method;
use serde_json::json;
use stackblaze::domain::{Commit, Step};
use stackblaze::executor::Event;

use super::finished;
use super::wordy;
use crate::harness::Script;
use crate::harness::TestServer;
use crate::harness::soon;

#[tokio::test]
async fn the_text_is_what_the_steps_said_in_order() {
    let server = TestServer::start().await;

    let (id, log) = finished(&server, wordy()).await;

    let expected = "Cloning größe\none\ntwo, in two parts\n\u{1b}[32mgrün\u{1b}[0m ✓\nup\nno end of line";
    assert_eq!(log, expected);
    let answer = server.admin.get(&format!("/deployments/{id}/logs")).await;
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn it_resumes_at_every_byte() {
    let server = TestServer::start().await;
    let (id, log) = finished(&server, wordy()).await;

    for from in (0..=log.len()).filter(|from| log.is_char_boundary(*from)) {
        let rest = server.admin.get(&format!("/deployments/{id}/logs?from={from}")).await;

        assert_eq!((rest.status, rest.text().as_str()), (200, &log[from..]), "{from}");
    }
}

#[tokio::test]
async fn a_byte_beyond_the_end_is_no_position() {
    let server = TestServer::start().await;
    let (id, log) = finished(&server, wordy()).await;

    let answer = server.admin.get(&format!("/deployments/{id}/logs?from={}", log.len() + 1)).await;

    assert_eq!(answer.refusal(), (416, "beyond_end".to_owned()));
    assert_eq!(answer.header("content-range"), Some(format!("bytes */{}", log.len()).as_str()));
}

#[tokio::test]
async fn from_is_a_whole_number() {
    let server = TestServer::start().await;
    let (id, _) = finished(&server, wordy()).await;

    for wrong in ["-1", "x", "", "1.0", "99999999999999999999"] {
        let answer = server.admin.get(&format!("/deployments/{id}/logs?from={wrong}")).await;

        assert_eq!((answer.status, answer.parameter()), (400, "from".to_owned()), "{wrong}");
    }
}

#[tokio::test]
async fn a_log_that_has_not_begun_is_empty() {
    let server = TestServer::start().await;
    let id = server.service("api").create().await.deploy(json!({})).await;

    let answer = server.admin.get(&format!("/deployments/{id}/logs")).await;

    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
}

#[tokio::test]
async fn a_followed_log_goes_on_until_the_deployment_ends() {
    let server = TestServer::start().await;
    let script = Script::default().step(Step::Clone, b"cloned\n").begins(Step::Build).hangs();
    server
        .executor
        .next(script.says(Step::Build, b"built\n").ends(Step::Build, 0).step(Step::Deploy, b"up\n"));
    let id = server.service("api").create().await.deploy(json!({})).await;
    server.tick().await;
    server.executor.hangs(1).await;

    let request = server.admin.request(Method::GET, &format!("/deployments/{id}/logs?follow=true"));
    let mut stream = soon(request.send()).await.unwrap();
    let mut text = Vec::new();
    while text != b"cloned\n" {
        text.extend(soon(stream.chunk()).await.unwrap().expect("the log goes on"));
    }
    server.executor.go_on();
    while let Some(chunk) = soon(stream.chunk()).await.unwrap() {
        text.extend(chunk);
    }

    assert_eq!(String::from_utf8(text).unwrap(), "cloned\nbuilt\nup\n");
    assert_eq!(server.end_of(&id).await, "succeeded");
    server.idle().await;
}

#[tokio::test]
async fn a_followed_log_ends_when_the_server_goes_down() {
    let server = TestServer::start().await;
    let id = server.service("api").create().await.deploy(json!({})).await;
    let request = server.admin.request(Method::GET, &format!("/deployments/{id}/logs?follow=true"));
    let stream = soon(request.send()).await.unwrap();

    server.begin_to_drain();

    assert_eq!(soon(stream.text()).await.unwrap(), "");
}

#[tokio::test]
async fn a_log_needs_a_credential_that_reaches_it() {
    let server = TestServer::start().await;
    let (api, web) = (server.service("api").create().await, server.service("web").create().await);
    let (hook, sibling) = (api.hook("ci").await, api.hook("other").await);
    let id = hook.post("").await.id();
    let (reader, foreign) =
        (server.token("reader", "read", None).await, server.token("foreign", "admin", Some(&web.name)).await);
    let path = format!("/deployments/{id}/logs");

    for (token, status) in [
        (&reader, 200),
        (&hook.token, 200),
        (&sibling.token, 403),
        (&foreign, 403),
        (&"sbapi_x".to_owned(), 401),
    ] {
        assert_eq!(server.holder(token).get(&path).await.status, status, "{token}");
    }
    assert_eq!(server.anyone().get(&path).await.refusal(), (401, "unauthenticated".to_owned()));
}

#[tokio::test]
async fn the_log_of_no_deployment_is_not_found() {
    let server = TestServer::start().await;

    for id in ["dep_aaaaaaaaaaaaaaaaaaaa", "x"] {
        assert_eq!(server.admin.get(&format!("/deployments/{id}/logs")).await.status, 404);
    }
}

/// A prompt that nobody answers: what hangs is what has to be seen.
#[tokio::test]
async fn a_line_that_hangs_is_kept_and_one_that_is_rewritten_is_shown_without_being_kept() {
    let server = TestServer::start().await;
    let script = Script::default().step(Step::Clone, b"").begins(Step::Build);
    let script =
        script.says(Step::Build, b"10 %\r20 %\rOverwrite? [y/N] ").hangs().says(Step::Build, b"yes\n");
    server.executor.next(script.ends(Step::Build, 0).step(Step::Deploy, b""));
    let id = server.service("api").create().await.deploy(json!({})).await;
    server.tick().await;
    server.executor.hangs(1).await;

    let request = server.admin.request(Method::GET, &format!("/deployments/{id}/logs"));
    let mut stream = soon(request.header("accept", "text/event-stream").send()).await.unwrap();
    let mut events = String::new();
    while !events.contains("\"text\":\"Overwrite? [y/N] \"") {
        events.push_str(std::str::from_utf8(&soon(stream.chunk()).await.unwrap().unwrap()).unwrap());
    }
    let path = format!("/deployments/{id}/logs");
    assert_eq!(server.admin.get(&path).await.text(), "Overwrite? [y/N] ");
    server.executor.go_on();
    server.idle().await;

    let line = "event: line\ndata: Overwrite? [y/N] \n\n";
    assert!(events.replace("event:line\ndata:", "event: line\ndata: ").contains(line), "{events}");
    assert_eq!(server.admin.get(&path).await.text(), "Overwrite? [y/N] yes\n");
    server.idle().await;
}

#[tokio::test]
async fn a_secret_is_blotted_out_in_every_form() {
    let server = TestServer::start().await;
    let secret = "correct horse/battery";
    let said = "correct horse/battery\nY29ycmVjdCBob3JzZS9iYXR0ZXJ5Cg==\ncorrect%20horse%2Fbattery\ncorrect+horse%2fbattery\n";
    server.executor.next(
        Script::default().step(Step::Clone, b"").step(Step::Build, said.as_bytes()).step(Step::Deploy, b""),
    );
    let service = server.service("api").env("KEY", secret).create().await;

    let id = service.deploy(json!({})).await;
    server.run_all().await;

    let log = server.admin.get(&format!("/deployments/{id}/logs")).await.text();
    // The last digits are those of the line feed that was encoded with it.
    assert_eq!(log, "***\n***Cg==\n***\n***\n");
    server.idle().await;
}

#[tokio::test]
async fn a_variable_that_is_no_secret_is_left_as_it_is() {
    let server = TestServer::start().await;
    let said = b"building for production\n0 warnings\n";
    server
        .executor
        .next(Script::default().step(Step::Clone, b"").step(Step::Build, said).step(Step::Deploy, b""));
    let vars = json!({ "NODE_ENV": "production", "APP_LOG": "warnings" });
    let service = server.service("api").with("vars", vars).create().await;

    let id = service.deploy(json!({})).await;
    server.run_all().await;

    let log = server.admin.get(&format!("/deployments/{id}/logs")).await.text();
    assert_eq!(log.as_bytes(), said);
    server.idle().await;
}

#[tokio::test]
async fn a_commits_subject_is_redacted_and_has_no_sequences() {
    let server = TestServer::start().await;
    let secret = "correct horse/battery";
    let told = Event::Commit {
        commit: Commit::parse(&"a".repeat(40)).unwrap(),
        subject: format!("Use \u{1b}[31m{secret}\u{1b}[0m"),
    };
    server.executor.next(
        Script::default()
            .begins(Step::Clone)
            .tells(told)
            .ends(Step::Clone, 0)
            .step(Step::Build, b"")
            .step(Step::Deploy, b""),
    );
    let service = server.service("api").env("KEY", secret).create().await;

    let id = service.deploy(json!({})).await;
    server.run_all().await;

    let shown = server.admin.get(&format!("/deployments/{id}")).await.json();
    assert_eq!(shown["commitSubject"], "Use ***", "{shown}");
    server.idle().await;
}
