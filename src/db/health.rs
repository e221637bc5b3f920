//! Whether the files are sound.

use std::path::Path;
use std::sync::atomic::Ordering;

use rusqlite::Connection;
use rustix::process::nice;
use tokio::sync::oneshot;

use super::connection::beside;
use super::{CORE_FILE, Db, Error, LOGS_FILE, Reader, Role, connection, lock, migrate};

/// Beside the log file: that it was found damaged, so that the next start sets it aside.
const DAMAGED: &str = ".is-damaged";
/// By how much the look through a file is nicer than all else: a third of a processor's time is left to it at worst. With less
/// it would hold its view of the file so long that the write-ahead log grows meanwhile.
const NICER: i32 = 5;

/// What `doctor` sees of a data directory, without changing anything in it.
#[derive(Debug)]
pub struct Health {
    /// Whether a server holds it.
    pub is_in_use: bool,
    /// Each file: its name, and what is wrong with it, if anything.
    pub files: Vec<(&'static str, Result<(), String>)>,
    /// Fingerprint of the key that made the hooks, if any were made.
    pub fingerprint: Option<String>,
    /// Free bytes on the disk.
    pub free_bytes: u64,
}

/// Looks at the files of a data directory.
pub fn health(dir: &Path) -> Health {
    let files = [(CORE_FILE, Role::Core), (LOGS_FILE, Role::Logs)];
    let found = files.into_iter().filter(|(name, _)| dir.join(name).exists());
    let is_in_use = lock::is_held(dir);
    let open = if is_in_use { connection::open_reader } else { connection::open_unchanged };
    let examine = |path: &Path, role| open(path).and_then(|conn| examine(&conn, path, role));
    Health {
        is_in_use,
        files: found
            .map(|(name, role)| (name, examine(&dir.join(name), role).map_err(|e| e.to_string())))
            .collect(),
        fingerprint: open(&dir.join(CORE_FILE)).ok().and_then(|conn| stored_fingerprint(&conn)),
        free_bytes: connection::free_bytes(dir),
    }
}

fn examine(conn: &Connection, path: &Path, role: Role) -> Result<(), Error> {
    migrate::check(conn, path, role)?;
    if is_sound(conn)? { Ok(()) } else { Err(Error::Unavailable("is damaged; restore a backup")) }
}

fn stored_fingerprint(conn: &Connection) -> Option<String> {
    super::fingerprint(&Reader::new(conn)).ok().flatten()
}

pub(super) fn is_sound(conn: &Connection) -> Result<bool, Error> {
    let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(verdict == "ok")
}

/// Looks at every page on a thread of its own, which stands back wherever something else is to be done: the larger the
/// file, the longer it takes. None where there is no thread to be had.
fn look_in_background(conn: Connection) -> Option<oneshot::Receiver<Result<bool, Error>>> {
    let (tell, found) = oneshot::channel();
    let thread = std::thread::Builder::new().name("examine".to_owned());
    let spawned = thread.spawn(move || {
        // Of this thread alone, as Linux counts.
        let _ = nice(NICER);
        let sound = is_sound(&conn);
        // Before the answer, so that who has it finds the file closed.
        drop(conn);
        drop(tell.send(sound));
    });
    spawned.is_ok().then_some(found)
}

impl Db {
    /// Looks at every page of both files, on a thread of its own, until `stop`. What is damaged is said in the log; of
    /// the core file [`is_damaged`](Self::is_damaged) says so too, and the log file is set aside by the next start.
    pub async fn examine(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        for (store, role) in [(&self.core, Role::Core), (&self.logs, Role::Logs)] {
            let path = store.readers.path().to_owned();
            let Ok(conn) = connection::open_reader(&path) else { continue };
            let handle = conn.get_interrupt_handle();
            let Some(mut looked) = look_in_background(conn) else { continue };
            let found = tokio::select! {
                found = &mut looked => found,
                () = &mut stop => {
                    handle.interrupt();
                    // The connection is closed when this has ended.
                    drop(looked.await);
                    return;
                }
            };
            match found {
                Ok(Ok(true)) | Err(_) => {}
                Ok(Err(error)) if !is_damage(&error) => {
                    tracing::warn!(file = %path.display(), error = %error, "the file could not be examined");
                }
                Ok(_) if role == Role::Core => {
                    tracing::error!(
                        file = %path.display(),
                        "the database is damaged: stop the server and put a backup in its place by stackblaze restore"
                    );
                    self.is_damaged.store(true, Ordering::Relaxed);
                }
                Ok(_) => {
                    tracing::error!(file = %path.display(), "the logs are damaged: the next start sets them aside");
                    drop(connection::create_private(&beside(&path, DAMAGED)));
                }
            }
        }
    }

    /// Whether a look at the core file has found it damaged.
    pub fn is_damaged(&self) -> bool {
        self.is_damaged.load(Ordering::Relaxed)
    }
}

/// Whether the file itself is at fault.
pub(super) fn is_damage(error: &Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    let Error::Sqlite(error) = error else { return false };
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

/// Renames a log file that is damaged, with what belongs to it, so that a new one is made: the text of old builds is no
/// reason not to start. One that was only found damaged while it was used goes the same way.
pub(super) fn set_damaged_logs_aside(dir: &Path, now_ms: i64) -> Result<(), Error> {
    let path = dir.join(LOGS_FILE);
    let mark = beside(&path, DAMAGED);
    let is_marked = mark.exists();
    let look = || migrate::check(&connection::open_unchanged(&path)?, &path, Role::Logs);
    let is_bad = |error: &Error| is_damage(error) || matches!(error, Error::Foreign(_));
    if !path.exists() || !(is_marked || look().is_err_and(|error| is_bad(&error))) {
        return Ok(());
    }
    let kept = dir.join(format!("{LOGS_FILE}.damaged-{now_ms}"));
    tracing::error!(file = %path.display(), kept = %kept.display(), "the logs are damaged and were set aside");
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (beside(&path, suffix), beside(&kept, suffix));
        match std::fs::rename(&from, to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::Io { path: from, source: error });
            }
            _ => {}
        }
    }
    if is_marked {
        std::fs::remove_file(&mark).map_err(|source| Error::Io { path: mark, source })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
