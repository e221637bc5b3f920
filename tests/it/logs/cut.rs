//! A log that has outgrown what is kept, and secrets in it.

use stackblaze::db::logs::Kept;
use stackblaze::domain::Step;

use super::finished;
use crate::harness::Options;
use crate::harness::Script;
use crate::harness::TestServer;

/// Bytes of one line.
const LINE: usize = 50;
/// Lines in all.
const LINES: usize = 20;

/// The line of that number, 50 bytes with its end.
fn line(number: usize) -> String {
    format!("{number:049}\n")
}

/// Twenty lines, each stored as a piece of its own since the step changes. The first and the last two are kept.
async fn cut(server: &TestServer) -> String {
    let says = |script: Script, number: usize| {
        let step = if number.is_multiple_of(2) { Step::Build } else { Step::Clone };
        script.says(step, line(number).as_bytes())
    };
    let script = (0..LINES).fold(Script::default().begins(Step::Build), says);
    finished(server, script.ends(Step::Build, 0).step(Step::Deploy, b"")).await.0
}

async fn small() -> TestServer {
    TestServer::with(Options { kept: Kept { head: 100, tail: 100 }, ..Options::default() }).await
}

async fn read(server: &TestServer, id: &str, from: usize) -> String {
    let answer = server.admin.get(&format!("/deployments/{id}/logs?from={from}")).await;
    assert_eq!(answer.status, 200, "{from}");
    answer.text()
}

const MARK: &str = "… 800 bytes not kept …\n";

fn tail() -> String {
    [line(LINES - 2), line(LINES - 1)].concat()
}

#[tokio::test]
async fn the_middle_gives_way_to_a_mark() {
    let server = small().await;
    let id = cut(&server).await;

    assert_eq!(read(&server, &id, 0).await, [line(0), line(1), MARK.to_owned(), tail()].concat());
}

#[tokio::test]
async fn offsets_count_the_log_as_it_was_produced() {
    let server = small().await;
    let id = cut(&server).await;

    assert_eq!(read(&server, &id, LINE).await, [line(1), MARK.to_owned(), tail()].concat());
    assert_eq!(read(&server, &id, 900).await, tail());
    assert_eq!(read(&server, &id, 999).await, "\n");
    assert_eq!(read(&server, &id, 1_000).await, "");
    assert_eq!(server.admin.get(&format!("/deployments/{id}/logs?from=1001")).await.status, 416);
}

#[tokio::test]
async fn a_position_inside_the_cut_gets_the_mark_and_the_next_kept_byte() {
    let server = small().await;
    let id = cut(&server).await;

    for from in [100, 101, 500, 899] {
        assert_eq!(read(&server, &id, from).await, [MARK.to_owned(), tail()].concat(), "{from}");
    }
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let server = small().await;
    let id = cut(&server).await;

    let file = rusqlite::Connection::open_with_flags(
        server.dir().join("logs.db"),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    )
    .unwrap();
    let sql = "SELECT sum(octet_length(text)) FROM log_pieces WHERE deployment_id = ?1";
    let kept: i64 = file.query_row(sql, [id], |row| row.get(0)).unwrap();
    assert_eq!(kept, 200);
}

#[tokio::test]
async fn the_value_of_a_variable_never_reaches_log_events_or_failure() {
    const SECRET: &str = "correct-horse-battery";
    let server = TestServer::start().await;
    let service = server.service("api").env("PASSWORD", SECRET).create().await;
    let (half, rest) = SECRET.split_at(9);
    let script = Script::default().begins(Step::Build).says(Step::Build, format!("login {half}").as_bytes());
    let script = script.says(Step::Build, format!("{rest} failed\n").as_bytes()).ends(Step::Build, 1);
    server.executor.next(script.fails(stackblaze::domain::Reason::BuildFailed));
    let id = service.deploy(serde_json::json!({})).await;
    server.run_all().await;

    let log = server.admin.get(&format!("/deployments/{id}/logs")).await.text();
    let shown = server.admin.get(&format!("/deployments/{id}")).await.text();

    assert!(log.starts_with("login ") && log.ends_with(" failed\n"), "{log}");
    assert!(!log.contains(SECRET) && !shown.contains(SECRET), "{log} {shown}");
    assert!(shown.contains("logTail"));
}
