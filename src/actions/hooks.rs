//! What may be done to hooks.

use crate::actions::{By, Context, Error, Result, check_reason, services};
use crate::db::audit::Record;
use crate::db::hooks::{self, Usage};
use crate::db::{Reader, Tx};
use crate::domain::{
    Act, AddressRange, BranchPattern, Code, Faults, Hook, HookId, HookName, HookRules, HookToken, Invalid,
    Scope, Service, Source, Span, Subject, Timestamp, Who,
};
use crate::wire;
use crate::wire::hook::{HookBody, HookJson, HookUse, LastUse};

/// How long the secret before a rotation stays good where nothing is said.
const DEFAULT_OVERLAP: Span = Span::from_hours(24);
/// The overlaps that may be asked for.
const OVERLAPS: [Span; 4] =
    [Span::from_secs(0), Span::from_hours(1), Span::from_hours(24), Span::from_days(7)];
/// Calls are counted over this time.
const USAGE_PERIOD: Span = Span::from_days(30);
/// Calls that are listed.
pub const LAST_CALLS: u32 = 50;

/// A hook whose secret was just made: the one moment at which its URL is known.
pub struct MintedHook {
    pub service: Service,
    pub hook: Hook,
    /// The secret URL.
    pub url: String,
}

/// The service and the hook that a path names, for who may do so much to them.
///
/// # Errors
/// Codes `not_found` and `scope`.
pub fn find(
    reader: &Reader<'_>,
    by: &By,
    scope: Scope,
    service: &str,
    hook: &str,
) -> Result<(Service, Hook)> {
    let service = services::find(reader, by, scope, service)?;
    let found = hooks::find_in_service(reader, &service.id, hook)?;
    let missing = || Error::not_found(format_args!("hook {hook} of service {}", service.name));
    let hook = found.ok_or_else(missing)?;
    Ok((service, hook))
}

/// How a hook was used in the last 30 days.
///
/// # Errors
/// Where the database cannot be read.
pub fn recent_usage(reader: &Reader<'_>, hook: &Hook, now: Timestamp) -> Result<Usage> {
    Ok(hooks::usage(reader, hook, now.minus(USAGE_PERIOD.duration()))?)
}

/// A hook as JSON, with how it was used.
///
/// # Errors
/// Where the database cannot be read.
pub fn shown(
    reader: &Reader<'_>,
    context: &Context,
    service: &Service,
    hook: &Hook,
    now: Timestamp,
) -> Result<HookJson> {
    let usage = recent_usage(reader, hook, now)?;
    let last = usage.last.map(|(at, caller, deployment_id)| LastUse { at, caller, deployment_id });
    let used = HookUse { last, calls: usage.calls, calls_with_previous: usage.calls_with_previous };
    let masked = context.urls().masked_hook(&hook.id);
    Ok(HookJson::new(service.name.as_str(), hook, masked, used, now))
}

/// Makes a hook.
///
/// # Errors
/// Codes `unconfirmed`, `not_found`, `scope`, `invalid_parameter`, and `name_taken` where a live hook of the service is
/// called so.
pub fn create(tx: &Tx<'_>, context: &Context, by: &By, service: &str, body: HookBody) -> Result<MintedHook> {
    by.require_fresh()?;
    let service = services::find(tx, by, Scope::Admin, service)?;
    let hook = new_hook(body, &service, &by.who(), by.at)?;
    let token = HookToken::mint(context.key(), &service.id, &hook.id);
    if !hooks::insert(tx, &hook, &token.hash())? {
        return Err(name_taken(&service, &hook));
    }
    record(tx, by, Act::HookCreate, &service, &hook, "")?;
    Ok(MintedHook { service, hook, url: context.urls().hook(&token) })
}

/// Changes name and rules; what the body does not name stays.
///
/// # Errors
/// Codes `not_found`, `scope`, `invalid_parameter`, `revoked` and `name_taken`.
pub fn update(tx: &Tx<'_>, by: &By, service: &str, hook: &str, body: HookBody) -> Result<(Service, Hook)> {
    let (service, before) = find_live(tx, by, service, hook)?;
    let after = change(body, before.clone(), by.at)?;
    if !hooks::update(tx, &after)? {
        return Err(name_taken(&service, &after));
    }
    let detail = wire::differences(&HookBody::of(&before), &HookBody::of(&after), &[]);
    if !detail.is_empty() {
        record(tx, by, Act::HookUpdate, &service, &before, &detail)?;
    }
    Ok((service, after))
}

/// Revokes a hook for good.
///
/// # Errors
/// Codes `not_found`, `scope` and `revoked`.
pub fn revoke(tx: &Tx<'_>, by: &By, service: &str, hook: &str) -> Result<()> {
    let (service, hook) = find_live(tx, by, service, hook)?;
    hooks::revoke(tx, &hook.id, by.at)?;
    record(tx, by, Act::HookRevoke, &service, &hook, "")
}

/// Gives a hook a new secret; the old one is good for the overlap.
///
/// # Errors
/// Codes `unconfirmed`, `not_found`, `scope` and `revoked`.
pub fn rotate(
    tx: &Tx<'_>,
    context: &Context,
    by: &By,
    service: &str,
    hook: &str,
    overlap: Span,
) -> Result<MintedHook> {
    by.require_fresh()?;
    let (service, before) = find_live(tx, by, service, hook)?;
    let still_good = before.previous_until.filter(|until| *until > by.at && overlap.as_secs() > 0);
    if let Some(until) = still_good {
        let detail = format!(
            "the old URL of {} is good until {until}; end it first, or rotate with overlap 0",
            before.name
        );
        return Err(Error::new(Code::OldUrlGood, detail));
    }
    let token = HookToken::mint(context.key(), &service.id, &before.id);
    hooks::rotate(tx, &before.id, &token.hash(), by.at.plus(overlap.duration()), by.at)?;
    record(tx, by, Act::HookRotate, &service, &before, &format!("the old URL is good for {overlap}"))?;
    let (service, hook) = find(tx, by, Scope::Admin, service.name.as_str(), before.id.as_str())?;
    Ok(MintedHook { service, hook, url: context.urls().hook(&token) })
}

/// Ends the overlap of a rotation now: the old secret is good no longer. Nothing happens where there is none.
///
/// # Errors
/// Codes `not_found`, `scope` and `revoked`.
pub fn end_old_url(tx: &Tx<'_>, by: &By, service: &str, hook: &str) -> Result<()> {
    let (service, hook) = find_live(tx, by, service, hook)?;
    if hook.previous_until.is_none_or(|until| until <= by.at) {
        return Ok(());
    }
    hooks::end_grace(tx, &hook.id, by.at)?;
    record(tx, by, Act::HookEndOldUrl, &service, &hook, "")
}

/// Reads how long the old secret is to stay good.
///
/// # Errors
/// Where it is none of the four lengths.
pub fn read_overlap(text: Option<&str>) -> std::result::Result<Span, Invalid> {
    let Some(text) = text else { return Ok(DEFAULT_OVERLAP) };
    let span = text.parse::<Span>().ok().filter(|span| OVERLAPS.contains(span));
    span.ok_or_else(|| Invalid::new("overlap", "must be 0, 1h, 24h or 7d"))
}

fn find_live(tx: &Tx<'_>, by: &By, service: &str, hook: &str) -> Result<(Service, Hook)> {
    let (service, hook) = find(tx, by, Scope::Admin, service, hook)?;
    if hook.revoked_at.is_some() {
        return Err(Error::new(Code::Revoked, format!("hook {} is revoked; make a new one", hook.name)));
    }
    Ok((service, hook))
}

fn record(tx: &Tx<'_>, by: &By, act: Act, service: &Service, hook: &Hook, detail: &str) -> Result<()> {
    let subject = Subject::Hook { service: service.name.to_string(), hook: hook.name.to_string() };
    by.record(tx, &Record::new(act, subject).with(detail))
}

fn name_taken(service: &Service, hook: &Hook) -> Error {
    Error::taken(format_args!("hook {} of service {}", hook.name, service.name))
}

fn new_hook(
    body: HookBody,
    service: &Service,
    created_by: &Who,
    now: Timestamp,
) -> std::result::Result<Hook, Vec<Invalid>> {
    let mut faults = Faults::default();
    if body.name.is_none() {
        faults.add("name", "is missing");
    }
    let hook = Hook {
        id: HookId::generate(),
        service_id: service.id.clone(),
        // Its own is read with the rest.
        name: HookName::parse("hook").map_err(|invalid| vec![invalid])?,
        rules: HookRules::default(),
        generation: 1,
        previous_until: None,
        rotated_at: None,
        created_at: now,
        created_by: created_by.clone(),
        revoked_at: None,
    };
    let hook = faults.take_all(change(body, hook.clone(), now)).unwrap_or(hook);
    faults.finish(hook)
}

/// Changes what the body names in a hook.
fn change(body: HookBody, mut hook: Hook, now: Timestamp) -> std::result::Result<Hook, Vec<Invalid>> {
    let mut faults = Faults::default();
    if let Some(name) = body.name.and_then(|name| faults.take(HookName::parse(&name))) {
        hook.name = name;
    }
    if let Some(patterns) = body.branches {
        let patterns = patterns.iter().map(|text| BranchPattern::parse(text));
        hook.rules.branches = faults.take_each(patterns).unwrap_or_default();
    }
    if let Some(ranges) = body.addresses {
        let ranges = ranges.iter().map(|text| text.parse::<AddressRange>());
        hook.rules.addresses = faults.take_each(ranges).unwrap_or_default();
    }
    if let Some(words) = body.sources {
        let wrong =
            |word: &str| Invalid::new("sources", format!("\"{word}\" is no source; say build or image"));
        let sources = words.iter().map(|word| Source::parse_asked(word).ok_or_else(|| wrong(word)));
        let mut sources: Vec<_> = faults.take_each(sources).unwrap_or_default();
        sources.dedup();
        hook.rules.sources = sources;
    }
    let time =
        |text: String| Timestamp::parse(&text).map_err(|error| Invalid::new("expiresAt", error.detail));
    let expires_at = faults.take(body.expires_at.try_map(time)).unwrap_or_default();
    hook.rules.expires_at = expires_at.apply(hook.rules.expires_at);
    if let Some(text) = body.expires_in {
        let span = text.parse().map_err(|error: Invalid| Invalid::new("expiresIn", error.detail));
        hook.rules.expires_at = faults.take(span).map(|span: Span| now.plus(span.duration()));
    }
    let reason =
        |reason: String| check_reason("paused", &reason, "must be null or a reason").map(|()| reason);
    let paused = faults.take(body.paused.try_map(reason)).unwrap_or_default();
    hook.rules.paused = paused.apply(hook.rules.paused);
    hook.rules.check(&mut faults);
    faults.finish(hook)
}
