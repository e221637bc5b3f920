//! Operators and their one-time sign-in links. A link is in the answer that makes it and nowhere else.

use std::time::Duration;

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use serde::{Deserialize, Serialize};

use crate::db::audit::Actor;
use crate::db::operators::{self, Operator};
use crate::db::{self, Reader, Tx, audit, sessions};
use crate::domain::{Invalid, LinkToken, Scope, Timestamp};

use super::super::auth::{self, Caller, actor};
use super::super::error::Error;
use super::super::request::json;
use super::super::state::AppState;
use super::{List, is_name};

/// How long a sign-in link is good.
pub(in crate::web) const LINK_LIFETIME: Duration = Duration::from_mins(15);

/// Where a page makes operators and links.
const ACCOUNT: &str = "/account";

#[derive(Serialize)]
struct Shown {
    name: String,
}

/// `GET /api/v1/operators`.
#[handler]
pub(in crate::web) async fn index(request: &Request, state: Data<&AppState>) -> Result<Response, Error> {
    auth::caller(request)?.require(Scope::Admin, None)?;
    let items =
        state.db().read(operators::list).await?.into_iter().map(|operator| Shown { name: operator.name });
    Ok(super::json(StatusCode::OK, &List { items: items.collect(), next: None }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorBody {
    name: Option<String>,
}

/// An operator and their new one-time link, which is a secret.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::web) struct WithLink {
    pub(in crate::web) name: String,
    pub(in crate::web) sign_in_url: String,
    pub(in crate::web) expires_at: Timestamp,
}

/// Reads an operator's name.
///
/// # Errors
/// Says what would be right.
pub(in crate::web) fn read_name(name: &str) -> Result<String, Invalid> {
    if is_name(name) {
        return Ok(name.to_owned());
    }
    Err(Invalid::new("name", "an operator's name is 1 to 58 characters without a slash, for example mira"))
}

fn link(tx: &Tx<'_>, state: &AppState, operator: Operator, now: Timestamp) -> Result<WithLink, db::Error> {
    let (token, expires_at) = (LinkToken::mint(), now.plus(LINK_LIFETIME));
    sessions::insert_link(tx, &token.hash(), Some(&operator), now, expires_at)?;
    Ok(WithLink { name: operator.name, sign_in_url: state.urls().login_link(&token), expires_at })
}

/// `POST /api/v1/operators`: 201 with a one-time sign-in link.
#[handler]
pub(in crate::web) async fn create(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let name = json::<OperatorBody>(body).await?.name.unwrap_or_default();
    let made = create_as(&state, &caller, actor(&caller, request), &name).await?;
    Ok(super::json(StatusCode::CREATED, &made))
}

/// Makes an operator for a caller, with a first link and an audit row.
///
/// # Errors
/// 403, 400 for the name, 409 where it is taken.
pub(in crate::web) async fn create_as(
    state: &AppState,
    caller: &Caller,
    actor: Actor,
    name: &str,
) -> Result<WithLink, Error> {
    caller.require(Scope::Admin, None)?;
    auth::fresh(state, caller, ACCOUNT)?;
    let name = read_name(name)?;
    let (own, now) = (state.clone(), state.clock().now());
    let write = move |tx: &Tx<'_>| {
        let taken = || Error::taken(&format!("operator {name}"));
        let operator = operators::insert(tx, &name, now)?.ok_or_else(taken)?;
        audit::record(tx, &actor, "operator.create", &format!("operator {name}"), "", now)?;
        Ok::<_, Error>(link(tx, &own, operator, now)?)
    };
    state.db().try_write(write).await
}

/// `POST /api/v1/operators/{name}/login-link`: a one-time sign-in link.
#[handler]
pub(in crate::web) async fn login_link(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let made = link_as(&state, &caller, actor(&caller, request), name, false).await?;
    Ok(super::json(StatusCode::OK, &made))
}

/// `POST /api/v1/operators/{name}/reset`: ends all sessions and links, takes the password away, then makes one link.
#[handler]
pub(in crate::web) async fn reset(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let made = link_as(&state, &caller, actor(&caller, request), name, true).await?;
    Ok(super::json(StatusCode::OK, &made))
}

/// Makes a new link of an operator for a caller, with its audit row; a reset ends everything before it.
///
/// # Errors
/// 403, or 404 where nobody has the name.
pub(in crate::web) async fn link_as(
    state: &AppState,
    caller: &Caller,
    actor: Actor,
    name: String,
    is_reset: bool,
) -> Result<WithLink, Error> {
    caller.require(Scope::Admin, None)?;
    auth::fresh(state, caller, ACCOUNT)?;
    let (own, now) = (state.clone(), state.clock().now());
    let write = move |tx: &Tx<'_>| {
        let operator = load(tx, &name)?;
        if is_reset {
            sessions::delete_all_of(tx, &operator)?;
            operators::set_password(tx, &operator, None)?;
        }
        let verb = if is_reset { "operator.reset" } else { "operator.login-link" };
        audit::record(tx, &actor, verb, &format!("operator {name}"), "", now)?;
        Ok::<_, Error>(link(tx, &own, operator, now)?)
    };
    state.write_credentials(write).await
}

/// Removes an operator for a caller, with their sessions and links.
///
/// # Errors
/// 403, 404, or 409 where nobody else could sign in.
pub(in crate::web) async fn remove_as(
    state: &AppState,
    caller: &Caller,
    actor: Actor,
    name: String,
) -> Result<(), Error> {
    caller.require(Scope::Admin, None)?;
    let now = state.clock().now();
    let write = move |tx: &Tx<'_>| {
        let operator = load(tx, &name)?;
        if !operators::delete(tx, &operator)? {
            let detail = format!("{name} is the last operator; add another one first");
            return Err(Error::Conflict { code: "last_operator", detail });
        }
        Ok(audit::record(tx, &actor, "operator.delete", &format!("operator {name}"), "", now)?)
    };
    state.write_credentials(write).await
}

/// The operator of that name.
///
/// # Errors
/// 404.
pub(in crate::web) fn load(reader: &Reader<'_>, name: &str) -> Result<Operator, Error> {
    operators::find(reader, name)?.ok_or_else(|| Error::NotFound(format!("operator {name}")))
}
