//! Passes a program's output on no faster than a log can be followed.
//!
//! kubelet rotates a container's log (at 10 MiB, unless it is told otherwise) and a reader that has fallen behind by a
//! whole file goes on with the present one, without a word about the lines in between. A build that has to wait for its
//! reader loses time; one that does not loses its log. So what counts is what that file grows by, and a reader that is
//! held up for twelve seconds on a busy machine is still in time.

use std::io::{self, Read, Write};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of the file a second in the long run.
const RATE: u64 = 512 * 1024;
/// Bytes of the file that may come at once: well under the smallest size that is usual, so that a reader may be late.
const BURST: u64 = 4 * 1024 * 1024;
/// What the runtime writes before each line: its time, the stream and whether it is whole.
const LINE_HEAD: u64 = 40;
/// Bytes read at a time, and most of a line that are held until it ends.
const CHUNK: usize = 16 * 1024;
/// How long a line that has not ended is held.
const PAUSE: Duration = Duration::from_secs(1);

/// Passes everything on, to the end.
///
/// Only whole lines go, unless a line is longer than a chunk or does not go on for a while: where kubelet changes files,
/// the runtime still writes the line it has begun to the old one, which its reader may have left by then.
pub(super) fn pass_on(from: impl Read + Send + 'static, mut to: impl Write) -> io::Result<()> {
    let (chunks, mut held, mut pace, begun) = (read_aside(from), Vec::new(), Pace::default(), Instant::now());
    loop {
        let next = chunks.recv_timeout(PAUSE);
        held.extend_from_slice(next.as_deref().unwrap_or_default());
        let ready = if next.is_ok() { ready(&held) } else { held.len() };
        let text: Vec<u8> = held.drain(..ready).collect();
        thread::sleep(pace.pause(size_in_file(&text), begun.elapsed()));
        to.write_all(&text)?;
        to.flush()?;
        if next == Err(RecvTimeoutError::Disconnected) {
            return Ok(());
        }
    }
}

/// Reads to the end, a chunk ahead of whoever takes them.
fn read_aside(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (sender, chunks) = mpsc::sync_channel(0);
    thread::spawn(move || {
        let mut chunk = vec![0; CHUNK];
        while let Ok(bytes @ 1..) = from.read(&mut chunk) {
            if sender.send(chunk[..bytes].to_vec()).is_err() {
                return;
            }
        }
    });
    chunks
}

/// How much of what is held can go: the lines that have ended, or what a line has too much.
fn ready(held: &[u8]) -> usize {
    let lines = held.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if lines == 0 { held.len() / CHUNK * CHUNK } else { lines }
}

pub(super) fn size_in_file(text: &[u8]) -> u64 {
    let lines = text.split(|byte| *byte == b'\n').count() - 1;
    text.len() as u64 + lines as u64 * LINE_HEAD
}

/// A bucket that fills with bytes and drains at [`RATE`].
#[derive(Debug, Default)]
pub(super) struct Pace {
    level: u64,
    drained_at: Duration,
}

impl Pace {
    /// How long to wait before so many bytes more, at a time since the start.
    pub(super) fn pause(&mut self, bytes: u64, now: Duration) -> Duration {
        let drained = now.saturating_sub(self.drained_at).as_micros() * u128::from(RATE) / 1_000_000;
        self.drained_at = now;
        self.level = self.level.saturating_sub(u64::try_from(drained).unwrap_or(u64::MAX));
        self.level += bytes;
        Duration::from_micros(self.level.saturating_sub(BURST) * 1_000_000 / RATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keeps each write for itself.
    #[derive(Default)]
    struct Writes(Vec<Vec<u8>>);

    impl Write for Writes {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            self.0.push(text.to_vec());
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_is_longer_than_a_chunk_and_one_without_an_end_come_out() {
        let (text, mut out) = (vec![b'x'; 3 * CHUNK + 7], Vec::new());

        pass_on(io::Cursor::new(text.clone()), &mut out).unwrap();

        assert!(out == text);
    }

    #[test]
    fn no_write_ends_within_a_line() {
        let text: Vec<u8> = (0..5000).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let (begin, rest) = text.split_at(CHUNK / 2 + 3);
        let (begin, rest) = (io::Cursor::new(begin.to_vec()), io::Cursor::new(rest.to_vec()));
        let mut out = Writes::default();

        pass_on(begin.chain(rest), &mut out).unwrap();

        assert!(out.0.concat() == text);
        assert!(out.0.iter().all(|write| write.ends_with(b"\n")));
        assert!(out.0.len() > 3);
    }

    #[test]
    fn a_line_that_does_not_go_on_is_passed_on_before_it_ends() {
        let ((from, mut program), (mut shown, to)) = (io::pipe().unwrap(), io::pipe().unwrap());
        let (sender, prompt) = mpsc::channel();
        thread::spawn(move || pass_on(from, to));
        thread::spawn(move || {
            let mut prompt = [0; 6];
            sender.send(shown.read_exact(&mut prompt).map(|()| prompt)).unwrap();
        });

        program.write_all(b"name: ").unwrap();

        assert_eq!(&prompt.recv_timeout(Duration::from_mins(1)).unwrap().unwrap(), b"name: ");
    }

    #[test]
    fn a_line_without_an_end_goes_in_pieces_of_a_chunk() {
        let mut out = Writes::default();

        pass_on(io::repeat(b'x').take(64 * CHUNK as u64 + 7), &mut out).unwrap();

        assert!(out.0.iter().all(|write| write.len() <= 2 * CHUNK));
        assert_eq!(out.0.concat().len(), 64 * CHUNK + 7);
    }

    #[test]
    fn a_burst_passes_and_a_flood_waits_until_it_has_drained() {
        let (mut pace, second) = (Pace::default(), Duration::from_secs(1));

        assert_eq!(pace.pause(BURST, Duration::ZERO), Duration::ZERO);
        assert_eq!(pace.pause(RATE, Duration::ZERO), second);
        assert_eq!(pace.pause(0, second), Duration::ZERO);
        assert_eq!(pace.pause(BURST, 60 * second), Duration::ZERO);
    }

    #[test]
    fn short_lines_count_for_what_they_are_in_the_file() {
        assert_eq!(size_in_file(b"a\nb\nc"), 5 + 2 * LINE_HEAD);
    }
}
