//! The status of a deployment, waiting for its end, and what may be done with it.

use std::sync::Arc;
use std::time::Duration;

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Request, Response, handler};
use tokio::time::Instant;

use crate::actions::By;
use crate::actions::again::Again;
use crate::db::log_tail;
use crate::domain::{DeploymentId, Status};
use crate::web::api::{json, started, with_end};
use crate::web::auth;
use crate::web::deployment::{self, load, read_id};
use crate::web::error::Error;
use crate::web::recent::Shown;
use crate::web::request::{Query, prefers};
use crate::web::state::AppState;
use crate::wire::deployment::{DeploymentJson, FoundDeployment, Seen};

/// Longest time that a call is held.
const HOLD: Duration = Duration::from_secs(25);

/// `GET /deployments/{id}`: the status, for whoever knows the id.
#[handler]
pub(in crate::web) async fn show(
    request: &Request,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let id = read_id(&id)?;
    let seconds = Query::parse(request)?.number("wait", 1..=50)?;
    let is_poll = seconds.is_none() && auth::is_stranger(request);
    let changes = state.db().deployment_changes(&id);
    if let Some(shown) = state.recent().get(&id, changes).filter(|_| is_poll) {
        return Ok(shown.answer(request));
    }
    let mut found = load(&state, &id).await?;
    if let Some(seconds) = seconds {
        let status = found.deployment.status;
        found = hold(&state, &id, found, Duration::from_secs(seconds), |now| now != status).await?;
    }
    // The place in the queue changes without the row.
    let is_lasting = found.queue_position.is_none();
    let shown = Arc::new(shown(request, &state, found).await?);
    if is_poll && is_lasting {
        state.recent().put(id, changes, Arc::clone(&shown));
    }
    Ok(shown.answer(request))
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
        Status::Succeeded => end(request, &state, found, StatusCode::OK).await,
        Status::Failed => end(request, &state, found, StatusCode::FAILED_DEPENDENCY).await,
        _ => {
            Ok(Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).header("retry-after", 1).finish())
        }
    }
}

/// Reads again and again until `done`, the end of the deployment, of the time, or of the server.
async fn hold(
    state: &AppState,
    id: &DeploymentId,
    mut found: FoundDeployment,
    time: Duration,
    done: impl Fn(Status) -> bool,
) -> Result<FoundDeployment, Error> {
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
async fn may_see(request: &Request, state: &AppState, found: &FoundDeployment) -> bool {
    let caller = auth::find(state.context(), request).await.ok().flatten();
    caller.is_some_and(|caller| caller.may_see(&found.deployment))
}

/// How it ended: the object, or a line for a job's log. With a credential the words of who knows why follow, and the last
/// lines of the step that failed.
async fn end(
    request: &Request,
    state: &AppState,
    found: FoundDeployment,
    status: StatusCode,
) -> Result<Response, Error> {
    if !prefers(request.headers(), "text/plain") {
        return object(request, state, found, status).await;
    }
    let deployment = &found.deployment;
    let mut lines = vec![match deployment.reason {
        None => deployment.status.as_str().to_owned(),
        Some(reason) => {
            let message = deployment.message.as_deref().unwrap_or(reason.sentence());
            format!("{} {}: {message}", deployment.status.as_str(), reason.as_str())
        }
    }];
    if may_see(request, state, &found).await {
        lines.extend(deployment.detail.clone());
        lines.extend(last_lines(state, &found).await?);
    }
    lines.push(String::new());
    let response = Response::builder().status(status).content_type("text/plain; charset=utf-8");
    Ok(response.header("vary", "accept, authorization, cookie").body(lines.join("\n")))
}

/// The object, whatever the caller would accept: a gate that answers "not modified" would look like a success.
async fn object(
    request: &Request,
    state: &AppState,
    found: FoundDeployment,
    status: StatusCode,
) -> Result<Response, Error> {
    let may_see = may_see(request, state, &found).await;
    let seen = seen(state, &found, may_see).await?;
    Ok(json(status, &DeploymentJson::new(found, state.urls(), seen)))
}

async fn shown(request: &Request, state: &AppState, found: FoundDeployment) -> Result<Shown, Error> {
    let may_see = may_see(request, state, &found).await;
    let place = found.queue_position.unwrap_or(0);
    let etag = format!("W/\"{}-{place}{}\"", found.deployment.version, if may_see { "d" } else { "" });
    let status = found.deployment.status;
    let seen = seen(state, &found, may_see).await?;
    let json = serde_json::to_string(&DeploymentJson::new(found, state.urls(), seen)).unwrap_or_default();
    let body = with_end(json).into();
    Ok(Shown { etag, status, body })
}

async fn seen(state: &AppState, found: &FoundDeployment, may_see: bool) -> Result<Seen, Error> {
    Ok(if may_see { Seen::Whole(last_lines(state, found).await?) } else { Seen::Minimal })
}

async fn last_lines(state: &AppState, found: &FoundDeployment) -> Result<Vec<String>, Error> {
    let Some(step) = found.failed_step().map(|record| record.step) else { return Ok(Vec::new()) };
    let id = found.deployment.id.clone();
    Ok(state.db().logs().read(move |reader| log_tail::tail(reader, &id, step)).await?)
}

/// `POST /deployments/{id}/cancel`.
#[handler]
pub(in crate::web) async fn cancel(
    request: &Request,
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let id = deployment::cancel(by, &id, &state).await?;
    object(request, &state, load(&state, &id).await?, StatusCode::ACCEPTED).await
}

/// `POST /deployments/{id}/redeploy`: the same commit once more, else the branch's head.
#[handler]
pub(in crate::web) async fn redeploy(
    by: By,
    query: Query,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let clear_cache = query.flag("clear_cache")?;
    Ok(started(deployment::again(by, &id, &state, Again::Redeploy { clear_cache }).await?))
}

/// `POST /deployments/{id}/rollback`: serve what this deployment served; with `?freeze=true` the service is frozen too.
#[handler]
pub(in crate::web) async fn rollback(
    by: By,
    query: Query,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let freeze = query.flag("freeze")?;
    Ok(started(deployment::again(by, &id, &state, Again::Rollback { freeze }).await?))
}
