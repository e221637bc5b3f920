//! `/confirm`: asks for the password again before a secret is made, and leads back to where that was to be.

use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use poem::web::Data;
use poem::{Body, IntoResponse, Request, Response, handler};

use crate::db::sessions;
use crate::domain::Password;

use super::super::auth;
use super::super::error::Error;
use super::super::request::{Query, address, form};
use super::super::sign_ins::{Tried, try_password};
use super::super::state::AppState;
use super::session::refuse;
use super::session_view::{Refusal, Refused, is_local};
use super::{Frame, Page, field, redirect};

/// Where to give the password, to come back to `back`.
pub(super) fn path(back: &str) -> String {
    format!("/confirm?next={}", utf8_percent_encode(back, NON_ALPHANUMERIC))
}

/// `/confirm`, with the form.
#[derive(Debug, Template)]
#[template(path = "pages/session/confirm.html")]
struct ConfirmPage {
    frame: Frame,
    operator: String,
    next: String,
    refusal: Option<Refusal>,
}

fn local(next: &str) -> &str {
    if is_local(next) { next } else { "/" }
}

/// `GET /confirm?next=`: asks for the password.
#[handler]
pub(in crate::web) fn show(request: &Request, Data(state): Data<&AppState>) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let (operator, _) = auth::own_session(&caller)?;
    let query = Query::parse(request)?;
    let next = local(query.get("next").unwrap_or_default()).to_owned();
    let frame = Frame::of(&caller, state, "");
    Ok(Page(ConfirmPage { frame, operator: operator.name, next, refusal: None }).into_response())
}

/// `POST /confirm`: where it is the password, the session may make secrets for ten minutes.
#[handler]
pub(in crate::web) async fn create(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let (operator, session) = auth::own_session(&caller)?;
    let form = form(body).await?;
    let next = local(&field(&form, "next")).to_owned();
    let password = Password::typed(&field(&form, "password"));
    let refused = match try_password(&state, address(request), &operator.name, password).await? {
        Tried::Right(_) => {
            let now = state.clock().now();
            state.db().try_write(move |tx| sessions::confirm(tx, &session, now)).await?;
            return Ok(redirect(&next));
        }
        Tried::Wrong { left } => Refused::Wrong { left },
        Tried::TooMany(wait) => Refused::TooMany { until: state.clock().now().plus(wait) },
    };
    let frame = Frame::of(&caller, &state, "");
    Ok(refuse(&state, refused, |refusal| {
        Page(ConfirmPage { frame, operator: operator.name, next, refusal: Some(refusal) }).into_response()
    }))
}
