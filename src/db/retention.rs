//! Deletes what is no longer kept, a few rows at a time, so that acceptance never waits for it.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use rusqlite::{OptionalExtension, named_params};

use super::sql_types::text;
use super::{Error, Reader, Tx, idempotency, notices};
use crate::domain::{DeploymentId, ServiceId, Timestamp};

/// Most rows of one table that one closure deletes, and most deployments that it looks at.
const ROWS: u32 = 100;
const LOOKED_AT: u32 = 200;
/// Calls of a hook that are kept beside the accepted ones.
const CALLS_PER_HOOK: u32 = 50;
/// Notices are kept so long.
const NOTICES: Duration = Duration::from_hours(30 * 24);

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

/// Whether more than a fifth of all deployments, or of all acts, are older than what is kept, and there are enough to tell.
/// Both are numbered as they come, so that the one a fifth from the first is found at once.
pub fn is_much_due(reader: &Reader<'_>, limits: &Limits, now: Timestamp) -> Result<bool, Error> {
    let is_due = |table: &str, at: &str, oldest: Timestamp| {
        let sql = format!(
            "SELECT ifnull((SELECT {at} < :oldest
                              FROM {table}
                             WHERE sequence >= first + (last - first) / 5
                             ORDER BY sequence
                             LIMIT 1), 0)
                    AND last - first >= :enough
               FROM (SELECT (SELECT min(sequence) FROM {table}) AS first, (SELECT max(sequence) FROM {table}) AS last)"
        );
        let params = named_params! { ":enough": ENOUGH_TO_TELL, ":oldest": oldest.as_millis() };
        let due: Option<bool> = reader.conn().prepare_cached(&sql)?.query_row(params, |row| row.get(0))?;
        Ok::<_, Error>(due == Some(true))
    };
    Ok(is_due("deployments", "created_at_ms", now.minus(limits.deployments.max(idempotency::KEPT)))?
        || is_due("audit", "at_ms", now.minus(limits.audit))?)
}

/// What one closure has deleted.
#[derive(Debug, Default)]
pub struct Deleted {
    /// Deployments whose logs go with them.
    pub ids: Vec<DeploymentId>,
    /// Where the next closure goes on; none where all that comes after is young.
    pub next: Option<i64>,
}

/// Deletes deployments above the number `after` that are old, final, not among the last of their service and not what it
/// serves; none before its Idempotency-Key is forgotten. Looks at a few rows, and at none behind the first young one.
pub fn delete_deployments(
    tx: &Tx<'_>,
    limits: &Limits,
    after: i64,
    now: Timestamp,
) -> Result<Deleted, Error> {
    const OLDEST: &str = "
        SELECT sequence, id, service_id, status IN ('succeeded', 'failed'), created_at_ms
          FROM deployments
         WHERE sequence > :after
         ORDER BY sequence
         LIMIT :rows";
    const DELETE: &str = "DELETE FROM deployments WHERE sequence = :sequence";
    let oldest = now.minus(limits.deployments.max(idempotency::KEPT));
    let mut statement = tx.conn().prepare_cached(OLDEST)?;
    let rows = statement.query_map(named_params! { ":after": after, ":rows": LOOKED_AT }, |row| {
        Ok((
            row.get::<_, i64>(0)?,
            text(row, "deployments", "id", DeploymentId::parse)?,
            text(row, "deployments", "service_id", ServiceId::parse)?,
            row.get::<_, bool>(3)?,
            Timestamp::from_millis(row.get(4)?),
        ))
    })?;
    let rows: Vec<_> = rows.collect::<Result<_, _>>()?;
    let mut deleted = Deleted::default();
    let mut kept: HashMap<ServiceId, Kept> = HashMap::new();
    let mut delete = tx.conn().prepare_cached(DELETE)?;
    let is_whole = rows.len() < usize::try_from(LOOKED_AT).unwrap_or(usize::MAX);
    for (sequence, id, service, is_final, created_at) in rows {
        if created_at >= oldest {
            return Ok(Deleted { next: None, ..deleted });
        }
        deleted.next = Some(sequence);
        let kept = match kept.entry(service) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let own = Kept::of(tx, new.key(), limits.deployments_per_service)?;
                new.insert(own)
            }
        };
        if is_final && sequence < kept.from && Some(sequence) != kept.serving {
            delete.execute(named_params! { ":sequence": sequence })?;
            tx.touch(&id);
            deleted.ids.push(id);
        }
    }
    if is_whole {
        deleted.next = None;
    }
    Ok(deleted)
}

/// Which deployments of a service stay, however old.
struct Kept {
    /// The number of the first of the last ones.
    from: i64,
    /// What it serves.
    serving: Option<i64>,
}

impl Kept {
    fn of(reader: &Reader<'_>, service: &ServiceId, count: u32) -> Result<Self, Error> {
        // What waits and what runs is younger than what has ended, or stays anyway.
        const FROM: &str = "
            SELECT sequence FROM deployments WHERE service_id = :service_id AND status = 'succeeded'
         UNION ALL
            SELECT sequence FROM deployments WHERE service_id = :service_id AND status = 'failed'
             ORDER BY sequence DESC
             LIMIT 1 OFFSET :before";
        const SERVING: &str =
            "SELECT max(sequence) FROM deployments WHERE service_id = :service_id AND status = 'succeeded'";
        let serving = reader
            .conn()
            .prepare_cached(SERVING)?
            .query_row(named_params! { ":service_id": service.as_str() }, |row| row.get(0))?;
        let Some(before) = count.checked_sub(1) else { return Ok(Self { from: i64::MAX, serving }) };
        let params = named_params! { ":service_id": service.as_str(), ":before": before };
        let from = reader.conn().prepare_cached(FROM)?.query_row(params, |row| row.get(0)).optional()?;
        Ok(Self { from: from.unwrap_or(0), serving })
    }
}

/// Deletes old first answers, expired sessions and links, calls beyond the last of each hook, old acts and old notices; true
/// where more may be left.
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
    let has_more_notices = notices::delete_old(tx, now.minus(NOTICES), ROWS)?;
    Ok(has_more_notices || keys.max(calls).max(acts) >= usize::try_from(ROWS).unwrap_or(usize::MAX))
}

/// Deletes the text of one log, the oldest that is complete and too old or too much; false where none is. What it
/// held stays known: the whole log counts as cut. For the log file.
pub fn delete_oldest_log(tx: &Tx<'_>, limits: &Limits, now: Timestamp) -> Result<bool, Error> {
    const OLDEST: &str = "
        SELECT deployment_id
          FROM logs INDEXED BY logs_by_age
         WHERE is_complete
           AND kept_bytes > 0
           AND (changed_at_ms < :oldest
                OR (SELECT kept_bytes FROM log_totals) > :bytes)
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
    const TOTAL: &str = "
        UPDATE log_totals
           SET kept_bytes = kept_bytes - ifnull((SELECT kept_bytes FROM logs WHERE deployment_id = :deployment_id), 0)";
    const CUT: &str = "
        UPDATE logs
           SET kept_bytes = 0, cut_from = 0, cut_to = bytes
         WHERE deployment_id = :deployment_id";
    tx.conn().prepare_cached(PIECES)?.execute(named_params! { ":deployment_id": id })?;
    tx.conn().prepare_cached(TOTAL)?.execute(named_params! { ":deployment_id": id })?;
    tx.conn().prepare_cached(CUT)?.execute(named_params! { ":deployment_id": id })?;
    Ok(())
}

#[cfg(test)]
mod tests;
