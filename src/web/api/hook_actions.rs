//! What can be done to a hook, inside the transaction that does it; the API and the pages both end here, so that rights,
//! checks and audit are the same.

use poem::Request;

use crate::db::audit::Actor;
use crate::db::hooks::{self, Usage};
use crate::db::{Reader, Tx, audit};
use crate::domain::{Hook, HookToken, Invalid, Scope, Service, Span, Timestamp};

use super::super::auth::{self, Caller};
use super::super::error::Error;
use super::super::state::AppState;
use super::hook_body::{HookBody, differences, new_hook};
use super::services;

/// How long the secret before a rotation stays good where nothing is said.
const DEFAULT_OVERLAP: Span = Span::from_hours(24);
/// The overlaps that may be asked for.
const OVERLAPS: [Span; 4] =
    [Span::from_secs(0), Span::from_hours(1), Span::from_hours(24), Span::from_days(7)];
/// Calls are counted over this time.
const USAGE_PERIOD: Span = Span::from_days(30);

/// Who acts, and when.
pub(in crate::web) struct By {
    caller: Caller,
    actor: Actor,
    /// The moment of the act.
    pub(in crate::web) now: Timestamp,
}

impl By {
    /// Whoever sent the request.
    ///
    /// # Errors
    /// 401 where no guard stands before the handler.
    pub(in crate::web) fn of(request: &Request, state: &AppState) -> Result<Self, Error> {
        let caller = auth::caller(request)?;
        let actor = auth::actor(&caller, request);
        Ok(Self { caller, actor, now: state.clock().now() })
    }

    /// What a path names, where the caller may change it.
    ///
    /// # Errors
    /// 404 where there is no such thing, 403 where the caller may not.
    pub(in crate::web) fn load(
        &self,
        reader: &Reader<'_>,
        service: &str,
        hook: &str,
    ) -> Result<(Service, Hook), Error> {
        load(reader, &self.caller, Scope::Admin, service, hook)
    }

    fn record(
        &self,
        tx: &Tx<'_>,
        action: &str,
        service: &Service,
        hook: &Hook,
        detail: &str,
    ) -> Result<(), Error> {
        let subject = format!("hook {}/{}", service.name, hook.name);
        Ok(audit::record(tx, &self.actor, action, &subject, detail, self.now)?)
    }
}

/// A hook whose secret was just made: the one moment at which its URL is known.
pub(in crate::web) struct Made {
    pub(in crate::web) service: Service,
    pub(in crate::web) hook: Hook,
    /// The secret URL.
    pub(in crate::web) url: String,
}

/// The service and the hook that a path names, if the caller may reach them.
///
/// # Errors
/// 404 where there is no such thing, 403 where the caller may not.
pub(in crate::web) fn load(
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

/// How a hook was used in the last 30 days.
pub(in crate::web) fn recent_usage(reader: &Reader<'_>, hook: &Hook, now: Timestamp) -> Result<Usage, Error> {
    Ok(hooks::usage(reader, hook, now.minus(USAGE_PERIOD.duration()))?)
}

/// Makes a hook.
///
/// # Errors
/// 400 that names the field; 409 where a live hook of the service has that name.
pub(in crate::web) fn create(
    tx: &Tx<'_>,
    state: &AppState,
    by: &By,
    service: &str,
    body: HookBody,
) -> Result<Made, Error> {
    let service = services::load(tx, service)?;
    by.caller.require(Scope::Admin, Some(&service.id))?;
    let hook = new_hook(body, &service, &by.actor.name, by.now)?;
    let token = HookToken::mint(state.key(), &service.id, &hook.id);
    if !hooks::insert(tx, &hook, &token.hash())? {
        return Err(name_taken(&service, &hook));
    }
    by.record(tx, "hook.create", &service, &hook, "")?;
    Ok(Made { service, hook, url: state.urls().hook(&token) })
}

/// Changes name and rules; what the body does not name stays.
///
/// # Errors
/// 400 that names the field; 409 where the hook is revoked or its new name is taken.
pub(in crate::web) fn update(
    tx: &Tx<'_>,
    by: &By,
    service: &str,
    hook: &str,
    body: HookBody,
) -> Result<(Service, Hook), Error> {
    let (service, before) = load_live(tx, by, service, hook)?;
    let after = body.apply(before.clone(), by.now)?;
    if !hooks::update(tx, &after)? {
        return Err(name_taken(&service, &after));
    }
    let detail = differences(&before, &after);
    if !detail.is_empty() {
        by.record(tx, "hook.update", &service, &before, &detail)?;
    }
    Ok((service, after))
}

/// Revokes a hook for good.
///
/// # Errors
/// 409 where it is revoked already.
pub(in crate::web) fn revoke(tx: &Tx<'_>, by: &By, service: &str, hook: &str) -> Result<(), Error> {
    let (service, hook) = load_live(tx, by, service, hook)?;
    hooks::revoke(tx, &hook.id, by.now)?;
    by.record(tx, "hook.revoke", &service, &hook, "")
}

/// Gives a hook a new secret; the old one is good for the overlap.
///
/// # Errors
/// 409 where the hook is revoked.
pub(in crate::web) fn rotate(
    tx: &Tx<'_>,
    state: &AppState,
    by: &By,
    (service, hook): (&str, &str),
    overlap: Span,
) -> Result<Made, Error> {
    let (service, before) = load_live(tx, by, service, hook)?;
    let token = HookToken::mint(state.key(), &service.id, &before.id);
    hooks::rotate(tx, &before.id, &token.hash(), by.now.plus(overlap.duration()), by.now)?;
    by.record(tx, "hook.rotate", &service, &before, &format!("the old URL is good for {overlap}"))?;
    let (service, hook) = by.load(tx, service.name.as_str(), before.id.as_str())?;
    Ok(Made { service, hook, url: state.urls().hook(&token) })
}

/// Ends the overlap of a rotation now: the old secret is good no longer. Nothing happens where there is none.
///
/// # Errors
/// 409 where the hook is revoked.
pub(in crate::web) fn end_old_url(tx: &Tx<'_>, by: &By, service: &str, hook: &str) -> Result<(), Error> {
    let (service, hook) = load_live(tx, by, service, hook)?;
    if hook.previous_until.is_none_or(|until| until <= by.now) {
        return Ok(());
    }
    hooks::end_grace(tx, &hook.id, by.now)?;
    by.record(tx, "hook.end_old_url", &service, &hook, "")
}

/// Reads how long the old secret is to stay good.
///
/// # Errors
/// Where it is none of the four lengths.
pub(in crate::web) fn read_overlap(text: Option<&str>) -> Result<Span, Invalid> {
    let Some(text) = text else { return Ok(DEFAULT_OVERLAP) };
    let span = text.parse::<Span>().ok().filter(|span| OVERLAPS.contains(span));
    span.ok_or_else(|| Invalid::new("overlap", "must be 0, 1h, 24h or 7d"))
}

fn load_live(tx: &Tx<'_>, by: &By, service: &str, hook: &str) -> Result<(Service, Hook), Error> {
    let (service, hook) = by.load(tx, service, hook)?;
    if hook.revoked_at.is_some() {
        let detail = format!("hook {} is revoked; make a new one", hook.name);
        return Err(Error::Conflict { code: "revoked", detail });
    }
    Ok((service, hook))
}

fn name_taken(service: &Service, hook: &Hook) -> Error {
    Error::taken(&format!("hook {} of service {}", hook.name, service.name))
}
