//! Copies of the core file while it is used, and putting one back.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::{Connection, named_params};

use super::{CORE_FILE, Db, Error, Role, connection, lock, migrate, steps};
use crate::domain::{Clock, Reason, Timestamp};

impl Db {
    /// Makes a copy of the core file and opens it; the file has no name any more and goes when it is closed. Every
    /// deployment acknowledged before the call is in it. The server key and the logs are not. Blocks for as long as the
    /// file is large. `suffix` keeps two copies apart.
    ///
    /// # Errors
    /// Where the disk refuses.
    pub fn backup(&self, suffix: &str) -> Result<File, Error> {
        let source = self.core.readers.path();
        let target = source.with_file_name(format!("{CORE_FILE}.backup-{suffix}"));
        connection::copy_into(&connection::open_reader(source)?, &target)?;
        let io = |source| Error::Io { path: target.clone(), source };
        let file = File::open(&target).map_err(io)?;
        std::fs::remove_file(&target).map_err(io)?;
        Ok(file)
    }
}

/// What `restore` did.
#[derive(Debug, PartialEq, Eq)]
pub struct Restored {
    /// Deployments in the copy.
    pub deployments: i64,
    /// Unfinished ones, which were ended: nothing of a restored file is ever run.
    pub interrupted: usize,
}

/// Puts a copy in place of the core file of a data directory that no server uses. The file that was there stays beside
/// it as `core.db.replaced-…`.
///
/// # Errors
/// Where a server holds the directory, or the copy is no sound database of this program.
pub fn restore(dir: &Path, copy: &Path, clock: &Clock) -> Result<Restored, Error> {
    let _lock = lock::take(dir)?;
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    };
    std::fs::metadata(copy).map_err(io(copy))?;
    let fresh = dir.join("core.db.restoring");
    std::fs::copy(copy, &fresh).map_err(io(&fresh))?;
    // The copy of a file has its mode as well, and a copy lies where it was put by whoever made it.
    std::fs::set_permissions(&fresh, Permissions::from_mode(0o600)).map_err(io(&fresh))?;
    let restored = prepare(&fresh, clock.now()).inspect_err(|_| drop(std::fs::remove_file(&fresh)))?;
    let target = dir.join(CORE_FILE);
    set_aside(dir, clock.now())?;
    std::fs::rename(&fresh, &target).map_err(io(&target))?;
    Ok(restored)
}

/// Keeps the file that was there, with its write-ahead log, under names that no earlier restore has used. The file itself
/// stays in its place too until the copy takes it, so that a crash never leaves none.
fn set_aside(dir: &Path, now: Timestamp) -> Result<(), Error> {
    let replaced = format!("{CORE_FILE}.replaced-{}", now.as_millis());
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (dir.join(format!("{CORE_FILE}{suffix}")), dir.join(format!("{replaced}{suffix}")));
        if !from.exists() {
            continue;
        }
        std::fs::hard_link(&from, &to).map_err(|source| Error::Io { path: to, source })?;
        if !suffix.is_empty() {
            std::fs::remove_file(&from).map_err(|source| Error::Io { path: from, source })?;
        }
    }
    Ok(())
}

fn prepare(path: &Path, now: Timestamp) -> Result<Restored, Error> {
    const COUNT: &str = "SELECT count(*) FROM deployments";
    const END: &str = "
        UPDATE deployments
           SET status = 'failed', reason = :reason, message = 'lost in restore', finished_at_ms = :now,
               version = version + 1
         WHERE status IN ('queued', 'building', 'deploying')";
    // An empty file is a new database to a server; as a copy it is the remains of a backup that failed.
    if migrate::check(&connection::open_unchanged(path)?, path, Role::Core)? == 0 {
        return Err(Error::Foreign(path.to_owned()));
    }
    let mut conn = connection::open_writer(path, Role::Core)?;
    if !is_sound(&conn)? {
        return Err(Error::Foreign(path.to_owned()));
    }
    migrate::run(&mut conn, path, Role::Core)?;
    let params = named_params! { ":reason": Reason::Interrupted.as_str(), ":now": now.as_millis() };
    let interrupted = conn.execute(END, params)?;
    steps::end_all_of_final(&conn, now)?;
    // Nobody is signed in by a copy: what was ended since it was made must not come back.
    conn.execute_batch("DELETE FROM sessions; DELETE FROM login_links;")?;
    let deployments = conn.query_row(COUNT, [], |row| row.get(0))?;
    connection::try_checkpoint(&conn)?;
    Ok(Restored { deployments, interrupted })
}

fn is_sound(conn: &Connection) -> Result<bool, Error> {
    let verdict: String = conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(verdict == "ok")
}

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
    let files = [(CORE_FILE, Role::Core), (super::LOGS_FILE, Role::Logs)];
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
    super::fingerprint(&super::Reader::new(conn)).ok().flatten()
}

#[cfg(test)]
mod tests;
