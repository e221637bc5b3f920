//! The body is nobody's business, up to a mebibyte; that it was sent is said.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::harness::Hook;
use crate::harness::TestServer;
use crate::harness::http::Send as _;
use crate::harness::soon;

/// Largest body that is read, in bytes.
const LARGEST: usize = 1024 * 1024;

async fn hook(server: &TestServer) -> Hook {
    server.service("api").policy("every").create().await.hook("ci").await
}

/// A raw request whose body has no Content-Length.
fn chunked(hook: &Hook, length: usize) -> Vec<u8> {
    let head = format!(
        "POST /deploy-hooks/{} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n",
        hook.token
    );
    let end: &[u8] = if length == 0 { b"\r\n" } else { b"\r\n0\r\n\r\n" };
    [head.as_bytes(), &vec![b'x'; length], end].concat()
}

#[tokio::test]
async fn a_body_of_any_type_is_thrown_away() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    for (kind, body) in [
        ("application/json", "{\"branch\":\"evil\"}"),
        ("application/json", "{ not json"),
        ("application/x-www-form-urlencoded", "branch=evil&clear_cache=true"),
        ("text/xml", "<branch>evil</branch>"),
        ("nonsense", "\u{0}"),
    ] {
        let answer =
            hook.call(Method::POST, "branch=dev").header("content-type", kind).body(body).answer().await;

        assert_eq!((answer.status, answer.json()["branch"].as_str()), (202, Some("dev")), "{kind}");
        assert_eq!(answer.header("ignored-parameters"), Some("body"), "{kind}");
        assert!(!answer.text().contains("evil"));
    }
    assert_eq!(server.rows("SELECT count(*) FROM deployments WHERE clear_cache OR branch <> 'dev'").await, 0);
}

#[tokio::test]
async fn no_body_is_needed() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    let request =
        format!("POST /deploy-hooks/{} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", hook.token);

    for request in [request.into_bytes(), chunked(&hook, 0)] {
        let answer = server.raw(request).await;
        assert!(answer.starts_with("HTTP/1.1 202 ") && !answer.contains("ignored-parameters"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_is_named_beside_the_other_names_and_stored() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    let call = hook.call(Method::POST, "brach=dev").body("{\"branch\":\"dev\"}").answer().await;

    assert_eq!(call.header("ignored-parameters"), Some("brach, body"));
    let shown = server.admin.get(&format!("/deployments/{}", call.id())).await.json();
    assert_eq!(shown["ignoredParameters"], json!(["brach", "body"]));
}

#[tokio::test]
async fn a_body_is_named_however_many_other_names_there_are_and_once() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;
    let many: Vec<_> = (0..30).map(|number| format!("p{number}=1")).collect();

    let beside_many = hook.call(Method::POST, &many.join("&")).body("x").answer().await;
    let beside_its_own = hook.call(Method::POST, "body=1").body("x").answer().await;

    assert!(beside_many.header("ignored-parameters").unwrap().ends_with(", body"));
    assert_eq!(beside_its_own.header("ignored-parameters"), Some("body"));
}

#[tokio::test]
async fn a_dry_run_names_what_it_ignores() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    let named = hook.call(Method::POST, "dry_run&brach=dev").body("x").answer().await;
    let silent = hook.post("dry_run").await;

    assert_eq!((named.status, named.header("ignored-parameters")), (200, Some("brach, body")));
    assert_eq!(silent.header("ignored-parameters"), None);
}

#[tokio::test]
async fn a_mebibyte_is_read_and_a_byte_more_is_refused() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    let fits = hook.call(Method::POST, "").body(vec![b'x'; LARGEST]).answer().await;
    let large = hook.call(Method::POST, "").body(vec![b'x'; LARGEST + 1]).answer().await;

    assert_eq!(fits.status, 202);
    assert_eq!(large.refusal(), (413, "body_too_large".to_owned()));
    assert_eq!(server.count("queued").await, 1);
}

#[tokio::test]
async fn the_same_holds_without_a_content_length() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    let fits = server.raw(chunked(&hook, LARGEST)).await;
    let large = server.raw(chunked(&hook, LARGEST + 1)).await;

    assert!(fits.starts_with("HTTP/1.1 202 "), "{fits}");
    assert!(large.starts_with("HTTP/1.1 413 ") && large.contains("body_too_large"), "{large}");
    assert_eq!(server.count("queued").await, 1);
}

#[tokio::test]
async fn who_sends_too_much_slowly_still_reads_why_it_was_refused() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();

    let head =
        format!("POST /deploy-hooks/{} HTTP/1.1\r\nHost: h\r\nContent-Length: 1500000\r\n\r\n", hook.token);
    stream.write_all(head.as_bytes()).await.unwrap();
    let part = "x".repeat(100_000);
    for _ in 0..15 {
        sleep(Duration::from_millis(100)).await;
        stream.write_all(part.as_bytes()).await.unwrap();
    }

    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 ") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn the_body_of_a_revocation_is_thrown_away_too() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    let large = hook.call(Method::DELETE, "").body(vec![b'x'; LARGEST + 1]).answer().await;
    let fits = hook.call(Method::DELETE, "").body(vec![b'x'; LARGEST]).answer().await;

    assert_eq!((large.status, fits.status), (413, 204));
}
