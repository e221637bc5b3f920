//! The end of each log that is being written, in memory: what was stored last, for those who follow, so that a line is read
//! from no file as often as it has readers; and the last line as it stands before it is kept, which is never stored.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::logs::Piece;
use crate::domain::{DeploymentId, Step};

/// Most bytes of one log that are remembered, beside the piece that came last.
const TAIL_BYTES: usize = 64 * 1024;

/// A line that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLine {
    /// Whose output it is.
    pub step: Step,
    /// All of it, redacted.
    pub text: String,
}

#[derive(Debug, Default)]
struct LiveLog {
    line: Option<OpenLine>,
    /// Without a gap; the last one ends where the log does.
    tail: VecDeque<Arc<Piece>>,
    /// Bytes of the tail.
    bytes: usize,
}

/// Those of all logs.
#[derive(Debug, Default)]
pub(super) struct LiveLogs(Mutex<HashMap<DeploymentId, LiveLog>>);

impl LiveLogs {
    pub(super) fn set_line(&self, id: &DeploymentId, line: Option<OpenLine>) {
        let mut logs = self.logs();
        match logs.get_mut(id) {
            Some(log) => log.line = line,
            None if line.is_some() => drop(logs.insert(id.clone(), LiveLog { line, ..LiveLog::default() })),
            None => {}
        }
    }

    pub(super) fn line(&self, id: &DeploymentId) -> Option<OpenLine> {
        self.logs().get(id)?.line.clone()
    }

    /// Adds what was stored last.
    pub(super) fn push(&self, id: &DeploymentId, piece: Piece) {
        let mut logs = self.logs();
        let log = logs.entry(id.clone()).or_default();
        if log.tail.back().is_some_and(|last| last.end() != piece.at_byte) {
            (log.tail, log.bytes) = (VecDeque::new(), 0);
        }
        log.bytes += piece.text.len();
        log.tail.push_back(Arc::new(piece));
        while log.bytes > TAIL_BYTES && log.tail.len() > 1 {
            log.bytes -= log.tail.pop_front().map_or(0, |first| first.text.len());
        }
    }

    /// The pieces that hold or follow the byte `from`; none where they are not all here.
    pub(super) fn from(&self, id: &DeploymentId, from: u64) -> Option<Vec<Arc<Piece>>> {
        let logs = self.logs();
        let tail = &logs.get(id)?.tail;
        let is_whole = tail.front()?.at_byte <= from && from <= tail.back()?.end();
        is_whole.then(|| tail.iter().filter(|piece| piece.end() > from).cloned().collect())
    }

    /// Nothing more comes.
    pub(super) fn forget(&self, id: &DeploymentId) {
        self.logs().remove(id);
    }

    fn logs(&self) -> MutexGuard<'_, HashMap<DeploymentId, LiveLog>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn piece(at_byte: u64, text: &str) -> Piece {
        Piece { at_byte, at_line: 0, step: Step::Build, at: Timestamp::from_millis(0), text: text.to_owned() }
    }

    fn texts(logs: &LiveLogs, id: &DeploymentId, from: u64) -> Option<Vec<String>> {
        logs.from(id, from).map(|pieces| pieces.iter().map(|piece| piece.text.clone()).collect())
    }

    #[test]
    fn the_tail_gives_what_it_has_whole_and_nothing_else() {
        let (logs, id) = (LiveLogs::default(), DeploymentId::generate(Timestamp::from_millis(0)));
        assert_eq!(texts(&logs, &id, 0), None, "of a log that nobody writes");

        logs.push(&id, piece(10, "abc"));
        logs.push(&id, piece(13, "de"));

        let found = [9, 10, 12, 13, 15, 16].map(|from| texts(&logs, &id, from).map(|texts| texts.join("|")));
        assert_eq!(
            found.each_ref().map(Option::as_deref),
            [None, Some("abc|de"), Some("abc|de"), Some("de"), Some(""), None]
        );
        logs.forget(&id);
        assert_eq!(texts(&logs, &id, 13), None);
    }

    #[test]
    fn the_tail_has_a_bound_and_no_gap() {
        let (logs, id) = (LiveLogs::default(), DeploymentId::generate(Timestamp::from_millis(0)));
        let text = "x".repeat(TAIL_BYTES / 2);
        for at in 0..5 {
            logs.push(&id, piece(at * text.len() as u64, &text));
        }
        let end = 5 * text.len() as u64;
        assert!(logs.from(&id, 0).is_none() && logs.from(&id, end - 1).is_some_and(|found| found.len() == 1));

        logs.push(&id, piece(end + 7, "behind a gap"));

        assert!(logs.from(&id, end).is_none() && logs.from(&id, end + 7).is_some());
    }
}
