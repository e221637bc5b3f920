//! The body is nobody's business, up to 64 KiB.

use reqwest::Method;

use crate::harness::Hook;
use crate::harness::TestServer;
use crate::harness::http::Send as _;

/// Largest body that is read, in bytes.
const LARGEST: usize = 64 * 1024;

async fn hook(server: &TestServer) -> Hook {
    server.service("api").policy("every").create().await.hook("ci").await
}

/// A raw request whose body has no Content-Length.
fn chunked(hook: &Hook, length: usize) -> Vec<u8> {
    let head = format!(
        "POST /deploy-hooks/{} HTTP/1.1\r\nHost: h\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n",
        hook.token
    );
    [head.as_bytes(), &vec![b'x'; length], b"\r\n0\r\n\r\n"].concat()
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

    assert!(server.raw(request).await.starts_with("HTTP/1.1 202 "));
}

#[tokio::test]
async fn sixty_four_kib_are_read_and_a_byte_more_is_refused() {
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
