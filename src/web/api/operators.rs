//! Operators and their one-time sign-in links. A link is in the answer that makes it and nowhere else.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Response, handler};

use crate::actions::{By, operators};
use crate::web::api::{created, json};
use crate::web::error::Error;
use crate::web::extract::Input;
use crate::web::state::AppState;
use crate::wire::list::List;
use crate::wire::operator::{OperatorBody, OperatorJson};

/// `GET /api/v1/operators`.
#[handler]
pub(in crate::web) async fn index(by: By, state: Data<&AppState>) -> Result<Response, Error> {
    let found = state.read(move |reader, _| operators::list(reader, &by)).await?;
    let items = found.into_iter().map(|operator| OperatorJson { name: operator.name }).collect();
    Ok(json(StatusCode::OK, &List::whole(items)))
}

/// `POST /api/v1/operators`: 201 with a one-time sign-in link.
#[handler]
pub(in crate::web) async fn create(
    by: By,
    Input(body): Input<OperatorBody>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let name = body.name.unwrap_or_default();
    let made = state.act(by, move |tx, context, by| operators::create(tx, context, by, &name)).await?;
    Ok(created(&["operators", &made.name], &made))
}

/// `POST /api/v1/operators/{name}/login-link`: a one-time sign-in link.
#[handler]
pub(in crate::web) async fn login_link(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    make_link(by, name, &state, false).await
}

/// `POST /api/v1/operators/{name}/reset`: ends all sessions and links, takes the password away, then makes one link.
#[handler]
pub(in crate::web) async fn reset(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    make_link(by, name, &state, true).await
}

async fn make_link(by: By, name: String, state: &AppState, is_reset: bool) -> Result<Response, Error> {
    let made = state.act_on_credentials(by, move |tx, context, by| {
        operators::make_link(tx, context, by, &name, is_reset)
    });
    Ok(json(StatusCode::OK, &made.await?))
}
