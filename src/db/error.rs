//! What can go wrong in this layer.

use std::path::PathBuf;

/// What went wrong in this layer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing was written, or nobody can tell; trying again later is right.
    #[error("{0}")]
    Unavailable(&'static str),
    /// As many closures wait as may wait; nothing was run. Trying again soon is right.
    #[error("too many calls wait for the database")]
    Busy,
    /// A closure panicked; its rows were rolled back.
    #[error("a database closure panicked")]
    Panicked,
    /// A statement failed for a reason that trying again does not mend.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    /// Another server uses the data directory.
    #[error("another server uses {path}{holder}")]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// ` (process 4711)` where it says so.
        holder: String,
    },
    /// The file was written by a newer program.
    #[error(
        "{path} has schema {version}, newer than the {newest} that this program knows; install the newer program again, or restore \
         a copy from before the upgrade"
    )]
    Newer {
        /// The file, unchanged.
        path: PathBuf,
        /// Its schema.
        version: usize,
        /// The newest that this program knows.
        newest: usize,
    },
    /// The file belongs to another program.
    #[error("{0} is a database of another program")]
    Foreign(PathBuf),
    /// The file cannot be read as a database any more.
    #[error("{0} is damaged; put a backup in its place: stackblaze restore FILE")]
    Damaged(PathBuf),
    /// What a copy holds is not what this program made.
    #[error("{path} was changed by somebody: its schema has {object}, which StackBlaze did not make so")]
    Altered {
        /// The copy.
        path: PathBuf,
        /// Such as `trigger x`.
        object: String,
    },
    /// The file system refused.
    #[error("{path}: {source}")]
    Io {
        /// What was opened or made.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The linked SQLite can corrupt files.
    #[error("SQLite {0} has the WAL-reset bug; 3.51.3 or newer is needed")]
    OldSqlite(i32),
    /// No thread could be started.
    #[error("no thread for the database: {0}")]
    Thread(std::io::Error),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{
            CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, OutOfMemory, ReadOnly, SystemIoFailure,
        };
        match error.sqlite_error_code() {
            Some(DiskFull) => Self::Unavailable("the disk is full"),
            Some(ReadOnly) => Self::Unavailable("the database cannot be written"),
            Some(SystemIoFailure | CannotOpen) => Self::Unavailable("the disk does not answer properly"),
            Some(DatabaseBusy | DatabaseLocked) => Self::Unavailable("another program holds the database"),
            Some(OutOfMemory) => Self::Unavailable("the server is out of memory"),
            _ => Self::Sqlite(error),
        }
    }
}
