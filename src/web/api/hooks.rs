//! Hooks: the secret URLs of a service. A URL is in the answer that makes it and nowhere else.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use serde::{Deserialize, Serialize};

use crate::db::{Reader, Tx, hook_calls, hooks};
use crate::domain::{Hook, HookId, Invalid, Scope, Service, Timestamp};

use super::super::auth;
use super::super::error::Error;
use super::super::request::{Query, json};
use super::super::state::AppState;
use super::hook_actions::{self, By, Made, load, read_overlap, recent_usage};
use super::hook_body::{HookBody, Shown};
use super::services;
use super::{List, limit, no_content};

/// Calls that are listed.
pub(in crate::web) const LAST_CALLS: u32 = 50;

fn shown(
    reader: &Reader<'_>,
    state: &AppState,
    service: &Service,
    hook: &Hook,
    now: Timestamp,
) -> Result<Shown, Error> {
    Ok(Shown::new(state, service, hook, recent_usage(reader, hook, now)?, now))
}

fn shown_once(tx: &Tx<'_>, state: &AppState, made: Made, now: Timestamp) -> Result<Shown, Error> {
    Ok(shown(tx, state, &made.service, &made.hook, now)?.with_url(made.url))
}

/// `GET /api/v1/services/{name}/hooks`, the revoked ones too.
#[handler]
pub(in crate::web) async fn index(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let query = Query::parse(request)?;
    let after = query
        .get("after")
        .map(|text| HookId::parse(text).ok_or_else(|| Invalid::new("after", "must be the id of a hook")));
    let (after, limit) = (after.transpose()?, limit(&query)?);
    let (own, now) = ((*state).clone(), state.clock().now());
    let read = move |reader: &Reader<'_>| {
        let service = services::load(reader, &name)?;
        caller.require(Scope::Read, Some(&service.id))?;
        let found = hooks::list_for_service(reader, &service.id, after.as_ref(), limit + 1)?;
        found.iter().map(|hook| shown(reader, &own, &service, hook, now)).collect::<Result<Vec<_>, Error>>()
    };
    let items = state.db().read(read).await?;
    Ok(super::json(StatusCode::OK, &List::page(items, limit, |hook| hook.id.clone())))
}

/// `POST /api/v1/services/{name}/hooks`: 201 with the URL, once.
#[handler]
pub(in crate::web) async fn create(
    request: &Request,
    Path(name): Path<String>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    auth::fresh(&state, &auth::caller(request)?, "/services")?;
    let body: HookBody = json(body).await?;
    let (own, by) = ((*state).clone(), By::of(request, &state)?);
    let write = move |tx: &Tx<'_>| {
        let made = hook_actions::create(tx, &own, &by, &name, body)?;
        shown_once(tx, &own, made, by.now)
    };
    Ok(super::json(StatusCode::CREATED, &state.db().try_write(write).await?))
}

/// `GET /api/v1/services/{name}/hooks/{hook}`; by name or id.
#[handler]
pub(in crate::web) async fn show(
    request: &Request,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let (own, now) = ((*state).clone(), state.clock().now());
    let read = move |reader: &Reader<'_>| {
        let (service, hook) = load(reader, &caller, Scope::Read, &name, &hook)?;
        shown(reader, &own, &service, &hook, now)
    };
    Ok(super::json(StatusCode::OK, &state.db().read(read).await?))
}

/// `PATCH /api/v1/services/{name}/hooks/{hook}`: name and rules.
#[handler]
pub(in crate::web) async fn update(
    request: &Request,
    Path((name, hook)): Path<(String, String)>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let body: HookBody = json(body).await?;
    let (own, by) = ((*state).clone(), By::of(request, &state)?);
    let write = move |tx: &Tx<'_>| {
        let (service, after) = hook_actions::update(tx, &by, &name, &hook, body)?;
        shown(tx, &own, &service, &after, by.now)
    };
    Ok(super::json(StatusCode::OK, &state.write_credentials(write).await?))
}

/// `DELETE /api/v1/services/{name}/hooks/{hook}`: revokes it.
#[handler]
pub(in crate::web) async fn revoke(
    request: &Request,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let by = By::of(request, &state)?;
    state.write_credentials(move |tx| hook_actions::revoke(tx, &by, &name, &hook)).await?;
    Ok(no_content())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateBody {
    overlap: Option<String>,
}

/// `POST /api/v1/services/{name}/hooks/{hook}/rotate`: 200 with the new URL, once.
#[handler]
pub(in crate::web) async fn rotate(
    request: &Request,
    Path((name, hook)): Path<(String, String)>,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    auth::fresh(&state, &auth::caller(request)?, "/services")?;
    let overlap = read_overlap(json::<RotateBody>(body).await?.overlap.as_deref())?;
    let (own, by) = ((*state).clone(), By::of(request, &state)?);
    let write = move |tx: &Tx<'_>| {
        let made = hook_actions::rotate(tx, &own, &by, (&name, &hook), overlap)?;
        shown_once(tx, &own, made, by.now)
    };
    Ok(super::json(StatusCode::OK, &state.db().try_write(write).await?))
}

#[derive(Serialize)]
struct CallBody {
    at: Timestamp,
    result: String,
    detail: String,
    caller: String,
    count: i64,
}

/// `GET /api/v1/services/{name}/hooks/{hook}/calls`: the last 50.
#[handler]
pub(in crate::web) async fn calls(
    request: &Request,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let read = move |reader: &Reader<'_>| {
        let (_, hook) = load(reader, &caller, Scope::Read, &name, &hook)?;
        Ok::<_, Error>(hook_calls::last(reader, &hook.id, LAST_CALLS)?)
    };
    let items = state.db().read(read).await?.into_iter().map(|call| CallBody {
        at: call.at,
        result: call.result,
        detail: call.detail,
        caller: call.caller,
        count: call.count,
    });
    Ok(super::json(StatusCode::OK, &List { items: items.collect(), next: None }))
}
