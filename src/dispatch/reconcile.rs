//! Runs that outlive the server and whose deployments are final: each is seen to have ended, and is deleted when it is kept
//! no longer.
//!
//! A deployment can be final before its run is: it was cancelled while the cluster did not answer, or its run was still
//! being created when nobody waited any more. Until that is settled the service starts no other.

use std::time::Duration;

use crate::db::runs::{self, RunState};
use crate::db::{self, logs};
use crate::dispatch::Dispatcher;
use crate::domain::{Deployment, ExecutorKind, Reason, Timestamp};
use crate::executor::{Executor, Settled};

/// Time between two looks while something is unsettled, and while nothing is.
const INTERVALS: (Duration, Duration) = (Duration::from_secs(2), Duration::from_mins(1));
/// A request to create that nobody waits for any more may still take effect for so long: the API server's own limit
/// for a request is one minute.
const LATE_CREATE: Duration = Duration::from_secs(70);

impl<E: Executor> Dispatcher<E> {
    /// Settles and deletes until the drain.
    pub(super) async fn reconcile_on(&self) {
        while !self.inner.is_draining.is_cancelled() {
            let looked = tokio::select! {
                looked = self.reconcile() => looked,
                () = self.inner.is_draining.cancelled() => return,
            };
            let is_open = looked.unwrap_or_else(|error| {
                tracing::warn!(error = %error, "runs could not be settled; trying again");
                true
            });
            tokio::select! {
                () = self.inner.has_ended.notified() => {}
                () = self.pause(if is_open { INTERVALS.0 } else { INTERVALS.1 }) => {}
            }
        }
    }

    /// One look at the runs of final deployments; true where one is still open.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn reconcile(&self) -> Result<bool, db::Error> {
        let mut is_open = false;
        for deployment in self.inner.db.core().read(runs::unsettled).await? {
            // Of an executor that this server lacks nothing can be learnt.
            let Some(executor) = self.inner.executors.get(deployment.executor) else { continue };
            match settled(executor, &deployment, self.inner.clock.now()).await {
                Some(state) => {
                    self.inner.db.core().write(move |tx| runs::set_state(tx, &deployment.id, state)).await?;
                    self.inner.db.wake_queue();
                }
                None => is_open = true,
            }
        }
        for (kind, executor) in self.inner.executors.iter() {
            self.delete_old_runs(kind, executor).await?;
        }
        Ok(is_open)
    }

    async fn delete_old_runs(&self, kind: ExecutorKind, executor: &E) -> Result<(), db::Error> {
        let (age, kept) = self.inner.settings.runs;
        let before = self.inner.clock.now().minus(age);
        for id in self.inner.db.core().read(move |reader| runs::deletable(reader, kind, before, kept)).await?
        {
            let own = id.clone();
            let log = self.inner.db.logs().read(move |reader| logs::summary(reader, &own)).await?;
            if !log.is_complete {
                continue;
            }
            if let Err(error) = executor.delete(&id).await {
                tracing::warn!(deployment.id = %id, error = %error, "an old run could not be deleted");
                break;
            }
            self.inner.db.core().write(move |tx| runs::set_state(tx, &id, RunState::Deleted)).await?;
        }
        Ok(())
    }
}

/// What is known of a run after asking; none where it has to be asked about again.
async fn settled<E: Executor>(executor: &E, deployment: &Deployment, now: Timestamp) -> Option<RunState> {
    match executor.settle(&deployment.id).await {
        Ok(Settled::Ended) => Some(RunState::Ended),
        Ok(Settled::Absent) if may_appear(deployment, now) => None,
        Ok(Settled::Absent) => Some(RunState::Deleted),
        Ok(Settled::Ending) => None,
        Err(error) => {
            tracing::warn!(deployment.id = %deployment.id, error = %error, "it is not known whether a run has ended");
            None
        }
    }
}

/// Whether the run may come into being although it is not there. Refusals are the cluster's own last word on it.
fn may_appear(deployment: &Deployment, now: Timestamp) -> bool {
    let is_refused = matches!(deployment.reason, Some(Reason::InvalidPipeline | Reason::ClusterRefused));
    let is_recent = deployment.finished_at.is_some_and(|at| now < at.plus(LATE_CREATE));
    deployment.run_uid.is_none() && !is_refused && is_recent
}
