//! The status badge of a service.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Response, handler};

use crate::actions::{By, badges};
use crate::web::api;
use crate::web::error::Error;
use crate::web::state::AppState;
use crate::wire::service::BadgeJson;

/// `PUT /api/v1/services/{name}/badge`: makes one, in the place of an earlier one.
#[handler]
pub(in crate::web) async fn create(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let url = state.act(by, move |tx, context, by| badges::create(tx, context, by, &name)).await?;
    Ok(api::json(StatusCode::CREATED, &BadgeJson { url }))
}

/// `DELETE /api/v1/services/{name}/badge`.
#[handler]
pub(in crate::web) async fn delete(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    state.act(by, move |tx, _, by| badges::delete(tx, by, &name)).await?;
    Ok(api::no_content())
}
