//! The table of steps: three rows a deployment, from its claim on.

use rusqlite::named_params;

use super::sql_types::{optional_time, text};
use super::{Error, Reader, Tx};
use crate::domain::{Deployment, DeploymentId, Step, StepRecord, StepStatus, Timestamp};

const TABLE: &str = "steps";

/// Always the three steps, in order; those of a deployment that was never claimed are made up from its status.
pub fn list(reader: &Reader<'_>, deployment: &Deployment) -> Result<[StepRecord; 3], Error> {
    const SQL: &str = "
        SELECT name, status, started_at_ms, finished_at_ms, exit_code
          FROM steps
         WHERE deployment_id = :deployment_id";
    let mut records = Step::ALL.map(StepRecord::pending);
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let rows = statement.query_map(named_params! { ":deployment_id": deployment.id.as_str() }, |row| {
        Ok(StepRecord {
            step: text(row, TABLE, "name", Step::parse)?,
            status: text(row, TABLE, "status", StepStatus::parse)?,
            started_at: optional_time(row, "started_at_ms")?,
            finished_at: optional_time(row, "finished_at_ms")?,
            exit_code: row.get("exit_code")?,
        })
    })?;
    let mut found = false;
    for row in rows {
        let row = row?;
        found = true;
        if let Some(record) = records.iter_mut().find(|record| record.step == row.step) {
            *record = row;
        }
    }
    if !found && deployment.status.is_final() {
        for record in &mut records {
            record.status = StepStatus::Skipped;
        }
    }
    Ok(records)
}

/// Stores the three as pending.
pub(super) fn insert_all(tx: &Tx<'_>, id: &DeploymentId) -> Result<(), Error> {
    const SQL: &str =
        "INSERT INTO steps (deployment_id, name, status) VALUES (:deployment_id, :name, 'pending')";
    let mut statement = tx.conn().prepare_cached(SQL)?;
    for step in Step::ALL {
        statement.execute(named_params! { ":deployment_id": id.as_str(), ":name": step.as_str() })?;
    }
    Ok(())
}

/// Marks a step as running.
pub fn start(tx: &Tx<'_>, id: &DeploymentId, step: Step, now: Timestamp) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE steps
           SET status = 'running', started_at_ms = :now
         WHERE deployment_id = :deployment_id
           AND name = :name
           AND status = 'pending'";
    let params =
        named_params! { ":deployment_id": id.as_str(), ":name": step.as_str(), ":now": now.as_millis() };
    tx.conn().prepare_cached(SQL)?.execute(params)?;
    bump(tx, id)
}

/// Marks a running step as ended.
pub fn finish(
    tx: &Tx<'_>,
    id: &DeploymentId,
    step: Step,
    succeeded: bool,
    exit_code: Option<i32>,
    now: Timestamp,
) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE steps
           SET status = :status, finished_at_ms = :now, exit_code = :exit_code
         WHERE deployment_id = :deployment_id
           AND name = :name
           AND status = 'running'";
    let status = if succeeded { StepStatus::Succeeded } else { StepStatus::Failed };
    tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":deployment_id": id.as_str(),
        ":name": step.as_str(),
        ":status": status.as_str(),
        ":exit_code": exit_code,
        ":now": now.as_millis(),
    })?;
    bump(tx, id)
}

/// At the end of a failed deployment: what ran has failed, what had not begun is skipped.
pub(super) fn end_all(tx: &Tx<'_>, id: &DeploymentId, now: Timestamp) -> Result<(), Error> {
    const RUNNING: &str = "
        UPDATE steps
           SET status = 'failed', finished_at_ms = :now
         WHERE deployment_id = :deployment_id
           AND status = 'running'";
    const PENDING: &str = "
        UPDATE steps
           SET status = 'skipped'
         WHERE deployment_id = :deployment_id
           AND status = 'pending'";
    let params = named_params! { ":deployment_id": id.as_str(), ":now": now.as_millis() };
    tx.conn().prepare_cached(RUNNING)?.execute(params)?;
    tx.conn().prepare_cached(PENDING)?.execute(named_params! { ":deployment_id": id.as_str() })?;
    Ok(())
}

/// A step is part of what the deployment's `ETag` stands for.
fn bump(tx: &Tx<'_>, id: &DeploymentId) -> Result<(), Error> {
    const SQL: &str = "UPDATE deployments SET version = version + 1 WHERE id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": id.as_str() })?;
    tx.touch(id);
    Ok(())
}
