//! What every operation may use.

use std::sync::Arc;

use crate::db::{self, Db, Tx};
use crate::domain::{AddressRange, Clock, ExecutorSet, TokenKey, Urls};

/// What an operator may set, and what the server is.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Most queued deployments of one service.
    pub queue_limit: u32,
    /// Which executors this server has.
    pub available: ExecutorSet,
    /// Where notices may be sent beside the public internet.
    pub allowed_targets: Vec<AddressRange>,
}

/// What every operation may use; cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    db: Arc<Db>,
    key: TokenKey,
    clock: Clock,
    urls: Urls,
    settings: Settings,
}

impl Context {
    /// Puts together what operations need.
    pub fn new(db: Arc<Db>, key: TokenKey, clock: Clock, urls: Urls, settings: Settings) -> Self {
        Self(Arc::new(Inner { db, key, clock, urls, settings }))
    }

    /// The database.
    pub fn db(&self) -> &Arc<Db> {
        &self.0.db
    }

    /// The server key; never shown.
    pub fn key(&self) -> &TokenKey {
        &self.0.key
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Absolute URLs.
    pub fn urls(&self) -> &Urls {
        &self.0.urls
    }

    /// What an operator set.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Where notices may be sent beside the public internet.
    pub fn allowed_targets(&self) -> &[AddressRange] {
        &self.0.settings.allowed_targets
    }

    /// Runs an operation in a transaction of its own.
    ///
    /// # Errors
    /// Those of the operation, and where the database does not take it.
    pub async fn run<F, T, E>(&self, operation: F) -> Result<T, E>
    where
        F: FnOnce(&Tx<'_>, &Self) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<db::Error> + Send + 'static,
    {
        let context = self.clone();
        self.0.db.core().try_write(move |tx| operation(tx, &context)).await
    }
}
