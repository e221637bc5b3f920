//! Signing in by name and password or by a one-time link, and signing out. A link's GET changes nothing, so that link
//! previews cannot use it up; its POST does.

pub(in crate::web) mod confirm;
pub(in crate::web) mod setup;
pub mod view;

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{IntoResponse, Request, Response, handler};

use crate::actions::sessions::{self, NewSession};
use crate::actions::{By, Caller};
use crate::db;
use crate::db::sessions::{Client, Link};
use crate::domain::{Password, SessionToken, Timestamp, TokenHash, Who};
use crate::web::auth;
use crate::web::error::Error;
use crate::web::extract::Form;
use crate::web::limits::sign_ins::{Tried, Try, try_password};
use crate::web::pages::errors::ErrorPage;
use crate::web::pages::session::view::{LinkPage, Refusal, Refused, SignInPage, is_local};
use crate::web::pages::{Page, field, redirect, trimmed};
use crate::web::request::{Query, address, address_text, header as header_of};
use crate::web::state::AppState;

/// Longest text that is kept of what a browser calls itself, in characters.
const USER_AGENT_MAX: usize = 200;

/// Where to sign in, to come to `next` then.
pub(super) fn login_path(next: &str) -> String {
    format!("/login?next={}", utf8_percent_encode(next, NON_ALPHANUMERIC))
}

/// `GET /login`: asks for name and password; with `?once=` the button that uses the link.
#[handler]
pub(in crate::web) async fn new(query: Query, state: Data<&AppState>) -> Result<Response, Error> {
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
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    auth::check_origin(state.context(), request)?;
    if form.contains_key("once") {
        return by_link(request, &state, &field(&form, "once")).await;
    }
    let (name, password) = (trimmed(&form, "name"), Password::typed(&field(&form, "password")));
    let asked = Try { name: &name, address: address(request), who: Who::Stranger };
    let tried = try_password(state.sign_ins(), state.context(), asked, password).await?;
    let refused = match tried {
        Tried::Right(hash) => {
            let session = SessionToken::mint();
            let (row, own) = (new_session(request, &state, &session), name.clone());
            let begun = state.context().run(move |tx, _| sessions::begin_by_password(tx, &row, &own, &hash));
            if begun.await? {
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
pub(super) fn refuse(state: &AppState, refused: Refused, page: impl FnOnce(Refusal) -> Response) -> Response {
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
    let (link, session) = (TokenHash::of(once), SessionToken::mint());
    let begin = new_session(request, state, &session);
    if !state.context().run(move |tx, _| sessions::begin_by_link(tx, &begin, &link)).await? {
        return Ok(not_usable());
    }
    Ok(signed_in(state, &session, "/"))
}

/// `POST /logout`: ends the session.
#[handler]
pub(in crate::web) async fn delete(by: By, state: Data<&AppState>) -> Result<Response, Error> {
    state.act_on_credentials(by, |tx, _, by| sessions::end(tx, by)).await?;
    Ok(signed_out(&state))
}

/// The way to the sign-in page, without a session.
pub(super) fn signed_out(state: &AppState) -> Response {
    let mut response = redirect("/login");
    if let Ok(cookie) = header::HeaderValue::from_str(&auth::set_cookie(state.context(), None)) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// `GET /`: the services for an operator, the sign-in page for others.
#[handler]
pub(in crate::web) async fn home(request: &Request, state: Data<&AppState>) -> Response {
    let caller = auth::find(state.context(), request).await.ok().flatten();
    redirect(if matches!(caller, Some(Caller::Operator { .. })) { "/services" } else { "/login" })
}

/// A session that is to begin for whoever sent the request.
pub(super) fn new_session(request: &Request, state: &AppState, session: &SessionToken) -> NewSession {
    let agent = header_of(request.headers(), "user-agent").unwrap_or_default();
    let user_agent = agent.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX).collect();
    let client = Client { address: address_text(request), user_agent };
    NewSession { secret: session.hash(), client, at: state.clock().now() }
}

/// Leads a new session to `next`, a path of this server.
pub(super) fn signed_in(state: &AppState, session: &SessionToken, next: &str) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, next)
        .header(header::SET_COOKIE, auth::set_cookie(state.context(), Some(session.reveal())))
        .finish()
}

pub(super) async fn find_link(state: &AppState, once: &str) -> Result<Option<(Link, Timestamp)>, Error> {
    let (hash, now) = (TokenHash::of(once), state.clock().now());
    Ok(state.db().core().read(move |reader| db::sessions::find_link(reader, &hash, now)).await?)
}

pub(super) fn not_usable() -> Response {
    Page(ErrorPage::link_not_usable()).with_status(StatusCode::NOT_FOUND).into_response()
}

fn host(state: &AppState) -> String {
    state.urls().dashboard().split_once("://").map_or("", |(_, host)| host).to_owned()
}
