//! Tells the meters what a transaction has ended, and how long it took.

use rusqlite::{OptionalExtension, named_params};

use super::meters::Ended;
use super::{Error, Tx};
use crate::domain::{DeploymentId, Reason, Step, Timestamp};

/// Counts a deployment that has just ended, once that is committed.
pub(super) fn deployment(
    tx: &Tx<'_>,
    id: &DeploymentId,
    reason: Option<Reason>,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "SELECT started_at_ms FROM deployments WHERE id = :id";
    let mut statement = tx.conn().prepare_cached(SQL)?;
    let began: Option<i64> =
        statement.query_row(named_params! { ":id": id.as_str() }, |row| row.get(0)).optional()?.flatten();
    let ran = began.map(|began| now.since(Timestamp::from_millis(began)));
    tx.count(Ended::Deployment { reason, ran });
    Ok(())
}

/// Counts a step that has just ended, once that is committed.
pub(super) fn step(
    tx: &Tx<'_>,
    id: &DeploymentId,
    (step, has_succeeded): (Step, bool),
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "SELECT started_at_ms FROM steps WHERE deployment_id = :id AND name = :name";
    let params = named_params! { ":id": id.as_str(), ":name": step.as_str() };
    let mut statement = tx.conn().prepare_cached(SQL)?;
    let began: Option<i64> = statement.query_row(params, |row| row.get(0)).optional()?.flatten();
    if let Some(began) = began {
        let took = now.since(Timestamp::from_millis(began));
        tx.count(Ended::Step { step, has_succeeded, took });
    }
    Ok(())
}
