//! The way of a step's output to whoever follows the run: bounded in bytes, and in time once the run is stopped.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::domain::Step;
use crate::executor::{Event, Events};

/// How long an event may wait for a reader once the run has been told to stop.
const EVENT_PATIENCE_AFTER_STOP: Duration = Duration::from_secs(1);
/// Most output that is kept of a command whose output is its answer, in bytes.
const MAX_ANSWER: usize = 64 * 1_024;
/// Bytes in a mebibyte.
const MEBIBYTE: u64 = 1_024 * 1_024;

/// Tells the events of one step, output of all its commands included. A slow reader slows the step down, until the
/// run is stopped; then it is not waited for much longer.
pub(super) struct StepLog<'a> {
    step: Step,
    events: &'a Events,
    stop: &'a CancellationToken,
    /// Most bytes of output that are passed on.
    limit: u64,
    passed: u64,
    /// Whether the last line of the output has not ended.
    is_within_line: bool,
    /// Whether a reader was too slow after the stop; output is dropped then.
    given_up: bool,
}

impl<'a> StepLog<'a> {
    pub(super) const fn new(of: Step, events: &'a Events, stop: &'a CancellationToken, limit: u64) -> Self {
        Self { step: of, events, stop, limit, passed: 0, is_within_line: false, given_up: false }
    }

    /// Tells an event in its place between the lines.
    pub(super) async fn tell(&mut self, event: Event) {
        if let Some(place) = self.place().await {
            place.send(event);
        }
    }

    /// Writes a line of our own.
    pub(super) async fn line(&mut self, text: &str) {
        self.is_within_line = false;
        self.tell(Event::Log { step: self.step, bytes: format!("{text}\n").into_bytes() }).await;
    }

    /// The same behind output that may not have ended its last line.
    pub(super) async fn own_line(&mut self, text: &str) {
        if self.is_within_line {
            self.line("").await;
        }
        self.line(text).await;
    }

    /// Takes all bytes as soon as there is room for them; those beyond the limit are dropped, with one line about it.
    async fn take(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        if self.given_up || self.passed > self.limit {
            return bytes.clear();
        }
        self.is_within_line = bytes.last() != Some(&b'\n');
        let Some(place) = self.place().await else { return bytes.clear() };
        let room = self.limit - self.passed;
        self.passed = self.passed.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.passed > self.limit {
            bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
            let mebibytes = self.limit / MEBIBYTE;
            bytes.extend_from_slice(format!("\nOutput beyond {mebibytes} MiB is not kept\n").as_bytes());
        }
        place.send(Event::Log { step: self.step, bytes: std::mem::take(bytes) });
    }

    /// A place for one event. Nothing is lost where this future is dropped.
    async fn place(&mut self) -> Option<mpsc::Permit<'a, Event>> {
        let out_of_patience = async {
            self.stop.cancelled().await;
            tokio::time::sleep(EVENT_PATIENCE_AFTER_STOP).await;
        };
        let place = tokio::select! {
            biased;
            place = self.events.reserve() => place.ok(),
            () = out_of_patience => None,
        };
        self.given_up |= place.is_none();
        place
    }
}

/// Where a command's output goes.
pub(super) enum Output<'o, 'a> {
    /// Into the log of its step.
    Log(&'o mut StepLog<'a>),
    /// It is an answer, and kept: the first 64 KiB.
    Answer(Vec<u8>),
}

impl Output<'_, '_> {
    /// An answer that has nothing yet.
    pub(super) const fn answer() -> Self {
        Self::Answer(Vec::new())
    }

    /// Empties `bytes`, as soon as there is room for them. They stay where this future is dropped before.
    pub(super) async fn take(&mut self, bytes: &mut Vec<u8>) {
        match self {
            Self::Log(log) => log.take(bytes).await,
            Self::Answer(answer) => {
                let room = MAX_ANSWER - answer.len();
                answer.extend(bytes.drain(..).take(room));
            }
        }
    }
}
