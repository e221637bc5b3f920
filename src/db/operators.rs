//! The people at the dashboard.

use rusqlite::{OptionalExtension, named_params};

use super::{Error, Reader, Tx};
use crate::domain::Timestamp;

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
