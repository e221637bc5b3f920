//! An earlier deployment once more: what it deployed, or what it served.

use crate::actions::deployments::{StartedDeployment, not_found, start};
use crate::actions::{By, Context, Error, Result, services as own_services};
use crate::db::deployments::{self, NewDeployment};
use crate::db::{Tx, services};
use crate::domain::{
    Act, Code, Commit, Deployment, DeploymentId, ExactImage, ExecutorKind, Scope, Service, Status, Trigger,
};

/// How an earlier deployment is used again.
#[derive(Debug, Clone, Copy)]
pub enum Again {
    /// Build and deploy the same commit.
    Redeploy {
        /// Whether to build afresh.
        clear_cache: bool,
    },
    /// Serve what it served.
    Rollback {
        /// Whether to freeze the service too, so that no call deploys over it.
        freeze: bool,
    },
}

/// Puts an earlier deployment into the queue again.
///
/// # Errors
/// Codes `not_found`, `scope`, `nothing_to_roll_back_to`, `service_frozen`, `queue_full`, `disk_nearly_full` and
/// `executor_unavailable`.
pub fn again(
    tx: &Tx<'_>,
    context: &Context,
    by: &By,
    id: &DeploymentId,
    how: Again,
) -> Result<StartedDeployment> {
    let origin = deployments::find(tx, id)?.ok_or_else(not_found)?;
    by.require(Scope::Deploy, Some(&origin.service_id))?;
    let service = services::find(tx, &origin.service_id)?;
    let service = service.ok_or_else(|| Error::not_found(format_args!("service {}", origin.service)))?;
    let act = match how {
        Again::Rollback { .. } => Act::DeploymentRollback,
        Again::Redeploy { .. } => Act::DeploymentRedeploy,
    };
    let started = start(tx, context, by, act, &service, &new_from(&origin, &service, how, by)?)?;
    if matches!(how, Again::Rollback { freeze: true }) && service.frozen.is_none() {
        let back_to = origin.commit.as_ref().map_or(origin.id.as_str(), Commit::short);
        own_services::set_frozen(tx, by, service.name.as_str(), Some(format!("rolled back to {back_to}")))?;
    }
    Ok(started)
}

fn new_from(origin: &Deployment, service: &Service, how: Again, by: &By) -> Result<NewDeployment> {
    let (trigger, clear_cache) = match how {
        Again::Redeploy { clear_cache } => (Trigger::Redeploy(origin.id.clone()), clear_cache),
        Again::Rollback { .. } => (Trigger::Rollback(origin.id.clone()), false),
    };
    let is_rollback = matches!(how, Again::Rollback { .. });
    if is_rollback && !origin.can_serve_again(service.executor) {
        let detail = if origin.status == Status::Succeeded {
            format!("{} left no image, so there is nothing to roll back to", origin.id)
        } else {
            format!("{} never served, so there is nothing to roll back to", origin.id)
        };
        return Err(Error::new(Code::NothingToRollBackTo, detail));
    }
    // What was looked up by its tag is taken exactly as it was.
    let named = origin.asked_image.as_ref();
    let asked_image =
        named.map(|named| origin.image.as_ref().map_or_else(|| named.clone(), ExactImage::reference));
    let is_kept = is_rollback && service.executor == ExecutorKind::Tekton;
    let image = origin.image.clone().filter(|_| is_kept || asked_image.is_some());
    if let Some(asked) =
        asked_image.as_ref().filter(|asked| !is_rollback && !service.admits_image(&asked.repository))
    {
        let detail = format!("{} is no repository of this service any more", asked.repository);
        return Err(Error::new(Code::ImageNotAllowed, detail));
    }
    if asked_image.is_none() && image.is_none() && service.repository.is_none() {
        return Err(Error::new(Code::ImageRequired, "this service has no repository to build from any more"));
    }
    Ok(NewDeployment {
        service_id: service.id.clone(),
        executor: service.executor,
        trigger,
        hook_generation: None,
        who: by.who(),
        branch: origin.branch.clone(),
        commit: origin.commit.clone(),
        clear_cache,
        note: None,
        promoted_from: origin.promoted_from.clone().filter(|_| asked_image.is_some()),
        asked_image,
        image,
        ignored_parameters: Vec::new(),
        traceparent: by.traceparent.clone(),
    })
}
