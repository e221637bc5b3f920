//! Who calls: an operator's session, the socket, an API token, or the hook token that started a deployment.

use std::net::IpAddr;

use poem::Request;
use poem::http::Method;

use crate::actions::{Caller, Context};
use crate::db::{self, hooks, sessions, tokens};
use crate::domain::{ApiToken, Code, HookToken, TokenHash};
use crate::web::error::Error;
use crate::web::front::Peer;
use crate::web::request::{FOLLOWS, address, bearer, header};

/// Name of the session cookie where pages are reached by https.
const SECURE_COOKIE: &str = "__Host-stackblaze";
/// Name of it over plain http, where browsers refuse the prefix.
const PLAIN_COOKIE: &str = "stackblaze";
/// Digits of the server key's fingerprint that tell the cookies of two servers apart.
const COOKIE_DIGITS: usize = 8;

/// Finds out who calls; none without a credential.
///
/// # Errors
/// 401 for a credential that is not good, 403 for a session's unsafe request from a foreign page.
pub(super) async fn find(context: &Context, request: &Request) -> Result<Option<Caller>, Error> {
    if request.data::<Peer>() == Some(&Peer::Socket) {
        return Ok(Some(Caller::Socket));
    }
    if let Some(token) = bearer(request.headers()) {
        return from_token(context, token, address(request)).await.map(Some);
    }
    if request.headers().contains_key("authorization") {
        return Err(Error::unauthenticated("the Authorization header must be: Bearer <token>"));
    }
    let Some(caller) = from_session(context, request).await? else { return Ok(None) };
    if !is_safe(request.method()) {
        check_origin(context, request)?;
    }
    Ok(Some(caller))
}

/// Whether a request brings nothing by which [`find`] could know its caller.
pub(super) fn is_stranger(request: &Request) -> bool {
    let headers = request.headers();
    let has_none = !headers.contains_key("authorization") && !headers.contains_key("cookie");
    has_none && request.data::<Peer>() != Some(&Peer::Socket)
}

/// The same for what nobody may do without a credential.
///
/// # Errors
/// 401 also where there is none.
pub(super) async fn require(context: &Context, request: &Request) -> Result<Caller, Error> {
    let caller = find(context, request).await?;
    let missing = "this needs an API token (Authorization: Bearer …) or a session";
    caller.ok_or_else(|| Error::unauthenticated(missing))
}

/// Whether a credential that was good still is. A database that does not answer ends nothing.
pub(super) async fn is_good(context: &Context, caller: &Caller) -> bool {
    let (caller, now) = (caller.clone(), context.clock().now());
    context.db().core().read(move |reader| caller.is_still_good(reader, now)).await.unwrap_or(true)
}

async fn from_token(context: &Context, text: &str, from: Option<IpAddr>) -> Result<Caller, Error> {
    let unknown = || Error::unauthenticated("unknown, revoked or expired token");
    let now = context.clock().now();
    if let Some(token) = HookToken::parse(context.key(), text) {
        let found = context.db().core().read(move |reader| hooks::verify(reader, &token, now)).await?;
        // A hook that may not be called from there, or not now, shows nothing either.
        let hook = found
            .map(|verified| verified.hook)
            .filter(|hook| hook.rules.paused.is_none() && hook.rules.allows_address(from));
        return hook.map(|hook| Caller::Hook { hook: hook.id }).ok_or_else(unknown);
    }
    let token = ApiToken::parse(context.key(), text).ok_or_else(unknown)?;
    let row = context
        .db()
        .core()
        .read(move |reader| tokens::verify(reader, &token, now))
        .await?
        .ok_or_else(unknown)?;
    // To the minute, so that polling with a token does not write.
    if row.last_used_at.is_none_or(|at| now.since(at).as_secs() >= 60) {
        let id = row.id.clone();
        noted(context.db().core().try_write(move |tx| tokens::touch(tx, &id, now)).await);
    }
    Ok(Caller::Token { id: row.id, name: row.name, scope: row.scope, service: row.service })
}

async fn from_session(context: &Context, request: &Request) -> Result<Option<Caller>, Error> {
    let Some(secret) = cookie(request, &cookie_name(context)) else { return Ok(None) };
    let (hash, now) = (TokenHash::of(&secret), context.clock().now());
    let session = *hash.as_bytes();
    let wanted = hash.clone();
    let Some(found) = context.db().core().read(move |reader| sessions::find(reader, &wanted, now)).await?
    else {
        return Ok(None);
    };
    // A page that is left open follows for ever; its reader may be gone.
    if found.is_stale && !request.headers().contains_key(FOLLOWS) {
        noted(context.db().core().try_write(move |tx| sessions::touch(tx, &hash, now)).await);
    }
    let confirmed_at = found.has_password.then_some(found.confirmed_at);
    Ok(Some(Caller::Operator { operator: found.operator, session, confirmed_at }))
}

/// A use that could not be stored keeps nobody from reading.
fn noted(stored: Result<(), db::Error>) {
    if let Err(error) = stored {
        tracing::warn!(error = %error, "the use of a credential could not be stored");
    }
}

/// A browser knows hosts and no ports, so that two servers on one host need two names.
pub(super) fn cookie_name(context: &Context) -> String {
    let name = if context.urls().is_https() { SECURE_COOKIE } else { PLAIN_COOKIE };
    let own: String = context.key().fingerprint().chars().take(COOKIE_DIGITS).collect();
    format!("{name}-{own}")
}

/// The value of a cookie. Read as bytes over all lines: what neighbours on the same host have set may be anything.
fn cookie(request: &Request, name: &str) -> Option<String> {
    let lines = request.headers().get_all("cookie").into_iter();
    let mut pairs =
        lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    let value = pairs.find_map(|pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))?;
    String::from_utf8(value.to_vec()).ok()
}

/// The `Set-Cookie` that begins a session, or ends it where there is no secret.
pub(super) fn set_cookie(context: &Context, secret: Option<&str>) -> String {
    let secure = if context.urls().is_https() { "; Secure" } else { "" };
    let end = if secret.is_some() { "" } else { "; Max-Age=0" };
    format!(
        "{}={}; Path=/; HttpOnly; SameSite=Lax{secure}{end}",
        cookie_name(context),
        secret.unwrap_or_default()
    )
}

pub(super) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Refuses an unsafe request that a browser sends for a foreign page: `Sec-Fetch-Site` decides where it is there, else
/// `Origin` has to be ours; without either it is no browser, and so no cookie of a browser is at stake.
///
/// # Errors
/// 403.
pub(super) fn check_origin(context: &Context, request: &Request) -> Result<(), Error> {
    let is_plain = header(request.headers(), "origin").is_some_and(|origin| origin.starts_with("http://"));
    if is_plain && context.urls().is_https() {
        let detail = "this page came by http, where the browser keeps no session; open it by the dashboard's https address";
        return Err(Error::new(Code::ForeignOrigin, detail));
    }
    let is_ours = match (header(request.headers(), "sec-fetch-site"), header(request.headers(), "origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => is_our_origin(context, request, origin),
        (None, None) => true,
    };
    if is_ours {
        return Ok(());
    }
    Err(Error::new(Code::ForeignOrigin, "this form was sent from another site"))
}

fn is_our_origin(context: &Context, request: &Request, origin: &str) -> bool {
    let configured = [context.urls().dashboard(), context.urls().public()];
    // The whole origin: `https://deploy.example.co` begins `https://deploy.example.com` and is somebody else's.
    let is_of =
        |url: &&str| url.strip_prefix(origin).is_some_and(|path| path.is_empty() || path.starts_with('/'));
    let host = header(request.headers(), "host").unwrap_or_default();
    // A page reached by another address than the configured one still comes from the host that it posts to.
    let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    own.is_some_and(|own| !own.is_empty() && (own == host || configured.iter().any(is_of)))
}
