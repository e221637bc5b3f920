//! `/account`: an operator's own password and sessions, and who else is an operator.

use std::collections::HashMap;

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, IntoResponse, Request, Response, handler};

use crate::db::operators::{self, Operator};
use crate::db::{Reader, Tx, audit, sessions};
use crate::domain::{Password, TokenHash};

use super::super::auth::{self, Caller, actor};
use super::super::error::Error;
use super::super::request::{Query, address, form};
use super::super::sign_ins::{Tried, try_password};
use super::super::state::AppState;
use super::account_view::{AccountPage, OperatorRow, PasswordError, SessionRow};
use super::session::{refuse, signed_out};
use super::session_view::{Refusal, Refused};
use super::{Frame, Page, field, redirect};

/// Its address.
pub(super) const PATH: &str = "/account";

/// `GET /account`.
#[handler]
pub(in crate::web) async fn show(request: &Request, state: Data<&AppState>) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let query = Query::parse(request)?;
    let mut page = load(&state, &caller).await?;
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
pub(super) async fn load(state: &AppState, caller: &Caller) -> Result<AccountPage, Error> {
    let (operator, session) = auth::own_session(caller)?;
    let (now, own) = (state.clock().now(), operator.clone());
    let read = move |reader: &Reader<'_>| {
        let has_password = operators::password(reader, &own.name)?.is_some();
        Ok::<_, Error>((has_password, sessions::list(reader, &own, now)?, operators::list(reader)?))
    };
    let (has_password, listed, all) = state.db().read(read).await?;
    let here = sessions::public_id(&session);
    Ok(AccountPage {
        frame: Frame::of(caller, state, PATH),
        name: operator.name,
        has_password,
        needs_confirmation: !auth::is_fresh(state, caller),
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
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let (operator, session) = auth::own_session(&caller)?;
    let form = form(body).await?;
    // What is new is looked at first: a password that will not do costs no try of the present one.
    let chosen = match choose(&form, &operator) {
        Ok(chosen) => chosen,
        Err(wrong) => {
            let mut page = load(&state, &caller).await?;
            page.password_error = Some(wrong);
            return Ok(Page(page).with_status(StatusCode::BAD_REQUEST).into_response());
        }
    };
    let own = operator.name.clone();
    let before = state.db().read(move |reader| operators::password(reader, &own)).await?;
    if before.is_some() {
        let present = Password::typed(&field(&form, "present"));
        let refused = match try_password(&state, address(request), &operator.name, present).await? {
            Tried::Right(_) => None,
            Tried::Wrong { left } => Some(Refused::Wrong { left }),
            Tried::TooMany(wait) => Some(Refused::TooMany { until: state.clock().now().plus(wait) }),
        };
        if let Some(refused) = refused {
            let mut page = load(&state, &caller).await?;
            return Ok(refuse(&state, refused, |refusal| {
                page.refusal = Some(of_present(refused, refusal));
                Page(page).into_response()
            }));
        }
    }
    let hash = state.sign_ins().hash(chosen).await?;
    let (now, actor) = (state.clock().now(), actor(&caller, request));
    let write = move |tx: &Tx<'_>| {
        if operators::password(tx, &operator.name)? != before {
            let detail = "the password was changed meanwhile; look again".to_owned();
            return Err(Error::Conflict { code: "password_changed", detail });
        }
        operators::set_password(tx, &operator, Some(&hash))?;
        sessions::delete_others(tx, &operator, &session)?;
        sessions::confirm(tx, &session, now)?;
        let detail = if before.is_some() { "changed" } else { "set" };
        let subject = format!("operator {}", operator.name);
        Ok(audit::record(tx, &actor, "operator.password", &subject, detail, now)?)
    };
    state.write_credentials(write).await?;
    Ok(redirect("/account?done=password"))
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
    request: &Request,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let (operator, session) = auth::own_session(&caller)?;
    let is_own = sessions::public_id(&session) == id;
    let (now, actor) = (state.clock().now(), actor(&caller, request));
    let write = move |tx: &Tx<'_>| {
        if !sessions::delete_listed(tx, &operator, &id)? {
            return Err(Error::NotFound("session of yours at this address".to_owned()));
        }
        let subject = format!("operator {}", operator.name);
        Ok(audit::record(tx, &actor, "session.revoke", &subject, "one session", now)?)
    };
    state.write_credentials(write).await?;
    Ok(if is_own { signed_out(&state) } else { redirect("/account?done=session") })
}

/// `POST /account/sign-out`: ends all own sessions and links, this one too.
#[handler]
pub(in crate::web) async fn sign_out(request: &Request, state: Data<&AppState>) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let (operator, _): (Operator, TokenHash) = auth::own_session(&caller)?;
    let (now, actor) = (state.clock().now(), actor(&caller, request));
    let write = move |tx: &Tx<'_>| {
        sessions::delete_all_of(tx, &operator)?;
        let subject = format!("operator {}", operator.name);
        Ok::<_, Error>(audit::record(tx, &actor, "session.revoke", &subject, "all sessions", now)?)
    };
    state.write_credentials(write).await?;
    Ok(signed_out(&state))
}
