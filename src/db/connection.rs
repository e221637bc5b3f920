//! Opens connections the one way that is right for this product.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Error, Role};

/// How long a statement waits for a lock that a foreign tool holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept by each connection.
const STATEMENTS: usize = 128;

/// Opens the one connection that writes and checkpoints.
pub(super) fn open_writer(path: &Path, role: Role) -> Result<Connection, Error> {
    create_private(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    conn.pragma_update(None, "synchronous", role.synchronous())?;
    conn.pragma_update(None, "foreign_keys", true)?;
    harden(&conn)?;
    Ok(conn)
}

/// Makes the file readable for its owner alone; SQLite gives the files beside it the same mode.
fn create_private(path: &Path) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(drop).map_err(|source| Error::Io { path: path.to_owned(), source })
}

/// Opens a connection that cannot write.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    harden(&conn)?;
    Ok(conn)
}

/// What SQLite's own security notes advise for a file that others may have had in their hands.
fn harden(conn: &Connection) -> Result<(), Error> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.pragma_update(None, "mmap_size", 0)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    Ok(())
}

/// Empties the write-ahead log into the file.
pub(super) fn try_checkpoint(conn: &Connection) -> Result<(), Error> {
    let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if busy == 0 { Ok(()) } else { Err(Error::Unavailable("the database is being read by another program")) }
}

/// The same at the end of the process, where a failure costs nothing: the next start replays the log.
pub(super) fn checkpoint(conn: &Connection) {
    if let Err(error) = try_checkpoint(conn) {
        tracing::warn!(error = %error, "the write-ahead log was left to the next start");
    }
}

/// Free bytes for this user on the disk of `path`; the largest number where that cannot be told.
pub(super) fn free_bytes(path: &Path) -> u64 {
    rustix::fs::statvfs(path).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}
