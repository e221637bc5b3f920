//! The trigger: one POST to a secret URL becomes one durable deployment.
//!
//! The order of the checks is part of the contract: method, shape and MAC of the token, body, parameters, the hook's
//! budget; then, in the one transaction that also inserts: the hook, replay, rules, freeze, queue, disk, executor.

mod budget;
mod dry_run;
mod gate;

use poem::http::{HeaderValue, StatusCode};
use poem::web::Data;
use poem::{Body, Request, Response, handler};

use crate::actions::trigger::{AcceptedCall, Call, Decision, PARAMETERS, decide, revoke_by_url};
use crate::actions::wanted::Wanted;
use crate::actions::{self, Context, describe_caller};
use crate::domain::{HookToken, Invalid};
use crate::web::api::{accepted, json_text, no_content};
use crate::web::error::Error;
use crate::web::front::{Accepted, discard};
use crate::web::pages;
use crate::web::request::{
    Query, address, address_text, bearer, header, ignored_header, prefers, traceparent,
};
use crate::web::state::AppState;
use crate::wire::deploy::Words;

use dry_run::dry_run;
pub use gate::gate;

/// Largest body that is read and thrown away, in bytes.
const BODY_MAX: usize = 1024 * 1024;
/// Longest Idempotency-Key, in bytes.
const KEY_MAX: usize = 255;
/// Stands among what is ignored for a body that was not empty.
const BODY: &str = "body";
/// What somebody reads who sends GET.
const USE_POST: &str = "this is a deploy hook; it takes POST only, so that link previews cannot deploy: \
    curl --fail-with-body -X POST \"$STACKBLAZE_DEPLOY_HOOK\"";

/// `POST /deploy-hooks/{token}`, and `/deploy-hooks` with a Bearer token; a trailing slash is served.
#[handler]
pub(in crate::web) async fn trigger(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let answer = call(request, body, &state).await;
    state.hook_calls().count(&answer);
    answer
}

async fn call(request: &Request, body: Body, state: &AppState) -> Result<Response, Error> {
    let token = token(request, state.context())?;
    let has_body = discard(body, BODY_MAX).await?;
    let query = Query::parse(request)?;
    let (call, is_dry) = read_call(request, &query, has_body, token)?;
    budget::spend(state, &call).await?;
    let ignored = call.ignored.clone();
    if is_dry {
        let mut response = json_text(StatusCode::OK, dry_run(state, call, &ignored).await?);
        set_headers(&mut response, ignored_header(&ignored));
        return Ok(response);
    }
    let now = state.clock().now();
    let decision = state.context().run(move |tx, context| decide(tx, context, &call, now)).await?;
    match decision {
        Decision::Accepted(accepted) => Ok(answer(accepted, &ignored)),
        Decision::Refused(error) => Err(error.into()),
    }
}

/// `DELETE` there revokes that hook, also by an old secret in grace; nothing else stops it.
#[handler]
pub(in crate::web) async fn revoke(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let token = token(request, state.context())?;
    discard(body, BODY_MAX).await?;
    let (caller, address, now) = (caller_of(request), address_text(request), state.clock().now());
    let revoke = state.context().run(move |tx, _| revoke_by_url(tx, &token, caller, address, now));
    revoke.await?;
    state.streams().check_now();
    Ok(no_content())
}

/// What GET and other methods get: the same for every URL, genuine or not. A browser gets a page.
pub(in crate::web) fn use_post(request: &Request, allow: String) -> Result<Response, Error> {
    if prefers(request.headers(), "text/html") {
        return Ok(pages::hook_takes_post_only(&allow));
    }
    Err(Error::MethodNotAllowed { allow, detail: Some(USE_POST) })
}

/// The token in the path, or in the header where the path has none.
///
/// # Errors
/// 401 where it is no token of this server; 400 where both are given and differ.
fn token(request: &Request, context: &Context) -> Result<HookToken, Error> {
    let path = request.original_uri().path();
    let in_path = path.strip_prefix("/deploy-hooks").unwrap_or_default().trim_matches('/');
    // `%5F` and `_` are the same address (RFC 3986, 6.2.2.2).
    let in_path = percent_encoding::percent_decode_str(in_path).decode_utf8_lossy();
    let in_header = bearer(request.headers());
    let given = if in_path.is_empty() { in_header.unwrap_or_default() } else { &*in_path };
    let token = request.data::<HookToken>().cloned().or_else(|| HookToken::parse(context.key(), given));
    let token = token.ok_or_else(actions::Error::unknown_hook)?;
    if in_header.is_some_and(|other| other != given) {
        let detail = "names another token than the URL; give one of them";
        return Err(Invalid::new("Authorization", detail).into());
    }
    Ok(token)
}

/// Network and program of whoever calls.
fn caller_of(request: &Request) -> String {
    describe_caller(address(request), header(request.headers(), "user-agent"))
}

/// Reads parameters and headers, and whether nothing is to be done; no database is asked.
///
/// # Errors
/// 400 that names every parameter at fault.
fn read_call(
    request: &Request,
    query: &Query,
    has_body: bool,
    token: HookToken,
) -> Result<(Call, bool), actions::Error> {
    let mut faults = Vec::new();
    let words = Words {
        branch: query.get("branch"),
        tag: query.get("tag"),
        commit: query.get("commit"),
        image: query.get("image"),
        from: query.get("from"),
        note: query.get("note"),
    };
    let clear_cache = query.flag("clear_cache");
    let cleared = matches!(clear_cache, Ok(true)).then_some("clear_cache");
    let call = Call {
        token,
        caller: caller_of(request),
        address: address(request),
        ignored: ignored(query, has_body),
        wanted: Wanted::read(words, cleared, &mut faults),
        clear_cache: kept(&mut faults, clear_cache),
        key: kept(&mut faults, idempotency_key(request)),
        as_sent: query.canonical(&PARAMETERS),
        traceparent: traceparent(request.headers()),
    };
    let is_dry = kept(&mut faults, query.flag("dry_run"));
    if faults.is_empty() { Ok((call, is_dry)) } else { Err(faults.into()) }
}

/// What was read; of something at fault nothing, and the fault is kept.
fn kept<T: Default>(faults: &mut Vec<Invalid>, read: Result<T, Invalid>) -> T {
    read.unwrap_or_else(|fault| {
        faults.push(fault);
        T::default()
    })
}

/// The names of what means nothing: unknown parameters, and a body.
fn ignored(query: &Query, has_body: bool) -> Vec<String> {
    let mut names = query.unknown(&PARAMETERS);
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

fn answer(call: AcceptedCall, ignored: &[String]) -> Response {
    let id = &call.id;
    let link = format!("</deployments/{id}/logs>; rel=\"logs\", </deployments/{id}/wait>; rel=\"wait\"");
    let mut texts = vec![("link", link)];
    texts.extend(call.is_replay.then(|| ("idempotency-replayed", "true".to_owned())));
    texts.extend(call.is_coalesced.then(|| ("deployment-coalesced", "true".to_owned())));
    texts.extend(ignored_header(ignored));
    texts.extend(call.rotated.map(|at| ("deprecation", format!("@{}", at.as_seconds()))));
    texts.extend(call.sunset.map(|at| ("sunset", at.http_date())));
    let told = Accepted { id: call.id, is_replay: call.is_replay, is_coalesced: call.is_coalesced };
    let mut response = accepted(told, call.body);
    set_headers(&mut response, texts);
    response
}

fn set_headers(response: &mut Response, texts: impl IntoIterator<Item = (&'static str, String)>) {
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(name, value);
        }
    }
}
