//! The picture of a service: its last ends as bars, and what its last hundred say.

use std::time::Duration;

use crate::db::deployments::End;
use crate::domain::{DeploymentId, Reason, Status, Step, Timestamp};
use crate::web::pages::format::{self, Moment};

/// Ends that are drawn, and ends that the rates go by.
const BARS: usize = 30;
pub(super) const COUNTED: u32 = 100;
/// Units: from one bar to the next, the height of the longest, and of the shortest.
const STRIDE: usize = 10;
const HEIGHT: u128 = 48;
const LEAST: u128 = 3;
/// With fewer ends a picture tells nothing.
const FEWEST: usize = 3;

/// The picture, and the same in words.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) bars: Vec<Bar>,
    pub(super) words: String,
    /// `94 % of the last 50 succeeded`, …
    pub(super) rates: Vec<String>,
}

/// One end: where it is drawn, and its row in the table behind.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) class: &'static str,
    pub(super) x: usize,
    pub(super) y: u128,
    pub(super) height: u128,
    pub(super) id: DeploymentId,
    pub(super) word: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) took: String,
    pub(super) at: Moment,
}

impl Picture {
    /// Of ends, newest first; none where there are too few.
    pub(super) fn of(ends: &[End], now: Timestamp) -> Option<Self> {
        if ends.len() < FEWEST {
            return None;
        }
        let drawn: Vec<&End> = ends.iter().take(BARS).rev().collect();
        let longest = drawn.iter().filter_map(|end| end.took).max().unwrap_or_default();
        let bars = drawn.iter().enumerate().map(|(place, end)| Bar::of(place, end, longest, now)).collect();
        let words = format!(
            "The last {}: {} succeeded, {} failed, {} stopped on purpose; the tallest took {}",
            format::count(drawn.len() as u64, "end"),
            drawn.iter().filter(|end| kind(end) == Kind::Good).count(),
            drawn.iter().filter(|end| kind(end) == Kind::Bad).count(),
            drawn.iter().filter(|end| kind(end) == Kind::Stopped).count(),
            format::duration(format::whole_seconds(longest)),
        );
        Some(Self { bars, words, rates: rates(ends) })
    }
}

impl Bar {
    fn of(place: usize, end: &End, longest: Duration, now: Timestamp) -> Self {
        let took = end.took.unwrap_or_default();
        let height = (took.as_millis() * HEIGHT / longest.as_millis().max(1)).max(LEAST);
        let (class, word) = match kind(end) {
            Kind::Good => ("p-ok", "Succeeded"),
            Kind::Bad => ("p-bad", "Failed"),
            Kind::Stopped => ("p-stop", "Stopped"),
        };
        Self {
            class,
            x: place * STRIDE,
            y: HEIGHT - height,
            height,
            id: end.id.clone(),
            word,
            reason: end.reason.map(Reason::as_str),
            took: match end.took {
                Some(took) => format::duration(format::whole_seconds(took)),
                None => "did not run".to_owned(),
            },
            at: Moment::new(end.at, now),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Good,
    Bad,
    Stopped,
}

fn kind(end: &End) -> Kind {
    match (end.status, end.reason) {
        (Status::Succeeded, _) => Kind::Good,
        (_, Some(reason)) if reason.is_intended() => Kind::Stopped,
        _ => Kind::Bad,
    }
}

/// What somebody stopped counts for neither side.
fn rates(ends: &[End]) -> Vec<String> {
    let judged: Vec<&End> = ends.iter().filter(|end| kind(end) != Kind::Stopped).collect();
    if judged.is_empty() {
        return Vec::new();
    }
    let good: Vec<&End> = judged.iter().copied().filter(|end| kind(end) == Kind::Good).collect();
    let mut rates =
        vec![format!("{} % of the last {} succeeded", good.len() * 100 / judged.len(), judged.len())];
    let mut spans: Vec<_> = good.iter().filter_map(|end| end.took).collect();
    spans.sort_unstable();
    if let Some(median) = spans.get(spans.len() / 2) {
        rates.push(format!(
            "half of them took less than {}",
            format::duration(format::whole_seconds(*median))
        ));
    }
    let failed = |step: Step| judged.iter().filter(|end| end.failed_step == Some(step)).count();
    let worst = Step::ALL.into_iter().max_by_key(|step| failed(*step)).filter(|step| failed(*step) > 0);
    if let Some(step) = worst {
        rates.push(format!("what failed, failed most in {}: {}", step.as_str(), times(failed(step))));
    }
    rates
}

fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(place: usize, status: Status, reason: Option<Reason>, step: Option<Step>, seconds: u64) -> End {
        End {
            id: DeploymentId::parse(&format!("dep_{place:020}")).unwrap(),
            status,
            reason,
            failed_step: step,
            took: Some(Duration::from_secs(seconds)),
            at: Timestamp::from_millis(1_795_530_649_120),
        }
    }

    #[test]
    fn bars_are_as_high_as_their_time_and_rates_leave_out_what_was_stopped() {
        let now = Timestamp::from_millis(1_795_530_649_120);
        let ends = [
            end(3, Status::Succeeded, None, None, 40),
            end(2, Status::Failed, Some(Reason::BuildFailed), Some(Step::Build), 20),
            end(1, Status::Failed, Some(Reason::Cancelled), Some(Step::Build), 1),
            end(0, Status::Succeeded, None, None, 10),
        ];

        let picture = Picture::of(&ends, now).unwrap();

        let drawn: Vec<_> = picture.bars.iter().map(|bar| (bar.class, bar.x, bar.y, bar.height)).collect();
        assert_eq!(
            drawn,
            [("p-ok", 0, 36, 12), ("p-stop", 10, 45, 3), ("p-bad", 20, 24, 24), ("p-ok", 30, 0, 48)]
        );
        assert_eq!(
            picture.rates,
            [
                "66 % of the last 3 succeeded",
                "half of them took less than 40 s",
                "what failed, failed most in build: once",
            ]
        );
        assert!(Picture::of(&ends[..2], now).is_none());
    }
}
