//! Real repositories, and the two servers that git brings along.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tempfile::TempDir;

use super::PATIENCE;
use super::guest::Guest;

/// A repository with a work tree, in a folder of its own.
pub struct GitRepo {
    folder: TempDir,
}

impl GitRepo {
    /// An empty repository on branch main.
    pub fn new() -> Self {
        let repo = Self { folder: TempDir::new().unwrap() };
        std::fs::create_dir(repo.path()).unwrap();
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("sample")
    }

    /// Its path as a repository address.
    pub fn url(&self) -> String {
        self.path().to_string_lossy().into_owned()
    }

    /// The folder that a server may serve.
    pub fn parent(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file, commits it and gives the commit.
    pub fn commit(&self, file: &str, text: &str, subject: &str) -> String {
        std::fs::write(self.path().join(file), text).unwrap();
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message", subject]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Makes a branch at the present commit and goes to it.
    pub fn branch(&self, name: &str) -> &Self {
        self.git(&["checkout", "--quiet", "-B", name]);
        self
    }

    /// Runs git in it and gives what it wrote.
    pub fn git(&self, words: &[&str]) -> String {
        let output = Command::new("git")
            .args([
                "-c",
                "user.name=Sample",
                "-c",
                "user.email=sample@example.com",
                "-c",
                "commit.gpgsign=false",
            ])
            .args(words)
            .current_dir(self.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

/// A real `git daemon`.
pub struct GitDaemon {
    _guest: Guest,
    port: u16,
}

impl GitDaemon {
    /// Serves every repository below a folder.
    pub fn serve(folder: &Path) -> Self {
        let port = free_port();
        let programs = Command::new("git").arg("--exec-path").output().unwrap();
        let programs = PathBuf::from(String::from_utf8(programs.stdout).unwrap().trim());
        let mut command = Command::new(programs.join("git-daemon"));
        command
            .args(["--export-all", "--reuseaddr", "--listen=127.0.0.1", &format!("--port={port}")])
            .arg(format!("--base-path={}", folder.display()))
            .arg(folder)
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", "*")
            .stderr(Stdio::null());
        let guest = Guest::start(&mut command);
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "git daemon does not listen");
            std::thread::yield_now();
        }
        Self { _guest: guest, port }
    }

    /// The address of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("git://127.0.0.1:{}/{name}", self.port)
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `git http-backend` behind a small server of ours that asks for a password.
pub struct GitHttp {
    port: u16,
    backend: Arc<Backend>,
}

/// What the server is asked for, and what it has given.
struct Backend {
    folder: PathBuf,
    authorization: String,
    /// Whether it hears that a client speaks a newer protocol than the first.
    is_modern: bool,
    /// Bytes of all answers.
    sent: AtomicUsize,
}

impl GitHttp {
    /// Serves every repository below a folder to this user.
    pub fn serve(folder: &Path, user: &str, password: &str) -> Self {
        Self::start(folder, user, password, true)
    }

    /// The same as a server that knows the first protocol alone, and so gives no commit but the newest of a branch.
    pub fn serve_old(folder: &Path, user: &str, password: &str) -> Self {
        Self::start(folder, user, password, false)
    }

    fn start(folder: &Path, user: &str, password: &str, is_modern: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let authorization = format!("Basic {}", base64(&format!("{user}:{password}")));
        let backend = Arc::new(Backend {
            folder: folder.to_owned(),
            authorization,
            is_modern,
            sent: AtomicUsize::new(0),
        });
        let serving = backend.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let backend = serving.clone();
                std::thread::spawn(move || backend.answer(&stream));
            }
        });
        Self { port, backend }
    }

    /// The address of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}", self.port)
    }

    /// Bytes that it has sent so far.
    pub fn sent(&self) -> usize {
        self.backend.sent.load(Ordering::SeqCst)
    }
}

/// The head of a request: first line, and headers in lower case.
fn read_head(reader: &mut impl BufRead) -> Option<(String, Vec<(String, String)>)> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some((first, headers))
}

impl Backend {
    /// Answers one request and closes.
    fn answer(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        let Some((first, headers)) = read_head(&mut reader) else { return };
        let header =
            |name: &str| headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let mut out = stream;
        if header("authorization") != Some(self.authorization.as_str()) {
            let refusal = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\n\
                       Content-Length: 0\r\nConnection: close\r\n\r\n";
            out.write_all(refusal.as_bytes()).ok();
            return;
        }
        let mut words = first.split_whitespace();
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let length: usize = header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok();
        if let Some(answer) = self.lfs(path, &body, header("host").unwrap_or_default()) {
            let kind = "application/vnd.git-lfs+json";
            let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: {kind}\r\n\r\n");
            out.write_all(&[head.as_bytes(), &answer].concat()).ok();
            return;
        }
        let mut command = Command::new("git");
        command
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.folder)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "safe.directory")
            .env("GIT_CONFIG_VALUE_0", "*")
            .env("REQUEST_METHOD", method)
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("REMOTE_USER", "sample")
            .env("CONTENT_TYPE", header("content-type").unwrap_or_default())
            .env("HTTP_CONTENT_ENCODING", header("content-encoding").unwrap_or_default())
            .env("GIT_PROTOCOL", header("git-protocol").filter(|_| self.is_modern).unwrap_or_default())
            .env("CONTENT_LENGTH", length.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut backend = Guest::start(&mut command);
        backend.child.stdin.take().unwrap().write_all(&body).ok();
        let said = backend.end().stdout;
        self.sent.fetch_add(said.len(), Ordering::SeqCst);
        let split = said.windows(4).position(|window| window == b"\r\n\r\n").unwrap_or(0);
        let status = if said.starts_with(b"Status: ") { "404 Not Found" } else { "200 OK" };
        out.write_all(format!("HTTP/1.1 {status}\r\nConnection: close\r\n").as_bytes()).ok();
        out.write_all(&said[..split + 4]).ok();
        out.write_all(&said[split + 4..]).ok();
    }
}

impl Backend {
    /// What Git LFS asks for: where its objects are, and one of them.
    fn lfs(&self, path: &str, body: &[u8], host: &str) -> Option<Vec<u8>> {
        if let Some(repo) = path.strip_suffix("/info/lfs/objects/batch") {
            let asked: serde_json::Value = serde_json::from_slice(body).ok()?;
            let place = |object: &serde_json::Value| {
                let oid = object["oid"].as_str().unwrap_or_default();
                let href = format!("http://{host}{repo}/lfs/objects/{}/{}/{oid}", &oid[..2], &oid[2..4]);
                serde_json::json!({ "oid": oid, "size": object["size"], "actions": { "download": { "href": href } } })
            };
            let objects: Vec<_> = asked["objects"].as_array()?.iter().map(place).collect();
            return Some(
                serde_json::json!({ "transfer": "basic", "objects": objects }).to_string().into_bytes(),
            );
        }
        path.contains("/lfs/objects/").then(|| std::fs::read(self.folder.join(&path[1..])).ok())?
    }
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut result = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let is_padding = place > chunk.len();
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            result.push(if is_padding { '=' } else { char::from(digit) });
        }
    }
    result
}
