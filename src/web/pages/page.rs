//! Makes HTML of a template, and answers with it.

use askama::Template;
use poem::http::{StatusCode, header};
use poem::{Body, IntoResponse, Response};

/// Shown where a template fails, which none does with the values it is given.
const UNRENDERED: &str = "internal error";

/// A page that is answered as HTML.
#[derive(Debug)]
pub struct Page<T>(pub T);

impl<T: Template> Page<T> {
    /// Makes the HTML. For a page that takes long, to be called where blocking is allowed.
    pub(in crate::web) fn render(&self) -> Rendered {
        Rendered(self.0.render())
    }
}

impl<T: Template + Send> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        self.render().into_response()
    }
}

/// A page as HTML.
pub(in crate::web) struct Rendered(askama::Result<String>);

impl Rendered {
    /// Answers with what is made of the HTML.
    pub(super) fn into_response_with(self, body: impl FnOnce(String) -> Body) -> Response {
        match self.0 {
            Ok(html) => body(html).with_content_type("text/html; charset=utf-8").into_response(),
            Err(error) => {
                tracing::error!(%error, "page not rendered");
                UNRENDERED.with_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
            }
        }
    }
}

impl IntoResponse for Rendered {
    fn into_response(self) -> Response {
        self.into_response_with(Body::from)
    }
}

/// Sends the browser on to another page.
pub(super) fn redirect(path: &str) -> Response {
    Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, path).finish()
}
