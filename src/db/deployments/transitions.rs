//! The changes of a deployment's status. Each statement names the statuses that it may change: forward only, and never
//! out of a final one.

use rusqlite::named_params;

use crate::db::deployments::{SELECT, from_row};
use crate::db::sql_types::queued;
use crate::db::{Error, Reader, Tx, ended, notices, steps};
use crate::domain::{Deployment, DeploymentId, Reason, ServiceId, Status, Timestamp};

/// Ends a deployment as failed; false where it had ended before. Steps that ran fail, the others are skipped.
pub fn fail(
    tx: &Tx<'_>,
    id: &DeploymentId,
    reason: Reason,
    message: &str,
    detail: Option<&str>,
    now: Timestamp,
) -> Result<bool, Error> {
    const SQL: &str = "
        UPDATE deployments
           SET status = 'failed', reason = :reason, message = :message, detail = coalesce(:detail, detail),
               finished_at_ms = :now,
               version = version + 1
         WHERE id = :id
           AND status IN ('queued', 'building', 'deploying')";
    let params = named_params! {
        ":id": id.as_str(),
        ":reason": reason.as_str(),
        ":message": message,
        ":detail": detail,
        ":now": now.as_millis(),
    };
    let changed = tx.conn().prepare_cached(SQL)?.execute(params)? == 1;
    if changed {
        steps::end_all(tx, id, now)?;
        tx.touch(id);
        notices::deployment_ended(tx, id, Some(reason), now)?;
        ended::deployment(tx, id, Some(reason), now)?;
    }
    Ok(changed)
}

/// Ends a deployment as succeeded; false where it was not deploying.
pub fn succeed(tx: &Tx<'_>, id: &DeploymentId, now: Timestamp) -> Result<bool, Error> {
    const SQL: &str = "
        UPDATE deployments
           SET status = 'succeeded', message = NULL, finished_at_ms = :now, version = version + 1
         WHERE id = :id
           AND status = 'deploying'";
    let changed = tx
        .conn()
        .prepare_cached(SQL)?
        .execute(named_params! { ":id": id.as_str(), ":now": now.as_millis() })?
        == 1;
    if changed {
        // A rollback in a cluster neither clones nor builds.
        steps::end_all(tx, id, now)?;
        tx.touch(id);
        notices::deployment_ended(tx, id, None, now)?;
        ended::deployment(tx, id, None, now)?;
    }
    Ok(changed)
}

/// Moves a deployment from building to deploying; false where it was not building.
pub fn begin_deploying(tx: &Tx<'_>, id: &DeploymentId) -> Result<bool, Error> {
    const SQL: &str = "
        UPDATE deployments
           SET status = 'deploying', version = version + 1
         WHERE id = :id
           AND status = 'building'";
    let changed = tx.conn().prepare_cached(SQL)?.execute(named_params! { ":id": id.as_str() })? == 1;
    tx.touch(id);
    Ok(changed)
}

/// What a request to cancel met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// It was queued and has ended.
    Ended,
    /// It runs and is asked to stop.
    Asked,
    /// It had ended before.
    AlreadyFinal,
    /// It serves, and is only watched.
    Settling,
}

/// Cancels a deployment: ends it where it is queued, asks its run to stop where it runs. What is said has a sentence for
/// everybody and words for who may see them.
pub fn cancel(
    tx: &Tx<'_>,
    deployment: &Deployment,
    reason: Reason,
    (message, detail): (&str, Option<&str>),
    now: Timestamp,
) -> Result<Cancel, Error> {
    const SQL: &str = "
        UPDATE deployments
           SET cancel_reason = :reason, message = :message, detail = :detail, version = version + 1
         WHERE id = :id
           AND status IN ('building', 'deploying')
           AND cancel_reason IS NULL";
    if deployment.status.is_final() {
        return Ok(Cancel::AlreadyFinal);
    }
    if deployment.is_settling && reason == Reason::Cancelled {
        return Ok(Cancel::Settling);
    }
    if deployment.status == Status::Queued {
        fail(tx, &deployment.id, reason, message, detail, now)?;
        return Ok(Cancel::Ended);
    }
    let params = named_params! {
        ":id": deployment.id.as_str(),
        ":reason": reason.as_str(),
        ":message": message,
        ":detail": detail,
    };
    tx.conn().prepare_cached(SQL)?.execute(params)?;
    tx.touch(&deployment.id);
    Ok(Cancel::Asked)
}

/// Ends the queued deployments of a service that is being deleted and asks its running one to stop.
pub(in crate::db) fn end_all_of_service(
    tx: &Tx<'_>,
    service: &ServiceId,
    now: Timestamp,
) -> Result<(), Error> {
    for deployment in unfinished_of_service(tx, service)? {
        cancel(tx, &deployment, Reason::ServiceDeleted, (Reason::ServiceDeleted.sentence(), None), now)?;
    }
    Ok(())
}

fn unfinished_of_service(reader: &Reader<'_>, service: &ServiceId) -> Result<Vec<Deployment>, Error> {
    let sql = format!(
        "{SELECT}
          WHERE d.sequence IN (SELECT sequence FROM deployments WHERE service_id = :service_id AND {}
                            UNION ALL
                               SELECT sequence FROM deployments
                                WHERE service_id = :service_id AND status IN ('building', 'deploying'))",
        queued()
    );
    let mut statement = reader.conn().prepare_cached(&sql)?;
    let rows = statement.query_map(named_params! { ":service_id": service.as_str() }, from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}
