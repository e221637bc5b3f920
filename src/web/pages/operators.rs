//! Operators on `/account`: adding one, a new sign-in link, removing one. Names are in bodies and queries, since a name
//! such as `..` would not survive in a path.

use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Body, IntoResponse, Request, Response, handler};

use crate::db::Reader;
use crate::domain::Scope;

use super::super::api::operators::{WithLink, create_as, link_as, load, remove_as};
use super::super::auth::{self, Caller, actor};
use super::super::error::Error;
use super::super::request::{Query, form};
use super::super::state::AppState;
use super::account::{self, PATH};
use super::account_view::{LinkMadePage, RemovalPage};
use super::format::Moment;
use super::{Frame, Page, field, redirect};

/// `POST /account/operators`: adds one; the answer shows the first sign-in link, once.
#[handler]
pub(in crate::web) async fn create(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let name = field(&form(body).await?, "name");
    let detail = match create_as(&state, &caller, actor(&caller, request), name.trim()).await {
        Ok(made) => return Ok(shown_once(&state, &caller, made, true)),
        Err(Error::Invalid(wrong)) => wrong.detail,
        Err(Error::Conflict { detail, .. }) => detail,
        Err(error) => return Err(error),
    };
    let mut page = account::load(&state, &caller).await?;
    (page.operator_name, page.operator_error) = (name, Some(detail));
    Ok(Page(page).with_status(StatusCode::BAD_REQUEST).into_response())
}

/// `POST /account/operators/link`: a new sign-in link for one, shown once.
#[handler]
pub(in crate::web) async fn link(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let name = field(&form(body).await?, "name");
    let made = link_as(&state, &caller, actor(&caller, request), name, false).await?;
    Ok(shown_once(&state, &caller, made, false))
}

fn shown_once(state: &AppState, caller: &Caller, made: WithLink, is_new: bool) -> Response {
    let page = LinkMadePage {
        frame: Frame::of(caller, state, PATH),
        name: made.name,
        url: made.sign_in_url,
        ends: Moment::new(made.expires_at, state.clock().now()),
        is_new,
    };
    Page(page).with_header(header::CACHE_CONTROL, "no-store").into_response()
}

/// `GET /account/operators/remove?name=`: says what removing means, and asks.
#[handler]
pub(in crate::web) async fn confirm_removal(
    request: &Request,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    caller.require(Scope::Admin, None)?;
    let name = Query::parse(request)?.get("name").unwrap_or_default().to_owned();
    let operator = state.db().read(move |reader: &Reader<'_>| load(reader, &name)).await?;
    let frame = Frame::of(&caller, &state, PATH);
    let is_self = frame.operator.as_ref() == Some(&operator.name);
    Ok(Page(RemovalPage { frame, name: operator.name, is_self }).into_response())
}

/// `POST /account/operators/remove`: removes one, with their sessions and links.
#[handler]
pub(in crate::web) async fn remove(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let name = field(&form(body).await?, "name");
    remove_as(&state, &caller, actor(&caller, request), name).await?;
    Ok(redirect("/account?done=operator"))
}
