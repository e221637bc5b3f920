//! Who runs when.

use std::collections::HashSet;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde_json::json;

use crate::harness::Options;
use crate::harness::TestServer;
use crate::harness::scripted::hanging;

/// Calls that are under way at the same time.
const AT_ONCE: usize = 200;

#[tokio::test]
async fn a_thousand_equal_calls_are_one_running_and_one_queued() {
    let server = TestServer::with(Options::roomy()).await;
    server.executor.otherwise(hanging());
    let hook = server.service("api").create().await.hook("ci").await;
    hook.post("").await.id();
    server.tick().await;
    server.executor.hangs(1).await;

    let calls = stream::iter(0..1_000).map(|_| hook.post("")).buffer_unordered(AT_ONCE);
    let ids: HashSet<String> = calls.map(|answer| answer.id()).collect().await;

    assert_eq!((server.count("building").await, server.count("queued").await, ids.len()), (1, 1, 1));
    server.executor.go_on();
    server.executor.go_on();
    server.run_all().await;
    for id in ids {
        assert_eq!(server.end_of(&id).await, "succeeded");
    }
    assert_eq!(server.executor.runs().len(), 2);
}

#[tokio::test]
async fn each_of_many_calls_gets_an_id_that_resolves_and_ends() {
    let server = TestServer::with(Options::roomy()).await;
    let hook = server.service("api").create().await.hook("ci").await;

    let post = |number: usize| {
        let hook = hook.clone();
        async move { hook.post(&format!("branch=b{}", number % 7)).await.id() }
    };
    let calls = stream::iter(0..300).map(post).buffer_unordered(AT_ONCE);
    let ids: HashSet<String> = calls.collect().await;
    server.run_all().await;

    for id in &ids {
        assert_eq!(server.end_of(id).await, "succeeded");
    }
    let runs = server.executor.ids();
    assert_eq!(runs.iter().cloned().collect::<HashSet<_>>(), ids);
    assert_eq!(runs.len(), ids.len(), "each runs once");
}

#[tokio::test]
async fn one_deployment_of_a_service_runs_at_a_time() {
    let server = TestServer::start().await;
    server.executor.otherwise(hanging());
    let hook = server.service("api").policy("every").create().await.hook("ci").await;
    for _ in 0..3 {
        hook.post("").await;
    }

    server.tick().await;
    server.executor.hangs(1).await;
    server.tick().await;

    assert_eq!((server.executor.running(), server.count("queued").await), (1, 2));
    (0..3).for_each(|_| server.executor.go_on());
    server.run_all().await;
    assert_eq!(server.executor.most(), (1, 1));
    assert_eq!(server.count("succeeded").await, 3);
}

#[tokio::test]
async fn so_many_run_in_all_as_the_operator_allows() {
    let server = TestServer::with(Options { concurrency: 2, ..Options::default() }).await;
    server.executor.otherwise(hanging());
    for name in ["a", "b", "c", "d"] {
        server.service(name).create().await.deploy(json!({})).await;
    }

    server.tick().await;
    server.executor.hangs(2).await;
    server.tick().await;

    assert_eq!((server.executor.running(), server.count("queued").await), (2, 2));
    (0..4).for_each(|_| server.executor.go_on());
    server.run_all().await;
    assert_eq!(server.executor.most(), (1, 2));
}

#[tokio::test]
async fn the_oldest_that_may_run_comes_first() {
    let server = TestServer::with(Options { concurrency: 1, ..Options::default() }).await;
    let api = server.service("api").policy("every").create().await;
    let web = server.service("web").policy("every").create().await;

    let mut ids = Vec::new();
    for service in [&api, &web, &api, &api, &web] {
        ids.push(service.deploy(json!({})).await);
    }
    server.run_all().await;

    assert_eq!(server.executor.ids(), ids);
}

#[tokio::test]
async fn a_busy_service_does_not_hold_up_another() {
    let server = TestServer::start().await;
    server.executor.next(hanging());
    let (api, web) = (server.service("api").create().await, server.service("web").create().await);
    let first = api.deploy(json!({})).await;
    server.tick().await;
    server.executor.hangs(1).await;
    api.deploy(json!({ "branch": "dev" })).await;
    let other = web.deploy(json!({})).await;

    server.tick().await;
    let mut changed = server.state.db().queue_changed();
    while server.end_of(&other).await != "succeeded" {
        crate::harness::soon(changed.changed()).await.unwrap();
    }

    assert_eq!(server.end_of(&first).await, "building");
    server.executor.go_on();
    server.run_all().await;
}

#[tokio::test]
async fn the_queue_position_counts_down() {
    let server = TestServer::start().await;
    server.executor.otherwise(hanging());
    let service = server.service("api").policy("every").create().await;
    let (one, two) = (service.deploy(json!({})).await, service.deploy(json!({})).await);
    assert_eq!(server.deployment(&two).await["queuePosition"], 2);

    server.tick().await;
    server.executor.hangs(1).await;

    assert_eq!(server.deployment(&one).await["queuePosition"], json!(null));
    assert_eq!(server.deployment(&two).await["queuePosition"], 1);
    server.drain().await;
}

#[tokio::test]
async fn a_run_is_given_the_settings_of_the_moment_it_is_claimed() {
    let server = TestServer::start().await;
    let service = server.service("api").env("MODE", "first").create().await;
    service.deploy(json!({ "branch": "dev" })).await;

    let change = json!({ "buildCommand": "make", "env": { "MODE": "second" } });
    server.admin.patch(&service.path(), change).await;
    server.run_all().await;

    let run = server.executor.runs().remove(0);
    assert_eq!(run.service.local.build_command, "make");
    assert_eq!(run.service.local.env.values().collect::<Vec<_>>(), ["second"]);
    assert_eq!((run.branch.as_str(), run.clear_cache), ("dev", false));
}
