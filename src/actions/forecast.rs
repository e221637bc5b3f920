//! What a call of a hook would come to. Looks at the database alone; stores and starts nothing.

use std::net::IpAddr;

use crate::actions::trigger::{Asked, Call, refusals};
use crate::actions::{Context, Error, Result};
use crate::db::deployments::NewDeployment;
use crate::db::queue::{self, Room};
use crate::db::{self, Reader, checks, hooks};
use crate::domain::{
    Branch, CalledService, Checks, Commit, DeploymentId, GitRef, Hook, ImageReference, Service, Timestamp,
    Trigger, Who,
};

/// What is known before a call is made.
pub struct Forecast {
    /// What the call would be answered, the first of them; none where it would be accepted.
    pub refusals: Vec<Error>,
    /// The queued deployment that it would join.
    pub joins: Option<DeploymentId>,
    /// What was found out about the service's needs.
    pub checks: Option<Checks>,
}

/// The forecast of one call, with what it would deploy.
pub struct CallForecast {
    pub forecast: Forecast,
    /// The service's name.
    pub service: String,
    /// Which branch or tag.
    pub branch: GitRef,
    /// Which commit, where one was named.
    pub commit: Option<Commit>,
    /// Whether it would build afresh.
    pub clear_cache: bool,
    /// The image that it would deploy, where none is built.
    pub image: Option<ImageReference>,
}

/// Weighs a deployment that this hook would ask for from an address.
fn weigh(
    reader: &Reader<'_>,
    context: &Context,
    new: &NewDeployment,
    address: Option<IpAddr>,
    service: &CalledService,
    hook: &Hook,
) -> Result<Forecast> {
    let room = queue::room(reader, new, service.queue_policy, context.settings().queue_limit)?;
    let is_short_of_space = context.db().is_short_of_space();
    let asked = Asked { new, address, hook, service, room: &room, is_short_of_space };
    let mut refusals = refusals(context, asked);
    if !context.db().is_ready() {
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
pub fn of_hook(
    reader: &Reader<'_>,
    context: &Context,
    service: &Service,
    hook: &Hook,
    branch: &Branch,
) -> Result<Forecast> {
    let new = NewDeployment {
        service_id: service.id.clone(),
        executor: service.executor,
        trigger: Trigger::Hook(hook.id.clone()),
        hook_generation: Some(hook.generation),
        who: Who::HookUrl(String::new()),
        branch: branch.clone().into(),
        commit: None,
        clear_cache: false,
        note: None,
        asked_image: None,
        promoted_from: None,
        image: None,
        ignored_parameters: Vec::new(),
        traceparent: None,
    };
    let from_anywhere = Hook { rules: hook.rules.clone().from_anywhere(), ..hook.clone() };
    weigh(reader, context, &new, None, &service.into(), &from_anywhere)
}

/// What a call would do.
///
/// # Errors
/// Code `unknown_hook`, as for the call itself.
pub fn of_call(reader: &Reader<'_>, context: &Context, call: &Call, now: Timestamp) -> Result<CallForecast> {
    let verified = hooks::verify(reader, &call.token, now)?.ok_or_else(Error::unknown_hook)?;
    let new = call.deployment(reader, &verified)?;
    let forecast = weigh(reader, context, &new, call.address, &verified.service, &verified.hook)?;
    let (service, branch) = (verified.service.name.to_string(), new.branch);
    let (commit, clear_cache, image) = (new.commit, new.clear_cache, new.asked_image);
    Ok(CallForecast { forecast, service, branch, commit, clear_cache, image })
}
