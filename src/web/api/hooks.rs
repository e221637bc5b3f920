//! Hooks: the secret URLs of a service. A URL is in the answer that makes it and nowhere else.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use serde::{Deserialize, Serialize};

use crate::db::hooks::usage;
use crate::db::{Reader, Tx, audit, hook_calls, hooks};
use crate::domain::{Hook, HookId, HookToken, Invalid, Scope, Service, Span, Timestamp};

use super::super::auth::{self, Caller, actor};
use super::super::error::Error;
use super::super::request::{Query, json};
use super::super::state::AppState;
use super::hook_body::{HookBody, Shown, differences, new_hook};
use super::services;
use super::{List, limit, no_content};

/// How long the secret before a rotation stays good where nothing is said.
const DEFAULT_OVERLAP: Span = Span::from_hours(24);
/// The overlaps that may be asked for.
const OVERLAPS: [Span; 4] =
    [Span::from_secs(0), Span::from_hours(1), Span::from_hours(24), Span::from_days(7)];
/// Calls are counted over this time.
const USAGE_PERIOD: Span = Span::from_days(30);
/// Calls that are listed.
const LAST_CALLS: u32 = 50;

fn shown(
    reader: &Reader<'_>,
    state: &AppState,
    service: &Service,
    hook: &Hook,
    now: Timestamp,
) -> Result<Shown, Error> {
    let usage = usage(reader, hook, now.minus(USAGE_PERIOD.duration()))?;
    Ok(Shown::new(state, service, hook, usage, now))
}

/// The service and the hook that a path names, if the caller may reach them.
fn load(
    reader: &Reader<'_>,
    caller: &Caller,
    scope: Scope,
    service: &str,
    hook: &str,
) -> Result<(Service, Hook), Error> {
    let service = services::load(reader, service)?;
    caller.require(scope, Some(&service.id))?;
    let found = hooks::find_in_service(reader, &service.id, hook)?;
    let hook = found.ok_or_else(|| Error::NotFound(format!("hook {hook} of service {}", service.name)))?;
    Ok((service, hook))
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
    let caller = auth::caller(request)?;
    auth::fresh(&state, &caller, "/services")?;
    let body: HookBody = json(body).await?;
    let (own, now, actor) = ((*state).clone(), state.clock().now(), actor(&caller, request));
    let write = move |tx: &Tx<'_>| {
        let service = services::load(tx, &name)?;
        caller.require(Scope::Admin, Some(&service.id))?;
        let hook = new_hook(body, &service, &actor.name, now)?;
        let token = HookToken::mint(own.key(), &service.id, &hook.id);
        if !hooks::insert(tx, &hook, &token.hash())? {
            return Err(name_taken(&service, &hook));
        }
        audit::record(tx, &actor, "hook.create", &format!("hook {name}/{}", hook.name), "", now)?;
        let url = own.urls().hook(&token);
        Ok(shown(tx, &own, &service, &hook, now)?.with_url(url))
    };
    Ok(super::json(StatusCode::CREATED, &state.db().try_write(write).await?))
}

fn name_taken(service: &Service, hook: &Hook) -> Error {
    Error::taken(&format!("hook {} of service {}", hook.name, service.name))
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
    let caller = auth::caller(request)?;
    let body: HookBody = json(body).await?;
    let (own, now, actor) = ((*state).clone(), state.clock().now(), actor(&caller, request));
    let write = move |tx: &Tx<'_>| {
        let (service, before) = load(tx, &caller, Scope::Admin, &name, &hook)?;
        refuse_revoked(&before)?;
        let after = body.apply(before.clone(), now)?;
        if !hooks::update(tx, &after)? {
            return Err(name_taken(&service, &after));
        }
        let detail = differences(&before, &after);
        if !detail.is_empty() {
            audit::record(tx, &actor, "hook.update", &format!("hook {name}/{}", before.name), &detail, now)?;
        }
        shown(tx, &own, &service, &after, now)
    };
    Ok(super::json(StatusCode::OK, &state.db().try_write(write).await?))
}

fn refuse_revoked(hook: &Hook) -> Result<(), Error> {
    if hook.revoked_at.is_none() {
        return Ok(());
    }
    Err(Error::Conflict { code: "revoked", detail: format!("hook {} is revoked; make a new one", hook.name) })
}

/// `DELETE /api/v1/services/{name}/hooks/{hook}`: revokes it.
#[handler]
pub(in crate::web) async fn revoke(
    request: &Request,
    Path((name, hook)): Path<(String, String)>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let (now, actor) = (state.clock().now(), actor(&caller, request));
    let write = move |tx: &Tx<'_>| {
        let (_, hook) = load(tx, &caller, Scope::Admin, &name, &hook)?;
        refuse_revoked(&hook)?;
        hooks::revoke(tx, &hook.id, now)?;
        Ok::<_, Error>(audit::record(
            tx,
            &actor,
            "hook.revoke",
            &format!("hook {name}/{}", hook.name),
            "",
            now,
        )?)
    };
    state.db().try_write(write).await?;
    state.streams().check_now();
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
    let caller = auth::caller(request)?;
    auth::fresh(&state, &caller, "/services")?;
    let overlap = read_overlap(json::<RotateBody>(body).await?.overlap.as_deref())?;
    let (own, now, actor) = ((*state).clone(), state.clock().now(), actor(&caller, request));
    let write = move |tx: &Tx<'_>| {
        let (service, before) = load(tx, &caller, Scope::Admin, &name, &hook)?;
        refuse_revoked(&before)?;
        let token = HookToken::mint(own.key(), &service.id, &before.id);
        hooks::rotate(tx, &before.id, &token.hash(), now.plus(overlap.duration()), now)?;
        let detail = format!("the old URL is good for {overlap}");
        audit::record(tx, &actor, "hook.rotate", &format!("hook {name}/{}", before.name), &detail, now)?;
        let (_, after) = load(tx, &caller, Scope::Admin, &name, before.id.as_str())?;
        let url = own.urls().hook(&token);
        Ok::<_, Error>(shown(tx, &own, &service, &after, now)?.with_url(url))
    };
    Ok(super::json(StatusCode::OK, &state.db().try_write(write).await?))
}

fn read_overlap(text: Option<&str>) -> Result<Span, Invalid> {
    let Some(text) = text else { return Ok(DEFAULT_OVERLAP) };
    let span = text.parse::<Span>().ok().filter(|span| OVERLAPS.contains(span));
    span.ok_or_else(|| Invalid::new("overlap", "must be 0, 1h, 24h or 7d"))
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
