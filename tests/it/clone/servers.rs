//! Real servers that repositories are fetched from: nginx, sshd, and a proxy.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use tempfile::TempDir;

use crate::harness::PATIENCE;
use crate::harness::git::GitHttp;
use crate::harness::guest::Guest;

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn started(command: &mut Command, port: u16, said: &Path) -> Guest {
    let output = std::fs::File::create(said).unwrap();
    command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
    let mut guest = Guest::start(command);
    let began = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        let ended = guest.child.try_wait().unwrap();
        let told = || std::fs::read_to_string(said).unwrap();
        assert!(ended.is_none() && began.elapsed() < PATIENCE, "it does not listen: {}", told());
        std::thread::yield_now();
    }
    guest
}

fn openssl(folder: &Path, words: &str) {
    let done = Command::new("openssl").args(words.split(' ')).current_dir(folder).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// An authority that nobody knows, with a certificate for this machine.
pub struct Ca(TempDir);

impl Ca {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        openssl(folder.path(), &format!("req -x509 {key} -keyout ca.key -out ca.crt -subj /CN=Own -days 30"));
        openssl(folder.path(), &format!("req {key} -keyout own.key -out own.csr -subj /CN=localhost"));
        std::fs::write(folder.path().join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
        let sign = "x509 -req -in own.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out own.crt -days 30 -extfile names";
        openssl(folder.path(), sign);
        Self(folder)
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("ca.crt")
    }

    pub fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }
}

/// nginx with one place to go to.
pub struct Nginx {
    _guest: Guest,
    _folder: TempDir,
    port: u16,
}

impl Nginx {
    /// Serves files.
    pub fn plain(root: &Path) -> Self {
        Self::start("", &format!("root {};", root.display()))
    }

    /// Ends TLS in front of a git server.
    pub fn tls(ca: &Ca, git: &GitHttp) -> Self {
        let keys = ca.0.path().display();
        let tls = format!("ssl_certificate {keys}/own.crt; ssl_certificate_key {keys}/own.key;");
        let inside = git.url("");
        Self::start(&tls, &format!("proxy_pass {inside}; client_max_body_size 0;"))
    }

    /// Leads everybody elsewhere.
    pub fn leading_to(address: &str) -> Self {
        Self::start("", &format!("return 301 {}$request_uri;", address.trim_end_matches('/')))
    }

    fn start(tls: &str, place: &str) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        // Its workers are of another user.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let own = folder.path().display();
        let bodies = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let bodies: String = bodies.map(|kind| format!("{kind}_temp_path {own}/{kind};\n")).concat();
        let ssl = if tls.is_empty() { "" } else { " ssl" };
        let text = format!(
            "daemon off; master_process off; pid {own}/pid; events {{ }}
             http {{ access_log off; {bodies}
                server {{ listen 127.0.0.1:{port}{ssl}; {tls} location / {{ {place} }} }} }}"
        );
        let file = folder.path().join("conf");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("nginx");
        command.args(["-e", "stderr", "-c"]).arg(file);
        Self { _guest: started(&mut command, port, &folder.path().join("said")), _folder: folder, port }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://localhost:{}/{path}", self.port)
    }
}

/// A proxy that lets CONNECT through to one port.
pub struct Proxy {
    _guest: Guest,
    folder: TempDir,
    port: u16,
}

impl Proxy {
    pub fn to(allowed: u16) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let log = folder.path().join("log");
        let text = format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 60\nLogFile \"{}\"\nLogLevel Connect\nConnectPort {allowed}\n",
            log.display()
        );
        let file = folder.path().join("conf");
        std::fs::write(&file, text).unwrap();
        let mut command = Command::new("tinyproxy");
        command.arg("-d").arg("-c").arg(file);
        Self { _guest: started(&mut command, port, &folder.path().join("said")), folder, port }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn was_used(&self) -> bool {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap().contains("CONNECT localhost")
    }
}

/// An ssh server that lets one key in.
pub struct Sshd {
    _guest: Guest,
    folder: TempDir,
    port: u16,
}

impl Sshd {
    pub fn start() -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let own = folder.path().display();
        for name in ["host", "key"] {
            keygen(&folder.path().join(name), "");
        }
        std::fs::copy(folder.path().join("key.pub"), folder.path().join("authorized")).unwrap();
        let text = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {own}/host\nAuthorizedKeysFile {own}/authorized\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n"
        );
        let file = folder.path().join("conf");
        std::fs::write(&file, text).unwrap();
        // Where it gives its rights away.
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create("/run/sshd").ok();
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(file);
        Self { _guest: started(&mut command, port, &folder.path().join("said")), folder, port }
    }

    pub fn url(&self, path: &str) -> String {
        let uid = rustix::process::getuid().as_raw();
        let passwd = std::fs::read_to_string("/etc/passwd").unwrap();
        let user = passwd.lines().find(|line| line.split(':').nth(2) == Some(&uid.to_string())).unwrap();
        format!("ssh://{}@127.0.0.1:{}{path}", user.split(':').next().unwrap(), self.port)
    }

    pub fn key(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("key")).unwrap()
    }

    pub fn known_hosts(&self) -> String {
        let key = std::fs::read_to_string(self.folder.path().join("host.pub")).unwrap();
        format!("[127.0.0.1]:{} {key}", self.port)
    }

    /// A key that it does not let in.
    pub fn other_key(passphrase: &str) -> String {
        let folder = TempDir::new().unwrap();
        keygen(&folder.path().join("key"), passphrase);
        std::fs::read_to_string(folder.path().join("key")).unwrap()
    }
}

fn keygen(file: &Path, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-t", "ed25519", "-N", passphrase, "-f"]).arg(file);
    assert!(command.status().unwrap().success());
}
