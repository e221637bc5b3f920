//! Operators and their one-time sign-in links. A link is in the answer that makes it and nowhere else.

use std::time::Duration;

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use serde::{Deserialize, Serialize};

use crate::db::operators::{self, Operator};
use crate::db::{self, Tx, audit, sessions};
use crate::domain::{Invalid, LinkToken, Scope, Timestamp};

use super::super::auth::{self, actor};
use super::super::error::Error;
use super::super::request::json;
use super::super::state::AppState;
use super::{List, is_name};

/// How long a sign-in link is good.
pub(in crate::web) const LINK_LIFETIME: Duration = Duration::from_mins(15);

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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WithLink {
    name: String,
    sign_in_url: String,
    expires_at: Timestamp,
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
    caller.require(Scope::Admin, None)?;
    let name = read_name(&json::<OperatorBody>(body).await?.name.unwrap_or_default())?;
    let (own, now, actor) = ((*state).clone(), state.clock().now(), actor(&caller, request));
    let write = move |tx: &Tx<'_>| {
        let taken = || Error::taken(&format!("operator {name}"));
        let operator = operators::insert(tx, &name, now)?.ok_or_else(taken)?;
        audit::record(tx, &actor, "operator.create", &format!("operator {name}"), "", now)?;
        Ok::<_, Error>(link(tx, &own, operator, now)?)
    };
    Ok(super::json(StatusCode::CREATED, &state.db().try_write(write).await?))
}

/// `POST /api/v1/operators/{name}/login-link`: a one-time sign-in link.
#[handler]
pub(in crate::web) async fn login_link(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    fresh_link(request, &state, name, false).await
}

/// `POST /api/v1/operators/{name}/reset`: ends all sessions and links, then makes one link.
#[handler]
pub(in crate::web) async fn reset(
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    fresh_link(request, &state, name, true).await
}

async fn fresh_link(
    request: &Request,
    state: &AppState,
    name: String,
    is_reset: bool,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    caller.require(Scope::Admin, None)?;
    let (own, now, actor) = (state.clone(), state.clock().now(), actor(&caller, request));
    let write = move |tx: &Tx<'_>| {
        let found = operators::find(tx, &name)?;
        let operator = found.ok_or_else(|| Error::NotFound(format!("operator {name}")))?;
        if is_reset {
            sessions::delete_all_of(tx, &operator)?;
        }
        let verb = if is_reset { "operator.reset" } else { "operator.login-link" };
        audit::record(tx, &actor, verb, &format!("operator {name}"), "", now)?;
        Ok::<_, Error>(link(tx, &own, operator, now)?)
    };
    Ok(super::json(StatusCode::OK, &state.db().try_write(write).await?))
}
