//! Brings a file to the newest schema; refuses one that is newer than this program, or somebody else's.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::Connection;

use super::{Error, Role, connection};

/// Tells our files from others: "`SBhk`" and "`SBlg`".
const CORE_APPLICATION_ID: i32 = 0x5342_686b;
const LOGS_APPLICATION_ID: i32 = 0x5342_6c67;

/// The steps of the core file; append only.
const CORE: &[&str] = &[include_str!("migrations/0001_init.sql")];
/// The steps of the log file; append only.
const LOGS: &[&str] = &[include_str!("migrations/logs/0001_init.sql")];

impl Role {
    fn migrations(self) -> &'static [&'static str] {
        match self {
            Self::Core => CORE,
            Self::Logs => LOGS,
        }
    }

    fn application_id(self) -> i32 {
        match self {
            Self::Core => CORE_APPLICATION_ID,
            Self::Logs => LOGS_APPLICATION_ID,
        }
    }
}

/// Looks at the file without changing a byte of it: whose it is, and whether this program knows its schema.
pub(super) fn check(conn: &Connection, path: &Path, role: Role) -> Result<usize, Error> {
    check_against(conn, path, role, role.migrations().len())
}

fn check_against(conn: &Connection, path: &Path, role: Role, newest: usize) -> Result<usize, Error> {
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let id: i32 = conn.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if id != role.application_id() && (id != 0 || tables > 0) {
        return Err(Error::Foreign(path.to_owned()));
    }
    let version = usize::try_from(version).unwrap_or(usize::MAX);
    if version > newest {
        return Err(Error::Newer { path: path.to_owned(), version, newest });
    }
    Ok(version)
}

/// Runs the missing steps, each in a transaction of its own together with its number. An existing file is copied
/// first, beside itself.
pub(super) fn run(conn: &mut Connection, path: &Path, role: Role) -> Result<(), Error> {
    apply(conn, path, role, role.migrations())
}

fn apply(conn: &mut Connection, path: &Path, role: Role, steps: &[&str]) -> Result<(), Error> {
    let version = check_against(conn, path, role, steps.len())?;
    if version > 0 && version < steps.len() {
        copy_before(conn, path, version)?;
    }
    for (index, step) in steps.iter().enumerate().skip(version) {
        let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Exclusive)?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "application_id", role.application_id())?;
        tx.pragma_update(None, "user_version", i64::try_from(index + 1).unwrap_or(i64::MAX))?;
        tx.commit()?;
    }
    Ok(())
}

/// Compares what a file holds, whatever its rows, with what the first `version` steps make.
///
/// # Errors
/// Names the first object that differs or is too much.
pub(super) fn compare_schema(
    conn: &Connection,
    path: &Path,
    role: Role,
    version: usize,
) -> Result<(), Error> {
    let own = Connection::open_in_memory()?;
    for step in role.migrations().iter().take(version) {
        own.execute_batch(step)?;
    }
    let own = objects(&own)?;
    match objects(conn)?.symmetric_difference(&own).next() {
        None => Ok(()),
        Some(Object { kind, name, .. }) => {
            Err(Error::Altered { path: path.to_owned(), object: format!("{kind} {}", name.escape_debug()) })
        }
    }
}

/// A table, an index, a trigger or a view.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Object {
    kind: String,
    name: String,
    sql: Option<String>,
}

/// By what Litestream 0.5 keeps its place in a file that it replicates.
const LITESTREAM: [&str; 2] = [
    "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)",
    "CREATE TABLE _litestream_lock (id INTEGER)",
];

/// All of them but SQLite's own tables, indexes that follow from a table, and what Litestream makes. Names alone say nothing:
/// somebody may have written a trigger under one of these.
fn objects(conn: &Connection) -> Result<BTreeSet<Object>, Error> {
    const SQL: &str = "SELECT type, name, sql FROM sqlite_schema \
         WHERE NOT (name LIKE 'sqlite\\_%' ESCAPE '\\' AND (type = 'table' OR (type = 'index' AND sql IS NULL)))";
    let mut statement = conn.prepare(SQL)?;
    let rows = statement
        .query_map([], |row| Ok(Object { kind: row.get(0)?, name: row.get(1)?, sql: row.get(2)? }))?;
    let is_ours = |object: &Object| !object.sql.as_deref().is_some_and(|sql| LITESTREAM.contains(&sql));
    let all: BTreeSet<_> = rows.collect::<Result<_, _>>()?;
    Ok(all.into_iter().filter(is_ours).collect())
}

fn copy_before(conn: &Connection, path: &Path, version: usize) -> Result<(), Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".before-{}", version + 1));
    if Path::new(&name).exists() {
        std::fs::remove_file(&name).map_err(|source| Error::Io { path: name.clone().into(), source })?;
    }
    connection::copy_into(conn, Path::new(&name))?;
    tracing::info!(copy = %name.to_string_lossy(), "copied the database before its migration");
    Ok(())
}

#[cfg(test)]
mod tests;
