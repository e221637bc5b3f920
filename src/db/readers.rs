//! A few read-only connections, used from blocking threads.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::{Error, connection};

/// Most reads at a time, and most connections kept.
const READERS: usize = 8;

/// The argument of a reading closure: one consistent view of the file.
pub struct Reader<'c> {
    conn: &'c Connection,
}

impl<'c> Reader<'c> {
    pub(super) fn new(conn: &'c Connection) -> Self {
        Self { conn }
    }

    /// The connection, for statements of this layer alone.
    pub(super) fn conn(&self) -> &'c Connection {
        self.conn
    }
}

/// The pool. Closed while nobody knows whether the file is sound.
pub(super) struct Readers {
    path: PathBuf,
    permits: Semaphore,
    /// None while closed.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, permits: Semaphore::new(READERS), idle: Mutex::new(Some(Vec::new())) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn read<F, T, E>(self: &Arc<Self>, closure: F) -> Result<T, E>
    where
        F: FnOnce(&Reader<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let _permit =
            self.permits.acquire().await.map_err(|_| Error::Unavailable("the database is closed"))?;
        let readers = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            let mut conn = readers.take()?;
            // Rolled back when dropped: nothing was written.
            let snapshot = conn.transaction().map_err(Error::from)?;
            let result = closure(&Reader::new(&snapshot));
            drop(snapshot);
            readers.give_back(conn);
            result
        });
        task.await.unwrap_or_else(|_| Err(Error::Panicked.into()))
    }

    fn take(&self) -> Result<Connection, Error> {
        let idle = {
            let mut pool = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            pool.as_mut().ok_or(Error::Unavailable("the database is being opened again"))?.pop()
        };
        idle.map_or_else(|| connection::open_reader(&self.path), Ok)
    }

    fn give_back(&self, conn: Connection) {
        if let Some(pool) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            pool.push(conn);
        }
    }

    pub(super) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    pub(super) fn open(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default();
    }
}
