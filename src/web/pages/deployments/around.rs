//! What stands around a deployment: its service, what serves, what waits behind it, what came before and after.

use std::collections::HashMap;

use crate::actions;
use crate::db::{Reader, deployments, notices, services, steps, targets};
use crate::domain::{
    Deployment, DeploymentId, ExecutorKind, Notice, Repository, Status, Target, TargetId, Workload,
};
use crate::web::pages::deployments::fuse::Usual;

/// Successes whose times are taken for usual, and among which one rolls back.
pub(in crate::web::pages) const SUCCESSES: u32 = 10;

/// What stands around a deployment. Its own place in the queue and its steps are not among it.
#[derive(Debug, Default)]
pub struct Around {
    /// Where its service's source comes from.
    pub repository: Option<Repository>,
    /// Where its service can be opened.
    pub url: Option<String>,
    /// What its service deploys to, in a cluster.
    pub workloads: Vec<Workload>,
    /// Whether its service is frozen.
    pub is_frozen: bool,
    /// Usual times of its service's steps.
    pub usual: Usual,
    /// How many successes these are taken from.
    pub sample: usize,
    /// The newest success of its service, which serves.
    pub serving: Option<Deployment>,
    /// What failed after it since, and may have changed what serves.
    pub unsettled: Option<DeploymentId>,
    /// The success before this deployment.
    pub before: Option<Deployment>,
    /// The success after it.
    pub after: Option<Deployment>,
    /// How many wait behind it.
    pub behind: i64,
    /// What could serve again, newest first; this deployment is not among it.
    pub targets: Vec<Deployment>,
    /// Whether this deployment could serve again.
    pub can_serve_again: bool,
    /// Other services that take its image, where it has succeeded.
    pub takers: Vec<String>,
    /// Who was told what of it, and what became of that; in the order in which it happened.
    pub told: Vec<(Target, Notice)>,
}

/// Most notices that are shown.
const TOLD: u32 = 200;

/// Who was told what of a deployment; of targets that are gone nothing.
fn told(reader: &Reader<'_>, id: &DeploymentId) -> actions::Result<Vec<(Target, Notice)>> {
    let mut known: HashMap<TargetId, Option<Target>> = HashMap::new();
    let mut told = Vec::new();
    for (id, notice) in notices::list_for_deployment(reader, id, TOLD)? {
        if !known.contains_key(&id) {
            known.insert(id.clone(), targets::find(reader, &id)?);
        }
        told.extend(known.get(&id).cloned().flatten().map(|target| (target, notice)));
    }
    Ok(told)
}

/// Most services among which those are looked for that take an image.
const TAKERS: u32 = 100;

/// The other services that take the image of a success, by name.
fn takers(reader: &Reader<'_>, deployment: &Deployment) -> actions::Result<Vec<String>> {
    let image = deployment.image.as_ref().filter(|_| deployment.status == Status::Succeeded);
    let Some(image) = image else { return Ok(Vec::new()) };
    let all = services::list(reader, None, TAKERS)?.into_iter();
    let others = all.filter(|one| one.id != deployment.service_id && one.admits_image(&image.repository));
    Ok(others.map(|one| one.name.to_string()).collect())
}

impl Around {
    /// Reads what stands around a deployment.
    ///
    /// # Errors
    /// Those of the database.
    pub fn read(reader: &Reader<'_>, deployment: &Deployment) -> actions::Result<Self> {
        let service = services::find(reader, &deployment.service_id)?;
        let successes = deployments::newest(reader, &deployment.service_id, &[Status::Succeeded], SUCCESSES)?;
        let records = successes.iter().map(|one| steps::list(reader, one)).collect::<Result<Vec<_>, _>>()?;
        let [before, after] = deployments::successes_around(reader, deployment)?;
        let serving = successes.first().cloned();
        let unsettled = match &serving {
            Some(serving) if deployment.status == Status::Succeeded => {
                deployments::unsettled_after(reader, serving)?
            }
            _ => None,
        };
        let executor = service.as_ref().map(|service| service.executor);
        let can_serve = |one: &Deployment| executor.is_some_and(|executor| one.can_serve_again(executor));
        let in_cluster = service.as_ref().filter(|service| service.executor == ExecutorKind::Tekton);
        let workloads = in_cluster.and_then(|service| Some(service.tekton.as_ref()?.workloads.clone()));
        Ok(Self {
            workloads: workloads.unwrap_or_default(),
            is_frozen: service.as_ref().is_some_and(|service| service.frozen.is_some()),
            url: service.as_ref().and_then(|service| service.url.clone()),
            repository: service.and_then(|service| service.repository),
            usual: Usual::of(&records),
            sample: records.len(),
            unsettled: unsettled.map(|one| one.id),
            behind: deployments::count_behind(reader, deployment)?,
            can_serve_again: can_serve(deployment),
            takers: takers(reader, deployment)?,
            told: told(reader, &deployment.id)?,
            targets: successes.into_iter().filter(|one| one.id != deployment.id && can_serve(one)).collect(),
            serving,
            before,
            after,
        })
    }

    /// Whether this deployment is what serves.
    pub(super) fn serves(&self, deployment: &Deployment) -> bool {
        self.serving.as_ref().is_some_and(|serving| serving.id == deployment.id)
    }
}
