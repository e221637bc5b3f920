//! Whether executors can begin a run. While one cannot, nothing is claimed for it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::db;
use crate::dispatch::Dispatcher;
use crate::domain::ExecutorKind;
use crate::executor::Executor;

/// Time between two questions.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);

/// What the last questions brought. Before the first one nothing is known to be good.
#[derive(Default)]
pub(super) struct Health(Mutex<HashMap<ExecutorKind, Result<(), String>>>);

impl Health {
    pub(super) fn is_good(&self, kind: ExecutorKind) -> bool {
        matches!(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&kind), Some(Ok(())))
    }

    /// Takes the newest answer; true where it differs from the one before.
    fn set(&self, kind: ExecutorKind, answer: &Result<(), String>) -> bool {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(kind, answer.clone());
        last.as_ref() != Some(answer)
    }
}

impl<E: Executor> Dispatcher<E> {
    /// Asks each executor whether runs can be begun, and writes down the answers where they are new.
    ///
    /// # Errors
    /// Where one cannot be written down; it counts all the same.
    pub async fn probe(&self) -> Result<(), db::Error> {
        for (kind, executor) in self.inner.executors.iter() {
            let answer = match executor.probe().await {
                Ok(()) => self.enter_lost(kind, executor).await,
                Err(problem) => Err(problem),
            };
            if !self.inner.health.set(kind, &answer) {
                continue;
            }
            let word = kind.as_str();
            match &answer {
                Ok(()) => tracing::info!(executor = word, "the executor is ready"),
                Err(problem) => {
                    tracing::warn!(
                        executor = word,
                        problem,
                        "the executor is not ready; nothing is started there"
                    );
                }
            }
            self.inner.db.wake_queue();
            let problem = answer.err();
            self.inner
                .db
                .core()
                .write(move |tx| db::set_executor_problem(tx, kind, problem.as_deref()))
                .await?;
        }
        Ok(())
    }

    /// Asks now and then until the drain.
    pub(super) async fn probe_on(&self) {
        while !self.inner.is_draining.is_cancelled() {
            tokio::select! {
                stored = self.probe() => if let Err(error) = stored {
                    tracing::warn!(error = %error, "whether an executor is ready could not be stored");
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
