//! `/tokens`: API tokens. A new one is in the answer that makes it and nowhere else.

use std::collections::HashMap;

use poem::http::{StatusCode, header};
use poem::web::{Data, Path};
use poem::{Body, IntoResponse, Request, Response, handler};

use crate::db::{Reader, services, tokens};
use crate::domain::Scope;

use super::super::api::tokens::{TokenBody, create_as, revoke_as};
use super::super::auth::{self, Caller, actor};
use super::super::error::Error;
use super::super::request::{Query, form};
use super::super::state::AppState;
use super::tokens_view::{Form, RevocationPage, TokenMadePage, TokenRow, TokensPage};
use super::{Frame, Page, chosen, field, redirect};

/// Its address.
const PATH: &str = "/tokens";
/// Tokens that the page lists, live ones first, and services that its form offers.
const LISTED: u32 = 200;

/// `GET /tokens`.
#[handler]
pub(in crate::web) async fn index(request: &Request, state: Data<&AppState>) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let is_revoked = Query::parse(request)?.get("done") == Some("revoked");
    let page = load(&state, &caller, Form::default()).await?;
    Ok(Page(TokensPage { is_revoked, ..page }).into_response())
}

async fn load(state: &AppState, caller: &Caller, form: Form) -> Result<TokensPage, Error> {
    caller.require(Scope::Admin, None)?;
    let read = |reader: &Reader<'_>| {
        let services = services::list(reader, None, LISTED)?;
        let names = services.into_iter().map(|service| service.name.to_string()).collect();
        Ok::<_, Error>((names, tokens::list_all(reader, LISTED)?))
    };
    let (services, rows) = state.db().read(read).await?;
    let now = state.clock().now();
    Ok(TokensPage {
        frame: Frame::of(caller, state, PATH),
        needs_confirmation: !auth::is_fresh(state, caller),
        services,
        rows: rows.into_iter().map(|row| TokenRow::new(row, now)).collect(),
        form,
        is_revoked: false,
    })
}

/// `POST /tokens`: makes one; the answer shows it, once.
#[handler]
pub(in crate::web) async fn create(
    request: &Request,
    body: Body,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let form = form(body).await?;
    let wanted = read(&form);
    let (field_id, detail) = match create_as(&state, &caller, actor(&caller, request), wanted).await {
        Ok((row, token)) => {
            let frame = Frame::of(&caller, &state, PATH);
            let page = TokenMadePage::new(frame, row, token.reveal(), state.clock().now());
            return Ok(Page(page).with_header(header::CACHE_CONTROL, "no-store").into_response());
        }
        Err(Error::Invalid(wrong)) => (Form::id_of(&wrong.field), wrong.detail),
        Err(Error::Conflict { detail, .. }) => ("tn", detail),
        Err(Error::NotFound(what)) => ("tv", format!("there is no {what}")),
        Err(error) => return Err(error),
    };
    let form = Form {
        name: field(&form, "name"),
        scope: field(&form, "scope"),
        service: field(&form, "service"),
        expires: field(&form, "expires"),
        error: Some((field_id, detail)),
    };
    let page = load(&state, &caller, form).await?;
    Ok(Page(page).with_status(StatusCode::BAD_REQUEST).into_response())
}

/// An empty choice of a form is none.
fn read(form: &HashMap<String, String>) -> TokenBody {
    TokenBody {
        name: chosen(form, "name"),
        scope: chosen(form, "scope"),
        service: chosen(form, "service"),
        expires_in: chosen(form, "expires").filter(|text| text != "never"),
    }
}

/// `GET /tokens/{id}/revoke`: says what revoking means, and asks.
#[handler]
pub(in crate::web) async fn confirm_revocation(
    request: &Request,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    caller.require(Scope::Admin, None)?;
    let found = state.db().read(move |reader| tokens::find(reader, &id)).await?;
    let token = found.ok_or_else(|| Error::NotFound("live token of this id".to_owned()))?;
    let frame = Frame::of(&caller, &state, PATH);
    Ok(Page(RevocationPage::new(frame, token, state.clock().now())).into_response())
}

/// `POST /tokens/{id}/revoke`.
#[handler]
pub(in crate::web) async fn revoke(
    request: &Request,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    revoke_as(&state, &caller, actor(&caller, request), id).await?;
    Ok(redirect("/tokens?done=revoked"))
}
