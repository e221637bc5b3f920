//! Who calls: an operator's session, the socket, an API token, or the hook token that started a deployment.

use std::net::IpAddr;
use std::time::Duration;

use poem::Request;
use poem::http::Method;

use crate::db::audit::Actor;
use crate::db::{operators::Operator, sessions, tokens};
use crate::domain::{
    ApiToken, Deployment, HookId, HookToken, Scope, ServiceId, Timestamp, TokenHash, Trigger,
};

use super::error::Error;
use super::front::Peer;
use super::request::{address, address_text, bearer, header};
use super::state::AppState;

/// Name of the session cookie where pages are reached by https.
const SECURE_COOKIE: &str = "__Host-stackblaze";
/// Name of it over plain http, where browsers refuse the prefix.
const PLAIN_COOKIE: &str = "stackblaze";

/// How long after signing in, or giving the password, a session may make secrets.
const FRESH: Duration = Duration::from_mins(10);

/// A caller whose credential is good.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// Through the socket in the data directory; the file's permissions are the credential.
    Socket,
    /// An operator's session. `confirmed_at` is when they last signed in or gave their password; none where they have
    /// no password.
    Operator { operator: Operator, session: [u8; 32], confirmed_at: Option<Timestamp> },
    /// An API token.
    Token { id: String, name: String, scope: Scope, service: Option<ServiceId> },
    /// A hook token; good for the deployments that it started.
    Hook { hook: HookId },
}

impl Caller {
    /// The name that goes into the audit.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Socket => "operator on the server".to_owned(),
            Self::Operator { operator, .. } => format!("operator {}", operator.name),
            Self::Token { name, .. } => format!("token {name}"),
            Self::Hook { hook } => format!("hook …{}", hook.short()),
        }
    }

    /// What tells this credential from every other; no secret.
    pub(super) fn credential(&self) -> String {
        match self {
            Self::Socket => "socket".to_owned(),
            Self::Operator { session, .. } => format!("session {session:02x?}"),
            Self::Token { id, .. } => format!("token {id}"),
            Self::Hook { hook } => format!("hook {}", hook.as_str()),
        }
    }

    /// Whether the caller may do what needs `scope` to things of `service`; none: to the whole server.
    pub(super) fn may(&self, scope: Scope, service: Option<&ServiceId>) -> bool {
        match self {
            Self::Socket | Self::Operator { .. } => true,
            Self::Token { scope: own, service: only, .. } => {
                *own >= scope && only.as_ref().is_none_or(|only| Some(only) == service)
            }
            Self::Hook { .. } => false,
        }
    }

    /// The one service whose things the caller may reach; none where there is no such limit.
    pub(super) fn only_service(&self) -> Option<&ServiceId> {
        match self {
            Self::Token { service, .. } => service.as_ref(),
            _ => None,
        }
    }

    /// Whether the caller may see the log and the details of a deployment.
    pub(super) fn may_see(&self, deployment: &Deployment) -> bool {
        match (self, &deployment.trigger) {
            (Self::Hook { hook }, Trigger::Hook(own)) => hook == own,
            (Self::Hook { .. }, _) => false,
            _ => self.may(Scope::Read, Some(&deployment.service_id)),
        }
    }

    /// Refuses a caller who may not.
    ///
    /// # Errors
    /// 403 that names the scope.
    pub(super) fn require(&self, scope: Scope, service: Option<&ServiceId>) -> Result<(), Error> {
        if self.may(scope, service) {
            return Ok(());
        }
        let detail = format!("{} may not do this; it needs scope {}", self.name(), scope.as_str());
        Err(Error::Forbidden { code: "scope", detail })
    }
}

/// Who acts, for the audit.
pub(super) fn actor(caller: &Caller, request: &Request) -> Actor {
    Actor { name: caller.name(), address: address_text(request) }
}

/// Finds out who calls; none without a credential.
///
/// # Errors
/// 401 for a credential that is not good, 403 for a session's unsafe request from a foreign page.
pub(super) async fn find(state: &AppState, request: &Request) -> Result<Option<Caller>, Error> {
    if request.data::<Peer>() == Some(&Peer::Socket) {
        return Ok(Some(Caller::Socket));
    }
    if let Some(token) = bearer(request.headers()) {
        return from_token(state, token, address(request)).await.map(Some);
    }
    if request.headers().contains_key("authorization") {
        return Err(Error::Unauthenticated("the Authorization header must be: Bearer <token>"));
    }
    let Some(caller) = from_session(state, request).await? else { return Ok(None) };
    if !is_safe(request.method()) {
        check_origin(state, request)?;
    }
    Ok(Some(caller))
}

/// The same for what nobody may do without a credential.
///
/// # Errors
/// 401 also where there is none.
pub(super) async fn require(state: &AppState, request: &Request) -> Result<Caller, Error> {
    let caller = find(state, request).await?;
    caller.ok_or(Error::Unauthenticated("this needs an API token (Authorization: Bearer …) or a session"))
}

/// The caller that the guard before this handler let in.
///
/// # Errors
/// 401 where no guard stands before the handler.
pub(super) fn caller(request: &Request) -> Result<Caller, Error> {
    request.data::<Caller>().cloned().ok_or(Error::Unauthenticated("this needs a credential"))
}

/// An operator's own session; others have none.
///
/// # Errors
/// 403.
pub(super) fn own_session(caller: &Caller) -> Result<(Operator, TokenHash), Error> {
    if let Caller::Operator { operator, session, .. } = caller
        && let Some(hash) = TokenHash::from_bytes(session)
    {
        return Ok((operator.clone(), hash));
    }
    let detail = "this is for an operator's own session".to_owned();
    Err(Error::Forbidden { code: "session_needed", detail })
}

/// Whether the caller may make a secret now: everybody but a session whose operator has a password and gave it, or
/// signed in, more than 10 minutes ago.
pub(super) fn is_fresh(state: &AppState, caller: &Caller) -> bool {
    match caller {
        Caller::Operator { confirmed_at: Some(at), .. } => state.clock().now().since(*at) < FRESH,
        _ => true,
    }
}

/// Refuses to make a secret (a hook URL, an API token, a sign-in link) for a session that is not fresh. To be called
/// first in the handler of the POST:
///
/// `auth::fresh(&state, &caller, "/services/api/settings/deploy-hooks")?;`
///
/// A page's answer leads to `/confirm`, which asks for the password and leads back to `back`, the path of the form;
/// what was posted is given again there. An endpoint for programs answers 403 `unconfirmed`.
///
/// # Errors
/// Where the password has to be given first.
pub(super) fn fresh(state: &AppState, caller: &Caller, back: &str) -> Result<(), Error> {
    if is_fresh(state, caller) {
        return Ok(());
    }
    Err(Error::Unconfirmed { back: back.to_owned() })
}

/// Whether a credential that was good still is. A database that does not answer ends nothing.
pub(super) async fn is_good(state: &AppState, caller: &Caller) -> bool {
    let (caller, now) = (caller.clone(), state.clock().now());
    let look = move |reader: &crate::db::Reader<'_>| match &caller {
        Caller::Socket => Ok(true),
        Caller::Operator { session, .. } => match TokenHash::from_bytes(session) {
            Some(hash) => sessions::find(reader, &hash, now).map(|found| found.is_some()),
            None => Ok(false),
        },
        Caller::Token { id, .. } => tokens::is_live(reader, id, now),
        Caller::Hook { hook } => crate::db::hooks::is_live(reader, hook, now),
    };
    state.db().read(look).await.unwrap_or(true)
}

async fn from_token(state: &AppState, text: &str, from: Option<IpAddr>) -> Result<Caller, Error> {
    const UNKNOWN: Error = Error::Unauthenticated("unknown, revoked or expired token");
    let now = state.clock().now();
    if let Some(token) = HookToken::parse(state.key(), text) {
        let found = state.db().read(move |reader| crate::db::hooks::verify(reader, &token, now)).await?;
        // A hook that may not be called from there, or not now, shows nothing either.
        let hook = found
            .map(|verified| verified.hook)
            .filter(|hook| hook.rules.paused.is_none() && hook.rules.allows_address(from));
        return hook.map(|hook| Caller::Hook { hook: hook.id }).ok_or(UNKNOWN);
    }
    let token = ApiToken::parse(state.key(), text).ok_or(UNKNOWN)?;
    let row = state.db().read(move |reader| tokens::verify(reader, &token, now)).await?.ok_or(UNKNOWN)?;
    // To the minute, so that polling with a token does not write.
    if row.last_used_at.is_none_or(|at| now.since(at).as_secs() >= 60) {
        let id = row.id.clone();
        noted(state.db().try_write(move |tx| tokens::touch(tx, &id, now)).await);
    }
    Ok(Caller::Token { id: row.id, name: row.name, scope: row.scope, service: row.service.map(|(id, _)| id) })
}

async fn from_session(state: &AppState, request: &Request) -> Result<Option<Caller>, Error> {
    let Some(secret) = cookie(request, cookie_name(state)) else { return Ok(None) };
    let (hash, now) = (TokenHash::of(secret), state.clock().now());
    let session = *hash.as_bytes();
    let wanted = hash.clone();
    let Some(found) = state.db().read(move |reader| sessions::find(reader, &wanted, now)).await? else {
        return Ok(None);
    };
    if found.is_stale {
        noted(state.db().try_write(move |tx| sessions::touch(tx, &hash, now)).await);
    }
    let confirmed_at = found.has_password.then_some(found.confirmed_at);
    Ok(Some(Caller::Operator { operator: found.operator, session, confirmed_at }))
}

/// A use that could not be stored keeps nobody from reading.
fn noted(stored: Result<(), crate::db::Error>) {
    if let Err(error) = stored {
        tracing::warn!(error = %error, "the use of a credential could not be stored");
    }
}

fn cookie_name(state: &AppState) -> &'static str {
    if state.urls().is_https() { SECURE_COOKIE } else { PLAIN_COOKIE }
}

fn cookie<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let cookies = header(request.headers(), "cookie")?;
    cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(own, _)| *own == name)
        .map(|(_, value)| value)
}

/// The `Set-Cookie` that begins a session, or ends it where there is no secret.
pub(super) fn set_cookie(state: &AppState, secret: Option<&str>) -> String {
    let secure = if state.urls().is_https() { "; Secure" } else { "" };
    let end = if secret.is_some() { "" } else { "; Max-Age=0" };
    format!(
        "{}={}; Path=/; HttpOnly; SameSite=Lax{secure}{end}",
        cookie_name(state),
        secret.unwrap_or_default()
    )
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Refuses an unsafe request that a browser sends for a foreign page: `Sec-Fetch-Site` decides where it is there, else
/// `Origin` has to be ours; without either it is no browser, and so no cookie of a browser is at stake.
///
/// # Errors
/// 403.
pub(super) fn check_origin(state: &AppState, request: &Request) -> Result<(), Error> {
    let is_ours = match (header(request.headers(), "sec-fetch-site"), header(request.headers(), "origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => is_our_origin(state, request, origin),
        (None, None) => true,
    };
    if is_ours {
        return Ok(());
    }
    Err(Error::Forbidden {
        code: "foreign_origin",
        detail: "this form was sent from another site".to_owned(),
    })
}

fn is_our_origin(state: &AppState, request: &Request, origin: &str) -> bool {
    let configured = [state.urls().dashboard(), state.urls().public()];
    // The whole origin: `https://deploy.example.co` begins `https://deploy.example.com` and is somebody else's.
    let is_of =
        |url: &&str| url.strip_prefix(origin).is_some_and(|path| path.is_empty() || path.starts_with('/'));
    let host = header(request.headers(), "host").unwrap_or_default();
    // A page reached by another address than the configured one still comes from the host that it posts to.
    let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    own.is_some_and(|own| !own.is_empty() && (own == host || configured.iter().any(is_of)))
}
