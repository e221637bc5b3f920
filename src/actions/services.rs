//! What may be done to services.

use crate::actions::service_reach::needs_whole_server;
use crate::actions::service_settings::{change, create_from};
use crate::actions::{By, Context, Error, Result, check_reason};
use crate::db::audit::Record;
use crate::db::{Reader, Tx, caches, checks, deployments, hooks, queue, removal, services};
use crate::domain::{Act, Code, Invalid, Scope, Service, ServiceId, Status, Subject, Timestamp};
use crate::wire;
use crate::wire::service::{SECRET, ServiceBody};

/// The service of that name, whoever asks.
///
/// # Errors
/// Code `not_found`.
pub fn load(reader: &Reader<'_>, name: &str) -> Result<Service> {
    services::find_by_name(reader, name)?.ok_or_else(|| Error::not_found(format_args!("service {name}")))
}

/// The service of that name, for who may do so much to it.
///
/// # Errors
/// Codes `not_found` and `scope`.
pub fn find(reader: &Reader<'_>, by: &By, scope: Scope, name: &str) -> Result<Service> {
    let found = services::find_by_name(reader, name)?;
    // Whether another one exists is nothing to a caller who is for one service.
    if found.is_some() || by.caller.only_service().is_some() {
        by.require(scope, found.as_ref().map(|service| &service.id))?;
    }
    found.ok_or_else(|| Error::not_found(format_args!("service {name}")))
}

/// Asks the dispatcher to look now at what deployments of a service need.
///
/// # Errors
/// Codes `not_found` and `scope`.
pub fn ask_for_look(tx: &Tx<'_>, by: &By, name: &str) -> Result<ServiceId> {
    let service = find(tx, by, Scope::Read, name)?;
    checks::ask(tx, &service.id, by.at)?;
    Ok(service.id)
}

/// Empties what builds of a service keep: in a cluster the next one begins with none, on this host what is there goes as
/// soon as no run uses it.
///
/// # Errors
/// Codes `not_found` and `scope`.
pub fn empty_cache(tx: &Tx<'_>, by: &By, name: &str) -> Result<()> {
    let service = find(tx, by, Scope::Deploy, name)?;
    caches::empty(tx, &service.id)?;
    by.record(tx, &Record::new(Act::ServiceEmptyCache, subject(&service)))
}

/// A page of the services that the caller may see, by name.
///
/// # Errors
/// Code `scope`.
pub fn list(reader: &Reader<'_>, by: &By, after: Option<&str>, limit: u32) -> Result<Vec<Service>> {
    let only = by.caller.only_service();
    by.require(Scope::Read, only)?;
    let Some(id) = only else { return Ok(services::list(reader, after, limit)?) };
    let found = services::find(reader, id)?;
    Ok(found.into_iter().filter(|own| after.is_none_or(|after| own.name.as_str() > after)).collect())
}

/// Stores a new service.
///
/// # Errors
/// Codes `scope`, `invalid_parameter` and `name_taken`.
pub fn create(tx: &Tx<'_>, context: &Context, by: &By, body: ServiceBody) -> Result<Service> {
    by.require(Scope::Admin, None)?;
    let service = create_from(body, context.settings().available, by.at)?;
    if !services::insert(tx, &service)? {
        return Err(Error::taken(format_args!("service {}", service.name)));
    }
    let detail = format!("{}, branch {}", service.source_text(), service.default_branch);
    by.record(tx, &Record::new(Act::ServiceCreate, subject(&service)).with(detail))?;
    Ok(service)
}

/// Everything that is wrong with a body for a new service, or for changes of `before`; nothing is done.
pub fn faults(context: &Context, before: Option<Service>, body: ServiceBody, now: Timestamp) -> Vec<Invalid> {
    let available = context.settings().available;
    let read = match before {
        Some(before) => change(body, before, available),
        None => create_from(body, available, now),
    };
    read.err().unwrap_or_default()
}

/// Changes what the body names.
///
/// # Errors
/// Codes `not_found`, `scope` and `invalid_parameter`.
pub fn update(tx: &Tx<'_>, context: &Context, by: &By, name: &str, changes: ServiceBody) -> Result<Service> {
    let before = find(tx, by, Scope::Admin, name)?;
    let after = change(changes, before.clone(), context.settings().available)?;
    if let Some(why) = needs_whole_server(&before, &after).filter(|_| !by.caller.may(Scope::Admin, None)) {
        let detail = format!("{} is for one service; {why} an admin of the whole server", by.who());
        return Err(Error::new(Code::Scope, detail));
    }
    services::update(tx, &after)?;
    if after.executor != before.executor {
        queue::hand_over(tx, &after.id, after.executor)?;
    }
    let detail = wire::differences(&ServiceBody::of(&before), &ServiceBody::of(&after), &SECRET);
    if !detail.is_empty() {
        by.record(tx, &Record::new(Act::ServiceUpdate, subject(&after)).with(detail))?;
    }
    Ok(after)
}

/// Deletes a service: its queued deployments end, the running one is cancelled, its hooks are revoked.
///
/// # Errors
/// Codes `not_found` and `scope`.
pub fn delete(tx: &Tx<'_>, by: &By, name: &str) -> Result<()> {
    let service = find(tx, by, Scope::Admin, name)?;
    removal::delete_service(tx, &service.id, by.at)?;
    by.record(tx, &Record::new(Act::ServiceDelete, subject(&service)))
}

/// Freezes a service for a reason, or lifts the freeze.
///
/// # Errors
/// Codes `not_found`, `scope` and, for a reason that will not do, `invalid_parameter`.
pub fn set_frozen(tx: &Tx<'_>, by: &By, name: &str, reason: Option<String>) -> Result<Service> {
    if let Some(reason) = &reason {
        check_reason("reason", reason, "is needed")?;
    }
    let mut service = find(tx, by, Scope::Admin, name)?;
    services::set_frozen(tx, &service.id, reason.as_deref())?;
    let act = if reason.is_some() { Act::ServiceFreeze } else { Act::ServiceUnfreeze };
    by.record(tx, &Record::new(act, subject(&service)).with(reason.clone().unwrap_or_default()))?;
    service.frozen = reason;
    Ok(service)
}

/// What a service takes with it when it is deleted.
#[derive(Debug, Clone, Copy)]
pub struct Belongings {
    /// Hooks, the revoked ones too.
    pub hooks: usize,
    /// Deployments that wait.
    pub queued: usize,
    /// Deployments that run.
    pub running: usize,
}

/// Counts what a service takes with it.
///
/// # Errors
/// Where the database cannot be read.
pub fn belongings(reader: &Reader<'_>, service: &Service) -> Result<Belongings> {
    let running = deployments::newest(reader, &service.id, &[Status::Building, Status::Deploying], 10)?;
    Ok(Belongings {
        hooks: hooks::list_for_service(reader, &service.id, None, u32::MAX)?.len(),
        queued: usize::try_from(queue::length(reader, &service.id)?).unwrap_or(0),
        running: running.len(),
    })
}

fn subject(service: &Service) -> Subject {
    Subject::Service(service.name.to_string())
}
