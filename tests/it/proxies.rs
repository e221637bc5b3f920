//! Real proxies that keep their connections to the server for whoever comes next: a stranger's refused request must not
//! cost the next caller the connection.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::yield_now;

use crate::harness::guest::Guest;
use crate::harness::{Options, TestServer, soon};

/// Callers of each kind that are there at once.
const CALLERS: usize = 8;
/// Calls that each of them makes, one after the other.
const CALLS: usize = 100;
/// Length of the body that strangers send.
const LENGTH: usize = 60_000;

/// A proxy in front of a server; killed when dropped.
struct Proxy {
    guest: Guest,
    folder: TempDir,
}

impl Proxy {
    /// Starts a program with a configuration and waits until it takes connections; none where it is missing.
    async fn start(
        program: &str,
        arguments: &[&str],
        configuration: impl Fn(&Path) -> String,
    ) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("proxy.conf");
        std::fs::write(&file, configuration(folder.path())).unwrap();
        let said = std::fs::File::create(folder.path().join("said")).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).arg(&file).current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(said.try_clone().unwrap()).stderr(said);
        if Command::new(program).arg("-v").output().is_err() {
            eprintln!("LEFT OUT, since {program} is missing: strangers and callers behind it");
            return None;
        }
        let mut proxy = Self { guest: Guest::start(&mut command), folder };
        proxy.is_open().await;
        Some(proxy)
    }

    async fn is_open(&mut self) {
        let socket = self.socket();
        soon(async {
            while UnixStream::connect(&socket).await.is_err() {
                let ended = self.guest.child.try_wait().unwrap();
                assert_eq!(
                    ended,
                    None,
                    "{}",
                    std::fs::read_to_string(self.folder.path().join("said")).unwrap()
                );
                yield_now().await;
            }
        })
        .await;
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// Makes calls, one after the other, and gives the first line of each answer.
    async fn calls(&self, request: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..CALLS {
            let mut stream = UnixStream::connect(self.socket()).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            soon(stream.read_to_string(&mut answer)).await.unwrap();
            lines.push(answer.lines().next().unwrap_or_default().to_owned());
        }
        lines
    }
}

/// One process that keeps up to 16 connections.
fn nginx(folder: &Path, server: SocketAddr) -> String {
    let folder = folder.display();
    let bodies = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let bodies: String = bodies.map(|kind| format!("{kind}_temp_path {folder}/{kind};\n")).concat();
    format!(
        "daemon off;
        master_process off;
        pid {folder}/pid;
        events {{ worker_connections 256; }}
        http {{
            access_log off;
            {bodies}
            upstream hooks {{ server {server}; keepalive 16; }}
            server {{
                listen unix:{folder}/socket;
                location / {{
                    proxy_pass http://hooks;
                    proxy_read_timeout 5m;
                    proxy_http_version 1.1;
                    proxy_set_header Connection \"\";
                    proxy_request_buffering off;
                }}
            }}
        }}"
    )
}

fn haproxy(folder: &Path, server: SocketAddr) -> String {
    format!(
        "global
            nbthread 1
        defaults
            mode http
            timeout connect 5m
            timeout client 5m
            timeout server 5m
            http-reuse always
        frontend callers
            bind unix@{}
            default_backend hooks
        backend hooks
            server one {server}\n",
        folder.join("socket").display()
    )
}

/// Callers with a good token among strangers with a wrong one; each gets the server's own answer, every time.
async fn nobody_is_lost(server: &TestServer, proxy: &Proxy) {
    let hook = server.service("api").create().await.hook("ci").await;
    let request = |token: &str, length: usize| {
        let head = format!("POST /deploy-hooks/{token} HTTP/1.1\r\nHost: h\r\nConnection: close");
        format!("{head}\r\nContent-Length: {length}\r\n\r\n{}", "a".repeat(length))
    };
    let (good, wrong) = (request(&hook.token, 0), request("wrong", LENGTH));

    let callers = join_all((0..CALLERS).map(|_| proxy.calls(&good)));
    let strangers = join_all((0..CALLERS).map(|_| proxy.calls(&wrong)));
    let (callers, strangers) = tokio::join!(callers, strangers);

    for (lines, expected) in [(callers, "HTTP/1.1 202 Accepted"), (strangers, "HTTP/1.1 401 Unauthorized")] {
        let lines = lines.concat();
        let other: Vec<_> = lines.iter().filter(|line| *line != expected).collect();
        assert!(other.is_empty(), "{} of {} are not {expected}: {other:?}", other.len(), lines.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_body_costs_no_caller_behind_nginx_an_answer() {
    let server = TestServer::with(Options::roomy()).await;
    let arguments = ["-e", "stderr", "-c"];
    let Some(proxy) = Proxy::start("nginx", &arguments, |folder| nginx(folder, server.address)).await else {
        return;
    };

    nobody_is_lost(&server, &proxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_body_costs_no_caller_behind_haproxy_an_answer() {
    let server = TestServer::with(Options::roomy()).await;
    let arguments = ["-db", "-f"];
    let Some(proxy) = Proxy::start("haproxy", &arguments, |folder| haproxy(folder, server.address)).await
    else {
        return;
    };

    nobody_is_lost(&server, &proxy).await;
}
