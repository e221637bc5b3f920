//! The trigger: one POST to a secret URL becomes one durable deployment.
//!
//! The order of the checks is part of the contract: method, shape and MAC of the token, body, parameters, the hook's
//! budget; then, in the one transaction that also inserts: the hook, replay, rules, freeze, queue, disk, executor.

use poem::http::{HeaderValue, Method, StatusCode};
use poem::web::Data;
use poem::{Body, Request, Response, handler};

use crate::db::audit::Actor;
use crate::db::{self, Tx, audit, hooks};
use crate::domain::{HookToken, Timestamp};

use super::super::error::Error;
use super::super::front::discard;
use super::super::pages;
use super::super::request::{Query, address, address_text, bearer, header, prefers};
use super::super::state::{AppState, describe_caller};
use super::dry_run::dry_run;
use super::hook_call::{Call, Decision, decide};
use super::{json_text, no_content};

/// What the resource takes.
const ALLOW: &str = "POST, DELETE, OPTIONS";
/// Largest body that is read and thrown away, in bytes.
const BODY_MAX: usize = 1024 * 1024;
/// What somebody reads who opens a hook URL in a browser or sends GET.
const USE_POST: &str = "this is a deploy hook; it takes POST only, so that link previews cannot deploy: \
    curl --fail-with-body -X POST \"$STACKBLAZE_DEPLOY_HOOK\"";

/// `/deploy-hooks/{token}` and `/deploy-hooks` with a Bearer token, all methods; a trailing slash is served.
#[handler]
pub(in crate::web) async fn deploy_hook(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    match *request.method() {
        Method::POST => trigger(request, body, &state).await,
        Method::DELETE => revoke(request, body, &state).await,
        Method::OPTIONS => {
            Ok(Response::builder().status(StatusCode::NO_CONTENT).header("allow", ALLOW).finish())
        }
        _ if prefers(request.headers(), "text/html") => Ok(pages::hook_takes_post_only(ALLOW)),
        _ => Err(Error::MethodNotAllowed { allow: ALLOW, detail: Some(USE_POST) }),
    }
}

/// The token in the path, or in the header where the path has none.
///
/// # Errors
/// 401 where it is no token of this server; 400 where both are given and differ.
fn token(request: &Request, state: &AppState) -> Result<HookToken, Error> {
    let path = request.original_uri().path();
    let in_path = path.strip_prefix("/deploy-hooks").unwrap_or_default().trim_matches('/');
    let in_header = bearer(request.headers());
    let given = if in_path.is_empty() { in_header.unwrap_or_default() } else { in_path };
    let token = HookToken::parse(state.key(), given).ok_or(Error::UnknownHook)?;
    if in_header.is_some_and(|other| other != given) {
        let detail = "names another token than the URL; give one of them";
        return Err(crate::domain::Invalid::new("Authorization", detail).into());
    }
    Ok(token)
}

async fn trigger(request: &Request, body: Body, state: &AppState) -> Result<Response, Error> {
    let token = token(request, state)?;
    let has_body = discard(body, BODY_MAX).await?;
    let query = Query::parse(request)?;
    let caller = describe_caller(address(request), header(request.headers(), "user-agent"));
    let call = Call::read(request, &query, has_body, token, caller)?;
    let is_dry = query.flag("dry_run")?;
    state.spend(&call.token.hook, &call.caller).map_err(|retry_after| Error::TooMany {
        code: "hook_budget",
        detail: "this hook is called more often than it may".to_owned(),
        retry_after,
    })?;
    let ignored = call.ignored.clone();
    if is_dry {
        let mut response = json_text(StatusCode::OK, dry_run(state, call).await?);
        set_headers(&mut response, ignored_header(&ignored));
        return Ok(response);
    }
    let (own_state, now) = (state.clone(), state.clock().now());
    let decision = state.db().try_write(move |tx| decide(tx, &own_state, &call, now)).await?;
    answer(decision, &ignored)
}

fn answer(decision: Decision, ignored: &[String]) -> Result<Response, Error> {
    let accepted = match decision {
        Decision::Accepted(accepted) => accepted,
        Decision::Refused(error) => return Err(error),
    };
    let id = &accepted.id;
    tracing::info!(deployment.id = %id, is_replay = accepted.is_replay, is_coalesced = accepted.is_coalesced, "hook call accepted");
    let mut response = super::accepted(id, accepted.body);
    let link = format!("</deployments/{id}/logs>; rel=\"logs\", </deployments/{id}/wait>; rel=\"wait\"");
    let mut texts = vec![("link", link)];
    texts.extend(accepted.is_replay.then(|| ("idempotency-replayed", "true".to_owned())));
    texts.extend(accepted.is_coalesced.then(|| ("deployment-coalesced", "true".to_owned())));
    texts.extend(ignored_header(ignored));
    texts.extend(accepted.rotated.map(|at| ("deprecation", format!("@{}", at.as_seconds()))));
    texts.extend(accepted.sunset.map(|at| ("sunset", at.http_date())));
    set_headers(&mut response, texts);
    Ok(response)
}

/// Names what the call had to no effect, where it had anything.
fn ignored_header(names: &[String]) -> Option<(&'static str, String)> {
    (!names.is_empty()).then(|| ("ignored-parameters", list_for_header(names)))
}

fn set_headers(response: &mut Response, texts: impl IntoIterator<Item = (&'static str, String)>) {
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(name, value);
        }
    }
}

/// Names as a header may carry them: anything but plain letters, digits and a few signs is percent-encoded again.
fn list_for_header(names: &[String]) -> String {
    let encode = |name: &String| {
        percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    names
        .iter()
        .map(encode)
        .map(|name| name.replace("%5F", "_").replace("%2D", "-"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `DELETE` on a hook URL revokes that hook, also by an old secret in grace; nothing else stops it.
async fn revoke(request: &Request, body: Body, state: &AppState) -> Result<Response, Error> {
    let token = token(request, state)?;
    discard(body, BODY_MAX).await?;
    let (address, now) = (address_text(request), state.clock().now());
    let revoked = state.write_credentials(move |tx| revoke_by_url(tx, &token, address, now)).await?;
    if revoked {
        return Ok(no_content());
    }
    Err(Error::UnknownHook)
}

fn revoke_by_url(tx: &Tx<'_>, token: &HookToken, address: String, now: Timestamp) -> Result<bool, db::Error> {
    let Some(verified) = hooks::verify(tx, token, now)? else { return Ok(false) };
    let hook = verified.hook;
    hooks::revoke(tx, &hook.id, now)?;
    let service = db::services::find(tx, &hook.service_id)?
        .map_or_else(String::new, |service| service.name.to_string());
    let actor = Actor { name: "whoever holds the hook URL".to_owned(), address };
    audit::record(
        tx,
        &actor,
        "hook.revoke",
        &format!("hook {service}/{}", hook.name),
        "by DELETE on its URL",
        now,
    )?;
    Ok(true)
}
