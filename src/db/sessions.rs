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

/// A session that is still good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub operator: Operator,
    /// Whether its operator has a password.
    pub has_password: bool,
    /// When its operator last signed in or gave the password.
    pub confirmed_at: Timestamp,
    /// Whether its use should be stored anew.
    pub is_stale: bool,
}

/// The session of that hash, if it is still good.
pub fn find(reader: &Reader<'_>, hash: &TokenHash, now: Timestamp) -> Result<Option<Found>, Error> {
    const SQL: &str = "
        SELECT o.id, o.name, o.password IS NOT NULL AS has_password, s.last_used_at_ms, s.confirmed_at_ms
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
        Ok(Found {
            operator: Operator { id: row.get(0)?, name: row.get(1)? },
            has_password: row.get("has_password")?,
            confirmed_at: time(row, "confirmed_at_ms")?,
            is_stale: now.since(time(row, "last_used_at_ms")?) > USE_RESOLUTION,
        })
    });
    Ok(found.optional()?)
}

/// Where the present sessions of an operator were begun.
pub fn addresses_of(reader: &Reader<'_>, operator: &str) -> Result<Vec<String>, Error> {
    const SQL: &str = "
        SELECT DISTINCT s.address
          FROM sessions AS s
          JOIN operators AS o ON o.id = s.operator_id
         WHERE o.name = :operator";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let rows = statement.query_map(named_params! { ":operator": operator }, |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Where a session was begun.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Client {
    pub address: String,
    /// What its browser calls itself.
    pub user_agent: String,
}

/// Begins a session.
pub fn insert(
    tx: &Tx<'_>,
    hash: &TokenHash,
    operator: &Operator,
    client: &Client,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "
        INSERT INTO sessions (hash, operator_id, created_at_ms, last_used_at_ms, expires_at_ms, address,
                              user_agent, confirmed_at_ms)
        VALUES (:hash, :operator_id, :now, :now, :expires_at_ms, :address, :user_agent, :now)";
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":hash": hash.as_bytes(),
        ":operator_id": operator.id,
        ":now": now.as_millis(),
        ":expires_at_ms": now.plus(LIFETIME).as_millis(),
        ":address": client.address,
        ":user_agent": client.user_agent,
    })?;
    Ok(())
}

/// Stores that a session's operator gave the password.
pub fn confirm(tx: &Tx<'_>, hash: &TokenHash, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "UPDATE sessions SET confirmed_at_ms = :now WHERE hash = :hash";
    tx.conn()
        .prepare_cached(SQL)?
        .execute(named_params! { ":hash": hash.as_bytes(), ":now": now.as_millis() })?;
    Ok(())
}

/// A session as its operator is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Names it in a form; opens nothing.
    pub id: String,
    /// When it was begun.
    pub created_at: Timestamp,
    /// About when it was last used.
    pub last_used_at: Timestamp,
    /// The address that began it; empty where that was not stored.
    pub address: String,
    /// What the browser called itself.
    pub user_agent: String,
}

/// What names a session in a form: half of its stored hash, from which nobody comes back to the secret.
pub fn public_id(hash: &TokenHash) -> String {
    let digits = hash.as_bytes()[..16].iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}

/// The sessions of an operator that are still good, the last used first.
pub fn list(reader: &Reader<'_>, operator: &Operator, now: Timestamp) -> Result<Vec<Listed>, Error> {
    const SQL: &str = "
        SELECT lower(hex(substr(hash, 1, 16))) AS id, created_at_ms, last_used_at_ms, address, user_agent
          FROM sessions
         WHERE operator_id = :operator_id
           AND expires_at_ms > :now
           AND last_used_at_ms > :idle
         ORDER BY last_used_at_ms DESC, created_at_ms DESC
         LIMIT 100";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let params = named_params! {
        ":operator_id": operator.id,
        ":now": now.as_millis(),
        ":idle": now.minus(IDLE).as_millis(),
    };
    let rows = statement.query_map(params, |row| {
        Ok(Listed {
            id: row.get("id")?,
            created_at: time(row, "created_at_ms")?,
            last_used_at: time(row, "last_used_at_ms")?,
            address: row.get("address")?,
            user_agent: row.get("user_agent")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Ends the operator's session that a form names so; false where there is none.
pub fn delete_listed(tx: &Tx<'_>, operator: &Operator, id: &str) -> Result<bool, Error> {
    const SQL: &str = "
        DELETE FROM sessions
         WHERE operator_id = :operator_id
           AND lower(hex(substr(hash, 1, 16))) = :id";
    let params = named_params! { ":operator_id": operator.id, ":id": id };
    Ok(tx.conn().prepare_cached(SQL)?.execute(params)? > 0)
}

/// Ends all sessions of an operator but this one, and all unused links.
pub fn delete_others(tx: &Tx<'_>, operator: &Operator, kept: &TokenHash) -> Result<(), Error> {
    const SESSIONS: &str = "DELETE FROM sessions WHERE operator_id = :operator_id AND hash <> :kept";
    const LINKS: &str = "DELETE FROM login_links WHERE operator_id = :operator_id";
    let params = named_params! { ":operator_id": operator.id, ":kept": kept.as_bytes() };
    tx.conn().prepare_cached(SESSIONS)?.execute(params)?;
    tx.conn().prepare_cached(LINKS)?.execute(named_params! { ":operator_id": operator.id })?;
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
           AND l.expires_at_ms > :now
           AND (l.operator_id IS NOT NULL OR NOT EXISTS (SELECT 1 FROM operators))";
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
mod tests;
