//! Signing in by a one-time link, the setup link, signing out. A link's GET changes nothing, so that link previews
//! cannot use it up; its POST does.

use std::collections::HashMap;

use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Body, IntoResponse, Request, Response, handler};

use crate::db::audit::Actor;
use crate::db::operators::{self, Operator};
use crate::db::sessions::{self, Link};
use crate::db::{Tx, audit};
use crate::domain::{SessionToken, Timestamp, TokenHash};

use super::super::api::operators::read_name;
use super::super::auth::{self, Caller};
use super::super::error::Error;
use super::super::request::{Query, address_text, form};
use super::super::state::AppState;
use super::errors::ErrorPage;
use super::session_view::{LinkPage, SetupPage, SignInPage};
use super::{Page, redirect};

/// `GET /login`: with `?once=` the button that uses the link, without it where a link comes from.
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

/// `GET /setup?once=`: asks for the first operator's name.
#[handler]
pub(in crate::web) async fn setup(request: &Request, state: Data<&AppState>) -> Result<Response, Error> {
    let query = Query::parse(request)?;
    let once = query.get("once").unwrap_or_default();
    Ok(match find_link(&state, once).await? {
        Some((Link::Setup, ends)) => Page(SetupPage::new(once, ends, state.clock().now())).into_response(),
        _ => not_usable(),
    })
}

/// `POST /login`: uses a sign-in link up and begins a session.
#[handler]
pub(in crate::web) async fn create(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    auth::check_origin(&state, request)?;
    let once = field(&form(body).await?, "once");
    // Looked for by a reader first: what nobody made takes no place at the writer.
    if find_link(&state, &once).await?.is_none() {
        return Ok(not_usable());
    }
    let (hash, session, now) = (TokenHash::of(&once), SessionToken::mint(), state.clock().now());
    let (session_hash, address) = (session.hash(), address_text(request));
    let write = move |tx: &Tx<'_>| {
        let Some((Link::SignIn(operator), _)) = sessions::find_link(tx, &hash, now)? else {
            return Ok(false);
        };
        begin(tx, &hash, &session_hash, &operator, address, now)?;
        Ok::<_, Error>(true)
    };
    if !state.db().try_write(write).await? {
        return Ok(not_usable());
    }
    Ok(signed_in(&state, &session))
}

/// `POST /setup`: makes the first operator and begins a session. A name that will not do leaves the link as it is.
#[handler]
pub(in crate::web) async fn finish_setup(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    auth::check_origin(&state, request)?;
    let form = form(body).await?;
    let (once, name) = (field(&form, "once"), field(&form, "name"));
    let Some((Link::Setup, ends)) = find_link(&state, &once).await? else { return Ok(not_usable()) };
    let name = match read_name(name.trim()) {
        Ok(name) => name,
        Err(wrong) => {
            let mut page = SetupPage::new(&once, ends, state.clock().now());
            (page.name, page.error) = (name, Some(wrong.detail));
            return Ok(Page(page).with_status(StatusCode::BAD_REQUEST).into_response());
        }
    };
    let (hash, session, now) = (TokenHash::of(&once), SessionToken::mint(), state.clock().now());
    let (session_hash, address) = (session.hash(), address_text(request));
    let write = move |tx: &Tx<'_>| {
        let Some((Link::Setup, _)) = sessions::find_link(tx, &hash, now)? else { return Ok(false) };
        let Some(operator) = operators::insert(tx, &name, now)? else { return Ok(false) };
        begin(tx, &hash, &session_hash, &operator, address, now)?;
        Ok::<_, Error>(true)
    };
    if !state.db().try_write(write).await? {
        return Ok(not_usable());
    }
    Ok(signed_in(&state, &session))
}

/// `POST /logout`: ends the session.
#[handler]
pub(in crate::web) async fn delete(request: &Request, state: Data<&AppState>) -> Result<Response, Error> {
    if let Caller::Operator { session, .. } = auth::caller(request)?
        && let Some(hash) = TokenHash::from_bytes(&session)
    {
        state.db().try_write(move |tx| sessions::delete(tx, &hash)).await?;
    }
    Ok(Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, "/login")
        .header(header::SET_COOKIE, auth::set_cookie(&state, None))
        .finish())
}

/// `GET /`: the services for an operator, the sign-in page for others.
#[handler]
pub(in crate::web) async fn home(request: &Request, state: Data<&AppState>) -> Response {
    let caller = auth::find(&state, request).await.ok().flatten();
    redirect(if matches!(caller, Some(Caller::Operator { .. })) { "/services" } else { "/login" })
}

fn field(form: &HashMap<String, String>, name: &str) -> String {
    form.get(name).cloned().unwrap_or_default()
}

fn begin(
    tx: &Tx<'_>,
    link: &TokenHash,
    session: &TokenHash,
    operator: &Operator,
    address: String,
    now: Timestamp,
) -> Result<(), Error> {
    sessions::delete_link(tx, link)?;
    sessions::insert(tx, session, operator, now)?;
    let actor = Actor { name: format!("operator {}", operator.name), address };
    audit::record(
        tx,
        &actor,
        "session.create",
        &format!("operator {}", operator.name),
        "by one-time link",
        now,
    )?;
    Ok(())
}

fn signed_in(state: &AppState, session: &SessionToken) -> Response {
    Response::builder()
        .status(StatusCode::SEE_OTHER)
        .header(header::LOCATION, "/")
        .header(header::SET_COOKIE, auth::set_cookie(state, Some(session.reveal())))
        .finish()
}

async fn find_link(state: &AppState, once: &str) -> Result<Option<(Link, Timestamp)>, Error> {
    let (hash, now) = (TokenHash::of(once), state.clock().now());
    Ok(state.db().read(move |reader| sessions::find_link(reader, &hash, now)).await?)
}

fn not_usable() -> Response {
    Page(ErrorPage::link_not_usable()).with_status(StatusCode::NOT_FOUND).into_response()
}

fn host(state: &AppState) -> String {
    state.urls().dashboard().split_once("://").map_or("", |(_, host)| host).to_owned()
}
