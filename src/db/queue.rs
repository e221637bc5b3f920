//! The queue: who joins it, who is next, and what runs. The table of deployments is the queue.

use rusqlite::{OptionalExtension, named_params};

use super::deployments::{NewDeployment, SELECT, fail, from_row, insert};
use super::sql_types::queued;
use super::{Error, Reader, Tx, notices, runs, steps};
use crate::domain::{
    Deployment, DeploymentId, Event, ExecutorKind, ExecutorSet, QueuePolicy, Reason, ServiceId, Timestamp,
};

/// What became of a deployment that asked for a place in the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// It got a place of its own.
    New(DeploymentId),
    /// An equal one was queued last; it stands for both.
    Joined(DeploymentId),
    /// The service has as many queued deployments as it may.
    Full,
}

/// What a deployment would find that asked for a place now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Room {
    /// A place of its own.
    Free,
    /// An equal one that is queued last, and that it would join.
    Joins(DeploymentId),
    /// The service has as many queued deployments as it may.
    Full,
}

/// Looks for room for a new deployment by the policy of its service.
pub fn room(
    reader: &Reader<'_>,
    new: &NewDeployment,
    policy: QueuePolicy,
    limit: u32,
) -> Result<Room, Error> {
    if policy != QueuePolicy::Every
        && let Some(last) = last_queued(reader, &new.service_id)?
        && new.asks_for_the_same(&last)
    {
        return Ok(Room::Joins(last.id));
    }
    // `latest` empties the queue, so it never meets the limit.
    let is_full = policy != QueuePolicy::Latest && length(reader, &new.service_id)? >= i64::from(limit);
    Ok(if is_full { Room::Full } else { Room::Free })
}

/// How many deployments of a service are queued. Counted for each executor, whose rows are in order: SQLite would make a
/// table of a list of executors, at each accepted call.
pub fn length(reader: &Reader<'_>, service: &ServiceId) -> Result<i64, Error> {
    const SQL: &str = "
        SELECT count(*) FROM deployments WHERE status = 'queued' AND executor = ?1 AND service_id = ?2";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let mut count = |kind: ExecutorKind| -> rusqlite::Result<i64> {
        statement.query_row([kind.as_str(), service.as_str()], |row| row.get(0))
    };
    Ok(ExecutorKind::ALL.into_iter().map(&mut count).sum::<rusqlite::Result<i64>>()?)
}

/// Gives what is queued of a service to another executor: what runs a deployment is decided when it is claimed. A rollback
/// that was to build its commit again does so there too, as a redeploy.
pub fn hand_over(tx: &Tx<'_>, service: &ServiceId, to: ExecutorKind) -> Result<(), Error> {
    let sql = format!(
        "UPDATE deployments
            SET executor = :to, version = version + 1,
                trigger = CASE WHEN trigger = 'rollback' AND image IS NULL AND asked_image IS NULL THEN 'redeploy'
                               ELSE trigger
                           END
          WHERE service_id = :service_id AND {} AND executor <> :to
      RETURNING id",
        queued()
    );
    let mut statement = tx.conn().prepare_cached(&sql)?;
    let params = named_params! { ":service_id": service.as_str(), ":to": to.as_str() };
    let moved: Vec<String> = statement.query_map(params, |row| row.get(0))?.collect::<Result<_, _>>()?;
    moved.iter().filter_map(|id| DeploymentId::parse(id)).for_each(|id| tx.touch(&id));
    Ok(())
}

/// Finds a place for a new deployment by the policy of its service.
pub fn enqueue(
    tx: &Tx<'_>,
    new: &NewDeployment,
    policy: QueuePolicy,
    limit: u32,
    now: Timestamp,
) -> Result<Place, Error> {
    let room = room(tx, new, policy, limit)?;
    take(tx, new, policy, room, now)
}

/// Takes the room that [`room`] found in the same transaction.
pub fn take(
    tx: &Tx<'_>,
    new: &NewDeployment,
    policy: QueuePolicy,
    room: Room,
    now: Timestamp,
) -> Result<Place, Error> {
    match room {
        Room::Joins(id) => return Ok(Place::Joined(id)),
        Room::Full => return Ok(Place::Full),
        Room::Free => {}
    }
    let id = insert(tx, new, now)?;
    if policy == QueuePolicy::Latest {
        supersede(tx, &new.service_id, &id, now)?;
    }
    Ok(Place::New(id))
}

/// Ends the queued deployments of a service that are older than `winner`.
fn supersede(tx: &Tx<'_>, service: &ServiceId, winner: &DeploymentId, now: Timestamp) -> Result<(), Error> {
    const NAME: &str = "UPDATE deployments SET superseded_by = :winner WHERE id = :id";
    let losers = format!(
        "SELECT id FROM deployments WHERE service_id = :service_id AND {} AND id <> :winner",
        queued()
    );
    let mut statement = tx.conn().prepare_cached(&losers)?;
    let params = named_params! { ":service_id": service.as_str(), ":winner": winner.as_str() };
    let losers: Vec<String> = statement.query_map(params, |row| row.get(0))?.collect::<Result<_, _>>()?;
    for loser in losers.iter().filter_map(|id| DeploymentId::parse(id)) {
        let params = named_params! { ":id": loser.as_str(), ":winner": winner.as_str() };
        tx.conn().prepare_cached(NAME)?.execute(params)?;
        fail(tx, &loser, Reason::Superseded, &format!("{winner} took its place"), None, now)?;
    }
    Ok(())
}

/// The one that was queued last. Asked for each executor, whose rows are in order.
fn last_queued(reader: &Reader<'_>, service: &ServiceId) -> Result<Option<Deployment>, Error> {
    let sql = format!(
        "{SELECT}
          WHERE d.status = 'queued'
            AND d.executor = :executor
            AND d.service_id = :service_id
          ORDER BY d.sequence DESC
          LIMIT 1"
    );
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let mut last: Option<Deployment> = None;
    for kind in ExecutorKind::ALL {
        let params = named_params! { ":service_id": service.as_str(), ":executor": kind.as_str() };
        let found = statement.query_row(params, from_row).optional()?;
        last = last.into_iter().chain(found).max_by_key(|one| one.sequence);
    }
    Ok(last)
}

/// What may be claimed.
#[derive(Debug, Clone, Copy)]
pub struct Claims {
    /// Executors on which something can be begun now.
    pub ready: ExecutorSet,
    /// Most deployments that run at a time.
    pub concurrency: u32,
}

/// What settles takes no place. The number of the oldest queued deployment whose service runs nothing, also nothing that was given up and may go on; none
/// where nothing is due or as many run as may. Looks at the head of each service's queue, whatever is behind it.
pub fn next(reader: &Reader<'_>, claims: Claims) -> Result<Option<i64>, Error> {
    const RUNNING: &str = "
        SELECT count(*) FROM deployments INDEXED BY deployments_running
         WHERE status IN ('building', 'deploying')
           AND is_settling = 0";
    const NEXT: &str = "
          WITH RECURSIVE waiting (service_id) AS (
               SELECT min(service_id) FROM deployments WHERE status = 'queued' AND executor = :executor
               UNION ALL
               SELECT (SELECT min(d.service_id)
                         FROM deployments AS d
                        WHERE d.status = 'queued'
                          AND d.executor = :executor
                          AND d.service_id > waiting.service_id)
                 FROM waiting
                WHERE waiting.service_id IS NOT NULL)
        SELECT min((SELECT min(d.sequence)
                      FROM deployments AS d
                     WHERE d.status = 'queued'
                       AND d.executor = :executor
                       AND d.service_id = waiting.service_id))
          FROM waiting
         WHERE NOT EXISTS (SELECT 1
                             FROM deployments AS r INDEXED BY deployments_running
                            WHERE r.service_id = waiting.service_id
                              AND r.status IN ('building', 'deploying'))
           AND NOT EXISTS (SELECT 1
                             FROM deployments AS r INDEXED BY deployments_open_runs
                            WHERE r.service_id = waiting.service_id
                              AND r.run_state = 'open'
                              AND r.executor = :executor)";
    let running: u32 = reader.conn().prepare_cached(RUNNING)?.query_row([], |row| row.get(0))?;
    if running >= claims.concurrency {
        return Ok(None);
    }
    let mut statement = reader.conn().prepare_cached(NEXT)?;
    let mut next: Option<i64> = None;
    for kind in claims.ready.iter() {
        let head: Option<i64> =
            statement.query_row(named_params! { ":executor": kind.as_str() }, |row| row.get(0))?;
        next = next.into_iter().chain(head).min();
    }
    Ok(next)
}

/// Takes what is [`next`] and marks it building. The run is stopped once the service's timeout has passed from now.
pub fn claim_next(tx: &Tx<'_>, claims: Claims, now: Timestamp) -> Result<Option<Deployment>, Error> {
    const SQL: &str = "
        UPDATE deployments
           SET status = 'building', started_at_ms = :now, version = version + 1, message = NULL,
               stop_at_ms = :now + 1000 * (SELECT timeout_s FROM services WHERE id = deployments.service_id)
         WHERE sequence = :sequence
     RETURNING id";
    let Some(sequence) = next(tx, claims)? else { return Ok(None) };
    let params = named_params! { ":now": now.as_millis(), ":sequence": sequence };
    let claimed: String = tx.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0))?;
    let Some(id) = DeploymentId::parse(&claimed) else { return Ok(None) };
    tx.touch(&id);
    let claimed = super::deployments::find(tx, &id)?;
    if let Some(claimed) = &claimed {
        steps::insert_all(tx, claimed)?;
        let what = (&claimed.id, &claimed.service_id, &claimed.branch);
        notices::deployment_moved(tx, Event::Started, what, now)?;
        if claimed.executor.survives_restart() {
            runs::open(tx, claimed)?;
        }
    }
    Ok(claimed)
}

/// Deployments that are building or deploying, oldest first.
pub fn running(reader: &Reader<'_>) -> Result<Vec<Deployment>, Error> {
    let sql = format!(
        "{SELECT}
          WHERE d.sequence IN (SELECT sequence
                                 FROM deployments INDEXED BY deployments_running
                                WHERE status IN ('building', 'deploying'))
          ORDER BY d.sequence"
    );
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let rows = statement.query_map([], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// At most 100 queued deployments of each executor that cannot run any more: waiting since before `before`, or for an executor
/// that this server lacks.
pub fn overdue(
    reader: &Reader<'_>,
    available: ExecutorSet,
    before: Timestamp,
) -> Result<Vec<Deployment>, Error> {
    let sql = format!(
        "{SELECT}
          WHERE d.status = 'queued'
            AND d.executor = :executor
            AND d.waits_since_ms < :before
          ORDER BY d.waits_since_ms
          LIMIT 100"
    );
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let mut overdue = Vec::new();
    for kind in ExecutorKind::ALL {
        let before = if available.has(kind) { before.as_millis() } else { i64::MAX };
        let params = named_params! { ":executor": kind.as_str(), ":before": before };
        for row in statement.query_map(params, from_row)? {
            overdue.push(row?);
        }
    }
    Ok(overdue)
}

#[cfg(test)]
mod tests;
