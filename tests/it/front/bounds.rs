//! Slow, silent, greedy and many callers.

use tokio::time::Instant;
use tokio::time::sleep;

use super::*;

fn short_header() -> Limits {
    Limits { header: SHORT, ..unlimited() }
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let server = Server::limited(Limits { first_byte: SHORT, ..unlimited() }).await;
    let mut caller = server.call().await;

    assert_eq!(caller.closed().await, b"");
}

#[tokio::test]
async fn a_header_that_trickles_is_closed_in_spite_of_its_bytes() {
    let server = Server::limited(short_header()).await;
    let mut caller = server.call().await;

    let trickled = async {
        loop {
            if caller.0.write_all(b"G").await.is_err() {
                return;
            }
            sleep(SHORT / 10).await;
        }
    };
    timeout(PATIENCE, trickled).await.expect("the end in time");
}

#[tokio::test]
async fn a_connection_kept_alive_is_closed_when_idle() {
    let server = Server::limited(Limits { keep_alive: SHORT, ..unlimited() }).await;
    let mut caller = server.call().await;
    let start = Instant::now();
    caller.send(HELLO).await;
    assert_eq!(caller.answer().await.body, "hello");

    assert_eq!(caller.closed().await, b"");

    assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_slow_handler_is_not_an_idle_connection() {
    let server = Server::limited(short_header()).await;
    let mut caller = server.call().await;
    caller.send(SLOW).await;
    server.slow_is_entered().await;

    sleep(SHORT * 2).await;
    server.gate.open.add_permits(1);

    assert_eq!(caller.answer().await.body, "slow");
}

#[tokio::test]
async fn a_caller_that_takes_no_answer_is_cut_off() {
    let limits = Limits { write: SHORT, ..unlimited() };
    let server = Server::limited(limits).await;
    let mut caller = server.call().await;
    caller.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await;
    caller.read_to("\r\n\r\n").await;

    server.stop.cancel();

    server.stopped().await;
}

#[tokio::test]
async fn more_than_32_kib_of_headers_are_431() {
    let server = Server::start().await;
    let request =
        |bytes: usize| format!("GET /hello HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "a".repeat(bytes));
    let rest = request(0).len();

    assert_eq!(server.answer_to(&request(32 * 1024 - rest)).await.status(), 200);
    for bytes in [32 * 1024 - rest + 1, 200 * 1024] {
        let answer = server.answer_to(&request(bytes)).await;
        assert_eq!((answer.status(), answer.code().as_str()), (431, "head_too_large"));
        assert!(answer.header("x-request-id").is_some() && answer.header("connection") == Some("close"));
    }
}

#[tokio::test]
async fn more_than_64_headers_are_431() {
    let server = Server::start().await;
    let request =
        |count: usize| format!("GET /hello HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(count - 1));

    assert_eq!(server.answer_to(&request(64)).await.status(), 200);
    let answer = server.answer_to(&request(65)).await;
    assert_eq!((answer.status(), answer.code().as_str()), (431, "head_too_large"));
}

#[tokio::test]
async fn a_target_beyond_8_kib_is_414() {
    let server = Server::start().await;
    for bytes in [9 * 1024, 100 * 1024] {
        let answer =
            server.answer_to(&format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "a".repeat(bytes))).await;
        assert_eq!((answer.status(), answer.code().as_str()), (414, "uri_too_long"));
    }
}

#[tokio::test]
async fn another_protocol_is_told_at_once_which_one_is_spoken() {
    let server = Server::start().await;

    let http2 = server.answer_to("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    let tls = server.answer_to("\u{16}\u{3}\u{1}\u{2}").await;

    assert_eq!((http2.status(), http2.code().as_str()), (505, "http_version"));
    assert_eq!((tls.status(), tls.code().as_str()), (400, "not_http"));
}

/// Who has sent everything may close its half.
#[tokio::test]
async fn a_caller_that_has_closed_its_half_is_answered() {
    let server = Server::start().await;
    for _ in 0..20 {
        let mut caller = server.call().await;
        caller.send(HELLO).await;
        caller.0.shutdown().await.unwrap();
        assert_eq!(caller.answer().await.body, "hello");
    }
}

#[tokio::test]
async fn an_answer_says_how_long_its_connection_is_kept() {
    let server = Server::start().await;

    let answer = server.answer_to(HELLO).await;

    assert_eq!(answer.header("keep-alive"), Some("timeout=75"));
}

#[tokio::test]
async fn an_idle_connection_gives_its_place_to_who_waits_for_one() {
    let server = Server::limited(Limits { connections: 1, ..unlimited() }).await;
    let mut idle = server.call().await;
    idle.send(HELLO).await;
    idle.answer().await;

    let answer = server.answer_to(HELLO).await;

    assert_eq!(answer.body, "hello");
    assert_eq!(idle.closed().await, b"");
}

#[tokio::test]
async fn the_cap_on_connections_pauses_accepts_and_recovers() {
    let server = Server::limited(Limits { connections: 2, ..unlimited() }).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut caller = server.call().await;
        caller.send(SLOW).await;
        server.slow_is_entered().await;
        held.push(caller);
    }
    let mut waiting = server.call().await;
    waiting.send(HELLO).await;
    assert!(timeout(SHORT, waiting.0.readable()).await.is_err(), "the third waits");

    server.gate.open.add_permits(1);

    assert_eq!(waiting.answer().await.body, "hello");
}

#[tokio::test]
async fn a_peer_over_its_cap_is_turned_away_until_it_gives_one_back() {
    let limits = Limits { per_peer: 2, ..unlimited() };
    let server = Server::limited(limits).await;
    let mut first = server.call().await;
    let mut second = server.call().await;
    for caller in [&mut first, &mut second] {
        caller.send(HELLO).await;
        caller.answer().await;
    }

    assert_eq!(server.call().await.closed().await, b"");
    drop(first);

    let again = async {
        loop {
            let mut caller = server.call().await;
            let _ = caller.0.write_all(HELLO.as_bytes()).await;
            if caller.0.read_u8().await.is_ok() {
                return;
            }
        }
    };
    timeout(PATIENCE, again).await.expect("a place in time");
}

#[tokio::test]
async fn a_trusted_proxy_has_no_cap_of_its_own() {
    let limits = Limits { per_peer: 1, ..unlimited() };
    let trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    let server = Server::with(Settings { limits, trusted_proxies, ..Settings::default() }).await;
    let mut held = Vec::new();

    for _ in 0..5 {
        let mut caller = server.call().await;
        caller.send(HELLO).await;
        assert_eq!(caller.answer().await.status(), 200);
        held.push(caller);
    }
}
