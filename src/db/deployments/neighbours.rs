//! Where a deployment stands among those of its service.

use rusqlite::{OptionalExtension, named_params};

use crate::db::deployments::{SELECT, TABLE, from_row};
use crate::db::sql_types::{optional_text, queued, text};
use crate::db::{Error, Reader};
use crate::domain::{Deployment, DeploymentId, Reason, ServiceId, Status};

/// The deployment that says how a service stands: the one that runs, else the newest. For a list of all services.
pub fn standing(reader: &Reader<'_>, service: &ServiceId) -> Result<Option<Standing>, Error> {
    let sql = format!(
        "SELECT sequence, id, status, reason
           FROM deployments
          WHERE sequence = coalesce(
                (SELECT max(sequence) FROM deployments
                  WHERE service_id = :service_id AND status IN ('building', 'deploying')),
                (SELECT max(sequence)
                   FROM (SELECT max(sequence) AS sequence FROM deployments WHERE service_id = :service_id AND {}
                      UNION ALL
                         SELECT max(sequence) FROM deployments WHERE service_id = :service_id AND status = 'succeeded'
                      UNION ALL
                         SELECT max(sequence) FROM deployments WHERE service_id = :service_id AND status = 'failed')))",
        queued()
    );
    let found = reader.conn().prepare_cached(&sql)?.query_row(
        named_params! { ":service_id": service.as_str() },
        |row| {
            Ok(Standing {
                sequence: row.get(0)?,
                id: text(row, TABLE, "id", DeploymentId::parse)?,
                status: text(row, TABLE, "status", Status::parse)?,
                reason: optional_text(row, TABLE, "reason", Reason::parse)?,
            })
        },
    );
    Ok(found.optional()?)
}

/// What a list of all services tells of one deployment before any other.
#[derive(Debug, Clone)]
pub struct Standing {
    /// Place in the order of all deployments.
    pub sequence: i64,
    /// Its id.
    pub id: DeploymentId,
    /// How it stands.
    pub status: Status,
    /// Why it failed.
    pub reason: Option<Reason>,
}

/// The success of the same service just before a deployment, and the one just after it.
pub fn successes_around(
    reader: &Reader<'_>,
    deployment: &Deployment,
) -> Result<[Option<Deployment>; 2], Error> {
    let find = |side: &str, order: &str| {
        let sql = format!(
            "{SELECT}
              WHERE d.service_id = :service_id
                AND d.status = 'succeeded'
                AND d.sequence {side} :sequence
              ORDER BY d.sequence {order}
              LIMIT 1"
        );
        let params = named_params! {
            ":service_id": deployment.service_id.as_str(),
            ":sequence": deployment.sequence,
        };
        Ok::<_, Error>(reader.conn().prepare_cached(&sql)?.query_row(params, from_row).optional()?)
    };
    Ok([find("<", "DESC")?, find(">", "ASC")?])
}

/// How many queued deployments of the same service come after this one.
pub fn count_behind(reader: &Reader<'_>, deployment: &Deployment) -> Result<i64, Error> {
    count_queued(reader, deployment, ">")
}

/// 1-based place among the queued deployments of its service; none when it is not queued.
pub fn queue_position(reader: &Reader<'_>, deployment: &Deployment) -> Result<Option<i64>, Error> {
    if deployment.status != Status::Queued {
        return Ok(None);
    }
    count_queued(reader, deployment, "<=").map(Some)
}

/// How many queued ones of its service stand on that side of a deployment. A queue is no longer than its limit.
fn count_queued(reader: &Reader<'_>, deployment: &Deployment, side: &str) -> Result<i64, Error> {
    let sql = format!(
        "SELECT count(*)
           FROM deployments
          WHERE service_id = :service_id
            AND {}
            AND sequence {side} :sequence",
        queued()
    );
    let params =
        named_params! { ":service_id": deployment.service_id.as_str(), ":sequence": deployment.sequence };
    Ok(reader.conn().prepare_cached(&sql)?.query_row(params, |row| row.get(0))?)
}

/// The newest deployment after a success that began to deploy and failed, and of which nobody can say that it left alone
/// what served: it was not rolled back, and it was not a cluster's deploy step that failed before it changed anything. Looked
/// for among the last thousand failures.
pub fn unsettled_after(reader: &Reader<'_>, success: &Deployment) -> Result<Option<Deployment>, Error> {
    let sql = format!(
        "{SELECT}
           JOIN steps AS deploy ON deploy.deployment_id = d.id AND deploy.name = 'deploy'
          WHERE d.sequence IN (SELECT sequence
                                 FROM deployments
                                WHERE service_id = :service_id
                                  AND status = 'failed'
                                  AND sequence > :sequence
                                ORDER BY sequence DESC
                                LIMIT 1000)
            AND deploy.started_at_ms IS NOT NULL
            AND d.reason <> 'rolled_back'
            AND NOT (d.reason = 'deploy_failed' AND d.executor = 'tekton')
          ORDER BY d.sequence DESC
          LIMIT 1"
    );
    let params = named_params! {
        ":service_id": success.service_id.as_str(),
        ":sequence": success.sequence,
    };
    Ok(reader.conn().prepare_cached(&sql)?.query_row(params, from_row).optional()?)
}
