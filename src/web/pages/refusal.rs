//! Refusals as pages.

use poem::http::{Method, StatusCode};
use poem::{IntoResponse, Request, Response};

use crate::actions::Caller;
use crate::domain::{Class, Code};
use crate::web::error::Error;
use crate::web::front::RequestId;
use crate::web::pages::errors::{ErrorPage, HookGetPage};
use crate::web::pages::format::sentence;
use crate::web::pages::session::view::is_local;
use crate::web::pages::session::{confirm, login_path};
use crate::web::pages::{Frame, Page};
use crate::web::state::AppState;

/// The answer to a GET of a hook URL by a browser: the same for every URL.
pub(in crate::web) fn hook_takes_post_only(allow: &str) -> Response {
    let page = Page(HookGetPage::new()).with_status(StatusCode::METHOD_NOT_ALLOWED);
    page.with_header("allow", allow).into_response()
}

/// What is known of a request whose answer may be an error.
pub(in crate::web) struct RefusedRequest {
    /// Of a GET, so that the sign-in leads back to it.
    path: Option<String>,
    /// Names the request in the log.
    request_id: Option<String>,
    /// Around the page.
    frame: Frame,
}

impl RefusedRequest {
    /// Notes of a request what its refusal needs.
    pub(in crate::web) fn new(request: &Request) -> Self {
        Self {
            path: (request.method() == Method::GET).then(|| request.original_uri().to_string()),
            request_id: RequestId::of(request),
            frame: Frame::signed_out(),
        }
    }

    /// The same with the menu of the caller whom a guard let in.
    pub(in crate::web) fn of_caller(mut self, caller: Option<&Caller>, state: &AppState) -> Self {
        if let Some(caller) = caller {
            self.frame = Frame::of(caller, state, "");
        }
        self
    }

    /// An error as a page, for addresses that people open. Where it is a sign-in that is missing, it leads back.
    pub(in crate::web) fn answer(self, error: &Error) -> Response {
        error.log();
        if let Error::Unconfirmed(held) = error {
            return confirm::ask(self.frame, held.clone()).with_status(error.status()).into_response();
        }
        let (label, address) = match error.code() {
            Code::Unauthenticated => {
                let path = self.path.filter(|path| is_local(path));
                ("Sign in", path.map_or_else(|| "/login".to_owned(), |path| login_path(&path)))
            }
            _ => ("All services", "/services".to_owned()),
        };
        let (heading, detail) = match error.code() {
            Code::Unauthenticated => {
                ("Sign in to see this page", "It is for who runs this server.".to_owned())
            }
            _ => (heading(error), sentence(&error.detail())),
        };
        // What the heading says is not said twice.
        let is_more = detail.trim_end_matches('.') != heading;
        let page = ErrorPage {
            detail: Some(detail).filter(|_| is_more),
            next: Some((label.to_owned(), address)),
            request_id: self.request_id,
            ..ErrorPage::new(self.frame, error.status(), heading)
        };
        let mut response = Page(page).with_status(error.status()).into_response();
        response.headers_mut().extend(error.headers());
        response
    }
}

fn heading(error: &Error) -> &'static str {
    match error.class() {
        Class::NotFound => "There is nothing at this address",
        Class::Credential => "This needs an operator",
        Class::Internal => "The server failed",
        Class::Conflict | Class::Locked => "Not in this state",
        Class::TooMany | Class::Unavailable => "Not now",
        _ => "This could not be done",
    }
}
