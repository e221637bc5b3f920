//! How the last deployments of a service ended, for pictures of it.

use std::time::Duration;

use rusqlite::named_params;

use crate::db::deployments::TABLE;
use crate::db::sql_types::{optional_text, optional_time, text, time};
use crate::db::{Error, Reader};
use crate::domain::{DeploymentId, Reason, ServiceId, Status, Step, Timestamp};

/// One deployment that has ended.
#[derive(Debug, Clone)]
pub struct End {
    /// Its id.
    pub id: DeploymentId,
    /// `succeeded` or `failed`.
    pub status: Status,
    /// Why it failed.
    pub reason: Option<Reason>,
    /// The step that failed, where one did.
    pub failed_step: Option<Step>,
    /// From its claim to its end; none where it never began.
    pub took: Option<Duration>,
    /// When it ended.
    pub at: Timestamp,
}

/// The last ends of a service, newest first.
pub fn last_ends(reader: &Reader<'_>, service: &ServiceId, limit: u32) -> Result<Vec<End>, Error> {
    const SQL: &str = "
        SELECT d.id, d.status, d.reason, d.started_at_ms, d.finished_at_ms,
               (SELECT name FROM steps WHERE deployment_id = d.id AND status = 'failed' LIMIT 1) AS failed_step
          FROM deployments AS d
         WHERE d.sequence IN (SELECT sequence FROM deployments WHERE service_id = :service_id AND status = 'succeeded'
                           UNION ALL
                              SELECT sequence FROM deployments WHERE service_id = :service_id AND status = 'failed'
                               ORDER BY sequence DESC
                               LIMIT :limit)
         ORDER BY d.sequence DESC";
    let mut statement = reader.conn().prepare_cached(SQL)?;
    let params = named_params! { ":service_id": service.as_str(), ":limit": limit };
    let rows = statement.query_map(params, |row| {
        let at = time(row, "finished_at_ms")?;
        Ok(End {
            id: text(row, TABLE, "id", DeploymentId::parse)?,
            status: text(row, TABLE, "status", Status::parse)?,
            reason: optional_text(row, TABLE, "reason", Reason::parse)?,
            failed_step: optional_text(row, TABLE, "failed_step", Step::parse)?,
            took: optional_time(row, "started_at_ms")?.map(|from| at.since(from)),
            at,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
