//! Whether the cluster answers. While it does not, nothing is claimed for it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::db;
use crate::executor::Executor;

use super::Dispatcher;

/// Time between two questions.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// What the last question brought. Before the first one nothing is known to be good.
#[derive(Default)]
pub(super) struct Health(Mutex<Option<Result<(), String>>>);

impl Health {
    pub(super) fn is_good(&self) -> bool {
        matches!(*self.0.lock().unwrap_or_else(PoisonError::into_inner), Some(Ok(())))
    }

    /// Takes the newest answer; true where it differs from the one before.
    fn set(&self, answer: &Result<(), String>) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = last.as_ref() != Some(answer);
        *last = Some(answer.clone());
        is_news
    }
}

impl<L: Executor, T: Executor> Dispatcher<L, T> {
    /// Asks the cluster whether runs can be begun, and writes down the answer where it is new.
    ///
    /// # Errors
    /// Where it cannot be written down; it counts all the same.
    pub async fn probe(&self) -> Result<(), db::Error> {
        let Some(tekton) = &self.inner.executors.tekton else { return Ok(()) };
        let answer = tekton.probe().await;
        if !self.inner.cluster.set(&answer) {
            return Ok(());
        }
        match &answer {
            Ok(()) => tracing::info!("the cluster answers"),
            Err(problem) => tracing::warn!(problem, "the cluster cannot be used; nothing is started there"),
        }
        self.inner.db.wake_queue();
        let problem = answer.err();
        self.inner.db.write(move |tx| db::set_cluster_problem(tx, problem.as_deref())).await
    }

    /// Asks now and then until the drain.
    pub(super) async fn probe_on(&self) {
        while self.inner.executors.tekton.is_some() && !self.inner.is_draining.is_cancelled() {
            tokio::select! {
                stored = self.probe() => if let Err(error) = stored {
                    tracing::warn!(error = %error, "what the cluster answered could not be stored");
                },
                () = self.inner.is_draining.cancelled() => return,
            }
            self.pause(PROBE_INTERVAL).await;
        }
    }

    /// Waits, or less where the drain begins.
    pub(super) async fn pause(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.inner.is_draining.cancelled() => {}
        }
    }
}
