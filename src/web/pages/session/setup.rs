//! The one-time setup link, which makes the first operator.

use poem::http::StatusCode;
use poem::web::Data;
use poem::{IntoResponse, Request, Response, handler};

use crate::actions::operators::read_name;
use crate::actions::sessions;
use crate::db::sessions::Link;
use crate::domain::{Password, SessionToken, TokenHash};
use crate::web::auth;
use crate::web::error::Error;
use crate::web::extract::Form;
use crate::web::pages::session::view::{Check, SetupPage};
use crate::web::pages::session::{find_link, new_session, not_usable, signed_in};
use crate::web::pages::{Page, field};
use crate::web::request::Query;
use crate::web::state::AppState;

/// `GET /setup?once=`: asks for the first operator's name and password.
#[handler]
pub(in crate::web) async fn show(query: Query, state: Data<&AppState>) -> Result<Response, Error> {
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
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    auth::check_origin(state.context(), request)?;
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
    let (link, session) = (TokenHash::of(&once), SessionToken::mint());
    let new = new_session(request, &state, &session);
    let set_up = state.context().run(move |tx, _| sessions::set_up(tx, &new, &link, &name, &password));
    if !set_up.await? {
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
    all.push(if state.urls().is_public_loopback() {
        let detail = format!("CI cannot reach {public}. Start the server with --public-url.");
        check(false, "Public URL is a loopback address.", detail)
    } else {
        check(true, "Hook URLs have a public address.", public.to_owned())
    });
    all
}
