//! The thread's own work: a batch at a time, and the file opened anew where it fails.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::mpsc;

use crate::db::changes::{Changes, Touched};
use crate::db::connection;
use crate::db::readers::Readers;
use crate::db::writer::job::{Fate, Job};
use crate::db::writer::{Plan, Tx, WAITING_LIST};

/// Most closures of one batch.
pub(super) const BATCH_CLOSURES: usize = 256;
/// Pause between attempts to open the file again after an I/O error.
const REOPEN_INTERVAL: Duration = Duration::from_millis(250);

type Inbox = mpsc::Receiver<Box<dyn Job>>;

/// What the writer thread works with.
pub(super) struct Worker {
    pub(super) plan: Plan,
    pub(super) readers: Arc<Readers>,
    pub(super) changes: Arc<Changes>,
    pub(super) is_ready: Arc<AtomicBool>,
}

impl Worker {
    /// Runs batches until the list is closed and empty.
    pub(super) fn work(&self, conn: Connection, mut inbox: Inbox) {
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
        let (began, touched) = (Instant::now(), RefCell::new(Touched::default()));
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
                self.changes.meters().batch(began.elapsed());
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
    let before = tx.touched.borrow().lengths();
    let keep = job.run(tx);
    // SQLITE_FULL, IOERR, NOMEM and the like may roll back more than their statement.
    if conn.is_autocommit() {
        return Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK),
            Some("the whole transaction was rolled back".to_owned()),
        ));
    }
    if !keep {
        tx.touched.borrow_mut().shorten(before);
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
