//! Putting a copy of the core file back.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::{Connection, named_params};

use super::backup::PUT_BACK;
use super::facts::mark_restored;
use super::health::{is_damage, is_sound};
use super::{CORE_FILE, Error, Role, connection, lock, migrate, steps};
use crate::domain::{Clock, Reason, Timestamp};

/// What `restore` did.
#[derive(Debug, PartialEq, Eq)]
pub struct Restored {
    /// Deployments in the copy.
    pub deployments: i64,
    /// Unfinished ones, which were ended: nothing of a restored file is ever run.
    pub interrupted: usize,
    /// What the file that was there had ended and that works again now; none where that file cannot tell.
    pub revived: Option<BTreeSet<Right>>,
    /// Hooks and API tokens that were revoked, because that was asked for.
    pub revoked: usize,
}

/// Something that a copy made before its end brings back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// The URL of a hook: service and name.
    Hook(String, String),
    /// An API token.
    Token(String),
    /// An operator, who may sign in.
    Operator(String),
    /// Calls of a service that had been frozen.
    Calls(String),
}

/// Puts a copy in place of the core file of a data directory that no server uses. The file that was there stays beside
/// it as `core.db.replaced-…`. With `revoke_all` no hook URL and no API token of the copy works any more.
///
/// # Errors
/// Where a server holds the directory, or the copy is no sound database of this program, as this program made it.
pub fn restore(dir: &Path, copy: &Path, revoke_all: bool, clock: &Clock) -> Result<Restored, Error> {
    let _lock = lock::take(dir)?;
    let (target, fresh) = (dir.join(CORE_FILE), dir.join(format!("{CORE_FILE}{PUT_BACK}")));
    let before = rights_of(&target);
    read_into(copy, &fresh)?;
    let prepared = prepare(&fresh, copy, revoke_all, clock.now()).and_then(|(restored, rights)| {
        sync(&fresh)?;
        Ok((restored, rights))
    });
    let (mut restored, rights) = prepared.map_err(|error| {
        drop(std::fs::remove_file(&fresh));
        if is_damage(&error) { Error::Foreign(copy.to_owned()) } else { error }
    })?;
    restored.revived = before.map(|before| rights.difference(&before).map(|own| own.right.clone()).collect());
    set_aside(dir, clock.now())?;
    std::fs::rename(&fresh, &target).map_err(|source| Error::Io { path: target, source })?;
    sync(dir)?;
    Ok(restored)
}

/// Copies the file, readable for its owner alone: a copy lies where it was put by whoever made it, with any mode. The file of a
/// server that was killed is whole only with the write-ahead log beside it.
fn read_into(copy: &Path, fresh: &Path) -> Result<(), Error> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Io { path, source }
    };
    if !std::fs::metadata(copy).map_err(at(copy))?.is_file() {
        return Err(at(copy)(ErrorKind::IsADirectory.into()));
    }
    let log = connection::beside(copy, "-wal");
    let has_log = std::fs::metadata(&log).is_ok_and(|log| log.len() > 0);
    for (from, to) in [(copy, fresh), (&log, &connection::beside(fresh, "-wal"))] {
        if from == log && !has_log {
            drop(std::fs::remove_file(to));
            continue;
        }
        let mut source = File::open(from).map_err(at(from))?;
        connection::create_private(to)?;
        let mut target = File::options().write(true).truncate(true).open(to).map_err(at(to))?;
        std::io::copy(&mut source, &mut target).map_err(at(to))?;
    }
    if has_log { connection::fold_log(fresh) } else { Ok(()) }
}

/// Makes sure that a file's bytes, or a folder's names, outlive a power cut.
pub(super) fn sync(path: &Path) -> Result<(), Error> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|source| Error::Io { path: path.to_owned(), source })
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

/// Brings the fresh file up to date and ends what must not go on. Errors name the copy that it was made of.
fn prepare(
    fresh: &Path,
    copy: &Path,
    revoke_all: bool,
    now: Timestamp,
) -> Result<(Restored, BTreeSet<Held>), Error> {
    const COUNT: &str = "SELECT count(*) FROM deployments";
    const END: &str = "
        UPDATE deployments
           SET status = 'failed', reason = :reason, message = 'lost in restore', finished_at_ms = :now,
               version = version + 1
         WHERE status IN ('queued', 'building', 'deploying')";
    // An empty file is a new database to a server; as a copy it is the remains of a backup that failed.
    let version = migrate::check(&connection::open_unchanged(fresh)?, copy, Role::Core)?;
    if version == 0 {
        return Err(Error::Foreign(copy.to_owned()));
    }
    let mut conn = connection::open_writer(fresh, Role::Core)?;
    if !is_sound(&conn)? {
        return Err(Error::Foreign(copy.to_owned()));
    }
    // A trigger or a view that somebody has put into the copy would act with the server's rights.
    migrate::compare_schema(&conn, copy, Role::Core, version)?;
    migrate::run(&mut conn, copy, Role::Core)?;
    let revoked = if revoke_all { revoke(&conn, now)? } else { 0 };
    let params = named_params! { ":reason": Reason::Interrupted.as_str(), ":now": now.as_millis() };
    let interrupted = conn.execute(END, params)?;
    steps::end_all_of_final(&conn, now)?;
    // Nobody is signed in by a copy: what was ended since it was made must not come back.
    conn.execute_batch("DELETE FROM sessions; DELETE FROM login_links;")?;
    mark_restored(&conn)?;
    let deployments = conn.query_row(COUNT, [], |row| row.get(0))?;
    let rights = rights(&conn)?;
    connection::try_checkpoint(&conn)?;
    Ok((Restored { deployments, interrupted, revived: None, revoked }, rights))
}

/// Revokes all that the server key has made; which key that was does not matter then, so that a lost one can be replaced.
fn revoke(conn: &Connection, now: Timestamp) -> Result<usize, Error> {
    super::facts::forget_fingerprint(conn)?;
    let revoke = |sql: &str| conn.execute(sql, named_params! { ":now": now.as_millis() });
    let hooks = revoke("UPDATE hooks SET revoked_at_ms = :now WHERE revoked_at_ms IS NULL")?;
    Ok(hooks + revoke("UPDATE tokens SET revoked_at_ms = :now WHERE revoked_at_ms IS NULL")?)
}

/// A right, and what tells it from another one of the same name.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    right: Right,
    secret: Vec<u8>,
}

/// What a file admits; none where there is no file, or none that can be read.
fn rights_of(path: &Path) -> Option<BTreeSet<Held>> {
    if !path.exists() {
        return None;
    }
    rights(&connection::open_unchanged(path).ok()?).ok()
}

fn rights(conn: &Connection) -> Result<BTreeSet<Held>, Error> {
    const HOOKS: &str = "
        SELECT services.name, hooks.name, hooks.hash
          FROM hooks JOIN services ON services.id = hooks.service_id
         WHERE hooks.revoked_at_ms IS NULL AND services.deleted_at_ms IS NULL";
    const TOKENS: &str = "SELECT name, hash FROM tokens WHERE revoked_at_ms IS NULL";
    const OPERATORS: &str = "SELECT name, ifnull(password, '') FROM operators";
    const CALLS: &str = "SELECT name FROM services WHERE deleted_at_ms IS NULL AND frozen IS NULL";
    let mut all = BTreeSet::new();
    let mut add = |sql: &str, held: fn(&rusqlite::Row<'_>) -> rusqlite::Result<Held>| {
        let mut statement = conn.prepare(sql)?;
        for held in statement.query_map([], held)? {
            all.insert(held?);
        }
        Ok::<_, Error>(())
    };
    add(HOOKS, |row| Ok(Held { right: Right::Hook(row.get(0)?, row.get(1)?), secret: row.get(2)? }))?;
    add(TOKENS, |row| Ok(Held { right: Right::Token(row.get(0)?), secret: row.get(1)? }))?;
    add(OPERATORS, |row| {
        let password: String = row.get(1)?;
        Ok(Held { right: Right::Operator(row.get(0)?), secret: password.into_bytes() })
    })?;
    add(CALLS, |row| Ok(Held { right: Right::Calls(row.get(0)?), secret: Vec::new() }))?;
    Ok(all)
}

#[cfg(test)]
mod tests;
