//! The people at the dashboard.

use rusqlite::{OptionalExtension, named_params};

use super::{Error, Reader, Tx};
use crate::domain::{PasswordHash, Timestamp};

/// An operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// Row id; internal.
    pub id: i64,
    /// What everybody calls them, unique.
    pub name: String,
}

/// Makes an operator; none where the name is taken.
pub fn insert(tx: &Tx<'_>, name: &str, now: Timestamp) -> Result<Option<Operator>, Error> {
    const SQL: &str = "
        INSERT INTO operators (name, created_at_ms)
        VALUES (:name, :now)
            ON CONFLICT (name) DO NOTHING";
    let params = named_params! { ":name": name, ":now": now.as_millis() };
    let inserted = tx.conn().prepare_cached(SQL)?.execute(params)?;
    if inserted == 0 { Ok(None) } else { find(tx, name) }
}

/// The operator of that name.
pub fn find(reader: &Reader<'_>, name: &str) -> Result<Option<Operator>, Error> {
    const SQL: &str = "SELECT id, name FROM operators WHERE name = :name";
    let found = reader.conn().prepare_cached(SQL)?.query_row(named_params! { ":name": name }, |row| {
        Ok(Operator { id: row.get(0)?, name: row.get(1)? })
    });
    Ok(found.optional()?)
}

/// All operators by name.
pub fn list(reader: &Reader<'_>) -> Result<Vec<Operator>, Error> {
    const SQL: &str = "SELECT id, name FROM operators ORDER BY name";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let rows = statement.query_map([], |row| Ok(Operator { id: row.get(0)?, name: row.get(1)? }))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The hash of the password of the operator of that name; none without an operator or without a password.
pub fn password(reader: &Reader<'_>, name: &str) -> Result<Option<PasswordHash>, Error> {
    const SQL: &str = "SELECT password FROM operators WHERE name = :name";
    let params = named_params! { ":name": name };
    let found: Option<Option<String>> =
        reader.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0)).optional()?;
    Ok(found.flatten().map(PasswordHash::from_stored))
}

/// Sets an operator's password, or takes it away.
pub fn set_password(tx: &Tx<'_>, operator: &Operator, hash: Option<&PasswordHash>) -> Result<(), Error> {
    const SQL: &str = "UPDATE operators SET password = :password WHERE id = :id";
    let params = named_params! { ":id": operator.id, ":password": hash.map(PasswordHash::as_str) };
    tx.conn().prepare_cached(SQL)?.execute(params)?;
    Ok(())
}

/// Removes an operator with their sessions and links; false where they are the last one.
pub fn delete(tx: &Tx<'_>, operator: &Operator) -> Result<bool, Error> {
    const SQL: &str = "
        DELETE FROM operators
         WHERE id = :id
           AND EXISTS (SELECT 1 FROM operators WHERE id <> :id)";
    Ok(tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": operator.id })? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::sessions;
    use crate::db::testing::{Bench, T0};
    use crate::domain::{Password, SessionToken};

    #[test]
    fn a_password_is_set_changed_and_taken_away() {
        let bench = Bench::core();
        let mira = insert(&bench.tx(), "mira", T0).unwrap().unwrap();
        let [first, second] = ["one", "two"].map(|text| Password::typed(text).hash());
        let stored = || password(&bench.tx(), "mira").unwrap();
        assert!(stored().is_none() && password(&bench.tx(), "nobody").unwrap().is_none());

        for hash in [&first, &second] {
            set_password(&bench.tx(), &mira, Some(hash)).unwrap();
            assert!(stored().as_ref() == Some(hash));
        }

        set_password(&bench.tx(), &mira, None).unwrap();
        assert!(stored().is_none());
    }

    #[test]
    fn all_operators_but_the_last_can_be_removed_and_their_sessions_go_too() {
        let bench = Bench::core();
        let [mira, theo] = ["mira", "theo"].map(|name| insert(&bench.tx(), name, T0).unwrap().unwrap());
        let session = SessionToken::mint().hash();
        sessions::insert(&bench.tx(), &session, &mira, &sessions::Client::default(), T0).unwrap();

        assert!(delete(&bench.tx(), &mira).unwrap());

        assert!(sessions::find(&bench.tx(), &session, T0).unwrap().is_none());
        assert!(!delete(&bench.tx(), &theo).unwrap());
        assert_eq!(list(&bench.tx()).unwrap(), [theo]);
    }
}
