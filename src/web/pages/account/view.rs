//! What `/account` and the pages under it show.

use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::db::sessions::Listed;
use crate::domain::Timestamp;
use crate::web::pages::Frame;
use crate::web::pages::format::Moment;
use crate::web::pages::session::view::Refusal;

/// `/account`.
#[derive(Debug, Template)]
#[template(path = "pages/account/show.html")]
pub struct AccountPage {
    /// Around it.
    pub frame: Frame,
    /// Whose page it is.
    pub name: String,
    /// Whether they have a password.
    pub has_password: bool,
    /// Whether making a link asks for the password first.
    pub needs_confirmation: bool,
    /// Their sessions.
    pub sessions: Vec<SessionRow>,
    /// Everybody.
    pub operators: Vec<OperatorRow>,
    /// What was just done.
    pub done: Option<&'static str>,
    /// Why the present password was not taken.
    pub refusal: Option<Refusal>,
    /// Why the new password was not taken.
    pub password_error: Option<PasswordError>,
    /// Why no operator was added, without a full stop.
    pub operator_error: Option<String>,
    /// The name of an operator who was not added, as typed.
    pub operator_name: String,
}

impl AccountPage {
    fn error_at(&self, field: &str) -> Option<&str> {
        self.password_error.as_ref().filter(|wrong| wrong.field == field).map(|wrong| wrong.detail.as_str())
    }
}

/// An operator in the list.
#[derive(Debug, Clone)]
pub struct OperatorRow {
    /// What they are called.
    pub name: String,
    /// Where they are removed.
    pub removal: String,
}

impl OperatorRow {
    /// The row of the operator of that name.
    pub fn new(name: String) -> Self {
        let removal =
            format!("/account/operators/remove?name={}", utf8_percent_encode(&name, NON_ALPHANUMERIC));
        Self { name, removal }
    }
}

/// What is wrong with a new password.
#[derive(Debug, Clone)]
pub struct PasswordError {
    /// The id of the field.
    pub field: &'static str,
    /// What would be right, without a full stop.
    pub detail: String,
}

/// One session.
#[derive(Debug, Clone)]
pub struct SessionRow {
    /// Names it in the form that ends it.
    pub id: String,
    /// Whether the page is shown in it.
    pub is_here: bool,
    /// Browser and system in a few words.
    pub browser: String,
    /// The address that began it.
    pub address: String,
    /// When it was begun.
    pub created: Moment,
    /// About when it was last used.
    pub used: Moment,
}

impl SessionRow {
    /// The row of a session; `here` is that of the page.
    pub fn new(session: Listed, here: &str, now: Timestamp) -> Self {
        Self {
            is_here: session.id == here,
            id: session.id,
            browser: browser(&session.user_agent),
            address: session.address,
            created: Moment::new(session.created_at, now),
            used: Moment::new(session.last_used_at, now),
        }
    }
}

/// `Firefox on Linux`, or what the client called itself, cut.
fn browser(agent: &str) -> String {
    const LONGEST: usize = 40;
    // Each names the ones after it as well.
    const BROWSERS: [(&str, &str); 5] = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 6] = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ];
    let find =
        |all: &[(&str, &'static str)]| all.iter().find(|(part, _)| agent.contains(part)).map(|own| own.1);
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ if agent.is_empty() => "Unknown browser".to_owned(),
        _ => agent.chars().take(LONGEST).collect(),
    }
}

/// A one-time link that was just made.
#[derive(Debug, Template)]
#[template(path = "pages/account/link.html")]
pub struct LinkMadePage {
    /// Around it.
    pub frame: Frame,
    /// Whose link it is.
    pub name: String,
    /// The link; a secret.
    pub url: String,
    /// When it stops working.
    pub ends: Moment,
    /// Whether the operator was made with it.
    pub is_new: bool,
}

/// Asks before an operator is removed.
#[derive(Debug, Template)]
#[template(path = "pages/account/remove.html")]
pub struct RemovalPage {
    /// Around it.
    pub frame: Frame,
    /// Who.
    pub name: String,
    /// Whether it is who asks.
    pub is_self: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_by_browser_and_system() {
        for (agent, words) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Safari/604.1", "Safari on iPhone"),
            ("curl/8.5.0", "curl/8.5.0"),
            ("", "Unknown browser"),
        ] {
            assert_eq!(browser(agent), words);
        }
        assert_eq!(browser(&"x".repeat(500)).len(), 40);
    }
}
