//! `/account`: an operator's own password and sessions, and who else is an operator.

pub(in crate::web) mod operators;
pub mod view;

use std::collections::HashMap;

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{IntoResponse, Request, Response, handler};

use crate::actions::operators::set_own_password;
use crate::actions::{By, Context, sessions};
use crate::db::operators::Operator;
use crate::db::{self, Reader};
use crate::domain::{Password, Who};
use crate::web::error::Error;
use crate::web::extract::Form;
use crate::web::limits::sign_ins::{Tried, Try, try_password};
use crate::web::pages::account::view::{AccountPage, OperatorRow, PasswordError, SessionRow};
use crate::web::pages::session::view::{Refusal, Refused};
use crate::web::pages::session::{refuse, signed_out};
use crate::web::pages::{Frame, Page, field, redirect};
use crate::web::request::{Query, address};
use crate::web::state::AppState;

/// Its address.
pub(super) const PATH: &str = "/account";

/// `GET /account`.
#[handler]
pub(in crate::web) async fn show(by: By, query: Query, state: Data<&AppState>) -> Result<Response, Error> {
    let mut page = load(&state, &by).await?;
    page.done = done(query.get("done"));
    Ok(Page(page).into_response())
}

/// What the page that a form leads back to says.
fn done(word: Option<&str>) -> Option<&'static str> {
    match word? {
        "password" => Some("Your password is set. All your other sessions have ended."),
        "session" => Some("The session has ended."),
        "operator" => Some("The operator is removed, and signed out everywhere."),
        _ => None,
    }
}

/// The page as it stands.
pub(super) async fn load(state: &AppState, by: &By) -> Result<AccountPage, Error> {
    let (operator, session) = by.caller.own_session()?;
    let (now, own) = (by.at, operator.clone());
    let read = move |reader: &Reader<'_>, _: &Context| {
        let has_password = db::operators::password(reader, &own.name)?.is_some();
        Ok((has_password, db::sessions::list(reader, &own, now)?, db::operators::list(reader)?))
    };
    let (has_password, listed, all) = state.read(read).await?;
    let here = db::sessions::public_id(&session);
    Ok(AccountPage {
        frame: Frame::of(&by.caller, state, PATH),
        name: operator.name,
        has_password,
        needs_confirmation: !by.caller.is_fresh(now),
        sessions: listed.into_iter().map(|one| SessionRow::new(one, &here, now)).collect(),
        operators: all.into_iter().map(|one| OperatorRow::new(one.name)).collect(),
        done: None,
        refusal: None,
        password_error: None,
        operator_error: None,
        operator_name: String::new(),
    })
}

/// `POST /account/password`: sets the own password, and ends all other sessions and links.
#[handler]
pub(in crate::web) async fn update_password(
    request: &Request,
    by: By,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (operator, _) = by.caller.own_session()?;
    // What is new is looked at first: a password that will not do costs no try of the present one.
    let chosen = match choose(&form, &operator) {
        Ok(chosen) => chosen,
        Err(wrong) => {
            let mut page = load(&state, &by).await?;
            page.password_error = Some(wrong);
            return Ok(Page(page).with_status(StatusCode::BAD_REQUEST).into_response());
        }
    };
    let own = operator.name.clone();
    let before = state.db().core().read(move |reader| db::operators::password(reader, &own)).await?;
    if before.is_some() {
        let present = Password::typed(&field(&form, "present"));
        if let Some(refused) = check_present(&state, request, &operator, present).await? {
            let mut page = load(&state, &by).await?;
            return Ok(refuse(&state, refused, |refusal| {
                page.refusal = Some(of_present(refused, refusal));
                Page(page).into_response()
            }));
        }
    }
    let hash = state.sign_ins().hash(chosen).await?;
    let change =
        state.act_on_credentials(by, move |tx, _, by| set_own_password(tx, by, before.as_ref(), &hash));
    change.await?;
    Ok(redirect("/account?done=password"))
}

async fn check_present(
    state: &AppState,
    request: &Request,
    operator: &Operator,
    present: Password,
) -> Result<Option<Refused>, Error> {
    let who = Who::Operator(operator.name.clone());
    let asked = Try { name: &operator.name, address: address(request), who };
    Ok(match try_password(state.sign_ins(), state.context(), asked, present).await? {
        Tried::Right(_) => None,
        Tried::Wrong { left } => Some(Refused::Wrong { left }),
        Tried::TooMany(wait) => Some(Refused::TooMany { until: state.clock().now().plus(wait) }),
    })
}

fn choose(form: &HashMap<String, String>, operator: &Operator) -> Result<Password, PasswordError> {
    let (text, again) = (field(form, "password"), field(form, "again"));
    let chosen = Password::choose(&text, &operator.name);
    let chosen = chosen.map_err(|wrong| PasswordError { field: "pw", detail: wrong.detail })?;
    if text != again {
        let detail = "the two are not the same".to_owned();
        return Err(PasswordError { field: "again", detail });
    }
    Ok(chosen)
}

/// The name is known here, so the words are of the password alone.
fn of_present(refused: Refused, refusal: Refusal) -> Refusal {
    match refused {
        Refused::Wrong { .. } => Refusal { what: "The present password is wrong.".to_owned(), ..refusal },
        Refused::TooMany { .. } => refusal,
    }
}

/// `POST /account/sessions/{id}/revoke`: ends one of the own sessions.
#[handler]
pub(in crate::web) async fn revoke_session(
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (_, session) = by.caller.own_session()?;
    let is_own = db::sessions::public_id(&session) == id;
    state.act_on_credentials(by, move |tx, _, by| sessions::revoke(tx, by, &id)).await?;
    Ok(if is_own { signed_out(&state) } else { redirect("/account?done=session") })
}

/// `POST /account/sign-out`: ends all own sessions and links, this one too.
#[handler]
pub(in crate::web) async fn sign_out(by: By, state: Data<&AppState>) -> Result<Response, Error> {
    state.act_on_credentials(by, |tx, _, by| sessions::revoke_all(tx, by)).await?;
    Ok(signed_out(&state))
}
