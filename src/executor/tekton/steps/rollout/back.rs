//! The way back: gives workloads what they had, and waits until that serves.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::domain::{WorkloadState, WorkloadStatus};

use super::judge::Way;
use super::place::Returned;
use super::watch::{self, GivenUp, Waited};
use super::{Touched, state};

/// What came of it.
#[derive(Default)]
pub(super) struct Back {
    pub(super) states: Vec<WorkloadState>,
    /// Whether somebody else has changed one of them since, which stays as it is.
    pub(super) is_taken_over: bool,
    /// What the cluster says where some could not be put back, or do not serve.
    pub(super) trouble: Option<String>,
    /// Whether each was given what it had, whatever came of that.
    pub(super) has_old_images: bool,
    pub(super) serving: (i64, i64),
}

impl Back {
    /// What there is now; continues a sentence.
    pub(super) fn sentence(&self) -> String {
        let (ready, desired) = self.serving;
        match (&self.trouble, self.has_old_images) {
            (None, _) if self.is_taken_over => {
                "what nobody else has changed has its old image again".to_owned()
            }
            (None, _) => "the old one serves again".to_owned(),
            (Some(_), true) => {
                format!("the old image was put back, and {ready} of {desired} replicas of it serve")
            }
            (Some(_), false) => "the old image could not be put back everywhere".to_owned(),
        }
    }

    fn trouble(&mut self, text: String) {
        self.trouble.get_or_insert(text);
    }
}

/// Puts all back that were touched, each by itself, and waits for all together.
pub(super) async fn put_back(touched: Vec<Touched<'_>>, deployment: &str, limit: Duration) -> Back {
    let until = Instant::now() + limit;
    let tries =
        touched.iter().map(|one| one.place.put_back(&one.before, one.wanted.as_ref(), deployment, until));
    let tries = join_all(tries).await;
    let (mut back, mut waited) = (Back { has_old_images: true, ..Back::default() }, Vec::new());
    for (Touched { place, before, .. }, tried) in touched.into_iter().zip(tries) {
        let title = place.workload.without_container();
        let status = match tried {
            Ok(Returned::Back(answered)) => {
                place.say(&format!("back to {}", answered.image()));
                waited.push(Waited::new(place, answered, Some(deployment)));
                continue;
            }
            Ok(Returned::TakenOver(by)) => {
                place.say(&by);
                back.is_taken_over = true;
                WorkloadStatus::TakenOver
            }
            Ok(Returned::Gone) => {
                back.trouble(format!("{title} was deleted meanwhile"));
                WorkloadStatus::Failed
            }
            Err(refusal) => {
                back.has_old_images = false;
                back.trouble(format!("{title} could not be put back: {}", refusal.text));
                WorkloadStatus::Failed
            }
        };
        back.states.push(state(place, Some(&before), status, None));
    }
    wait(&mut back, waited, limit).await;
    back
}

/// Waits until those that were put back serve; one that somebody takes over meanwhile is left alone, and the others are
/// waited for.
pub(super) async fn wait(back: &mut Back, mut waited: Vec<Waited<'_>>, limit: Duration) {
    let until = Instant::now() + limit;
    while !waited.is_empty() {
        match watch::all(&mut waited, Way::Back, until.duration_since(Instant::now()), None).await {
            Ok(()) => break,
            Err(GivenUp::TakenOver(at, by)) => {
                let one = waited.swap_remove(at);
                one.place.say(&by);
                back.is_taken_over = true;
                let taken = WorkloadStatus::TakenOver;
                back.states.push(state(one.place, Some(&one.wanted), taken, one.last.as_ref()));
            }
            Err(GivenUp::Broken(at, cause)) => {
                back.trouble(format!("{}: {}", waited[at].place.workload.without_container(), cause.detail));
                break;
            }
            Err(GivenUp::Over(why)) => {
                back.trouble(why);
                break;
            }
        }
    }
    for one in waited {
        let status = if one.is_done() { WorkloadStatus::Returned } else { WorkloadStatus::Failed };
        let figures = one.last.as_ref().map_or((0, 0), |moment| (moment.ready, moment.desired));
        back.serving = (back.serving.0 + figures.0, back.serving.1 + figures.1);
        back.states.push(state(one.place, Some(&one.wanted), status, one.last.as_ref()));
    }
}
