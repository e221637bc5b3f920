//! What people type on the hook pages, and what is wrong with it.

use std::collections::HashMap;

use super::super::super::api::hook_body::HookBody;
use super::super::super::error::Error;
use super::super::super::request::Change;
use super::super::format::sentence;
use super::super::trimmed;
use crate::domain::{Hook, Timestamp};

/// One thing that is wrong, and the field that it is wrong with.
#[derive(Debug, Default)]
pub(super) struct Wrong(Option<(&'static str, String)>);

impl Wrong {
    /// What is wrong with the form; gives the error back where no field is at fault.
    pub(super) fn of(error: Error) -> Result<Self, Error> {
        let (field, says) = match &error {
            Error::Invalid(invalid) => match invalid.field.as_str() {
                "name" => ("name", invalid.detail.clone()),
                "branches" => ("branches", invalid.detail.clone()),
                "addresses" => ("addresses", invalid.detail.clone()),
                "expiresAt" | "expiresIn" => ("expires", invalid.detail.clone()),
                "paused" => ("reason", "a reason is 1 to 500 characters; callers read it".to_owned()),
                "overlap" => ("overlap", invalid.detail.clone()),
                "branch" => ("branch", invalid.detail.clone()),
                _ => return Err(error),
            },
            Error::Conflict { code: "name_taken", detail } => ("name", detail.clone()),
            _ => return Err(error),
        };
        Ok(Self(Some((field, sentence(&says)))))
    }

    /// What is wrong with this field.
    pub(super) fn with(&self, field: &str) -> Option<&str> {
        self.0.as_ref().filter(|(own, _)| *own == field).map(|(_, says)| says.as_str())
    }

    /// The field and what is wrong with it.
    pub(super) fn first(&self) -> Option<(&'static str, &str)> {
        self.0.as_ref().map(|(field, says)| (*field, says.as_str()))
    }
}

fn given(text: &str) -> Change<String> {
    if text.is_empty() { Change::Empty } else { Change::Set(text.to_owned()) }
}

/// The form that makes a hook.
#[derive(Debug, Default, Clone)]
pub(super) struct NewHook {
    pub(super) name: String,
    pub(super) branches: String,
    /// A length of time, empty for never.
    pub(super) expires: String,
}

impl NewHook {
    pub(super) fn read(form: &HashMap<String, String>) -> Self {
        Self {
            name: trimmed(form, "name"),
            branches: trimmed(form, "branches"),
            expires: trimmed(form, "expires"),
        }
    }

    /// The same as the API takes it. A comma ends a pattern here: the form has one line.
    pub(super) fn body(&self) -> HookBody {
        let patterns = self.branches.split([',', ' ', '\t', '\n', '\r']).filter(|text| !text.is_empty());
        let mut body = HookBody::default();
        body.name = Some(self.name.clone());
        body.branches = Some(patterns.map(str::to_owned).collect());
        body.expires_in = Some(self.expires.clone()).filter(|text| !text.is_empty());
        body
    }
}

/// The form of a hook's rules.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Patterns, one a line.
    pub(super) branches: String,
    /// Ranges, one a line.
    pub(super) addresses: String,
    /// Day and time as a browser writes it, UTC; empty for never.
    pub(super) expires: String,
    /// What `expires` was when the page was made: a moment that nobody touched keeps its seconds.
    pub(super) expires_was: String,
    /// Why calls are refused; empty where they are not.
    pub(super) reason: String,
}

impl Rules {
    pub(super) fn of(hook: &Hook) -> Self {
        let expires = hook.rules.expires_at.map(for_browser).unwrap_or_default();
        let lines = |texts: Vec<String>| texts.join("\n");
        Self {
            branches: lines(hook.rules.branches.iter().map(|own| own.as_str().to_owned()).collect()),
            addresses: lines(hook.rules.addresses.iter().map(ToString::to_string).collect()),
            expires_was: expires.clone(),
            expires,
            reason: hook.rules.paused.clone().unwrap_or_default(),
        }
    }

    pub(super) fn read(form: &HashMap<String, String>) -> Self {
        Self {
            branches: trimmed(form, "branches"),
            addresses: trimmed(form, "addresses"),
            expires: trimmed(form, "expires"),
            expires_was: trimmed(form, "expires_was"),
            reason: trimmed(form, "reason"),
        }
    }

    /// The same as the API takes it.
    pub(super) fn body(&self) -> HookBody {
        let lines = |text: &str| {
            text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
        };
        let mut body = HookBody::default();
        body.branches = Some(lines(&self.branches));
        body.addresses = Some(lines(&self.addresses));
        if self.expires != self.expires_was {
            body.expires_at = given(&from_browser(&self.expires));
        }
        body.paused = given(&self.reason);
        body
    }
}

/// `2026-12-31T23:59`, as browsers write and take it.
fn for_browser(at: Timestamp) -> String {
    at.to_string().chars().take("2026-12-31T23:59".len()).collect()
}

/// RFC 3339 for what a browser or a person wrote, in UTC.
fn from_browser(text: &str) -> String {
    match text.len() {
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_of_patterns_is_split_and_lines_are_not() {
        let one = NewHook { branches: "main, release/*,x  y".into(), ..NewHook::default() };
        let rules = Rules {
            branches: " a,b \r\n\r\nmain".into(),
            addresses: String::new(),
            expires: String::new(),
            expires_was: String::new(),
            reason: String::new(),
        };

        assert_eq!(one.body().branches.unwrap(), ["main", "release/*", "x", "y"]);
        assert_eq!(rules.body().branches.unwrap(), ["a,b", "main"]);
    }

    #[test]
    fn a_moment_that_nobody_touched_stays() {
        let mut rules = Rules {
            branches: String::new(),
            addresses: String::new(),
            expires: for_browser(Timestamp::from_millis(1_795_530_649_120)),
            expires_was: "2026-11-24T14:30".into(),
            reason: String::new(),
        };
        assert_eq!(rules.body().expires_at, Change::Keep);

        rules.expires = "2027-01-02T03:04".into();
        assert_eq!(rules.body().expires_at, Change::Set("2027-01-02T03:04:00Z".into()));
        rules.expires = String::new();
        assert_eq!(rules.body().expires_at, Change::Empty);
    }
}
