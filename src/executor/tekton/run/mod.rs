//! What the server does for one run: writes its PipelineRun, creates it, observes it and follows its logs to the end.

mod create;
mod deploy_task;
mod follow;
mod found;
mod log_pieces;
mod log_position;
mod logs;
mod look_up_task;
mod observe;
pub mod pipeline_run;
mod settling;
pub mod small_runs;
pub mod snapshot;
mod tasks;
pub(super) mod verdict;
pub mod view;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, Preconditions};
use tokio_util::sync::CancellationToken;

use crate::domain::{DeploymentId, ImageDigest, Reason};
use crate::executor::tekton::api::pipeline_runs;
use crate::executor::tekton::client::{RefusalKind, answer};
use crate::executor::tekton::install::workloads::refusal_before;
use crate::executor::tekton::names::DEPLOY_TASK;
use crate::executor::tekton::{TektonExecutor, types};
use crate::executor::{ClusterRun, Error, Event, Events, Outcome, Run, Settled};

use create::Creation;
use follow::RunFollower;
use pipeline_run::pipeline_run;
use settling::Settling;
use snapshot::RunSnapshot;
use view::view;

/// A run that was asked to end and is not known to have ended after this is left to the reconcile list; within the 15 s
/// of the executor's contract.
const STOP_LIMIT: Duration = Duration::from_secs(13);
/// The same of a run that had begun to deploy: what there was before is put back meanwhile, and that is to be told. Within
/// the minute of the executor's contract.
const ROLLING_STOP_LIMIT: Duration = Duration::from_secs(58);

impl TektonExecutor {
    /// Runs a deployment to its end, or attaches to its run; within the limit once it was asked to stop.
    pub(super) async fn run_or_attach(
        &self,
        run: &Run,
        cluster: &ClusterRun,
        events: &Events,
        stop: &CancellationToken,
    ) -> Outcome {
        let seen = Seen::default();
        let outcome = tokio::select! {
            outcome = self.create_and_follow(run, cluster, events, stop, &seen) => outcome,
            () = overdue(stop, &seen.is_rolling) => {
                let message = "it was asked to end; the cluster has not confirmed that it did";
                Outcome::failed(Reason::Cancelled, message)
            }
        };
        let given = run.given.as_ref().and_then(|given| given.image.digest.as_ref());
        match given.or(seen.digest.get()) {
            Some(digest) if outcome == Outcome::Succeeded && run.service.settle.as_secs() > 0 => {
                let (client, deployment, settle) = (&self.client, &run.deployment, run.service.settle);
                let workloads = &cluster.settings.workloads;
                Settling { client, deployment, workloads, digest, settle }.watch(events, stop).await
            }
            _ => outcome,
        }
    }

    /// Ends a run of which nobody knows the end.
    pub(super) async fn settle_run(&self, id: &DeploymentId) -> Result<Settled, Error> {
        let Some(run) = self.find_own_run(id).await? else { return Ok(Settled::Absent) };
        // One that cannot be read may go on, unless it has a time at which it ended.
        let has_ended = run.data.pointer("/status/completionTime").is_some_and(|at| !at.is_null());
        let snapshot = RunSnapshot { run: types::pipeline_run(&run).ok(), ..RunSnapshot::default() };
        if has_ended || view(&snapshot).end.is_some() {
            return Ok(Settled::Ended);
        }
        let (namespace, name) = (&self.common.namespace, id.run_name());
        follow::cancel(&self.client, namespace, name.as_str(), has_deployed(&run)).await.map_err(Error)?;
        Ok(Settled::Ending)
    }

    /// Deletes exactly the object that was looked at.
    pub(super) async fn delete_run(&self, id: &DeploymentId) -> Result<(), Error> {
        let Some(run) = self.find_own_run(id).await? else { return Ok(()) };
        let exactly = Preconditions { uid: run.metadata.uid, ..Preconditions::default() };
        let how = DeleteParams::background().preconditions(exactly);
        let runs = pipeline_runs(&self.client, &self.common.namespace);
        match answer(runs.delete(id.run_name().as_str(), &how)).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.kind == RefusalKind::Missing => Ok(()),
            Err(refusal) => Err(Error(refusal.text)),
        }
    }

    async fn create_and_follow(
        &self,
        run: &Run,
        cluster: &ClusterRun,
        events: &Events,
        stop: &CancellationToken,
        seen: &Seen,
    ) -> Outcome {
        let name = run.deployment.run_name();
        let uid = match &cluster.uid {
            Some(uid) => uid.clone(),
            None => match self.look_and_create(run, cluster, events, stop).await {
                Creation::Exists(uid) => uid,
                Creation::Ended(outcome) => return outcome,
            },
        };
        let follower = RunFollower {
            client: &self.client,
            namespace: &self.common.namespace,
            name: name.as_str(),
            uid: &uid,
            log_mark: cluster.log_mark.as_deref(),
            looks_up: run.given.is_some(),
            events,
            stop,
            seen,
        };
        // Two watches and a log stream are large, and every layer above would carry them.
        Box::pin(follower.follow()).await
    }

    /// The run of a deployment, where this server made it. One of the same name that somebody else made is none of ours.
    async fn find_own_run(&self, id: &DeploymentId) -> Result<Option<DynamicObject>, Error> {
        let runs = pipeline_runs(&self.client, &self.common.namespace);
        match answer(runs.get(id.run_name().as_str())).await {
            Ok(run) => {
                Ok(Some(run).filter(|run| create::is_made_by(run, &self.common.instance, id.as_str())))
            }
            Err(refusal) if refusal.kind == RefusalKind::Missing => Ok(None),
            Err(refusal) => Err(Error(refusal.text)),
        }
    }

    /// Makes no run that would deploy nothing. One that is there already is taken up all the same.
    async fn look_and_create(
        &self,
        run: &Run,
        cluster: &ClusterRun,
        events: &Events,
        stop: &CancellationToken,
    ) -> Creation {
        let given = run.given.as_ref().map(|given| given.image.repository.as_str());
        let repository = given.unwrap_or(cluster.settings.image.as_str());
        let look = refusal_before(&self.client, &cluster.settings.workloads, repository);
        let refusal = tokio::select! {
            refusal = look => refusal,
            () = stop.cancelled() => None,
        };
        match refusal {
            Some(refusal) if matches!(self.find_own_run(&run.deployment).await, Ok(None)) => {
                Creation::Ended(refusal)
            }
            _ => self.create(run, cluster, events, stop).await,
        }
    }

    async fn create(
        &self,
        run: &Run,
        cluster: &ClusterRun,
        events: &Events,
        stop: &CancellationToken,
    ) -> Creation {
        let object = match pipeline_run(run, cluster, &self.common) {
            Ok(object) => object,
            Err(refused) => {
                return Creation::Ended(Outcome::failed(Reason::InvalidPipeline, refused.to_string()));
            }
        };
        let creation = create::create_or_adopt(&self.client, &object, events, stop).await;
        if let Creation::Exists(uid) = &creation {
            drop(events.send(Event::Created { uid: uid.clone() }).await);
        }
        creation
    }
}

/// What a follower has seen of a run.
#[derive(Default)]
pub(super) struct Seen {
    /// Set where a run is asked to end that has begun to deploy.
    pub(super) is_rolling: AtomicBool,
    /// The image, once its digest is known.
    pub(super) digest: OnceLock<ImageDigest>,
}

/// Whether a run has a TaskRun of its deploy task.
fn has_deployed(run: &DynamicObject) -> bool {
    let children = run.data.pointer("/status/childReferences").and_then(serde_json::Value::as_array);
    children.into_iter().flatten().any(|child| child["pipelineTaskName"] == DEPLOY_TASK)
}

/// One limit for all that a stop may wait for: an answer to the creation, the cancel, the end itself.
async fn overdue(stop: &CancellationToken, is_rolling: &AtomicBool) {
    stop.cancelled().await;
    tokio::time::sleep(STOP_LIMIT).await;
    if is_rolling.load(Ordering::Relaxed) {
        tokio::time::sleep(ROLLING_STOP_LIMIT.saturating_sub(STOP_LIMIT)).await;
    }
}
