//! Real proxies that keep their connections to the server for whoever comes next: a stranger's refused request must not
//! cost the next caller the connection.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use futures_util::future::join_all;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::yield_now;
use tokio_rustls::TlsConnector;

use crate::harness::guest::Guest;
use crate::harness::{Options, TestServer, soon};

/// Callers of each kind that are there at once.
const CALLERS: usize = 8;
/// Calls that each of them makes, one after the other.
const CALLS: usize = 100;
/// Length of the body that strangers send.
const LENGTH: usize = 60_000;

/// A proxy with TLS in front of a server; killed when dropped.
struct Proxy {
    guest: Guest,
    folder: TempDir,
    /// Where it listens; none where it does at the socket in its folder.
    port: Option<u16>,
    tls: TlsConnector,
}

/// Makes a certificate for localhost and its key in a folder: `own.pem` holds both.
fn make_certificate(folder: &Path) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl.args(["-keyout", "own.key", "-out", "own.crt", "-days", "30", "-subj", "/CN=localhost"]);
    openssl
        .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
        .current_dir(folder);
    assert!(openssl.output().unwrap().status.success());
    let both =
        [std::fs::read(folder.join("own.crt")).unwrap(), std::fs::read(folder.join("own.key")).unwrap()];
    std::fs::write(folder.join("own.pem"), both.concat()).unwrap();
}

/// Believes that certificate and no other.
fn connector(folder: &Path) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(folder.join("own.crt")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsConnector::from(Arc::new(tls.with_root_certificates(roots).with_no_client_auth()))
}

/// A port that was free a moment ago, for a program that cannot listen at a socket.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Proxy {
    /// Starts a program with a configuration and waits until it takes connections; none where it is missing.
    async fn start(
        program: &str,
        arguments: &[&str],
        port: Option<u16>,
        configuration: impl Fn(&Path) -> String,
    ) -> Option<Self> {
        if Command::new(program).arg("-v").output().is_err() || Command::new("openssl").output().is_err() {
            eprintln!("LEFT OUT, since {program} or openssl is missing: strangers and callers behind it");
            return None;
        }
        let folder = TempDir::new().unwrap();
        make_certificate(folder.path());
        let file = folder.path().join("proxy.conf");
        std::fs::write(&file, configuration(folder.path())).unwrap();
        let said = std::fs::File::create(folder.path().join("said")).unwrap();
        let mut command = Command::new(program);
        command.args(arguments).arg(&file).current_dir(folder.path()).stdin(Stdio::null());
        command.stdout(said.try_clone().unwrap()).stderr(said);
        let tls = connector(folder.path());
        let mut proxy = Self { guest: Guest::start(&mut command), folder, port, tls };
        proxy.is_open().await;
        Some(proxy)
    }

    async fn is_open(&mut self) {
        soon(async {
            while !self.connects().await {
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

    async fn connects(&self) -> bool {
        match self.port {
            Some(port) => TcpStream::connect(("127.0.0.1", port)).await.is_ok(),
            None => UnixStream::connect(self.socket()).await.is_ok(),
        }
    }

    /// One call on a connection of its own; the first line of the answer.
    async fn call(&self, request: &str) -> String {
        match self.port {
            Some(port) => {
                self.call_over(TcpStream::connect(("127.0.0.1", port)).await.unwrap(), request).await
            }
            None => self.call_over(UnixStream::connect(self.socket()).await.unwrap(), request).await,
        }
    }

    async fn call_over(&self, stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = self.tls.connect(name, stream).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // To the end that the answer tells: Caddy 2.6 may leave a connection open for ever whose caller sent a body, since the
        // HTTP library under it can wait for a read that was begun too late. Some end it without TLS's own word for that.
        soon(async {
            while !is_whole(&answer) && stream.read_buf(&mut answer).await.is_ok_and(|count| count > 0) {}
        })
        .await;
        last_answer(&String::from_utf8_lossy(&answer)).lines().next().unwrap_or_default().to_owned()
    }

    /// Makes calls, one after the other, and gives the first line of each answer.
    async fn calls(&self, request: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for _ in 0..CALLS {
            lines.push(self.call(request).await);
        }
        lines
    }
}

/// What follows the answers that only say that the caller may go on.
fn last_answer(answers: &str) -> &str {
    let mut last = answers;
    while last.starts_with("HTTP/1.1 100 ") {
        last = last.split_once("\r\n\r\n").map_or("", |(_, rest)| rest);
    }
    last
}

/// Whether the last answer is there with as much as its head announces.
fn is_whole(answers: &[u8]) -> bool {
    let answers = String::from_utf8_lossy(answers).to_ascii_lowercase();
    let answers = answers.replace("http/1.1", "HTTP/1.1");
    let Some((head, body)) = last_answer(&answers).split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.and_then(|length| length.trim().parse().ok()).is_some_and(|length: usize| body.len() >= length)
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
            ("listen 443 ssl", format!("listen unix:{folder}/socket ssl")),
            ("/etc/ssl/deploy.example.com.pem", format!("{folder}/own.crt")),
            ("/etc/ssl/deploy.example.com.key", format!("{folder}/own.key")),
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
            ("bind :443", format!("bind unix@{}", socket.display())),
            ("/etc/ssl/deploy.example.com.pem", folder.join("own.pem").display().to_string()),
        ],
    );
    format!("global\n    nbthread 1\ndefaults\n    http-reuse always\n{own}")
}

fn caddy(folder: &Path, server: SocketAddr) -> String {
    let (socket, folder) = (folder.join("socket"), folder.display());
    let own = placed(
        "caddy",
        &[
            ("127.0.0.1:8080", server.to_string()),
            (
                "deploy.example.com {",
                format!(
                    "https://localhost {{\n    bind unix/{}\n    tls {folder}/own.crt {folder}/own.key",
                    socket.display()
                ),
            ),
        ],
    );
    format!("{{\n    admin off\n    auto_https off\n}}\n{own}")
}

/// Debian's modules, and what its own file says before the hosts.
fn apache(folder: &Path, server: SocketAddr, port: u16) -> String {
    let modules = ["mpm_event", "authz_core", "proxy", "proxy_http", "headers", "socache_shmcb", "ssl"];
    let modules: String = modules
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .concat();
    let folder = folder.display();
    let own = placed(
        "apache",
        &[
            ("127.0.0.1:8080", server.to_string()),
            ("*:443", format!("127.0.0.1:{port}")),
            ("/etc/ssl/deploy.example.com.pem", format!("{folder}/own.crt")),
            ("/etc/ssl/deploy.example.com.key", format!("{folder}/own.key")),
        ],
    );
    format!(
        "ServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile {folder}/pid\nMutex pthread\nServerName localhost
        User www-data\nGroup www-data\nErrorLog /dev/stderr\n{modules}Listen 127.0.0.1:{port}\n{own}"
    )
}

/// Callers with a good token among strangers with a wrong one; each gets the server's own answer, every time.
async fn nobody_is_lost(server: &TestServer, proxy: &Proxy) {
    let hook = server.service("api").create().await.hook("ci").await;
    let request = |token: &str, length: usize| {
        let head = format!("POST /deploy-hooks/{token} HTTP/1.1\r\nHost: localhost\r\nConnection: close");
        format!("{head}\r\nContent-Length: {length}\r\n\r\n{}", "a".repeat(length))
    };
    let (good, wrong) = (request(&hook.token, 0), request("wrong", LENGTH));
    let expecting = wrong.replace("Connection: close", "Connection: close\r\nExpect: 100-continue");

    let all = |count: usize, request| join_all((0..count).map(move |_| proxy.calls(request)));
    let (callers, strangers, others) =
        tokio::join!(all(CALLERS, &good), all(CALLERS, &wrong), all(2, &expecting));

    let refused = "HTTP/1.1 401 Unauthorized";
    for (lines, expected) in [(callers, "HTTP/1.1 202 Accepted"), (strangers, refused), (others, refused)] {
        let lines = lines.concat();
        let other: Vec<_> = lines.iter().filter(|line| *line != expected).collect();
        assert!(other.is_empty(), "{} of {} are not {expected}: {other:?}", other.len(), lines.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_body_costs_no_caller_behind_nginx_an_answer() {
    let server = TestServer::with(Options::roomy()).await;
    let arguments = ["-e", "stderr", "-c"];
    let Some(proxy) = Proxy::start("nginx", &arguments, None, |folder| nginx(folder, server.address)).await
    else {
        return;
    };

    nobody_is_lost(&server, &proxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_body_costs_no_caller_behind_haproxy_an_answer() {
    let server = TestServer::with(Options::roomy()).await;
    let arguments = ["-db", "-f"];
    let Some(proxy) =
        Proxy::start("haproxy", &arguments, None, |folder| haproxy(folder, server.address)).await
    else {
        return;
    };

    nobody_is_lost(&server, &proxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_body_costs_no_caller_behind_caddy_an_answer() {
    let server = TestServer::with(Options::roomy()).await;
    let arguments = ["run", "--adapter", "caddyfile", "--config"];
    let Some(proxy) = Proxy::start("caddy", &arguments, None, |folder| caddy(folder, server.address)).await
    else {
        return;
    };

    nobody_is_lost(&server, &proxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_strangers_body_costs_no_caller_behind_apache_an_answer() {
    let server = TestServer::with(Options::roomy()).await;
    let (port, arguments) = (free_port(), ["-D", "FOREGROUND", "-f"]);
    let configuration = |folder: &Path| apache(folder, server.address, port);
    let Some(proxy) = Proxy::start("apache2", &arguments, Some(port), configuration).await else { return };

    nobody_is_lost(&server, &proxy).await;
}
