//! How much a hook may call and how much may wait.

use crate::harness::Answer;
use crate::harness::Options;
use crate::harness::TestServer;

fn small_budget() -> Options {
    Options { hook_rate: 1, hook_burst: 2, ..Options::default() }
}

fn retry_after(answer: &Answer) -> u32 {
    answer.header("retry-after").unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_hook_over_its_budget_is_told_when_to_come_back() {
    let server = TestServer::with(small_budget()).await;
    let hook = server.service("api").policy("every").create().await.hook("ci").await;

    let answers = [hook.post("").await, hook.post("").await, hook.post("").await];

    assert_eq!(answers.each_ref().map(|answer| answer.status), [202, 202, 429]);
    assert_eq!(answers[2].code(), "hook_budget");
    assert!((50..=61).contains(&retry_after(&answers[2])), "{:?}", answers[2].headers);
    assert_eq!(server.count("queued").await, 2);
}

#[tokio::test]
async fn each_hook_has_a_budget_of_its_own() {
    let server = TestServer::with(Options { hook_rate: 1, hook_burst: 1, ..Options::default() }).await;
    let service = server.service("api").create().await;
    let (hook, other) = (service.hook("ci").await, service.hook("other").await);
    hook.post("").await;

    assert_eq!((hook.post("").await.status, other.post("").await.status), (429, 202));
}

#[tokio::test]
async fn a_dry_run_counts_like_a_call() {
    let server = TestServer::with(small_budget()).await;
    let hook = server.service("api").create().await.hook("ci").await;

    hook.post("dry_run").await;
    hook.post("dry_run").await;

    assert_eq!(hook.post("dry_run").await.refusal(), (429, "hook_budget".to_owned()));
}

#[tokio::test]
async fn calls_over_budget_are_counted_on_the_hooks_page_once_flushed() {
    let server = TestServer::with(small_budget()).await;
    let hook = server.service("api").policy("every").create().await.hook("ci").await;
    for _ in 0..7 {
        hook.post("").await;
    }
    assert!(hook.calls().await.iter().all(|(result, _)| result == "accepted"));

    server.flush().await;
    server.flush().await;

    assert!(hook.calls().await.contains(&("hook_budget".to_owned(), 5)), "{:?}", hook.calls().await);
}

#[tokio::test]
async fn a_full_queue_refuses_what_would_need_a_place() {
    let server = TestServer::with(Options { queue_limit: 2, ..Options::default() }).await;
    let hook = server.service("api").create().await.hook("ci").await;
    hook.post("branch=a").await;
    let last = hook.post("branch=b").await.id();

    let refused = hook.post("branch=c").await;
    let joined = hook.post("branch=b").await;

    assert_eq!(refused.refusal(), (429, "queue_full".to_owned()));
    assert!(retry_after(&refused) > 0);
    assert_eq!(joined.id(), last);
}

#[tokio::test]
async fn the_limit_counts_queued_deployments_and_not_the_running_one() {
    let server = TestServer::with(Options { queue_limit: 1, ..Options::default() }).await;
    server.executor.otherwise(crate::harness::scripted::hanging());
    let hook = server.service("api").create().await.hook("ci").await;
    hook.post("branch=a").await;
    server.tick().await;

    assert_eq!(hook.post("branch=b").await.status, 202);
    assert_eq!(hook.post("branch=c").await.status, 429);
    server.drain().await;
}

#[tokio::test]
async fn each_service_has_a_queue_of_its_own() {
    let server = TestServer::with(Options { queue_limit: 1, ..Options::default() }).await;
    let api = server.service("api").create().await.hook("ci").await;
    let web = server.service("web").create().await.hook("ci").await;
    api.post("branch=a").await;

    assert_eq!((api.post("branch=b").await.status, web.post("branch=b").await.status), (429, 202));
}

/// An old URL in somebody's script must not slow the new one down, nor learn from 429 that it was genuine.
#[tokio::test]
async fn a_dead_url_takes_nothing_from_the_new_one_and_hears_401_however_often_it_calls() {
    let server = TestServer::with(small_budget()).await;
    let old = server.service("api").policy("every").create().await.hook("ci").await;
    let new = old.rotate("0").await;

    for _ in 0..10 {
        assert_eq!(old.post("").await.refusal(), (401, "unknown_hook".to_owned()));
    }

    assert_eq!(
        [new.post("").await.status, new.post("").await.status, new.post("").await.status],
        [202, 202, 429]
    );
}

#[tokio::test]
async fn a_url_that_dies_over_its_budget_hears_it_at_once() {
    let server = TestServer::with(small_budget()).await;
    let hook = server.service("api").policy("every").create().await.hook("ci").await;
    for _ in 0..2 {
        hook.post("").await;
    }
    assert_eq!(hook.post("").await.status, 429);

    hook.rotate("1h").await;
    assert_eq!(hook.post("").await.status, 429, "in grace it is good");
    server.clock.advance(std::time::Duration::from_hours(1));

    assert_eq!(hook.post("").await.status, 401);
}
