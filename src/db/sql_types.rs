//! Domain types as columns. A value that no domain type reads names its table and column.

use rusqlite::Row;
use rusqlite::types::{FromSql, Type};

use crate::domain::{ExecutorKind, Timestamp, TokenHash, Who};

/// A stored value that breaks a rule of the domain.
#[derive(Debug, thiserror::Error)]
#[error("the database has a bad value in {table}.{column}")]
pub struct BadValue {
    table: &'static str,
    column: String,
}

fn bad(table: &'static str, column: &str) -> rusqlite::Error {
    let value = BadValue { table, column: column.to_owned() };
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(value))
}

/// The columns of a row in their order. For rows of many columns that are read often: a name would be looked for among all
/// of them.
pub(super) struct Fields<'a> {
    row: &'a Row<'a>,
    table: &'static str,
    at: usize,
}

impl<'a> Fields<'a> {
    /// From the first column on.
    pub(super) fn new(row: &'a Row<'a>, table: &'static str) -> Self {
        Self { row, table, at: 0 }
    }

    /// The next column.
    pub(super) fn next<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        self.at += 1;
        self.row.get(self.at - 1)
    }

    /// The next column, by a domain type's own reader.
    pub(super) fn text<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
        self.optional_text(parse)?.ok_or_else(|| self.bad())
    }

    /// The same for a column that may be NULL.
    pub(super) fn optional_text<T>(
        &mut self,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> rusqlite::Result<Option<T>> {
        self.at += 1;
        let value = self.row.get_ref(self.at - 1)?.as_str_or_null().map_err(|_| self.bad())?;
        value.map(|text| parse(text).ok_or_else(|| self.bad())).transpose()
    }

    /// The next column, a time.
    pub(super) fn time(&mut self) -> rusqlite::Result<Timestamp> {
        self.next().map(Timestamp::from_millis)
    }

    /// The same for one that may be NULL.
    pub(super) fn optional_time(&mut self) -> rusqlite::Result<Option<Timestamp>> {
        Ok(self.next::<Option<i64>>()?.map(Timestamp::from_millis))
    }

    /// The next two columns, the way and the name of somebody.
    pub(super) fn who(&mut self) -> rusqlite::Result<Who> {
        let way: String = self.next()?;
        let name: String = self.next()?;
        Who::from_parts(&way, &name).ok_or_else(|| self.bad())
    }

    /// The next column, a hash.
    pub(super) fn hash(&mut self) -> rusqlite::Result<TokenHash> {
        self.optional_hash()?.ok_or_else(|| self.bad())
    }

    /// The same for one that may be NULL.
    pub(super) fn optional_hash(&mut self) -> rusqlite::Result<Option<TokenHash>> {
        self.at += 1;
        let value = self.row.get_ref(self.at - 1)?.as_blob_or_null().map_err(|_| self.bad())?;
        value.map(|bytes| TokenHash::from_bytes(bytes).ok_or_else(|| self.bad())).transpose()
    }

    fn bad(&self) -> rusqlite::Error {
        bad(self.table, self.row.as_ref().column_name(self.at - 1).unwrap_or_default())
    }
}

/// Reads a text column by a domain type's own reader.
pub(super) fn text<T>(
    row: &Row<'_>,
    table: &'static str,
    column: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> rusqlite::Result<T> {
    let value = row.get_ref(column)?.as_str().map_err(|_| bad(table, column))?;
    parse(value).ok_or_else(|| bad(table, column))
}

/// The same for a column that may be NULL.
pub(super) fn optional_text<T>(
    row: &Row<'_>,
    table: &'static str,
    column: &str,
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
pub(super) fn hash(row: &Row<'_>, table: &'static str, column: &str) -> rusqlite::Result<TokenHash> {
    let value = row.get_ref(column)?.as_blob().map_err(|_| bad(table, column))?;
    TokenHash::from_bytes(value).ok_or_else(|| bad(table, column))
}

/// Reads a time.
pub(super) fn time(row: &Row<'_>, column: &str) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}

/// Reads a time that may be NULL.
pub(super) fn optional_time(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Timestamp>> {
    row.get::<_, Option<i64>>(column).map(|ms| ms.map(Timestamp::from_millis))
}

/// Writes a list of texts as JSON.
pub(super) fn list<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> String {
    serde_json::Value::from(values.into_iter().map(|value| value.as_ref().to_owned()).collect::<Vec<_>>())
        .to_string()
}

/// The condition of a queued row, by which it is found in the index of those.
pub(super) fn queued() -> String {
    let kinds = ExecutorKind::ALL.map(|kind| format!("'{}'", kind.as_str()));
    format!("status = 'queued' AND executor IN ({})", kinds.join(", "))
}

/// Reads a list of texts from JSON.
pub(super) fn read_list<T>(json: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
    serde_json::from_str::<Vec<String>>(json).ok()?.iter().map(|text| parse(text)).collect()
}
