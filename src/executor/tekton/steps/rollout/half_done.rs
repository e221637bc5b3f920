//! Comes after a deploy step that failed, whoever or whatever ended it, and puts back what it left half done.
//!
//! A killed step tells nothing, so everything is read from the workloads themselves: the pod template says whose it is, and
//! an annotation that the same patch wrote what was there before.

use std::path::PathBuf;

use kube::Client;

use crate::domain::Workload;
use crate::executor::exit_codes::{ROLLOUT_FAILED, SUCCEEDED};
use crate::executor::tekton::client::{Refusal, RefusalKind};
use crate::executor::tekton::put_back::PutBack;
use crate::executor::tekton::workload_object::Found;
use crate::executor::tekton::workload_target::{Target, is_of, is_returned};

use super::back::{Back, put_back, wait};
use super::judge::{Next, Way};
use super::place::Place;
use super::results::{Results, tell};
use super::watch::Waited;
use super::{RETURN_LIMIT, Touched};

/// A deployment whose deploy step failed.
#[derive(Debug, Clone)]
pub struct HalfDone {
    /// What it was to give its image.
    pub workloads: Vec<Workload>,
    /// Its id.
    pub deployment: String,
    /// Where the word for what became of it is written, as a result of the task.
    pub outcome: Option<PathBuf>,
    /// Where the rest is told.
    pub results: Results,
}

/// Puts back what is half done, and gives the exit code of the table.
pub async fn put_back_half_done(client: Client, half_done: &HalfDone) -> u8 {
    let places: Vec<_> = half_done.workloads.iter().map(|workload| Place::new(&client, workload)).collect();
    let (outcome, back) = match mend(&places, &half_done.deployment).await {
        Ok(done) => done,
        Err(refusal) => {
            let trouble = Some(format!("what there is could not be read: {}", refusal.text));
            (PutBack::Failed, Back { trouble, ..Back::default() })
        }
    };
    let message = match outcome {
        PutBack::Nothing => "nothing of this deployment is there".to_owned(),
        PutBack::Complete => "the new version serves everywhere already and stays".to_owned(),
        _ => back.sentence(),
    };
    println!("{message}");
    back.trouble.iter().for_each(|trouble| println!("{trouble}"));
    tell(half_done.outcome.as_deref(), outcome.as_str());
    half_done.results.tell(&back.states, &message, back.trouble.as_deref());
    if outcome == PutBack::Failed { ROLLOUT_FAILED } else { SUCCEEDED }
}

async fn mend(places: &[Place], deployment: &str) -> Result<(PutBack, Back), Refusal> {
    let mut all = Vec::new();
    for place in places {
        match place.get().await {
            Ok(found) => all.push((place, found)),
            Err(refusal) if refusal.kind == RefusalKind::Missing => place.say("it is not there"),
            Err(refusal) => return Err(refusal),
        }
    }
    let own: Vec<_> = all.iter().filter(|(_, found)| is_of(found, deployment)).collect();
    let returned: Vec<_> = all.iter().filter(|(_, found)| is_returned(found, deployment)).collect();
    if own.is_empty() && returned.is_empty() {
        return Ok((PutBack::Nothing, Back::default()));
    }
    if own.len() == places.len() && are_complete(&own).await {
        return Ok((PutBack::Complete, Back::default()));
    }
    let (mut touched, mut lost) = (Vec::new(), None);
    for (place, found) in own {
        match Target::noted(found, deployment) {
            Some(before) => touched.push(Touched { place, before, wanted: None }),
            None => lost = Some(format!("{}: what it had is not noted on it", place.workload)),
        }
    }
    let mut back = put_back(touched, deployment, RETURN_LIMIT).await;
    let waited =
        returned.iter().map(|(place, found)| Waited::new(place, Target::present(found), None)).collect();
    wait(&mut back, waited, RETURN_LIMIT).await;
    back.trouble = back.trouble.or(lost);
    let outcome = match (&back.trouble, back.is_taken_over) {
        (Some(_), _) => PutBack::Failed,
        (None, true) => PutBack::TakenOver,
        (None, false) => PutBack::Returned,
    };
    Ok((outcome, back))
}

/// Whether each is new and complete at this moment. A rollout that had come to its end is no half one.
async fn are_complete(all: &[&(&Place, Found)]) -> bool {
    for (place, found) in all {
        let moment = place.look(&Target::present(found), Way::Forward).await;
        if !moment.is_ok_and(|(moment, _)| moment.next == Next::Done) {
            return false;
        }
    }
    true
}
