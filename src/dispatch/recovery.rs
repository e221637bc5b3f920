//! After a restart: what a former process left building.

use crate::db::{self, deployments, queue, services};
use crate::domain::{Deployment, ExecutorKind, Reason};
use crate::executor::Executor;

use super::{Dispatcher, asked_to_stop, follow};

impl<L: Executor, T: Executor> Dispatcher<L, T> {
    /// Settles deployments that the rows call running. A run in a cluster went on, so it is attached to again; local
    /// runs died with the process that ran them, so they end as `interrupted`; nothing is run a second time. Queued
    /// ones stay queued. To be called once, before the first tick.
    ///
    /// # Errors
    /// Where the database does not answer; what is settled by then stays so.
    pub async fn recover(&self) -> Result<(), db::Error> {
        for deployment in self.inner.db.read(queue::running).await? {
            // The database did not answer in the middle of this, and it is done again.
            if self.inner.running().contains_key(&deployment.id) {
                continue;
            }
            tracing::warn!(deployment.id = %deployment.id, "the server stopped while this deployment ran");
            let id = deployment.service_id.clone();
            let service = self.inner.db.read(move |reader| services::find(reader, &id)).await?;
            match service.filter(|_| self.inner.survives_restart(deployment.executor)) {
                Some(service) => self.start(deployment, service),
                None => self.end_left(deployment).await?,
            }
        }
        self.forget_deleted().await
    }

    /// Ends a deployment whose run is gone, or that nobody can attach to any more.
    async fn end_left(&self, deployment: Deployment) -> Result<(), db::Error> {
        let now = self.inner.clock.now();
        follow::complete_log(&self.inner.db, &deployment.id, now).await;
        let is_local = deployment.executor == ExecutorKind::Local;
        let otherwise = if is_local || self.available().has(deployment.executor) {
            (Reason::Interrupted, "the server stopped while it ran".to_owned())
        } else {
            (Reason::ExecutorUnavailable, "this server has no executor tekton any more".to_owned())
        };
        let (reason, message) = asked_to_stop(&deployment).unwrap_or(otherwise);
        let write =
            move |tx: &db::Tx<'_>| deployments::fail(tx, &deployment.id, reason, &message, now).map(drop);
        self.inner.db.write(write).await
    }

    /// Lets what ended local runs left be removed, a former process's included, until the drain.
    pub(super) async fn tidy_on(&self) {
        if let Some(local) = &self.inner.executors.local {
            local.tidy(&self.inner.is_draining).await;
        }
    }

    /// Deleted services run nothing any more, so that what their builds kept can go.
    async fn forget_deleted(&self) -> Result<(), db::Error> {
        let Some(local) = &self.inner.executors.local else { return Ok(()) };
        for service in self.inner.db.read(services::deleted).await? {
            local.forget(&service).await;
        }
        Ok(())
    }
}
