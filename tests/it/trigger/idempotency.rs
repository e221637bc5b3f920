//! The same key and parameters are the same deployment.

use std::time::Duration;

use futures_util::future::join_all;

use crate::harness::Hook;
use crate::harness::Options;
use crate::harness::TestServer;

async fn hook(server: &TestServer) -> Hook {
    server.service("api").policy("every").create().await.hook("ci").await
}

#[tokio::test]
async fn the_same_call_gets_the_first_answer_byte_for_byte() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    let first = hook.post_with_key("branch=dev", "job-1").await;
    server.run_all().await;
    let again = hook.post_with_key("branch=dev", "job-1").await;

    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.body, again.body);
    assert_eq!(
        (first.header("idempotency-replayed"), again.header("idempotency-replayed")),
        (None, Some("true"))
    );
    assert_eq!(again.header("location"), first.header("location"));
    assert_eq!(server.rows("SELECT count(*) FROM deployments").await, 1);
}

#[tokio::test]
async fn other_parameters_under_the_same_key_are_refused() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;
    hook.post_with_key("branch=dev", "job-1").await;

    for query in ["branch=main", "branch=dev&clear_cache", "branch=dev&clear_cache=false", "", "clear_cache"]
    {
        let answer = hook.post_with_key(query, "job-1").await;

        assert_eq!(answer.refusal(), (422, "idempotency_key_reused".to_owned()), "{query}");
    }
    assert_eq!(server.count("queued").await, 1);
}

#[tokio::test]
async fn parameters_are_compared_as_sent_before_defaults() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    hook.post_with_key("", "job-1").await;

    assert_eq!(hook.post_with_key("branch=main", "job-1").await.status, 422);
}

#[tokio::test]
async fn order_spelling_and_unknown_parameters_do_not_matter() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;
    let first = hook.post_with_key("branch=feat/x&clear_cache=true", "job-1").await;

    for query in [
        "clear_cache=true&branch=feat/x",
        "branch=feat%2Fx&clear_cache=true",
        "branch=feat/x&clear_cache=true&utm=1",
    ] {
        assert_eq!(hook.post_with_key(query, "job-1").await.body, first.body, "{query}");
    }
}

#[tokio::test]
async fn a_replay_still_names_what_it_ignores() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;
    hook.post_with_key("", "job-1").await;

    let again = hook.post_with_key("brach=dev", "job-1").await;

    assert_eq!(again.header("ignored-parameters"), Some("brach"));
}

#[tokio::test]
async fn a_key_is_kept_for_a_day_and_then_means_a_new_deployment() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;
    let first = hook.post_with_key("", "job-1").await.id();

    server.clock.advance(Duration::from_hours(24) - Duration::from_millis(1));
    let still = hook.post_with_key("", "job-1").await.id();
    server.clock.advance(Duration::from_millis(1));
    let new = hook.post_with_key("branch=other", "job-1").await.id();

    assert_eq!(still, first);
    assert_ne!(new, first);
    assert_eq!(hook.post_with_key("branch=other", "job-1").await.id(), new);
}

#[tokio::test]
async fn a_key_belongs_to_its_hook() {
    let server = TestServer::start().await;
    let service = server.service("api").policy("every").create().await;
    let (one, other) = (service.hook("one").await, service.hook("other").await);

    let first = one.post_with_key("", "job-1").await.id();
    let second = other.post_with_key("branch=dev", "job-1").await.id();

    assert_ne!(first, second);
}

#[tokio::test]
async fn a_refused_call_leaves_its_key_unused() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;
    hook.change(serde_json::json!({ "paused": "not now" })).await;
    let refused = hook.post_with_key("branch=dev", "job-1").await;

    hook.change(serde_json::json!({ "paused": null })).await;
    let accepted = hook.post_with_key("branch=main", "job-1").await;

    assert_eq!((refused.status, accepted.status), (423, 202));
    assert_eq!(accepted.header("idempotency-replayed"), None);
}

#[tokio::test]
async fn a_call_that_joined_another_is_recorded_too() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let id = hook.post("").await.id();

    let joined = hook.post_with_key("", "job-2").await;
    server.run_all().await;
    let again = hook.post_with_key("", "job-2").await;

    assert_eq!((joined.id(), joined.header("deployment-coalesced")), (id, Some("true")));
    assert_eq!((again.body, again.headers.contains_key("idempotency-replayed")), (joined.body, true));
}

#[tokio::test]
async fn a_replay_is_answered_while_the_service_is_frozen() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let hook = service.hook("ci").await;
    let first = hook.post_with_key("", "job-1").await;

    service.freeze("migration").await;

    assert_eq!(hook.post_with_key("", "job-1").await.body, first.body);
}

#[tokio::test]
async fn sixty_four_calls_at_once_with_one_key_are_one_deployment() {
    let server = TestServer::with(Options::roomy()).await;
    let hook = hook(&server).await;

    let answers = join_all((0..64).map(|_| hook.post_with_key("branch=dev", "job-1"))).await;

    assert!(answers.iter().all(|answer| answer.status == 202 && answer.body == answers[0].body));
    let replays = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_some()).count();
    assert_eq!((replays, server.rows("SELECT count(*) FROM deployments").await), (63, 1));
}

#[tokio::test]
async fn a_key_is_1_to_255_visible_ascii_characters() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    for wrong in [String::new(), "x".repeat(256), "a b".to_owned(), "größe".to_owned()] {
        let answer = hook.post_with_key("", &wrong).await;

        assert_eq!((answer.status, answer.parameter()), (400, "Idempotency-Key".to_owned()), "{wrong}");
    }
    assert_eq!(hook.post_with_key("", &"x".repeat(255)).await.status, 202);
}
