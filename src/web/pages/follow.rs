//! Pages that follow by themselves: the script asks again and again, and is told at once where nothing has changed.

use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Request, Response};

use crate::actions::Caller;
use crate::web::request::{FOLLOWS, header as header_of};
use crate::web::state::AppState;

/// What tells a page from itself at another time: process, change and viewer. To be made before the rows are read.
pub(in crate::web::pages) struct Moment(Option<String>);

impl Moment {
    /// For a page that this caller asks for.
    pub(in crate::web::pages) fn of(request: &Request, state: &AppState, caller: Option<&Caller>) -> Self {
        // A browser that loads a page anew is never told that it has it: its copy may be of before.
        if header_of(request.headers(), FOLLOWS).is_none() {
            return Self(None);
        }
        let viewer = match caller {
            Some(Caller::Operator { operator, .. }) => operator.id.to_string(),
            Some(_) => return Self(None),
            None => "nobody".to_owned(),
        };
        Self(Some(format!("W/\"{}-{}-{viewer}\"", state.start(), state.db().commits())))
    }

    /// Whether a page that is open asks for what it has to change.
    pub(in crate::web::pages) fn is_followed(&self) -> bool {
        self.0.is_some()
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
