//! Looks at what services need, now and then, and writes down what was found; the API and the pages read it.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::db::{self, checks};
use crate::dispatch::Dispatcher;
use crate::domain::{Finding, Service};
use crate::executor::Executor;

/// Time between two looks for services that are due; a changed one is due at once.
const INTERVAL: Duration = Duration::from_secs(2);
/// Looks at a time: each may take a pod of the cluster, or a git of this machine.
const AT_ONCE: usize = 4;
/// What was found counts this long where nothing is wrong, and this long where something is.
const AGES: checks::Ages = checks::Ages { good: Duration::from_hours(1), bad: Duration::from_mins(5) };

impl<E: Executor> Dispatcher<E> {
    /// Looks at services until the drain.
    pub(super) async fn check_on(&self) {
        while !self.inner.is_draining.is_cancelled() {
            tokio::select! {
                looked = self.check() => if let Err(error) = looked {
                    tracing::warn!(error = %error, "services could not be looked at; trying again");
                },
                () = self.inner.is_draining.cancelled() => return,
            }
            self.pause(INTERVAL).await;
        }
    }

    /// Looks at the services that are due.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn check(&self) -> Result<(), db::Error> {
        let now = self.inner.clock.now();
        let due = self.inner.db.core().read(move |reader| checks::due(reader, AGES, now)).await?;
        let looks = due.into_iter().map(async |service| {
            let began = self.inner.clock.now();
            let findings = self.look_at(&service).await;
            self.inner.db.core().write(move |tx| checks::store(tx, &service, &findings, began)).await
        });
        stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn look_at(&self, service: &Service) -> Vec<Finding> {
        let kind = service.executor;
        let found = match self.inner.executors.get(kind) {
            Some(executor) => executor.check(service).await,
            None => vec![Finding::bad(format!("this server has no executor {}", kind.as_str()), None)],
        };
        if found.is_empty() { vec![Finding::good("nothing to look at")] } else { found }
    }
}
