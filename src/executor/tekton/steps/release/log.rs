//! Passes the log of a release command on while it is written.

use std::io::Write;
use std::time::Duration;

use futures_util::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, LogParams};
use tokio::time::{Instant, sleep, timeout};

use crate::domain::plain_line;
use crate::executor::tekton::client::{Refusal, answer};
use crate::executor::tekton::steps::paced_output::{Pace, size_in_file};

/// Most of a line that is held until it ends.
const PIECE_BYTES: usize = 16 * 1024;
/// After so long a silence the stream is opened again: one that is cut on its way stays silent without a word.
const SILENCE: Duration = Duration::from_mins(1);
/// Longest last line that is kept, in characters.
const MAX_LAST: usize = 300;

/// How far the log is passed on.
#[derive(Debug)]
pub(super) struct JobLog {
    /// Time of the last line, and how many lines with this time were passed on.
    last: Option<(Timestamp, usize)>,
    /// Of a new stream: lines with the last time that still come again.
    known: usize,
    /// Whether the last piece ended its line.
    is_at_start: bool,
    /// Whether the present line was passed on before.
    is_known: bool,
    last_line: String,
    pace: Pace,
    begun: Instant,
}

impl JobLog {
    pub(super) fn new() -> Self {
        let (last_line, pace) = (String::new(), Pace::default());
        Self {
            last: None,
            known: 0,
            is_at_start: true,
            is_known: false,
            last_line,
            pace,
            begun: Instant::now(),
        }
    }

    /// What the command wrote last, without colours.
    pub(super) fn last_line(&self) -> &str {
        &self.last_line
    }

    /// Reads on to the end of what there is. A stream that breaks is no error: the next one goes on.
    pub(super) async fn pass_on(
        &mut self,
        pods: &Api<core::Pod>,
        pod: &str,
        container: &str,
    ) -> Result<(), Refusal> {
        let since = self.last.and_then(|(at, _)| Timestamp::new(at.as_second(), 0).ok());
        let which = LogParams {
            container: Some(container.to_owned()),
            follow: true,
            timestamps: true,
            since_time: since,
            ..LogParams::default()
        };
        let stream = answer(pods.log_stream(pod, &which)).await?;
        self.known = self.last.map_or(0, |(_, count)| count);
        self.end_line();
        self.read(Box::pin(stream)).await;
        Ok(())
    }

    async fn read(&mut self, mut stream: impl AsyncBufRead + Unpin) {
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        loop {
            let mut rest = (&mut stream).take((PIECE_BYTES - piece.len()) as u64);
            let read = timeout(SILENCE, rest.read_until(b'\n', &mut piece)).await;
            let is_over = !matches!(read, Ok(Ok(1..)));
            let is_whole = piece.ends_with(b"\n") || piece.len() == PIECE_BYTES;
            if !is_whole && !is_over {
                continue;
            }
            if let Some(text) = self.take(&piece) {
                sleep(self.pace.pause(size_in_file(text), self.begun.elapsed())).await;
                let mut out = std::io::stdout().lock();
                // Nobody is left to be told that nobody reads.
                drop(out.write_all(text).and_then(|()| out.flush()));
            }
            if is_over {
                return;
            }
            piece.clear();
        }
    }

    /// A stream that broke within a line left it open.
    fn end_line(&mut self) {
        if !self.is_at_start && !self.is_known {
            println!();
        }
        self.is_at_start = true;
    }

    /// What is new of a piece.
    fn take<'a>(&mut self, piece: &'a [u8]) -> Option<&'a [u8]> {
        if piece.is_empty() {
            return None;
        }
        let text =
            if self.is_at_start { self.take_start(piece) } else { Some(piece).filter(|_| !self.is_known) };
        (self.is_at_start, self.is_known) = (piece.ends_with(b"\n"), text.is_none());
        let text = text?;
        let line = plain_line(String::from_utf8_lossy(text).trim());
        if !line.trim().is_empty() {
            self.last_line = line.chars().take(MAX_LAST).collect();
        }
        Some(text)
    }

    /// The same of a line's start, which has the time.
    fn take_start<'a>(&mut self, piece: &'a [u8]) -> Option<&'a [u8]> {
        let end = piece.iter().position(|byte| *byte == b' ');
        let at = end.and_then(|end| std::str::from_utf8(&piece[..end]).ok()?.parse::<Timestamp>().ok());
        let (Some(end), Some(at)) = (end, at) else { return Some(piece) };
        match &mut self.last {
            Some((last, _)) if at < *last && self.known > 0 => return None,
            Some((last, _)) if at == *last && self.known > 0 => {
                self.known -= 1;
                return None;
            }
            // Output and error output are written side by side.
            Some((last, _)) if at < *last => {}
            Some((last, count)) if at == *last => *count += 1,
            last => (*last, self.known) = (Some((at, 1)), 0),
        }
        Some(&piece[end + 1..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(log: &mut JobLog, lines: &[&str]) -> String {
        lines.iter().filter_map(|line| log.take(line.as_bytes())).map(String::from_utf8_lossy).collect()
    }

    #[test]
    fn a_stream_that_is_opened_again_brings_no_line_twice_and_none_less() {
        let mut log = JobLog::new();
        let first =
            ["2026-01-01T00:00:01.1Z a\n", "2026-01-01T00:00:01.2Z b\n", "2026-01-01T00:00:01.2Z b\n"];
        assert_eq!(taken(&mut log, &first), "a\nb\nb\n");

        log.known = log.last.unwrap().1;
        let again = [&first[..], &["2026-01-01T00:00:01.2Z b\n", "2026-01-01T00:00:02Z c\n"]].concat();

        assert_eq!(taken(&mut log, &again), "b\nc\n");
        assert_eq!(log.last_line(), "c");
    }

    #[test]
    fn only_the_start_of_a_long_line_has_a_time_and_blank_lines_are_no_last_ones() {
        let mut log = JobLog::new();

        let text =
            taken(&mut log, &["2026-01-01T00:00:01Z \u{1b}[31mlong", " and on\n", "2026-01-01T00:00:02Z \n"]);

        assert_eq!(text, "\u{1b}[31mlong and on\n\n");
        assert_eq!(log.last_line(), "and on");
    }
}
