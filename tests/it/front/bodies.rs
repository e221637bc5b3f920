//! Bodies of every length, announced or not.

use super::*;

fn sized(length: usize) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{}", "a".repeat(length))
}

fn chunked(length: usize) -> String {
    let chunk = format!("{length:x}\r\n{}\r\n", "a".repeat(length));
    format!("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n")
}

#[tokio::test]
async fn a_body_of_exactly_the_limit_is_taken() {
    let server = Server::start().await;

    for request in [sized(ECHO_MAX), chunked(ECHO_MAX)] {
        let answer = server.answer_to(&request).await;
        assert_eq!((answer.status(), answer.body.len()), (200, ECHO_MAX));
    }
}

#[tokio::test]
async fn one_byte_more_is_413_with_or_without_a_length() {
    let server = Server::start().await;

    assert_eq!(server.answer_to(&sized(ECHO_MAX + 1)).await.status(), 413);
    assert_eq!(server.answer_to(&chunked(ECHO_MAX + 1)).await.status(), 413);
}

#[tokio::test]
async fn a_post_without_length_and_body_is_fine() {
    let server = Server::start().await;

    let answer = server.answer_to("POST /echo HTTP/1.1\r\nHost: h\r\n\r\n").await;

    assert_eq!((answer.status(), answer.body.as_str()), (200, ""));
}

#[tokio::test]
async fn a_gigabyte_for_a_handler_that_reads_nothing_is_cut_after_little() {
    let server = Server::start().await;
    let mut caller = server.call().await;
    caller.send("POST /ignore HTTP/1.1\r\nHost: h\r\nContent-Length: 1073741824\r\n\r\n").await;
    assert_eq!(caller.answer().await.body, "ignored");

    let mut sent = 0;
    let sending = async {
        while let Ok(count) = caller.0.write(&[b'a'; 8 * 1024]).await {
            sent += count;
        }
    };
    timeout(PATIENCE, sending).await.expect("the cut in time");

    assert!(sent < 64 * 1024 * 1024, "{sent} bytes were taken");
}

#[tokio::test]
async fn a_caller_that_sends_on_is_not_reset_before_it_reads_its_refusal() {
    let server = Server::start().await;
    let mut caller = server.call().await;
    caller.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4194304\r\n\r\n").await;
    timeout(PATIENCE, caller.0.readable()).await.unwrap().unwrap();

    let part = "a".repeat(16 * 1024);
    for _ in 0..256 {
        caller.send(&part).await;
    }

    assert_eq!(caller.answer().await.status(), 413);
}

#[tokio::test]
async fn expect_continue_is_answered_only_where_the_body_is_wanted() {
    let server = Server::start().await;
    let mut caller = server.call().await;
    caller.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").await;

    assert_eq!(caller.read_to("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    caller.send("abc").await;

    assert_eq!(caller.answer().await.body, "abc");
    let too_large = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 65537\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(server.answer_to(too_large).await.status(), 413);
}

#[tokio::test]
async fn a_broken_chunk_is_400() {
    let server = Server::start().await;

    let request = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";

    assert_eq!(server.answer_to(request).await.status(), 400);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start().await;
    let mut caller = server.call().await;
    let post = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";

    caller.send(format!("{HELLO}{post}{HELLO}")).await;

    for expected in ["hello", "abc", "hello"] {
        assert_eq!(caller.answer().await.body, expected);
    }
}
