//! Deletes what is no longer kept, a few rows at a time, so that acceptance never waits for it.

use std::time::Duration;

use rusqlite::named_params;

use super::{Error, Reader, Tx, idempotency};
use crate::domain::{DeploymentId, Timestamp};

/// Most rows of one table in one closure.
const ROWS: u32 = 100;
/// Calls of a hook that are kept beside the accepted ones.
const CALLS_PER_HOOK: u32 = 50;

/// Deployments of which a fifth is many.
const ENOUGH_TO_TELL: u32 = 20;

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Deployments are kept this long.
    pub deployments: Duration,
    /// Of each service at least so many, however old.
    pub deployments_per_service: u32,
    /// Logs are kept this long after their last byte.
    pub logs: Duration,
    /// Of all logs together at most so many bytes; the oldest go first.
    pub logs_bytes: u64,
    /// Acts of the audit are kept this long.
    pub audit: Duration,
    /// Of the audit at most so many acts; the oldest go first.
    pub audit_acts: u32,
}

/// Whether more than a fifth of all ended deployments, or of all acts, are older than what is kept, and there are enough
/// to tell.
pub fn is_much_due(reader: &Reader<'_>, limits: &Limits, now: Timestamp) -> Result<bool, Error> {
    const SQL: &str = "
        SELECT count(*) >= :enough
               AND 5 * count(*) FILTER (WHERE created_at_ms < :oldest) > count(*)
          FROM deployments
         WHERE status IN ('succeeded', 'failed')";
    // Acts are numbered as they come, so that the one a fifth from the first is found at once.
    const ACTS: &str = "
        SELECT ifnull((SELECT at_ms < :oldest
                         FROM audit
                        WHERE sequence >= first + (last - first) / 5
                        ORDER BY sequence
                        LIMIT 1), 0)
               AND last - first >= :enough
          FROM (SELECT (SELECT min(sequence) FROM audit) AS first, (SELECT max(sequence) FROM audit) AS last)";
    let is_due = |sql: &str, oldest: Timestamp| {
        let params = named_params! { ":enough": ENOUGH_TO_TELL, ":oldest": oldest.as_millis() };
        let due: Option<bool> = reader.conn().prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
        Ok::<_, Error>(due == Some(true))
    };
    Ok(is_due(SQL, now.minus(limits.deployments.max(idempotency::KEPT)))?
        || is_due(ACTS, now.minus(limits.audit))?)
}

/// Deletes some deployments that are old, final, not among the last of their service and not what it serves; none
/// before its Idempotency-Key is forgotten.
/// Gives their ids, whose logs go with them.
pub fn delete_deployments(tx: &Tx<'_>, limits: &Limits, now: Timestamp) -> Result<Vec<DeploymentId>, Error> {
    const SQL: &str = "
        DELETE FROM deployments
         WHERE sequence IN (
               SELECT d.sequence
                 FROM deployments AS d
                WHERE d.status IN ('succeeded', 'failed')
                  AND d.created_at_ms < :oldest
                  AND d.sequence <= coalesce((SELECT k.sequence
                                                FROM deployments AS k
                                               WHERE k.service_id = d.service_id
                                               ORDER BY k.sequence DESC
                                               LIMIT 1 OFFSET :kept), -1)
                  AND d.sequence <> coalesce((SELECT max(s.sequence)
                                                FROM deployments AS s
                                               WHERE s.service_id = d.service_id
                                                 AND s.status = 'succeeded'), -1)
                ORDER BY d.sequence
                LIMIT :rows)
     RETURNING id";
    let mut statement = tx.conn().prepare_cached(SQL)?;
    let params = named_params! {
        ":oldest": now.minus(limits.deployments.max(idempotency::KEPT)).as_millis(),
        ":kept": limits.deployments_per_service,
        ":rows": ROWS,
    };
    let ids: Vec<String> = statement.query_map(params, |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(ids.iter().filter_map(|id| DeploymentId::parse(id)).collect())
}

/// Deletes old first answers, expired sessions and links, calls beyond the last of each hook, and old acts; true where
/// more may be left.
pub fn delete_small_rows(tx: &Tx<'_>, limits: &Limits, now: Timestamp) -> Result<bool, Error> {
    const KEYS: &str = "
        DELETE FROM idempotency_keys
         WHERE (hook_id, key) IN (SELECT hook_id, key
                                    FROM idempotency_keys
                                   WHERE created_at_ms <= :oldest
                                   LIMIT :rows)";
    const SESSIONS: &str = "DELETE FROM sessions WHERE expires_at_ms <= :now";
    const LINKS: &str = "DELETE FROM login_links WHERE expires_at_ms <= :now";
    const CALLS: &str = "
        DELETE FROM hook_calls
         WHERE (hook_id, second, result) IN (
               SELECT hook_id, second, result
                 FROM (SELECT hook_id, second, result,
                              row_number() OVER (PARTITION BY hook_id ORDER BY second DESC) AS place
                         FROM hook_calls)
                WHERE place > :kept
                LIMIT :rows)";
    // Only the oldest are looked at: the others are younger.
    const ACTS: &str = "
        DELETE FROM audit
         WHERE sequence IN (SELECT sequence
                              FROM (SELECT sequence, at_ms FROM audit ORDER BY sequence LIMIT :rows)
                             WHERE at_ms < :oldest
                                OR sequence <= (SELECT max(sequence) FROM audit) - :kept)";
    let conn = tx.conn();
    let keys = conn.prepare_cached(KEYS)?.execute(named_params! {
        ":oldest": now.minus(idempotency::KEPT).as_millis(),
        ":rows": ROWS,
    })?;
    conn.prepare_cached(SESSIONS)?.execute(named_params! { ":now": now.as_millis() })?;
    conn.prepare_cached(LINKS)?.execute(named_params! { ":now": now.as_millis() })?;
    let calls =
        conn.prepare_cached(CALLS)?.execute(named_params! { ":kept": CALLS_PER_HOOK, ":rows": ROWS })?;
    let acts = conn.prepare_cached(ACTS)?.execute(named_params! {
        ":oldest": now.minus(limits.audit).as_millis(),
        ":kept": limits.audit_acts,
        ":rows": ROWS,
    })?;
    Ok(keys.max(calls).max(acts) >= usize::try_from(ROWS).unwrap_or(usize::MAX))
}

/// Deletes the text of one log, the oldest that is complete and too old or too much; false where none is. What it
/// held stays known: the whole log counts as cut. For the log file.
pub fn delete_oldest_log(tx: &Tx<'_>, limits: &Limits, now: Timestamp) -> Result<bool, Error> {
    const OLDEST: &str = "
        SELECT deployment_id
          FROM logs
         WHERE is_complete
           AND kept_bytes > 0
           AND (changed_at_ms < :oldest
                OR (SELECT sum(kept_bytes) FROM logs) > :bytes)
         ORDER BY changed_at_ms
         LIMIT 1";
    let params = named_params! {
        ":oldest": now.minus(limits.logs).as_millis(),
        ":bytes": i64::try_from(limits.logs_bytes).unwrap_or(i64::MAX),
    };
    let mut statement = tx.conn().prepare_cached(OLDEST)?;
    let mut rows = statement.query_map(params, |row| row.get::<_, String>(0))?;
    let Some(id) = rows.next().transpose()? else { return Ok(false) };
    delete_text(tx, &id)?;
    Ok(true)
}

/// Forgets the logs of deleted deployments. For the log file.
pub fn forget_logs(tx: &Tx<'_>, ids: &[DeploymentId]) -> Result<(), Error> {
    const SQL: &str = "DELETE FROM logs WHERE deployment_id = :deployment_id";
    for id in ids {
        delete_text(tx, id.as_str())?;
        tx.conn().prepare_cached(SQL)?.execute(named_params! { ":deployment_id": id.as_str() })?;
    }
    Ok(())
}

fn delete_text(tx: &Tx<'_>, id: &str) -> Result<(), Error> {
    const PIECES: &str = "DELETE FROM log_pieces WHERE deployment_id = :deployment_id";
    const CUT: &str = "
        UPDATE logs
           SET kept_bytes = 0, cut_from = 0, cut_to = bytes
         WHERE deployment_id = :deployment_id";
    tx.conn().prepare_cached(PIECES)?.execute(named_params! { ":deployment_id": id })?;
    tx.conn().prepare_cached(CUT)?.execute(named_params! { ":deployment_id": id })?;
    Ok(())
}

#[cfg(test)]
mod tests;
