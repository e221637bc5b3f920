//! How long a deployment that has not ended will take, going by those before it, and what waits for it.

use std::time::Duration;

use crate::domain::{Deployment, DeploymentId, Status, Step, StepRecord, StepStatus, Timestamp, Trigger};
use crate::web::pages::deployments::around::Around;
use crate::web::pages::format;

/// What is expected of a deployment that has not ended.
#[derive(Debug)]
pub(super) struct Outlook {
    pub(super) left: Option<Left>,
    /// Successes that this goes by.
    pub(super) sample: usize,
    pub(super) behind: i64,
    /// What serves until then: its commit and its page.
    pub(super) serving: Option<Served>,
}

/// How much longer it takes.
#[derive(Debug)]
pub(super) enum Left {
    /// About so long, from now.
    About { text: String, ms: u128 },
    /// It is over its usual time already.
    Late(String),
    /// It takes so long once its turn comes.
    Once(String),
}

/// A deployment that serves or served, as sentences name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Served {
    pub(super) id: DeploymentId,
    pub(super) commit: String,
}

impl Served {
    /// The short commit; for what never had one, the id's end.
    pub(super) fn of(deployment: &Deployment) -> Self {
        let commit = deployment.commit.as_ref().map(|commit| commit.short().to_owned());
        let commit = commit.unwrap_or_else(|| format::short_id(&deployment.id));
        Self { id: deployment.id.clone(), commit }
    }
}

impl Outlook {
    /// None for what has ended, and where nothing is known.
    pub(super) fn of(
        deployment: &Deployment,
        records: &[StepRecord],
        around: &Around,
        now: Timestamp,
    ) -> Option<Self> {
        if deployment.status.is_final() {
            return None;
        }
        // While it rolls out both versions serve.
        let serving = around.serving.as_ref().filter(|_| deployment.status != Status::Deploying);
        let (left, behind) = (left(deployment, records, around, now), around.behind);
        let outlook = Self { left, sample: around.sample, behind, serving: serving.map(Served::of) };
        let tells = outlook.left.is_some() || outlook.behind > 0 || outlook.serving.is_some();
        tells.then_some(outlook)
    }
}

fn left(deployment: &Deployment, records: &[StepRecord], around: &Around, now: Timestamp) -> Option<Left> {
    let usual_of = |record: &StepRecord| expected(deployment, record.step, around);
    let usual: Duration = records.iter().map(usual_of).sum();
    if usual.is_zero() {
        return None;
    }
    if deployment.status == Status::Queued {
        return Some(Left::Once(about(usual)));
    }
    let mut rest = Duration::ZERO;
    for record in records {
        let usual = usual_of(record);
        match (record.status, record.started_at) {
            (StepStatus::Pending, _) => rest += usual,
            (StepStatus::Running, Some(started)) => {
                let took = now.since(started);
                if took > usual && !usual.is_zero() {
                    let name = record.step.as_str();
                    return Some(Left::Late(format!("{name} usually takes {}", format::duration(usual))));
                }
                rest += usual.saturating_sub(took);
            }
            _ => {}
        }
    }
    Some(Left::About { text: about(rest), ms: rest.as_millis() })
}

/// The usual time of a step that it will run. Rolling back in a cluster does nothing but deploy.
fn expected(deployment: &Deployment, step: Step, around: &Around) -> Duration {
    let only_deploys = matches!(deployment.trigger, Trigger::Rollback(_)) && deployment.image.is_some();
    if only_deploys && step != Step::Deploy { Duration::ZERO } else { around.usual.of_step(step) }
}

/// To five seconds where it is more than ten, since a median is no promise.
fn about(span: Duration) -> String {
    let seconds = span.as_secs() + u64::from(span.subsec_millis() >= 500);
    let seconds = if seconds > 10 { seconds.div_ceil(5) * 5 } else { seconds.max(1) };
    format::duration(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_roughly() {
        let told = [0, 400, 7_600, 10_400, 52_000, 61_000].map(|ms| about(Duration::from_millis(ms)));

        assert_eq!(told, ["1 s", "1 s", "8 s", "10 s", "55 s", "1 min 05 s"]);
    }
}
