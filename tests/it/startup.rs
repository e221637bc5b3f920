//! What a server does before it serves and when it goes down: locks, keys, foreign files, signals, disks.

use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::git::GitRepo;
use crate::harness::guest::{Guest, output};
use crate::harness::process::{PATIENCE, Server, client, serve, stackblaze};

/// Runs a server that is expected not to start.
fn refused(data: &Path, flags: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = output(&mut serve(data, flags));
    (status.code(), String::from_utf8(stderr).unwrap())
}

/// A data directory that a server has used, with one hook in it.
async fn used() -> TempDir {
    let data = TempDir::new().unwrap();
    let mut server = Server::start(data.path(), &[]);
    server.hook(json!({ "name": "api", "repository": "/srv/api" })).await;
    server.signal("TERM");
    assert!(server.wait().success());
    data
}

#[tokio::test]
async fn of_ten_servers_on_one_directory_one_runs_and_nine_say_who() {
    let data = TempDir::new().unwrap();
    let children: Vec<_> = (0..10)
        .map(|_| Guest::start(serve(data.path(), &[]).stdout(Stdio::null()).stderr(Stdio::piped())))
        .collect();

    let winners = |children: &mut Vec<Guest>| {
        children.iter_mut().map(|guest| guest.child.try_wait().unwrap()).filter(Option::is_none).count()
    };
    let mut children = children;
    let began = Instant::now();
    while winners(&mut children) > 1 {
        assert!(began.elapsed() < PATIENCE);
        std::thread::yield_now();
    }

    assert_eq!(winners(&mut children), 1);
    let winner = children.iter_mut().position(|guest| guest.child.try_wait().unwrap().is_none()).unwrap();
    let winner = children.remove(winner);
    let pid = winner.child.id();
    for loser in children {
        let output = loser.end();
        assert_eq!(output.status.code(), Some(75));
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("another server uses"), "{said}");
    }
    let (code, said) = refused(data.path(), &[]);
    assert!(code == Some(75) && said.contains(&format!("process {pid}")), "{said}");
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused_and_not_a_byte_of_it_changes() {
    let data = used().await;
    let file = data.path().join("core.db");
    let conn =
        rusqlite::Connection::open_with_flags(&file, rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    conn.pragma_update(None, "user_version", 9_999).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(conn);
    let before = std::fs::read(&file).unwrap();

    let (code, said) = refused(data.path(), &[]);

    assert_eq!(code, Some(78), "{said}");
    assert!(said.contains("9999") && said.contains("newer"), "{said}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn the_server_key_is_private_needed_and_the_right_one() {
    let data = used().await;
    let key = data.path().join("secret.key");
    let text = std::fs::read_to_string(&key).unwrap();
    let mode = |mode| std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);

    mode(0o644);
    let readable = refused(data.path(), &[]);
    mode(0o600);
    std::fs::write(&key, "0 short\n").unwrap();
    let broken = refused(data.path(), &[]);
    let (kept, last) = text.trim_end().split_at(text.trim_end().len() - 1);
    std::fs::write(&key, format!("{kept}{}\n", if last == "0" { "1" } else { "0" })).unwrap();
    let another = refused(data.path(), &[]);
    std::fs::remove_file(&key).unwrap();
    let missing = refused(data.path(), &[]);

    assert!(readable.0 == Some(1) && readable.1.contains("chmod 600"), "{}", readable.1);
    assert!(broken.1.contains("is not a server key"), "{}", broken.1);
    assert!(another.1.contains("another key"), "{}", another.1);
    assert!(missing.1.contains("is missing, and hooks or API tokens exist"), "{}", missing.1);
    assert!(!key.exists(), "no key may be made in its place");
}

#[tokio::test]
async fn a_lost_key_is_replaced_once_all_that_it_made_is_revoked() {
    let data = used().await;
    let (key, copy) = (data.path().join("secret.key"), data.path().join("core.db"));
    let killed = Server::start(data.path(), &[]);
    let later = json!({ "name": "later", "repository": "/srv/later", "deployCommand": "true" });
    killed.api("POST", "/api/v1/services", Some(later)).await;
    killed.kill();
    let lost = std::fs::read_to_string(&key).unwrap();
    std::fs::remove_file(&key).unwrap();
    let missing = refused(data.path(), &[]);
    let mut restore = stackblaze();
    restore.args(["restore", "--revoke-all", "--yes", "--data-dir"]).arg(data.path()).arg(&copy);
    let restored = output(&mut restore);

    let server = Server::start(data.path(), &[]);

    assert!(missing.1.contains("stackblaze restore COPY --revoke-all"), "{}", missing.1);
    assert!(restored.status.success(), "{restored:?}");
    assert!(!String::from_utf8_lossy(&restored.stderr).contains("need the key"), "{restored:?}");
    assert_ne!(std::fs::read_to_string(&key).unwrap(), lost);
    assert_eq!(
        server.api("GET", "/api/v1/services/later", None).await["name"],
        "later",
        "from the log beside the file"
    );
    let again = server.api("POST", "/api/v1/services/api/hooks", Some(json!({ "name": "ci" }))).await;
    let url = again["url"].as_str().unwrap();
    assert_eq!(client().post(url).send().await.unwrap().status(), 202);
}

#[tokio::test]
async fn nothing_in_the_data_directory_is_a_hook_token() {
    let data = TempDir::new().unwrap();
    let server = Server::start(data.path(), &[]);
    let hook = server.hook(json!({ "name": "api", "repository": "/srv/api" })).await;
    let token = hook.rsplit('/').next().unwrap();
    let secret = &token[31..63];
    let files = || std::fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().path());

    assert_eq!(token.len(), 91);
    for file in files().filter(|file| file.is_file()) {
        let bytes = std::fs::read(&file).unwrap();
        let holds = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!holds, "{} holds the secret", file.display());
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{} can be read by others", file.display());
    }
}

#[tokio::test]
async fn a_server_that_goes_down_is_unready_at_once_answers_who_waits_and_empties_its_log() {
    let (data, repo) = (TempDir::new().unwrap(), GitRepo::new());
    repo.commit("hello", "one\n", "Say hello");
    let mut server = Server::start(data.path(), &["--drain-delay", "10s"]);
    let service = json!({ "name": "api", "repository": repo.url(), "buildCommand": "sleep 600" });
    let hook = server.hook(service).await;
    let posted = client().post(format!("{}{hook}", server.url)).send().await.unwrap();
    let id = posted.json::<Value>().await.unwrap()["deploymentId"].as_str().unwrap().to_owned();
    let held = tokio::spawn(client().get(format!("{}/deployments/{id}/wait", server.url)).send());
    // Half a request must not hold the server up.
    let mut half = TcpStream::connect(server.url.strip_prefix("http://").unwrap()).unwrap();
    half.write_all(b"GET /healthz HTTP/1.1\r\nHos").unwrap();

    server.signal("TERM");
    let held = held.await.unwrap().unwrap();
    let ready = client().get(format!("{}/readyz", server.url)).send().await.unwrap();
    let alive = client().get(format!("{}/healthz", server.url)).send().await.unwrap();
    let still_taken = client().post(format!("{}{hook}", server.url)).send().await.unwrap();

    assert!(matches!(held.status().as_u16(), 503 | 424), "{}", held.status());
    assert_eq!((ready.status().as_u16(), alive.status().as_u16()), (503, 200));
    assert_eq!(alive.headers()["connection"], "close");
    assert_eq!(still_taken.status(), 202);
    assert!(server.wait().success());
    let wal = data.path().join("core.db-wal");
    assert!(!wal.exists() || std::fs::metadata(&wal).unwrap().len() == 0);
    assert!(!data.path().join("stackblaze.sock").exists());
    drop(half);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let data = TempDir::new().unwrap();
    let mut server = Server::start(data.path(), &["--drain-delay", "1h"]);

    server.signal("TERM");
    loop {
        let line = server.lines.recv_timeout(PATIENCE).unwrap();
        if line.contains("once more ends it at once") {
            break;
        }
    }
    server.signal("TERM");

    assert_eq!(server.wait().code(), Some(130));
}

#[tokio::test]
async fn with_too_little_disk_calls_are_refused_and_everything_else_goes_on() {
    let data = TempDir::new().unwrap();
    let server = Server::start(data.path(), &["--min-free", "1000000GiB"]);
    let hook = server.hook(json!({ "name": "api", "repository": "/srv/api" })).await;

    let call = client().post(format!("{}{hook}", server.url)).send().await.unwrap();
    let retry_after = call.headers()["retry-after"].to_str().unwrap().to_owned();
    let status = call.status();
    let problem: Value = call.json().await.unwrap();
    let health = client().get(format!("{}/healthz", server.url)).send().await.unwrap();
    let listed = server.api("GET", "/api/v1/services", None).await;

    assert_eq!((status.as_u16(), problem["code"].as_str()), (503, Some("disk_nearly_full")));
    assert_eq!(retry_after, "60");
    assert_eq!(health.status(), 200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn without_leave_for_host_builds_a_public_listener_runs_nothing() {
    let data = TempDir::new().unwrap();
    let server = Server::start(data.path(), &["--listen", "0.0.0.0:0"]);
    let service = json!({ "name": "api", "repository": "/srv/api", "deployCommand": "true" });

    let socket = reqwest::Client::builder().unix_socket(data.path().join("stackblaze.sock")).build().unwrap();
    let refused = socket.post("http://server/api/v1/services").json(&service).send().await.unwrap();

    assert_eq!(refused.status(), 400);
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["parameter"], "executor");
    drop(server);
}

#[tokio::test]
async fn what_it_logs_is_one_json_object_a_line_and_holds_no_secret() {
    let data = TempDir::new().unwrap();
    let server = Server::start(data.path(), &["--log", "debug"]);
    let hook = server.hook(json!({ "name": "api", "repository": "/no/such\"repository" })).await;
    let token = hook.rsplit('/').next().unwrap().to_owned();
    let address = server.url.strip_prefix("http://").unwrap().to_owned();

    client().post(format!("{}{hook}?branch=feat/%22x", server.url)).send().await.unwrap();
    client().post(format!("{}{hook}x", server.url)).send().await.unwrap();
    let done = client().post(format!("{}{hook}", server.url)).send().await.unwrap();
    let id = done.json::<Value>().await.unwrap()["deploymentId"].as_str().unwrap().to_owned();
    client().get(format!("{}/deployments/{id}/wait", server.url)).send().await.unwrap();
    for hostile in [
        "GET /\x1b[31mred HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Request-Id: a\"b\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(hostile.as_bytes()).unwrap();
        std::io::copy(&mut stream.try_clone().unwrap(), &mut std::io::sink()).unwrap();
    }

    server.signal("TERM");
    let mut lines = Vec::new();
    while let Ok(line) = server.lines.recv_timeout(PATIENCE) {
        lines.push(line);
    }
    let logged: Vec<_> = lines.iter().filter(|line| line.starts_with('{')).collect();
    assert!(logged.len() > 5, "{lines:?}");
    for line in &logged {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(!line.contains(&token[31..63]) && !line.contains('\x1b'), "{line}");
    }
}

/// The browser would drop the cookie, and the link would be used up.
#[tokio::test]
async fn a_sign_in_by_http_is_refused_before_its_link_is_used_where_pages_are_https() {
    let data = TempDir::new().unwrap();
    let server = Server::start(data.path(), &["--public-url", "https://deploy.example.com"]);
    let operator = server.api("POST", "/api/v1/operators", Some(json!({ "name": "mira" }))).await;
    let once = operator["signInUrl"].as_str().unwrap().split_once("once=").unwrap().1.to_owned();
    let sign_in = async |origin: &str| {
        let request = client().post(format!("{}/login", server.url)).header("origin", origin);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.body(format!("once={once}")).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };

    let (refused, page) = sign_in("http://deploy.example.com").await;
    // The client follows to the first page.
    let (let_in, _) = sign_in("https://deploy.example.com").await;
    let (used_up, _) = sign_in("https://deploy.example.com").await;

    assert_eq!((refused, let_in, used_up), (403, 200, 404));
    assert!(page.contains("https address"), "{page}");
}
