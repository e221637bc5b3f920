//! The bar in a row of the deployments: how long its steps took, against what is usual.

use std::time::Duration;

use crate::domain::{Deployment, Reason, Step, StepRecord, StepStatus, Timestamp};

/// Units of the whole bar: twice the usual time.
const WIDTH: u64 = 136;
/// Shortest piece and the gap between two, in units.
const LEAST: u64 = 2;
const GAP: u64 = 2;
/// Where a bar that is too long is cut, and the two slivers that say so: place and width, in units.
const CUT: u64 = 126;
const SLIVERS: [(u64, u64); 2] = [(128, 3), (133, 3)];

/// Usual times of the steps of a service.
#[derive(Debug, Clone, Copy, Default)]
pub struct Usual([Duration; Step::ALL.len()]);

impl Usual {
    /// The medians of these deployments, step by step; a step that none of them ran takes no time.
    pub fn of(successes: &[Vec<StepRecord>]) -> Self {
        let median = |step: Step| {
            let of_step = |record: &&StepRecord| record.step == step;
            let mut spans: Vec<_> = successes.iter().flatten().filter(of_step).filter_map(span).collect();
            spans.sort_unstable();
            spans.get(spans.len() / 2).copied().unwrap_or_default()
        };
        Self(Step::ALL.map(median))
    }

    /// Of one step. What takes less than a second is not worth telling, so it counts as nothing.
    pub(super) fn of_step(&self, step: Step) -> Duration {
        Some(self.0[step as usize]).filter(|span| *span >= Duration::from_secs(1)).unwrap_or_default()
    }

    fn total(&self) -> Duration {
        self.0.iter().sum()
    }
}

fn span(record: &StepRecord) -> Option<Duration> {
    Some(record.finished_at?.since(record.started_at?))
}

/// One piece of the bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::web::pages) struct Piece {
    pub(in crate::web::pages) class: &'static str,
    pub(in crate::web::pages) x: u64,
    pub(in crate::web::pages) width: u64,
}

/// The pieces of a deployment's bar, from the left; none where nothing ran.
pub(in crate::web::pages) fn pieces(
    deployment: &Deployment,
    records: &[StepRecord],
    usual: &Usual,
    now: Timestamp,
) -> Vec<Piece> {
    let stopped = deployment.reason.is_some_and(Reason::is_intended);
    let parts = parts(records, usual, stopped, deployment.status.is_final(), now);
    let own: Duration = parts.iter().map(|(_, span)| *span).sum();
    let scale = if usual.total().is_zero() { own } else { usual.total() };
    place(&parts, scale)
}

/// Class and length of each piece: what ran, then what is expected to come.
fn parts(
    records: &[StepRecord],
    usual: &Usual,
    stopped: bool,
    is_over: bool,
    now: Timestamp,
) -> Vec<(&'static str, Duration)> {
    let mut parts = Vec::new();
    for record in records {
        let (class, usual) = (class(record.step), usual.0[record.step as usize]);
        let Some(started) = record.started_at else {
            if !is_over && !usual.is_zero() {
                parts.push(("f0", usual));
            }
            continue;
        };
        let took = record.finished_at.unwrap_or(now).since(started);
        match record.status {
            StepStatus::Running => {
                parts.push(("fn", took));
                parts.extend((usual > took).then(|| ("f0", usual.saturating_sub(took))));
            }
            StepStatus::Failed if !stopped => parts.push(("fx", took)),
            _ => parts.push((class, took)),
        }
    }
    parts
}

/// The release command is no work of its own beside the deploy that it prepares.
const fn class(step: Step) -> &'static str {
    match step {
        Step::Clone => "f1",
        Step::Build => "f2",
        Step::Release | Step::Deploy => "f3",
    }
}

fn place(parts: &[(&'static str, Duration)], scale: Duration) -> Vec<Piece> {
    let unit = (scale.as_millis() * 2).max(1);
    let mut pieces = Vec::new();
    let mut x = 0;
    for (class, span) in parts {
        let width = u64::try_from(span.as_millis() * u128::from(WIDTH) / unit).unwrap_or(u64::MAX);
        let width = width.clamp(LEAST, 10 * WIDTH);
        if x + width > WIDTH {
            pieces.extend((CUT > x + LEAST).then(|| Piece { class, x, width: CUT.saturating_sub(x) }));
            pieces.extend(SLIVERS.map(|(x, width)| Piece { class, x, width }));
            return pieces;
        }
        pieces.push(Piece { class, x, width });
        x += width + GAP;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp::from_millis(1_795_530_649_120);

    fn ran(step: Step, status: StepStatus, from: u64, to: u64) -> StepRecord {
        let at = |seconds| Some(T0.plus(Duration::from_secs(seconds)));
        StepRecord { step, status, started_at: at(from), finished_at: at(to), exit_code: None }
    }

    fn success(build: u64) -> Vec<StepRecord> {
        vec![
            ran(Step::Clone, StepStatus::Succeeded, 0, 2),
            ran(Step::Build, StepStatus::Succeeded, 2, 2 + build),
            ran(Step::Deploy, StepStatus::Succeeded, 2 + build, 10 + build),
        ]
    }

    fn bar(records: &[StepRecord], usual: &Usual, is_over: bool, now: u64) -> Vec<(&'static str, u64, u64)> {
        let parts = parts(records, usual, false, is_over, T0.plus(Duration::from_secs(now)));
        place(&parts, usual.total()).into_iter().map(|piece| (piece.class, piece.x, piece.width)).collect()
    }

    #[test]
    fn the_usual_time_fills_half_of_the_bar() {
        let usual = Usual::of(&[success(10), success(90), success(40)]);

        assert_eq!(usual.0, [2, 40, 0, 8].map(Duration::from_secs));
        assert_eq!(bar(&success(40), &usual, true, 0), [("f1", 0, 2), ("f2", 4, 54), ("f3", 60, 10)]);
    }

    #[test]
    fn what_is_expected_follows_what_runs() {
        let usual = Usual::of(&[success(40)]);
        let mut records = Step::ALWAYS.map(StepRecord::pending);
        records[0] = ran(Step::Clone, StepStatus::Succeeded, 0, 2);
        records[1] = StepRecord { finished_at: None, ..ran(Step::Build, StepStatus::Running, 2, 2) };

        assert_eq!(
            bar(&records, &usual, false, 22),
            [("f1", 0, 2), ("fn", 4, 27), ("f0", 33, 27), ("f0", 62, 10)]
        );
        assert_eq!(bar(&Step::ALWAYS.map(StepRecord::pending), &usual, true, 0), []);
    }

    #[test]
    fn a_bar_that_is_too_long_is_cut() {
        let usual = Usual::of(&[success(40)]);

        let bar = bar(&success(4_000), &usual, true, 0);

        assert_eq!(bar, [("f1", 0, 2), ("f2", 4, 122), ("f2", 128, 3), ("f2", 133, 3)]);
    }

    #[test]
    fn without_a_success_nothing_is_usual() {
        assert!(Usual::of(&[]).total().is_zero());
        assert_eq!(place(&[("f1", Duration::ZERO)], Duration::ZERO).len(), 1);
    }
}
