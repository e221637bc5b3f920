//! Operators on `/account`: adding one, a new sign-in link, removing one. Names are in bodies and queries, since a name
//! such as `..` would not survive in a path.

use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{IntoResponse, Response, handler};

use crate::actions::{By, operators};
use crate::domain::Class;
use crate::web::error::Error;
use crate::web::extract::Form;
use crate::web::pages::account::view::{LinkMadePage, RemovalPage};
use crate::web::pages::account::{self, PATH};
use crate::web::pages::format::Moment;
use crate::web::pages::{Frame, Page, field, held, redirect};
use crate::web::request::Query;
use crate::web::state::AppState;
use crate::wire::operator::SignInLinkJson;

/// `POST /account/operators`: adds one; the answer shows the first sign-in link, once.
#[handler]
pub(in crate::web) async fn create(
    by: By,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let name = field(&form, "name");
    let typed = name.trim().to_owned();
    let made = state.act(by.clone(), move |tx, context, by| operators::create(tx, context, by, &typed)).await;
    let detail = match made {
        Ok(made) => return Ok(shown_once(&state, &by, made, true)),
        Err(error) => match error.invalids().pop() {
            Some(wrong) => wrong.detail,
            None if error.class() == Class::Conflict => error.detail(),
            None => return Err(error.holding(held(PATH, &format!("{PATH}/operators"), &form))),
        },
    };
    let mut page = account::load(&state, &by).await?;
    (page.operator_name, page.operator_error) = (name, Some(detail));
    Ok(Page(page).with_status(StatusCode::BAD_REQUEST).into_response())
}

/// `POST /account/operators/link`: a new sign-in link for one, shown once.
#[handler]
pub(in crate::web) async fn link(
    by: By,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let name = field(&form, "name");
    let held = held(PATH, &format!("{PATH}/operators/link"), &form);
    let made = state.act_on_credentials(by.clone(), move |tx, context, by| {
        operators::make_link(tx, context, by, &name, false)
    });
    let made = made.await.map_err(|error| error.holding(held))?;
    Ok(shown_once(&state, &by, made, false))
}

fn shown_once(state: &AppState, by: &By, made: SignInLinkJson, is_new: bool) -> Response {
    let page = LinkMadePage {
        frame: Frame::of(&by.caller, state, PATH),
        name: made.name,
        url: made.sign_in_url,
        ends: Moment::new(made.expires_at, by.at),
        is_new,
    };
    Page(page).with_header(header::CACHE_CONTROL, "no-store").into_response()
}

/// `GET /account/operators/remove?name=`: says what removing means, and asks.
#[handler]
pub(in crate::web) async fn confirm_removal(
    by: By,
    query: Query,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let name = query.get("name").unwrap_or_default().to_owned();
    let frame = Frame::of(&by.caller, &state, PATH);
    let operator = state.read(move |reader, _| operators::find(reader, &by, &name)).await?;
    let is_self = frame.operator.as_ref() == Some(&operator.name);
    Ok(Page(RemovalPage { frame, name: operator.name, is_self }).into_response())
}

/// `POST /account/operators/remove`: removes one, with their sessions and links.
#[handler]
pub(in crate::web) async fn remove(
    by: By,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let name = field(&form, "name");
    state.act_on_credentials(by, move |tx, _, by| operators::remove(tx, by, &name)).await?;
    Ok(redirect("/account?done=operator"))
}
