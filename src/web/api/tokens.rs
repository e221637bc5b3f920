//! API tokens. The secret is in the answer that makes it and nowhere else.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Response, handler};

use crate::actions::By;
use crate::actions::tokens::{self, shown};
use crate::web::api::{created, json, no_content};
use crate::web::error::Error;
use crate::web::extract::Input;
use crate::web::state::AppState;
use crate::wire::list::List;
use crate::wire::token::TokenBody;

/// `GET /api/v1/tokens`.
#[handler]
pub(in crate::web) async fn index(by: By, state: Data<&AppState>) -> Result<Response, Error> {
    let rows = state.read(move |reader, _| tokens::list(reader, &by)).await?;
    let items = rows.into_iter().map(|row| shown(row, None)).collect();
    Ok(json(StatusCode::OK, &List::whole(items)))
}

/// `POST /api/v1/tokens`: 201 with the token, once.
#[handler]
pub(in crate::web) async fn create(
    by: By,
    Input(body): Input<TokenBody>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let made = state.act(by, move |tx, context, by| tokens::create(tx, context, by, &body)).await?;
    let (row, token) = made;
    let shown = shown(row, Some(&token));
    Ok(created(&["tokens", &shown.id], &shown))
}

/// `DELETE /api/v1/tokens/{token}`: revokes it; by id or name.
#[handler]
pub(in crate::web) async fn revoke(
    by: By,
    Path(token): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    state.act_on_credentials(by, move |tx, _, by| tokens::revoke(tx, by, &token)).await?;
    Ok(no_content())
}
