//! First answers by Idempotency-Key, in the transaction of their deployment.

use std::time::Duration;

use rusqlite::{OptionalExtension, named_params};

use super::{Error, Reader, Tx};
use crate::domain::{DeploymentId, HookId, Timestamp};

/// How long a key is kept.
pub const KEPT: Duration = Duration::from_hours(24);

/// A first answer.
#[derive(Debug)]
pub struct Answer {
    /// The parameters of the call as they were sent.
    pub parameters: String,
    /// The body, byte for byte.
    pub body: String,
    /// The deployment that it names.
    pub deployment_id: String,
}

/// The answer that was first given to this key, if it is still kept.
pub fn find(reader: &Reader<'_>, hook: &HookId, key: &str, now: Timestamp) -> Result<Option<Answer>, Error> {
    const SQL: &str = "
        SELECT parameters, body, deployment_id
          FROM idempotency_keys
         WHERE hook_id = :hook_id
           AND key = :key
           AND created_at_ms > :oldest";
    let params = named_params! {
        ":hook_id": hook.as_str(),
        ":key": key,
        ":oldest": now.minus(KEPT).as_millis(),
    };
    let answer = reader.conn().prepare_cached(SQL)?.query_row(params, |row| {
        Ok(Answer { parameters: row.get(0)?, body: row.get(1)?, deployment_id: row.get(2)? })
    });
    Ok(answer.optional()?)
}

/// Keeps an answer; one that is no longer kept gives way.
pub fn insert(
    tx: &Tx<'_>,
    hook: &HookId,
    key: &str,
    parameters: &str,
    id: &DeploymentId,
    body: &str,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "
        INSERT OR REPLACE INTO idempotency_keys (hook_id, key, parameters, deployment_id, body, created_at_ms)
        VALUES (:hook_id, :key, :parameters, :deployment_id, :body, :now)";
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":hook_id": hook.as_str(),
        ":key": key,
        ":parameters": parameters,
        ":deployment_id": id.as_str(),
        ":body": body,
        ":now": now.as_millis(),
    })?;
    Ok(())
}
