//! `/docs/api`: the document of the API, to be read.

mod reference;
mod schemas;

use std::sync::{Arc, OnceLock};

use askama::Template;
use poem::web::Data;
use poem::{IntoResponse, Request, Response, handler};

use crate::web::auth;
use crate::web::error::Error;
use crate::web::openapi::{Contract, Facts};
use crate::web::pages::{Frame, Page};
use crate::web::state::AppState;

use reference::Reference;

/// What the document says, made for reading when somebody reads it first.
#[derive(Debug, Default)]
pub(in crate::web) struct ReadReference(OnceLock<Arc<Reference>>);

/// `/docs/api`.
#[derive(Debug, Template)]
#[template(path = "pages/docs/api.html")]
struct ApiPage {
    frame: Frame,
    api: Arc<Reference>,
}

/// `GET /docs/api`: for everybody; it describes, and has no data.
#[handler]
pub(in crate::web) async fn api(
    request: &Request,
    contract: Data<&Arc<Contract>>,
    Data(read): Data<&Arc<ReadReference>>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::find(state.context(), request).await.ok().flatten();
    let api = read.0.get_or_init(|| {
        let text = &contract.document(|| Facts::of(&state)).text;
        Arc::new(Reference::new(&serde_json::from_slice(text).unwrap_or_default()))
    });
    let frame = Frame::for_anyone(caller.as_ref(), &state, "");
    Ok(Page(ApiPage { frame, api: Arc::clone(api) }).into_response())
}
