//! Domain types as columns. A value that no domain type reads names its table and column.

use rusqlite::Row;
use rusqlite::types::Type;

use crate::domain::{Timestamp, TokenHash, Who};

/// A stored value that breaks a rule of the domain.
#[derive(Debug, thiserror::Error)]
#[error("the database has a bad value in {table}.{column}")]
pub struct BadValue {
    table: &'static str,
    column: &'static str,
}

fn bad(table: &'static str, column: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(BadValue { table, column }))
}

/// Reads a text column by a domain type's own reader.
pub(super) fn text<T>(
    row: &Row<'_>,
    table: &'static str,
    column: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let value = row.get_ref(column)?.as_str().map_err(|_| bad(table, column))?;
    parse(value).ok_or_else(|| bad(table, column))
}

/// The same for a column that may be NULL.
pub(super) fn optional_text<T>(
    row: &Row<'_>,
    table: &'static str,
    column: &'static str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<Option<T>> {
    match row.get_ref(column)?.as_str_or_null().map_err(|_| bad(table, column))? {
        None => Ok(None),
        Some(value) => parse(value).map(Some).ok_or_else(|| bad(table, column)),
    }
}

/// Reads who it was from the columns `who_way` and `who_name`.
pub(super) fn who(row: &Row<'_>, table: &'static str) -> rusqlite::Result<Who> {
    let name: String = row.get("who_name")?;
    text(row, table, "who_way", |way| Who::from_parts(way, &name))
}

/// Reads a hash.
pub(super) fn hash(row: &Row<'_>, table: &'static str, column: &'static str) -> rusqlite::Result<TokenHash> {
    let value = row.get_ref(column)?.as_blob().map_err(|_| bad(table, column))?;
    TokenHash::from_bytes(value).ok_or_else(|| bad(table, column))
}

/// Reads a time.
pub(super) fn time(row: &Row<'_>, column: &'static str) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

/// Reads a time that may be NULL.
pub(super) fn optional_time(row: &Row<'_>, column: &'static str) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column).map(|ms| ms.map(Timestamp::from_millis))
}

/// Writes a list of texts as JSON.
pub(super) fn list<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> String {
    serde_json::Value::from(values.into_iter().map(|value| value.as_ref().to_owned()).collect::<Vec<_>>())
        .to_string()
}

/// Reads a list of texts from JSON.
pub(super) fn read_list<T>(json: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    serde_json::from_str::<Vec<String>>(json).ok()?.iter().map(|text| parse(text)).collect()
}
