//! Runs deployments as Tekton PipelineRuns in a Kubernetes cluster. Only this folder names Kubernetes.

mod api;
pub mod build_step;
pub mod client;
pub mod clone_step;
pub mod conditions;
mod create;
pub mod exit_codes;
#[cfg(test)]
mod fixtures;
mod follow;
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

use kube::Client;
use kube::api::{DeleteParams, ListParams};
use tokio_util::sync::CancellationToken;

use crate::domain::{DeploymentId, Reason, ServiceId};

use super::{Error, Event, Events, Executor, Outcome, Run};

use api::pipeline_runs;
use client::{RefusalKind, answer};
use create::Made;
use follow::Followed;
use manifest::Common;

/// Runs deployments in one build namespace of one cluster. Cheap to clone.
#[derive(Clone)]
pub struct TektonExecutor {
    client: Client,
    common: Common,
}

/// What became of a run of which the server knows no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is not there.
    Absent,
    /// It has ended.
    Ended,
    /// It was asked to end; look again.
    Ending,
}

impl TektonExecutor {
    /// An executor that has not asked the cluster anything.
    pub fn new(client: Client, common: Common) -> Self {
        Self { client, common }
    }

    /// Asks whether the cluster answers and knows runs. While it does not, nothing should be claimed.
    ///
    /// # Errors
    /// Says why not, for people.
    pub async fn probe(&self) -> Result<(), String> {
        let runs = pipeline_runs(&self.client, &self.common.namespace);
        answer(runs.list_metadata(&ListParams::default().limit(1)))
            .await
            .map(drop)
            .map_err(|refusal| refusal.text)
    }

    /// Ends a run whose deployment is final although it is not known whether the run exists: its creation may have been
    /// done after nobody waited for it any more. To be called until it is absent or ended.
    ///
    /// # Errors
    /// Where the cluster does not tell.
    pub async fn settle(&self, id: &DeploymentId) -> Result<Settled, Error> {
        let (namespace, name) = (&self.common.namespace, id.run_name());
        let run = match answer(pipeline_runs(&self.client, namespace).get(name.as_str())).await {
            Ok(run) => run,
            Err(refusal) if refusal.kind == RefusalKind::Missing => return Ok(Settled::Absent),
            Err(refusal) => return Err(Error(refusal.text)),
        };
        let run = types::pipeline_run(&run).map_err(Error)?;
        let observed = conditions::Observed { run: Some(run), ..conditions::Observed::default() };
        if conditions::view(&observed).end.is_some() {
            return Ok(Settled::Ended);
        }
        follow::cancel(&self.client, namespace, name.as_str()).await.map_err(Error)?;
        Ok(Settled::Ending)
    }

    /// Deletes a run with its TaskRuns and pods; one that is not there is as good. For runs whose log is stored.
    ///
    /// # Errors
    /// Where the cluster does not do it.
    pub async fn delete(&self, id: &DeploymentId) -> Result<(), Error> {
        let runs = pipeline_runs(&self.client, &self.common.namespace);
        match answer(runs.delete(id.run_name().as_str(), &DeleteParams::background())).await {
            Ok(_) => Ok(()),
            Err(refusal) if refusal.kind == RefusalKind::Missing => Ok(()),
            Err(refusal) => Err(Error(refusal.text)),
        }
    }
}

impl Executor for TektonExecutor {
    const SURVIVES_RESTART: bool = true;

    async fn run(&self, run: &Run, events: &Events, stop: &CancellationToken) -> Result<Outcome, Error> {
        let Some(cluster) = &run.cluster else {
            return Err(Error("the service has no settings for executor tekton".to_owned()));
        };
        let (namespace, name) = (self.common.namespace.as_str(), run.deployment.run_name());
        let uid = match &cluster.uid {
            Some(uid) => uid.clone(),
            None => match self.make(run, cluster, events, stop).await {
                Made::Exists(uid) => uid,
                Made::Ended(outcome) => return Ok(outcome),
            },
        };
        let followed = Followed {
            client: &self.client,
            namespace,
            name: name.as_str(),
            uid: &uid,
            log_mark: cluster.log_mark.as_deref(),
            events,
            stop,
        };
        // Two watches and a log stream are large, and every layer above would carry them.
        Ok(Box::pin(followed.follow()).await)
    }

    /// Nothing is kept beside runs, which retention deletes, and images, which are the registry's.
    async fn forget(&self, _service: &ServiceId) {}
}

impl TektonExecutor {
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
                return Made::Ended(Outcome::Failed {
                    reason: Reason::InvalidPipeline,
                    message: refused.to_string(),
                });
            }
        };
        let made = create::make(&self.client, &object, events, stop).await;
        if let Made::Exists(uid) = &made {
            drop(events.send(Event::Created { uid: uid.clone() }).await);
        }
        made
    }
}
