//! The writer thread: batches of closures, a savepoint each, one commit.
//!
//! Every answer, also a refusal, is held until COMMIT has returned, since it may depend on rows of the same batch.

mod job;
mod worker;

use std::cell::RefCell;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::mpsc;

use crate::db::changes::{Changes, Touched};
use crate::db::meters::Ended;
use crate::db::readers::{Reader, Readers};
use crate::db::{Error, Role};
use crate::domain::DeploymentId;

use job::{Job, package};
use worker::Worker;

/// Longest time that one batch takes closures in.
pub(super) const BATCH_TIME: Duration = Duration::from_millis(20);
/// Most closures that wait; the trying form answers "unavailable" beyond it.
pub(super) const WAITING_LIST: usize = 4_096;
/// Longest wait of a closure whose caller waits on a socket; later ones are answered without running.
pub(super) const LONGEST_WAIT_TO_BEGIN: Duration = Duration::from_secs(5);
/// The argument of a writing closure: what a [`Reader`] can, and rows may be changed. No BEGIN, COMMIT or PRAGMA.
pub struct Tx<'c> {
    reader: Reader<'c>,
    touched: &'c RefCell<Touched>,
    is_short_of_space: bool,
}

impl<'c> Deref for Tx<'c> {
    type Target = Reader<'c>;

    fn deref(&self) -> &Reader<'c> {
        &self.reader
    }
}

impl<'c> Tx<'c> {
    pub(super) fn new(conn: &'c Connection, touched: &'c RefCell<Touched>, is_short_of_space: bool) -> Self {
        Self { reader: Reader::new(conn), touched, is_short_of_space }
    }

    /// Whether the disk has less free space than acceptance needs.
    pub fn is_short_of_space(&self) -> bool {
        self.is_short_of_space
    }

    /// Tells those who wait for this deployment, once the batch is committed.
    pub(super) fn touch(&self, id: &DeploymentId) {
        self.touched.borrow_mut().deployments.push(id.clone());
    }

    /// Tells those who remember what hook URLs open, once the batch is committed.
    pub(super) fn touch_hooks(&self) {
        self.touched.borrow_mut().hooks = true;
    }

    /// Counts something that has ended, once the batch is committed.
    pub(super) fn count(&self, ended: Ended) {
        self.touched.borrow_mut().ended.push(ended);
    }

    /// Tells whoever delivers notices, once the batch is committed.
    pub(super) fn touch_notices(&self) {
        self.touched.borrow_mut().notices = true;
    }
}

/// How a batch is committed; a parameter so that a test can make it fail.
pub(super) type Commit = Box<dyn Fn(&Connection) -> rusqlite::Result<()> + Send>;

/// The real one.
pub(super) fn commit(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch("COMMIT")
}

/// What the writer thread needs to know.
pub(super) struct Plan {
    pub(super) path: PathBuf,
    pub(super) role: Role,
    pub(super) commit: Commit,
    /// See [`BATCH_TIME`].
    pub(super) batch_time: Duration,
    /// Free bytes on the disk below which [`Tx::is_short_of_space`] says so.
    pub(super) min_free_bytes: u64,
}

/// The handle of the writer thread.
pub(super) struct Writer {
    jobs: mpsc::Sender<Box<dyn Job>>,
    thread: JoinHandle<()>,
    is_ready: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn start(
        conn: Connection,
        plan: Plan,
        readers: Arc<Readers>,
        changes: Arc<Changes>,
    ) -> Result<Self, Error> {
        let (jobs, inbox) = mpsc::channel(WAITING_LIST);
        let is_ready = Arc::new(AtomicBool::new(true));
        let name = format!("{}-writer", plan.role.name());
        let worker = Worker { plan, readers, changes, is_ready: Arc::clone(&is_ready) };
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || worker.work(conn, inbox))
            .map_err(Error::Thread)?;
        Ok(Self { jobs, thread, is_ready })
    }

    /// Runs a closure and waits for a place on the list as long as it takes.
    pub(super) async fn write<F, T, E>(&self, closure: F) -> Result<T, E>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (job, answer) = package(closure, None);
        self.jobs.send(job).await.map_err(|_| Error::Unavailable("the database is closed"))?;
        answer.await.unwrap_or_else(|_| Err(Error::Unavailable("the database is closed").into()))
    }

    /// Runs a closure, or says at once or within [`LONGEST_WAIT_TO_BEGIN`] that it could not be begun.
    pub(super) async fn try_write<F, T, E>(&self, closure: F) -> Result<T, E>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (job, answer) = package(closure, Some(Instant::now() + LONGEST_WAIT_TO_BEGIN));
        self.jobs.try_send(job).map_err(|_| Error::Busy)?;
        answer.await.unwrap_or_else(|_| Err(Error::Unavailable("the database is closed").into()))
    }

    /// Whether nothing waits, so that work without a hurry may be done.
    pub(super) fn is_idle(&self) -> bool {
        self.jobs.capacity() == WAITING_LIST
    }

    /// Whether writes are expected to succeed.
    pub(super) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::SeqCst) && !self.thread.is_finished()
    }

    /// Closes the list, runs what waits, and waits for the thread.
    pub(super) fn stop(self) {
        drop(self.jobs);
        if self.thread.join().is_err() {
            tracing::error!("the writer thread ended by a panic");
        }
    }
}

#[cfg(test)]
mod tests;
