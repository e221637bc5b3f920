//! `/tokens`: API tokens. A new one is in the answer that makes it and nowhere else.

pub mod view;

use std::collections::HashMap;

use poem::http::{StatusCode, header};
use poem::web::{Data, Path};
use poem::{IntoResponse, Response, handler};

use crate::actions::{By, Context, tokens};
use crate::db::{self, Reader, services};
use crate::domain::{Class, Scope};
use crate::web::error::Error;
use crate::web::extract::Form;
use crate::web::pages::format::sentence;
use crate::web::pages::tokens::view::{RevocationPage, TokenMadePage, TokenRow, TokensPage};
use crate::web::pages::{Frame, Page, chosen, field, held, redirect};
use crate::web::request::Query;
use crate::web::state::AppState;
use crate::wire::token::TokenBody;

/// Its address.
const PATH: &str = "/tokens";
/// Tokens that the page lists, live ones first, and services that its form offers.
const LISTED: u32 = 200;

/// `GET /tokens`.
#[handler]
pub(in crate::web) async fn index(by: By, query: Query, state: Data<&AppState>) -> Result<Response, Error> {
    let is_revoked = query.get("done") == Some("revoked");
    let page = load(&state, &by, view::Form::default()).await?;
    Ok(Page(TokensPage { is_revoked, ..page }).into_response())
}

async fn load(state: &AppState, by: &By, form: view::Form) -> Result<TokensPage, Error> {
    by.require(Scope::Admin, None)?;
    let read = |reader: &Reader<'_>, _: &Context| {
        let services = services::list(reader, None, LISTED)?;
        let names = services.into_iter().map(|service| service.name.to_string()).collect();
        Ok((names, db::tokens::list_all(reader, LISTED)?))
    };
    let (services, rows) = state.read(read).await?;
    Ok(TokensPage {
        frame: Frame::of(&by.caller, state, PATH),
        needs_confirmation: !by.caller.is_fresh(by.at),
        services,
        rows: rows.into_iter().map(|row| TokenRow::new(row, by.at)).collect(),
        form,
        is_revoked: false,
    })
}

/// `POST /tokens`: makes one; the answer shows it, once.
#[handler]
pub(in crate::web) async fn create(
    by: By,
    Form(form): Form,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let wanted = read(&form);
    let made = state.act(by.clone(), move |tx, context, by| tokens::create(tx, context, by, &wanted)).await;
    let errors = match made {
        Ok((row, token)) => {
            let frame = Frame::of(&by.caller, &state, PATH);
            let page = TokenMadePage::new(frame, row, token.reveal(), by.at);
            return Ok(Page(page).with_header(header::CACHE_CONTROL, "no-store").into_response());
        }
        Err(error) => match (error.invalids(), error.class()) {
            (wrong, _) if !wrong.is_empty() => {
                wrong.into_iter().map(|one| (view::Form::id_of(&one.field), sentence(&one.detail))).collect()
            }
            (_, Class::Conflict) => vec![("tn", sentence(&error.detail()))],
            (_, Class::NotFound) => vec![("tv", sentence(&error.detail()))],
            (_, _) => return Err(error.holding(held(PATH, PATH, &form))),
        },
    };
    let form = view::Form {
        name: field(&form, "name"),
        scope: field(&form, "scope"),
        service: field(&form, "service"),
        expires: field(&form, "expires"),
        errors,
    };
    let page = load(&state, &by, form).await?;
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
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let (frame, now) = (Frame::of(&by.caller, &state, PATH), by.at);
    let token = state.read(move |reader, _| tokens::find(reader, &by, &id)).await?;
    Ok(Page(RevocationPage::new(frame, token, now)).into_response())
}

/// `POST /tokens/{id}/revoke`.
#[handler]
pub(in crate::web) async fn revoke(
    by: By,
    Path(id): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    state.act_on_credentials(by, move |tx, _, by| tokens::revoke(tx, by, &id)).await?;
    Ok(redirect("/tokens?done=revoked"))
}
