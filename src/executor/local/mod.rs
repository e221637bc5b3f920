//! Runs the three steps as process groups on the server's own host. No isolation: trusted code only.

mod caches;
mod clone;
mod command;
mod folder;
mod group;
mod handed;
mod host;
mod output;
mod process;
mod steps;
mod supervise;
mod trash;
mod workspace;

pub use caches::sizes as cache_sizes;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Error, Events, Executor, Outcome, Plan, Run};
use crate::domain::{Clock, DeploymentId, Finding, Service, ServiceId};

use host::HostEnvironment;
use process::Supervisor;
use steps::Running;
use workspace::Folders;

pub use super::Variables;
pub use supervise::supervise;

/// Longest time that a look at a repository may take.
const LOOK_LIMIT: Duration = Duration::from_secs(30);
/// Time between asking a step to end and ending it.
const TIME_TO_END: Duration = Duration::from_secs(10);

/// Runs deployments on this host.
pub struct LocalExecutor {
    folders: Folders,
    host: HostEnvironment,
    supervisor: Supervisor,
}

impl LocalExecutor {
    /// Makes the folders for runs in the data directory and sets aside what a former process left in them. `program` is
    /// this program's own file, whose hidden subcommand `step` leads each step; of the server's `variables` steps are
    /// given what they need to work as its user's programs do. All caches together are kept within `cache_limit`, in
    /// bytes.
    ///
    /// # Errors
    /// Where the folders cannot be made.
    pub fn open(
        data_dir: &Path,
        program: PathBuf,
        variables: &Variables,
        cache_limit: u64,
    ) -> io::Result<Self> {
        Self::with_grace(data_dir, program, variables, cache_limit, TIME_TO_END)
    }

    /// The same with another time between asking a step to end and ending it.
    ///
    /// # Errors
    /// Where the folders cannot be made.
    pub fn with_grace(
        data_dir: &Path,
        program: PathBuf,
        variables: &Variables,
        cache_limit: u64,
        grace: Duration,
    ) -> io::Result<Self> {
        // Steps begin in another folder than the server.
        let data_dir = std::path::absolute(data_dir)?;
        let folders = Folders::open(&data_dir, cache_limit)?;
        let host = HostEnvironment::pick(variables, &data_dir)?;
        Ok(Self { folders, host, supervisor: Supervisor { program, grace } })
    }

    /// Looks at a service's repository in a workspace of its own.
    async fn look(&self, service: &Service) -> Result<Finding, Error> {
        let run = Run {
            deployment: DeploymentId::generate(Clock::System.now()),
            branch: service.default_branch.clone().into(),
            service: service.clone(),
            commit: None,
            given: None,
            clear_cache: false,
            plan: Plan::Local,
        };
        let folders = self.folders.clone();
        let workspace = on_disk(move || folders.workspace_to_look()).await?;
        let (events, stop) = (tokio::sync::mpsc::channel(1).0, CancellationToken::new());
        let running =
            Running { run: &run, host: &self.host, workspace: &workspace, events: &events, stop: &stop };
        let found = {
            let looked = clone::check(&self.supervisor, &self.folders, &running);
            tokio::pin!(looked);
            tokio::select! {
                found = &mut looked => found,
                () = tokio::time::sleep(LOOK_LIMIT) => {
                    stop.cancel();
                    looked.await
                }
            }
        };
        on_disk(move || {
            drop(workspace);
            Ok(())
        })
        .await?;
        found
    }
}

/// Makes folders, or sets them aside, on a thread that may block.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    done.map_err(|error| Error(format!("the folders of the run could not be made: {error}")))
}

/// Says in the log what went wrong.
fn told<T>(done: Result<T, Error>, what: &str) -> Option<T> {
    done.inspect_err(|error| tracing::warn!(error = %error, what, "trying again later")).ok()
}

impl Executor for LocalExecutor {
    async fn check(&self, service: &Service) -> Vec<Finding> {
        if service.repository.is_none() {
            return vec![Finding::good(
                "it deploys images that are built elsewhere, so there is no repository to look at",
            )];
        }
        let unknown =
            |error: Error| Finding::advice(format!("the repository was not looked at: {error}"), None);
        vec![self.look(service).await.unwrap_or_else(unknown)]
    }

    async fn run(&self, run: &Run, events: &Events, stop: &CancellationToken) -> Result<Outcome, Error> {
        let (folders, service) = (self.folders.clone(), run.service.id.clone());
        let workspace = on_disk(move || folders.workspace(&service)).await?;
        let running = Running { run, host: &self.host, workspace: &workspace, events, stop };
        let outcome = self.steps(&running).await;
        on_disk(move || {
            drop(workspace);
            Ok(())
        })
        .await?;
        outcome
    }

    async fn forget(&self, service: &ServiceId) {
        if let Err(error) = self.folders.forget(service) {
            tracing::warn!(error = %error, "what is kept for a deleted service could not be set aside");
        }
    }

    async fn empty_cache(&self, service: &ServiceId) -> bool {
        let (folders, service) = (self.folders.clone(), service.clone());
        told(on_disk(move || folders.empty_cache(&service)).await, "a cache could not be emptied")
            .unwrap_or(false)
    }

    async fn sweep(&self) -> Vec<(ServiceId, u64)> {
        let folders = self.folders.clone();
        told(on_disk(move || folders.sweep()).await, "the folders of runs could not be swept")
            .unwrap_or_default()
    }

    async fn tidy(&self, stop: &CancellationToken) {
        self.folders.trash().empty_until(stop).await;
    }
}
