//! What a call of a hook would come to. Looks at the database alone; stores and starts nothing.

use std::net::IpAddr;

use poem::http::StatusCode;
use serde::Serialize;

use crate::db::deployments::NewDeployment;
use crate::db::queue::{self, Room};
use crate::db::{self, Reader, checks};
use crate::domain::{Branch, Checks, Commit, DeploymentId, Hook, Service, Span, Timestamp, Trigger, Verdict};

use super::super::error::Error;
use super::super::state::AppState;
use super::hook_call::{Call, open, refusals};

/// The answer to a dry run.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DryRun<'a> {
    #[serde(rename = "dryRun")]
    is_dry: bool,
    would_deploy: bool,
    service: &'a str,
    branch: &'a Branch,
    commit: Option<&'a Commit>,
    clear_cache: bool,
    joins: Option<DeploymentId>,
    failed: Vec<FailedCheck>,
}

/// One reason for which the call would be refused.
#[derive(Serialize)]
struct FailedCheck {
    status: u16,
    code: &'static str,
    detail: String,
}

impl FailedCheck {
    /// What the call itself would be answered.
    fn refusal(error: &Error) -> Self {
        Self { status: error.status().as_u16(), code: error.code(), detail: error.detail() }
    }
}

/// What would make the deployment of an accepted call fail: status 424, as its `/wait` would say.
fn bad_checks(found: Option<Checks>, now: Timestamp) -> impl Iterator<Item = FailedCheck> {
    found.into_iter().flat_map(move |checks| {
        let age = Span::from_secs(now.since(checks.at).as_secs());
        let bad = checks.findings.into_iter().filter(|finding| finding.verdict == Verdict::Bad);
        bad.map(move |finding| FailedCheck {
            status: StatusCode::FAILED_DEPENDENCY.as_u16(),
            code: "check_failed",
            detail: format!("{}, as of {age} ago", finding.detail),
        })
    })
}

/// What is known before a call is made.
pub(in crate::web) struct Forecast {
    /// What the call would be answered, the first of them; none where it would be accepted.
    pub(in crate::web) refusals: Vec<Error>,
    /// The queued deployment that it would join.
    pub(in crate::web) joins: Option<DeploymentId>,
    /// What was found out about the service's needs.
    pub(in crate::web) checks: Option<Checks>,
}

/// Weighs a deployment that this hook would ask for from an address.
fn weigh(
    reader: &Reader<'_>,
    state: &AppState,
    new: &NewDeployment,
    address: Option<IpAddr>,
    (service, hook): (&Service, &Hook),
) -> Result<Forecast, db::Error> {
    let room = queue::room(reader, new, service.queue_policy, state.settings().queue_limit)?;
    let is_short_of_space = state.db().is_short_of_space();
    let mut refusals = refusals(state, (&new.branch, address), hook, service, &room, is_short_of_space);
    if !state.db().is_ready() {
        refusals.push(db::Error::Unavailable("the database cannot be written").into());
    }
    let joins = match room {
        Room::Joins(id) if refusals.is_empty() => Some(id),
        _ => None,
    };
    Ok(Forecast { refusals, joins, checks: checks::find(reader, &service.id)? })
}

/// What a call of this hook for a branch would come to, whoever made it from wherever it may be made.
///
/// # Errors
/// Where the database cannot be read.
pub(in crate::web) fn forecast(
    reader: &Reader<'_>,
    state: &AppState,
    service: &Service,
    hook: &Hook,
    branch: &Branch,
) -> Result<Forecast, db::Error> {
    let new = NewDeployment {
        service_id: service.id.clone(),
        executor: service.executor,
        trigger: Trigger::Hook(hook.id.clone()),
        hook_generation: Some(hook.generation),
        caller: String::new(),
        branch: branch.clone(),
        commit: None,
        clear_cache: false,
        image: None,
        ignored_parameters: Vec::new(),
    };
    let from_anywhere = Hook { rules: hook.rules.clone().from_anywhere(), ..hook.clone() };
    weigh(reader, state, &new, None, (service, &from_anywhere))
}

/// Says what a call would do.
///
/// # Errors
/// 401 as for the call itself.
pub(super) async fn dry_run(state: &AppState, call: Call) -> Result<String, Error> {
    let (own, now) = (state.clone(), state.clock().now());
    let looked = state.db().read(move |reader| look(reader, &own, &call, now)).await?;
    looked.ok_or(Error::UnknownHook)
}

fn look(
    reader: &Reader<'_>,
    state: &AppState,
    call: &Call,
    now: Timestamp,
) -> Result<Option<String>, db::Error> {
    let Some((verified, service)) = open(reader, call, now)? else { return Ok(None) };
    let new = call.deployment(&service, &verified);
    let found = weigh(reader, state, &new, call.address, (&service, &verified.hook))?;
    let refused = found.refusals.iter().map(FailedCheck::refusal);
    let failed: Vec<_> = refused.chain(bad_checks(found.checks, now)).collect();
    let answer = DryRun {
        is_dry: true,
        would_deploy: failed.is_empty(),
        service: service.name.as_str(),
        branch: &new.branch,
        commit: new.commit.as_ref(),
        clear_cache: new.clear_cache,
        joins: found.joins,
        failed,
    };
    Ok(Some(serde_json::to_string(&answer).unwrap_or_default()))
}
