//! Sessions and the one-time links that begin them. Only hashes are stored.

use std::time::Duration;

use rusqlite::{OptionalExtension, named_params};

use super::operators::Operator;
use super::sql_types::time;
use super::{Error, Reader, Tx};
use crate::domain::{Timestamp, TokenHash};

/// A session ends this long after its last use.
const IDLE: Duration = Duration::from_hours(12);
/// A session ends this long after its beginning.
const LIFETIME: Duration = Duration::from_hours(168);
/// A use is stored again only after this long, so that reading pages does not write.
const USE_RESOLUTION: Duration = Duration::from_mins(1);

/// The operator of a session that is still good, and whether its use should be stored anew.
pub fn find(
    reader: &Reader<'_>,
    hash: &TokenHash,
    now: Timestamp,
) -> Result<Option<(Operator, bool)>, Error> {
    const SQL: &str = "
        SELECT o.id, o.name, s.last_used_at_ms
          FROM sessions AS s
          JOIN operators AS o ON o.id = s.operator_id
         WHERE s.hash = :hash
           AND s.expires_at_ms > :now
           AND s.last_used_at_ms > :idle";
    let params = named_params! {
        ":hash": hash.as_bytes(),
        ":now": now.as_millis(),
        ":idle": now.minus(IDLE).as_millis(),
    };
    let found = reader.conn().prepare_cached(SQL)?.query_row(params, |row| {
        let is_stale = now.since(time(row, "last_used_at_ms")?) > USE_RESOLUTION;
        Ok((Operator { id: row.get(0)?, name: row.get(1)? }, is_stale))
    });
    Ok(found.optional()?)
}

/// Begins a session.
pub fn insert(tx: &Tx<'_>, hash: &TokenHash, operator: &Operator, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "
        INSERT INTO sessions (hash, operator_id, created_at_ms, last_used_at_ms, expires_at_ms)
        VALUES (:hash, :operator_id, :now, :now, :expires_at_ms)";
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":hash": hash.as_bytes(),
        ":operator_id": operator.id,
        ":now": now.as_millis(),
        ":expires_at_ms": now.plus(LIFETIME).as_millis(),
    })?;
    Ok(())
}

/// Stores that a session was used.
pub fn touch(tx: &Tx<'_>, hash: &TokenHash, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "UPDATE sessions SET last_used_at_ms = :now WHERE hash = :hash";
    tx.conn()
        .prepare_cached(SQL)?
        .execute(named_params! { ":hash": hash.as_bytes(), ":now": now.as_millis() })?;
    Ok(())
}

/// Ends a session.
pub fn delete(tx: &Tx<'_>, hash: &TokenHash) -> Result<(), Error> {
    const SQL: &str = "DELETE FROM sessions WHERE hash = :hash";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":hash": hash.as_bytes() })?;
    Ok(())
}

/// Ends all sessions and unused links of an operator.
pub fn delete_all_of(tx: &Tx<'_>, operator: &Operator) -> Result<(), Error> {
    const SESSIONS: &str = "DELETE FROM sessions WHERE operator_id = :operator_id";
    const LINKS: &str = "DELETE FROM login_links WHERE operator_id = :operator_id";
    tx.conn().prepare_cached(SESSIONS)?.execute(named_params! { ":operator_id": operator.id })?;
    tx.conn().prepare_cached(LINKS)?.execute(named_params! { ":operator_id": operator.id })?;
    Ok(())
}

/// What a one-time link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Signs this operator in.
    SignIn(Operator),
    /// Makes the first operator.
    Setup,
}

/// Stores a one-time link. A new setup link takes the place of an older one.
pub fn insert_link(
    tx: &Tx<'_>,
    hash: &TokenHash,
    operator: Option<&Operator>,
    now: Timestamp,
    expires_at: Timestamp,
) -> Result<(), Error> {
    const OLD: &str = "DELETE FROM login_links WHERE operator_id IS NULL";
    const SQL: &str = "
        INSERT INTO login_links (hash, operator_id, created_at_ms, expires_at_ms)
        VALUES (:hash, :operator_id, :now, :expires_at_ms)";
    if operator.is_none() {
        tx.conn().prepare_cached(OLD)?.execute([])?;
    }
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":hash": hash.as_bytes(),
        ":operator_id": operator.map(|operator| operator.id),
        ":now": now.as_millis(),
        ":expires_at_ms": expires_at.as_millis(),
    })?;
    Ok(())
}

/// The link of that hash and when it ends, if it can still be used.
pub fn find_link(
    reader: &Reader<'_>,
    hash: &TokenHash,
    now: Timestamp,
) -> Result<Option<(Link, Timestamp)>, Error> {
    const SQL: &str = "
        SELECT o.id, o.name, l.expires_at_ms
          FROM login_links AS l
     LEFT JOIN operators AS o ON o.id = l.operator_id
         WHERE l.hash = :hash
           AND l.expires_at_ms > :now";
    let params = named_params! { ":hash": hash.as_bytes(), ":now": now.as_millis() };
    let found = reader.conn().prepare_cached(SQL)?.query_row(params, |row| {
        let id: Option<i64> = row.get(0)?;
        let link = match id {
            Some(id) => Link::SignIn(Operator { id, name: row.get(1)? }),
            None => Link::Setup,
        };
        Ok((link, time(row, "expires_at_ms")?))
    });
    Ok(found.optional()?)
}

/// Uses a link up.
pub fn delete_link(tx: &Tx<'_>, hash: &TokenHash) -> Result<(), Error> {
    const SQL: &str = "DELETE FROM login_links WHERE hash = :hash";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":hash": hash.as_bytes() })?;
    Ok(())
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
