//! The call of a hook: decided inside the transaction that accepts it.

use std::net::IpAddr;
use std::time::Duration;

use crate::actions::asked_image::choose;
use crate::actions::deployments::accepted_body;
use crate::actions::wanted::Wanted;
use crate::actions::{Context, Error, Result};
use crate::db::audit::{self, Actor, Record};
use crate::db::deployments::NewDeployment;
use crate::db::queue::{self, Place, Room};
use crate::db::{self, Reader, Tx, hook_calls, hooks, idempotency, notices};
use crate::domain::{
    Act, CalledService, Code, DeploymentId, Hook, HookToken, Source, Subject, Timestamp, Trigger, Who,
};

/// Parameters of the query that mean something.
pub const PARAMETERS: [&str; 8] =
    ["branch", "clear_cache", "commit", "dry_run", "from", "image", "note", "tag"];

/// A call as the caller made it. Its token is genuine by its MAC; whether the hook is there nobody has asked yet.
pub struct Call {
    /// The token that was sent.
    pub token: HookToken,
    /// Network and program of the caller.
    pub caller: String,
    /// The caller's address; `None` through the socket.
    pub address: Option<IpAddr>,
    /// What was sent and means nothing here.
    pub ignored: Vec<String>,
    /// What to deploy, and why.
    pub wanted: Wanted,
    /// Whether to build afresh.
    pub clear_cache: bool,
    /// The Idempotency-Key.
    pub key: Option<String>,
    /// The parameters in one order, to be compared under the same key.
    pub as_sent: String,
    /// Where the caller's trace goes on.
    pub traceparent: Option<String>,
}

impl Call {
    /// The deployment that the call asks for.
    ///
    /// # Errors
    /// Codes `image_required`, `image_not_allowed` and `from_not_possible`.
    pub(super) fn deployment(
        &self,
        reader: &Reader<'_>,
        verified: &hooks::Verified,
    ) -> Result<NewDeployment> {
        let service = &verified.service;
        let chosen = choose(reader, &service.id, service.is_image_only, &self.wanted)?;
        Ok(NewDeployment {
            service_id: service.id.clone(),
            executor: service.executor,
            trigger: Trigger::Hook(verified.hook.id.clone()),
            hook_generation: Some(verified.generation),
            who: Who::HookUrl(self.caller.clone()),
            branch: chosen.what_or(&service.default_branch),
            image: chosen.exact(),
            commit: chosen.commit,
            clear_cache: self.clear_cache,
            note: self.wanted.note.clone(),
            asked_image: chosen.asked,
            promoted_from: chosen.promoted_from,
            ignored_parameters: self.ignored.clone(),
            traceparent: self.traceparent.clone(),
        })
    }
}

/// The hook is called more often than it may; the time until it may be called again.
pub fn over_budget(wait: Duration) -> Error {
    Error::new(Code::HookBudget, "this hook is called more often than it may").after(wait)
}

/// What became of a call. Both kinds keep their rows: only the database's own failures are errors.
pub enum Decision {
    /// It stands for a durable deployment.
    Accepted(AcceptedCall),
    /// It does not.
    Refused(Error),
}

/// An accepted call.
pub struct AcceptedCall {
    pub id: DeploymentId,
    /// The five keys, as first sent.
    pub body: String,
    /// Whether the first answer was given again.
    pub is_replay: bool,
    /// Whether an equal deployment was queued already.
    pub is_coalesced: bool,
    /// When the secret that was used was replaced, where it was.
    pub rotated: Option<Timestamp>,
    /// Until when it is good, where it was replaced.
    pub sunset: Option<Timestamp>,
}

impl AcceptedCall {
    fn new(id: DeploymentId, body: String) -> Self {
        Self { id, body, is_replay: false, is_coalesced: false, rotated: None, sunset: None }
    }
}

/// Decides on a call, in the order of the contract, and stores what comes of it.
///
/// # Errors
/// Only where the database fails.
pub fn decide(
    tx: &Tx<'_>,
    context: &Context,
    call: &Call,
    now: Timestamp,
) -> std::result::Result<Decision, db::Error> {
    let Some(verified) = hooks::verify(tx, &call.token, now)? else {
        return Ok(Decision::Refused(Error::unknown_hook()));
    };
    let decision = match replay(tx, call, &verified.hook, now)? {
        Some(decision) => decision,
        None => accept(tx, context, call, &verified, now)?,
    };
    note(tx, call, &verified.hook, &decision, now)?;
    Ok(match decision {
        Decision::Accepted(accepted) if verified.generation < verified.hook.generation => {
            let (service, hook) = (&verified.service, &verified.hook);
            let text = format!(
                "hook {} of service {} was called by {} with the URL from before its rotation",
                hook.name, service.name, call.caller
            );
            notices::old_url_used(tx, (&service.id, &hook.id), &text, now)?;
            let (rotated, sunset) = (verified.hook.rotated_at, verified.hook.previous_until);
            Decision::Accepted(AcceptedCall { rotated, sunset, ..accepted })
        }
        decision => decision,
    })
}

fn replay(
    tx: &Tx<'_>,
    call: &Call,
    hook: &Hook,
    now: Timestamp,
) -> std::result::Result<Option<Decision>, db::Error> {
    let Some(key) = &call.key else { return Ok(None) };
    let Some(answer) = idempotency::find(tx, &hook.id, key, now)? else { return Ok(None) };
    if answer.parameters != call.as_sent {
        return Ok(Some(Decision::Refused(Error::key_reused())));
    }
    Ok(DeploymentId::parse(&answer.deployment_id)
        .map(|id| Decision::Accepted(AcceptedCall { is_replay: true, ..AcceptedCall::new(id, answer.body) })))
}

/// A deployment that is asked for, and by what it is judged.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) new: &'a NewDeployment,
    /// The caller's address.
    pub(super) address: Option<IpAddr>,
    /// The hook that was called.
    pub(super) hook: &'a Hook,
    pub(super) service: &'a CalledService,
    /// What the queue has for it.
    pub(super) room: &'a Room,
    /// Whether the disk is nearly full.
    pub(super) is_short_of_space: bool,
}

/// The refusals that depend on the hook, the service and the server, in the order of the contract.
pub(super) fn refusals(context: &Context, asked: Asked<'_>) -> Vec<Error> {
    let Asked { new: NewDeployment { branch, asked_image, .. }, hook, service, .. } = asked;
    let mut found = Vec::new();
    if !hook.rules.allows_branch(branch) {
        found.push(Error::new(
            Code::BranchNotAllowed,
            format!("this hook may not deploy {}", branch.described()),
        ));
    }
    let source = if asked_image.is_some() { Source::Image } else { Source::Build };
    if !hook.rules.allows_source(source) {
        let other =
            if source == Source::Build { "builds; name an image" } else { "images that are built already" };
        found.push(Error::new(Code::SourceNotAllowed, format!("this hook may not ask for {other}")));
    }
    if !hook.rules.allows_address(asked.address) {
        found.push(Error::new(Code::AddressNotAllowed, "this hook may not be called from this address"));
    }
    if let Some(reason) = &service.frozen {
        found.push(Error::frozen(reason));
    }
    if let Some(reason) = &hook.rules.paused {
        found.push(Error::new(Code::HookPaused, format!("this hook is paused: {reason}")));
    }
    if *asked.room == Room::Full {
        found.push(Error::queue_full(&service.name));
    }
    if asked.is_short_of_space {
        found.push(Error::disk_nearly_full());
    }
    if !context.settings().available.has(service.executor) {
        found.push(Error::no_executor(service.executor));
    }
    found
}

fn accept(
    tx: &Tx<'_>,
    context: &Context,
    call: &Call,
    verified: &hooks::Verified,
    now: Timestamp,
) -> std::result::Result<Decision, db::Error> {
    let service = &verified.service;
    let new = match call.deployment(tx, verified) {
        Ok(new) => new,
        Err(refused) => return Ok(Decision::Refused(refused)),
    };
    let room = queue::room(tx, &new, service.queue_policy, context.settings().queue_limit)?;
    let (address, is_short_of_space) = (call.address, tx.is_short_of_space());
    let asked = Asked { new: &new, address, hook: &verified.hook, service, room: &room, is_short_of_space };
    if let Some(first) = refusals(context, asked).into_iter().next() {
        return Ok(Decision::Refused(first));
    }
    let (id, is_coalesced) = match queue::take(tx, &new, service.queue_policy, room, now)? {
        Place::New(id) => (id, false),
        Place::Joined(id) => (id, true),
        Place::Full => return Ok(Decision::Refused(Error::queue_full(&service.name))),
    };
    let body = accepted_body(context.urls(), &id, service.name.as_str(), &new.branch);
    if let Some(key) = &call.key {
        idempotency::insert(tx, &verified.hook.id, key, &call.as_sent, &id, &body, now)?;
    }
    Ok(Decision::Accepted(AcceptedCall { is_coalesced, ..AcceptedCall::new(id, body) }))
}

/// Keeps refusals and what made no deployment of its own for the hook's page.
fn note(
    tx: &Tx<'_>,
    call: &Call,
    hook: &Hook,
    decision: &Decision,
    now: Timestamp,
) -> std::result::Result<(), db::Error> {
    let (result, detail) = match decision {
        Decision::Refused(error) => (error.code.as_str(), error.detail.clone()),
        Decision::Accepted(accepted) if accepted.is_replay => ("replayed", accepted.id.to_string()),
        Decision::Accepted(accepted) if accepted.is_coalesced => ("coalesced", accepted.id.to_string()),
        Decision::Accepted(_) => return Ok(()),
    };
    hook_calls::count(tx, &hook.id, result, &detail, &call.caller, 1, now)
}

/// Revokes the hook of a token, by whoever holds it; an old secret in grace is as good. No rule of the hook stops it.
///
/// # Errors
/// Code `unknown_hook`.
pub fn revoke_by_url(
    tx: &Tx<'_>,
    token: &HookToken,
    caller: String,
    address: String,
    now: Timestamp,
) -> Result<()> {
    let verified = hooks::verify(tx, token, now)?.ok_or_else(Error::unknown_hook)?;
    let hooks::Verified { hook, service, .. } = verified;
    hooks::revoke(tx, &hook.id, now)?;
    let subject = Subject::Hook { service: service.name.to_string(), hook: hook.name.to_string() };
    let record = Record::new(Act::HookRevoke, subject).with("by DELETE on its URL");
    Ok(audit::record(tx, &Actor { who: Who::HookUrl(caller), address }, &record, now)?)
}
