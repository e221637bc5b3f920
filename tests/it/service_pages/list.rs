//! `/services`: all of them.

use serde_json::json;

use super::*;
use crate::harness::Script;
use stackblaze::domain::Reason;
use stackblaze::domain::Step;

fn failing() -> Script {
    Script::default()
        .step(Step::Clone, b"")
        .begins(Step::Build)
        .ends(Step::Build, 1)
        .fails(Reason::BuildFailed)
}

#[tokio::test]
async fn without_services_it_says_how_to_begin() {
    let server = TestServer::start().await;
    let browser = Browser::of(&server, "mira").await;

    let html = browser.page("/services").await;

    expect(
        &html,
        &[
            "<h1>No services yet</h1>",
            "href=\"/services/new\">New service</a>",
            "stackblaze service add",
            "--deploy",
        ],
    );
    refuse(&html, &["<table", "--workload"]);
    assert_eq!(place(&browser.get("/").await), "/services");
}

#[tokio::test]
async fn it_tells_what_runs_what_failed_and_what_serves() {
    let server = TestServer::start().await;
    for name in ["calm", "broken", "busy", "fresh"] {
        server.service(name).create().await;
    }
    let deploy = async |name: &str, script: Script| {
        server.executor.next(script);
        let id = server.admin.post(&format!("/api/v1/services/{name}/deployments"), json!({})).await.id();
        server.tick().await;
        id
    };
    deploy("calm", Script::succeeds()).await;
    server.idle().await;
    let broken = deploy("broken", failing()).await;
    server.idle().await;
    deploy("busy", crate::harness::scripted::hanging()).await;
    server.admin.put("/api/v1/services/fresh/freeze", json!({ "reason": "later" })).await;
    let browser = Browser::of(&server, "mira").await;

    let html = browser.page("/services").await;

    expect(
        &html,
        &[
            "<h1>4 services</h1>",
            &format!("1 is running. 1 failed and needs a look: <a href=\"/deploys/{broken}\">broken</a>."),
            "<code>4f2c1d7</code><span class=\"sub\">just now</span>",
            "<code class=\"code-reason\">build_failed</code>",
            "Last deployments, oldest first: 1 succeeded",
            "Last deployments, oldest first: 1 running",
            "Never deployed</span>",
            "No deployments yet</title>",
            "Frozen</span>",
            "builds on this host",
            "<span class=\"sub\">API token</span>",
        ],
    );
    let order: Vec<_> = ["busy", "broken", "calm", "fresh"]
        .map(|name| html.find(&format!("href=\"/services/{name}\">")).unwrap())
        .into();
    assert!(order.is_sorted(), "the last deployed first");
    server.executor.go_on();
    server.idle().await;
}

#[tokio::test]
async fn what_runs_counts_also_where_more_is_queued_behind_it() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    server.executor.next(crate::harness::scripted::hanging());
    service.deploy(json!({})).await;
    server.tick().await;
    service.deploy(json!({ "branch": "next" })).await;

    let html = Browser::of(&server, "mira").await.page("/services").await;

    expect(&html, &["1 is running.", "Building</a>"]);
    server.executor.go_on();
    server.run_all().await;
}

#[tokio::test]
async fn many_failures_are_counted_and_the_first_few_named() {
    let server = TestServer::start().await;
    server.executor.otherwise(failing());
    for number in 0..30 {
        let service = server.service(&format!("service-{number:02}")).create().await;
        if number < 7 {
            service.deploy(json!({})).await;
        }
    }
    server.run_all().await;

    let html = Browser::of(&server, "mira").await.page("/services").await;

    expect(&html, &["<h1>30 services</h1>", "7 failed and need a look: ", " and 2 more.", "service-29"]);
    assert_eq!(html.matches("<tr role=\"row\">").count(), 31);
}

#[tokio::test]
async fn a_token_of_one_service_does_not_see_the_others() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    server.service("other").create().await;
    let holder = server.holder(&server.token("ci", "admin", Some("api")).await);

    assert_eq!(holder.get("/services").await.status, 403);
    assert_eq!(holder.get("/services/api").await.status, 200);
    assert_eq!(holder.get("/services/other").await.status, 403);
}

/// Among 125 services one is found by a part of its name or its repository, and by how it stands.
#[tokio::test]
async fn one_of_many_services_is_found_by_name_repository_and_state() {
    let server = TestServer::start().await;
    for number in 0..125 {
        let body = json!({
            "name": format!("service-{number}"),
            "repository": format!("https://git.example.com/team-{}/app-{number}.git", number % 5),
            "deployCommand": "true",
        });
        assert_eq!(server.admin.post("/api/v1/services", body).await.status, 201);
    }
    server.admin.put("/api/v1/services/service-7/freeze", json!({ "reason": "x" })).await;
    let browser = Browser::of(&server, "mira").await;
    let rows = async |query: &str| {
        let html = browser.page(&format!("/services{query}")).await;
        html.matches("<a class=\"main-link mono\"").count()
    };

    assert_eq!((rows("").await, rows("?page=2").await, rows("?page=3").await), (50, 50, 25));
    let last = browser.page("/services?page=3&q=service").await;
    expect(
        &last,
        &["Page 3 of 3", "<a class=\"btn\" href=\"/services?q=service&#38;page=2\" rel=\"prev\">Before</a>"],
    );
    assert_eq!(rows("?q=SERVICE-12").await, 6, "12 and 120 to 124");
    assert_eq!(rows("?q=team-3").await, 25);
    assert_eq!(rows("?state=frozen").await, 1);
    assert_eq!(rows("?state=frozen&q=service-8").await, 0);
    assert_eq!(rows("?state=never&page=3").await, 25);
    assert_eq!(rows("?state=nonsense&page=nonsense").await, 50);
    expect(
        &browser.page("/services?q=nothing").await,
        &["No service fits. <a href=\"/services\">Show all</a>"],
    );
}
