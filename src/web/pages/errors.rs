//! Pages for what went wrong.

use askama::Template;
use poem::http::StatusCode;

use crate::web::pages::Frame;

/// An error in words, with the way on.
#[derive(Debug, Template)]
#[template(path = "pages/error.html")]
pub struct ErrorPage {
    /// Around it.
    pub frame: Frame,
    /// The answer's status; the handler sets the same on the response.
    pub status: StatusCode,
    /// What happened, as a heading without a full stop.
    pub heading: String,
    /// What it happened to, in machine words: an id, a path.
    pub subject: Option<String>,
    /// What may be the cause and what to do, in whole sentences.
    pub detail: Option<String>,
    /// Label and address of the one thing to do next.
    pub next: Option<(String, String)>,
    /// Names this request in the server's log.
    pub request_id: Option<String>,
}

impl ErrorPage {
    /// A page with a heading alone.
    pub fn new(frame: Frame, status: StatusCode, heading: impl Into<String>) -> Self {
        let heading = heading.into();
        Self { frame, status, heading, subject: None, detail: None, next: None, request_id: None }
    }

    /// No deployment has the id that was asked for.
    pub fn deployment_not_found(frame: Frame, id: &str) -> Self {
        let detail = "It may have been removed: deployments are not kept for ever. \
                      Or a character is missing; an id is dep_ and 20 more.";
        Self {
            subject: Some(id.to_owned()),
            detail: Some(detail.to_owned()),
            ..Self::new(frame, StatusCode::NOT_FOUND, "There is no deployment with this id")
        }
    }

    /// A one-time link that is used, past its end, or was never made. The three are not told apart.
    pub fn link_not_usable() -> Self {
        let detail = "A link works once and for a limited time. \
                      On the server, run stackblaze admin login-link NAME for a new one, or stackblaze admin create NAME \
                      where nobody has signed in yet.";
        Self {
            detail: Some(detail.to_owned()),
            ..Self::new(Frame::signed_out(), StatusCode::NOT_FOUND, "This link is used or past its end")
        }
    }

    fn title(&self) -> &str {
        self.status.canonical_reason().unwrap_or("Error")
    }
}

/// A hook URL was opened in a browser. Its address is the secret, so the page sends no referrer and names no token.
#[derive(Debug, Template)]
#[template(path = "pages/error_hook_get.html")]
pub struct HookGetPage {
    /// Around it; signed out, since nothing is looked up.
    pub frame: Frame,
}

impl HookGetPage {
    /// The same page for every URL, genuine or not.
    pub fn new() -> Self {
        Self { frame: Frame::signed_out() }
    }
}

impl Default for HookGetPage {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_page_says_what_and_how_to_go_on() {
        let mut page = ErrorPage::deployment_not_found(Frame::signed_out(), "\"><img onerror=x>");
        page.next = Some(("Sign in".into(), "/login".into()));
        page.request_id = Some("req_7c41b09e".into());

        let html = page.render().unwrap();

        for part in [
            "<title>Not Found · StackBlaze</title>",
            ">404</p>",
            "There is no deployment with this id",
            "&#60;img onerror",
            "<a class=\"btn btn-primary\" href=\"/login\">Sign in</a>",
            "<code id=\"rid\">req_7c41b09e</code>",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("<img"));
    }

    #[test]
    fn the_page_of_an_opened_hook_url_sends_no_referrer() {
        let html = HookGetPage::new().render().unwrap();

        assert!(html.contains("<meta name=\"referrer\" content=\"no-referrer\">"));
        assert!(html.contains("It answers POST only"));
        assert!(html.contains("$STACKBLAZE_DEPLOY_HOOK"));
    }
}
