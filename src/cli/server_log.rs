//! The server's own log, on stderr: lines wait in memory for one thread that writes them, so that a reader who stalls
//! or leaves and a disk that is full hold up no call. What finds no room or cannot be written is dropped and counted.

use std::io::{self, IsTerminal, Write};
use std::mem;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::domain::Clock;

/// Bytes of lines that wait at most; as many again may be with the thread that writes.
const ROOM: usize = 1024 * 1024;
/// The last lines are waited for so long at the end of the process.
const LAST_WAIT: Duration = Duration::from_secs(2);
/// Time from one write to the next, in which lines gather: a line costs neither a write nor a thread's waking of its own.
const PAUSE: Duration = Duration::from_millis(10);

/// Takes lines; cheap to clone.
#[derive(Clone)]
pub(super) struct ServerLog(Arc<Shared>);

struct Shared {
    room: usize,
    lines: Mutex<Lines>,
    /// Told of what the thread that writes waits for, and of each write that ends.
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    waiting: Vec<u8>,
    /// Lines dropped that have not been told of.
    lost: u64,
    is_writing: bool,
    /// Whether somebody waits for the last line.
    is_urgent: bool,
}

/// Makes this the log of the process: lines for people on a terminal, JSON elsewhere.
///
/// # Errors
/// Where there is no stderr or no thread to be had.
pub(super) fn start(filter: &str) -> Result<ServerLog> {
    let is_terminal = io::stderr().is_terminal();
    let tell_lost = if is_terminal { lost_in_words } else { lost_in_json };
    // Of its own, since whoever else writes to `io::stderr` would wait for a write that stalls.
    let stderr = io::stderr().as_fd().try_clone_to_owned().context("cannot use stderr")?;
    let log = ServerLog::to(std::fs::File::from(stderr), ROOM, tell_lost)
        .context("cannot start the thread of the log")?;
    let own = log.clone();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(move || own.clone())
        .with_target(false)
        .log_internal_errors(false);
    if is_terminal {
        builder.init();
    } else {
        builder.json().flatten_event(true).init();
    }
    // The default hook prints the message of a panic, which may quote what a caller sent.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic was caught");
    }));
    Ok(log)
}

fn lost_in_words(count: u64) -> String {
    format!("{}  WARN lines of this log were lost count={count}\n", Clock::System.now())
}

fn lost_in_json(count: u64) -> String {
    let line = json!({
        "timestamp": Clock::System.now(),
        "level": "WARN",
        "message": "lines of this log were lost",
        "count": count,
    });
    format!("{line}\n")
}

impl ServerLog {
    /// Begins to write to `sink`. The thread ends with the process, since a write may never end.
    fn to(sink: impl Write + Send + 'static, room: usize, tell_lost: fn(u64) -> String) -> io::Result<Self> {
        let shared = Arc::new(Shared { room, lines: Mutex::default(), changed: Condvar::new() });
        let (own, mut sink) = (Arc::clone(&shared), Sink { inner: sink, is_inside_line: false });
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || own.write_on(&mut sink, tell_lost))?;
        Ok(Self(shared))
    }

    /// Takes a line as it is, without its end.
    pub(super) fn say(&self, line: &str) {
        self.0.push(format!("{line}\n").as_bytes());
    }

    /// Waits until what was taken is written or lost, but not long.
    pub(super) fn flush(&self) {
        let mut lines = self.0.lines();
        lines.is_urgent = true;
        self.0.changed.notify_all();
        let is_busy = |lines: &mut Lines| lines.is_writing || !lines.waiting.is_empty();
        drop(self.0.changed.wait_timeout_while(lines, LAST_WAIT, is_busy));
    }
}

/// One write is one line, as the subscriber gives them.
impl Write for ServerLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shared {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, line: &[u8]) {
        let mut lines = self.lines();
        let was_empty = lines.waiting.is_empty();
        if lines.waiting.len() + line.len() <= self.room {
            lines.waiting.extend_from_slice(line);
        } else {
            lines.lost += 1;
        }
        let is_waited_for = was_empty || lines.waiting.len() >= self.room / 2;
        drop(lines);
        if is_waited_for {
            self.changed.notify_all();
        }
    }

    fn write_on<W: Write>(&self, sink: &mut Sink<W>, tell_lost: fn(u64) -> String) {
        loop {
            let idle = |lines: &mut Lines| lines.waiting.is_empty();
            let mut lines =
                self.changed.wait_while(self.lines(), idle).unwrap_or_else(PoisonError::into_inner);
            lines.is_writing = true;
            let (batch, lost) = (mem::take(&mut lines.waiting), mem::take(&mut lines.lost));
            drop(lines);
            let lost = lost + sink.write(&batch);
            let is_told = lost == 0 || sink.write(tell_lost(lost).as_bytes()) == 0;
            let mut lines = self.lines();
            lines.lost += if is_told { 0 } else { lost };
            lines.is_writing = false;
            self.changed.notify_all();
            let gather = |lines: &mut Lines| !lines.is_urgent && lines.waiting.len() < self.room / 2;
            drop(self.changed.wait_timeout_while(lines, PAUSE, gather));
        }
    }
}

/// Where lines go in the end.
struct Sink<W> {
    inner: W,
    /// Whether the last line that was begun has not been ended.
    is_inside_line: bool,
}

impl<W: Write> Sink<W> {
    /// Writes lines; how many of them could not be.
    fn write(&mut self, lines: &[u8]) -> u64 {
        let count = |lines: &[u8]| lines.split_inclusive(|&byte| byte == b'\n').count() as u64;
        if self.is_inside_line && self.inner.write_all(b"\n").is_err() {
            return count(lines);
        }
        self.is_inside_line = false;
        let mut rest = lines;
        while !rest.is_empty() {
            match self.inner.write(rest) {
                Ok(written) if written > 0 => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                _ => {
                    let written = &lines[..lines.len() - rest.len()];
                    self.is_inside_line = written.last().is_some_and(|&byte| byte != b'\n');
                    return count(rest);
                }
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::sync::mpsc;

    use super::*;

    /// Nothing here takes this long.
    const PATIENCE: Duration = Duration::from_mins(1);

    /// Takes so many bytes, then fails until it is given more room.
    #[derive(Default)]
    struct Disk {
        room: usize,
        holds: String,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = &bytes[..bytes.len().min(self.room)];
            if fits.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= fits.len();
            self.holds.push_str(std::str::from_utf8(fits).unwrap());
            Ok(fits.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_a_full_disk_refuses_are_counted_and_the_next_begins_a_line_of_its_own() {
        let mut sink = Sink { inner: Disk { room: 7, ..Disk::default() }, is_inside_line: false };

        let lost = [sink.write(b"one\ntwo two\n"), sink.write(b"three\nfour\n")];
        sink.inner.room = 100;
        let lost_then = sink.write(b"five\n");

        assert_eq!((lost, lost_then), ([1, 2], 0));
        assert_eq!(sink.inner.holds, "one\ntwo\nfive\n");
    }

    #[test]
    fn lines_without_room_are_dropped_at_once_and_told_of_when_the_reader_goes_on() {
        const LINES: u64 = 20_000;
        let (reader, writer) = io::pipe().unwrap();
        let log = ServerLog::to(writer, 1_000, |count| format!("lost {count}\n")).unwrap();

        // Many times what the pipe takes while nobody reads.
        for _ in 0..LINES {
            log.say("a line of some length, as the lines of a log are");
        }
        log.say("the last one may be lost as well");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let lines = BufReader::new(reader).lines().map_while(Result::ok);
            lines.take_while(|line| sender.send(line.clone()).is_ok()).for_each(drop);
        });
        let (mut read, mut lost) = (0, 0);
        while read + lost <= LINES {
            let line = lines.recv_timeout(PATIENCE).unwrap();
            match line.strip_prefix("lost ") {
                Some(count) => lost += count.parse::<u64>().unwrap(),
                None => read += 1,
            }
        }

        assert_eq!(read + lost, LINES + 1);
        assert!(lost > LINES / 2, "{lost}");
    }

    #[test]
    fn what_is_said_of_lost_lines_has_the_form_of_every_line() {
        let line: serde_json::Value = serde_json::from_str(&lost_in_json(3)).unwrap();

        assert_eq!((&line["level"], &line["count"]), (&"WARN".into(), &3.into()));
        assert!(lost_in_words(3).ends_with("Z  WARN lines of this log were lost count=3\n"));
    }
}
