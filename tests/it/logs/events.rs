//! As server-sent events.

use reqwest::Method;
use serde_json::Value;
use serde_json::json;

use super::finished;
use super::wordy;
use crate::harness::Answer;
use crate::harness::TestServer;
use crate::harness::http::Send as _;

/// What a browser hands to a page.
#[derive(Debug, PartialEq)]
struct Event {
    kind: String,
    id: Option<usize>,
    data: Value,
}

fn events(answer: &Answer) -> Vec<Event> {
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name).map(|value| value.trim().to_owned()))
    };
    let text = answer.text();
    let blocks = text.split("\n\n").filter(|block| !block.trim().is_empty());
    let event = |block: &str| Event {
        kind: field(block, "event:").unwrap(),
        id: field(block, "id:").map(|id| id.parse().unwrap()),
        data: serde_json::from_str(&field(block, "data:").unwrap()).unwrap(),
    };
    blocks.map(event).collect()
}

#[tokio::test]
async fn a_page_hears_of_each_step_how_it_ended_and_how_long_it_took() {
    let server = TestServer::start().await;
    let (id, _) = finished(&server, wordy()).await;

    let answer = server.admin.get(&format!("/deploys/{id}/events")).await;

    let all = events(&answer);
    let of = |kind: &str| {
        all.iter().filter(|event| event.kind == kind).map(|event| &event.data).collect::<Vec<_>>()
    };
    let step = |word: &str| json!({ "step": word, "status": "succeeded", "took": "0 s" });
    assert_eq!(of("step")[..3], [&step("clone"), &step("build"), &step("deploy")]);
    assert_eq!(of("status").last().unwrap()["status"], "succeeded");
}

async fn stream(server: &TestServer, id: &str, last: Option<&str>) -> Answer {
    let request = server.admin.request(Method::GET, &format!("/deployments/{id}/logs"));
    let request = request.header("accept", "text/event-stream");
    match last {
        Some(last) => request.header("last-event-id", last).answer().await,
        None => request.answer().await,
    }
}

#[tokio::test]
async fn the_events_together_are_the_log_and_each_id_is_the_byte_after_it() {
    let server = TestServer::start().await;
    let (id, log) = finished(&server, wordy()).await;

    let answer = stream(&server, &id, None).await;

    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let all = events(&answer);
    let (end, parts) = all.split_last().unwrap();
    let mut so_far = String::new();
    for part in parts {
        so_far.push_str(part.data["text"].as_str().unwrap());
        assert_eq!((part.kind.as_str(), part.id), ("log", Some(so_far.len())));
    }
    assert_eq!(so_far, log);
    assert!(parts.len() >= 3, "{parts:?}");
    assert_eq!((end.kind.as_str(), &end.data), ("end", &json!({ "status": "succeeded", "reason": null })));
}

#[tokio::test]
async fn an_event_names_its_step() {
    let server = TestServer::start().await;
    let (id, _) = finished(&server, wordy()).await;

    let all = events(&stream(&server, &id, None).await);

    let steps: Vec<_> = all.iter().filter_map(|event| event.data["step"].as_str()).collect();
    assert_eq!((steps[0], steps[steps.len() - 1]), ("clone", "deploy"));
}

#[tokio::test]
async fn last_event_id_resumes_after_that_event() {
    let server = TestServer::start().await;
    let (id, log) = finished(&server, wordy()).await;
    let all = events(&stream(&server, &id, None).await);

    for event in all.iter().filter(|event| event.kind == "log") {
        let at = event.id.unwrap();
        let rest = events(&stream(&server, &id, Some(&at.to_string())).await);

        let text: String = rest.iter().filter_map(|event| event.data["text"].as_str()).collect();
        assert_eq!(text, &log[at..]);
    }
}

#[tokio::test]
async fn the_id_of_an_event_is_what_from_takes() {
    let server = TestServer::start().await;
    let (id, log) = finished(&server, wordy()).await;
    let at = events(&stream(&server, &id, None).await)[0].id.unwrap();

    let rest = server.admin.get(&format!("/deployments/{id}/logs?from={at}")).await.text();

    assert_eq!(rest, &log[at..]);
}

#[tokio::test]
async fn a_last_event_id_that_no_event_gave_is_refused() {
    let server = TestServer::start().await;
    let (id, _) = finished(&server, wordy()).await;

    for (last, status) in [("x", 400), ("-1", 400), ("99999", 416)] {
        assert_eq!(stream(&server, &id, Some(last)).await.status, status, "{last}");
    }
}

#[tokio::test]
async fn last_event_id_means_nothing_to_plain_text() {
    let server = TestServer::start().await;
    let (id, log) = finished(&server, wordy()).await;

    let request = server.admin.request(Method::GET, &format!("/deployments/{id}/logs"));
    let text = request.header("last-event-id", "5").answer().await.text();

    assert_eq!(text, log);
}

#[tokio::test]
async fn the_stream_of_a_failure_ends_with_its_reason() {
    let server = TestServer::start().await;
    let id = server.service("api").create().await.deploy(json!({})).await;
    server.admin.post(&format!("/deployments/{id}/cancel"), json!({})).await;

    let all = events(&stream(&server, &id, None).await);

    assert_eq!(all.len(), 1);
    assert_eq!(all[0].data, json!({ "status": "failed", "reason": "cancelled" }));
}
