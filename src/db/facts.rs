//! Facts about the file itself.

use rusqlite::{Connection, OptionalExtension, named_params};
use serde::{Deserialize, Serialize};

use super::{Error, Reader, Tx};
use crate::domain::{ExecutorKind, Timestamp, random_digits};

const FINGERPRINT: &str = "key_fingerprint";
/// In front of the executor's word.
const PROBLEM: &str = "executor_problem.";
const INSTANCE: &str = "instance_id";
const COPIES: &str = "copies";
const RESTORED: &str = "is_restored";
const SET: &str = "
    INSERT INTO facts (name, value)
    VALUES (:name, :value)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// The fingerprint of the server key that made the hooks in this file.
pub fn fingerprint(reader: &Reader<'_>) -> Result<Option<String>, Error> {
    find(reader, FINGERPRINT)
}

/// Stores the fingerprint of the server key.
pub fn set_fingerprint(tx: &Tx<'_>, fingerprint: &str) -> Result<(), Error> {
    set(tx, FINGERPRINT, fingerprint)
}

/// Forgets which server key was used, so that the next start takes any, or makes one.
pub(super) fn forget_fingerprint(conn: &Connection) -> Result<(), Error> {
    conn.execute("DELETE FROM facts WHERE name = :name", named_params! { ":name": FINGERPRINT })?;
    Ok(())
}

/// Why an executor was not ready when it was asked last; none where it was.
pub fn executor_problem(reader: &Reader<'_>, kind: ExecutorKind) -> Result<Option<String>, Error> {
    let found = find(reader, &format!("{PROBLEM}{}", kind.as_str()))?;
    Ok(found.filter(|problem| !problem.is_empty()))
}

/// Stores what came of asking an executor.
pub fn set_executor_problem(tx: &Tx<'_>, kind: ExecutorKind, problem: Option<&str>) -> Result<(), Error> {
    set(tx, &format!("{PROBLEM}{}", kind.as_str()), problem.unwrap_or_default())
}

/// What is known of the copies that the server makes by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// When the newest one was made that is there.
    pub newest: Option<Timestamp>,
    /// Why the last try has failed, where it has.
    pub problem: Option<String>,
}

/// The state of the copies that the server makes by itself; none where it makes none.
pub fn copies(reader: &Reader<'_>) -> Result<Option<Copies>, Error> {
    Ok(find(reader, COPIES)?.and_then(|stored| serde_json::from_str(&stored).ok()))
}

/// Stores the state of the copies, or that none are made.
pub fn set_copies(tx: &Tx<'_>, copies: Option<&Copies>) -> Result<(), Error> {
    let stored = copies.and_then(|copies| serde_json::to_string(copies).ok());
    set(tx, COPIES, &stored.unwrap_or_default())
}

/// Whether the file was put back from a copy and nobody has looked yet for what it has lost.
pub fn is_restored(reader: &Reader<'_>) -> Result<bool, Error> {
    Ok(find(reader, RESTORED)?.is_some_and(|value| value == "1"))
}

/// Stores whether somebody has to look for what the file has lost.
pub fn set_restored(tx: &Tx<'_>, is_restored: bool) -> Result<(), Error> {
    set(tx, RESTORED, if is_restored { "1" } else { "" })
}

/// The same for a file that no server uses.
pub(super) fn mark_restored(conn: &Connection) -> Result<(), Error> {
    conn.execute(SET, named_params! { ":name": RESTORED, ":value": "1" })?;
    Ok(())
}

/// An id of this installation, made at the first call.
pub fn instance_id(tx: &Tx<'_>) -> Result<String, Error> {
    if let Some(id) = find(tx, INSTANCE)? {
        return Ok(id);
    }
    let id = random_digits(b"0123456789abcdefghijklmnopqrstuvwxyz", 12);
    set(tx, INSTANCE, &id)?;
    Ok(id)
}

pub(super) fn find(reader: &Reader<'_>, name: &str) -> Result<Option<String>, Error> {
    const SQL: &str = "SELECT value FROM facts WHERE name = :name";
    let value =
        reader.conn().prepare_cached(SQL)?.query_row(named_params! { ":name": name }, |row| row.get(0));
    Ok(value.optional()?)
}

pub(super) fn set(tx: &Tx<'_>, name: &str, value: &str) -> Result<(), Error> {
    tx.conn().prepare_cached(SET)?.execute(named_params! { ":name": name, ":value": value })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::{Bench, T0};

    #[test]
    fn the_id_of_an_installation_stays() {
        let bench = Bench::core();

        let (first, second) = (instance_id(&bench.tx()).unwrap(), instance_id(&bench.tx()).unwrap());

        assert_eq!((first.len(), first), (12, second));
    }

    #[test]
    fn the_state_of_copies_is_the_last_one_or_none() {
        let bench = Bench::core();
        let state = Copies { newest: Some(T0), problem: Some("no room".to_owned()) };

        let before = copies(&bench.tx()).unwrap();
        set_copies(&bench.tx(), Some(&state)).unwrap();
        let stored = copies(&bench.tx()).unwrap();
        set_copies(&bench.tx(), None).unwrap();

        assert_eq!((before, stored, copies(&bench.tx()).unwrap()), (None, Some(state), None));
    }

    #[test]
    fn the_fingerprint_is_the_one_that_was_stored_last() {
        let bench = Bench::core();
        let before = fingerprint(&bench.tx()).unwrap();

        set_fingerprint(&bench.tx(), "one").unwrap();
        set_fingerprint(&bench.tx(), "two").unwrap();

        assert_eq!((before, fingerprint(&bench.tx()).unwrap().as_deref()), (None, Some("two")));
    }
}
