//! The server goes down in order under load, again and again, as an upgrade makes it.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::harness::process::{PATIENCE, Server, client};

const RESTARTS: usize = 12;
const CALLERS: usize = 8;

/// Posts with a key of its own for each call and repeats a call until it is answered, as a careful job does; the ids
/// of its calls, in order.
async fn post_until(
    is_over: Arc<AtomicBool>,
    url: String,
    caller: usize,
    answered: Arc<AtomicUsize>,
) -> Vec<String> {
    let (client, mut ids) = (client(), Vec::new());
    while !is_over.load(Ordering::SeqCst) {
        let key = format!("{caller}-{}", ids.len());
        let body = loop {
            let Ok(answer) = client.post(&url).header("idempotency-key", &key).send().await else {
                tokio::task::yield_now().await;
                continue;
            };
            assert_eq!(answer.status(), 202);
            break answer.json::<Value>().await.expect("an answer that has begun is not cut");
        };
        ids.push(body["deploymentId"].as_str().unwrap().to_owned());
        answered.fetch_add(1, Ordering::SeqCst);
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_under_load_end_in_order_and_each_call_becomes_one_deployment() {
    let data = TempDir::new().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let flags = [
        "--listen",
        &listen,
        "--hook-rate",
        "1000000",
        "--hook-burst",
        "1000000",
        "--queue-limit",
        "1000000",
    ];
    let mut server = Server::start(data.path(), &flags);
    let service = json!({ "name": "api", "repository": "/no/such/repository", "queuePolicy": "every" });
    let url = format!("{}{}", server.url, server.hook(service).await);
    let (is_over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(post_until(Arc::clone(&is_over), url.clone(), caller, Arc::clone(&answered)));
    }

    for restart in 1..=RESTARTS {
        let began = Instant::now();
        while answered.load(Ordering::SeqCst) < restart * CALLERS {
            assert!(began.elapsed() < PATIENCE, "calls are answered");
            tokio::task::yield_now().await;
        }
        server.signal("TERM");
        let status = server.wait();

        let said: Vec<_> = server.lines.try_iter().filter(|line| line.starts_with("stackblaze:")).collect();
        assert!(status.success(), "restart {restart}: {status} {said:?}");
        let wal = std::fs::metadata(data.path().join("core.db-wal")).map_or(0, |file| file.len());
        assert_eq!(wal, 0, "restart {restart}");
        server = Server::start(data.path(), &flags);
    }
    is_over.store(true, Ordering::SeqCst);
    let ids: Vec<_> = callers.join_all().await.into_iter().flatten().collect();

    let distinct: HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), ids.len(), "no two calls share a deployment");
    server.signal("TERM");
    server.wait();
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let conn = rusqlite::Connection::open_with_flags(data.path().join("core.db"), flags).unwrap();
    let stored: i64 = conn.query_row("SELECT count(*) FROM deployments", [], |row| row.get(0)).unwrap();
    assert_eq!(usize::try_from(stored).unwrap(), ids.len(), "and none was stored that nobody was told of");
}
