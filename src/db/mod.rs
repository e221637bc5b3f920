//! SQLite: the only SQL, the queue, the change notice.
//!
//! Two files, each with one writer thread: `core.db` holds what must never be lost, `logs.db` the text of builds, so
//! that log volume can neither slow nor block acceptance. Statements are free functions over [`Reader`] or [`Tx`].
#![expect(clippy::missing_errors_doc, reason = "every statement fails as `Error` says, and in no other way")]

pub mod audit;
pub mod backup;
pub mod badges;
pub mod caches;
mod changes;
pub mod checks;
mod connection;
pub mod copies;
pub mod deployments;
mod ended;
mod error;
mod facts;
pub mod found;
pub mod gauges;
#[cfg(test)]
mod growth_tests;
pub mod health;
pub mod hook_calls;
pub mod hooks;
pub mod idempotency;
mod live_logs;
mod lock;
pub mod log_end;
pub mod log_tail;
pub mod logs;
pub mod meters;
mod migrate;
pub mod notices;
pub mod operators;
pub mod queue;
mod readers;
pub mod removal;
pub mod restore;
pub mod retention;
pub mod runs;
pub mod services;
pub mod sessions;
mod sql_types;
pub mod steps;
mod store;
pub mod targets;
#[cfg(test)]
mod testing;
pub mod tokens;
pub mod waiting;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::watch;

pub use error::Error;
pub use facts::{
    Copies, copies, executor_problem, fingerprint, instance_id, is_restored, set_copies,
    set_executor_problem, set_fingerprint, set_restored,
};
pub use readers::Reader;
pub use sql_types::BadValue;
pub use store::Store;
pub use writer::Tx;

use crate::domain::{Clock, DeploymentId};

use live_logs::LiveLogs;
pub use live_logs::OpenLine;
use logs::Piece;

/// Name of the core file in the data directory.
pub const CORE_FILE: &str = "core.db";
/// Name of the log file in the data directory.
pub const LOGS_FILE: &str = "logs.db";
/// Oldest SQLite without the WAL-reset bug: 3.51.3.
const OLDEST_SQLITE: i32 = 3_051_003;

/// Which of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Core,
    Logs,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Logs => "logs",
        }
    }

    /// A power cut may cost the last lines of a log, never a deployment.
    const fn synchronous(self) -> &'static str {
        match self {
            Self::Core => "FULL",
            Self::Logs => "NORMAL",
        }
    }
}

/// Both files, open. One process at a time, by a lock on the data directory.
pub struct Db {
    core: Store,
    logs: Store,
    live_logs: LiveLogs,
    min_free_bytes: u64,
    /// Set once the core file was found damaged.
    is_damaged: AtomicBool,
    _lock: lock::Lock,
}

impl Db {
    /// Locks the data directory and opens both files in it, making and migrating them where needed.
    ///
    /// # Errors
    /// Where another server holds the lock, a file is newer or foreign, or the disk refuses.
    pub fn open(dir: &Path, min_free_bytes: u64) -> Result<Self, Error> {
        Self::open_with(dir, min_free_bytes, Box::new(writer::commit))
    }

    fn open_with(dir: &Path, min_free_bytes: u64, commit: writer::Commit) -> Result<Self, Error> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(Error::OldSqlite(rusqlite::version_number()));
        }
        let lock = lock::take(dir)?;
        backup::sweep(dir)?;
        health::set_damaged_logs_aside(dir, Clock::System.now().as_millis())?;
        for (name, role) in [(CORE_FILE, Role::Core), (LOGS_FILE, Role::Logs)] {
            let path = dir.join(name);
            if path.exists() {
                let looked =
                    connection::open_unchanged(&path).and_then(|conn| migrate::check(&conn, &path, role));
                looked
                    .map_err(|error| if health::is_damage(&error) { Error::Damaged(path) } else { error })?;
            }
        }
        let core = Store::open(dir.join(CORE_FILE), Role::Core, min_free_bytes, commit)?;
        let logs = Store::open(
            dir.join(LOGS_FILE),
            Role::Logs,
            min_free_bytes.saturating_mul(2),
            Box::new(writer::commit),
        )?;
        Ok(Self {
            core,
            logs,
            live_logs: LiveLogs::default(),
            min_free_bytes,
            is_damaged: AtomicBool::new(false),
            _lock: lock,
        })
    }

    /// What must never be lost.
    pub const fn core(&self) -> &Store {
        &self.core
    }

    /// The text of builds.
    pub const fn logs(&self) -> &Store {
        &self.logs
    }

    /// Whether nothing waits for the core file, so that work without a hurry may be done.
    pub fn is_idle(&self) -> bool {
        self.core.writer.is_idle()
    }

    /// Whether the core file is expected to take writes.
    pub fn is_ready(&self) -> bool {
        self.core.writer.is_ready()
    }

    /// Whether the disk has less free space than acceptance needs.
    pub fn is_short_of_space(&self) -> bool {
        self.free_bytes() < self.min_free_bytes
    }

    /// Free bytes on the disk of the data directory, for this user.
    pub fn free_bytes(&self) -> u64 {
        connection::free_bytes(self.core.readers.path())
    }

    /// Wakes the dispatcher as if something had changed.
    pub fn wake_queue(&self) {
        self.core.changes.wake();
    }

    /// Commits so far that changed what a hook URL opens. What was read before this number was is as old as it.
    pub fn hook_changes(&self) -> u64 {
        self.core.changes.hooks()
    }

    /// Commits to the core file since it was opened. What was read after this number was is at least as new as it.
    pub fn commits(&self) -> u64 {
        self.core.changes.commits()
    }

    /// A notice of each commit that changed a deployment.
    pub fn queue_changed(&self) -> watch::Receiver<u64> {
        self.core.changes.any()
    }

    /// A notice of each commit after which somebody is to be told something, or no longer.
    pub fn notices_changed(&self) -> watch::Receiver<u64> {
        self.core.changes.notices()
    }

    /// A notice of commits that may have changed this deployment.
    pub fn deployment_changed(&self, id: &DeploymentId) -> watch::Receiver<u64> {
        self.core.changes.of(id)
    }

    /// Commits so far that may have changed this deployment. What was read after this number was is at least as new as it.
    pub fn deployment_changes(&self, id: &DeploymentId) -> u64 {
        self.core.changes.count(id)
    }

    /// A notice of commits that may have changed this deployment's log.
    pub fn log_changed(&self, id: &DeploymentId) -> watch::Receiver<u64> {
        self.logs.changes.of(id)
    }

    /// Shows the last line of a log as it stands before it is kept, to those who follow it; none takes it away.
    pub fn show_open_line(&self, id: &DeploymentId, line: Option<OpenLine>) {
        self.live_logs.set_line(id, line);
        self.logs.changes.tell(id);
    }

    /// The last line of a log, where one is being written.
    pub fn open_line(&self, id: &DeploymentId) -> Option<OpenLine> {
        self.live_logs.line(id)
    }

    /// Shows a piece of a log that was stored, to those who follow it.
    pub fn show_piece(&self, id: &DeploymentId, piece: Piece) {
        self.live_logs.push(id, piece);
        self.logs.changes.tell(id);
    }

    /// The pieces of a log that hold or follow the byte `from`, where it is being written and they are still in memory.
    pub fn live_pieces(&self, id: &DeploymentId, from: u64) -> Option<Vec<Arc<Piece>>> {
        self.live_logs.from(id, from)
    }

    /// Forgets what was shown of a log that nobody writes any more.
    pub fn forget_live_log(&self, id: &DeploymentId) {
        self.live_logs.forget(id);
    }

    /// Runs what waits, empties both write-ahead logs and lets the data directory go. Blocks.
    pub fn close(self) {
        self.core.writer.stop();
        self.logs.writer.stop();
    }
}
