//! What may be done to targets of notices.

mod fields;

use crate::actions::{By, Context, Error, Result, services};
use crate::db::audit::Record;
use crate::db::{Reader, Tx, notices, targets};
use crate::domain::{
    Act, Code, Invalid, Notice, NoticeId, Scope, ServiceId, Span, Subject, Target, TargetId, TargetKind,
    WebhookSecret,
};
use crate::wire;
use crate::wire::target::{SECRET, TargetBody};

/// Most targets of the installation, and of each service.
const MAX_TARGETS: u32 = 50;
/// Notices of a target that are listed.
pub const LAST_NOTICES: u32 = 100;

/// A target whose secret was just made: the one moment at which it is shown.
pub struct MintedTarget {
    pub target: Target,
    /// What its notices are signed with; none where they are not.
    pub secret: Option<String>,
}

/// Whose targets are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// Those of the installation and of every service.
    All,
    /// Those of the installation alone.
    Installation,
    /// Those of the service of that name.
    Service(&'a str),
}

/// Targets, in the order in which they were made.
///
/// # Errors
/// Codes `not_found` for the service, and `scope`.
pub fn list(reader: &Reader<'_>, by: &By, owner: Owner<'_>) -> Result<Vec<Target>> {
    if let Owner::Service(name) = owner {
        let service = services::find(reader, by, Scope::Admin, name)?;
        return Ok(targets::list(reader, Some(&service.id))?);
    }
    by.require(Scope::Admin, None)?;
    Ok(if owner == Owner::All { targets::list_all(reader)? } else { targets::list(reader, None)? })
}

/// The target of that id.
///
/// # Errors
/// Codes `not_found` and `scope`.
pub fn find(reader: &Reader<'_>, by: &By, id: &str) -> Result<Target> {
    let found = TargetId::parse(id).map(|id| targets::find(reader, &id)).transpose()?.flatten();
    // Whether another one exists is nothing to a caller who is for one service.
    if found.is_some() || by.caller.only_service().is_some() {
        by.require(Scope::Admin, found.as_ref().and_then(service_of))?;
    }
    found.ok_or_else(|| Error::not_found(format_args!("target {id}")))
}

fn service_of(target: &Target) -> Option<&ServiceId> {
    target.service.as_ref().map(|(id, _)| id)
}

/// Makes a target.
///
/// # Errors
/// Codes `unconfirmed`, `scope`, `not_found` for the service, `invalid_parameter`, and `name_taken` where that address is a
/// target already.
pub fn create(tx: &Tx<'_>, context: &Context, by: &By, body: TargetBody) -> Result<MintedTarget> {
    by.require_fresh()?;
    let service = body.service.value().map(|name| services::find(tx, by, Scope::Admin, name)).transpose()?;
    let service = service.map(|service| (service.id, service.name.to_string()));
    by.require(Scope::Admin, service.as_ref().map(|(id, _)| id))?;
    let target = fields::new_target(body, service, context.allowed_targets(), &by.who(), by.at)?;
    if targets::count(tx, service_of(&target))? >= MAX_TARGETS {
        let detail = format!("is one too many: there are {MAX_TARGETS} targets already; remove one first");
        return Err(Invalid::new("url", detail).into());
    }
    if !targets::insert(tx, &target)? {
        return Err(taken(&target));
    }
    record(tx, by, Act::TargetCreate, &target, &of_service(&target))?;
    let secret = signing_secret(context, &target);
    Ok(MintedTarget { target, secret })
}

/// Changes a target; what the body does not name stays. Switched on again it is told of what happens from now on.
///
/// # Errors
/// Codes `not_found`, `scope`, `invalid_parameter`, `name_taken`, and `unconfirmed` for an address on another host.
pub fn update(tx: &Tx<'_>, context: &Context, by: &By, id: &str, body: TargetBody) -> Result<Target> {
    let before = find(tx, by, id)?;
    let has_secret = body.secret.is_some();
    let after = fields::change(body, before.clone(), context.allowed_targets(), by.at)?;
    // What is sent has more in it than a page shows, so another host is as good as another target.
    if after.url.reveal().origin() != before.url.reveal().origin() {
        by.require_fresh()?;
    }
    if !targets::update(tx, &after)? {
        return Err(taken(&after));
    }
    if let Some(why) = after.why_off().filter(|_| before.off.is_none()) {
        notices::give_up_all(tx, &after.id, &why)?;
    }
    let changed = wire::differences(&TargetBody::of(&before), &TargetBody::of(&after), &SECRET);
    let secret = if has_secret { "secret: set anew" } else { "" };
    let told: Vec<_> = [changed.as_str(), secret].into_iter().filter(|text| !text.is_empty()).collect();
    let detail = told.join("; ");
    if !detail.is_empty() {
        record(tx, by, Act::TargetUpdate, &before, &detail)?;
    }
    Ok(after)
}

/// Deletes a target, with all that it was to be told.
///
/// # Errors
/// Codes `not_found` and `scope`.
pub fn delete(tx: &Tx<'_>, by: &By, id: &str) -> Result<()> {
    let target = find(tx, by, id)?;
    targets::delete(tx, &target.id)?;
    notices::bring_up(tx, &target.id)?;
    record(tx, by, Act::TargetDelete, &target, &of_service(&target))
}

/// Gives a webhook a new secret; what is sent is signed with both for the overlap.
///
/// # Errors
/// Codes `unconfirmed`, `not_found`, `scope`, `old_secret_good` where a rotation is under way, and `invalid_parameter`
/// where nothing is signed.
pub fn rotate(tx: &Tx<'_>, context: &Context, by: &By, id: &str, overlap: Span) -> Result<MintedTarget> {
    by.require_fresh()?;
    let mut target = find(tx, by, id)?;
    if target.kind != TargetKind::Webhook {
        let detail = format!("notices to {} are not signed", target.kind.as_str());
        return Err(Error::new(Code::InvalidParameter, detail));
    }
    if let Some(until) = target.previous_until.filter(|until| *until > by.at && overlap.as_secs() > 0) {
        let detail =
            format!("notices are signed with the old secret too until {until}; rotate with overlap 0");
        return Err(Error::new(Code::OldSecretGood, detail));
    }
    target.generation += 1;
    target.previous_until = Some(by.at.plus(overlap.duration()));
    targets::update(tx, &target)?;
    record(tx, by, Act::TargetRotate, &target, &format!("the old secret signs too for {overlap}"))?;
    let secret = signing_secret(context, &target);
    Ok(MintedTarget { target, secret })
}

/// Sends a target something, to see whether it arrives.
///
/// # Errors
/// Codes `not_found`, `scope` and `target_off`.
pub fn test(tx: &Tx<'_>, by: &By, id: &str) -> Result<(TargetId, NoticeId)> {
    let target = find_on(tx, by, id)?;
    let text = format!("A test of StackBlaze, asked for by {}: notices arrive here", by.who());
    let notice = notices::test(tx, &target, &text, by.at)?;
    record(tx, by, Act::TargetTest, &target, "")?;
    Ok((target.id, notice))
}

/// The last notices to a target, newest first.
///
/// # Errors
/// Codes `not_found` and `scope`.
pub fn list_notices(reader: &Reader<'_>, by: &By, id: &str) -> Result<(Target, Vec<Notice>)> {
    let target = find(reader, by, id)?;
    let listed = notices::list_for_target(reader, &target.id, LAST_NOTICES)?;
    Ok((target, listed))
}

/// Delivers a notice once more, under its id. One that waits is tried when it is due.
///
/// # Errors
/// Codes `not_found`, `scope` and `target_off`.
pub fn redeliver(tx: &Tx<'_>, by: &By, id: &str, notice: &str) -> Result<Notice> {
    let target = find_on(tx, by, id)?;
    let missing = || Error::not_found(format_args!("notice {notice} to this target"));
    let own = NoticeId::parse(notice).ok_or_else(missing)?;
    notices::find(tx, &target.id, &own)?.ok_or_else(missing)?;
    if notices::redeliver(tx, &own, by.at)? {
        record(tx, by, Act::TargetRedeliver, &target, own.as_str())?;
    }
    notices::find(tx, &target.id, &own)?.ok_or_else(missing)
}

fn find_on(tx: &Tx<'_>, by: &By, id: &str) -> Result<Target> {
    let target = find(tx, by, id)?;
    match &target.off {
        Some((_, because)) => {
            let detail = format!("this target is switched off ({because}); switch it on first");
            Err(Error::new(Code::TargetOff, detail))
        }
        None => Ok(target),
    }
}

/// What the notices of a webhook are signed with, in clear.
fn signing_secret(context: &Context, target: &Target) -> Option<String> {
    let is_signed = target.kind == TargetKind::Webhook;
    let secret = || WebhookSecret::of(context.key(), &target.id, target.generation).reveal().to_string();
    is_signed.then(secret)
}

fn record(tx: &Tx<'_>, by: &By, act: Act, target: &Target, detail: &str) -> Result<()> {
    by.record(tx, &Record::new(act, Subject::Target(target.described())).with(detail))
}

fn of_service(target: &Target) -> String {
    target.service.as_ref().map_or_else(String::new, |(_, name)| format!("for service {name}"))
}

fn taken(target: &Target) -> Error {
    Error::taken(format_args!("target {}", target.described()))
}
