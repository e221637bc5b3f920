//! Changing what others change too: `ETag` and `If-Match` (RFC 9110, 13.1.1), and trying a change out.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{FromRequest, Request, RequestBody, Response};
use serde::Serialize;
use serde_json::Value;

use crate::actions::{self, By, Context};
use crate::db::Tx;
use crate::domain::Code;
use crate::web::api::json;
use crate::web::assets;
use crate::web::error::Error;
use crate::web::request::{Query, header as header_of};
use crate::web::state::AppState;

/// Fields that nobody edits and that change by themselves.
const LIVELY: [&str; 7] = [
    "rotatingUntil",
    "lastUsed",
    "callsLast30Days",
    "callsWithOldUrl",
    "deliveredAt",
    "failingSince",
    "oldSecretUntil",
];
/// What only a hook has, whose state changes with the time.
const OF_HOOK: &str = "maskedUrl";

/// How a change is asked for: only to what the caller has read, or only to see what would come of it.
#[derive(Debug)]
pub(super) struct Edit {
    known: Option<String>,
    is_try: bool,
}

impl<'a> FromRequest<'a> for Edit {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        let is_try = Query::parse(request).and_then(|query| query.flag("dry_run")).map_err(Error::from)?;
        let known = header_of(request.headers(), header::IF_MATCH.as_str()).map(str::to_owned);
        Ok(Self { known, is_try })
    }
}

impl Edit {
    /// Whether nothing is to be done.
    pub(super) fn is_try(&self) -> bool {
        self.is_try
    }

    /// Refuses a change of what is not as the caller has read it.
    ///
    /// # Errors
    /// Code `changed_meanwhile`.
    pub(super) fn check<T: Serialize>(&self, present: &T) -> actions::Result<()> {
        let Some(known) = &self.known else { return Ok(()) };
        let present = tag(present);
        if known.split(',').map(str::trim).any(|own| own == "*" || own == present) {
            return Ok(());
        }
        let detail = "it was changed since you read it; read it again, and send its ETag as If-Match";
        Err(actions::Error::new(Code::ChangedMeanwhile, detail))
    }

    /// Runs the change, or only tries it out.
    ///
    /// # Errors
    /// Those of the change.
    pub(super) async fn run<F, T>(self, state: &AppState, by: By, change: F) -> Result<T, Error>
    where
        F: FnOnce(&Tx<'_>, &Context, &By, &Self) -> actions::Result<T> + Send + 'static,
        T: Send + 'static,
    {
        if self.is_try {
            return state.try_out(by, move |tx, context, by| change(tx, context, by, &self)).await;
        }
        state.act_on_credentials(by, move |tx, context, by| change(tx, context, by, &self)).await
    }
}

/// The tag of what can be edited of an object.
fn tag<T: Serialize>(object: &T) -> String {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        let is_hook = fields.contains_key(OF_HOOK);
        fields.retain(|name, _| !(LIVELY.contains(&name.as_str()) || is_hook && name == "state"));
    }
    assets::tag(&value.to_string())
}

/// An object with its tag.
pub(super) fn tagged<T: Serialize>(object: &T) -> Response {
    with_tag(json(StatusCode::OK, object), object)
}

/// An answer with an object's tag.
pub(super) fn with_tag<T: Serialize>(mut response: Response, object: &T) -> Response {
    if let Ok(value) = HeaderValue::from_str(&tag(object)) {
        response.headers_mut().insert(header::ETAG, value);
    }
    response
}
