//! The server is killed, again and again: what was acknowledged is kept, and nothing is run twice.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::harness::git::GitRepo;
use crate::harness::guest::output;
use crate::harness::process::{PATIENCE, Server, client, wait_until};

/// Kills in the long test.
const CYCLES: usize = 50;
/// Callers at a time.
const CALLERS: usize = 8;
/// A server has to be ready again after this, and on a busy machine after a few times what the start of a new one takes.
const READY: Duration = Duration::from_secs(2);
/// Budgets that do not act here.
const FLAGS: &[&str] =
    &["--hook-rate", "1000000", "--hook-burst", "1000000", "--queue-limit", "1000000", "--concurrency", "8"];

/// A service whose runs leave their id in a file, one line a run.
fn marking(name: &str, repo: &GitRepo, marks: &Path) -> Value {
    json!({
        "name": name,
        "repository": repo.url(),
        "queuePolicy": "every",
        "buildCommand": format!("echo \"$STACKBLAZE_DEPLOYMENT_ID\" >> {}", marks.display()),
    })
}

fn sample() -> GitRepo {
    let repo = GitRepo::new();
    repo.commit("hello", "one\n", "Say hello");
    repo
}

/// Posts until the connection breaks; counts and gives what was acknowledged.
async fn post_until_it_breaks(url: String, acknowledged: Arc<AtomicUsize>) -> Vec<String> {
    let client = client();
    let mut ids = Vec::new();
    loop {
        let Ok(response) = client.post(&url).send().await else { return ids };
        assert_eq!(response.status(), 202);
        let Ok(body) = response.json::<Value>().await else { return ids };
        ids.push(body["deploymentId"].as_str().unwrap().to_owned());
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
}

async fn status_of(base: &str, id: &str) -> Value {
    client().get(format!("{base}/deployments/{id}")).send().await.unwrap().json().await.unwrap()
}

/// Waits at the gate of a deployment until it has ended.
async fn end_of(base: &str, id: &str) -> Value {
    let began = Instant::now();
    loop {
        let response = client().get(format!("{base}/deployments/{id}/wait")).send().await.unwrap();
        if matches!(response.status().as_u16(), 200 | 424) {
            return response.json().await.unwrap();
        }
        assert_eq!(response.status(), 503, "{id}");
        assert!(began.elapsed() < PATIENCE * 3, "{id} does not end");
    }
}

/// How long a server with nothing to recover takes now.
fn start_of_another() -> Duration {
    let (data, began) = (TempDir::new().unwrap(), Instant::now());
    drop(Server::start(data.path(), &[]));
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_kills_under_load_lose_no_acknowledged_id_and_run_nothing_twice() {
    let (data, repo, marks) = (TempDir::new().unwrap(), sample(), TempDir::new().unwrap());
    let marks = marks.path().join("marks");
    let mut server = Server::start(data.path(), FLAGS);
    let mut hooks = Vec::new();
    for name in ["one", "two", "three", "four"] {
        hooks.push(server.hook(marking(name, &repo, &marks)).await);
    }
    let mut acknowledged = Vec::new();

    for cycle in 0..CYCLES {
        let count = Arc::new(AtomicUsize::new(0));
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let url = format!("{}{}", server.url, hooks[caller % hooks.len()]);
            callers.spawn(post_until_it_breaks(url, Arc::clone(&count)));
        }
        // A different number each time, so that the kill meets different moments.
        let enough = 1 + (cycle * 7) % 10;
        let began = Instant::now();
        while count.load(Ordering::SeqCst) < enough {
            assert!(began.elapsed() < PATIENCE);
            tokio::task::yield_now().await;
        }
        server.kill();
        acknowledged.extend(callers.join_all().await.into_iter().flatten());
        let began = Instant::now();
        server = Server::start(data.path(), FLAGS);
        let ready = client().get(format!("{}/readyz", server.url)).send().await.unwrap();
        let took = began.elapsed();
        assert!(ready.status() == 200 && (took < READY || took < READY + start_of_another() * 4), "{took:?}");
    }

    assert!(acknowledged.len() >= CYCLES);
    let mut ends = HashMap::new();
    for id in &acknowledged {
        let end = end_of(&server.url, id).await;
        let word = (end["status"].as_str().unwrap().to_owned(), end["reason"].as_str().map(str::to_owned));
        assert!(word.0 == "succeeded" || word.1.as_deref() == Some("interrupted"), "{end}");
        ends.insert(id.clone(), word.0);
    }
    let mut runs: HashMap<String, usize> = HashMap::new();
    for id in std::fs::read_to_string(&marks).unwrap().lines() {
        *runs.entry(id.to_owned()).or_default() += 1;
    }
    assert!(runs.values().all(|count| *count == 1), "something ran twice");
    let succeeded = ends.iter().filter(|(_, status)| *status == "succeeded");
    assert!(succeeded.clone().count() > 0);
    for (id, _) in succeeded {
        assert_eq!(runs.get(id), Some(&1), "{id} succeeded without a run");
    }
}

#[tokio::test]
async fn a_replay_after_a_kill_gives_the_first_answer_byte_for_byte() {
    let (data, repo) = (TempDir::new().unwrap(), sample());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let flags = ["--listen", listen.as_str()];
    let server = Server::start(data.path(), &flags);
    let hook = server.hook(json!({ "name": "api", "repository": repo.url() })).await;
    let call = async |url: String| {
        let request = client().post(url).header("Idempotency-Key", "run-1");
        let response = request.send().await.unwrap();
        let replayed = response.headers().contains_key("idempotency-replayed");
        (replayed, response.bytes().await.unwrap())
    };

    let (first_replayed, first) = call(format!("{}{hook}", server.url)).await;
    server.kill();
    let server = Server::start(data.path(), &flags);
    let (second_replayed, second) = call(format!("{}{hook}", server.url)).await;

    assert!(!first_replayed && second_replayed);
    assert_eq!(first, second);
}

#[tokio::test]
async fn a_killed_server_leaves_no_build_behind_and_a_poller_gets_its_end() {
    let (data, repo, marks) = (TempDir::new().unwrap(), sample(), TempDir::new().unwrap());
    let file = marks.path().join("pid");
    let server = Server::start(data.path(), &[]);
    let build = format!("echo $$ > {}; sleep 600", file.display());
    let hook = server.hook(json!({ "name": "api", "repository": repo.url(), "buildCommand": build })).await;
    let body: Value =
        client().post(format!("{}{hook}", server.url)).send().await.unwrap().json().await.unwrap();
    let id = body["deploymentId"].as_str().unwrap();
    let pid = || std::fs::read_to_string(&file).unwrap_or_default().trim().to_owned();
    wait_until("the build", || !pid().is_empty());

    server.kill();

    wait_until("the end of the build", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid())).unwrap_or_default();
        stat.rsplit(')').next().is_none_or(|rest| rest.trim().is_empty() || rest.trim().starts_with('Z'))
    });
    let server = Server::start(data.path(), &[]);
    let end = end_of(&server.url, id).await;
    assert_eq!((end["status"].as_str(), end["reason"].as_str()), (Some("failed"), Some("interrupted")));
    let workspaces = std::fs::read_dir(data.path().join("work")).unwrap().map(|entry| entry.unwrap());
    // Looks at the repository come and go beside it.
    let mut own = workspaces.filter(|entry| !entry.file_name().to_string_lossy().starts_with("look-"));
    assert!(own.all(|entry| !entry.path().join("source").exists()), "its source is set aside");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_documented_wait_line_survives_a_restart_and_tells_the_end_by_its_exit_code() {
    let (data, repo, marks) = (TempDir::new().unwrap(), sample(), TempDir::new().unwrap());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let flags = ["--listen", listen.as_str()];
    let mut server = Server::start(data.path(), &flags);
    let (begun, go) = (marks.path().join("begun"), marks.path().join("go"));
    // The first run is under way at the restart and is interrupted; the second waits in the queue and runs after it.
    let build = format!("touch {}; while [ ! -e {} ]; do sleep 0.05; done", begun.display(), go.display());
    let service =
        json!({ "name": "api", "repository": repo.url(), "queuePolicy": "every", "buildCommand": build });
    let hook = server.hook(service).await;
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let request = client().post(format!("{}{hook}", server.url));
        let body: Value = request.send().await.unwrap().json().await.unwrap();
        let url = format!("{}/deployments/{}/wait", server.url, body["deploymentId"].as_str().unwrap());
        let mut curl = Command::new("curl");
        curl.args(["--fail-with-body", "-sS", "--retry", "2000", "--retry-connrefused", &url]);
        waiting.push(std::thread::spawn(move || output(&mut curl)));
    }
    wait_until("the first build", || begun.exists());

    server.signal("TERM");
    assert!(server.wait().success());
    std::fs::write(&go, "").unwrap();
    let server = Server::start(data.path(), &flags);

    let outputs: Vec<_> = waiting.into_iter().map(|curl| curl.join().unwrap()).collect();
    let body = |index: usize| String::from_utf8_lossy(&outputs[index].stdout).into_owned();
    assert_eq!(outputs[0].status.code(), Some(22), "{}", body(0));
    assert!(body(0).contains("\"reason\":\"interrupted\""));
    assert_eq!(outputs[1].status.code(), Some(0), "{}", body(1));
    let id = body(1).split('"').nth(3).unwrap().to_owned();
    assert_eq!(status_of(&server.url, &id).await["status"], "succeeded");
}
