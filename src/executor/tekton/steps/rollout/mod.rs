//! The deploy step: gives all workloads their new image, waits until all serve, and gives all back what they had where one
//! does not. And the step that comes after one that failed, and puts back what it left half done.

mod back;
mod explain;
mod half_done;
mod judge;
mod place;
pub(super) mod pods;
mod results;
pub(super) mod watch;

use std::time::Duration;

use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::domain::{Workload, WorkloadState, WorkloadStatus};
use crate::executor::exit_codes::{DEPLOY_FAILED, ROLLED_BACK, ROLLOUT_FAILED, SUCCEEDED, SUPERSEDED};
use crate::executor::tekton::client::{Refusal, RefusalKind};
use crate::executor::tekton::workload_object::Found;
use crate::executor::tekton::workload_target::{Said, Target};

use back::{Back, put_back};
use explain::explain;
use judge::{Moment, Way};
use place::{Place, refused};
use pods::Cause;
use watch::{GivenUp, Waited};

pub use half_done::{HalfDone, put_back_half_done};
pub use results::Results;

/// Time between two looks at the workloads.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long the old version may take to serve again; most of the time its pods still run.
const RETURN_LIMIT: Duration = Duration::from_mins(2);
/// The same where the step has been told to stop: Kubernetes kills it 30 s later.
const HURRIED_RETURN_LIMIT: Duration = Duration::from_secs(20);

/// What to roll out.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// What is given the image.
    pub workloads: Vec<Workload>,
    /// The image without tag and digest.
    pub repository: String,
    /// `repository:tag@digest`.
    pub image: String,
    /// The deployment's id.
    pub deployment: String,
    /// What the image was built from; empty where nobody says.
    pub commit: String,
    /// Where the image comes from.
    pub source: String,
    /// Who called.
    pub caller: String,
    /// Whether what was there before is put back where the new image does not come up.
    pub returns: bool,
    /// How long the new image may take.
    pub limit: Duration,
    /// Where it tells how it ended.
    pub results: Results,
}

impl Rollout {
    /// What the pod templates say of it.
    fn said(&self) -> Said {
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        [Some(self.deployment.clone()), text(&self.commit), text(&self.source), text(&self.caller)]
    }
}

/// A workload that was, or may have been, given the new image.
struct Touched<'a> {
    place: &'a Place,
    before: Target,
    /// What the API server made of the patch; none where that was not heard.
    wanted: Option<Target>,
}

/// How the step ended.
struct End {
    code: u8,
    /// For everybody.
    message: String,
    /// What the cluster says.
    detail: Option<String>,
    states: Vec<WorkloadState>,
}

/// Why a rollout is taken back.
struct Failure {
    /// What it ends with where everything is as it was.
    code: u8,
    message: String,
    detail: String,
    /// The workload that failed.
    at: Option<Workload>,
}

/// Rolls out and gives the exit code of the table. `stop` is cancelled by SIGTERM.
pub async fn run(client: Client, rollout: &Rollout, stop: &CancellationToken) -> u8 {
    let places: Vec<_> = rollout.workloads.iter().map(|workload| Place::new(&client, workload)).collect();
    let session = Session { places: &places, rollout, stop };
    let end = session.roll_out().await.unwrap_or_else(|end| end);
    println!("{}", end.message);
    if let Some(detail) = &end.detail {
        println!("{detail}");
    }
    let message = if end.code == SUCCEEDED { "" } else { &end.message };
    rollout.results.tell(&end.states, message, end.detail.as_deref());
    end.code
}

struct Session<'a> {
    places: &'a [Place],
    rollout: &'a Rollout,
    stop: &'a CancellationToken,
}

impl<'a> Session<'a> {
    async fn roll_out(&self) -> Result<End, End> {
        let found = self.look_at_all().await?;
        let touched = self.patch_all(found).await?;
        let mut waited: Vec<_> = touched
            .iter()
            .filter_map(|one| Some(Waited::new(one.place, one.wanted.clone()?, None)))
            .collect();
        let given_up = watch::all(&mut waited, Way::Forward, self.rollout.limit, Some(self.stop)).await;
        let states: Vec<_> = waited
            .iter()
            .map(|one| state(one.place, Some(&one.wanted), WorkloadStatus::Complete, one.last.as_ref()))
            .collect();
        let Err(given_up) = given_up else {
            let message = format!("{} serves", short(&self.rollout.image));
            return Ok(End { code: SUCCEEDED, message, detail: None, states });
        };
        let failure = self.failure(given_up, &waited).await;
        Err(self.take_back(touched, failure).await)
    }

    /// All are looked at before the first is changed.
    async fn look_at_all(&self) -> Result<Vec<(&'a Place, Found)>, End> {
        let (mut all, mut wrong) = (Vec::new(), None);
        for place in self.places {
            let found = match place.get().await {
                Ok(found) => place.before(&found, self.rollout).map(|_| found).map_err(invalid),
                Err(refusal) => Err(refusal),
            };
            match found {
                Ok(found) => all.push((place, found)),
                Err(refusal) => {
                    let (message, detail) = refused(&place.workload, &refusal);
                    println!("{detail}");
                    wrong.get_or_insert((message, detail));
                }
            }
        }
        let Some((message, detail)) = wrong else { return Ok(all) };
        let unchanged = |place: &Place| state(place, None, WorkloadStatus::Unchanged, None);
        let states = self.places.iter().map(unchanged).collect();
        Err(End { code: DEPLOY_FAILED, message, detail: Some(detail), states })
    }

    async fn patch_all(&self, found: Vec<(&'a Place, Found)>) -> Result<Vec<Touched<'a>>, End> {
        let mut touched = Vec::new();
        for (place, found) in found {
            if self.stop.is_cancelled() {
                let message = "the step was told to stop".to_owned();
                let failure = Failure { code: ROLLED_BACK, message, detail: String::new(), at: None };
                return Err(self.take_back(touched, failure).await);
            }
            match place.apply(found, self.rollout).await {
                Ok((before, wanted)) => {
                    place.say(&format!("{}: {} -> {}", wanted.names(), before.image(), wanted.image()));
                    touched.push(Touched { place, before, wanted: Some(wanted) });
                }
                Err((refusal, before)) => {
                    let (message, detail) = refused(&place.workload, &refusal);
                    // Whether the last try arrived is not known.
                    touched.extend(before.map(|before| Touched { place, before, wanted: None }));
                    let at = Some(place.workload.clone());
                    let failure = Failure { code: DEPLOY_FAILED, message, detail, at };
                    return Err(self.take_back(touched, failure).await);
                }
            }
        }
        Ok(touched)
    }

    /// What the end of the waiting means, told in the log with all that is known of it.
    async fn failure(&self, given_up: GivenUp, waited: &[Waited<'_>]) -> Failure {
        let (at, known, over) = match given_up {
            GivenUp::TakenOver(at, by) => {
                let workload = waited[at].place.workload.clone();
                let detail = format!("{}: {by}", workload.without_container());
                let message = "somebody else has changed a workload meanwhile".to_owned();
                return Failure { code: SUPERSEDED, message, detail, at: Some(workload) };
            }
            GivenUp::Broken(at, cause) => (at, Some(cause), None),
            GivenUp::Over(why) => {
                (waited.iter().position(|one| !one.is_done()).unwrap_or(0), None, Some(why))
            }
        };
        let one = &waited[at];
        // Kubernetes kills a step soon after it was told to stop: what was there goes first.
        let cause = if self.stop.is_cancelled() { known } else { explain(one, known).await };
        let (message, detail) = match (cause, over) {
            (Some(Cause { message, detail, .. }), None) => (message, detail),
            (Some(Cause { message, detail, .. }), Some(over)) => (format!("{over}, since {message}"), detail),
            (None, over) => {
                (over.unwrap_or_default(), one.last.as_ref().map(Moment::text).unwrap_or_default())
            }
        };
        Failure {
            code: ROLLED_BACK,
            message: format!("the new version did not come up: {message}"),
            detail: format!("{}: {detail}", one.place.workload.without_container()),
            at: Some(one.place.workload.clone()),
        }
    }

    /// What there was again, in all of them, unless somebody else has taken over.
    async fn take_back(&self, touched: Vec<Touched<'a>>, failure: Failure) -> End {
        let Failure { code, message, detail, at } = failure;
        let detail = Some(detail).filter(|detail| !detail.is_empty());
        if let Some(detail) = &detail {
            println!("{detail}");
        }
        if touched.is_empty() {
            let states = self.states(&Back::default(), at.as_ref(), WorkloadStatus::Unchanged);
            return End { code: DEPLOY_FAILED, message, detail, states };
        }
        // A patch that was refused left no new version, so that the setting has nothing to say.
        if !self.rollout.returns && code != DEPLOY_FAILED {
            let message = format!("{message}; the new image stays, since the service's rollback is off");
            let states = self.states(&Back::default(), at.as_ref(), WorkloadStatus::Updating);
            let code = if code == SUPERSEDED { code } else { ROLLOUT_FAILED };
            return End { code, message, detail, states };
        }
        println!("{message}; putting back what was there");
        let limit = if self.stop.is_cancelled() { HURRIED_RETURN_LIMIT } else { RETURN_LIMIT };
        let back = put_back(touched, &self.rollout.deployment, limit).await;
        let states = self.states(&back, at.as_ref(), WorkloadStatus::Unchanged);
        let detail = [detail, back.trouble.clone()].into_iter().flatten().collect::<Vec<_>>().join("; ");
        let code = match (back.trouble.is_some(), back.is_taken_over) {
            (true, _) => ROLLOUT_FAILED,
            (false, true) => SUPERSEDED,
            (false, false) => code,
        };
        let message = format!("{message}; {}", back.sentence());
        End { code, message, detail: Some(detail).filter(|detail| !detail.is_empty()), states }
    }

    /// How all are left; those that `back` says nothing of are `others`.
    fn states(&self, back: &Back, at: Option<&Workload>, others: WorkloadStatus) -> Vec<WorkloadState> {
        let of = |place: &Place| {
            let known = back.states.iter().find(|state| state.workload.object() == place.workload.object());
            let is_failed = at == Some(&place.workload) && others == WorkloadStatus::Updating;
            let other = if is_failed { WorkloadStatus::Failed } else { others };
            known.cloned().unwrap_or_else(|| state(place, None, other, None))
        };
        self.places.iter().map(of).collect()
    }
}

fn invalid(text: String) -> Refusal {
    Refusal { kind: RefusalKind::Invalid, text }
}

/// How a workload is left.
fn state(
    place: &Place,
    target: Option<&Target>,
    status: WorkloadStatus,
    moment: Option<&Moment>,
) -> WorkloadState {
    let mut workload = place.workload.clone();
    workload.container = target.map(|target| target.main.clone()).or(workload.container);
    let number = |number: Option<i64>| number.and_then(|number| u32::try_from(number).ok()).unwrap_or(0);
    let (ready, desired) = (moment.map(|moment| moment.ready), moment.map(|moment| moment.desired));
    WorkloadState { workload, status, ready: number(ready), desired: number(desired) }
}

/// An image without its digest, for sentences; the log has it once in full.
fn short(image: &str) -> &str {
    image.split('@').next().unwrap_or(image)
}
