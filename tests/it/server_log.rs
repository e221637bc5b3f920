//! The server's own log lines where nobody takes them: the server goes on.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::harness::process::{Server, install_tls};
use crate::harness::soon;

/// Requests that leave a line each: more lines than a pipe holds, which is 64 KiB.
const MANY: usize = 1_000;

/// A caller on the server's socket.
struct Caller(reqwest::Client);

impl Caller {
    fn of(server: &Server) -> Self {
        install_tls();
        Self(reqwest::Client::builder().unix_socket(server.socket()).build().unwrap())
    }

    async fn status(&self, path: &str) -> u16 {
        let answer = soon(self.0.get(format!("http://server{path}")).send()).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error:?}")).status().as_u16()
    }

    /// Makes the server write lines, then asks whether it is well.
    async fn is_answered(&self) -> bool {
        for _ in 0..MANY {
            assert_eq!(self.status("/missing").await, 404);
        }
        self.status("/healthz").await == 200
    }
}

#[tokio::test]
async fn a_reader_of_the_log_that_leaves_takes_nothing_with_it() {
    let data = TempDir::new().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut server = Server::with_stderr(data.path(), writer);

    let mut first = String::new();
    BufReader::new(reader).read_line(&mut first).unwrap();

    assert!(!first.is_empty());
    assert!(Caller::of(&server).is_answered().await);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

#[tokio::test]
async fn a_reader_of_the_log_that_stalls_holds_up_no_call_and_no_end() {
    let data = TempDir::new().unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    let mut server = Server::with_stderr(data.path(), writer);

    assert!(Caller::of(&server).is_answered().await);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
    drop(reader);
}

#[tokio::test]
async fn a_log_on_a_full_disk_ends_nothing() {
    let data = TempDir::new().unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut server = Server::with_stderr(data.path(), full);

    assert!(Caller::of(&server).is_answered().await);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_refusal_to_start_keeps_its_exit_code_where_its_words_cannot_be_written() {
    let data = TempDir::new().unwrap();
    let running = Server::start(data.path(), &[]);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();

    let refused = crate::harness::process::serve(data.path(), &[]).stderr(full).status().unwrap();

    assert_eq!(refused.code(), Some(75));
    drop(running);
}

#[test]
fn a_command_keeps_its_exit_code_where_its_words_cannot_be_written() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command: Command = crate::harness::process::stackblaze();

    let ended = command.args(["demo", "--data-dir", "/x"]).stdout(Stdio::null()).stderr(full).status();

    assert_eq!(ended.unwrap().code(), Some(64));
}
