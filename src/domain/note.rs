//! Why a deployment was asked for, in the caller's words.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::Invalid;

/// Longest note, in characters.
const MAX: usize = 200;

/// One line of 1 to 200 characters without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Note(String);

impl Note {
    /// Reads a note.
    ///
    /// # Errors
    /// Where it is empty, too long, or more than one line.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let wrong = |detail: &str| Err(Invalid::new("note", detail));
        if text.is_empty() {
            return wrong("is empty; leave it out");
        }
        if text.chars().count() > MAX {
            return wrong("has at most 200 characters");
        }
        if text
            .chars()
            .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}'))
        {
            return wrong("is one line of text, without control characters");
        }
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_short_line() {
        assert_eq!(Note::parse(" größe, hotfix for #12 ").unwrap().as_str(), "größe, hotfix for #12");
        assert!(Note::parse(&"ä".repeat(200)).is_ok());
        for wrong in ["", "  ", "a\nb", "a\u{1b}[1m", &"ä".repeat(201)] {
            assert!(Note::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
