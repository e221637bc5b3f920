//! Signing in by name and password or by a one-time link, and signing out. A link's GET changes nothing, so that link
//! previews cannot use it up; its POST does.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Body, IntoResponse, Request, Response, handler};

use crate::db::audit::Actor;
use crate::db::operators::{self, Operator};
use crate::db::sessions::{self, Client, Link};
use crate::db::{Tx, audit};
use crate::domain::{Password, SessionToken, Timestamp, TokenHash};

use super::super::auth::{self, Caller};
use super::super::error::Error;
use super::super::request::{Query, address, address_text, form, header as header_of};
use super::super::sign_ins::{Tried, try_password};
use super::super::state::AppState;
use super::errors::ErrorPage;
use super::session_view::{LinkPage, Refused, SignInPage, is_local};
use super::{Page, field, redirect, trimmed};

/// Longest text that is kept of what a browser calls itself, in characters.
const USER_AGENT_MAX: usize = 200;

/// Where to sign in, to come to `next` then.
pub(super) fn login_path(next: &str) -> String {
    format!("/login?next={}", utf8_percent_encode(next, NON_ALPHANUMERIC))
}

/// `GET /login`: asks for name and password; with `?once=` the button that uses the link.
#[handler]
pub(in crate::web) async fn new(request: &Request, state: Data<&AppState>) -> Result<Response, Error> {
    let query = Query::parse(request)?;
    let Some(once) = query.get("once") else {
        return Ok(Page(SignInPage::new(host(&state), query.get("next"))).into_response());
    };
    Ok(match find_link(&state, once).await? {
        Some((Link::SignIn(operator), ends)) => {
            let now = state.clock().now();
            Page(LinkPage::new(operator.name, host(&state), once, ends, now)).into_response()
        }
        _ => not_usable(),
    })
}

/// `POST /login`: begins a session by name and password, or uses a sign-in link up.
#[handler]
pub(in crate::web) async fn create(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    auth::check_origin(&state, request)?;
    let form = form(body).await?;
    if form.contains_key("once") {
        return by_link(request, &state, &field(&form, "once")).await;
    }
    let (name, password) = (trimmed(&form, "name"), Password::typed(&field(&form, "password")));
    let refused = match try_password(&state, address(request), &name, password).await? {
        Tried::Right(hash) => {
            let session = SessionToken::mint();
            let begin = Begin::new(request, &state, &session, "by password");
            let own_name = name.clone();
            let write = move |tx: &Tx<'_>| {
                // The password may have been changed, or its operator removed, while it was looked at.
                let is_still = operators::password(tx, &own_name)?.is_some_and(|own| own == hash);
                let Some(operator) = operators::find(tx, &own_name)?.filter(|_| is_still) else {
                    return Ok(false);
                };
                begin.run(tx, &operator)?;
                Ok::<_, Error>(true)
            };
            if state.db().try_write(write).await? {
                let next = field(&form, "next");
                return Ok(signed_in(&state, &session, if is_local(&next) { &next } else { "/" }));
            }
            Refused::Wrong { left: 0 }
        }
        Tried::Wrong { left } => Refused::Wrong { left },
        Tried::TooMany(wait) => Refused::TooMany { until: state.clock().now().plus(wait) },
    };
    let mut page = SignInPage::new(host(&state), form.get("next").map(String::as_str));
    page.name = name;
    Ok(refuse(&state, refused, |refusal| {
        page.refusal = Some(refusal);
        Page(page).into_response()
    }))
}

/// The page that asks again, with the status that fits: 429 with `Retry-After` where it is too early.
pub(super) fn refuse(
    state: &AppState,
    refused: Refused,
    page: impl FnOnce(super::session_view::Refusal) -> Response,
) -> Response {
    let now = state.clock().now();
    let wait = match refused {
        Refused::TooMany { until } => Some(until.since(now)),
        Refused::Wrong { .. } => None,
    };
    let mut response = page(refused.words(now));
    let status = if wait.is_some() { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::FORBIDDEN };
    response.set_status(status);
    if let Some(wait) = wait {
        let seconds = wait.saturating_add(Duration::from_millis(999)).as_secs();
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(seconds));
    }
    response
}

async fn by_link(request: &Request, state: &AppState, once: &str) -> Result<Response, Error> {
    // Looked for by a reader first: what nobody made takes no place at the writer.
    if find_link(state, once).await?.is_none() {
        return Ok(not_usable());
    }
    let (hash, session) = (TokenHash::of(once), SessionToken::mint());
    let begin = Begin::new(request, state, &session, "by one-time link");
    let write = move |tx: &Tx<'_>| {
        let Some((Link::SignIn(operator), _)) = sessions::find_link(tx, &hash, begin.now)? else {
            return Ok(false);
        };
        sessions::delete_link(tx, &hash)?;
        begin.run(tx, &operator)?;
        Ok::<_, Error>(true)
    };
    if !state.db().try_write(write).await? {
        return Ok(not_usable());
    }
    Ok(signed_in(state, &session, "/"))
}

/// `POST /logout`: ends the session.
#[handler]
pub(in crate::web) async fn delete(request: &Request, state: Data<&AppState>) -> Result<Response, Error> {
    if let Ok((_, hash)) = auth::own_session(&auth::caller(request)?) {
        state.write_credentials(move |tx| sessions::delete(tx, &hash)).await?;
    }
    Ok(signed_out(&state))
}

/// The way to the sign-in page, without a session.
pub(super) fn signed_out(state: &AppState) -> Response {
    let mut response = redirect("/login");
    if let Ok(cookie) = header::HeaderValue::from_str(&auth::set_cookie(state, None)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// `GET /`: the services for an operator, the sign-in page for others.
#[handler]
pub(in crate::web) async fn home(request: &Request, state: Data<&AppState>) -> Response {
    let caller = auth::find(&state, request).await.ok().flatten();
    redirect(if matches!(caller, Some(Caller::Operator { .. })) { "/services" } else { "/login" })
}

/// A session that is to begin.
pub(super) struct Begin {
    session: TokenHash,
    client: Client,
    address: String,
    how: &'static str,
    pub(super) now: Timestamp,
}

impl Begin {
    pub(super) fn new(
        request: &Request,
        state: &AppState,
        session: &SessionToken,
        how: &'static str,
    ) -> Self {
        let agent = header_of(request.headers(), "user-agent").unwrap_or_default();
        let user_agent = agent.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX).collect();
        let address = address_text(request);
        let client = Client { address: address.clone(), user_agent };
        Self { session: session.hash(), client, address, how, now: state.clock().now() }
    }

    /// Begins it, with its audit row.
    pub(super) fn run(self, tx: &Tx<'_>, operator: &Operator) -> Result<(), Error> {
        sessions::insert(tx, &self.session, operator, &self.client, self.now)?;
        let name = format!("operator {}", operator.name);
        let actor = Actor { name: name.clone(), address: self.address };
        Ok(audit::record(tx, &actor, "session.create", &name, self.how, self.now)?)
    }
}

/// Leads a new session to `next`, a path of this server.
pub(super) fn signed_in(state: &AppState, session: &SessionToken, next: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, next)
        .header(header::SET_COOKIE, auth::set_cookie(state, Some(session.reveal())))
        .finish()
}

pub(super) async fn find_link(state: &AppState, once: &str) -> Result<Option<(Link, Timestamp)>, Error> {
    let (hash, now) = (TokenHash::of(once), state.clock().now());
    Ok(state.db().read(move |reader| sessions::find_link(reader, &hash, now)).await?)
}

pub(super) fn not_usable() -> Response {
    Page(ErrorPage::link_not_usable()).with_status(StatusCode::NOT_FOUND).into_response()
}

fn host(state: &AppState) -> String {
    state.urls().dashboard().split_once("://").map_or("", |(_, host)| host).to_owned()
}
