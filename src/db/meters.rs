//! What is counted while the server works: in memory, since the start, without a lock. Whoever shows it reads the numbers.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::domain::{Reason, Step};

/// Bounds of a histogram.
const BOUNDS: usize = 12;
/// Upper bounds of what takes milliseconds, in microseconds.
const BATCHES: [u64; BOUNDS] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000];
/// Upper bounds of what takes minutes, in microseconds: a second to two hours.
const RUNS: [u64; BOUNDS] = {
    let seconds = [1, 5, 10, 30, 60, 120, 300, 600, 1_200, 1_800, 3_600, 7_200];
    let mut micros = [0; BOUNDS];
    let mut at = 0;
    while at < BOUNDS {
        micros[at] = seconds[at] * 1_000_000;
        at += 1;
    }
    micros
};

/// How long things took, sorted into a fixed number of bounds.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64; BOUNDS],
    /// How many took at most the bound of that place, and more than the one before; the last have no bound.
    counts: [AtomicU64; BOUNDS + 1],
    sum_micros: AtomicU64,
}

/// What a histogram has counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// How many took at most so long and longer than the bound before; the last have no bound.
    pub buckets: Vec<(Option<Duration>, u64)>,
    /// How long all of them took together.
    pub sum: Duration,
}

impl Observed {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

impl Histogram {
    const fn new(bounds: &'static [u64; BOUNDS]) -> Self {
        Self { bounds, counts: [const { AtomicU64::new(0) }; BOUNDS + 1], sum_micros: AtomicU64::new(0) }
    }

    fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = self.bounds.partition_point(|bound| *bound < micros);
        self.counts[place].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// What was counted so far.
    pub fn read(&self) -> Observed {
        let bounds = self.bounds.iter().map(|bound| Some(Duration::from_micros(*bound))).chain([None]);
        let counts = self.counts.iter().map(|count| count.load(Ordering::Relaxed));
        let sum = Duration::from_micros(self.sum_micros.load(Ordering::Relaxed));
        Observed { buckets: bounds.zip(counts).collect(), sum }
    }
}

/// How a run ended, in the words that OpenTelemetry has for `cicd.pipeline.result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunResult {
    /// It serves.
    Success,
    /// What was to be deployed is at fault.
    Failure,
    /// It took longer than it may.
    Timeout,
    /// Somebody ended it on purpose.
    Cancellation,
    /// This server or the cluster is at fault.
    Error,
}

impl RunResult {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Success, Self::Failure, Self::Timeout, Self::Cancellation, Self::Error];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Timeout => "timeout",
            Self::Cancellation => "cancellation",
            Self::Error => "error",
        }
    }

    /// Of a deployment that ended so; none is a success.
    pub const fn of(reason: Option<Reason>) -> Self {
        match reason {
            None => Self::Success,
            Some(Reason::Timeout) => Self::Timeout,
            Some(reason) if reason.is_intended() => Self::Cancellation,
            Some(
                Reason::ImageUnavailable
                | Reason::RunDeleted
                | Reason::InvalidPipeline
                | Reason::ExecutorUnavailable
                | Reason::ClusterUnreachable
                | Reason::ClusterRefused
                | Reason::Interrupted
                | Reason::Internal,
            ) => Self::Error,
            Some(_) => Self::Failure,
        }
    }
}

/// Something that a closure of the writer has seen end; it counts once its batch is committed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    /// A deployment, and how long it ran where it did.
    Deployment { reason: Option<Reason>, ran: Option<Duration> },
    /// A step.
    Step { step: Step, has_succeeded: bool, took: Duration },
}

/// The meters of one file. Deployments and steps end in the core file alone.
#[derive(Debug)]
pub struct Meters {
    batches: Histogram,
    /// By reason, in the order of all reasons; the last place is for those that succeeded.
    ends: [AtomicU64; Reason::ALL.len() + 1],
    runs: [Histogram; RunResult::ALL.len()],
    /// Those that failed, and those that succeeded.
    steps: [[Histogram; 2]; Step::ALL.len()],
}

impl Meters {
    pub(super) const fn new() -> Self {
        Self {
            batches: Histogram::new(&BATCHES),
            ends: [const { AtomicU64::new(0) }; Reason::ALL.len() + 1],
            runs: [const { Histogram::new(&RUNS) }; RunResult::ALL.len()],
            steps: [const { [const { Histogram::new(&RUNS) }; 2] }; Step::ALL.len()],
        }
    }

    /// Counts a batch that was committed.
    pub(super) fn batch(&self, took: Duration) {
        self.batches.observe(took);
    }

    /// Counts what a committed batch has ended.
    pub(super) fn count(&self, ended: &[Ended]) {
        for one in ended {
            match *one {
                Ended::Deployment { reason, ran } => {
                    self.ends[place_of(reason)].fetch_add(1, Ordering::Relaxed);
                    if let Some(ran) = ran {
                        self.runs[RunResult::of(reason) as usize].observe(ran);
                    }
                }
                Ended::Step { step, has_succeeded, took } => {
                    self.steps[step as usize][usize::from(has_succeeded)].observe(took);
                }
            }
        }
    }

    /// How long the writer took for its batches, from their beginning to the answer of their closures.
    pub fn batches(&self) -> Observed {
        self.batches.read()
    }

    /// How many deployments ended for each reason, and how many succeeded, which have none.
    pub fn ends(&self) -> Vec<(Option<Reason>, u64)> {
        let reasons = Reason::ALL.into_iter().map(Some).chain([None]);
        reasons.map(|reason| (reason, self.ends[place_of(reason)].load(Ordering::Relaxed))).collect()
    }

    /// How long deployments ran that ended so.
    pub fn runs(&self, result: RunResult) -> Observed {
        self.runs[result as usize].read()
    }

    /// How long a step took that ended so.
    pub fn steps(&self, step: Step, has_succeeded: bool) -> Observed {
        self.steps[step as usize][usize::from(has_succeeded)].read()
    }
}

fn place_of(reason: Option<Reason>) -> usize {
    reason.map_or(Reason::ALL.len(), |reason| reason as usize)
}

#[cfg(test)]
mod tests;
