//! The writer thread: batches of closures, a savepoint each, one commit.
//!
//! Every answer, also a refusal, is held until COMMIT has returned, since it may depend on rows of the same batch.

use std::cell::RefCell;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::domain::DeploymentId;

use super::changes::Changes;
use super::connection;
use super::readers::{Reader, Readers};
use super::{Error, Role};

/// Most closures of one batch.
const BATCH_CLOSURES: usize = 256;
/// Longest time that one batch takes closures in.
pub(super) const BATCH_TIME: Duration = Duration::from_millis(20);
/// Most closures that wait; the trying form answers "unavailable" beyond it.
pub(super) const WAITING_LIST: usize = 4_096;
/// Longest wait of a closure whose caller waits on a socket; later ones are answered without running.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between attempts to open the file again after an I/O error.
const REOPEN_INTERVAL: Duration = Duration::from_millis(250);

/// The argument of a writing closure: what a [`Reader`] can, and rows may be changed. No BEGIN, COMMIT or PRAGMA.
pub struct Tx<'c> {
    reader: Reader<'c>,
    touched: &'c RefCell<Vec<DeploymentId>>,
    is_short_of_space: bool,
}

impl<'c> Deref for Tx<'c> {
    type Target = Reader<'c>;

    fn deref(&self) -> &Reader<'c> {
        &self.reader
    }
}

impl<'c> Tx<'c> {
    pub(super) fn new(
        conn: &'c Connection,
        touched: &'c RefCell<Vec<DeploymentId>>,
        is_short_of_space: bool,
    ) -> Self {
        Self { reader: Reader::new(conn), touched, is_short_of_space }
    }

    /// Whether the disk has less free space than acceptance needs.
    pub fn is_short_of_space(&self) -> bool {
        self.is_short_of_space
    }

    /// Tells those who wait for this deployment, once the batch is committed.
    pub(super) fn touch(&self, id: &DeploymentId) {
        self.touched.borrow_mut().push(id.clone());
    }
}

/// What became of the batch of a closure.
enum Fate {
    Committed,
    Unavailable(&'static str),
}

trait Job: Send {
    /// Whether the caller is still there and has not waited too long; answers it where it has.
    fn is_due(&mut self) -> bool;
    /// Runs the closure; false means that its rows are to be rolled back.
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    fn answer(self: Box<Self>, fate: Fate);
}

struct Write<F, T, E> {
    closure: Option<F>,
    result: Option<Result<T, E>>,
    reply: Option<oneshot::Sender<Result<T, E>>>,
    expires: Option<Instant>,
}

impl<F, T, E> Job for Write<F, T, E>
where
    F: FnOnce(&Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn is_due(&mut self) -> bool {
        if self.reply.as_ref().is_none_or(oneshot::Sender::is_closed) {
            return false;
        }
        if self.expires.is_some_and(|at| at < Instant::now()) {
            self.send(Err(Error::Busy.into()));
            return false;
        }
        true
    }

    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let Some(closure) = self.closure.take() else { return false };
        let result =
            catch_unwind(AssertUnwindSafe(|| closure(tx))).unwrap_or_else(|_| Err(Error::Panicked.into()));
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn answer(mut self: Box<Self>, fate: Fate) {
        let result = match fate {
            Fate::Committed => self.result.take(),
            Fate::Unavailable(why) => Some(Err(Error::Unavailable(why).into())),
        };
        if let Some(result) = result {
            self.send(result);
        }
    }
}

impl<F, T, E> Write<F, T, E> {
    fn send(&mut self, result: Result<T, E>) {
        if let Some(reply) = self.reply.take() {
            // A caller that has left needs no answer; what it asked for has happened all the same.
            drop(reply.send(result));
        }
    }
}

/// How a batch is committed; a parameter so that a test can make it fail.
pub(super) type Commit = Box<dyn Fn(&Connection) -> rusqlite::Result<()> + Send>;

/// The real one.
pub(super) fn commit(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch("COMMIT")
}

type Inbox = mpsc::Receiver<Box<dyn Job>>;

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

    /// Runs a closure, or says at once or within [`PATIENCE`] that it could not be begun.
    pub(super) async fn try_write<F, T, E>(&self, closure: F) -> Result<T, E>
    where
        F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let (job, answer) = package(closure, Some(Instant::now() + PATIENCE));
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

fn package<F, T, E>(closure: F, expires: Option<Instant>) -> (Box<dyn Job>, oneshot::Receiver<Result<T, E>>)
where
    F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Write { closure: Some(closure), result: None, reply: Some(reply), expires }), answer)
}

struct Worker {
    plan: Plan,
    readers: Arc<Readers>,
    changes: Arc<Changes>,
    is_ready: Arc<AtomicBool>,
}

impl Worker {
    fn work(&self, conn: Connection, mut inbox: Inbox) {
        let mut open = Some(conn);
        while let Some(conn) = open.take() {
            let Some(first) = inbox.blocking_recv() else {
                self.readers.close();
                connection::checkpoint(&conn);
                return;
            };
            open = match self.batch(&conn, first, &mut inbox) {
                Ok(()) => Some(conn),
                Err(error) => {
                    self.close(conn, &error);
                    self.reopen(&mut inbox)
                }
            };
        }
    }

    /// Runs one batch to its end and answers all of it; an error means that the connection cannot be trusted any more.
    fn batch(
        &self,
        conn: &Connection,
        first: Box<dyn Job>,
        inbox: &mut Inbox,
    ) -> Result<(), rusqlite::Error> {
        let touched = RefCell::new(Vec::new());
        let is_short_of_space = connection::free_bytes(&self.plan.path) < self.plan.min_free_bytes;
        let tx = Tx::new(conn, &touched, is_short_of_space);
        let mut batch = Vec::new();
        let outcome = match conn.execute_batch("BEGIN IMMEDIATE") {
            Ok(()) => run_all(conn, &tx, first, inbox, self.plan.batch_time, &mut batch)
                .and_then(|()| (self.plan.commit)(conn)),
            Err(error) => {
                // Who waits behind a lock has waited as long as the first; the next attempt is for those who come.
                batch.push(first);
                batch.extend(waiting(inbox));
                Err(error)
            }
        };
        match outcome {
            Ok(()) => {
                self.changes.publish(&touched.borrow());
                answer_all(batch, || Fate::Committed);
                Ok(())
            }
            Err(error) => {
                tracing::error!(error = %error, closures = batch.len(), "a batch could not be committed");
                let is_lost =
                    is_io_error(&error) || (!conn.is_autocommit() && conn.execute_batch("ROLLBACK").is_err());
                if is_lost {
                    self.is_ready.store(false, Ordering::SeqCst);
                }
                answer_all(batch, || Fate::Unavailable("the database could not be written"));
                if is_lost { Err(error) } else { Ok(()) }
            }
        }
    }

    /// After an I/O error at COMMIT nobody knows what reached the disk: every connection is closed, and only a file
    /// that opens and checkpoints anew is used again.
    fn close(&self, conn: Connection, error: &rusqlite::Error) {
        tracing::error!(error = %error, "closing the database; it is opened again before anything is taken");
        self.readers.close();
        drop(conn);
    }

    /// Tries until the file opens and checkpoints anew, and refuses meanwhile whoever waits; none where the list is
    /// closed before. It does not wait for a call: while readiness is red there may be none.
    fn reopen(&self, inbox: &mut Inbox) -> Option<Connection> {
        loop {
            match connection::reopen_writer(&self.plan.path, self.plan.role)
                .and_then(|conn| connection::try_checkpoint(&conn).map(|()| conn))
            {
                Ok(conn) => {
                    self.readers.open();
                    self.is_ready.store(true, Ordering::SeqCst);
                    tracing::warn!("the database is open again");
                    return Some(conn);
                }
                Err(error) => {
                    tracing::error!(error = %error, "the database cannot be opened again yet");
                }
            }
            answer_all(waiting(inbox), || Fate::Unavailable("the database cannot be written"));
            if inbox.is_closed() {
                return None;
            }
            std::thread::sleep(REOPEN_INTERVAL);
        }
    }
}

/// Takes all who wait now.
fn waiting(inbox: &mut Inbox) -> Vec<Box<dyn Job>> {
    std::iter::from_fn(|| inbox.try_recv().ok()).take(WAITING_LIST).collect()
}

/// Runs `first` and what else waits, at most [`BATCH_CLOSURES`] or for as long as a batch may take.
fn run_all(
    conn: &Connection,
    tx: &Tx<'_>,
    first: Box<dyn Job>,
    inbox: &mut Inbox,
    time: Duration,
    batch: &mut Vec<Box<dyn Job>>,
) -> rusqlite::Result<()> {
    let began = Instant::now();
    let mut next = Some(first);
    while let Some(mut job) = next {
        if job.is_due() {
            let outcome = run_one(conn, tx, job.as_mut());
            batch.push(job);
            outcome?;
        }
        let is_full = batch.len() >= BATCH_CLOSURES || began.elapsed() >= time;
        next = if is_full { None } else { inbox.try_recv().ok() };
    }
    Ok(())
}

/// Runs one closure in its savepoint. An error means that the whole transaction is gone.
fn run_one(conn: &Connection, tx: &Tx<'_>, job: &mut dyn Job) -> rusqlite::Result<()> {
    conn.prepare_cached("SAVEPOINT closure")?.execute([])?;
    let touched = tx.touched.borrow().len();
    let keep = job.run(tx);
    // SQLITE_FULL, IOERR, NOMEM and the like may roll back more than their statement.
    if conn.is_autocommit() {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK),
            Some("the whole transaction was rolled back".to_owned()),
        ));
    }
    if !keep {
        tx.touched.borrow_mut().truncate(touched);
        conn.prepare_cached("ROLLBACK TO closure")?.execute([])?;
    }
    conn.prepare_cached("RELEASE closure")?.execute([])?;
    Ok(())
}

fn answer_all(batch: Vec<Box<dyn Job>>, fate: impl Fn() -> Fate) {
    for job in batch {
        job.answer(fate());
    }
}

fn is_io_error(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code().is_some_and(|code| {
        use rusqlite::ErrorCode::{CannotOpen, DatabaseCorrupt, NotADatabase, SystemIoFailure};
        matches!(code, SystemIoFailure | DatabaseCorrupt | CannotOpen | NotADatabase)
    })
}

#[cfg(test)]
mod tests;
