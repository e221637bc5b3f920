//! What is said to forges, in which order, and what follows from what they say.

use std::time::Duration;

use serde_json::{Value, json};
use stackblaze::domain::{Event, TargetKind};
use stackblaze::notify::{About, Delivery, Message, Outcome, Recipient, Sender, SenderSettings};

use super::receiver::{Heard, Receiver};
use super::{LOOPBACK, ranges, recipient, send, sender, text, told};

const COMMIT: &str = "4f2c1d7e81b04a95c36d2f7e0b1c98a4d5e6f701";

/// Method and path of what was asked.
fn asked(receiver: &Receiver) -> Vec<String> {
    receiver.heard().iter().map(|heard| format!("{} {}", heard.method, heard.path)).collect()
}

/// A GitHub that takes everything.
fn github(heard: &Heard) -> (u16, Value) {
    match (heard.method.as_str(), heard.path.ends_with("/deployments")) {
        ("GET", _) => (200, json!([])),
        (_, true) => (201, json!({ "id": 42 })),
        _ => (201, json!({ "id": 7 })),
    }
}

async fn tell(receiver: &Receiver, kind: TargetKind, message: &Message) -> Delivery {
    send(&sender(), &recipient(kind, &format!("{}/team/api", receiver.url)), message).await
}

#[tokio::test]
async fn github_is_told_of_the_commit_and_keeps_one_record_of_the_deployment() {
    let receiver = Receiver::by(github);
    let message = told(Event::Started);
    let api = "/api/v3/repos/team/api";

    let first = tell(&receiver, TargetKind::Github, &message).await;

    assert_eq!((first.outcome, first.status), (Outcome::Delivered, Some(201)));
    assert_eq!(
        (first.remote.as_deref(), first.answer.as_str()),
        (Some("42"), "set the status of 4f2c1d7 and of deployment 42")
    );
    let status = format!("POST {api}/statuses/{COMMIT}");
    let progress = format!("POST {api}/deployments/42/statuses");
    assert_eq!(asked(&receiver), [status.clone(), format!("POST {api}/deployments"), progress.clone()]);
    assert_eq!(receiver.heard()[2].json()["state"], "in_progress");

    let receiver = Receiver::by(github);
    let to = recipient(TargetKind::Github, &format!("{}/team/api", receiver.url));
    let to = Recipient { remote: first.remote, ..to };
    let second = send(&sender(), &to, &told(Event::Succeeded)).await;

    assert_eq!((second.outcome, second.remote.as_deref()), (Outcome::Delivered, Some("42")));
    assert_eq!(asked(&receiver), [status, progress]);
    assert_eq!(receiver.heard()[1].json()["state"], "success");
}

#[tokio::test]
async fn a_record_whose_answer_was_lost_is_found_again() {
    let message = Message { is_repeated: true, ..told(Event::Failed) };
    let About::Deployment(about) = &message.about else { unreachable!() };
    let payload = json!({ "deploymentId": about.found.deployment.id });
    let receiver = Receiver::by(move |heard| match heard.method.as_str() {
        "GET" => (200, json!([{ "id": 41, "payload": {} }, { "id": 43, "payload": payload }])),
        _ => github(heard),
    });

    let delivery = tell(&receiver, TargetKind::Github, &message).await;

    assert_eq!((delivery.outcome, delivery.remote.as_deref()), (Outcome::Delivered, Some("43")));
    let asked = asked(&receiver);
    assert!(asked[1].starts_with(&format!(
        "GET /api/v3/repos/team/api/deployments?sha={COMMIT}&task=deploy&environment=api-service"
    )));
    assert_eq!(asked[2], "POST /api/v3/repos/team/api/deployments/43/statuses");
    assert_eq!(asked.len(), 3);

    // Where there is none, it is made.
    let receiver = Receiver::by(github);
    let delivery = tell(&receiver, TargetKind::Github, &message).await;
    assert_eq!((delivery.remote.as_deref(), receiver.heard().len()), (Some("42"), 4));
}

#[tokio::test]
async fn all_requests_of_a_try_share_its_time() {
    let receiver = Receiver::by(|heard| {
        std::thread::sleep(Duration::from_millis(400));
        github(heard)
    });
    let patience = Duration::from_secs(1);
    let sender = Sender::new(SenderSettings { patience, ..SenderSettings::new(ranges(&[LOOPBACK]), None) });
    let to = recipient(TargetKind::Github, &format!("{}/team/api", receiver.url));

    let delivery = send(&sender, &to, &told(Event::Failed)).await;

    assert_eq!((delivery.outcome, delivery.status), (Outcome::Again(None), None));
    assert_eq!(delivery.answer, "127.0.0.1 did not answer within 1 s");
}

#[tokio::test]
async fn what_github_refuses_is_told_with_what_to_do() {
    for (at, status, said, outcome, hint) in [
        (COMMIT, 401, "Bad credentials", Outcome::Again(None), "give the target another one"),
        (COMMIT, 403, "Resource not accessible", Outcome::Refused, "Commit statuses: write"),
        (COMMIT, 403, "API rate limit exceeded", Outcome::Again(None), "no more requests"),
        (COMMIT, 404, "Not Found", Outcome::Refused, "team/api is not there for this token"),
        (COMMIT, 422, "No commit found for SHA: 4f2c", Outcome::Refused, "push it there"),
        ("/deployments", 403, "Resource not accessible", Outcome::Refused, "Deployments: write"),
        (
            "/deployments",
            409,
            "Conflict: Commit status checks",
            Outcome::Again(None),
            "waits for the status checks",
        ),
        ("/deployments", 422, "No ref found for: 4f2c", Outcome::Refused, "push it there"),
        ("/42/statuses", 500, "oops", Outcome::Again(None), "oops"),
    ] {
        let receiver = Receiver::by(move |heard| {
            if heard.path.ends_with(at) { (status, json!({ "message": said })) } else { github(heard) }
        });

        let delivery = tell(&receiver, TargetKind::Github, &told(Event::Failed)).await;

        assert_eq!((delivery.outcome, delivery.status), (outcome, Some(status)), "{said}");
        assert!(delivery.answer.contains(hint) && delivery.answer.contains(said), "{}", delivery.answer);
        // A record that was made is known although its status could not be set.
        assert_eq!(delivery.remote.is_some(), at == "/42/statuses", "{delivery:?}");
    }
}

#[tokio::test]
async fn gitlab_is_told_of_the_commit_and_may_have_that_state_already() {
    let receiver = Receiver::answering(201, "", r#"{"id":1}"#);
    let delivery = tell(&receiver, TargetKind::Gitlab, &told(Event::Failed)).await;
    assert_eq!(
        (delivery.outcome, delivery.answer.as_str()),
        (Outcome::Delivered, "set the status of 4f2c1d7")
    );

    for (status, said, outcome, hint) in [
        (400, json!("Cannot transition status via :run from :running"), Outcome::Delivered, "Cannot"),
        (
            400,
            json!({ "state": ["Cannot transition status via :run from :running (Reason(s): x)"] }),
            Outcome::Delivered,
            "Cannot",
        ),
        (400, json!({ "ref": ["is invalid"] }), Outcome::Refused, "is invalid"),
        (403, json!("403 Forbidden"), Outcome::Refused, "the role Developer"),
        (404, json!("404 Project Not Found"), Outcome::Refused, "team/api is not there for this token"),
        (404, json!("404 Commit Not Found"), Outcome::Refused, "push it there"),
    ] {
        let receiver = Receiver::by(move |_| (status, json!({ "message": said })));
        let delivery = tell(&receiver, TargetKind::Gitlab, &told(Event::Started)).await;
        assert_eq!((delivery.outcome, delivery.status), (outcome, Some(status)), "{delivery:?}");
        assert!(delivery.answer.contains(hint), "{}", delivery.answer);
    }
}

#[tokio::test]
async fn gitea_is_told_of_the_commit() {
    let receiver = Receiver::answering(201, "", r#"{"id":1}"#);
    let delivery = tell(&receiver, TargetKind::Gitea, &told(Event::Succeeded)).await;
    assert_eq!(
        (delivery.outcome, delivery.answer.as_str()),
        (Outcome::Delivered, "set the status of 4f2c1d7")
    );
    assert!(asked(&receiver)[0].starts_with("POST /api/v1/repos/team/api/statuses/4f2c1d7"));

    let receiver = Receiver::answering(404, "", r#"{"message":"not found"}"#);
    let delivery = tell(&receiver, TargetKind::Gitea, &told(Event::Succeeded)).await;
    assert_eq!(delivery.outcome, Outcome::Refused);
    assert!(delivery.answer.contains("whether commit 4f2c1d7 was pushed there"), "{}", delivery.answer);
}

#[tokio::test]
async fn a_forge_without_a_repository_is_told_of_services_that_are_on_it() {
    for kind in [TargetKind::Github, TargetKind::Gitlab, TargetKind::Gitea] {
        let receiver = Receiver::by(github);
        let here = send(&sender(), &recipient(kind, &receiver.url), &told(Event::Failed)).await;
        assert_eq!(here.outcome, Outcome::Delivered, "{here:?}");
        assert!(
            receiver.heard().iter().all(|heard| heard.path.contains("team") && heard.path.contains("api"))
        );

        let elsewhere = receiver.url.replace("127.0.0.1", "127.0.0.2");
        let there = send(&sender(), &recipient(kind, &elsewhere), &told(Event::Failed)).await;
        assert_eq!((there.outcome, there.status), (Outcome::Needless, None));
    }
}

#[tokio::test]
async fn a_test_asks_a_forge_whether_the_token_is_good() {
    for (kind, path) in [
        (TargetKind::Github, "/api/v3/repos/team/api"),
        (TargetKind::Gitlab, "/api/v4/projects/team%2Fapi"),
        (TargetKind::Gitea, "/api/v1/repos/team/api"),
    ] {
        let receiver = Receiver::by(|_| (200, json!({})));
        let delivery = tell(&receiver, kind, &text()).await;
        assert_eq!(
            (delivery.outcome, delivery.answer.as_str()),
            (Outcome::Delivered, "the token is good for team/api")
        );
        assert_eq!(asked(&receiver), [format!("GET {path}")]);

        let receiver = Receiver::by(|_| (401, json!({ "message": "Bad credentials" })));
        let delivery = tell(&receiver, kind, &text()).await;
        assert_eq!(delivery.outcome, Outcome::Again(None));
        assert!(delivery.answer.contains("does not know the token"), "{}", delivery.answer);
    }
}

#[tokio::test]
async fn a_forge_without_a_token_is_not_asked() {
    for kind in [TargetKind::Github, TargetKind::Gitlab, TargetKind::Gitea] {
        let receiver = Receiver::by(github);
        let mut to = recipient(kind, &format!("{}/team/api", receiver.url));
        to.target.secret = None;

        let delivery = send(&sender(), &to, &told(Event::Failed)).await;

        assert_eq!((delivery.outcome, receiver.connections()), (Outcome::Refused, 0), "{delivery:?}");
    }
}
