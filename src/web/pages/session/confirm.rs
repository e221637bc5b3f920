//! `/confirm`: asks for the password again before a secret is made, and leads back to where that was to be.
#![expect(clippy::needless_pass_by_value, reason = "a handler is given its extractors")]

use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use poem::web::Data;
use poem::{IntoResponse, Request, Response, handler};

use crate::actions::{By, sessions};
use crate::domain::Password;
use crate::web::error::Error;
use crate::web::extract::Form;
use crate::web::limits::sign_ins::{Tried, Try, try_password};
use crate::web::pages::session::refuse;
use crate::web::pages::session::view::{Refusal, Refused, is_local};
use crate::web::pages::{Frame, Page, field, redirect};
use crate::web::request::{Query, address};
use crate::web::state::AppState;

/// Where to give the password, to come back to `back`.
pub(in crate::web::pages) fn path(back: &str) -> String {
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
pub(in crate::web) fn show(by: By, query: Query, Data(state): Data<&AppState>) -> Result<Response, Error> {
    let (operator, _) = by.caller.own_session()?;
    let next = local(query.get("next").unwrap_or_default()).to_owned();
    let frame = Frame::of(&by.caller, state, "");
    Ok(Page(ConfirmPage { frame, operator: operator.name, next, refusal: None }).into_response())
}

/// `POST /confirm`: where it is the password, the session may make secrets for ten minutes.
#[handler]
pub(in crate::web) async fn create(
    request: &Request,
    by: By,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (operator, _) = by.caller.own_session()?;
    let next = local(&field(&form, "next")).to_owned();
    let password = Password::typed(&field(&form, "password"));
    let asked = Try { name: &operator.name, address: address(request), who: by.who() };
    let tried = try_password(state.sign_ins(), state.context(), asked, password).await?;
    let refused = match tried {
        Tried::Right(_) => {
            state.act(by, |tx, _, by| sessions::confirm(tx, by)).await?;
            return Ok(redirect(&next));
        }
        Tried::Wrong { left } => Refused::Wrong { left },
        Tried::TooMany(wait) => Refused::TooMany { until: state.clock().now().plus(wait) },
    };
    let frame = Frame::of(&by.caller, &state, "");
    Ok(refuse(&state, refused, |refusal| {
        Page(ConfirmPage { frame, operator: operator.name, next, refusal: Some(refusal) }).into_response()
    }))
}
