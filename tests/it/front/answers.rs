//! What every answer carries, and whom the server believes it talks to.

use tokio::net::UnixListener;
use tokio::net::UnixStream;

use super::*;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

#[tokio::test]
async fn a_panic_is_500_and_the_server_goes_on() {
    let server = Server::start().await;

    let answer = server.answer_to(&get("/panic", "")).await;

    assert_eq!((answer.status(), answer.code().as_str()), (500, "internal"));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(!answer.body.contains("purpose"));
    assert_eq!(server.answer_to(HELLO).await.body, "hello");
}

#[tokio::test]
async fn a_harmless_request_id_is_echoed_and_another_replaced() {
    let server = Server::start().await;

    let echoed = server.answer_to(&get("/hello", "X-Request-Id: ci-42\r\n")).await;
    let replaced = server.answer_to(&get("/hello", "X-Request-Id: a\"b\r\n")).await;
    let refused = server.answer_to("GET /hello HTTP/1.1\r\n\r\n").await;

    assert_eq!(echoed.header("x-request-id"), Some("ci-42"));
    for answer in [replaced, refused] {
        let id = answer.header("x-request-id").unwrap();
        assert!(id.starts_with("req_") && id.len() == 16, "{id}");
    }
}

#[tokio::test]
async fn every_answer_is_protected() {
    let server = Server::with(Settings { https: true, ..Settings::default() }).await;

    for path in ["/hello", "/missing", "/panic", "/text/%zz", "/deploy-hooks/secret", "/deploy-hooks/%zz"] {
        let answer = server.answer_to(&get(path, "")).await;
        let referrer = if path.starts_with("/deploy-hooks") { "no-referrer" } else { "same-origin" };
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("x-robots-tag", "noindex"),
            ("content-security-policy", POLICY),
            ("referrer-policy", referrer),
            ("strict-transport-security", "max-age=31536000"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}: {name}");
        }
    }
    assert_eq!(server.answer_to(&get("/cached", "")).await.header("cache-control"), Some("max-age=60"));
}

#[tokio::test]
async fn without_a_public_https_address_nobody_is_told_to_insist_on_it() {
    let server = Server::start().await;

    assert_eq!(server.answer_to(HELLO).await.header("strict-transport-security"), None);
}

#[tokio::test]
async fn a_forwarded_address_is_believed_only_of_a_listed_proxy() {
    let forwarded = get("/client", "X-Forwarded-For: 6.6.6.6, 192.0.2.9\r\n");
    let stranger = Server::start().await;
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let listed = Server::with(Settings { trusted_proxies, ..Settings::default() }).await;

    assert_eq!(stranger.answer_to(&forwarded).await.body, "127.0.0.1");
    assert_eq!(listed.answer_to(&forwarded).await.body, "192.0.2.9");
    assert_eq!(listed.answer_to(&get("/client", "Forwarded: for=192.0.2.7\r\n")).await.body, "192.0.2.7");
}

#[tokio::test]
async fn the_socket_serves_the_same_routes_and_knows_its_callers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let gate = Gate { entered: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) };
    let front = Front::new(routes(gate), Settings::default());
    let stop = CancellationToken::new();
    let serving = tokio::spawn(front.serve_unix(UnixListener::bind(&path).unwrap(), stop.clone()));
    let mut caller = Caller(UnixStream::connect(&path).await.unwrap());

    caller.send(get("/client", "X-Forwarded-For: 192.0.2.9\r\n")).await;

    assert_eq!(caller.answer().await.body, "socket");
    stop.cancel();
    timeout(PATIENCE, serving).await.unwrap().unwrap();
}
