//! Services: the user's applications.

use std::collections::{BTreeMap, BTreeSet};

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use serde::Deserialize;

use crate::db::deployments::{Filter, NewDeployment};
use crate::db::{Reader, audit, deployments, services};
use crate::domain::{
    DeploymentId, EnvName, ExecutorKind, Invalid, LocalSettings, Scope, Service, Status, TektonSettings,
    Trigger,
};

use super::super::auth::{self, actor};
use super::super::error::Error;
use super::super::request::{Query, json, read_branch, read_commit};
use super::super::state::AppState;
use super::deployment_body::{DeploymentBody, complete};
use super::deployments::start;
use super::service_body::{ServiceBody, Shown};
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
    caller.require(Scope::Admin, None)?;
    let now = state.clock().now();
    let service = json::<ServiceBody>(body).await?.create(state.settings().available, now)?;
    let (actor, stored) = (actor(&caller, request), service.clone());
    let write = move |tx: &crate::db::Tx<'_>| {
        if !services::insert(tx, &stored)? {
            return Err(Error::taken(&format!("service {}", stored.name)));
        }
        let detail = format!("{}, branch {}", stored.repository, stored.default_branch);
        Ok(audit::record(tx, &actor, "service.create", &format!("service {}", stored.name), &detail, now)?)
    };
    state.db().try_write(write).await?;
    Ok(super::json(StatusCode::CREATED, &Shown::new(&service)))
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
    let changes: ServiceBody = json(body).await?;
    let (available, now, actor) = (state.settings().available, state.clock().now(), actor(&caller, request));
    let write = move |tx: &crate::db::Tx<'_>| {
        let before = load(tx, &name)?;
        caller.require(Scope::Admin, Some(&before.id))?;
        let after = changes.apply(before.clone(), available)?;
        if runs_other_code_here(&before, &after) || reaches_further(&before, &after) {
            caller.require(Scope::Admin, None)?;
        }
        services::update(tx, &after)?;
        let detail = differences(&before, &after);
        if !detail.is_empty() {
            audit::record(tx, &actor, "service.update", &format!("service {name}"), &detail, now)?;
        }
        Ok::<_, Error>(after)
    };
    let service = state.db().try_write(write).await?;
    Ok(super::json(StatusCode::OK, &Shown::new(&service)))
}

/// Whether the change decides what runs on this host, as the user of this server: whoever may, may do anything here.
fn runs_other_code_here(before: &Service, after: &Service) -> bool {
    let settings =
        |service: &Service| (service.executor, service.repository.to_string(), service.local.clone());
    after.executor == ExecutorKind::Local && settings(before) != settings(after)
}

/// Whether the change decides which workload is replaced, which Secrets are used, or where images go. Those belong to
/// other services as well.
fn reaches_further(before: &Service, after: &Service) -> bool {
    let reach = |service: &Service| {
        let settings = service.tekton.clone()?;
        let secrets = (settings.git_secret, settings.registry_secret);
        Some((settings.workload, secrets, settings.image, settings.cache_repository))
    };
    reach(before) != reach(after)
}

/// What changed, `field: old → new`; of variables the names alone.
fn differences(before: &Service, after: &Service) -> String {
    let none = || "none".to_owned();
    let variables =
        |service: &Service| service.local.env.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    let pairs = [
        ("repository", before.repository.to_string(), after.repository.to_string()),
        ("defaultBranch", before.default_branch.to_string(), after.default_branch.to_string()),
        ("executor", before.executor.as_str().to_owned(), after.executor.as_str().to_owned()),
        ("queuePolicy", before.queue_policy.as_str().to_owned(), after.queue_policy.as_str().to_owned()),
        ("timeout", before.timeout.to_string(), after.timeout.to_string()),
        ("url", before.url.clone().unwrap_or_else(none), after.url.clone().unwrap_or_else(none)),
        ("buildCommand", before.local.build_command.clone(), after.local.build_command.clone()),
        ("deployCommand", before.local.deploy_command.clone(), after.local.deploy_command.clone()),
        ("env", variables(before).join(" "), variables(after).join(" ")),
    ];
    let mut changed: Vec<String> = pairs
        .into_iter()
        .filter(|(_, old, new)| old != new)
        .map(|(field, old, new)| format!("{field}: {old} → {new}"))
        .collect();
    let (old, new) = (&before.local, &after.local);
    let is_kept = |(name, value): (&EnvName, &String)| new.env.get(name).is_none_or(|other| other == value);
    changed.extend((!old.env.iter().all(is_kept)).then(|| "variables set anew".to_owned()));
    let credentials = |local: &LocalSettings| (local.git_token_file.clone(), local.git_ssh_key_file.clone());
    changed.extend((credentials(old) != credentials(new)).then(|| "git credentials".to_owned()));
    changed.extend(tekton_differences(before.tekton.as_ref(), after.tekton.as_ref()));
    changed.join("; ")
}

fn tekton_differences(before: Option<&TektonSettings>, after: Option<&TektonSettings>) -> Vec<String> {
    let fields = |settings: Option<&TektonSettings>| {
        let Some(settings) = settings else { return BTreeMap::new() };
        let optional = |name: &Option<String>| name.clone().unwrap_or_else(|| "none".to_owned());
        BTreeMap::from([
            ("image", settings.image.to_string()),
            ("cacheRepository", settings.cache_repository.as_str().to_owned()),
            ("dockerfile", settings.dockerfile.clone()),
            ("context", settings.context.clone()),
            ("buildArgs", settings.build_args.keys().cloned().collect::<Vec<_>>().join(" ")),
            ("gitSecret", optional(&settings.git_secret)),
            ("registrySecret", optional(&settings.registry_secret)),
            ("workload", settings.workload.to_string()),
            ("rollback", settings.rollback.to_string()),
        ])
    };
    let (before, after) = (fields(before), fields(after));
    let text = |of: &BTreeMap<&str, String>, name| of.get(name).cloned().unwrap_or_default();
    let names: BTreeSet<_> = before.keys().chain(after.keys()).copied().collect();
    let changed = names.into_iter().filter(|name| before.get(name) != after.get(name));
    changed.map(|name| format!("{name}: {} → {}", text(&before, name), text(&after, name))).collect()
}

/// `DELETE /api/v1/services/{name}`: its queued deployments end, the running one is cancelled, its hooks are revoked.
#[handler]
pub(in crate::web) async fn delete(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let (actor, now) = (actor(&caller, request), state.clock().now());
    let write = move |tx: &crate::db::Tx<'_>| {
        let service = load(tx, &name)?;
        caller.require(Scope::Admin, Some(&service.id))?;
        services::delete(tx, &service.id, now)?;
        Ok::<_, Error>(audit::record(tx, &actor, "service.delete", &format!("service {name}"), "", now)?)
    };
    state.db().try_write(write).await?;
    Ok(no_content())
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
    let reason = json::<ReasonBody>(body).await?.reason.unwrap_or_default();
    if reason.trim().is_empty() || reason.chars().count() > REASON_MAX {
        return Err(Invalid::new("reason", "is needed, in at most 500 characters: callers read it").into());
    }
    set_frozen(request, &state, name, Some(reason)).await
}

/// `DELETE /api/v1/services/{name}/freeze`.
#[handler]
pub(in crate::web) async fn unfreeze(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    set_frozen(request, &state, name, None).await
}

async fn set_frozen(
    request: &Request,
    state: &AppState,
    name: String,
    reason: Option<String>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let (actor, now) = (actor(&caller, request), state.clock().now());
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
    let service = state.db().try_write(write).await?;
    Ok(super::json(StatusCode::OK, &Shown::new(&service)))
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
        status: status.transpose()?,
        branch: read_branch(query.get("branch"))?,
        before: before.transpose()?,
        limit: 0,
    })
}

/// What to deploy now.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[derive(Default)]
struct DeployBody {
    branch: Option<String>,
    commit: Option<String>,
    clear_cache: bool,
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
    let wanted: DeployBody = json(body).await?;
    let (branch, commit) = (read_branch(wanted.branch.as_deref())?, read_commit(wanted.commit.as_deref())?);
    let (actor, own_state, now) = (actor(&caller, request), (*state).clone(), state.clock().now());
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
    let started = state.db().try_write(write).await?;
    Ok(accepted(&started.id, started.body))
}
