//! The table of notices: the outbox, and what became of each.
//!
//! A notice is written in the transaction of what it tells. Of one deployment a target is told in order: what waits behind
//! another has no time at which it is due.

mod end;
mod tell;

use rusqlite::{OptionalExtension, Row, ToSql, named_params};

use super::sql_types::Fields;
use super::{Error, Reader, Tx, targets};
use crate::domain::{DeploymentId, Event, Notice, NoticeId, NoticeState, Reason, TargetId, Timestamp, Try};

pub use end::{bring_up, delete_of, end, give_up_all, postpone, redeliver};
pub(super) use tell::{deployment_ended, deployment_moved, wake_held};
pub use tell::{old_url_used, target_disabled, test};

const COLUMNS: &str = "
    n.sequence, n.id, n.event, n.deployment_id, n.reason, n.text, n.at_ms, n.since_ms, n.state, n.tries, n.next_at_ms,
    n.tried_at_ms, n.took_ms, n.status, n.answer, n.remote";
const TABLE: &str = "notices";
/// Notices of one target that are kept, the last ones.
const KEPT: u32 = 1_000;

fn read(fields: &mut Fields<'_>) -> rusqlite::Result<Notice> {
    Ok(Notice {
        sequence: fields.next()?,
        id: fields.text(NoticeId::parse)?,
        event: fields.text(Event::parse)?,
        deployment: fields.optional_text(DeploymentId::parse)?,
        reason: fields.optional_text(Reason::parse)?,
        text: fields.next()?,
        at: fields.time()?,
        since: fields.time()?,
        state: fields.text(NoticeState::parse)?,
        tries: fields.next()?,
        next_at: fields.optional_time()?,
        last: {
            let at = fields.optional_time()?;
            let took_ms: Option<i64> = fields.next()?;
            let status: Option<u16> = fields.next()?;
            let answer: Option<String> = fields.next()?;
            at.map(|at| Try { at, took_ms: took_ms.unwrap_or(0), status, answer: answer.unwrap_or_default() })
        },
        remote: fields.next()?,
    })
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Notice> {
    read(&mut Fields::new(row, TABLE))
}

fn select(reader: &Reader<'_>, behind: &str, params: &[(&str, &dyn ToSql)]) -> Result<Vec<Notice>, Error> {
    let sql = format!("SELECT {COLUMNS} FROM notices AS n {behind}");
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let rows = statement.query_map(params, from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The notice of that id to that target.
pub fn find(reader: &Reader<'_>, target: &TargetId, id: &NoticeId) -> Result<Option<Notice>, Error> {
    let params = named_params! { ":target": target.as_str(), ":id": id.as_str() };
    Ok(select(reader, "WHERE n.id = :id AND n.target_id = :target", params)?.pop())
}

/// The last notices to a target, newest first.
pub fn list_for_target(reader: &Reader<'_>, target: &TargetId, limit: u32) -> Result<Vec<Notice>, Error> {
    let params = named_params! { ":target": target.as_str(), ":limit": limit };
    select(reader, "WHERE n.target_id = :target ORDER BY n.sequence DESC LIMIT :limit", params)
}

/// What was told of a deployment, and to whom; in the order in which it happened.
pub fn list_for_deployment(
    reader: &Reader<'_>,
    deployment: &DeploymentId,
    limit: u32,
) -> Result<Vec<(TargetId, Notice)>, Error> {
    let sql = format!(
        "SELECT n.target_id, {COLUMNS}
           FROM notices AS n
          WHERE n.deployment_id = :deployment
          ORDER BY n.sequence
          LIMIT :limit"
    );
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let params = named_params! { ":deployment": deployment.as_str(), ":limit": limit };
    let rows = statement.query_map(params, |row| {
        let mut fields = Fields::new(row, TABLE);
        Ok((fields.text(TargetId::parse)?, read(&mut fields)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What is due, and when something is due next.
#[derive(Debug, Default)]
pub struct Due {
    /// At most so many of each target as were asked for, and one of a chat; the longest due first.
    pub notices: Vec<(TargetId, Notice)>,
    /// The first moment at which another one is due; none where nothing waits for a moment.
    pub next_at: Option<Timestamp>,
}

/// Looks for what is due, however much waits: at the first ones of each target that has any.
pub fn due(reader: &Reader<'_>, now: Timestamp, of_each: u32) -> Result<Due, Error> {
    const TARGETS: &str = "
          WITH RECURSIVE waiting (target_id) AS (
               SELECT min(target_id) FROM notices WHERE next_at_ms IS NOT NULL
               UNION ALL
               SELECT (SELECT min(n.target_id)
                         FROM notices AS n
                        WHERE n.next_at_ms IS NOT NULL
                          AND n.target_id > waiting.target_id)
                 FROM waiting
                WHERE waiting.target_id IS NOT NULL)
        SELECT target_id FROM waiting WHERE target_id IS NOT NULL";
    let mut statement = reader.conn().prepare_cached(TARGETS)?;
    let targets: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut due = Due::default();
    for target in targets.iter().filter_map(|id| TargetId::parse(id)) {
        // People are to read one after the other, each with what became of the one before.
        let limit = if targets::is_chat(reader, &target)? { 1 } else { of_each };
        let params = named_params! { ":target": target.as_str(), ":limit": limit };
        let behind =
            "WHERE n.target_id = :target AND n.next_at_ms IS NOT NULL ORDER BY n.next_at_ms LIMIT :limit";
        for notice in select(reader, behind, params)? {
            match notice.next_at {
                Some(at) if at > now => due.next_at = due.next_at.into_iter().chain([at]).min(),
                _ => due.notices.push((target.clone(), notice)),
            }
        }
    }
    Ok(due)
}

/// What a target calls its own record of a deployment, where an earlier notice made one.
pub fn remote(
    reader: &Reader<'_>,
    target: &TargetId,
    deployment: &DeploymentId,
) -> Result<Option<String>, Error> {
    const SQL: &str = "
        SELECT remote
          FROM notices
         WHERE deployment_id = :deployment
           AND target_id = :target
           AND remote IS NOT NULL
         ORDER BY sequence DESC
         LIMIT 1";
    let params = named_params! { ":deployment": deployment.as_str(), ":target": target.as_str() };
    Ok(reader.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0)).optional()?)
}

/// Notices that are like another one: of the same target, service, event and reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Alike {
    /// Whether one before it was delivered, and happened after the moment that was asked about.
    pub is_told: bool,
    /// How many were left out since the last one that was delivered.
    pub left_out: u32,
}

/// Looks among the last notices of a target for those that are like this one and happened before it. One before a success of
/// the service is like no later one: things were well again in between.
pub fn alike(
    reader: &Reader<'_>,
    target: &TargetId,
    notice: &Notice,
    since: Timestamp,
) -> Result<Alike, Error> {
    const SQL: &str = "
        SELECT state, at_ms, deployment_id
          FROM (SELECT n.sequence, n.state, n.at_ms, n.event, n.service_id, n.reason, n.deployment_id
                  FROM notices AS n
                 WHERE n.target_id = :target
                   AND n.sequence < :sequence
                 ORDER BY n.sequence DESC
                 LIMIT :looked_at)
         WHERE event = :event
           AND service_id IS (SELECT service_id FROM notices WHERE sequence = :sequence)
           AND reason IS :reason
           AND state IN ('delivered', 'left_out')
         ORDER BY sequence DESC";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let params = named_params! {
        ":target": target.as_str(),
        ":sequence": notice.sequence,
        ":event": notice.event.as_str(),
        ":reason": notice.reason.map(Reason::as_str),
        ":looked_at": KEPT,
    };
    let mut rows = statement.query(params)?;
    let mut alike = Alike::default();
    while let Some(row) = rows.next()? {
        let earlier: Option<String> = row.get(2)?;
        if has_succeeded_between(reader, earlier.as_deref(), notice)? {
            return Ok(alike);
        }
        if row.get_ref(0)?.as_str().is_ok_and(|state| state == NoticeState::Delivered.as_str()) {
            alike.is_told = Timestamp::from_millis(row.get(1)?) > since;
            return Ok(alike);
        }
        alike.left_out += 1;
    }
    Ok(alike)
}

/// Whether the service of a notice's deployment has succeeded after an earlier deployment and before that one.
fn has_succeeded_between(reader: &Reader<'_>, earlier: Option<&str>, notice: &Notice) -> Result<bool, Error> {
    const SQL: &str = "
        SELECT EXISTS (SELECT 1
                         FROM deployments AS later
                         JOIN deployments AS between_them
                           ON between_them.service_id = later.service_id
                          AND between_them.status = 'succeeded'
                          AND between_them.sequence < later.sequence
                          AND between_them.sequence > (SELECT sequence FROM deployments WHERE id = :earlier)
                        WHERE later.id = :later)";
    let later = notice.deployment.as_ref().map(DeploymentId::as_str);
    let params = named_params! { ":earlier": earlier, ":later": later };
    Ok(reader.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0))?)
}

/// How many notices wait, and how many of those that are kept were given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub waiting: i64,
    pub given_up: i64,
}

/// Counts them. What waits is counted one by one.
pub fn counts(reader: &Reader<'_>) -> Result<Counts, Error> {
    const SQL: &str = "
        SELECT (SELECT count(*) FROM notices WHERE state = 'waiting'),
               (SELECT count(*) FROM notices WHERE state = 'given_up')";
    let row = |row: &Row<'_>| Ok(Counts { waiting: row.get(0)?, given_up: row.get(1)? });
    Ok(reader.conn().prepare_cached(SQL)?.query_row([], row)?)
}

/// Deletes old notices and those of targets that are gone, a few at a time, and targets of services that were deleted before
/// that moment; true where more may be left.
pub fn delete_old(tx: &Tx<'_>, before: Timestamp, rows: u32) -> Result<bool, Error> {
    // Only the oldest are looked at: the others are younger.
    const NOTICES: &str = "
        DELETE FROM notices
         WHERE sequence IN (SELECT sequence
                              FROM (SELECT sequence, at_ms FROM notices ORDER BY sequence LIMIT :rows)
                             WHERE at_ms < :before)";
    const TARGETS: &str = "
        DELETE FROM targets
         WHERE service_id IN (SELECT id FROM services WHERE deleted_at_ms < :before)";
    let params = named_params! { ":before": before.as_millis(), ":rows": rows };
    let deleted = tx.conn().prepare_cached(NOTICES)?.execute(params)?;
    tx.conn().prepare_cached(TARGETS)?.execute(named_params! { ":before": before.as_millis() })?;
    Ok(deleted >= usize::try_from(rows).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests;
