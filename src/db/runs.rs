//! What is known of runs in a cluster. Columns of the table of deployments.
//!
//! A run is `open` from the claim of its deployment until the cluster says that it has ended or does not exist; while
//! one of a service is open, the service starts no other. It is `ended` until it is deleted from the cluster.

use rusqlite::named_params;

use super::deployments::{SELECT, from_row};
use super::sql_types::list;
use super::{Error, Reader, Tx};
use crate::domain::{Deployment, DeploymentId, ExactImage, ExecutorKind, Timestamp, WorkloadState};

/// What the cluster said of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// It has ended.
    Ended,
    /// It is not there.
    Deleted,
}

impl RunState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Deleted => "deleted",
        }
    }
}

/// Marks the run of a deployment that is being claimed as open: it may go on without the server.
pub(super) fn open(tx: &Tx<'_>, deployment: &Deployment) -> Result<(), Error> {
    const SQL: &str = "UPDATE deployments SET run_state = 'open' WHERE id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": deployment.id.as_str() })?;
    Ok(())
}

/// Stores that the run's object exists, and its uid.
pub fn set_uid(tx: &Tx<'_>, id: &DeploymentId, uid: &str) -> Result<(), Error> {
    const SQL: &str = "UPDATE deployments SET run_uid = :uid WHERE id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": id.as_str(), ":uid": uid })?;
    Ok(())
}

/// Stores the image that was pushed or found.
pub fn set_image(tx: &Tx<'_>, id: &DeploymentId, image: &ExactImage) -> Result<(), Error> {
    const SQL: &str = "UPDATE deployments SET image = :image, version = version + 1 WHERE id = :id";
    let params = named_params! { ":id": id.as_str(), ":image": image.to_string() };
    tx.conn().prepare_cached(SQL)?.execute(params)?;
    tx.touch(id);
    Ok(())
}

/// Stores which commit the image says it was built from.
pub fn set_image_revision(tx: &Tx<'_>, id: &DeploymentId, revision: &str) -> Result<(), Error> {
    const SQL: &str =
        "UPDATE deployments SET image_revision = :revision, version = version + 1 WHERE id = :id";
    tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": id.as_str(), ":revision": revision })?;
    tx.touch(id);
    Ok(())
}

/// Stores how the workloads were left.
pub fn set_workloads(tx: &Tx<'_>, id: &DeploymentId, workloads: &[WorkloadState]) -> Result<(), Error> {
    const SQL: &str = "UPDATE deployments SET workloads = :workloads, version = version + 1 WHERE id = :id";
    let texts = workloads.iter().map(ToString::to_string);
    let params = named_params! { ":id": id.as_str(), ":workloads": list(texts) };
    tx.conn().prepare_cached(SQL)?.execute(params)?;
    tx.touch(id);
    Ok(())
}

/// Stores that the run has ended well and what serves is watched, at the latest until `give_up`.
pub fn set_settling(tx: &Tx<'_>, id: &DeploymentId, give_up: Timestamp) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE deployments
           SET is_settling = 1, stop_at_ms = :give_up, version = version + 1
         WHERE id = :id
           AND status = 'deploying'";
    let params = named_params! { ":id": id.as_str(), ":give_up": give_up.as_millis() };
    if tx.conn().prepare_cached(SQL)?.execute(params)? == 1 {
        tx.touch(id);
    }
    Ok(())
}

/// Stores what an unfinished deployment waits for and what the cluster says of it, or that it waits for nothing any more.
/// A reason to stop, which is in the same place, stays.
pub fn set_waiting(
    tx: &Tx<'_>,
    id: &DeploymentId,
    message: Option<&str>,
    detail: Option<&str>,
) -> Result<(), Error> {
    const SQL: &str = "
        UPDATE deployments
           SET message = :message, detail = :detail, version = version + 1
         WHERE id = :id
           AND status IN ('building', 'deploying')
           AND cancel_reason IS NULL
           AND (message IS NOT :message OR detail IS NOT :detail)";
    let params = named_params! { ":id": id.as_str(), ":message": message, ":detail": detail };
    if tx.conn().prepare_cached(SQL)?.execute(params)? == 1 {
        tx.touch(id);
    }
    Ok(())
}

/// Stores what the cluster said of a run.
pub fn set_state(tx: &Tx<'_>, id: &DeploymentId, state: RunState) -> Result<(), Error> {
    const SQL: &str = "UPDATE deployments SET run_state = :state WHERE id = :id";
    let params = named_params! { ":id": id.as_str(), ":state": state.as_str() };
    tx.conn().prepare_cached(SQL)?.execute(params)?;
    Ok(())
}

/// The reconcile list: final deployments whose run may still go on.
pub fn unsettled(reader: &Reader<'_>) -> Result<Vec<Deployment>, Error> {
    let sql = format!(
        "{SELECT}
          WHERE d.sequence IN (SELECT sequence
                                 FROM deployments INDEXED BY deployments_open_runs
                                WHERE run_state = 'open'
                                  AND status IN ('succeeded', 'failed')
                                LIMIT 100)
          ORDER BY d.sequence"
    );
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let rows = statement.query_map([], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// At most 100 ended runs of an executor that still exist and are no longer kept: ended before `before`, or beyond the last
/// `kept` of their service.
pub fn deletable(
    reader: &Reader<'_>,
    executor: ExecutorKind,
    before: Timestamp,
    kept: u32,
) -> Result<Vec<DeploymentId>, Error> {
    const SQL: &str = "
        SELECT id
          FROM (SELECT id, finished_at_ms,
                       row_number() OVER (PARTITION BY service_id ORDER BY sequence DESC) AS place
                  FROM deployments INDEXED BY deployments_ended_runs
                 WHERE run_state = 'ended'
                   AND executor = :executor)
         WHERE finished_at_ms < :before
            OR place > :kept
         LIMIT 100";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let params = named_params! {
        ":executor": executor.as_str(),
        ":before": before.as_millis(),
        ":kept": kept,
    };
    let rows = statement
        .query_map(params, |row| super::sql_types::text(row, "deployments", "id", DeploymentId::parse))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
