//! The status of a deployment, waiting for its end, and what may be done with it.

use std::time::Duration;

use poem::http::{HeaderValue, StatusCode, header::ETAG};
use poem::web::{Data, Path};
use poem::{Request, Response, handler};
use tokio::time::Instant;

use crate::db::audit::Actor;
use crate::db::deployments::{Cancel, NewDeployment};
use crate::db::queue::{self, Place};
use crate::db::{Tx, audit, deployments, services};
use crate::domain::{
    Commit, Deployment, DeploymentId, ExecutorKind, Reason, Scope, Service, Status, Timestamp, Trigger,
};

use super::super::auth::{self, Caller, actor};
use super::super::error::Error;
use super::super::request::{Query, header, prefers};
use super::super::state::AppState;
use super::accepted;
use super::deployment_body::{DeploymentBody, Found, failed_step, find, tail};
use super::hook_call::accepted_body;

/// Longest time that a call is held.
const HOLD: Duration = Duration::from_secs(50);

/// Reads the id of a path in either spelling.
///
/// # Errors
/// 404, the same for a wrong shape as for an unknown id.
pub(in crate::web) fn read_id(text: &str) -> Result<DeploymentId, Error> {
    DeploymentId::parse(text).ok_or_else(not_found)
}

pub(in crate::web) fn not_found() -> Error {
    Error::NotFound("deployment with this id".to_owned())
}

/// Reads a deployment.
///
/// # Errors
/// 404 where there is none.
pub(in crate::web) async fn load(state: &AppState, id: &DeploymentId) -> Result<Found, Error> {
    let id = id.clone();
    state.db().read(move |reader| find(reader, &id)).await?.ok_or_else(not_found)
}

/// `GET /deployments/{id}`: the status, for whoever knows the id.
#[handler]
pub(in crate::web) async fn show(
    request: &Request,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let id = read_id(&id)?;
    let seconds = Query::parse(request)?.number("wait", 1..=50)?;
    let mut found = load(&state, &id).await?;
    if let Some(seconds) = seconds {
        let status = found.deployment.status;
        found = hold(&state, &id, found, Duration::from_secs(seconds), |now| now != status).await?;
    }
    respond(request, &state, found).await
}

/// `GET /deployments/{id}/wait`: the gate for CI; 200, 424 or not yet.
#[handler]
pub(in crate::web) async fn wait(
    request: &Request,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let id = read_id(&id)?;
    let found = load(&state, &id).await?;
    let found = hold(&state, &id, found, HOLD, Status::is_final).await?;
    match found.deployment.status {
        Status::Succeeded => object(request, &state, found, StatusCode::OK).await,
        Status::Failed => object(request, &state, found, StatusCode::FAILED_DEPENDENCY).await,
        _ => {
            Ok(Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).header("retry-after", 1).finish())
        }
    }
}

/// Reads again and again until `done`, the end of the deployment, of the time, or of the server.
async fn hold(
    state: &AppState,
    id: &DeploymentId,
    mut found: Found,
    time: Duration,
    done: impl Fn(Status) -> bool,
) -> Result<Found, Error> {
    let deadline = Instant::now() + time;
    let mut changed = state.db().deployment_changed(id);
    loop {
        changed.borrow_and_update();
        found = if found.deployment.status.is_final() { found } else { load(state, id).await? };
        if found.deployment.status.is_final() || done(found.deployment.status) {
            return Ok(found);
        }
        tokio::select! {
            _ = changed.changed() => {}
            () = tokio::time::sleep_until(deadline) => return Ok(found),
            () = state.is_draining().cancelled() => return Ok(found),
        }
    }
}

/// The status is for everybody: a credential that is not good shows no more and hides no less.
async fn may_see(request: &Request, state: &AppState, found: &Found) -> bool {
    let caller = auth::find(state, request).await.ok().flatten();
    caller.is_some_and(|caller| caller.may_see(&found.deployment))
}

/// The object, whatever the caller would accept: a gate that answers "not modified" would look like a success.
async fn object(
    request: &Request,
    state: &AppState,
    found: Found,
    status: StatusCode,
) -> Result<Response, Error> {
    let tail =
        if may_see(request, state, &found).await { Some(log_tail(state, &found).await?) } else { None };
    Ok(super::json(status, &DeploymentBody::new(found, state.urls(), tail)))
}

async fn respond(request: &Request, state: &AppState, found: Found) -> Result<Response, Error> {
    let may_see = may_see(request, state, &found).await;
    // The place in the queue changes without the row.
    let place = found.queue_position.unwrap_or(0);
    let etag = format!("W/\"{}-{place}{}\"", found.deployment.version, if may_see { "d" } else { "" });
    if header(request.headers(), "if-none-match")
        .is_some_and(|known| known.split(',').any(|tag| tag.trim() == etag))
    {
        return Ok(with_tag(Response::builder().status(StatusCode::NOT_MODIFIED).finish(), &etag));
    }
    if prefers(request.headers(), "text/plain") {
        let word = format!("{}\n", found.deployment.status.as_str());
        let response = Response::builder().content_type("text/plain; charset=utf-8").body(word);
        return Ok(with_tag(response, &etag));
    }
    let log_tail = if may_see { Some(log_tail(state, &found).await?) } else { None };
    let body = DeploymentBody::new(found, state.urls(), log_tail);
    Ok(with_tag(super::json(StatusCode::OK, &body), &etag))
}

fn with_tag(mut response: Response, etag: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(etag) {
        response.headers_mut().insert(ETAG, value);
    }
    response.headers_mut().insert("cache-control", HeaderValue::from_static("private, no-cache"));
    response.headers_mut().append("vary", HeaderValue::from_static("accept, authorization, cookie"));
    response
}

async fn log_tail(state: &AppState, found: &Found) -> Result<Vec<String>, Error> {
    let Some(step) = failed_step(found).cloned() else { return Ok(Vec::new()) };
    let id = found.deployment.id.clone();
    Ok(state.db().read_logs(move |reader| tail(reader, &id, &step)).await?)
}

/// `POST /deployments/{id}/cancel`.
#[handler]
pub(in crate::web) async fn cancel(
    request: &Request,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (id, caller) = (read_id(&id)?, auth::caller(request)?);
    cancel_as(&state, &id, &caller, actor(&caller, request)).await?;
    object(request, &state, load(&state, &id).await?, StatusCode::ACCEPTED).await
}

/// Cancels for a caller, with its audit row.
///
/// # Errors
/// 403, 404, or 409 where it has ended.
pub(in crate::web) async fn cancel_as(
    state: &AppState,
    id: &DeploymentId,
    caller: &Caller,
    actor: Actor,
) -> Result<(), Error> {
    let (id, caller, now) = (id.clone(), caller.clone(), state.clock().now());
    state
        .db()
        .try_write(move |tx| {
            let deployment = deployments::find(tx, &id)?.ok_or_else(not_found)?;
            caller.require(Scope::Deploy, Some(&deployment.service_id))?;
            let message = format!("cancelled by {}", actor.name);
            match deployments::cancel(tx, &deployment, Reason::Cancelled, &message, now)? {
                Cancel::AlreadyFinal => {
                    let detail = format!("{id} has ended as {} already", deployment.status.as_str());
                    Err(Error::Conflict { code: "already_final", detail })
                }
                Cancel::Ended | Cancel::Asked => {
                    Ok(audit::record(tx, &actor, "deployment.cancel", id.as_str(), "", now)?)
                }
            }
        })
        .await
}

/// `POST /deployments/{id}/redeploy`: the same commit once more, else the branch's head.
#[handler]
pub(in crate::web) async fn redeploy(
    request: &Request,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (id, caller) = (read_id(&id)?, auth::caller(request)?);
    let clear_cache = Query::parse(request)?.flag("clear_cache")?;
    let started =
        again(&state, &id, Again::Redeploy { clear_cache }, caller.clone(), actor(&caller, request)).await?;
    Ok(accepted(&started.id, started.body))
}

/// `POST /deployments/{id}/rollback`: serve what this deployment served.
#[handler]
pub(in crate::web) async fn rollback(
    request: &Request,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (id, caller) = (read_id(&id)?, auth::caller(request)?);
    let started = again(&state, &id, Again::Rollback, caller.clone(), actor(&caller, request)).await?;
    Ok(accepted(&started.id, started.body))
}

/// How an earlier deployment is used again.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) enum Again {
    /// Build and deploy the same commit.
    Redeploy { clear_cache: bool },
    /// Serve what it served.
    Rollback,
}

/// A new deployment that an operator or a token began: its id and the five keys.
pub(in crate::web) struct Started {
    pub(in crate::web) id: DeploymentId,
    pub(in crate::web) body: String,
}

/// Puts an earlier deployment into the queue again.
///
/// # Errors
/// 403, 404, 409 where there is nothing to roll back to, and what [`start`] refuses.
pub(in crate::web) async fn again(
    state: &AppState,
    id: &DeploymentId,
    how: Again,
    caller: Caller,
    actor: Actor,
) -> Result<Started, Error> {
    let (id, own_state, now) = (id.clone(), state.clone(), state.clock().now());
    state
        .db()
        .try_write(move |tx| {
            let origin = deployments::find(tx, &id)?.ok_or_else(not_found)?;
            caller.require(Scope::Deploy, Some(&origin.service_id))?;
            let service = services::find(tx, &origin.service_id)?;
            let service = service.ok_or_else(|| Error::NotFound(format!("service {}", origin.service)))?;
            let new = new_from(&origin, &service, how, &actor)?;
            let verb =
                if matches!(how, Again::Rollback) { "deployment.rollback" } else { "deployment.redeploy" };
            start(tx, &own_state, &service, &new, &actor, verb, now)
        })
        .await
}

fn new_from(
    origin: &Deployment,
    service: &Service,
    how: Again,
    actor: &Actor,
) -> Result<NewDeployment, Error> {
    let (trigger, clear_cache) = match how {
        Again::Redeploy { clear_cache } => (Trigger::Redeploy(origin.id.clone()), clear_cache),
        Again::Rollback => (Trigger::Rollback(origin.id.clone()), false),
    };
    let is_rollback = matches!(how, Again::Rollback);
    if is_rollback && !origin.can_serve_again(service.executor) {
        let detail = if origin.status == Status::Succeeded {
            format!("{} left no image, so there is nothing to roll back to", origin.id)
        } else {
            format!("{} never served, so there is nothing to roll back to", origin.id)
        };
        return Err(Error::Conflict { code: "nothing_to_roll_back_to", detail });
    }
    let image = origin.image.clone().filter(|_| is_rollback && service.executor == ExecutorKind::Tekton);
    Ok(NewDeployment {
        service_id: service.id.clone(),
        executor: service.executor,
        trigger,
        hook_generation: None,
        caller: actor.name.clone(),
        branch: origin.branch.clone(),
        commit: origin.commit.clone(),
        clear_cache,
        image,
        ignored_parameters: Vec::new(),
    })
}

/// Queues a deployment that an operator or a token asked for, with its audit row. Rolling back is allowed while the
/// service is frozen: it is the way out.
///
/// # Errors
/// 423 where the service is frozen, 429 where its queue is full, 503 where nothing here can run it.
pub(in crate::web) fn start(
    tx: &Tx<'_>,
    state: &AppState,
    service: &Service,
    new: &NewDeployment,
    actor: &Actor,
    verb: &str,
    now: Timestamp,
) -> Result<Started, Error> {
    if let (Some(reason), false) = (&service.frozen, matches!(new.trigger, Trigger::Rollback(_))) {
        return Err(Error::frozen(reason));
    }
    if tx.is_short_of_space() {
        return Err(Error::disk_nearly_full());
    }
    if !state.settings().available.has(service.executor) {
        return Err(Error::no_executor(service.executor));
    }
    let id = match queue::enqueue(tx, new, service.queue_policy, state.settings().queue_limit, now)? {
        Place::New(id) | Place::Joined(id) => id,
        Place::Full => return Err(Error::queue_full(service)),
    };
    let commit = new.commit.as_ref().map_or("its head", Commit::short);
    let detail = format!("{} at {commit} as {id}", new.branch);
    audit::record(tx, actor, verb, &format!("service {}", service.name), &detail, now)?;
    let body = accepted_body(state.urls(), &id, service.name.as_str(), &new.branch);
    Ok(Started { id, body })
}
