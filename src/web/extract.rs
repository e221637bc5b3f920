//! What a handler may ask for in its signature: who calls, the query, a body of a known shape, a form.

use std::collections::HashMap;

use poem::{FromRequest, Request, RequestBody};

use crate::actions::By;
use crate::domain::Code;
use crate::web::error::Error;
use crate::web::front::read_limited;
use crate::web::request::{BODY_LIMIT, Query, address_text, header, traceparent};
use crate::web::state::AppState;
use crate::wire::read::{Shape, read};

/// Whoever the guard before the handler let in.
impl<'a> FromRequest<'a> for By {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        let missing = || Error::unauthenticated("this needs a credential");
        let caller = request.data().cloned().ok_or_else(missing)?;
        let state: &AppState = request.data().ok_or_else(|| Error::internal("a handler has no state"))?;
        let (address, traceparent) = (address_text(request), traceparent(request.headers()));
        Ok(Self { caller, address, at: state.clock().now(), traceparent })
    }
}

impl<'a> FromRequest<'a> for Query {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self::parse(request).map_err(Error::from)?)
    }
}

/// A JSON body of a known shape; nothing at all stands for an empty object.
pub(super) struct Input<T>(pub(super) T);

impl<'a, T: Shape> FromRequest<'a> for Input<T> {
    async fn from_request(request: &'a Request, body: &mut RequestBody) -> poem::Result<Self> {
        let bytes = read_limited(body.take()?, BODY_LIMIT).await.map_err(Error::from)?;
        let kind = header(request.headers(), "content-type").unwrap_or("application/json");
        if !bytes.is_empty() && !is_json(kind) {
            let detail = "this takes a JSON object: send it with Content-Type: application/json";
            return Err(Error::new(Code::MediaType, detail).into());
        }
        Ok(Self(read(&bytes).map_err(Error::from_faults)?))
    }
}

fn is_json(kind: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// The fields of a form, as browsers send it.
pub(super) struct Form(pub(super) HashMap<String, String>);

impl<'a> FromRequest<'a> for Form {
    async fn from_request(_request: &'a Request, body: &mut RequestBody) -> poem::Result<Self> {
        let bytes = read_limited(body.take()?, BODY_LIMIT).await.map_err(Error::from)?;
        Ok(Self(url::form_urlencoded::parse(&bytes).into_owned().collect()))
    }
}
