//! One database file, open.

use std::path::PathBuf;
use std::sync::Arc;

use super::changes::Changes;
use super::meters::Meters;
use super::readers::Readers;
use super::writer::{self, Plan, Writer};
use super::{Error, Reader, Role, Tx, connection, migrate};

/// One file: its writer, its readers, its notices.
pub struct Store {
    pub(super) writer: Writer,
    pub(super) readers: Arc<Readers>,
    pub(super) changes: Arc<Changes>,
}

impl Store {
    pub(super) fn open(
        path: PathBuf,
        role: Role,
        min_free_bytes: u64,
        commit: writer::Commit,
    ) -> Result<Self, Error> {
        let mut conn = connection::open_writer(&path, role)?;
        migrate::run(&mut conn, &path, role)?;
        let readers = Arc::new(Readers::new(path.clone()));
        let changes = Arc::new(Changes::new());
        let plan = Plan { path, role, commit, batch_time: writer::BATCH_TIME, min_free_bytes };
        let writer = Writer::start(conn, plan, Arc::clone(&readers), Arc::clone(&changes))?;
        Ok(Self { writer, readers, changes })
    }

    /// What is counted of this file.
    pub fn meters(&self) -> &Meters {
        self.changes.meters()
    }

    /// Reads: one consistent view, from a blocking thread.
    pub async fn read<F, T, E>(&self, closure: F) -> Result<T, E>
    where
        F: FnOnce(&Reader<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.readers.read(closure).await
    }

    /// Writes; waits for a place on the list as long as it takes. Answers after the commit.
    pub async fn write<F, T, E>(&self, closure: F) -> Result<T, E>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.writer.write(closure).await
    }

    /// Writes for a caller on a socket: "unavailable" where the list is full or the wait too long.
    pub async fn try_write<F, T, E>(&self, closure: F) -> Result<T, E>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.writer.try_write(closure).await
    }
}
