//! API tokens. The secret is in the answer that makes it and nowhere else.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Body, Request, Response, handler};
use serde::{Deserialize, Serialize};

use crate::db::audit::Actor;
use crate::db::tokens::{self, TokenRow};
use crate::db::{Tx, audit};
use crate::domain::{ApiToken, Invalid, Scope, Span, Timestamp};

use super::super::auth::{self, Caller, actor};
use super::super::error::Error;
use super::super::request::json;
use super::super::state::AppState;
use super::{List, is_name, no_content, services};

/// What a new token is to be.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::web) struct TokenBody {
    pub(in crate::web) name: Option<String>,
    pub(in crate::web) scope: Option<String>,
    pub(in crate::web) service: Option<String>,
    pub(in crate::web) expires_in: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: String,
    name: String,
    scope: &'static str,
    service: Option<String>,
    created_at: Timestamp,
    created_by: String,
    last_used_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    /// Only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl Shown {
    fn new(row: TokenRow, token: Option<String>) -> Self {
        Self {
            id: row.id,
            name: row.name,
            scope: row.scope.as_str(),
            service: row.service.map(|(_, name)| name),
            created_at: row.created_at,
            created_by: row.created_by,
            last_used_at: row.last_used_at,
            expires_at: row.expires_at,
            token,
        }
    }
}

/// `GET /api/v1/tokens`.
#[handler]
pub(in crate::web) async fn index(request: &Request, state: Data<&AppState>) -> Result<Response, Error> {
    auth::caller(request)?.require(Scope::Admin, None)?;
    let rows = state.db().read(tokens::list).await?;
    let items = rows.into_iter().map(|row| Shown::new(row, None)).collect();
    Ok(super::json(StatusCode::OK, &List { items, next: None }))
}

/// `POST /api/v1/tokens`: 201 with the token, once.
#[handler]
pub(in crate::web) async fn create(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    caller.require(Scope::Admin, None)?;
    let (row, token) = create_as(&state, &caller, actor(&caller, request), json(body).await?).await?;
    Ok(super::json(StatusCode::CREATED, &Shown::new(row, Some(token.reveal().to_owned()))))
}

/// Makes a token for a caller, with its audit row.
///
/// # Errors
/// 403, 400 for a field, 404 for the service, 409 where the name is taken.
pub(in crate::web) async fn create_as(
    state: &AppState,
    caller: &Caller,
    actor: Actor,
    wanted: TokenBody,
) -> Result<(TokenRow, ApiToken), Error> {
    caller.require(Scope::Admin, None)?;
    auth::fresh(state, caller, "/tokens")?;
    let (own, now) = (state.clone(), state.clock().now());
    let write = move |tx: &Tx<'_>| {
        let token = ApiToken::mint(own.key());
        let service = wanted.service.as_deref().map(|name| services::load(tx, name)).transpose()?;
        let row = TokenRow {
            id: token.id.clone(),
            name: read_name(wanted.name.as_deref())?,
            scope: read_scope(wanted.scope.as_deref())?,
            service: service.map(|service| (service.id, service.name.to_string())),
            created_at: now,
            created_by: actor.name.clone(),
            last_used_at: None,
            expires_at: read_expiry(wanted.expires_in.as_deref(), now)?,
        };
        if !tokens::insert(tx, &row, &token.hash())? {
            return Err(Error::taken(&format!("token {}", row.name)));
        }
        let detail = format!("scope {}", row.scope.as_str());
        audit::record(tx, &actor, "token.create", &format!("token {}", row.name), &detail, now)?;
        Ok((row, token))
    };
    state.db().try_write(write).await
}

fn read_name(name: Option<&str>) -> Result<String, Invalid> {
    let name = name.unwrap_or_default();
    if is_name(name) {
        return Ok(name.to_owned());
    }
    Err(Invalid::new("name", "a token's name is 1 to 58 characters without a slash, for example ci"))
}

fn read_scope(scope: Option<&str>) -> Result<Scope, Invalid> {
    let scope = Scope::parse(scope.unwrap_or_default());
    scope.ok_or_else(|| Invalid::new("scope", "must be read, deploy or admin"))
}

fn read_expiry(text: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, Invalid> {
    let span = text.map(str::parse::<Span>).transpose();
    let span = span.map_err(|error| Invalid::new("expiresIn", error.detail))?;
    Ok(span.map(|span| now.plus(span.duration())))
}

/// `DELETE /api/v1/tokens/{token}`: revokes it; by id or name.
#[handler]
pub(in crate::web) async fn revoke(
    request: &Request,
    Path(token): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    revoke_as(&state, &caller, actor(&caller, request), token).await?;
    Ok(no_content())
}

/// Revokes a token, named by id or name, for a caller, with its audit row.
///
/// # Errors
/// 403 or 404.
pub(in crate::web) async fn revoke_as(
    state: &AppState,
    caller: &Caller,
    actor: Actor,
    token: String,
) -> Result<(), Error> {
    caller.require(Scope::Admin, None)?;
    let now = state.clock().now();
    let write = move |tx: &Tx<'_>| {
        let name =
            tokens::revoke(tx, &token, now)?.ok_or_else(|| Error::NotFound(format!("token {token}")))?;
        Ok::<_, Error>(audit::record(tx, &actor, "token.revoke", &format!("token {name}"), "", now)?)
    };
    state.write_credentials(write).await
}
