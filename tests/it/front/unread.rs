//! Answers that are given before the body was read: either the connection serves another request, or the answer says
//! that it does not. What a proxy is told of a connection holds.

use tokio::time::sleep;

use super::*;

/// Most bytes of a body that are read for the sake of the connection.
const READ_MAX: usize = 1024 * 1024;
/// What answers without a look at the body, and how.
const REFUSING: [(&str, u16); 4] =
    [("/ignore", 200), ("/missing", 404), ("/deploy-hooks/wrong", 401), ("/panic", 500)];

fn post(path: &str, lines: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: h\r\n{lines}\r\n")
}

fn announced(path: &str, length: usize) -> String {
    post(path, &format!("Content-Length: {length}\r\n"))
}

fn chunk(length: usize) -> String {
    format!("{length:x}\r\n{}\r\n", "a".repeat(length))
}

fn says_close(answer: &Answer) -> bool {
    answer.header("connection") == Some("close")
}

async fn serves_another(caller: &mut Caller<TcpStream>) {
    caller.send(HELLO).await;
    assert_eq!(caller.answer().await.body, "hello");
}

async fn patient() -> Server {
    Server::limited(unlimited()).await
}

#[tokio::test]
async fn what_was_announced_is_read_and_the_connection_kept() {
    let server = patient().await;

    for (path, status) in REFUSING.into_iter().chain([("/echo", 413)]) {
        let mut caller = server.call().await;
        for length in [1, ECHO_MAX + 1, READ_MAX].into_iter().filter(|length| status != 413 || *length > 1) {
            caller.send(announced(path, length)).await;
            caller.send("a".repeat(length)).await;

            let answer = caller.answer().await;

            assert_eq!((answer.status(), answer.header("connection")), (status, None), "{path}: {length}");
        }
        serves_another(&mut caller).await;
    }
}

#[tokio::test]
async fn chunks_are_read_to_their_end_and_the_connection_kept() {
    let server = patient().await;

    for (path, status) in REFUSING.into_iter().chain([("/echo", 413)]) {
        let mut caller = server.call().await;
        caller.send(post(path, "Transfer-Encoding: chunked\r\n")).await;
        caller.send([chunk(ECHO_MAX + 1), chunk(1), "0\r\n\r\n".to_owned()].concat()).await;

        let answer = caller.answer().await;

        assert_eq!((answer.status(), answer.header("connection")), (status, None), "{path}");
        serves_another(&mut caller).await;
    }
}

#[tokio::test]
async fn more_than_is_read_is_answered_before_it_comes_and_ends_the_connection() {
    let server = patient().await;

    for (path, status) in REFUSING.into_iter().chain([("/echo", 413)]) {
        let mut caller = server.call().await;
        caller.send(announced(path, READ_MAX + 1)).await;

        let answer = caller.answer().await;

        assert!(answer.status() == status && says_close(&answer), "{path}: {answer:?}");
        assert_eq!(caller.closed().await, b"", "{path}");
    }
}

#[tokio::test]
async fn chunks_without_an_end_are_answered_and_end_the_connection() {
    let server = patient().await;

    for (path, status) in REFUSING.into_iter().chain([("/echo", 413)]) {
        let mut caller = server.call().await;
        caller.send(post(path, "Transfer-Encoding: chunked\r\n")).await;
        caller.send([chunk(READ_MAX), chunk(1)].concat()).await;

        let answer = caller.answer().await;

        assert!(answer.status() == status && says_close(&answer), "{path}: {answer:?}");
        assert_eq!(caller.closed().await, b"", "{path}");
    }
}

#[tokio::test]
async fn a_refusal_is_not_lost_to_a_caller_that_sends_slowly() {
    let server = patient().await;
    let mut caller = server.call().await;

    caller.send(announced("/deploy-hooks/wrong", 60_000)).await;
    for _ in 0..20 {
        sleep(Duration::from_millis(100)).await;
        caller.send("a".repeat(3_000)).await;
    }

    assert_eq!(caller.answer().await.status(), 401);
    serves_another(&mut caller).await;
}

#[tokio::test]
async fn a_refusal_is_not_lost_to_a_caller_that_sends_too_much_and_slowly() {
    let server = patient().await;
    let mut caller = server.call().await;

    caller.send(announced("/echo", 1_500_000)).await;
    for _ in 0..15 {
        sleep(Duration::from_millis(100)).await;
        caller.send("a".repeat(100_000)).await;
    }

    let answer = caller.answer().await;
    assert!(answer.status() == 413 && says_close(&answer), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_stops_is_given_up_after_the_silence() {
    let server = Server::limited(Limits { body_silence: SHORT, ..unlimited() }).await;

    for (path, status) in REFUSING.into_iter().chain([("/echo", 408)]) {
        let mut caller = server.call().await;
        caller.send(announced(path, 10) + "a").await;

        let answer = caller.answer().await;

        assert!(answer.status() == status && says_close(&answer), "{path}: {answer:?}");
        assert_eq!(caller.closed().await, b"", "{path}");
    }
}

#[tokio::test]
async fn a_body_that_trickles_is_given_up_after_the_time_for_all_of_it() {
    let server = Server::limited(Limits { body: SHORT, ..unlimited() }).await;

    for (path, status) in REFUSING.into_iter().chain([("/echo", 408)]) {
        let mut caller = server.call().await;
        caller.send(announced(path, 60_000)).await;
        let trickled = async {
            while timeout(SHORT / 10, caller.0.readable()).await.is_err() {
                caller.send("a").await;
            }
        };
        timeout(PATIENCE, trickled).await.expect("an answer in time");

        let answer = caller.answer().await;

        assert!(answer.status() == status && says_close(&answer), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_byte_now_and_then_keeps_a_body_alive() {
    let server = Server::limited(Limits { body_silence: SHORT * 5, ..unlimited() }).await;
    let mut caller = server.call().await;

    caller.send(announced("/echo", 7)).await;
    for _ in 0..7 {
        sleep(SHORT).await;
        caller.send("a").await;
    }

    assert_eq!(caller.answer().await.body, "a".repeat(7));
    serves_another(&mut caller).await;
}

#[tokio::test]
async fn a_refusal_without_100_continue_ends_the_connection_and_says_so() {
    let server = patient().await;

    for (path, status) in REFUSING {
        let mut caller = server.call().await;
        caller.send(post(path, "Content-Length: 3\r\nExpect: 100-continue\r\n")).await;

        let answer = caller.answer().await;

        assert!(answer.status() == status && says_close(&answer), "{path}: {answer:?}");
        assert_eq!(caller.closed().await, b"", "{path}");
    }
    let too_large = announced("/echo", ECHO_MAX + 1).replace("\r\n\r\n", "\r\nExpect: 100-continue\r\n\r\n");
    let answer = server.answer_to(&too_large).await;
    assert!(answer.status() == 413 && says_close(&answer), "{answer:?}");
}

#[tokio::test]
async fn a_refusal_after_100_continue_reads_on_and_keeps_the_connection() {
    let server = patient().await;
    let mut caller = server.call().await;
    caller.send(post("/echo", "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n")).await;
    assert_eq!(caller.read_to("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");

    caller.send([chunk(ECHO_MAX + 1), chunk(1), "0\r\n\r\n".to_owned()].concat()).await;

    let answer = caller.answer().await;
    assert_eq!((answer.status(), answer.header("connection")), (413, None));
    serves_another(&mut caller).await;
}

#[tokio::test]
async fn a_body_that_breaks_ends_the_connection_and_the_answer_says_so() {
    let server = patient().await;

    for (path, status) in REFUSING.into_iter().chain([("/echo", 400)]) {
        let answer = server.answer_to(&(post(path, "Transfer-Encoding: chunked\r\n") + "zz\r\n")).await;

        assert!(answer.status() == status && says_close(&answer), "{path}: {answer:?}");
    }
}

#[tokio::test]
async fn a_caller_of_http_1_0_is_not_told_two_things() {
    let server = patient().await;
    let old = |length: usize| {
        let lines = format!("Connection: keep-alive\r\nContent-Length: {length}");
        format!("POST /ignore HTTP/1.0\r\n{lines}\r\n\r\n{}", "a".repeat(length.min(READ_MAX)))
    };

    let kept = server.answer_to(&old(3)).await;
    let ended = server.answer_to(&old(READ_MAX + 1)).await;

    assert_eq!(kept.header("connection"), Some("keep-alive"));
    let said: Vec<_> = ended.head.lines().filter(|line| line.starts_with("connection:")).collect();
    assert_eq!(said, ["connection: close"]);
}

#[tokio::test]
async fn a_caller_that_sends_on_after_its_last_answer_is_cut_off() {
    for (body_silence, body) in [(SHORT, NEVER), (NEVER, SHORT)] {
        let server = Server::limited(Limits { body_silence, body, ..unlimited() }).await;
        let mut caller = server.call().await;
        caller.send(announced("/ignore", READ_MAX + 1)).await;
        assert!(says_close(&caller.answer().await));

        let sending = async {
            while caller.0.write_all(b"a").await.is_ok() {
                sleep(SHORT * 2).await;
            }
        };

        timeout(PATIENCE, sending).await.expect("the cut in time");
    }
}

#[tokio::test]
async fn a_body_that_is_read_on_does_not_hold_the_end_of_service() {
    let limits = Limits { drain: SHORT, ..unlimited() };
    let server = Server::limited(limits).await;
    let mut answered = server.call().await;
    answered.send(announced("/ignore", READ_MAX + 1)).await;
    assert!(says_close(&answered.answer().await));
    let mut unanswered = server.call().await;
    unanswered.send(announced("/slow", 10)).await;
    server.slow_is_entered().await;
    server.gate.open.add_permits(1);

    server.stop.cancel();

    server.stopped().await;
}
