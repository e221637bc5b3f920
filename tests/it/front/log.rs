//! The line that each request leaves in the log.

use super::*;
use crate::harness::Lines;

#[tokio::test]
async fn the_log_names_the_route_and_never_the_secret() {
    let lines = Lines::default();
    let _watched = lines.watch();
    let server = Server::start().await;

    let secrets = "Authorization: Bearer s3cret\r\nCookie: session=s3cret\r\nX-Request-Id: ci-1\r\n";
    server.answer_to(&get("/deploy-hooks/s3cret?branch=s3cret", secrets)).await;
    server.answer_to(&get("/deploy-hooks/s3cret%zz", secrets)).await;
    server.answer_to(&get("/s3cret", secrets)).await;

    let requests = lines.requests();
    let routes: Vec<_> = requests.iter().map(|line| &line["fields"]["route"]).collect();
    assert_eq!(routes, ["/deploy-hooks/:token", "-", "-"]);
    let first = &requests[0]["fields"];
    assert_eq!(
        (&first["method"], &first["request.id"], &first["client"]),
        (&"GET".into(), &"ci-1".into(), &"127.0.0.1".into())
    );
    assert!(first["status"] == 401 && first["duration_us"].is_number(), "{first}");
    assert!(!lines.text().contains("s3cret"), "{}", lines.text());
}

#[tokio::test]
async fn reading_is_logged_at_debug_and_refused_hook_calls_once_a_peer() {
    let lines = Lines::default();
    let _watched = lines.watch();
    let server = Server::start().await;

    server.answer_to(HELLO).await;
    let mut balancer = server.call().await;
    balancer.send("HEAD /hello HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").await;
    assert!(balancer.closed().await.starts_with(b"HTTP/1.1 200 "));
    for _ in 0..20 {
        server.answer_to(&get("/deploy-hooks/s3cret", "")).await;
    }
    server.answer_to(&get("/missing", "")).await;

    let levels: Vec<_> = lines.requests().iter().map(|line| line["level"].clone()).collect();
    assert_eq!(levels, ["DEBUG", "DEBUG", "INFO", "INFO"]);
}

#[tokio::test]
async fn dropped_connections_of_a_peer_are_told_once_in_a_while() {
    let lines = Lines::default();
    let _watched = lines.watch();
    let server = Server::limited(Limits { per_peer: 1, ..unlimited() }).await;
    let mut held = server.call().await;
    held.send(HELLO).await;
    held.answer().await;

    for _ in 0..5 {
        assert_eq!(server.call().await.closed().await, b"");
    }

    assert_eq!(lines.text().matches("connections dropped").count(), 1, "{}", lines.text());
}
