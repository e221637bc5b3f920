//! Pages of those who are not signed in yet: sign-in, one-time link, setup.

use askama::Template;

use crate::domain::Timestamp;
use crate::web::pages::Frame;
use crate::web::pages::format::Moment;

/// Why a password was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Name or password is wrong; which of them is not said. So many tries are left.
    Wrong {
        /// How many.
        left: u32,
    },
    /// Too many were wrong; nothing is looked at until then.
    TooMany {
        /// When.
        until: Timestamp,
    },
}

/// The same in words.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// What happened.
    pub what: String,
    /// What follows from it.
    pub then: String,
}

impl Refused {
    /// What the page says of it.
    pub fn words(self, now: Timestamp) -> Refusal {
        let (what, then) = match self {
            Self::Wrong { left: 0 } => {
                ("Name or password is wrong.", "A pause of up to a minute comes now.".into())
            }
            Self::Wrong { left } => {
                let tries = if left == 1 { "try is" } else { "tries are" };
                let then = format!("{left} {tries} left, then a pause of up to a minute.");
                ("Name or password is wrong.", then)
            }
            Self::TooMany { until } => {
                let second = std::time::Duration::from_millis(999);
                let text = Moment::new(until.plus(second), now).text;
                ("Too many were wrong.", format!("Try again at {text}; a one-time link works at once."))
            }
        };
        Refusal { what: what.to_owned(), then }
    }
}

/// `/login` without a link: asks for name and password.
#[derive(Debug, Template)]
#[template(path = "pages/session/new.html")]
pub struct SignInPage {
    /// Around it.
    pub frame: Frame,
    /// The host that one signs in to.
    pub host: String,
    /// The page that was asked for and needs an operator.
    pub next: Option<String>,
    /// The name as typed, where the form comes back.
    pub name: String,
    /// Why it comes back.
    pub refusal: Option<Refusal>,
}

/// A sign-in link, opened: shows the button that uses it.
#[derive(Debug, Template)]
#[template(path = "pages/session/link.html")]
pub struct LinkPage {
    /// Around it.
    pub frame: Frame,
    /// Who is signed in by it.
    pub operator: String,
    /// The host that one signs in to.
    pub host: String,
    /// When it stops working.
    pub ends: Moment,
    /// The link's secret, which the form sends back in its body.
    pub token: String,
}

/// The setup link, opened: asks for the first operator's name and password.
#[derive(Debug, Template)]
#[template(path = "pages/session/setup.html")]
pub struct SetupPage {
    /// Around it.
    pub frame: Frame,
    /// When the link stops working.
    pub ends: Moment,
    /// The link's secret, which the form sends back in its body.
    pub token: String,
    /// The name as typed, where the form comes back.
    pub name: String,
    /// What is wrong with the name, without a full stop.
    pub error: Option<String>,
    /// What is wrong with the password, without a full stop. The password itself never comes back.
    pub password_error: Option<String>,
    /// What the server found out about itself; nothing is looked up for the page.
    pub checks: Vec<Check>,
}

/// One thing that has to be right for deployments to work.
#[derive(Debug, Clone)]
pub struct Check {
    /// Whether it is right.
    pub passes: bool,
    /// What was checked and found, one sentence.
    pub says: String,
    /// The detail, and what to do where it is not right.
    pub detail: String,
}

impl SignInPage {
    /// `next` is shown only where it is a path of this server.
    pub fn new(host: impl Into<String>, next: Option<&str>) -> Self {
        let next = next.filter(|path| is_local(path)).map(str::to_owned);
        Self { frame: Frame::signed_out(), host: host.into(), next, name: String::new(), refusal: None }
    }
}

impl LinkPage {
    /// The page of a link that is still good.
    pub fn new(
        operator: impl Into<String>,
        host: impl Into<String>,
        token: impl Into<String>,
        ends: Timestamp,
        now: Timestamp,
    ) -> Self {
        Self {
            frame: Frame::signed_out(),
            operator: operator.into(),
            host: host.into(),
            ends: Moment::new(ends, now),
            token: token.into(),
        }
    }
}

impl SetupPage {
    /// The page of a link that is still good, with an empty form.
    pub fn new(token: impl Into<String>, ends: Timestamp, now: Timestamp) -> Self {
        Self {
            frame: Frame::signed_out(),
            ends: Moment::new(ends, now),
            token: token.into(),
            name: String::new(),
            error: None,
            password_error: None,
            checks: Vec::new(),
        }
    }
}

/// Tells whether an address stays on this server: a path that no browser reads as another host.
pub fn is_local(path: &str) -> bool {
    path.starts_with('/')
        && !path.starts_with("//")
        && !path.chars().any(|c| c == '\\' || c.is_control() || c.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_530_649_120);
    const HOSTILE: &str = "\"><script>alert(1)</script>";

    #[test]
    fn the_sign_in_page_asks_for_name_and_password_and_says_where_a_link_comes_from() {
        let mut page = SignInPage::new("deploy.example.com", Some("/deploys/dep_1"));
        page.name = HOSTILE.into();

        let html = page.render().unwrap();

        assert!(html.contains("stackblaze admin login-link") && html.contains("deploy.example.com"));
        assert!(html.contains("<input type=\"hidden\" name=\"next\" value=\"/deploys/dep_1\">"));
        assert!(
            html.contains("autocomplete=\"username\"") && html.contains("autocomplete=\"current-password\"")
        );
        assert!(!html.contains("note-bad") && !html.contains("<script>"));
    }

    #[test]
    fn a_refusal_says_how_many_tries_are_left_or_when_the_next_is() {
        let words = |refused: Refused| refused.words(NOW).then;

        assert!(words(Refused::Wrong { left: 4 }).starts_with("4 tries are left"));
        assert!(words(Refused::Wrong { left: 1 }).starts_with("1 try is left"));
        let until = NOW.plus(std::time::Duration::from_secs(41));
        assert!(words(Refused::TooMany { until }).starts_with("Try again at 14:31:31 UTC"));
    }

    #[test]
    fn an_address_elsewhere_is_not_taken_for_a_page() {
        for next in ["https://evil.example", "//evil.example", "/\\evil.example", "/\t/evil", "evil", ""] {
            assert!(SignInPage::new("h", Some(next)).next.is_none(), "{next}");
        }
        assert!(is_local("/deploys/dep_1?all=1"));
    }

    #[test]
    fn a_link_page_shows_one_button_and_keeps_the_secret_out_of_addresses() {
        let ends = NOW.plus(std::time::Duration::from_mins(15));
        let html = LinkPage::new(HOSTILE, HOSTILE, HOSTILE, ends, NOW).render().unwrap();

        assert!(html.contains("<form class=\"section\" method=\"post\" action=\"/login\">"));
        assert!(html.contains("<input type=\"hidden\" name=\"once\" value=\"&#34;&#62;&#60;script&#62;"));
        assert!(html.contains("<time datetime=\"2026-11-24T14:45:49.120Z\">14:45:49 UTC</time>"));
        assert_eq!(html.matches("<button").count(), 1);
        assert!(!html.contains("<script>"));
    }

    #[test]
    fn the_setup_page_asks_for_name_and_password() {
        let mut page = SetupPage::new("secret", NOW, NOW);
        page.checks = vec![Check { passes: false, says: "No.".into(), detail: HOSTILE.into() }];

        let html = page.render().unwrap();

        assert!(html.contains("action=\"/setup\"") && html.contains("name=\"name\""));
        assert!(html.contains("minlength=\"12\"") && !html.contains("note-bad"));
        assert!(html.contains("What this server knows") && html.contains("<li class=\"miss\">"));
        assert!(!html.contains("<script>"));
    }

    #[test]
    fn a_refused_form_comes_back_with_its_reasons() {
        let mut page = SetupPage::new("secret", NOW, NOW);
        (page.name, page.error) = (HOSTILE.into(), Some("a name is 1 to 40 characters".into()));
        page.password_error = Some("a password has 12 characters".into());

        let html = page.render().unwrap();

        assert!(html.contains("aria-invalid=\"true\"") && html.contains("<a href=\"#name\">"));
        assert!(html.contains("A name is 1 to 40 characters.") && html.contains("<a href=\"#pw\">"));
        assert!(html.contains("value=\"&#34;&#62;&#60;script"));
    }
}
