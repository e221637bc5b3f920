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
        if Command::new(program).arg("version").output().is_err() {
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

/// The block for a proxy in the documentation.
fn block(proxy: &str) -> &'static str {
    let text = include_str!("../../docs/PROXIES.md");
    let (_, rest) = text.split_once(&format!("```{proxy}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

/// The block with the places of the test in it, each of which it has to have.
fn placed(proxy: &str, places: &[(&str, String)]) -> String {
    let mut text = block(proxy).to_owned();
    for (place, own) in places {
        assert!(text.contains(place), "{proxy}: {place}");
        text = text.replace(place, own);
    }
    text
}

fn nginx(folder: &Path, server: SocketAddr) -> String {
    let folder = folder.display();
    let bodies = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let bodies: String = bodies.map(|kind| format!("{kind}_temp_path {folder}/{kind};\n")).concat();
    let own = placed(
        "nginx",
        &[
            ("127.0.0.1:8080", server.to_string()),
            ("listen 443 ssl", format!("listen unix:{folder}/socket")),
            ("ssl_certificate /etc/ssl/deploy.example.com.pem;", String::new()),
            ("ssl_certificate_key /etc/ssl/deploy.example.com.key;", String::new()),
        ],
    );
    format!(
        "daemon off; master_process off; pid {folder}/pid;
        events {{ worker_connections 256; }}
        http {{ {bodies} {own} }}"
    )
}

fn haproxy(folder: &Path, server: SocketAddr) -> String {
    let socket = folder.join("socket");
    let own = placed(
        "haproxy",
        &[
            ("127.0.0.1:8080", server.to_string()),
            ("bind :443 ssl crt /etc/ssl/deploy.example.com.pem", format!("bind unix@{}", socket.display())),
        ],
    );
    format!("global\n    nbthread 1\ndefaults\n    http-reuse always\n{own}")
}

fn caddy(folder: &Path, server: SocketAddr) -> String {
    let socket = folder.join("socket");
    let own = placed(
        "caddy",
        &[
            ("127.0.0.1:8080", server.to_string()),
            ("deploy.example.com {", format!("http:// {{\n    bind unix/{}", socket.display())),
        ],
    );
    format!("{{\n    admin off\n}}\n{own}")
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_body_costs_no_caller_behind_caddy_an_answer() {
    let server = TestServer::with(Options::roomy()).await;
    let arguments = ["run", "--adapter", "caddyfile", "--config"];
    let Some(proxy) = Proxy::start("caddy", &arguments, |folder| caddy(folder, server.address)).await else {
        return;
    };

    nobody_is_lost(&server, &proxy).await;
}
