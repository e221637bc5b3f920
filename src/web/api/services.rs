//! Services: the user's applications.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use serde::Deserialize;

use crate::db::audit::Actor;
use crate::db::deployments::{Filter, NewDeployment};
use crate::db::{Reader, audit, deployments, services};
use crate::domain::{DeploymentId, Invalid, Scope, Service, Status, Trigger};

use super::super::auth::{self, Caller, actor};
use super::super::error::Error;
use super::super::request::{Query, json, read_branch, read_commit};
use super::super::state::AppState;
use super::deployment_body::{DeploymentBody, complete};
use super::deployments::{Started, start};
use super::service_body::{ServiceBody, Shown};
use super::service_changes::{differences, needs_whole_server};
use super::{List, accepted, limit, no_content};

/// Longest reason of a freeze or pause, in characters.
pub(super) const REASON_MAX: usize = 500;

/// The service of that name.
///
/// # Errors
/// 404 where there is none.
pub(in crate::web) fn load(reader: &Reader<'_>, name: &str) -> Result<Service, Error> {
    services::find_by_name(reader, name)?.ok_or_else(|| Error::NotFound(format!("service {name}")))
}

/// `GET /api/v1/services`.
#[handler]
pub(in crate::web) async fn index(request: &Request, state: Data<&AppState>) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let query = Query::parse(request)?;
    let (after, limit) = (query.get("after").map(str::to_owned), limit(&query)?);
    let only = caller.only_service().cloned();
    caller.require(Scope::Read, only.as_ref())?;
    let read = move |reader: &Reader<'_>| match &only {
        Some(id) => {
            let is_due =
                |service: &Service| after.as_deref().is_none_or(|after| service.name.as_str() > after);
            services::find(reader, id).map(|found| found.into_iter().filter(is_due).collect())
        }
        None => services::list(reader, after.as_deref(), limit + 1),
    };
    let found = state.db().read(read).await?;
    let found = found.iter().map(Shown::new).collect();
    Ok(super::json(StatusCode::OK, &List::page(found, limit, Shown::name)))
}

/// `POST /api/v1/services`.
#[handler]
pub(in crate::web) async fn create(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let service = create_as(&state, json(body).await?, &caller, actor(&caller, request)).await?;
    Ok(super::json(StatusCode::CREATED, &Shown::new(&service)))
}

/// Stores a new service for a caller, with its audit row.
///
/// # Errors
/// 403, 400 that names the field, or 409 where the name is taken.
pub(in crate::web) async fn create_as(
    state: &AppState,
    body: ServiceBody,
    caller: &Caller,
    actor: Actor,
) -> Result<Service, Error> {
    caller.require(Scope::Admin, None)?;
    let now = state.clock().now();
    let service = body.create(state.settings().available, now)?;
    let stored = service.clone();
    let write = move |tx: &crate::db::Tx<'_>| {
        if !services::insert(tx, &stored)? {
            return Err(Error::taken(&format!("service {}", stored.name)));
        }
        let detail = format!("{}, branch {}", stored.repository, stored.default_branch);
        Ok(audit::record(tx, &actor, "service.create", &format!("service {}", stored.name), &detail, now)?)
    };
    state.db().try_write(write).await?;
    Ok(service)
}

/// `GET /api/v1/services/{name}`.
#[handler]
pub(in crate::web) async fn show(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let service = state.db().read(move |reader| load(reader, &name)).await?;
    caller.require(Scope::Read, Some(&service.id))?;
    Ok(super::json(StatusCode::OK, &Shown::new(&service)))
}

/// `PATCH /api/v1/services/{name}`.
#[handler]
pub(in crate::web) async fn update(
    request: &Request,
    Path(name): Path<String>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let service = update_as(&state, name, json(body).await?, caller.clone(), actor(&caller, request)).await?;
    Ok(super::json(StatusCode::OK, &Shown::new(&service)))
}

/// Changes a service for a caller, with its audit row.
///
/// # Errors
/// 403, 404, or 400 that names the field.
pub(in crate::web) async fn update_as(
    state: &AppState,
    name: String,
    changes: ServiceBody,
    caller: Caller,
    actor: Actor,
) -> Result<Service, Error> {
    let (available, now) = (state.settings().available, state.clock().now());
    let write = move |tx: &crate::db::Tx<'_>| {
        let before = load(tx, &name)?;
        caller.require(Scope::Admin, Some(&before.id))?;
        let after = changes.apply(before.clone(), available)?;
        if let Some(why) = needs_whole_server(&before, &after).filter(|_| !caller.may(Scope::Admin, None)) {
            let detail = format!("{} is for one service; {why} an admin of the whole server", caller.name());
            return Err(Error::Forbidden { code: "scope", detail });
        }
        services::update(tx, &after)?;
        let detail = differences(&before, &after);
        if !detail.is_empty() {
            audit::record(tx, &actor, "service.update", &format!("service {name}"), &detail, now)?;
        }
        Ok::<_, Error>(after)
    };
    state.db().try_write(write).await
}

/// `DELETE /api/v1/services/{name}`: its queued deployments end, the running one is cancelled, its hooks are revoked.
#[handler]
pub(in crate::web) async fn delete(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    delete_as(&state, name, caller.clone(), actor(&caller, request)).await?;
    Ok(no_content())
}

/// Deletes a service for a caller, with its audit row.
///
/// # Errors
/// 403 or 404.
pub(in crate::web) async fn delete_as(
    state: &AppState,
    name: String,
    caller: Caller,
    actor: Actor,
) -> Result<(), Error> {
    let now = state.clock().now();
    let write = move |tx: &crate::db::Tx<'_>| {
        let service = load(tx, &name)?;
        caller.require(Scope::Admin, Some(&service.id))?;
        services::delete(tx, &service.id, now)?;
        Ok::<_, Error>(audit::record(tx, &actor, "service.delete", &format!("service {name}"), "", now)?)
    };
    state.write_credentials(write).await
}

/// Why a service is frozen or a hook paused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReasonBody {
    reason: Option<String>,
}

/// `PUT /api/v1/services/{name}/freeze`.
#[handler]
pub(in crate::web) async fn freeze(
    request: &Request,
    Path(name): Path<String>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let reason = json::<ReasonBody>(body).await?.reason.unwrap_or_default();
    let service = set_frozen_as(&state, name, Some(reason), caller.clone(), actor(&caller, request)).await?;
    Ok(super::json(StatusCode::OK, &Shown::new(&service)))
}

/// `DELETE /api/v1/services/{name}/freeze`.
#[handler]
pub(in crate::web) async fn unfreeze(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let service = set_frozen_as(&state, name, None, caller.clone(), actor(&caller, request)).await?;
    Ok(super::json(StatusCode::OK, &Shown::new(&service)))
}

/// Freezes a service for a reason, or lifts the freeze, for a caller, with its audit row.
///
/// # Errors
/// 403, 404, or 400 for a reason that will not do.
pub(in crate::web) async fn set_frozen_as(
    state: &AppState,
    name: String,
    reason: Option<String>,
    caller: Caller,
    actor: Actor,
) -> Result<Service, Error> {
    if reason.as_ref().is_some_and(|text| text.trim().is_empty() || text.chars().count() > REASON_MAX) {
        return Err(Invalid::new("reason", "is needed, in at most 500 characters: callers read it").into());
    }
    let now = state.clock().now();
    let write = move |tx: &crate::db::Tx<'_>| {
        let mut service = load(tx, &name)?;
        caller.require(Scope::Admin, Some(&service.id))?;
        services::set_frozen(tx, &service.id, reason.as_deref())?;
        let verb = if reason.is_some() { "service.freeze" } else { "service.unfreeze" };
        let detail = reason.as_deref().unwrap_or_default();
        audit::record(tx, &actor, verb, &format!("service {name}"), detail, now)?;
        service.frozen = reason;
        Ok::<_, Error>(service)
    };
    state.db().try_write(write).await
}

/// `GET /api/v1/services/{name}/deployments`, newest first.
#[handler]
pub(in crate::web) async fn deployments_of(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let query = Query::parse(request)?;
    let (filter, limit) = (filter(&query)?, limit(&query)?);
    let read = move |reader: &Reader<'_>| {
        let service = load(reader, &name)?;
        caller.require(Scope::Read, Some(&service.id))?;
        let filter = Filter { limit: limit + 1, ..filter };
        let listed = deployments::list_for_service(reader, &service.id, &filter)?;
        let found = listed.into_iter().map(|deployment| complete(reader, deployment));
        Ok::<_, Error>(found.collect::<Result<Vec<_>, _>>()?)
    };
    let found = state.db().read(read).await?;
    let cursor = |body: &DeploymentBody| body.id().to_string();
    let bodies =
        found.into_iter().map(|found| DeploymentBody::new(found, state.urls(), Some(Vec::new()))).collect();
    Ok(super::json(StatusCode::OK, &List::page(bodies, limit, cursor)))
}

fn filter(query: &Query) -> Result<Filter, Invalid> {
    let status = query.get("status").map(|word| {
        Status::parse(word)
            .ok_or_else(|| Invalid::new("status", "must be queued, building, deploying, succeeded or failed"))
    });
    let before = query.get("after").map(|text| {
        DeploymentId::parse(text).ok_or_else(|| Invalid::new("after", "must be the id of a deployment"))
    });
    Ok(Filter {
        statuses: status.transpose()?.into_iter().collect(),
        text: None,
        branch: read_branch(query.get("branch"))?,
        before: before.transpose()?,
        limit: 0,
    })
}

/// What to deploy now.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[derive(Default)]
pub(in crate::web) struct DeployBody {
    pub(in crate::web) branch: Option<String>,
    pub(in crate::web) commit: Option<String>,
    pub(in crate::web) clear_cache: bool,
}

/// `POST /api/v1/services/{name}/deployments`: deploy now.
#[handler]
pub(in crate::web) async fn deploy(
    request: &Request,
    Path(name): Path<String>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let started = deploy_as(&state, name, json(body).await?, caller.clone(), actor(&caller, request)).await?;
    Ok(accepted(&started.id, started.body))
}

/// Queues a deployment of a service for a caller, with its audit row.
///
/// # Errors
/// 403, 404, 400 that names the field, and what [`start`] refuses.
pub(in crate::web) async fn deploy_as(
    state: &AppState,
    name: String,
    wanted: DeployBody,
    caller: Caller,
    actor: Actor,
) -> Result<Started, Error> {
    let (branch, commit) = (read_branch(wanted.branch.as_deref())?, read_commit(wanted.commit.as_deref())?);
    let (own_state, now) = (state.clone(), state.clock().now());
    let write = move |tx: &crate::db::Tx<'_>| {
        let service = load(tx, &name)?;
        caller.require(Scope::Deploy, Some(&service.id))?;
        let new = NewDeployment {
            service_id: service.id.clone(),
            executor: service.executor,
            trigger: Trigger::Deploy,
            hook_generation: None,
            caller: actor.name.clone(),
            branch: branch.unwrap_or_else(|| service.default_branch.clone()),
            commit,
            clear_cache: wanted.clear_cache,
            image: None,
            ignored_parameters: Vec::new(),
        };
        start(tx, &own_state, &service, &new, &actor, "service.deploy", now)
    };
    state.db().try_write(write).await
}
