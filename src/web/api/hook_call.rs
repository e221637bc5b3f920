//! Decides on one call of a hook, inside the transaction that accepts it.

use std::net::IpAddr;

use poem::Request;
use serde::Serialize;

use crate::db::deployments::NewDeployment;
use crate::db::queue::{self, Place, Room};
use crate::db::{self, Reader, Tx, hook_calls, hooks, idempotency, services};
use crate::domain::{Branch, Commit, DeploymentId, Hook, HookToken, Invalid, Service, Timestamp, Trigger};

use super::super::error::Error;
use super::super::request::{Query, address, read_branch, read_commit};
use super::super::state::AppState;
use super::super::urls::Urls;

/// Parameters that mean something.
const KNOWN: [&str; 4] = ["branch", "clear_cache", "commit", "dry_run"];
/// Longest Idempotency-Key, in bytes.
const KEY_MAX: usize = 255;
/// Stands among what is ignored for a body that was not empty.
const BODY: &str = "body";
/// Most unknown parameters that are kept and named, and the longest name in characters.
const IGNORED_MAX: usize = 20;
const IGNORED_NAME_MAX: usize = 64;

/// A call as the caller made it.
pub(super) struct Call {
    pub(super) token: HookToken,
    pub(super) caller: String,
    pub(super) ignored: Vec<String>,
    branch: Option<Branch>,
    commit: Option<Commit>,
    clear_cache: bool,
    pub(super) address: Option<IpAddr>,
    key: Option<String>,
    as_sent: String,
}

impl Call {
    /// Reads parameters and headers; no database is asked.
    ///
    /// # Errors
    /// 400 that names the parameter.
    pub(super) fn read(
        request: &Request,
        query: &Query,
        has_body: bool,
        token: HookToken,
        caller: String,
    ) -> Result<Self, Invalid> {
        Ok(Self {
            token,
            caller,
            ignored: ignored(query, has_body),
            branch: read_branch(query.get("branch"))?,
            commit: read_commit(query.get("commit"))?,
            clear_cache: query.flag("clear_cache")?,
            address: address(request),
            key: idempotency_key(request)?,
            as_sent: query.canonical(&KNOWN),
        })
    }

    /// The deployment that the call asks for.
    pub(super) fn deployment(&self, service: &Service, verified: &hooks::Verified) -> NewDeployment {
        NewDeployment {
            service_id: service.id.clone(),
            executor: service.executor,
            trigger: Trigger::Hook(verified.hook.id.clone()),
            hook_generation: Some(verified.generation),
            caller: self.caller.clone(),
            branch: self.branch.clone().unwrap_or_else(|| service.default_branch.clone()),
            commit: self.commit.clone(),
            clear_cache: self.clear_cache,
            image: None,
            ignored_parameters: self.ignored.clone(),
        }
    }
}

/// The names of what means nothing: unknown parameters, and a body.
fn ignored(query: &Query, has_body: bool) -> Vec<String> {
    let unknown = query.unknown(&KNOWN).into_iter().take(IGNORED_MAX);
    let mut names: Vec<String> = unknown.map(|name| name.chars().take(IGNORED_NAME_MAX).collect()).collect();
    if has_body && !names.iter().any(|name| name == BODY) {
        names.push(BODY.to_owned());
    }
    names
}

fn idempotency_key(request: &Request) -> Result<Option<String>, Invalid> {
    let Some(value) = request.headers().get("idempotency-key") else { return Ok(None) };
    let is_key =
        |key: &str| (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    match value.to_str() {
        Ok(key) if is_key(key) => Ok(Some(key.to_owned())),
        _ => Err(Invalid::new(
            "Idempotency-Key",
            "must be 1 to 255 visible ASCII characters; an empty one is an unset CI variable",
        )),
    }
}

/// What became of a call. Both kinds keep their rows: only the database's own failures are errors.
pub(super) enum Decision {
    /// It stands for a durable deployment.
    Accepted(Accepted),
    /// It does not.
    Refused(Error),
}

/// An accepted call.
pub(super) struct Accepted {
    pub(super) id: DeploymentId,
    /// The five keys, as first sent.
    pub(super) body: String,
    pub(super) is_replay: bool,
    pub(super) is_coalesced: bool,
    /// When the secret that was used was replaced, where it was.
    pub(super) rotated: Option<Timestamp>,
    /// Until when it is good, where it was replaced.
    pub(super) sunset: Option<Timestamp>,
}

/// The five keys of the contract, in their order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AcceptedBody<'a> {
    deployment_id: &'a DeploymentId,
    service: &'a str,
    status: &'a str,
    branch: &'a Branch,
    dashboard_url: String,
}

/// The body of a 202.
pub(super) fn accepted_body(urls: &Urls, id: &DeploymentId, service: &str, branch: &Branch) -> String {
    let dashboard_url = urls.deployment_page(id);
    let body = AcceptedBody { deployment_id: id, service, status: "queued", branch, dashboard_url };
    serde_json::to_string(&body).unwrap_or_default()
}

/// Decides on a call, in the order of the contract, and stores what comes of it.
pub(super) fn decide(
    tx: &Tx<'_>,
    state: &AppState,
    call: &Call,
    now: Timestamp,
) -> Result<Decision, db::Error> {
    let Some((verified, service)) = open(tx, call, now)? else {
        return Ok(Decision::Refused(Error::UnknownHook));
    };
    let decision = match replay(tx, call, &verified.hook, now)? {
        Some(decision) => decision,
        None => accept(tx, state, call, &verified, &service, now)?,
    };
    note(tx, call, &verified.hook, &decision, now)?;
    Ok(match decision {
        Decision::Accepted(accepted) if verified.generation < verified.hook.generation => {
            let (rotated, sunset) = (verified.hook.rotated_at, verified.hook.previous_until);
            Decision::Accepted(Accepted { rotated, sunset, ..accepted })
        }
        decision => decision,
    })
}

/// The hook that the call's token opens, and its service.
pub(super) fn open(
    reader: &Reader<'_>,
    call: &Call,
    now: Timestamp,
) -> Result<Option<(hooks::Verified, Service)>, db::Error> {
    let Some(verified) = hooks::verify(reader, &call.token, now)? else { return Ok(None) };
    Ok(services::find(reader, &verified.hook.service_id)?.map(|service| (verified, service)))
}

fn replay(tx: &Tx<'_>, call: &Call, hook: &Hook, now: Timestamp) -> Result<Option<Decision>, db::Error> {
    let Some(key) = &call.key else { return Ok(None) };
    let Some(answer) = idempotency::find(tx, &hook.id, key, now)? else { return Ok(None) };
    if answer.parameters != call.as_sent {
        return Ok(Some(Decision::Refused(Error::KeyReused)));
    }
    Ok(DeploymentId::parse(&answer.deployment_id).map(|id| {
        let body = answer.body;
        Decision::Accepted(Accepted {
            id,
            body,
            is_replay: true,
            is_coalesced: false,
            rotated: None,
            sunset: None,
        })
    }))
}

/// The refusals that depend on the hook, the service and the server, in the order of the contract.
pub(super) fn refusals(
    state: &AppState,
    (branch, address): (&Branch, Option<IpAddr>),
    hook: &Hook,
    service: &Service,
    room: &Room,
    is_short_of_space: bool,
) -> Vec<Error> {
    let mut found = Vec::new();
    if !hook.rules.allows_branch(branch) {
        let detail = format!("this hook may not deploy branch {branch}");
        found.push(Error::Forbidden { code: "branch_not_allowed", detail });
    }
    if !hook.rules.allows_address(address) {
        let detail = "this hook may not be called from this address".to_owned();
        found.push(Error::Forbidden { code: "address_not_allowed", detail });
    }
    if let Some(reason) = &service.frozen {
        found.push(Error::frozen(reason));
    }
    if let Some(reason) = &hook.rules.paused {
        found.push(Error::Locked { code: "hook_paused", detail: format!("this hook is paused: {reason}") });
    }
    if *room == Room::Full {
        found.push(Error::queue_full(service));
    }
    if is_short_of_space {
        found.push(Error::disk_nearly_full());
    }
    if !state.settings().available.has(service.executor) {
        found.push(Error::no_executor(service.executor));
    }
    found
}

fn accept(
    tx: &Tx<'_>,
    state: &AppState,
    call: &Call,
    verified: &hooks::Verified,
    service: &Service,
    now: Timestamp,
) -> Result<Decision, db::Error> {
    let new = call.deployment(service, verified);
    let room = queue::room(tx, &new, service.queue_policy, state.settings().queue_limit)?;
    let asked = (&new.branch, call.address);
    let refusals = refusals(state, asked, &verified.hook, service, &room, tx.is_short_of_space());
    if let Some(first) = refusals.into_iter().next() {
        return Ok(Decision::Refused(first));
    }
    let (id, is_coalesced) = match queue::take(tx, &new, service.queue_policy, room, now)? {
        Place::New(id) => (id, false),
        Place::Joined(id) => (id, true),
        Place::Full => return Ok(Decision::Refused(Error::queue_full(service))),
    };
    let body = accepted_body(state.urls(), &id, service.name.as_str(), &new.branch);
    if let Some(key) = &call.key {
        idempotency::insert(tx, &verified.hook.id, key, &call.as_sent, &id, &body, now)?;
    }
    Ok(Decision::Accepted(Accepted { id, body, is_replay: false, is_coalesced, rotated: None, sunset: None }))
}

/// Keeps refusals and what made no deployment of its own for the hook's page.
fn note(tx: &Tx<'_>, call: &Call, hook: &Hook, decision: &Decision, now: Timestamp) -> Result<(), db::Error> {
    let (result, detail) = match decision {
        Decision::Refused(error) => (error.code(), error.detail()),
        Decision::Accepted(accepted) if accepted.is_replay => ("replayed", accepted.id.to_string()),
        Decision::Accepted(accepted) if accepted.is_coalesced => ("coalesced", accepted.id.to_string()),
        Decision::Accepted(_) => return Ok(()),
    };
    hook_calls::count(tx, &hook.id, result, &detail, &call.caller, 1, now)
}
