//! The real program when the machine fails it: disks that do not sync, fill up or cannot be written, a foreign lock, a
//! full table of open files. What it cannot keep it does not promise.

use std::collections::BTreeMap;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::guest::output;
use crate::harness::process::{PATIENCE, Server, client, serve, wait_until};

/// Budgets that do not act here.
const FLAGS: &[&str] = &["--hook-rate", "1000000", "--hook-burst", "1000000", "--queue-limit", "1000000"];
/// Ticks in a second of `/proc/*/stat`.
const TICKS: u64 = 100;

fn service() -> Value {
    json!({ "name": "api", "repository": "/no/such/repository", "queuePolicy": "every" })
}

/// A data directory with a service, and the path of its hook.
async fn used(data: &Path) -> String {
    let mut server = Server::start(data, FLAGS);
    let hook = server.hook(service()).await;
    server.signal("TERM");
    assert!(server.wait().success());
    hook
}

/// Posts `count` calls, eight at a time; the ids of the acknowledged ones, and how many were refused with 503.
async fn post(url: &str, count: usize) -> (Vec<String>, usize) {
    let (client, mut ids, mut refused) = (client(), Vec::new(), 0);
    for _ in 0..count.div_ceil(8) {
        let calls = (0..8).map(|_| client.post(url).send());
        for answer in futures_util::future::join_all(calls).await {
            let answer = answer.unwrap();
            if answer.status() == 503 {
                assert!(answer.headers().contains_key("retry-after"));
                refused += 1;
                continue;
            }
            assert_eq!(answer.status(), 202);
            let body: Value = answer.json().await.unwrap();
            ids.push(body["deploymentId"].as_str().unwrap().to_owned());
        }
    }
    (ids, refused)
}

async fn status(url: &str) -> u16 {
    client().get(url).send().await.unwrap().status().as_u16()
}

async fn wait_for_status(url: &str, wanted: u16) {
    let (client, began) = (client(), Instant::now());
    while client.get(url).send().await.unwrap().status() != wanted {
        assert!(began.elapsed() < PATIENCE, "{url} does not answer {wanted}");
        tokio::task::yield_now().await;
    }
}

async fn assert_all_are_stored(server: &Server, ids: &[String]) {
    let client = client();
    for id in ids {
        let found = client.get(format!("{}/deployments/{id}", server.url)).send().await.unwrap();
        assert_eq!(found.status(), 200, "{id} was acknowledged");
    }
}

/// Says why a test looks at nothing.
fn left_out(what: &str) {
    eprintln!("LEFT OUT, {what}");
}

fn can(program: &str, arguments: &[&str]) -> bool {
    let ran = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    ran.is_ok_and(|status| status.success())
}

/// A server whose disk calls fail from their `when` on, as strace counts them in each thread.
fn with_failing_sync(data: &Path, when: &str) -> Option<Server> {
    if !can("strace", &["-o", "/dev/null", "true"]) {
        left_out("since strace is missing or may not trace: failing disk calls");
        return None;
    }
    let plain = serve(data, FLAGS);
    let mut command = Command::new("strace");
    let inject = format!("inject=fsync,fdatasync:error=EIO:when={when}");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", &inject]);
    command.arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
    Some(Server::from_command(command, data))
}

/// Kills the server itself; its tracer goes with it.
fn kill_traced(mut server: Server, data: &Path) {
    let pid = std::fs::read_to_string(data.join("lock")).unwrap();
    assert!(can("kill", &["-KILL", &pid]));
    server.wait();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_fails_once_loses_no_acknowledged_call_and_the_server_goes_on() {
    for when in ["9", "14", "23"] {
        let data = TempDir::new().unwrap();
        let hook = used(data.path()).await;
        let Some(server) = with_failing_sync(data.path(), when) else { return };

        let (mut ids, _) = post(&format!("{}{hook}", server.url), 200).await;
        wait_for_status(&format!("{}/readyz", server.url), 200).await;
        let (after, still_refused) = post(&format!("{}{hook}", server.url), 8).await;
        ids.extend(after);

        let has_failed = server.lines.try_iter().any(|line| line.contains("closing the database"));
        assert!(has_failed && still_refused == 0, "call {when}: {still_refused}");
        assert_all_are_stored(&server, &ids).await;
        kill_traced(server, data.path());
        let server = Server::start(data.path(), FLAGS);
        assert_all_are_stored(&server, &ids).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_syncs_no_more_turns_readiness_red_and_acknowledges_nothing() {
    let data = TempDir::new().unwrap();
    let hook = used(data.path()).await;
    let Some(server) = with_failing_sync(data.path(), "15+") else { return };

    let (ids, refused) = post(&format!("{}{hook}", server.url), 200).await;
    wait_for_status(&format!("{}/readyz", server.url), 503).await;
    let (late, _) = post(&format!("{}{hook}", server.url), 8).await;

    assert!(refused > 0 && late.is_empty());
    assert_eq!(status(&format!("{}/healthz", server.url)).await, 200);
    kill_traced(server, data.path());
    let server = Server::start(data.path(), FLAGS);
    assert_all_are_stored(&server, &ids).await;
}

/// A small file system of its own, unmounted when dropped.
struct Disk(TempDir);

impl Disk {
    fn mount(size: &str) -> Option<Self> {
        let disk = Self(TempDir::new().unwrap());
        let options = format!("size={size}");
        if can("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", disk.path().to_str().unwrap()]) {
            return Some(disk);
        }
        left_out("since nothing can be mounted here: full and read-only disks");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        can("umount", &["-l", self.path().to_str().unwrap()]);
    }
}

#[tokio::test]
async fn on_a_disk_that_cannot_be_written_the_server_does_not_start() {
    let Some(disk) = Disk::mount("64m") else { return };
    used(disk.path()).await;
    assert!(can("mount", &["-o", "remount,ro", disk.path().to_str().unwrap()]));

    let output = output(&mut serve(disk.path(), &[]));

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(74), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_refuses_calls_until_it_has_room_again() {
    let Some(disk) = Disk::mount("8m") else { return };
    let server = Server::start(disk.path(), &[FLAGS, &["--min-free", "0"]].concat());
    let hook = server.hook(service()).await;
    let url = format!("{}{hook}", server.url);
    let filler = disk.path().join("filler");
    let mut ids = post(&url, 8).await.0;

    std::fs::write(&filler, vec![0; 8 << 20]).ok();
    let mut refused = 0;
    let began = Instant::now();
    while refused == 0 {
        assert!(began.elapsed() < PATIENCE, "it never says that the disk is full");
        let (more, count) = post(&url, 40).await;
        ids.extend(more);
        refused += count;
    }
    assert_eq!(status(&format!("{}/healthz", server.url)).await, 200);
    std::fs::remove_file(&filler).unwrap();

    wait_for_status(&format!("{}/readyz", server.url), 200).await;
    let (after, still_refused) = post(&url, 8).await;
    assert_eq!(still_refused, 0);
    ids.extend(after);
    server.kill();
    let server = Server::start(disk.path(), FLAGS);
    assert_all_are_stored(&server, &ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_behind_a_foreign_lock_are_refused_in_time_and_taken_again_afterwards() {
    let data = TempDir::new().unwrap();
    let server = Server::start(data.path(), FLAGS);
    let url = format!("{}{}", server.url, server.hook(service()).await);
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
    let foreign = rusqlite::Connection::open_with_flags(data.path().join("core.db"), flags).unwrap();
    foreign.busy_timeout(PATIENCE).unwrap();
    foreign.execute_batch("BEGIN IMMEDIATE").unwrap();

    let began = Instant::now();
    let (ids, refused) = post(&url, 8).await;
    let waited = began.elapsed();
    foreign.execute_batch("ROLLBACK").unwrap();
    let (after, still_refused) = post(&url, 8).await;

    // Five seconds for the lock, twice where a call comes while another has begun to wait; for each of them it would be
    // forty.
    assert!(ids.is_empty() && refused == 8 && waited < Duration::from_secs(30), "{refused} {waited:?}");
    assert_eq!((after.len(), still_refused), (8, 0));
}

/// Processor time that a process has used, in ticks.
fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test]
async fn more_callers_than_open_files_do_not_make_it_spin() {
    let data = TempDir::new().unwrap();
    let plain = serve(data.path(), &[]);
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\""]).arg(plain.get_program()).args(plain.get_args());
    let server = Server::from_command(command, data.path());
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    let idle: Vec<_> = (0..500).map(|_| TcpStream::connect(&address)).collect();
    let open = || std::fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    wait_until("a table that is as full as it gets", || open() > 100);

    // A rate needs a span of time; nothing waits for it.
    let before = ticks(server.pid());
    std::thread::sleep(Duration::from_secs(2));
    let used = ticks(server.pid()) - before;

    assert!(open() < 256 && used < 2 * TICKS / 10, "{used} ticks in two seconds");
    drop(idle);
    wait_for_status(&format!("{}/healthz", server.url), 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_that_begins_after_the_answer_to_a_revocation_is_accepted() {
    let data = TempDir::new().unwrap();
    let server = Server::start(data.path(), FLAGS);
    let first = server.hook(service()).await;
    let (mut hook, mut accepted) = (format!("{}{first}", server.url), 0);
    let socket = reqwest::Client::builder().unix_socket(data.path().join("stackblaze.sock")).build().unwrap();
    let client = client();

    for round in 0..300 {
        let racing = futures_util::future::join_all((0..4).map(|_| client.post(&hook).send()));
        let (racing, (revoked, after)) = tokio::join!(racing, async {
            let revoked = client.delete(&hook).send().await.unwrap().status();
            (revoked, client.post(&hook).send().await.unwrap().status())
        });

        assert_eq!((revoked.as_u16(), after.as_u16()), (204, 401), "round {round}");
        for answer in racing {
            let status = answer.unwrap().status().as_u16();
            assert!(matches!(status, 202 | 401), "{status}");
            accepted += usize::from(status == 202);
        }
        let new = json!({ "name": format!("hook-{round}") });
        let made = socket.post("http://server/api/v1/services/api/hooks").json(&new).send().await.unwrap();
        made.json::<Value>().await.unwrap()["url"].as_str().unwrap().clone_into(&mut hook);
    }

    assert!(accepted > 0, "some calls came before");
}

#[tokio::test]
async fn each_installation_draws_its_own_key_and_none_is_in_the_program() {
    let keys = [(); 2].map(|()| {
        let data = TempDir::new().unwrap();
        drop(Server::start(data.path(), &[]));
        std::fs::read_to_string(data.path().join("secret.key")).unwrap().trim().to_owned()
    });
    let program = std::fs::read(env!("CARGO_BIN_EXE_stackblaze")).unwrap();

    assert!(keys[0] != keys[1] && keys.iter().all(|key| key.len() >= 40));
    // The shape of a key file: the key's id, a blank, 43 letters and digits.
    for key in &keys {
        let (_, secret) = key.split_once(' ').unwrap();
        assert!(!program.windows(secret.len()).any(|window| window == secret.as_bytes()));
    }
}

#[tokio::test]
async fn hostile_requests_cannot_break_a_line_of_the_log() {
    let data = TempDir::new().unwrap();
    let server = Server::start(data.path(), &["--log", "debug"]);
    let address = server.url.strip_prefix("http://").unwrap().to_owned();
    for hostile in [
        "GET /a\x1b[2J HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /%0a%7b%22level%22:%22ERROR%22%7d%1b[31m HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nUser-Agent: a\x1b[31m\\n\"}\r\n\r\n",
        "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\n{\"level\":\"ERROR\"}\r\n\r\n",
        "POST /deploy-hooks/sbhook_%0a%0d HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "\n{\"level\":\"ERROR\"}\n\n",
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        std::io::Write::write_all(&mut stream, hostile.as_bytes()).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).ok();
    }

    server.signal("TERM");
    let mut lines = Vec::new();
    while let Ok(line) = server.lines.recv_timeout(PATIENCE) {
        lines.push(line);
    }

    let banner = ["public URL ", "data ", "setup ", "warning ", "note "];
    let logged = lines.iter().filter(|line| !banner.iter().any(|word| line.starts_with(word)));
    let mut by_level = BTreeMap::<String, usize>::new();
    for line in logged {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
        assert!(!line.contains('\x1b'), "{line:?}");
        *by_level.entry(object["level"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert!(by_level.contains_key("INFO") && !by_level.contains_key("ERROR"), "{by_level:?}");
}
