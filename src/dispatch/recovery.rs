//! After a restart: what a former process left building.

use crate::db::{self, deployments, queue, services};
use crate::domain::Reason;
use crate::executor::Executor;

use super::{Dispatcher, asked_to_stop, follow};

impl<L: Executor> Dispatcher<L> {
    /// Settles deployments that the rows call running. Local runs died with the process that ran them, so they end as
    /// `interrupted`; nothing is run a second time. Queued ones stay queued.
    pub(super) async fn recover(&self) -> Result<(), db::Error> {
        debug_assert!(
            !L::SURVIVES_RESTART,
            "attaching to runs comes with the first executor whose runs survive"
        );
        let left = self.inner.db.read(queue::running).await?;
        for deployment in left {
            let now = self.inner.clock.now();
            tracing::warn!(deployment.id = %deployment.id, "the server stopped while this deployment ran");
            follow::complete_log(&self.inner.db, &deployment.id, now).await;
            let interrupted = || (Reason::Interrupted, "the server stopped while it ran".to_owned());
            let (reason, message) = asked_to_stop(&deployment).unwrap_or_else(interrupted);
            self.inner
                .db
                .write(move |tx| deployments::fail(tx, &deployment.id, reason, &message, now))
                .await?;
        }
        self.forget_deleted().await
    }

    /// Deleted services run nothing any more, so that what their builds kept can go.
    async fn forget_deleted(&self) -> Result<(), db::Error> {
        let Some(local) = &self.inner.local else { return Ok(()) };
        for service in self.inner.db.read(services::deleted).await? {
            local.forget(&service).await;
        }
        Ok(())
    }
}
