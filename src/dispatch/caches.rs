//! What builds keep on this host: measured, kept within its limit, and emptied when somebody says so.

use std::time::Duration;

use tokio::time::Instant;

use crate::db::{self, caches};
use crate::dispatch::Dispatcher;
use crate::executor::Executor;

/// Time between two looks whether somebody wants a cache emptied.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// Time between two sweeps.
const SWEEP_INTERVAL: Duration = Duration::from_mins(10);

impl<E: Executor> Dispatcher<E> {
    /// Looks after caches until the drain.
    pub(super) async fn look_after_caches(&self) {
        let mut swept: Option<Instant> = None;
        while !self.inner.is_draining.is_cancelled() {
            let is_due = swept.is_none_or(|at| at.elapsed() >= SWEEP_INTERVAL);
            let done = async {
                self.empty_caches().await?;
                if is_due { self.sweep().await } else { Ok(()) }
            };
            match done.await {
                Ok(()) if is_due => swept = Some(Instant::now()),
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(error = %error, "caches could not be looked after; trying again");
                }
            }
            self.pause(LOOK_INTERVAL).await;
        }
    }

    /// Empties the caches that have to go, but for those that a run uses.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn empty_caches(&self) -> Result<(), db::Error> {
        for service in self.inner.db.core().read(caches::to_go).await? {
            let mut is_done = true;
            for (_, executor) in self.inner.executors.iter() {
                is_done &= executor.empty_cache(&service).await;
            }
            if is_done {
                self.inner.db.core().write(move |tx| caches::set_gone(tx, &service)).await?;
            }
        }
        Ok(())
    }

    /// Sweeps, and stores the sizes.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn sweep(&self) -> Result<(), db::Error> {
        for (_, executor) in self.inner.executors.iter() {
            let sizes = executor.sweep().await;
            let store = move |tx: &db::Tx<'_>| -> Result<(), db::Error> {
                sizes.iter().try_for_each(|(service, bytes)| caches::set_bytes(tx, service, *bytes))
            };
            self.inner.db.core().write(store).await?;
        }
        Ok(())
    }
}
