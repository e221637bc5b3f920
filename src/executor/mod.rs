//! Runs one deployment's pipeline and tells what happens; knows nothing of the database, the queue or HTTP.
//!
//! An executor is one async function, `run`: a deployment in, events out, an outcome back. What else the trait has, most
//! leave as it is.
#![warn(missing_docs)]

pub mod clone;
mod event;
pub mod exit_codes;
mod found;
pub mod local;
mod outcome;
mod proxies;
mod step_failure;
pub mod tekton;

use std::future::Future;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::domain::{
    Commit, Deployment, DeploymentId, ExecutorKind, Finding, GitRef, ImageReference, Service, ServiceId,
    Source, TektonSettings,
};

pub use event::{Event, Wait};
pub use found::{FoundEnd, FoundRun};
pub use outcome::Outcome;
pub use proxies::{PROXIES, Variables, proxies};

/// What an executor is given. The service's settings are those of the moment of the claim.
#[derive(Debug, Clone)]
pub struct Run {
    /// The deployment; its run name is the run's name everywhere.
    pub deployment: DeploymentId,
    /// The settings to build and deploy by.
    pub service: Service,
    /// The branch whose head, or whose ancestor `commit`, is deployed; or a tag.
    pub branch: GitRef,
    /// The exact commit, where one was asked for; it has to be reachable from the branch.
    pub commit: Option<Commit>,
    /// The image to deploy, where none is built; `branch` and `commit` are then not looked at in a cluster.
    pub given: Option<GivenImage>,
    /// Whether what earlier builds left in the cache is emptied first.
    pub clear_cache: bool,
    /// What its executor needs beyond.
    pub plan: Plan,
}

impl Run {
    /// What a claimed deployment is run by. `page` is its address for people, `log_mark` where its stored log stands.
    ///
    /// # Errors
    /// Where the service lacks the settings of the deployment's executor.
    pub fn of(
        deployment: Deployment,
        service: Service,
        page: String,
        log_mark: Option<String>,
    ) -> Result<Self, Error> {
        let plan = match deployment.executor {
            ExecutorKind::Local => Plan::Local,
            ExecutorKind::Tekton => {
                let missing = || Error("the service has no settings for executor tekton".to_owned());
                let mut settings = service.tekton.clone().ok_or_else(missing)?;
                settings.release.command.take_if(|_| deployment.is_rollback());
                Plan::Tekton(Box::new(ClusterRun {
                    settings,
                    cache_epoch: deployment.cache_epoch,
                    uid: deployment.run_uid.clone(),
                    source: deployment.source(),
                    caller: deployment.who.as_caller(),
                    hook: deployment.hook.clone(),
                    page: Some(page),
                    log_mark,
                    traceparent: deployment.traceparent.clone(),
                }))
            }
        };
        let given =
            deployment.given_image().map(|image| GivenImage { image, commit: deployment.commit.clone() });
        Ok(Self {
            commit: deployment.requested_commit().filter(|_| given.is_none()).cloned(),
            given,
            deployment: deployment.id,
            service,
            branch: deployment.branch,
            clear_cache: deployment.clear_cache,
            plan,
        })
    }
}

/// What a run is given by the kind of its executor, put together when it is claimed.
#[derive(Debug, Clone)]
pub enum Plan {
    /// On this host: nothing beyond.
    Local,
    /// In a cluster.
    Tekton(Box<ClusterRun>),
}

impl Plan {
    /// That of a run in a cluster.
    pub const fn cluster(&self) -> Option<&ClusterRun> {
        match self {
            Self::Tekton(cluster) => Some(cluster),
            Self::Local => None,
        }
    }

    /// The same, to be changed.
    pub const fn cluster_mut(&mut self) -> Option<&mut ClusterRun> {
        match self {
            Self::Tekton(cluster) => Some(cluster),
            Self::Local => None,
        }
    }
}

/// What a run in a cluster is given.
#[derive(Debug, Clone)]
pub struct ClusterRun {
    /// How to build and deploy.
    pub settings: TektonSettings,
    /// The service's cache epoch; `clear_cache` raised it before the claim.
    pub cache_epoch: u32,
    /// The uid of the run's object where its creation is known. Such a run is never created again.
    pub uid: Option<String>,
    /// Where the image comes from.
    pub source: Source,
    /// Who called.
    pub caller: String,
    /// The hook's name, where a hook brought the deployment about.
    pub hook: Option<String>,
    /// The deployment's page.
    pub page: Option<String>,
    /// Where the log stood that is stored, when a run is attached to again: the last [`Event::LogMark`].
    pub log_mark: Option<String>,
    /// Where the caller's trace goes on, as `traceparent` of W3C has it.
    pub traceparent: Option<String>,
}

/// An image that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenImage {
    /// Which one; without a digest it is looked up when the run begins.
    pub image: ImageReference,
    /// What it was built from, where somebody says so.
    pub commit: Option<Commit>,
}

/// The executor itself failed, not what it ran; the text is for people.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// Where a run tells its events. Bounded: a slow reader slows the run down, nothing is dropped.
pub type Events = mpsc::Sender<Event>;

/// What became of a run of which nobody knows the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is not there.
    Absent,
    /// It has ended.
    Ended,
    /// It was asked to end; look again.
    Ending,
}

/// Runs deployments.
///
/// Contract, checked for each implementation by the same tests:
/// - One run per run name, however often it is called.
/// - A failing build is `Ok(Outcome::Failed)`; a failing executor is `Err`.
/// - Events arrive in order; when the function returns, all of them have been sent.
/// - When `stop` is cancelled the run is ended (first asked, then forced) and the function returns within 15 s, within a
///   minute where a rollout has begun that is put back; what it
///   returns is then `Failed` unless the run had succeeded before. Who cancelled knows the reason; the executor says
///   [`Reason::Cancelled`](crate::domain::Reason::Cancelled).
/// - Dropping the future must not orphan local processes, and must leave a cluster's run alone.
pub trait Executor: Send + Sync + 'static {
    /// Runs a deployment to its end, or attaches to its run where one exists.
    ///
    /// # Errors
    /// Where the executor itself failed; nothing is known of the run then.
    fn run(
        &self,
        run: &Run,
        events: &Events,
        stop: &CancellationToken,
    ) -> impl Future<Output = Result<Outcome, Error>> + Send;

    /// Asks whether runs can be begun at all. While they cannot, nothing should be claimed.
    ///
    /// # Errors
    /// Says why not, for people.
    fn probe(&self) -> impl Future<Output = Result<(), String>> + Send {
        async { Ok(()) }
    }

    /// Ends a run whose deployment is final although it is not known whether the run exists or has ended: its creation
    /// may have been done after nobody waited for it any more. To be called until it is absent or ended. A run that dies
    /// with the server is absent.
    ///
    /// # Errors
    /// Where nothing is known now; to be called again.
    fn settle(&self, _id: &DeploymentId) -> impl Future<Output = Result<Settled, Error>> + Send {
        async { Ok(Settled::Absent) }
    }

    /// Deletes what is left of an ended run whose log is stored; one that is not there is as good.
    ///
    /// # Errors
    /// Where it is not done; to be called again.
    fn delete(&self, _id: &DeploymentId) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }

    /// All runs of this installation that are there, whoever knows of them. Runs that die with the server are none.
    ///
    /// # Errors
    /// Where they cannot be listed now; to be called again.
    fn runs(&self) -> impl Future<Output = Result<Vec<DeploymentId>, Error>> + Send {
        async { Ok(Vec::new()) }
    }

    /// What one of them tells of itself; none where it is gone, or tells too little.
    ///
    /// # Errors
    /// Where nothing is known now; to be called again.
    fn find_run(&self, _id: &DeploymentId) -> impl Future<Output = Result<Option<FoundRun>, Error>> + Send {
        async { Ok(None) }
    }

    /// Looks at what deployments of this service need, without changing anything.
    fn check(&self, _service: &Service) -> impl Future<Output = Vec<Finding>> + Send {
        async { Vec::new() }
    }

    /// Removes what is kept for a service that was deleted. Nothing of it runs any more; may be called again and again.
    fn forget(&self, _service: &ServiceId) -> impl Future<Output = ()> + Send {
        async {}
    }

    /// Empties what is kept on this host for the builds of a service; false while a run uses it.
    fn empty_cache(&self, _service: &ServiceId) -> impl Future<Output = bool> + Send {
        async { true }
    }

    /// Takes away what processes of ended runs have put back since, keeps the caches on this host within their limit, and
    /// says how many bytes each has. To be called now and then.
    fn sweep(&self) -> impl Future<Output = Vec<(ServiceId, u64)>> + Send {
        async { Vec::new() }
    }

    /// Removes what ended runs left on this host, as it comes, until `stop`. No run waits for it.
    fn tidy(&self, _stop: &CancellationToken) -> impl Future<Output = ()> + Send {
        async {}
    }
}
