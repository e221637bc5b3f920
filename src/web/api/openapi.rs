//! The document of the API.

use std::sync::Arc;

use poem::http::{StatusCode, header};
use poem::web::Data;
use poem::{Request, Response, handler};

use crate::web::assets::is_known;
use crate::web::openapi::{Contract, Facts};
use crate::web::state::AppState;

/// `GET /openapi.json`.
#[handler]
pub(in crate::web) fn show(
    request: &Request,
    Data(contract): Data<&Arc<Contract>>,
    Data(state): Data<&AppState>,
) -> Response {
    let document = contract.document(|| Facts::of(state));
    let response = Response::builder()
        .header(header::CACHE_CONTROL, "no-cache")
        .header(header::ETAG, &document.etag)
        .content_type("application/json");
    if is_known(request, &document.etag) {
        return response.status(StatusCode::NOT_MODIFIED).finish();
    }
    response.body(document.text.clone())
}
