//! What people type on the hook pages, and what is wrong with it.

use std::collections::HashMap;

use crate::domain::{Code, Hook, Invalid, Timestamp};
use crate::web::error::Error;
use crate::web::pages::format::sentence;
use crate::web::pages::trimmed;
use crate::wire::Change;
use crate::wire::hook::HookBody;

/// What is wrong with a form: the fields and what would be right.
#[derive(Debug, Default)]
pub(super) struct Wrong(Vec<(&'static str, String)>);

impl Wrong {
    /// What is wrong with the form; gives the error back where a field that it does not have is at fault.
    pub(super) fn of(error: Error) -> Result<Self, Error> {
        if error.code() == Code::NameTaken {
            return Ok(Self(vec![("name", sentence(&error.detail()))]));
        }
        let invalids = error.invalids();
        let wrong: Vec<_> = invalids.iter().filter_map(one).collect();
        if wrong.is_empty() || wrong.len() < invalids.len() { Err(error) } else { Ok(Self(wrong)) }
    }

    /// What is wrong with this field.
    pub(super) fn with(&self, field: &str) -> Option<String> {
        let own: Vec<_> =
            self.0.iter().filter(|(own, _)| *own == field).map(|(_, says)| says.as_str()).collect();
        (!own.is_empty()).then(|| own.join(" "))
    }

    /// All of it.
    pub(super) fn all(&self) -> &[(&'static str, String)] {
        &self.0
    }
}

fn one(invalid: &Invalid) -> Option<(&'static str, String)> {
    let (field, says) = match invalid.field.as_str() {
        "name" => ("name", invalid.detail.as_str()),
        "branches" => ("branches", &*invalid.detail),
        "addresses" => ("addresses", &*invalid.detail),
        "sources" => ("sources", &*invalid.detail),
        "expiresAt" | "expiresIn" => ("expires", &*invalid.detail),
        "paused" => ("reason", "a reason is 1 to 500 characters; callers read it"),
        "overlap" => ("overlap", &*invalid.detail),
        "branch" => ("branch", &*invalid.detail),
        _ => return None,
    };
    Some((field, sentence(says)))
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
        HookBody {
            name: Some(self.name.clone()),
            branches: Some(patterns.map(str::to_owned).collect()),
            expires_in: Some(self.expires.clone()).filter(|text| !text.is_empty()),
            ..HookBody::default()
        }
    }
}

/// The form of a hook's rules.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Patterns, one a line.
    pub(super) branches: String,
    /// Ranges, one a line.
    pub(super) addresses: String,
    /// What may be asked for: `build`, `image`, or both where it is empty.
    pub(super) sources: String,
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
            sources: match hook.rules.sources.as_slice() {
                [only] => only.as_str().to_owned(),
                _ => String::new(),
            },
            expires_was: expires.clone(),
            expires,
            reason: hook.rules.paused.clone().unwrap_or_default(),
        }
    }

    pub(super) fn read(form: &HashMap<String, String>) -> Self {
        Self {
            branches: trimmed(form, "branches"),
            addresses: trimmed(form, "addresses"),
            sources: trimmed(form, "sources"),
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
        let is_touched = self.expires != self.expires_was;
        HookBody {
            branches: Some(lines(&self.branches)),
            addresses: Some(lines(&self.addresses)),
            sources: Some(lines(&self.sources)),
            expires_at: if is_touched { given(&from_browser(&self.expires)) } else { Change::Keep },
            paused: given(&self.reason),
            ..HookBody::default()
        }
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
            sources: String::new(),
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
            sources: String::new(),
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
