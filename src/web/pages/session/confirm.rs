//! `/confirm`: asks for the password again before a secret is made, and leads back to where that was to be.
#![expect(clippy::needless_pass_by_value, reason = "a handler is given its extractors")]

use std::collections::HashMap;

use askama::Template;
use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{IntoResponse, Request, Response, handler};

use crate::actions::{By, sessions};
use crate::domain::Password;
use crate::web::error::{Error, Held};
use crate::web::extract::Form;
use crate::web::limits::sign_ins::{Tried, Try, try_password};
use crate::web::pages::session::refuse;
use crate::web::pages::session::view::{Refusal, Refused, is_local};
use crate::web::pages::{Frame, Page, field, redirect};
use crate::web::request::{Query, address};
use crate::web::state::AppState;

/// Fields of this page's own, which are no part of the form that it holds.
const NEXT: &str = "next";
const TO: &str = "confirm_to";
const PASSWORD: &str = "password";
const OPERATOR: &str = "username";

/// `/confirm`, with the form that goes on once the password was given.
#[derive(Debug, Template)]
#[template(path = "pages/session/confirm.html")]
struct ConfirmPage {
    frame: Frame,
    operator: String,
    held: Held,
    refusal: Option<Refusal>,
}

fn local(next: &str) -> &str {
    if is_local(next) { next } else { "/" }
}

/// The page in the place of the form's answer.
pub(in crate::web::pages) fn ask(frame: Frame, held: Held) -> Response {
    let operator = frame.operator.clone().unwrap_or_default();
    Page(ConfirmPage { frame, operator, held, refusal: None }).into_response()
}

/// The form that this page was sent with.
fn held(form: &HashMap<String, String>) -> Held {
    let own = [NEXT, TO, PASSWORD, OPERATOR];
    let fields = form.iter().filter(|(name, _)| !own.contains(&name.as_str()));
    let mut fields: Vec<_> = fields.map(|(name, value)| (name.clone(), value.clone())).collect();
    fields.sort();
    Held { back: local(&field(form, NEXT)).to_owned(), to: field(form, TO), fields }
}

/// `GET /confirm?next=`: asks for the password.
#[handler]
pub(in crate::web) fn show(by: By, query: Query, Data(state): Data<&AppState>) -> Result<Response, Error> {
    let (operator, _) = by.caller.own_session()?;
    let back = local(query.get(NEXT).unwrap_or_default()).to_owned();
    let (frame, held) = (Frame::of(&by.caller, state, ""), Held { back, ..Held::default() });
    Ok(Page(ConfirmPage { frame, operator: operator.name, held, refusal: None }).into_response())
}

/// `POST /confirm`: where it is the password, the session may make secrets for ten minutes, and the form that it came with
/// goes on.
#[handler]
pub(in crate::web) async fn create(
    request: &Request,
    by: By,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (operator, _) = by.caller.own_session()?;
    let held = held(&form);
    let password = Password::typed(&field(&form, PASSWORD));
    let asked = Try { name: &operator.name, address: address(request), who: by.who() };
    let tried = try_password(state.sign_ins(), state.context(), asked, password).await?;
    let refused = match tried {
        Tried::Right(_) => {
            state.act(by, |tx, _, by| sessions::confirm(tx, by)).await?;
            // The browser sends the same form on to where it was first sent.
            return Ok(if is_local(&held.to) { send_on(&held.to) } else { redirect(&held.back) });
        }
        Tried::Wrong { left } => Refused::Wrong { left },
        Tried::TooMany(wait) => Refused::TooMany { until: state.clock().now().plus(wait) },
    };
    let frame = Frame::of(&by.caller, &state, "");
    Ok(refuse(&state, refused, |refusal| {
        Page(ConfirmPage { frame, operator: operator.name, held, refusal: Some(refusal) }).into_response()
    }))
}

fn send_on(path: &str) -> Response {
    Response::builder().status(StatusCode::TEMPORARY_REDIRECT).header(header::LOCATION, path).finish()
}
