//! Hooks: the secret URLs of a service. A URL is in the answer that makes it and nowhere else.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use serde::{Deserialize, Serialize};

use crate::db::hooks::{Usage, usage};
use crate::db::{Reader, Tx, audit, hook_calls, hooks};
use crate::domain::{
    AddressRange, BranchPattern, Hook, HookId, HookName, HookRules, HookToken, Invalid, Scope, Service, Span,
    Timestamp,
};

use super::super::auth::{self, Caller, actor};
use super::super::error::Error;
use super::super::request::{Change, Query, json};
use super::super::state::AppState;
use super::services::{self, REASON_MAX};
use super::{List, limit};

/// How long the secret before a rotation stays good where nothing is said.
const DEFAULT_OVERLAP: Span = Span::from_hours(24);
/// The overlaps that may be asked for.
const OVERLAPS: [Span; 4] =
    [Span::from_secs(0), Span::from_hours(1), Span::from_hours(24), Span::from_days(7)];
/// Calls are counted over this time.
const USAGE_PERIOD: Span = Span::from_days(30);
/// Calls that are listed.
const LAST_CALLS: u32 = 50;

/// The writable part of a hook; missing fields stay as they are.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct HookBody {
    name: Option<String>,
    branches: Option<Vec<String>>,
    addresses: Option<Vec<String>>,
    expires_at: Change<String>,
    /// A length of time from now, instead of `expiresAt`.
    expires_in: Option<String>,
    paused: Change<String>,
    id: Option<serde_json::Value>,
    service: Option<serde_json::Value>,
    state: Option<serde_json::Value>,
    masked_url: Option<serde_json::Value>,
    created_at: Option<serde_json::Value>,
    created_by: Option<serde_json::Value>,
    rotating_until: Option<serde_json::Value>,
    last_used: Option<serde_json::Value>,
    calls_last_30_days: Option<serde_json::Value>,
    calls_with_old_url: Option<serde_json::Value>,
}

impl HookBody {
    fn apply(self, mut hook: Hook, now: Timestamp) -> Result<Hook, Invalid> {
        if let Some(name) = self.name {
            hook.name = HookName::parse(&name)?;
        }
        if let Some(patterns) = self.branches {
            hook.rules.branches =
                patterns.iter().map(|text| BranchPattern::parse(text)).collect::<Result<_, _>>()?;
        }
        if let Some(ranges) = self.addresses {
            hook.rules.addresses =
                ranges.iter().map(|text| text.parse::<AddressRange>()).collect::<Result<_, _>>()?;
        }
        let expires_at = self.expires_at.try_map(|text| Timestamp::parse(&text))?;
        hook.rules.expires_at = expires_at.apply(hook.rules.expires_at);
        if let Some(text) = self.expires_in {
            let span: Span =
                text.parse().map_err(|error: Invalid| Invalid::new("expiresIn", error.detail))?;
            hook.rules.expires_at = Some(now.plus(span.duration()));
        }
        hook.rules.paused = self.paused.try_map(check_reason)?.apply(hook.rules.paused);
        hook.rules.check()?;
        Ok(hook)
    }
}

fn check_reason(reason: String) -> Result<String, Invalid> {
    if reason.trim().is_empty() || reason.chars().count() > REASON_MAX {
        return Err(Invalid::new("paused", "must be a reason of at most 500 characters, or null"));
    }
    Ok(reason)
}

/// A hook as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    service: String,
    name: String,
    /// Only in the answer that makes the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    masked_url: String,
    state: &'static str,
    branches: Vec<String>,
    addresses: Vec<String>,
    expires_at: Option<Timestamp>,
    paused: Option<String>,
    created_at: Timestamp,
    created_by: String,
    rotating_until: Option<Timestamp>,
    last_used: Option<LastUse>,
    #[serde(rename = "callsLast30Days")]
    calls: i64,
    calls_with_old_url: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LastUse {
    at: Timestamp,
    caller: String,
    deployment_id: String,
}

impl Shown {
    fn new(state: &AppState, service: &Service, hook: &Hook, usage: Usage, now: Timestamp) -> Self {
        let rotating_until = hook.previous_until.filter(|until| *until > now && hook.revoked_at.is_none());
        let masked =
            format!("{}/deploy-hooks/sbhook_{}_…{}", state.urls().public(), service.id, hook.id.short());
        let last_used = usage.last.map(|(at, caller, deployment_id)| LastUse { at, caller, deployment_id });
        Self {
            id: hook.id.to_string(),
            service: service.name.to_string(),
            name: hook.name.to_string(),
            url: None,
            masked_url: masked,
            state: word(hook, rotating_until.is_some(), now),
            branches: hook.rules.branches.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
            addresses: hook.rules.addresses.iter().map(ToString::to_string).collect(),
            expires_at: hook.rules.expires_at,
            paused: hook.rules.paused.clone(),
            created_at: hook.created_at,
            created_by: hook.created_by.clone(),
            rotating_until,
            last_used,
            calls: usage.calls,
            calls_with_old_url: if rotating_until.is_some() { usage.calls_with_previous } else { 0 },
        }
    }
}

fn word(hook: &Hook, is_rotating: bool, now: Timestamp) -> &'static str {
    match hook {
        hook if hook.revoked_at.is_some() => "revoked",
        hook if hook.rules.is_expired(now) => "expired",
        hook if hook.rules.paused.is_some() => "paused",
        _ if is_rotating => "rotating",
        _ => "active",
    }
}

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
        let url = Some(own.urls().hook(&token));
        Ok(Shown { url, ..shown(tx, &own, &service, &hook, now)? })
    };
    Ok(super::json(StatusCode::CREATED, &state.db().try_write(write).await?))
}

fn new_hook(body: HookBody, service: &Service, created_by: &str, now: Timestamp) -> Result<Hook, Invalid> {
    let name = body.name.clone().ok_or_else(|| Invalid::new("name", "is missing"))?;
    let hook = Hook {
        id: HookId::generate(),
        service_id: service.id.clone(),
        name: HookName::parse(&name)?,
        rules: HookRules::default(),
        generation: 1,
        previous_until: None,
        rotated_at: None,
        created_at: now,
        created_by: created_by.to_owned(),
        revoked_at: None,
    };
    body.apply(hook, now)
}

fn name_taken(service: &Service, hook: &Hook) -> Error {
    let detail = format!("service {} has a hook {} already", service.name, hook.name);
    Error::Conflict { code: "name_taken", detail }
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
        audit::record(tx, &actor, "hook.update", &format!("hook {name}/{}", before.name), &detail, now)?;
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

fn differences(before: &Hook, after: &Hook) -> String {
    let patterns =
        |hook: &Hook| hook.rules.branches.iter().map(BranchPattern::as_str).collect::<Vec<_>>().join(" ");
    let ranges =
        |hook: &Hook| hook.rules.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let expiry = |hook: &Hook| hook.rules.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let paused = |hook: &Hook| hook.rules.paused.clone().unwrap_or_else(|| "no".to_owned());
    let pairs = [
        ("name", before.name.to_string(), after.name.to_string()),
        ("branches", patterns(before), patterns(after)),
        ("addresses", ranges(before), ranges(after)),
        ("expiresAt", expiry(before), expiry(after)),
        ("paused", paused(before), paused(after)),
    ];
    let changed = pairs.into_iter().filter(|(_, old, new)| old != new);
    changed.map(|(field, old, new)| format!("{field}: {old} → {new}")).collect::<Vec<_>>().join("; ")
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
    Ok(Response::builder().status(StatusCode::NO_CONTENT).finish())
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
        let url = Some(own.urls().hook(&token));
        Ok::<_, Error>(Shown { url, ..shown(tx, &own, &service, &after, now)? })
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
