//! What is measured: the product and the anchor as processes of their own on one processor, and data directories with
//! history.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rusqlite::Connection;
use serde_json::{Value, json};

/// Another program than this build's own, to tell what a change has brought.
pub static OTHER: OnceLock<String> = OnceLock::new();

/// The program that is measured.
pub fn program() -> &'static str {
    OTHER.get().map_or(env!("CARGO_BIN_EXE_stackblaze"), String::as_str)
}

/// Limits that no measurement is to meet.
const OPEN: [&str; 14] = [
    "--token-rate",
    "1000000000",
    "--token-burst",
    "1000000000",
    "--hook-rate",
    "1000000000",
    "--hook-burst",
    "1000000000",
    "--queue-limit",
    "4000000000",
    "--connections-per-peer",
    "9000",
    "--drain-delay",
    "0s",
];
pub const SERVICES: usize = 200;
const HOOKS: usize = 5;
/// API tokens, each of which may have ten open streams.
const READERS: usize = 20;

/// A process that answers HTTP, bound to one processor.
pub struct Target {
    child: Child,
    pub address: SocketAddr,
    /// From its start to its first answer.
    pub ready_after: Duration,
}

impl Target {
    /// The product on a data directory.
    pub fn product(data: &Path, more: &[&str], processor: usize) -> Result<Self> {
        let address = free_address()?;
        let listen = address.to_string();
        let mut args = vec![program(), "serve", "--listen", &listen, "--data-dir"];
        args.push(data.to_str().context("a path is no text")?);
        args.extend(OPEN);
        args.extend(more);
        Self::start(&args, address, processor, File::create(data.with_extension("log"))?.into())
    }

    /// The product on a disk that takes so long for each sync; none where strace is not installed, which holds the calls up.
    pub fn stalled(data: &Path, sync: Duration, processor: usize) -> Result<Option<Self>> {
        if Command::new("strace").arg("-V").output().is_err() {
            return Ok(None);
        }
        let address = free_address()?;
        let (listen, data) = (address.to_string(), data.to_str().context("a path is no text")?);
        let inject = format!("inject=fsync,fdatasync:delay_enter={}", sync.as_micros());
        // With -D the program is the child, and not strace.
        let mut args = vec!["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null"];
        args.extend(["-e", "trace=fsync,fdatasync", "-e", &inject, program()]);
        args.extend(["serve", "--listen", &listen, "--concurrency", "1", "--data-dir", data]);
        args.extend(OPEN);
        Self::start(&args, address, processor, Stdio::null()).map(Some)
    }

    /// The framework alone, with an answer as long as the product's.
    pub fn anchor(processor: usize) -> Result<Self> {
        let address = free_address()?;
        let program = std::env::current_exe()?;
        Self::start(
            &[program.to_str().context("a path is no text")?, "anchor", &address.to_string()],
            address,
            processor,
            Stdio::null(),
        )
    }

    /// Debian's webhook server with one hook, whose command does nothing; none where it is not installed.
    pub fn webhook(folder: &Path, processor: usize) -> Result<Option<Self>> {
        if Command::new("webhook").arg("-version").output().is_err() {
            return Ok(None);
        }
        let hooks = folder.join("hooks.json");
        let rule = json!({ "match": { "type": "value", "value": "good",
            "parameter": { "source": "url", "name": "token" } } });
        let hook = json!([{ "id": "deploy", "execute-command": "/bin/true", "trigger-rule": rule,
            "include-command-output-in-response": true, "success-http-response-code": 202,
            "trigger-rule-mismatch-http-response-code": 401 }]);
        std::fs::write(&hooks, hook.to_string())?;
        let address = free_address()?;
        let (hooks, port) = (hooks.to_string_lossy().into_owned(), address.port().to_string());
        let args = ["webhook", "-hooks", &hooks, "-ip", "127.0.0.1", "-port", &port];
        Self::start(&args, address, processor, Stdio::null()).map(Some)
    }

    fn start(args: &[&str], address: SocketAddr, processor: usize, log: Stdio) -> Result<Self> {
        let began = Instant::now();
        let mut command = Command::new("taskset");
        command
            .args(["-c", &processor.to_string()])
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let child = command.spawn().context("taskset, of util-linux")?;
        let mut target = Self { child, address, ready_after: Duration::ZERO };
        while call(address, "GET", "/healthz", None, None).is_err() {
            ensure!(target.child.try_wait()?.is_none(), "{args:?} ended at its start");
            ensure!(began.elapsed() < Duration::from_mins(1), "{args:?} does not answer");
            std::thread::sleep(Duration::from_micros(200));
        }
        target.ready_after = began.elapsed();
        Ok(target)
    }

    /// Waits until it does nothing any more: after a start it looks through its files in the background.
    pub fn settle(&self) {
        const LOOK: Duration = Duration::from_millis(500);
        let mut before = Duration::MAX;
        while before != self.cpu() {
            before = self.cpu();
            std::thread::sleep(LOOK);
        }
    }

    /// Processor time of the process so far.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(self.proc("stat")).unwrap_or_default();
        let after_name = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<i64> = after_name.split(' ').filter_map(|text| text.parse().ok()).collect();
        // Fields 14 and 15 of proc(5), in hundredths of a second; the state, a letter, is left out before.
        let ticks = fields.get(10).unwrap_or(&0) + fields.get(11).unwrap_or(&0);
        Duration::from_millis(10 * u64::try_from(ticks).unwrap_or(0))
    }

    /// Threads of the process.
    pub fn threads(&self) -> usize {
        std::fs::read_dir(self.proc("task")).map_or(0, Iterator::count)
    }

    /// Resident memory in megabytes.
    pub fn memory(&self) -> f64 {
        let status = std::fs::read_to_string(self.proc("status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or_default() / 1_000.0
    }

    fn proc(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.child.id())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// One request on a connection of its own: the status, the head and the body.
pub fn call(
    address: SocketAddr,
    method: &str,
    path: &str,
    header: Option<&str>,
    body: Option<(&str, &str)>,
) -> Result<(u16, String, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let header = header.map(|header| format!("{header}\r\n")).unwrap_or_default();
    let body = body.map_or_else(String::new, |(kind, text)| {
        format!("Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{text}", text.len())
    });
    let end = if body.is_empty() { "\r\n" } else { "" };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{header}{body}{end}"
    )?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    Ok((head.get(9..12).unwrap_or_default().parse()?, head.to_owned(), body.to_owned()))
}

/// Data directories, and the secrets that are good in all of them.
pub struct Data {
    folder: PathBuf,
    /// Paths of the hooks' URLs, in an order of their own.
    pub hooks: Vec<String>,
    /// The hook of a service whose build does not end.
    blocker: String,
    /// `Cookie: …` of an operator.
    pub cookie: String,
    /// API tokens that may read.
    pub readers: Vec<String>,
    /// Where targets run.
    pub processor: usize,
}

impl Data {
    /// Makes the first one, by the product itself.
    pub fn make(folder: &Path, processor: usize) -> Result<Self> {
        drop(std::fs::remove_dir_all(folder));
        std::fs::create_dir_all(folder)?;
        let repository = folder.join("repository");
        let at = repository.to_str().context("a path is no text")?;
        git(&["init", "-q", "-b", "main", at])?;
        let who = ["-c", "user.name=bench", "-c", "user.email=bench@example.com"];
        git(&[&who[..], &["-C", at, "commit", "-q", "--allow-empty", "-m", "Begin"]].concat())?;
        let empty = folder.join("empty");
        let server = Target::product(&empty, &[], processor)?;
        let run = |args: &[&str]| -> Result<String> {
            let done = Command::new(program()).args(args).arg("--data-dir").arg(&empty).output()?;
            ensure!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
            Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
        };
        let token = run(&["token", "create", "bench", "--scope", "admin"])?;
        let bearer = format!("Authorization: Bearer {}", token.lines().last().unwrap_or_default());
        let reader =
            |number: usize| run(&["token", "create", &format!("reader-{number}"), "--scope", "read"]);
        let readers = (0..READERS).map(reader).collect::<Result<Vec<_>>>()?;
        let readers = readers.iter().filter_map(|said| Some(said.lines().last()?.to_owned())).collect();
        let post = |path: &str, body: Value| -> Result<Value> {
            let body = body.to_string();
            let (status, _, text) =
                call(server.address, "POST", path, Some(&bearer), Some(("application/json", &body)))?;
            ensure!(status == 201, "{path}: {status} {text}");
            Ok(serde_json::from_str(&text)?)
        };
        let path_of = |hook: &Value| -> Result<String> {
            let url = hook["url"].as_str().context("a hook has no URL")?;
            Ok(url.split_at(url.find("/deploy-hooks").context("another URL")?).1.to_owned())
        };
        let mut hooks = Vec::new();
        for number in 0..SERVICES {
            let name = format!("service-{number:03}");
            let service = json!({ "name": name, "repository": repository, "executor": "local",
                "queuePolicy": "every", "buildCommand": "true", "deployCommand": "true" });
            post("/api/v1/services", service)?;
            for hook in 0..HOOKS {
                let made = post(
                    &format!("/api/v1/services/{name}/hooks"),
                    json!({ "name": format!("hook-{hook}") }),
                )?;
                hooks.push(path_of(&made)?);
            }
        }
        let blocker = json!({ "name": "blocker", "repository": repository, "executor": "local",
            "timeout": "24h", "buildCommand": "sleep 100000", "deployCommand": "true" });
        post("/api/v1/services", blocker)?;
        let blocker = path_of(&post("/api/v1/services/blocker/hooks", json!({ "name": "hook" }))?)?;
        let operator = post("/api/v1/operators", json!({ "name": "mira" }))?;
        let cookie = sign_in(server.address, operator["signInUrl"].as_str().unwrap_or_default())?;
        drop(server);
        // Looked at a moment ago, so that no git runs beside what is measured.
        let core = open(empty.join("core.db"))?;
        core.execute_batch("DELETE FROM checks")?;
        core.execute(CHECKED, [])?;
        for file in [core, open(empty.join("logs.db"))?] {
            file.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        }
        // The same order in each run, and no two hooks of a service beside each other.
        let hooks = (0..hooks.len()).map(|at| hooks[at * 389 % hooks.len()].clone()).collect();
        Ok(Self { folder: folder.to_owned(), hooks, blocker, cookie, readers, processor })
    }

    /// A copy with so many finished deployments, a third of them of the first service.
    pub fn with_history(&self, rows: usize) -> Result<PathBuf> {
        let made = self.folder.join(format!("history-{rows}"));
        if !made.exists() {
            copy(&self.folder.join("empty"), &made)?;
            let count = i64::try_from(rows)?;
            let core = open(made.join("core.db"))?;
            core.execute_batch("PRAGMA synchronous = OFF")?;
            core.execute(HISTORY, [count])?;
            core.execute(STEPS, [])?;
            core.execute(ACTS, [count / 10])?;
            core.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
            let logs = open(made.join("logs.db"))?;
            logs.execute_batch("PRAGMA synchronous = OFF")?;
            logs.execute(LOGS, [count])?;
            logs.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
        }
        Ok(made)
    }

    /// A fresh copy to be written to; of the first one without history.
    pub fn fresh(&self, rows: usize) -> Result<PathBuf> {
        self.fresh_in(&self.folder, rows)
    }

    /// The same beside others, on a file system of another kind perhaps.
    pub fn fresh_in(&self, parent: &Path, rows: usize) -> Result<PathBuf> {
        let from = if rows == 0 { self.folder.join("empty") } else { self.with_history(rows)? };
        let run = parent.join("run");
        drop(std::fs::remove_dir_all(&run));
        copy(&from, &run)?;
        rustix::fs::sync();
        if rows > 0 {
            // The disk is told what was deleted before, and is slow meanwhile.
            std::thread::sleep(Duration::from_secs(2));
        }
        Ok(run)
    }

    /// Gives the service of a hook another build command; its name.
    pub fn set_build_command(&self, server: &Target, hook: &str, command: &str) -> Result<String> {
        let number =
            self.hooks.iter().position(|own| own == hook).context("no such hook")? * 389 % self.hooks.len();
        let name = format!("service-{:03}", number / HOOKS);
        let header = format!("{}\r\nOrigin: http://{}", self.cookie, server.address);
        let body = json!({ "buildCommand": command }).to_string();
        let path = format!("/api/v1/services/{name}");
        let json = Some(("application/json", body.as_str()));
        let (status, _, answer) = call(server.address, "PATCH", &path, Some(&header), json)?;
        ensure!(status == 200, "{path}: {status} {answer}");
        Ok(name)
    }

    /// Starts the product with all places taken, so that nothing else is begun.
    pub fn busy(&self, rows: usize) -> Result<Target> {
        self.busy_with(rows, &[])
    }

    /// The same with more flags.
    pub fn busy_with(&self, rows: usize, more: &[&str]) -> Result<Target> {
        let flags = [&["--concurrency", "1"], more].concat();
        let server = Target::product(&self.fresh(rows)?, &flags, self.processor)?;
        self.block(&server)?;
        server.settle();
        Ok(server)
    }

    /// Takes the one place of a server for runs.
    pub fn block(&self, server: &Target) -> Result<()> {
        let (status, _, body) = call(server.address, "POST", &self.blocker, None, None)?;
        ensure!(status == 202, "{status} {body}");
        let accepted: Value = serde_json::from_str(&body)?;
        let path = format!("/deployments/{}", accepted["deploymentId"].as_str().unwrap_or_default());
        let began = Instant::now();
        while !call(server.address, "GET", &path, None, None)?.2.contains("\"building\"") {
            ensure!(began.elapsed() < Duration::from_secs(30), "the first deployment does not run");
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

/// Uses a one-time link; the header of the session.
fn sign_in(address: SocketAddr, link: &str) -> Result<String> {
    let (_, once) = link.split_once("once=").context("no link")?;
    let (form, origin) = (format!("once={once}"), format!("Origin: http://{address}"));
    let body = ("application/x-www-form-urlencoded", form.as_str());
    let (status, head, _) = call(address, "POST", "/login", Some(&origin), Some(body))?;
    let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
    let Some(cookie) = cookie.and_then(|line| line.split(';').next()) else {
        bail!("nobody was signed in: {status} {head}")
    };
    Ok(format!("Cookie: {cookie}"))
}

/// Opens a database that nobody else uses.
pub fn open(path: impl AsRef<Path>) -> Result<Connection> {
    Ok(Connection::open_with_flags(path, rusqlite::OpenFlags::default())?)
}

/// A copy of a data directory that nobody uses.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(to)?;
    for file in ["core.db", "logs.db", "secret.key"] {
        std::fs::copy(from.join(file), to.join(file))
            .with_context(|| format!("{file} of {}", from.display()))?;
    }
    Ok(())
}

fn git(args: &[&str]) -> Result<()> {
    ensure!(Command::new("git").args(args).status()?.success(), "git {args:?}");
    Ok(())
}

pub const CHECKED: &str = "
    INSERT INTO checks (service_id, place, verdict, detail, checked_at_ms)
    SELECT id, 0, 'good', 'looked at', unixepoch() * 1000 FROM services";
/// A row each half minute, the newest a minute ago; ids begin with their time as the product's do.
const HISTORY: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1),
         now (ms) AS (SELECT unixepoch() * 1000)
    INSERT INTO deployments (id, service_id, trigger, hook_id, hook_generation, who_way, who_name, branch, commit_id,
                             commit_requested, commit_subject, clear_cache, ignored_parameters, executor, status, reason,
                             message, created_at_ms, waits_since_ms, started_at_ms, finished_at_ms, version)
    SELECT printf('dep_0%019d', i), h.service_id, 'hook', h.id, 1, 'hook_url', '192.0.2.0/24',
           iif(i % 9 = 0, 'feat/' || (i % 1000), 'main'), printf('%040x', i / 3), 0, 'Change something', 0, '[]', 'local',
           iif(i % 11 = 0, 'failed', 'succeeded'), iif(i % 11 = 0, 'build_failed', NULL), NULL,
           now.ms - 60000 - 30000 * (?1 - i), 0, now.ms - 30000 * (?1 - i) - 59000, now.ms - 30000 * (?1 - i) - 50000, 9
      FROM n CROSS JOIN now CROSS JOIN hooks AS h ON h.sequence = iif(i % 3 = 0, 1, 1 + i % 1000)";
const STEPS: &str = "
    INSERT INTO steps (deployment_id, name, status, started_at_ms, finished_at_ms, exit_code)
    SELECT d.id, s.value, 'succeeded', d.started_at_ms, d.finished_at_ms, 0
      FROM deployments AS d, json_each('[\"clone\",\"build\",\"deploy\"]') AS s";
const ACTS: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
    INSERT INTO audit (at_ms, who_way, who_name, address, act, noun, service, detail)
    SELECT unixepoch() * 1000, 'operator', 'mira', 'socket', 'service.update', 'service', 'service-000', '' FROM n";
const LOGS: &str = "
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
    INSERT INTO logs (deployment_id, bytes, lines, kept_bytes, cut_from, cut_to, is_complete, changed_at_ms)
    SELECT printf('dep_0%019d', i), 100, 5, 0, 0, 100, 1, unixepoch() * 1000 FROM n";
