//! What may be done to deployments.

use crate::actions::asked_image::choose;
use crate::actions::wanted::Wanted;
use crate::actions::{By, Context, Error, Result, services as own_services};
use crate::db::audit::Record;
use crate::db::deployments::{self, Cancel, Filter, Listed, NewDeployment};
use crate::db::queue::{self, Place};
use crate::db::{Reader, Tx, steps};
use crate::domain::{
    Act, Branch, Code, Commit, Deployment, DeploymentId, GitRef, Invalid, Reason, Scope, Service, Subject,
    Trigger, Urls,
};
use crate::wire::deploy::{AcceptedJson, DeployBody};
use crate::wire::deployment::FoundDeployment;

/// There is no such deployment, or the id is none; the same for both.
pub fn not_found() -> Error {
    Error::not_found("deployment with this id")
}

/// Reads a deployment with what belongs to it.
///
/// # Errors
/// Code `not_found`.
pub fn find(reader: &Reader<'_>, id: &DeploymentId) -> Result<FoundDeployment> {
    let found = deployments::find(reader, id)?.ok_or_else(not_found)?;
    complete(reader, found)
}

/// Reads what belongs to a deployment.
///
/// # Errors
/// Where the database cannot be read.
pub fn complete(reader: &Reader<'_>, deployment: Deployment) -> Result<FoundDeployment> {
    let steps = steps::list(reader, &deployment)?;
    let queue_position = deployments::queue_position(reader, &deployment)?;
    Ok(FoundDeployment { deployment, steps, queue_position })
}

/// A page of a service's deployments, newest first.
///
/// # Errors
/// Codes `not_found` and `scope`.
pub fn list(reader: &Reader<'_>, by: &By, service: &str, filter: &Filter) -> Result<FoundPage> {
    let service = own_services::find(reader, by, Scope::Read, service)?;
    let listed = deployments::list_for_service(reader, &service.id, filter)?;
    complete_page(reader, listed)
}

/// A page of the deployments that the caller may see, of all services, newest first.
///
/// # Errors
/// Code `scope`.
pub fn list_all(reader: &Reader<'_>, by: &By, filter: &Filter) -> Result<FoundPage> {
    let only = by.caller.only_service();
    by.require(Scope::Read, only)?;
    let listed = match only {
        Some(service) => deployments::list_for_service(reader, service, filter)?,
        None => deployments::list_all(reader, filter)?,
    };
    complete_page(reader, listed)
}

/// A page of deployments with what belongs to each.
#[derive(Debug)]
pub struct FoundPage {
    /// Newest first.
    pub deployments: Vec<FoundDeployment>,
    /// Where there may be more: those before this one.
    pub more: Option<DeploymentId>,
}

/// Reads what belongs to the deployments of a page.
///
/// # Errors
/// Where the database cannot be read.
pub fn complete_page(reader: &Reader<'_>, listed: Listed) -> Result<FoundPage> {
    let deployments = listed.deployments.into_iter().map(|deployment| complete(reader, deployment));
    Ok(FoundPage { deployments: deployments.collect::<Result<_>>()?, more: listed.more })
}

/// Reads a parameter or field `branch`.
///
/// # Errors
/// Says what would be right.
pub fn read_branch(text: Option<&str>) -> std::result::Result<Option<Branch>, Invalid> {
    text.map(Branch::parse).transpose().map_err(|error| Invalid::new("branch", error.to_string()))
}

/// Reads `branch` of a list: a branch, or a tag by its full ref.
///
/// # Errors
/// Says what would be right.
pub fn read_ref(text: Option<&str>) -> std::result::Result<Option<GitRef>, Invalid> {
    text.map(GitRef::parse).transpose().map_err(|error| Invalid::new("branch", error.to_string()))
}

/// The body of a 202: the five keys of the contract.
pub(super) fn accepted_body(urls: &Urls, id: &DeploymentId, service: &str, branch: &GitRef) -> String {
    serde_json::to_string(&AcceptedJson::new(urls, id, service, branch)).unwrap_or_default()
}

/// A new deployment that an operator or a token began.
pub struct StartedDeployment {
    pub id: DeploymentId,
    /// The five keys.
    pub body: String,
}

/// Queues a deployment of a service.
///
/// # Errors
/// Codes `not_found`, `scope`, `invalid_parameter`, `image_required`, `image_not_allowed`, `from_not_possible`,
/// `service_frozen`, `queue_full`, `disk_nearly_full` and `executor_unavailable`.
pub fn deploy(
    tx: &Tx<'_>,
    context: &Context,
    by: &By,
    service: &str,
    wanted: &DeployBody,
) -> Result<StartedDeployment> {
    let mut faults = Vec::new();
    let asked = Wanted::read(wanted.words(), wanted.clear_cache.then_some("clearCache"), &mut faults);
    if !faults.is_empty() {
        return Err(faults.into());
    }
    let service = own_services::find(tx, by, Scope::Deploy, service)?;
    let chosen = choose(tx, &service.id, service.repository.is_none(), &asked)?;
    let new = NewDeployment {
        service_id: service.id.clone(),
        executor: service.executor,
        trigger: Trigger::Deploy,
        hook_generation: None,
        who: by.who(),
        branch: chosen.what_or(&service.default_branch),
        image: chosen.exact(),
        commit: chosen.commit,
        clear_cache: wanted.clear_cache,
        note: asked.note,
        asked_image: chosen.asked,
        promoted_from: chosen.promoted_from,
        ignored_parameters: Vec::new(),
        traceparent: by.traceparent.clone(),
    };
    start(tx, context, by, Act::ServiceDeploy, &service, &new)
}

/// Queues a deployment that an operator or a token asked for. Rolling back is allowed while the service is frozen: it is
/// the way out.
///
/// # Errors
/// Codes `service_frozen`, `queue_full`, `disk_nearly_full` and `executor_unavailable`.
pub(super) fn start(
    tx: &Tx<'_>,
    context: &Context,
    by: &By,
    act: Act,
    service: &Service,
    new: &NewDeployment,
) -> Result<StartedDeployment> {
    if let (Some(reason), false) = (&service.frozen, matches!(new.trigger, Trigger::Rollback(_))) {
        return Err(Error::frozen(reason));
    }
    if tx.is_short_of_space() {
        return Err(Error::disk_nearly_full());
    }
    let settings = context.settings();
    if !settings.available.has(service.executor) {
        return Err(Error::no_executor(service.executor));
    }
    let id = match queue::enqueue(tx, new, service.queue_policy, settings.queue_limit, by.at)? {
        Place::New(id) | Place::Joined(id) => id,
        Place::Full => return Err(Error::queue_full(&service.name)),
    };
    let commit = new.commit.as_ref().map_or("its head", Commit::short);
    let record = Record::new(act, Subject::Service(service.name.to_string()));
    let record = record.with(format!("{} at {commit}", new.branch));
    by.record(tx, &Record { began: Some(id.clone()), ..record })?;
    let body = accepted_body(context.urls(), &id, service.name.as_str(), &new.branch);
    Ok(StartedDeployment { id, body })
}

/// Cancels a deployment that has not ended.
///
/// # Errors
/// Codes `not_found`, `scope` and `already_final`.
pub fn cancel(tx: &Tx<'_>, by: &By, id: &DeploymentId) -> Result<()> {
    let deployment = deployments::find(tx, id)?.ok_or_else(not_found)?;
    by.require(Scope::Deploy, Some(&deployment.service_id))?;
    let detail = format!("cancelled by {}", by.who());
    match deployments::cancel(tx, &deployment, Reason::Cancelled, ("cancelled", Some(&detail)), by.at)? {
        Cancel::AlreadyFinal => {
            let detail = format!("{id} has ended as {} already", deployment.status.as_str());
            Err(Error::new(Code::AlreadyFinal, detail))
        }
        Cancel::Settling => {
            let detail = format!("{id} serves already and is only watched for a moment; roll back instead");
            Err(Error::new(Code::Settling, detail))
        }
        Cancel::Ended | Cancel::Asked => {
            by.record(tx, &Record::new(Act::DeploymentCancel, Subject::Deployment(id.clone())))
        }
    }
}
