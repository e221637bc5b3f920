//! After a restart: what a former process left building.

use futures_util::future::join_all;

use crate::db::{self, queue, services};
use crate::dispatch::stop::asked_to_stop;
use crate::dispatch::{Dispatcher, persist};
use crate::domain::{Deployment, Reason};
use crate::executor::Executor;

impl<E: Executor> Dispatcher<E> {
    /// Settles deployments that the rows call running. A run that survives the server went on, so it is attached to
    /// again; others died with the process that ran them, so they end as `interrupted`; nothing is run a second time. Queued
    /// ones stay queued. To be called once, before the first tick.
    ///
    /// # Errors
    /// Where the database does not answer; what is settled by then stays so.
    pub async fn recover(&self) -> Result<(), db::Error> {
        self.inner.limits.begin(&self.inner.db, &self.inner.clock).await?;
        for deployment in self.inner.db.core().read(queue::running).await? {
            // The database did not answer in the middle of this, and it is done again.
            if self.inner.running().contains_key(&deployment.id) {
                continue;
            }
            tracing::warn!(deployment.id = %deployment.id, "the server stopped while this deployment ran");
            let (kind, id) = (deployment.executor, deployment.service_id.clone());
            let (has_run, is_here) = (kind.survives_restart(), self.available().has(kind));
            let service = self.inner.db.core().read(move |reader| services::find(reader, &id)).await?;
            match service.filter(|_| has_run && is_here) {
                Some(service) => self.start(deployment, service),
                None => self.end_left(deployment).await?,
            }
        }
        self.forget_deleted().await
    }

    /// Ends a deployment whose run is gone, or that nobody can attach to any more.
    async fn end_left(&self, deployment: Deployment) -> Result<(), db::Error> {
        let now = self.inner.clock.now();
        persist::complete_log(&self.inner.db, &deployment.id, now).await;
        // A run that outlived the server goes on with nobody to follow it.
        let otherwise =
            if deployment.executor.survives_restart() && !self.available().has(deployment.executor) {
                let executor = deployment.executor.as_str();
                (Reason::ExecutorUnavailable, format!("this server has no executor {executor} any more"))
            } else {
                (Reason::Interrupted, "the server stopped while it ran".to_owned())
            };
        let (reason, message) = asked_to_stop(&deployment).unwrap_or(otherwise);
        self.fail(deployment, reason, message, now).await
    }

    /// Lets what ended runs left on this host be removed, a former process's included, and caches be looked after, until
    /// the drain.
    pub(super) async fn tidy_on(&self) {
        let executors = self.inner.executors.iter();
        let tidy = join_all(executors.map(|(_, executor)| executor.tidy(&self.inner.is_draining)));
        tokio::join!(tidy, self.look_after_caches());
    }

    /// Deleted services run nothing any more, so that what their builds kept can go.
    async fn forget_deleted(&self) -> Result<(), db::Error> {
        for service in self.inner.db.core().read(services::deleted).await? {
            for (_, executor) in self.inner.executors.iter() {
                executor.forget(&service).await;
            }
        }
        Ok(())
    }
}
