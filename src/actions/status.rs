//! What serves, what runs and what waits, a line a service.

use crate::actions::{By, Result, services};
use crate::db::{Reader, deployments, queue};
use crate::domain::{Deployment, Service, Status};
use crate::wire::status::{BriefJson, ServiceStatusJson};

/// A page of the services that the caller may see, by name.
///
/// # Errors
/// Code `scope`.
pub fn list(reader: &Reader<'_>, by: &By, after: Option<&str>, limit: u32) -> Result<Vec<ServiceStatusJson>> {
    let services = services::list(reader, by, after, limit)?;
    services.iter().map(|service| of(reader, service)).collect()
}

fn of(reader: &Reader<'_>, service: &Service) -> Result<ServiceStatusJson> {
    let newest = |statuses: &[Status]| deployments::newest(reader, &service.id, statuses, 1);
    let brief = |found: Vec<Deployment>| found.first().map(brief);
    Ok(ServiceStatusJson {
        service: service.name.to_string(),
        frozen: service.frozen.clone(),
        serving: brief(newest(&[Status::Succeeded])?),
        running: brief(newest(&[Status::Building, Status::Deploying])?),
        queued: queue::length(reader, &service.id)?,
        last: brief(newest(&[Status::Succeeded, Status::Failed])?),
    })
}

fn brief(deployment: &Deployment) -> BriefJson {
    BriefJson {
        deployment_id: deployment.id.clone(),
        status: deployment.status.as_str().into(),
        reason: deployment.reason.map(|reason| reason.as_str().into()),
        branch: deployment.branch.clone(),
        commit: deployment.commit.clone(),
        created_at: deployment.created_at,
        finished_at: deployment.finished_at,
    }
}
