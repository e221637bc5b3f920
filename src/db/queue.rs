//! The queue: who joins it, who is next, and what runs. The table of deployments is the queue.

use rusqlite::{OptionalExtension, named_params};

use super::deployments::{NewDeployment, SELECT, fail, from_row, insert};
use super::sql_types::list;
use super::{Error, Reader, Tx, runs, steps};
use crate::domain::{
    Deployment, DeploymentId, ExecutorKind, ExecutorSet, QueuePolicy, Reason, ServiceId, Timestamp,
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
    let is_full = policy != QueuePolicy::Latest && is_full(reader, &new.service_id, limit)?;
    Ok(if is_full { Room::Full } else { Room::Free })
}

/// How many deployments of a service are queued.
pub fn length(reader: &Reader<'_>, service: &ServiceId) -> Result<i64, Error> {
    const SQL: &str = "SELECT count(*) FROM deployments WHERE service_id = :service_id AND status = 'queued'";
    let params = named_params! { ":service_id": service.as_str() };
    Ok(reader.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0))?)
}

/// Whether the service has `limit` queued deployments or more.
fn is_full(reader: &Reader<'_>, service: &ServiceId, limit: u32) -> Result<bool, Error> {
    const SQL: &str = "
        SELECT count(*) >= :limit
          FROM deployments
         WHERE service_id = :service_id
           AND status = 'queued'";
    let params = named_params! { ":service_id": service.as_str(), ":limit": limit };
    Ok(reader.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0))?)
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
    const LOSERS: &str = "
        SELECT id
          FROM deployments
         WHERE service_id = :service_id
           AND status = 'queued'
           AND id <> :winner";
    const NAME: &str = "UPDATE deployments SET superseded_by = :winner WHERE id = :id";
    let mut statement = tx.conn().prepare_cached(LOSERS)?;
    let params = named_params! { ":service_id": service.as_str(), ":winner": winner.as_str() };
    let losers: Vec<String> = statement.query_map(params, |row| row.get(0))?.collect::<Result<_, _>>()?;
    for loser in losers.iter().filter_map(|id| DeploymentId::parse(id)) {
        let params = named_params! { ":id": loser.as_str(), ":winner": winner.as_str() };
        tx.conn().prepare_cached(NAME)?.execute(params)?;
        fail(tx, &loser, Reason::Superseded, &format!("{winner} took its place"), None, now)?;
    }
    Ok(())
}

fn last_queued(reader: &Reader<'_>, service: &ServiceId) -> Result<Option<Deployment>, Error> {
    let sql = format!(
        "{SELECT}
          WHERE d.service_id = :service_id
            AND d.status = 'queued'
          ORDER BY d.sequence DESC
          LIMIT 1"
    );
    let params = named_params! { ":service_id": service.as_str() };
    Ok(reader.conn().prepare_cached(&sql)?.query_row(params, from_row).optional()?)
}

/// What may be claimed.
#[derive(Debug, Clone, Copy)]
pub struct Claims {
    /// Executors on which something can be begun now.
    pub ready: ExecutorSet,
    /// Most deployments that run at a time.
    pub concurrency: u32,
}

/// Takes the oldest queued deployment whose service runs nothing, also nothing that was given up and may go on, and marks
/// it building; none where nothing is due or as many run as may. The run is stopped once the service's timeout has passed
/// from now.
pub fn claim_next(tx: &Tx<'_>, claims: Claims, now: Timestamp) -> Result<Option<Deployment>, Error> {
    const SQL: &str = "
        UPDATE deployments
           SET status = 'building', started_at_ms = :now, version = version + 1, message = NULL,
               stop_at_ms = :now + 1000 * (SELECT timeout_s FROM services WHERE id = deployments.service_id)
         WHERE (SELECT count(*) FROM deployments WHERE status IN ('building', 'deploying')) < :concurrency
           AND sequence = (SELECT d.sequence
                             FROM deployments AS d
                            WHERE d.status = 'queued'
                              AND d.executor IN (SELECT value FROM json_each(:ready))
                              AND NOT EXISTS (SELECT 1
                                                FROM deployments AS r
                                               WHERE r.service_id = d.service_id
                                                 AND (r.status IN ('building', 'deploying')
                                                      OR (r.run_state = 'open' AND r.executor = d.executor)))
                            ORDER BY d.sequence
                            LIMIT 1)
     RETURNING id";
    let params = named_params! {
        ":now": now.as_millis(),
        ":concurrency": claims.concurrency,
        ":ready": words(claims.ready),
    };
    let claimed: Option<String> =
        tx.conn().prepare_cached(SQL)?.query_row(params, |row| row.get(0)).optional()?;
    let Some(id) = claimed.as_deref().and_then(DeploymentId::parse) else { return Ok(None) };
    steps::insert_all(tx, &id)?;
    tx.touch(&id);
    let claimed = super::deployments::find(tx, &id)?;
    if let Some(claimed) = claimed.as_ref().filter(|claimed| claimed.executor.survives_restart()) {
        runs::open(tx, claimed)?;
    }
    Ok(claimed)
}

fn words(kinds: ExecutorSet) -> String {
    list(kinds.iter().map(ExecutorKind::as_str))
}

/// Deployments that are building or deploying, oldest first.
pub fn running(reader: &Reader<'_>) -> Result<Vec<Deployment>, Error> {
    let sql = format!("{SELECT} WHERE d.status IN ('building', 'deploying') ORDER BY d.sequence");
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let rows = statement.query_map([], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// At most 100 queued deployments that cannot run any more: waiting since before `before`, or for an executor that this
/// server lacks.
pub fn overdue(
    reader: &Reader<'_>,
    available: ExecutorSet,
    before: Timestamp,
) -> Result<Vec<Deployment>, Error> {
    let sql = format!(
        "{SELECT}
          WHERE d.status = 'queued'
            AND (d.waits_since_ms < :before
                 OR d.executor NOT IN (SELECT value FROM json_each(:available)))
          ORDER BY d.sequence
          LIMIT 100"
    );
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let params = named_params! {
        ":before": before.as_millis(),
        ":available": words(available),
    };
    let rows = statement.query_map(params, from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests;
