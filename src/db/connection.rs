//! Opens connections the one way that is right for this product.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{Error, Role};

/// How long a statement waits for a lock that a foreign tool holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements kept by each connection.
const STATEMENTS: usize = 128;

/// Opens the one connection that writes and checkpoints; makes the file where it is missing.
pub(super) fn open_writer(path: &Path, role: Role) -> Result<Connection, Error> {
    create_private(path)?;
    reopen_writer(path, role)
}

/// The same for a file that was there before: one that went missing is not replaced by an empty one.
pub(super) fn reopen_writer(path: &Path, role: Role) -> Result<Connection, Error> {
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
pub(super) fn create_private(path: &Path) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(drop).map_err(|source| Error::Io { path: path.to_owned(), source })
}

/// Copies the database of a connection into a new file, readable for its owner alone; leaves none where that fails.
pub(super) fn copy_into(conn: &Connection, target: &Path) -> Result<(), Error> {
    create_private(target)?;
    let copied = conn.execute("VACUUM INTO ?1", [target.to_string_lossy()]);
    copied.map(drop).inspect_err(|_| drop(std::fs::remove_file(target))).map_err(Error::from)
}

/// Puts what a write-ahead log beside a file holds into the file.
pub(super) fn fold_log(path: &Path) -> Result<(), Error> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    harden(&conn)?;
    Ok(conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?)
}

/// A file beside another, whose name goes on.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens a connection that cannot write.
pub(super) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    harden(&conn)?;
    Ok(conn)
}

/// Opens a connection for a look at a file that nobody uses. Beside a file without a log even the best-meant reader
/// makes `-wal` and `-shm` files, so that one is opened as if it could not change.
pub(super) fn open_unchanged(path: &Path) -> Result<Connection, Error> {
    if std::fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0) {
        return open_reader(path);
    }
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    let conn = Connection::open_with_flags(immutable_uri(path), flags)?;
    harden(&conn)?;
    Ok(conn)
}

fn immutable_uri(path: &Path) -> OsString {
    let mut uri = if path.is_absolute() { b"file://".to_vec() } else { b"file:".to_vec() };
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' => uri.extend(b"%25"),
            b'?' => uri.extend(b"%3f"),
            b'#' => uri.extend(b"%23"),
            byte => uri.push(byte),
        }
    }
    uri.extend(b"?immutable=1");
    OsString::from_vec(uri)
}

/// What SQLite's own security notes advise for a file that others may have had in their hands.
fn harden(conn: &Connection) -> Result<(), Error> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.pragma_update(None, "mmap_size", 0)?;
    conn.pragma_update(None, "cell_size_check", true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // A bound value never makes SQLite plan again: it would for each `LIMIT :limit`.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_of_a_folder_can_be_looked_into() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("50% ?mode=ro #1 é");
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("core.db");
        open_writer(&path, Role::Core).unwrap().execute_batch("PRAGMA user_version = 7").unwrap();

        let conn = open_unchanged(&path).unwrap();

        let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        assert_eq!((version, std::fs::read_dir(&folder).unwrap().count()), (7, 1));
    }

    #[test]
    fn the_core_file_is_synced_at_each_commit_and_the_log_file_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let level = |role: Role| -> i64 {
            let conn = open_writer(&dir.path().join(role.name()), role).unwrap();
            conn.query_row("PRAGMA synchronous", [], |row| row.get(0)).unwrap()
        };

        assert_eq!((level(Role::Core), level(Role::Logs)), (2, 1));
    }

    #[test]
    fn every_connection_is_hardened() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("core.db");
        let writer = open_writer(&path, Role::Core).unwrap();
        let reader = open_reader(&path).unwrap();

        let get = |conn: &Connection, name: &str| -> String {
            let pragma = format!("PRAGMA {name}");
            conn.query_row(&pragma, [], |row| {
                row.get_ref(0)?.as_str().map(str::to_owned).or_else(|_| Ok(row.get::<_, i64>(0)?.to_string()))
            })
            .unwrap()
        };

        for conn in [&writer, &reader] {
            assert_eq!(
                (get(conn, "trusted_schema"), get(conn, "cell_size_check")),
                ("0".to_owned(), "1".to_owned())
            );
        }
        assert_eq!(
            (get(&writer, "journal_mode"), get(&writer, "foreign_keys")),
            ("wal".to_owned(), "1".to_owned())
        );
    }
}
