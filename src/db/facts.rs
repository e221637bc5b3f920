//! Facts about the file itself.

use rusqlite::{OptionalExtension, named_params};

use super::{Error, Reader, Tx};
use crate::domain::{ExecutorKind, random_digits};

const FINGERPRINT: &str = "key_fingerprint";
/// In front of the executor's word.
const PROBLEM: &str = "executor_problem.";
const INSTANCE: &str = "instance_id";

/// The fingerprint of the server key that made the hooks in this file.
pub fn fingerprint(reader: &Reader<'_>) -> Result<Option<String>, Error> {
    find(reader, FINGERPRINT)
}

/// Stores the fingerprint of the server key.
pub fn set_fingerprint(tx: &Tx<'_>, fingerprint: &str) -> Result<(), Error> {
    set(tx, FINGERPRINT, fingerprint)
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
    const SQL: &str = "
        INSERT INTO facts (name, value)
        VALUES (:name, :value)
            ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":name": name, ":value": value })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::Bench;

    #[test]
    fn the_id_of_an_installation_stays() {
        let bench = Bench::core();

        let (first, second) = (instance_id(&bench.tx()).unwrap(), instance_id(&bench.tx()).unwrap());

        assert_eq!((first.len(), first), (12, second));
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
