//! Pages that follow by themselves: the script asks again and again, and is told at once where nothing has changed.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Request, Response};

use crate::actions::Caller;
use crate::web::request::header as header_of;
use crate::web::state::AppState;

/// What tells a page from itself at another time: process, change and viewer. To be made before the rows are read.
pub(in crate::web::pages) struct Moment(Option<String>);

impl Moment {
    /// For a page that this caller asks for.
    pub(in crate::web::pages) fn of(state: &AppState, caller: &Caller) -> Self {
        let Caller::Operator { operator, .. } = caller else { return Self(None) };
        Self(Some(format!("W/\"{}-{}-{}\"", state.start(), state.db().commits(), operator.id)))
    }

    /// The answer to who has the page as it is.
    pub(in crate::web::pages) fn unchanged(&self, request: &Request) -> Option<Response> {
        let known = header_of(request.headers(), header::IF_NONE_MATCH.as_str())?;
        (self.0.as_deref() == Some(known)).then(|| self.tag(StatusCode::NOT_MODIFIED))
    }

    /// The page with its tag.
    pub(in crate::web::pages) fn tag(&self, page: impl IntoResponse) -> Response {
        let mut response = page.into_response();
        if let Some(value) = self.0.as_deref().and_then(|tag| HeaderValue::from_str(tag).ok()) {
            response.headers_mut().insert(header::ETAG, value);
        }
        response
    }
}
