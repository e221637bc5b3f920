//! The one-time setup link, which makes the first operator.

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Body, IntoResponse, Request, Response, handler};

use crate::db::Tx;
use crate::db::operators;
use crate::db::sessions::{self, Link};
use crate::domain::{Password, SessionToken, TokenHash};

use super::super::api::operators::read_name;
use super::super::auth;
use super::super::error::Error;
use super::super::request::{Query, form};
use super::super::state::AppState;
use super::session::{Begin, find_link, not_usable, signed_in};
use super::session_view::{Check, SetupPage};
use super::{Page, field};

/// `GET /setup?once=`: asks for the first operator's name and password.
#[handler]
pub(in crate::web) async fn show(request: &Request, state: Data<&AppState>) -> Result<Response, Error> {
    let query = Query::parse(request)?;
    let once = query.get("once").unwrap_or_default();
    Ok(match find_link(&state, once).await? {
        Some((Link::Setup, ends)) => {
            let mut page = SetupPage::new(once, ends, state.clock().now());
            page.checks = checks(&state);
            Page(page).into_response()
        }
        _ => not_usable(),
    })
}

/// `POST /setup`: makes the first operator and begins a session. A name or password that will not do leaves the link
/// as it is.
#[handler]
pub(in crate::web) async fn create(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    auth::check_origin(&state, request)?;
    let form = form(body).await?;
    let (once, name) = (field(&form, "once"), field(&form, "name"));
    let Some((Link::Setup, ends)) = find_link(&state, &once).await? else { return Ok(not_usable()) };
    let (read, password) = (read_name(name.trim()), Password::choose(&field(&form, "password"), name.trim()));
    let (name, password) = match (read, password) {
        (Ok(name), Ok(password)) => (name, password),
        (read, password) => {
            let mut page = SetupPage::new(&once, ends, state.clock().now());
            page.name = name;
            (page.error, page.password_error) =
                (read.err().map(|wrong| wrong.detail), password.err().map(|wrong| wrong.detail));
            page.checks = checks(&state);
            return Ok(Page(page).with_status(StatusCode::BAD_REQUEST).into_response());
        }
    };
    let password = state.sign_ins().hash(password).await?;
    let (hash, session) = (TokenHash::of(&once), SessionToken::mint());
    let begin = Begin::new(request, &state, &session, "by setup link");
    let write = move |tx: &Tx<'_>| {
        let Some((Link::Setup, _)) = sessions::find_link(tx, &hash, begin.now)? else { return Ok(false) };
        let Some(operator) = operators::insert(tx, &name, begin.now)? else { return Ok(false) };
        operators::set_password(tx, &operator, Some(&password))?;
        sessions::delete_link(tx, &hash)?;
        begin.run(tx, &operator)?;
        Ok::<_, Error>(true)
    };
    if !state.db().try_write(write).await? {
        return Ok(not_usable());
    }
    Ok(signed_in(&state, &session, "/"))
}

/// What the server knows of itself; nothing is looked up.
fn checks(state: &AppState) -> Vec<Check> {
    let check = |passes, says: &str, detail: String| Check { passes, says: says.to_owned(), detail };
    let public = state.urls().public();
    let mut all = vec![if state.db().is_ready() {
        check(true, "Database is writable.", "Checked with each write.".to_owned())
    } else {
        check(false, "Database cannot be written.", "Look at the server’s log.".to_owned())
    }];
    let host = public.split_once("://").map_or(public, |(_, host)| host);
    let is_loopback = ["127.", "localhost", "[::1]"].iter().any(|own| host.starts_with(own));
    all.push(if is_loopback {
        let detail = format!("CI cannot reach {public}. Start the server with --public-url.");
        check(false, "Public URL is a loopback address.", detail)
    } else {
        check(true, "Hook URLs have a public address.", public.to_owned())
    });
    all
}
