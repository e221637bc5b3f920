//! The real program as a process of its own, reached as its users reach it.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use serde_json::{Value, json};

pub use super::PATIENCE;
use super::guest::Guest;

/// A running `stackblaze serve`; killed when dropped.
pub struct Server {
    guest: Guest,
    data: PathBuf,
    /// Where it listens, `http://127.0.0.1:PORT`.
    pub url: String,
    /// What it writes to stderr, line by line.
    pub lines: mpsc::Receiver<String>,
}

/// A `stackblaze` with no setting from this process's environment.
pub fn stackblaze() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stackblaze"));
    command.stdin(Stdio::null()).env_remove("STATE_DIRECTORY");
    command
}

/// The command of a server that listens on a free port.
pub fn serve(data: &Path, flags: &[&str]) -> Command {
    let mut command = stackblaze();
    command.arg("serve").arg("--data-dir").arg(data).args(flags);
    for (flag, value) in [("--listen", "127.0.0.1:0"), ("--drain-delay", "0")] {
        if !flags.contains(&flag) {
            command.args([flag, value]);
        }
    }
    command
}

impl Server {
    /// Starts it and waits until it listens.
    pub fn start(data: &Path, flags: &[&str]) -> Self {
        Self::from_command(serve(data, flags), data)
    }

    /// Starts a command that ends up as a server.
    pub fn from_command(mut command: Command, data: &Path) -> Self {
        let mut guest = Guest::start(command.stdout(Stdio::null()).stderr(Stdio::piped()));
        let stderr = BufReader::new(guest.child.stderr.take().unwrap());
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            stderr.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let mut said = Vec::new();
        let url = loop {
            let line =
                lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it does not listen: {said:?}"));
            if let Some(url) = line.strip_prefix("listening  ") {
                break url.to_owned();
            }
            said.push(line);
        };
        Self { guest, data: data.to_owned(), url, lines }
    }

    /// Starts it with a stderr of the test's own, and waits until its socket takes connections; `url` is not known.
    pub fn with_stderr(data: &Path, stderr: impl Into<Stdio>) -> Self {
        let guest = Guest::start(serve(data, &[]).stdout(Stdio::null()).stderr(stderr));
        let server = Self { guest, data: data.to_owned(), url: String::new(), lines: mpsc::channel().1 };
        wait_until("the socket", || UnixStream::connect(server.socket()).is_ok());
        server
    }

    /// The socket of the command line.
    pub fn socket(&self) -> PathBuf {
        self.data.join("stackblaze.sock")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.guest.child.id()
    }

    /// Sends a signal.
    pub fn signal(&self, name: &str) {
        let sent =
            Command::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Ends it without a chance to tidy up.
    pub fn kill(mut self) {
        self.guest.child.kill().unwrap();
        self.guest.child.wait().unwrap();
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.guest.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            std::thread::yield_now();
        }
    }

    /// Calls the management API through the socket, as the operator on the machine.
    pub async fn api(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        install_tls();
        let client = reqwest::Client::builder().unix_socket(self.socket()).build().unwrap();
        let method = method.parse().unwrap();
        let mut request = client.request(method, format!("http://server{path}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Makes a service with a hook and gives the path of the hook's URL. Where none is named, `true` deploys.
    pub async fn hook(&self, mut service: Value) -> String {
        if service["deployCommand"].is_null() {
            service["deployCommand"] = json!("true");
        }
        let name = service["name"].as_str().unwrap().to_owned();
        self.api("POST", "/api/v1/services", Some(service)).await;
        let hooks = format!("/api/v1/services/{name}/hooks");
        let hook = self.api("POST", &hooks, Some(json!({ "name": "ci" }))).await;
        hook["url"].as_str().unwrap().strip_prefix(&self.url).unwrap().to_owned()
    }
}

/// An HTTP client.
pub fn client() -> reqwest::Client {
    install_tls();
    reqwest::Client::new()
}

/// The client wants a provider although nothing here speaks TLS.
pub fn install_tls() {
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// Waits for something that has to come about.
pub fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::yield_now();
    }
}
