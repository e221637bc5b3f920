//! The real program as child processes: one that serves, and commands that run to their end.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::PATIENCE;
use crate::harness::guest::Guest;

/// The program with nothing of the environment that would change what it does.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stackblaze"));
    for (name, _) in std::env::vars_os() {
        let is_ours = name.to_string_lossy().starts_with("STACKBLAZE_");
        if is_ours
            || ["NO_COLOR", "CLICOLOR_FORCE", "STATE_DIRECTORY", "SSH_CONNECTION"]
                .iter()
                .any(|own| name == *own)
        {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Checks the exit code; all that was printed is in the message where it is another.
    #[track_caller]
    pub fn code(self, wanted: i32) -> Self {
        assert_eq!(self.code, wanted, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub fn ok(self) -> Self {
        self.code(0)
    }

    /// The one line of JSON on stdout.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.stdout.lines().count(), 1, "{}", self.stdout);
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// Runs a command to its end; kills it at the deadline.
pub fn run(command: &mut Command) -> Ran {
    Running::spawn(command).end()
}

/// Runs the program with arguments and a data directory.
pub fn cli(dir: &Path, arguments: &[&str]) -> Ran {
    run(program().args(arguments).arg("--data-dir").arg(dir))
}

/// A child process that is killed when its test ends.
pub struct Running {
    guest: Guest,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    seen: String,
}

impl Running {
    pub fn spawn(command: &mut Command) -> Self {
        let mut guest = Guest::start(command);
        let stdout = lines(guest.child.stdout.take().unwrap());
        let stderr = lines(guest.child.stderr.take().unwrap());
        Self { guest, stdout, stderr, seen: String::new() }
    }

    /// Waits for a line on stderr that contains a text; that line.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        let seen = until(&self.stderr, text);
        self.seen.push_str(&seen);
        seen.lines().last().unwrap_or_default().to_owned()
    }

    /// Waits for a line on stdout that contains a text; all up to it.
    #[track_caller]
    pub fn wait_for_output(&mut self, text: &str) -> String {
        until(&self.stdout, text)
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.guest.child.id()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits for the end.
    #[track_caller]
    pub fn end(mut self) -> Ran {
        let stdout = rest(&self.stdout);
        let stderr = std::mem::take(&mut self.seen) + rest(&self.stderr).as_str();
        // Both pipes are closed, so it has ended or is about to.
        let code = self.guest.child.wait().unwrap().code().unwrap_or(-1);
        Ran { code, stdout, stderr }
    }
}

fn lines(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

/// Everything up to a line that contains a text.
#[track_caller]
fn until(lines: &Receiver<String>, text: &str) -> String {
    let mut seen = String::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => {
                seen.push_str(&line);
                if line.contains(text) {
                    return seen;
                }
            }
            Err(error) => panic!("no line with {text:?} ({error}) in: {seen}"),
        }
    }
}

/// Everything up to the end of a stream.
#[track_caller]
fn rest(lines: &Receiver<String>) -> String {
    let mut text = String::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => text.push_str(&line),
            Err(RecvTimeoutError::Disconnected) => return text,
            Err(RecvTimeoutError::Timeout) => panic!("it does not end; so far: {text}"),
        }
    }
}

/// `stackblaze serve` on a free port and a directory of its own.
pub struct RunningServer {
    process: Option<Running>,
    folder: tempfile::TempDir,
    flags: &'static [&'static str],
    /// `http://127.0.0.1:…`.
    pub url: String,
}

impl RunningServer {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// With more flags.
    pub fn start_with(flags: &'static [&'static str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Self { process: None, folder, flags, url: String::new() };
        server.start_again();
        server
    }

    /// Starts on the same data directory once more; the port is another one.
    pub fn start_again(&mut self) {
        let mut command = program();
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--drain-delay", "0", "--data-dir"])
            .arg(self.dir())
            .args(self.flags);
        let mut process = Running::spawn(&mut command);
        let line = process.wait_for("listening");
        line.split_whitespace().last().unwrap().clone_into(&mut self.url);
        process.wait_for("data ");
        self.process = Some(process);
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(&mut self) -> Ran {
        let process = self.process.take().unwrap();
        process.signal(Signal::TERM);
        process.end().ok()
    }

    /// Asks it to stop by another signal, and waits until it has.
    pub fn stop_by(&mut self, signal: Signal) -> Ran {
        let process = self.process.take().unwrap();
        process.signal(signal);
        process.end()
    }

    /// Ends it at once.
    pub fn kill(&mut self, signal: Signal) {
        let process = self.process.take().unwrap();
        process.signal(signal);
        process.end();
    }

    /// Its data directory.
    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A path beside the data directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file beside the data directory; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.file(name);
        std::fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    }

    /// Runs a command against it, over the socket.
    pub fn cli(&self, arguments: &[&str]) -> Ran {
        cli(&self.dir(), arguments)
    }

    /// The same over TCP with a token.
    pub fn remote(&self, token_file: &str, arguments: &[&str]) -> Ran {
        run(program().args(arguments).args(["--server", &self.url, "--token-file", token_file]))
    }
}
