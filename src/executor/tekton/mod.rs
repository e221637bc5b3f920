//! Runs deployments as Tekton PipelineRuns in a Kubernetes cluster. Only this folder names Kubernetes.

mod api;
pub mod build_step;
pub mod client;
pub mod clone_step;
pub mod conditions;
mod create;
mod dockerfile;
pub mod exit_codes;
#[cfg(test)]
mod fixtures;
mod follow;
mod log_pieces;
mod log_position;
mod logs;
pub mod manifest;
pub mod manifests;
mod names;
mod observe;
mod paced_output;
pub mod preflight;
mod process;
pub mod rollout;
mod rollout_judge;
mod step_results;
mod tasks;
#[cfg(test)]
mod testing;
pub mod types;
mod verdict;

use std::time::Duration;

use kube::Client;
use kube::api::{DeleteParams, DynamicObject, ListParams, Preconditions};
use tokio_util::sync::CancellationToken;

use crate::domain::{DeploymentId, Finding, Reason, Service};

use super::{Error, Event, Events, Executor, Outcome, Run, Settled};

use api::pipeline_runs;
use client::{RefusalKind, answer};
use create::Made;
use follow::Followed;
use manifest::Common;

/// A run that was asked to end and is not known to have ended after this is left to the reconcile list; within the 15 s
/// of the executor's contract.
const STOP_LIMIT: Duration = Duration::from_secs(13);

/// Runs deployments in one build namespace of one cluster. Cheap to clone.
#[derive(Clone)]
pub struct TektonExecutor {
    client: Client,
    common: Common,
}

impl TektonExecutor {
    /// An executor that has not asked the cluster anything.
    pub fn new(client: Client, common: Common) -> Self {
        Self { client, common }
    }
}

impl Executor for TektonExecutor {
    async fn run(&self, run: &Run, events: &Events, stop: &CancellationToken) -> Result<Outcome, Error> {
        let Some(cluster) = run.plan.cluster() else {
            return Err(Error("a run on the server's host came to the cluster".to_owned()));
        };
        tokio::select! {
            outcome = self.make_and_follow(run, cluster, events, stop) => Ok(outcome),
            () = overdue(stop) => {
                let message = "it was asked to end; the cluster has not confirmed that it did";
                Ok(Outcome::failed(Reason::Cancelled, message))
            }
        }
    }

    async fn probe(&self) -> Result<(), String> {
        let runs = pipeline_runs(&self.client, &self.common.namespace);
        answer(runs.list_metadata(&ListParams::default().limit(1)))
            .await
            .map(drop)
            .map_err(|refusal| refusal.text)
    }

    async fn settle(&self, id: &DeploymentId) -> Result<Settled, Error> {
        let Some(run) = self.own(id).await? else { return Ok(Settled::Absent) };
        // One that cannot be read may go on, unless it has a time at which it ended.
        let has_ended = run.data.pointer("/status/completionTime").is_some_and(|at| !at.is_null());
        let observed =
            conditions::Observed { run: types::pipeline_run(&run).ok(), ..conditions::Observed::default() };
        if has_ended || conditions::view(&observed).end.is_some() {
            return Ok(Settled::Ended);
        }
        let (namespace, name) = (&self.common.namespace, id.run_name());
        follow::cancel(&self.client, namespace, name.as_str()).await.map_err(Error)?;
        Ok(Settled::Ending)
    }

    async fn delete(&self, id: &DeploymentId) -> Result<(), Error> {
        let Some(run) = self.own(id).await? else { return Ok(()) };
        let exactly = Preconditions { uid: run.metadata.uid, ..Preconditions::default() };
        let how = DeleteParams::background().preconditions(exactly);
        let runs = pipeline_runs(&self.client, &self.common.namespace);
        match answer(runs.delete(id.run_name().as_str(), &how)).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.kind == RefusalKind::Missing => Ok(()),
            Err(refusal) => Err(Error(refusal.text)),
        }
    }

    async fn check(&self, service: &Service) -> Vec<Finding> {
        match &service.tekton {
            Some(settings) => preflight::service(&self.client, &self.common.namespace, settings).await,
            None => vec![Finding::bad("the service has no settings for executor tekton", None)],
        }
    }
}

/// One limit for all that a stop may wait for: an answer to the creation, the cancel, the end itself.
async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(STOP_LIMIT).await;
}

impl TektonExecutor {
    async fn make_and_follow(
        &self,
        run: &Run,
        cluster: &super::ClusterRun,
        events: &Events,
        stop: &CancellationToken,
    ) -> Outcome {
        let name = run.deployment.run_name();
        let uid = match &cluster.uid {
            Some(uid) => uid.clone(),
            None => match self.make(run, cluster, events, stop).await {
                Made::Exists(uid) => uid,
                Made::Ended(outcome) => return outcome,
            },
        };
        let followed = Followed {
            client: &self.client,
            namespace: &self.common.namespace,
            name: name.as_str(),
            uid: &uid,
            log_mark: cluster.log_mark.as_deref(),
            events,
            stop,
        };
        // Two watches and a log stream are large, and every layer above would carry them.
        Box::pin(followed.follow()).await
    }

    /// The run of a deployment, where this server made it. One of the same name that somebody else made is none of ours.
    async fn own(&self, id: &DeploymentId) -> Result<Option<DynamicObject>, Error> {
        let runs = pipeline_runs(&self.client, &self.common.namespace);
        match answer(runs.get(id.run_name().as_str())).await {
            Ok(run) => {
                Ok(Some(run).filter(|run| create::is_made_by(run, &self.common.instance, id.as_str())))
            }
            Err(refusal) if refusal.kind == RefusalKind::Missing => Ok(None),
            Err(refusal) => Err(Error(refusal.text)),
        }
    }

    async fn make(
        &self,
        run: &Run,
        cluster: &super::ClusterRun,
        events: &Events,
        stop: &CancellationToken,
    ) -> Made {
        let object = match manifest::pipeline_run(run, cluster, &self.common) {
            Ok(object) => object,
            Err(refused) => {
                return Made::Ended(Outcome::failed(Reason::InvalidPipeline, refused.to_string()));
            }
        };
        let made = create::make(&self.client, &object, events, stop).await;
        if let Made::Exists(uid) = &made {
            drop(events.send(Event::Created { uid: uid.clone() }).await);
        }
        made
    }
}
