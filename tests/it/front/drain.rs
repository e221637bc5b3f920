//! The end of service.

use tokio::time::Instant;

use super::*;

#[tokio::test]
async fn a_request_in_progress_is_answered_and_no_connection_accepted() {
    let server = Server::start().await;
    let mut caller = server.call().await;
    caller.send(SLOW).await;
    server.slow_is_entered().await;

    server.stop.cancel();
    let refused = async { while TcpStream::connect(server.address).await.is_ok() {} };
    timeout(PATIENCE, refused).await.expect("the door shut in time");
    assert!(!server.serving.is_finished());
    server.gate.open.add_permits(1);

    let answer = caller.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("slow", Some("close")));
    server.stopped().await;
}

#[tokio::test]
async fn before_the_door_shuts_every_answer_is_the_last_of_its_connection() {
    let is_draining = CancellationToken::new();
    let server = Server::with(Settings { is_draining: is_draining.clone(), ..Settings::default() }).await;
    let mut caller = server.call().await;
    caller.send(HELLO).await;
    assert_eq!(caller.answer().await.header("connection"), None);

    is_draining.cancel();
    caller.send(HELLO).await;

    let answer = caller.answer().await;
    assert_eq!((answer.body.as_str(), answer.header("connection")), ("hello", Some("close")));
    assert_eq!(caller.closed().await, b"");
    assert_eq!(server.answer_to(HELLO).await.body, "hello");
}

#[tokio::test]
async fn half_open_silent_and_idle_connections_do_not_hold_the_end() {
    let server = Server::limited(unlimited()).await;
    let mut half_open = server.call().await;
    half_open.send("GET /hello HTTP/1.1\r\nHos").await;
    let _silent = server.call().await;
    let mut idle = server.call().await;
    idle.send(HELLO).await;
    idle.answer().await;
    let mut half_open_again = server.call().await;
    half_open_again.send(HELLO).await;
    half_open_again.answer().await;
    half_open_again.send("GET /he").await;

    server.stop.cancel();
    server.stopped().await;
}

#[tokio::test]
async fn a_head_that_ends_within_the_grace_is_still_answered() {
    let server = Server::start().await;
    let mut caller = server.call().await;
    caller.send("GET /slow HTTP/1.1\r\nHos").await;
    let mut witness = server.call().await;
    witness.send(SLOW).await;
    server.slow_is_entered().await;

    server.stop.cancel();
    caller.send("t: h\r\n\r\n").await;
    server.slow_is_entered().await;
    server.gate.open.add_permits(2);

    assert_eq!(caller.answer().await.body, "slow");
    server.stopped().await;
}

#[tokio::test]
async fn a_request_that_never_ends_is_cut_after_the_drain_time() {
    let server = Server::limited(Limits { drain: SHORT, ..unlimited() }).await;
    let mut caller = server.call().await;
    caller.send(SLOW).await;
    server.slow_is_entered().await;
    let start = Instant::now();

    server.stop.cancel();
    assert_eq!(caller.closed().await, b"");
    server.stopped().await;

    assert!(start.elapsed() >= SHORT, "{:?}", start.elapsed());
}
