//! The dashboard's pages: display values in, HTML out. Each page is a struct beside its handler and a template of the
//! same path; what a page shows is decided here, how it looks is decided there.

pub(in crate::web) mod account;
pub mod account_view;
pub mod ansi;
pub(in crate::web) mod audit;
pub mod audit_view;
pub(in crate::web) mod confirm;
pub(in crate::web) mod deploy_hooks;
mod deployment_row;
pub mod deployment_view;
pub(in crate::web) mod deployments;
pub mod errors;
pub mod format;
mod fuse;
mod kept_log;
pub mod log_lines;
pub mod log_view;
pub(in crate::web) mod operators;
mod relative;
mod service_form;
pub mod service_head;
pub(in crate::web) mod service_settings;
pub mod service_view;
pub(in crate::web) mod services;
pub mod services_view;
pub(in crate::web) mod session;
pub mod session_view;
pub(in crate::web) mod setup;
pub mod snippets;
mod steps_view;
mod ticks;
pub(in crate::web) mod tokens;
pub mod tokens_view;
mod verdict;

use std::collections::HashMap;

use askama::Template;
use poem::http::{StatusCode, header};
use poem::{IntoResponse, Response};

use crate::actions::Caller;
use crate::domain::{Class, Code, ExecutorKind};
use crate::web::error::Error;
use crate::web::state::AppState;

use errors::ErrorPage;

/// Shown where a template fails, which none does with the values it is given.
const UNRENDERED: &str = "internal error";

/// The answer to a GET of a hook URL by a browser: the same for every URL.
pub(super) fn hook_takes_post_only(allow: &'static str) -> Response {
    let page = Page(errors::HookGetPage::new()).with_status(StatusCode::METHOD_NOT_ALLOWED);
    page.with_header("allow", allow).into_response()
}

/// Sends the browser on to another page.
fn redirect(path: &str) -> Response {
    Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, path).finish()
}

/// What was typed into a field of a form; empty where there is no such field.
fn field(form: &HashMap<String, String>, name: &str) -> String {
    form.get(name).cloned().unwrap_or_default()
}

/// The same without the blanks around it.
fn trimmed(form: &HashMap<String, String>, name: &str) -> String {
    field(form, name).trim().to_owned()
}

/// The same, where it is anything.
fn chosen(form: &HashMap<String, String>, name: &str) -> Option<String> {
    Some(trimmed(form, name)).filter(|text| !text.is_empty())
}

/// What is known of a request whose answer may be an error.
#[derive(Default)]
pub(super) struct Asked {
    /// Of a GET, so that the sign-in leads back to it.
    pub(super) path: Option<String>,
    /// Names the request in the log.
    pub(super) request_id: Option<String>,
    /// Around the page.
    pub(super) frame: Frame,
}

impl Asked {
    /// An error as a page, for addresses that people open. Where it is a sign-in that is missing, it leads back.
    pub(super) fn refused(self, error: &Error) -> Response {
        error.log();
        if let Error::Unconfirmed { back } = error {
            return redirect(&confirm::path(back));
        }
        let (label, address) = match error.code() {
            Code::Unauthenticated => {
                let path = self.path.filter(|path| session_view::is_local(path));
                ("Sign in", path.map_or_else(|| "/login".to_owned(), |path| session::login_path(&path)))
            }
            _ => ("All services", "/services".to_owned()),
        };
        let page = ErrorPage {
            detail: Some(format::sentence(&error.detail())),
            next: Some((label.to_owned(), address)),
            request_id: self.request_id,
            ..ErrorPage::new(self.frame, error.status(), heading(error))
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

/// A page that is answered as HTML.
#[derive(Debug)]
pub struct Page<T>(pub T);

impl<T: Template> Page<T> {
    /// Makes the HTML. For a page that takes long, to be called where blocking is allowed.
    pub(super) fn render(&self) -> Rendered {
        Rendered(self.0.render())
    }
}

impl<T: Template + Send> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        self.render().into_response()
    }
}

/// A page as HTML.
pub(super) struct Rendered(askama::Result<String>);

impl IntoResponse for Rendered {
    fn into_response(self) -> Response {
        match self.0 {
            Ok(html) => html.with_content_type("text/html; charset=utf-8").into_response(),
            Err(error) => {
                tracing::error!(%error, "page not rendered");
                UNRENDERED.with_status(StatusCode::INTERNAL_SERVER_ERROR).into_response()
            }
        }
    }
}

/// What every page has around its content.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// The signed-in operator.
    pub operator: Option<String>,
    /// Whether this server runs builds itself; said on every page.
    pub host_builds: bool,
    /// The entry of the menu that the page belongs to; empty for none.
    pub here: &'static str,
}

impl Frame {
    /// The frame for nobody in particular.
    pub fn signed_out() -> Self {
        Self::default()
    }

    /// The frame of a page below this entry of the menu, for whoever asks.
    pub(super) fn of(caller: &Caller, state: &AppState, here: &'static str) -> Self {
        let operator = match caller {
            Caller::Operator { operator, .. } => Some(operator.name.clone()),
            _ => None,
        };
        Self { operator, host_builds: state.settings().available.has(ExecutorKind::Local), here }
    }

    /// This program's version.
    pub fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }
}
