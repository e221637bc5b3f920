//! Waits for all workloads of a rollout together.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::WorkloadKind;
use crate::executor::tekton::client::RefusalKind;
use crate::executor::tekton::workload_target::Target;

use super::LOOK_INTERVAL;
use super::judge::{Moment, Next, Way};
use super::place::Place;
use super::pods::{Cause, Grade, Trouble};

/// A trouble that may pass has to hold this long, so that a registry's hiccup undoes nothing.
const PASSING_LIMIT: Duration = Duration::from_mins(1);
/// A trouble that does not pass is seen so often, since one look may meet a state in between.
const DEFINITE_LOOKS: u32 = 2;
/// Kinds without a deadline of their own get Kubernetes' default for Deployments.
const PROGRESS_LIMIT: Duration = Duration::from_mins(10);

/// A workload that is waited for.
pub(super) struct Waited<'a> {
    pub(super) place: &'a Place,
    pub(super) wanted: Target,
    /// Of a way back: the deployment that is taken back.
    undone: Option<&'a str>,
    told: String,
    troubles: HashMap<String, Since>,
    progress: ((i64, i64), Instant),
    pub(super) last: Option<Moment>,
    pub(super) pods: Vec<core::Pod>,
}

/// Since when a container is in trouble.
pub(in crate::executor::tekton::steps) struct Since {
    at: Instant,
    looks: u32,
    is_definite: bool,
}

/// Why workloads are not waited for any more.
pub(super) enum GivenUp {
    /// The one at this place will not serve.
    Broken(usize, Cause),
    /// The one at this place was changed by somebody else, or is gone.
    TakenOver(usize, String),
    /// Time is up, or the step was told to stop.
    Over(String),
}

impl<'a> Waited<'a> {
    pub(super) fn new(place: &'a Place, wanted: Target, undone: Option<&'a str>) -> Self {
        let progress = ((-1, -1), Instant::now());
        let (told, troubles) = (String::new(), HashMap::new());
        Self { place, wanted, undone, told, troubles, progress, last: None, pods: Vec::new() }
    }

    pub(super) fn is_done(&self) -> bool {
        self.last.as_ref().is_some_and(|moment| moment.next == Next::Done)
    }

    /// Looks at it and says what is new; where it will not come up, why.
    async fn look(&mut self, way: Way) -> Result<(), Stuck> {
        let text = match self.place.look(&self.wanted, way).await {
            Ok((moment, pods)) => {
                let text = moment.text();
                if let Some(undone) = self.undone {
                    self.place.remove_broken(&pods, undone).await;
                }
                self.last = Some(moment);
                self.pods = pods;
                text
            }
            Err(refusal) if refusal.kind == RefusalKind::Missing => {
                return Err(Stuck::TakenOver("it was deleted meanwhile".to_owned()));
            }
            Err(refusal) => format!("the cluster does not tell: {}", refusal.text),
        };
        if text != self.told {
            self.place.say(&text);
            self.told = text;
        }
        match self.last.as_ref().map(|moment| moment.next.clone()) {
            Some(Next::Broken(cause)) => Err(Stuck::Broken(cause)),
            Some(Next::TakenOver(by)) => Err(Stuck::TakenOver(by)),
            Some(Next::Wait) if way == Way::Forward => {
                self.held_up().map_or(Ok(()), |cause| Err(Stuck::Broken(cause)))
            }
            _ => Ok(()),
        }
    }

    /// A trouble that has held long enough, or no progress for too long.
    fn held_up(&mut self) -> Option<Cause> {
        let moment = self.last.as_ref()?;
        let now = Instant::now();
        let figures = (moment.updated, moment.ready);
        if self.progress.0 != figures {
            self.progress = (figures, now);
        }
        let cause = hopeless(&mut self.troubles, &moment.troubles, now);
        let has_deadline =
            matches!(self.place.workload.kind, WorkloadKind::Deployment | WorkloadKind::CronJob);
        let stands = !has_deadline && now.duration_since(self.progress.1) >= PROGRESS_LIMIT;
        cause.or_else(|| {
            let detail = format!("no progress within {} s", PROGRESS_LIMIT.as_secs());
            let plain = Cause { message: "it makes no progress".to_owned(), detail, log_of: None };
            stands.then(|| moment.cause.clone().unwrap_or(plain))
        })
    }
}

enum Stuck {
    Broken(Cause),
    TakenOver(String),
}

/// The trouble that has held long enough, by its grade; what has passed is forgotten.
pub(in crate::executor::tekton::steps) fn hopeless(
    known: &mut HashMap<String, Since>,
    troubles: &[Trouble],
    now: Instant,
) -> Option<Cause> {
    known.retain(|container, _| troubles.iter().any(|trouble| trouble.container == *container));
    let mut counted = Vec::new();
    troubles.iter().find_map(|trouble| {
        let since =
            known.entry(trouble.container.clone()).or_insert(Since { at: now, looks: 0, is_definite: false });
        since.is_definite |= trouble.grade == Grade::Definite;
        if !counted.contains(&&trouble.container) {
            counted.push(&trouble.container);
            since.looks += 1;
        }
        let is_held = match trouble.grade {
            Grade::Certain => true,
            _ if since.is_definite => since.looks >= DEFINITE_LOOKS,
            _ => now.duration_since(since.at) >= PASSING_LIMIT,
        };
        is_held.then(|| trouble.cause.clone())
    })
}

/// Waits until all serve what they should.
pub(super) async fn all(
    waited: &mut [Waited<'_>],
    way: Way,
    limit: Duration,
    stop: Option<&CancellationToken>,
) -> Result<(), GivenUp> {
    let until = Instant::now() + limit;
    loop {
        for (at, one) in waited.iter_mut().enumerate() {
            match one.look(way).await {
                Ok(()) => {}
                Err(Stuck::Broken(cause)) => return Err(GivenUp::Broken(at, cause)),
                Err(Stuck::TakenOver(by)) => return Err(GivenUp::TakenOver(at, by)),
            }
        }
        if waited.iter().all(Waited::is_done) {
            return Ok(());
        }
        if Instant::now() >= until {
            return Err(GivenUp::Over(format!("it was not complete after {} s", limit.as_secs())));
        }
        if stop.is_some_and(CancellationToken::is_cancelled) {
            return Err(GivenUp::Over("the step was told to stop".to_owned()));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_INTERVAL) => {}
            () = cancelled(stop) => {}
        }
    }
}

async fn cancelled(stop: Option<&CancellationToken>) {
    match stop {
        Some(stop) => stop.cancelled().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(grade: Grade) -> Trouble {
        let cause = Cause { message: String::new(), detail: format!("{grade:?}"), log_of: None };
        Trouble { container: "web".to_owned(), grade, cause }
    }

    /// After how many seconds of looks it is given up.
    fn given_up_after(looks: impl Fn(u64) -> Option<Grade>) -> Option<u64> {
        let (mut known, begun) = (HashMap::new(), Instant::now());
        (0..200).find(|second| {
            let troubles: Vec<_> = looks(*second).map(trouble).into_iter().collect();
            hopeless(&mut known, &troubles, begun + Duration::from_secs(*second)).is_some()
        })
    }

    #[test]
    fn what_may_pass_has_to_hold_for_a_minute_and_what_does_not_for_two_looks() {
        assert_eq!(given_up_after(|_| Some(Grade::Passing)), Some(60));
        assert_eq!(given_up_after(|_| Some(Grade::Definite)), Some(1));
        assert_eq!(given_up_after(|_| Some(Grade::Certain)), Some(0));
        assert_eq!(given_up_after(|second| (second % 50 != 49).then_some(Grade::Passing)), None, "it passed");
    }

    #[test]
    fn back_off_after_a_definite_answer_is_still_definite() {
        let looks = |second| Some(if second == 3 { Grade::Definite } else { Grade::Passing });

        assert_eq!(given_up_after(looks), Some(3));
    }
}
