//! The table of steps: a row for each that a deployment has, from its claim on.

use rusqlite::{Connection, named_params};

use super::sql_types::{optional_time, text};
use super::{Error, Reader, Tx, ended, services};
use crate::domain::{Deployment, DeploymentId, Step, StepRecord, StepStatus, Timestamp};

const TABLE: &str = "steps";

/// Always clone, build and deploy, in order, and release before deploy where the service had one at the claim; those of a
/// deployment that was never claimed are made up from its status.
pub fn list(reader: &Reader<'_>, deployment: &Deployment) -> Result<Vec<StepRecord>, Error> {
    const SQL: &str = "
        SELECT name, status, started_at_ms, finished_at_ms, exit_code
          FROM steps
         WHERE deployment_id = :deployment_id";
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
    let mut records = rows.collect::<Result<Vec<_>, _>>()?;
    let is_skipped = records.is_empty() && deployment.status.is_final();
    let status = if is_skipped { StepStatus::Skipped } else { StepStatus::Pending };
    for step in Step::ALWAYS {
        if records.iter().all(|record| record.step != step) {
            records.push(StepRecord { status, ..StepRecord::pending(step) });
        }
    }
    records.sort_unstable_by_key(|record| record.step);
    Ok(records)
}

/// Stores those that it has: what has nothing to do as skipped, the others as pending.
pub(super) fn insert_all(tx: &Tx<'_>, deployment: &Deployment) -> Result<(), Error> {
    const SQL: &str =
        "INSERT INTO steps (deployment_id, name, status) VALUES (:deployment_id, :name, :status)";
    let service = services::find(tx, &deployment.service_id)?;
    let idle = deployment.idle_steps(service.as_ref().is_some_and(|service| service.repository.is_some()));
    let releases = service.is_some_and(|service| deployment.has_release(&service));
    let mut statement = tx.conn().prepare_cached(SQL)?;
    for step in Step::ALL.into_iter().filter(|step| *step != Step::Release || releases) {
        let status = if idle.contains(&step) { StepStatus::Skipped } else { StepStatus::Pending };
        statement.execute(named_params! {
            ":deployment_id": deployment.id.as_str(),
            ":name": step.as_str(),
            ":status": status.as_str(),
        })?;
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
    let ended = tx.conn().prepare_cached(SQL)?.execute(named_params! {
        ":deployment_id": id.as_str(),
        ":name": step.as_str(),
        ":status": status.as_str(),
        ":exit_code": exit_code,
        ":now": now.as_millis(),
    })?;
    if ended == 1 {
        ended::step(tx, id, (step, succeeded), now)?;
    }
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

/// The same for every deployment that has failed; for a restored file.
pub(super) fn end_all_of_final(conn: &Connection, now: Timestamp) -> Result<(), Error> {
    const RUNNING: &str = "
        UPDATE steps
           SET status = 'failed', finished_at_ms = :now
         WHERE status = 'running'
           AND deployment_id IN (SELECT id FROM deployments WHERE status = 'failed')";
    const PENDING: &str = "
        UPDATE steps
           SET status = 'skipped'
         WHERE status = 'pending'
           AND deployment_id IN (SELECT id FROM deployments WHERE status = 'failed')";
    conn.execute(RUNNING, named_params! { ":now": now.as_millis() })?;
    conn.execute(PENDING, [])?;
    Ok(())
}

/// A step is part of what the deployment's `ETag` stands for.
fn bump(tx: &Tx<'_>, id: &DeploymentId) -> Result<(), Error> {
    const SQL: &str = "UPDATE deployments SET version = version + 1 WHERE id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": id.as_str() })?;
    tx.touch(id);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::testing::{Bench, T0};
    use crate::domain::Reason;
    use crate::domain::StepStatus::{Failed, Pending, Skipped};

    fn claimed() -> (Bench, DeploymentId) {
        let bench = Bench::core();
        let id = bench.queued(&bench.service("api"), "main", T0);
        bench.claim(T0).unwrap();
        (bench, id)
    }

    fn steps_of<T>(bench: &Bench, id: &DeploymentId, of: fn(&StepRecord) -> T) -> Vec<T> {
        list(&bench.tx(), &bench.find(id)).unwrap().iter().map(of).collect()
    }

    fn statuses(bench: &Bench, id: &DeploymentId) -> Vec<StepStatus> {
        steps_of(bench, id, |record| record.status)
    }

    #[test]
    fn there_are_three_in_their_order_before_and_after_the_claim() {
        let bench = Bench::core();
        let id = bench.queued(&bench.service("api"), "main", T0);
        let names = || steps_of(&bench, &id, |record| record.step);

        let before = (names(), statuses(&bench, &id));
        bench.claim(T0).unwrap();

        assert_eq!(before, (Step::ALWAYS.to_vec(), vec![Pending; 3]));
        assert_eq!((names(), statuses(&bench, &id)), before);
    }

    #[test]
    fn one_that_never_ran_has_skipped_them_all() {
        let bench = Bench::core();
        let id = bench.queued(&bench.service("api"), "main", T0);

        crate::db::deployments::fail(&bench.tx(), &id, Reason::Cancelled, "", None, T0).unwrap();

        assert_eq!(statuses(&bench, &id), [Skipped; 3]);
    }

    #[test]
    fn a_step_is_started_once_and_ended_once() {
        let (bench, id) = claimed();
        let tx = bench.tx();
        let later = T0.plus(std::time::Duration::from_secs(1));

        start(&tx, &id, Step::Clone, T0).unwrap();
        start(&tx, &id, Step::Clone, later).unwrap();
        finish(&tx, &id, Step::Clone, false, Some(128), T0).unwrap();
        finish(&tx, &id, Step::Clone, true, Some(0), later).unwrap();

        let clone = list(&tx, &bench.find(&id)).unwrap().remove(0);
        assert_eq!((clone.status, clone.exit_code), (Failed, Some(128)));
        assert_eq!((clone.started_at, clone.finished_at), (Some(T0), Some(T0)));
    }

    #[test]
    fn a_step_that_did_not_start_cannot_end() {
        let (bench, id) = claimed();

        finish(&bench.tx(), &id, Step::Build, true, Some(0), T0).unwrap();

        assert_eq!(statuses(&bench, &id), [Pending; 3]);
    }
}
