//! The look at the tables: ends what is overdue, stops what is to be stopped, claims what is due.

use std::time::Duration;

use tokio::time::Instant;

use crate::db::{self, deployments, queue, services};
use crate::dispatch::stop::due_to_stop;
use crate::dispatch::{Dispatcher, TICK, persist};
use crate::domain::{Deployment, Reason, Service, Timestamp};
use crate::executor::Executor;

/// While nothing more can run, calls that are accepted bring no more than one look in this time.
const WHILE_FULL: Duration = Duration::from_millis(20);

impl<E: Executor> Dispatcher<E> {
    /// Ticks until the drain: after each change, and at least once a second, when limits of time are looked at too.
    pub(super) async fn tick_on(&self) {
        let mut changed = self.inner.db.queue_changed();
        let mut limits_at: Option<Instant> = None;
        while !self.inner.is_draining.is_cancelled() {
            changed.borrow_and_update();
            let began = Instant::now();
            let ticked = if limits_at.is_none_or(|at| began - at >= TICK) {
                limits_at = Some(began);
                self.tick().await
            } else {
                self.move_on().await
            };
            if let Err(error) = ticked {
                tracing::warn!(error = %error, "the queue could not be looked at; trying again");
            }
            tokio::select! {
                _ = changed.changed() => {}
                () = tokio::time::sleep(TICK) => {}
                () = self.inner.is_draining.cancelled() => return,
            }
            if self.is_full() {
                self.pause((began + WHILE_FULL).saturating_duration_since(Instant::now())).await;
            }
        }
    }

    /// One look at the tables.
    ///
    /// # Errors
    /// Where the database does not answer; the next tick tries again.
    pub async fn tick(&self) -> Result<(), db::Error> {
        self.inner.limits.keep(&self.inner.db, &self.inner.clock).await?;
        self.end_overdue().await?;
        self.move_on().await
    }

    /// Stops and claims.
    async fn move_on(&self) -> Result<(), db::Error> {
        loop {
            let claims = self.claims();
            let look = move |reader: &db::Reader<'_>| {
                Ok::<_, db::Error>((queue::running(reader)?, queue::next(reader, claims)?))
            };
            let (running, next) = self.inner.db.core().read(look).await?;
            self.stop_runs(running).await?;
            if next.is_none() || self.inner.is_draining.is_cancelled() {
                return Ok(());
            }
            if let Some((deployment, service)) = self.claim().await? {
                self.start(deployment, service);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.inner.running().len() >= usize::try_from(self.inner.settings.concurrency).unwrap_or(usize::MAX)
    }

    async fn claim(&self) -> Result<Option<(Deployment, Service)>, db::Error> {
        let (claims, now) = (self.claims(), self.inner.clock.now());
        self.inner
            .db
            .core()
            .write(move |tx| {
                let Some(deployment) = queue::claim_next(tx, claims, now)? else {
                    return Ok(None);
                };
                // A deleted service has nothing queued; were it otherwise, the claim is undone.
                let service = services::find(tx, &deployment.service_id)?;
                let service = service.ok_or(db::Error::Unavailable("a queued deployment has no service"))?;
                Ok(Some((deployment, service)))
            })
            .await
    }

    async fn end_overdue(&self) -> Result<(), db::Error> {
        let (available, now) = (self.available(), self.inner.clock.now());
        let before = now.minus(self.inner.settings.queue_timeout);
        let overdue =
            self.inner.db.core().read(move |reader| queue::overdue(reader, available, before)).await?;
        for deployment in overdue {
            let (reason, message) = if available.has(deployment.executor) {
                (Reason::Timeout, "it waited in the queue for longer than it may".to_owned())
            } else {
                let executor = deployment.executor.as_str();
                (Reason::ExecutorUnavailable, format!("this server has no executor {executor} any more"))
            };
            self.fail(deployment, reason, message, now).await?;
        }
        Ok(())
    }

    async fn stop_runs(&self, running: Vec<Deployment>) -> Result<(), db::Error> {
        let now = self.inner.clock.now();
        for deployment in running {
            if let Some((reason, message)) = due_to_stop(&deployment, now) {
                self.inner.ask_to_stop(&deployment.id, reason, &message);
            }
            if self.inner.is_lost(&deployment, now) {
                self.give_up(deployment).await?;
            }
        }
        Ok(())
    }

    /// Ends a run that did not end by itself in time, its processes go with its future; or a row that no run stands
    /// behind.
    async fn give_up(&self, deployment: Deployment) -> Result<(), db::Error> {
        let now = self.inner.clock.now();
        if let Some(running) = self.inner.running().remove(&deployment.id) {
            running.task.abort();
        }
        persist::complete_log(&self.inner.db, &deployment.id, now).await;
        let (reason, message) = due_to_stop(&deployment, now)
            .unwrap_or((Reason::Internal, "its run ended without saying how".to_owned()));
        self.fail(deployment, reason, message, now).await
    }

    /// Ends a deployment that has no run to say how it ended.
    pub(super) async fn fail(
        &self,
        deployment: Deployment,
        reason: Reason,
        message: String,
        now: Timestamp,
    ) -> Result<(), db::Error> {
        let write = move |tx: &db::Tx<'_>| {
            deployments::fail(tx, &deployment.id, reason, &message, None, now).map(drop)
        };
        self.inner.db.core().write(write).await
    }
}
