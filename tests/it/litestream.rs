//! Litestream beside the server: what it has replicated becomes a server again.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::guest::{Guest, output};
use crate::harness::process::{PATIENCE, Server, client, stackblaze};
use crate::harness::tools;

const CALLS: i64 = 300;

/// The program, which `./test` installs.
fn litestream() -> Command {
    Command::new(tools().join("python/bin/litestream"))
}

/// What the replica holds now, as a file; none while it holds nothing.
fn restored(replica: &str, to: &Path) -> Option<Connection> {
    drop(std::fs::remove_file(to));
    let ended = output(litestream().args(["restore", "-o"]).arg(to).arg(replica));
    ended.status.success().then(|| Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap())
}

fn deployments(file: &Connection) -> i64 {
    file.query_row("SELECT count(*) FROM deployments", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
#[ignore = "needs tools that ./test installs"]
async fn what_litestream_has_replicated_becomes_a_server_again() {
    let (data, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let replica = format!("file://{}", elsewhere.path().join("replica").display());
    let copy = elsewhere.path().join("copy.db");
    let flags = ["--hook-rate", "1000000", "--hook-burst", "1000000", "--queue-limit", "1000000"];
    let server = Server::start(data.path(), &flags);
    let service = json!({ "name": "api", "repository": "/no/such/repository", "queuePolicy": "every" });
    let hook = server.hook(service).await;
    let core = data.path().join("core.db");
    let mut beside = litestream();
    beside.arg("replicate").arg(&core).arg(&replica).stdout(Stdio::null()).stderr(Stdio::null());
    let beside = Guest::start(&mut beside);
    for _ in 0..CALLS {
        let answer = client().post(format!("{}{hook}", server.url)).send().await.unwrap();
        assert_eq!(answer.status(), 202);
    }
    let began = Instant::now();
    while restored(&replica, &copy).is_none_or(|file| deployments(&file) < CALLS) {
        assert!(began.elapsed() < PATIENCE, "all calls are replicated");
    }
    server.kill();
    drop(beside);

    let again = TempDir::new().unwrap();
    std::fs::copy(data.path().join("secret.key"), again.path().join("secret.key")).unwrap();
    let mut restore = stackblaze();
    let ended = output(restore.arg("restore").arg(&copy).arg("--yes").arg("--data-dir").arg(again.path()));
    assert!(ended.status.success(), "{ended:?}");
    let server = Server::start(again.path(), &flags);

    let all = server.api("GET", "/api/v1/deployments?limit=1", None).await;
    assert_eq!(all["items"][0]["status"], "failed");
    let answer = client().post(format!("{}{hook}", server.url)).send().await.unwrap();
    assert_eq!(answer.status(), 202, "the hook's URL is as good as before");
}
