//! Requests that can be read in two ways.

use super::*;

async fn is_refused(server: &Server, request: &str, status: u16, code: &str) {
    let mut caller = server.call().await;
    caller.send(request).await;

    let answer = caller.answer().await;

    assert_eq!((answer.status(), answer.code().as_str()), (status, code), "{request:?}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(caller.closed().await, b"", "{request:?} is the last of its connection");
}

#[tokio::test]
async fn http_1_1_without_exactly_one_host_is_refused() {
    let server = Server::start().await;

    is_refused(&server, "GET /hello HTTP/1.1\r\n\r\n", 400, "host").await;
    is_refused(&server, "GET /hello HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, "host").await;
    is_refused(&server, "GET /hello HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "host").await;
}

#[tokio::test]
async fn http_1_0_needs_no_host_but_may_not_have_two() {
    let server = Server::start().await;

    let answer = server.answer_to("GET /hello HTTP/1.0\r\n\r\n").await;

    assert_eq!((answer.status(), answer.body.as_str()), (200, "hello"));
    is_refused(&server, "GET /hello HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, "host").await;
}

#[tokio::test]
async fn a_length_beside_chunks_is_refused_in_any_order_and_spelling() {
    let server = Server::start().await;

    for lines in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "transfer-encoding: chunked\r\nX: y\r\ncontent-length:0",
        "CONTENT-LENGTH: 3\r\nTRANSFER-ENCODING: CHUNKED",
    ] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n0\r\n\r\n");
        is_refused(&server, &request, 400, "ambiguous_length").await;
    }
}

#[tokio::test]
async fn a_length_beside_chunks_is_refused_also_in_a_later_request_of_a_connection() {
    let server = Server::start().await;
    let mut caller = server.call().await;
    for _ in 0..2 {
        caller.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc").await;
        assert_eq!(caller.answer().await.body, "abc");
        caller.send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").await;
        assert_eq!(caller.answer().await.status(), 200);
    }

    caller
        .send("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n")
        .await;

    assert_eq!(caller.answer().await.code(), "ambiguous_length");
    assert_eq!(caller.closed().await, b"");
}

#[tokio::test]
async fn pipelined_length_and_chunks_are_read_as_chunks_and_close() {
    let server = Server::start().await;
    let mut caller = server.call().await;
    let smuggled =
        "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";

    caller.send(format!("{HELLO}{smuggled}{HELLO}")).await;

    assert_eq!(caller.answer().await.body, "hello");
    let second = caller.answer().await;
    assert!(second.body.is_empty() && second.header("connection") == Some("close"), "{second:?}");
    assert_eq!(caller.closed().await, b"");
}

#[tokio::test]
async fn a_path_that_is_no_text_is_refused() {
    let server = Server::start().await;

    for path in ["/text/%zz", "/text/%ff", "/text/%00", "/text/%"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
        is_refused(&server, &request, 400, "path_encoding").await;
    }
    let answer = server.answer_to("GET /text/a%20%C3%A9 HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, "a é"));
}

#[tokio::test]
async fn a_long_target_is_refused() {
    let server = Server::start().await;
    let query = "a".repeat(8192 - "/hello?".len());

    let answer = server.answer_to(&format!("GET /hello?{query} HTTP/1.1\r\nHost: h\r\n\r\n")).await;

    assert_eq!(answer.status(), 200);
    let longer = format!("GET /hello?{query}a HTTP/1.1\r\nHost: h\r\n\r\n");
    is_refused(&server, &longer, 414, "uri_too_long").await;
}

#[tokio::test]
async fn odd_targets_are_refused_and_an_absolute_one_is_its_path() {
    let server = Server::start().await;

    is_refused(&server, "CONNECT h:80 HTTP/1.1\r\nHost: h\r\n\r\n", 400, "request_target").await;
    is_refused(&server, "GET * HTTP/1.1\r\nHost: h\r\n\r\n", 400, "request_target").await;
    is_refused(&server, "GET ftp://h/hello HTTP/1.1\r\nHost: h\r\n\r\n", 400, "request_target").await;
    let absolute = server.answer_to("GET http://h/hello HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!((absolute.status(), absolute.body.as_str()), (200, "hello"));
    assert_eq!(server.answer_to("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n").await.status(), 404);
}

#[tokio::test]
async fn a_header_that_decides_must_not_be_repeated() {
    let server = Server::start().await;

    for name in ["Authorization", "Idempotency-Key"] {
        let request = format!("GET /hello HTTP/1.1\r\nHost: h\r\n{name}: a\r\n{name}: b\r\n\r\n");
        is_refused(&server, &request, 400, "repeated_header").await;
    }
}

#[tokio::test]
async fn http_2_is_not_spoken() {
    let server = Server::start().await;
    let mut caller = server.call().await;

    caller.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;

    let answer = caller.closed().await;
    assert!(!answer.starts_with(b"HTTP/1.1 2"), "{:?}", String::from_utf8_lossy(&answer));
}

#[tokio::test]
async fn malformed_framing_is_refused_by_the_parser() {
    let server = Server::start().await;

    for line in [
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: -1",
        "Content-Length: +1",
        "Content-Length : 1",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked, gzip",
        "X: a\r\n folded",
        "X: a\0b",
    ] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n");
        let answer = server.answer_to(&request).await;
        assert_eq!((answer.status(), answer.header("connection")), (400, Some("close")), "{line:?}");
    }
    let mut caller = server.call().await;
    caller.send(b"GET /text/\xff HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(caller.answer().await.status(), 400);
    let old = "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(server.answer_to(old).await.status(), 400);
}
