//! The last ends of a service as twelve ticks, and the same in words.

use crate::domain::{Deployment, Reason, Status};

/// How many are shown.
pub(super) const COUNT: usize = 12;
/// Units from one tick to the next.
const STRIDE: usize = 9;

/// One tick: its class, and where it is drawn.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tick {
    pub(super) class: &'static str,
    pub(super) x: usize,
    pub(super) y: usize,
    pub(super) height: usize,
}

/// What the picture says, and the picture.
#[derive(Debug)]
pub(super) struct Ticks {
    pub(super) words: String,
    pub(super) ticks: Vec<Tick>,
}

impl Ticks {
    /// Of deployments that have begun, newest first; only the newest twelve count.
    pub(super) fn of(deployments: &[Deployment]) -> Self {
        let kinds: Vec<Kind> = deployments.iter().take(COUNT).rev().map(Kind::of).collect();
        let missing = COUNT.saturating_sub(kinds.len());
        let all = std::iter::repeat_n(Kind::None, missing).chain(kinds.iter().copied());
        let ticks = all.enumerate().map(|(place, kind)| kind.tick(place * STRIDE)).collect();
        Self { words: words(&kinds), ticks }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Good,
    Bad,
    Stopped,
    Running,
    None,
}

impl Kind {
    fn of(deployment: &Deployment) -> Self {
        match deployment.status {
            Status::Succeeded => Self::Good,
            Status::Failed if deployment.reason.is_some_and(Reason::is_intended) => Self::Stopped,
            Status::Failed => Self::Bad,
            _ => Self::Running,
        }
    }

    fn tick(self, x: usize) -> Tick {
        let (class, y, height) = match self {
            Self::Good => ("t-ok", 2, 16),
            Self::Bad => ("t-bad", 12, 6),
            Self::Stopped => ("t-stop", 16, 2),
            Self::Running => ("t-now", 8, 10),
            Self::None => ("t-no", 16, 2),
        };
        Tick { class, x, y, height }
    }
}

fn words(kinds: &[Kind]) -> String {
    let named = [
        (Kind::Good, "succeeded"),
        (Kind::Bad, "failed"),
        (Kind::Stopped, "cancelled or superseded"),
        (Kind::Running, "running"),
    ];
    let count = |kind| kinds.iter().filter(|own| **own == kind).count();
    let parts: Vec<String> = named
        .into_iter()
        .map(|(kind, word)| (count(kind), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if parts.is_empty() {
        return "No deployments yet".to_owned();
    }
    format!("Last deployments, oldest first: {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_count_each_kind_once() {
        let kinds = [Kind::Good, Kind::Bad, Kind::Good, Kind::Running];

        assert_eq!(words(&kinds), "Last deployments, oldest first: 2 succeeded, 1 failed, 1 running");
        assert_eq!(words(&[]), "No deployments yet");
    }

    #[test]
    fn there_are_always_twelve() {
        let ticks = Ticks::of(&[]).ticks;

        assert_eq!(ticks.len(), COUNT);
        assert_eq!(ticks[11], Tick { class: "t-no", x: 99, y: 16, height: 2 });
    }
}
