//! What of a repository a run fetches beside the one commit.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::Invalid;

/// Most commits that may be asked for by their number; who wants more says `all`.
const MAX_COMMITS: u32 = 1_000_000;
/// The word for all of them.
const ALL: &str = "all";

/// How many commits the source holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// The newest so many, 1 to 1,000,000; no tags.
    Commits(u32),
    /// All of the branch, with all tags.
    All,
}

impl Default for History {
    fn default() -> Self {
        Self::Commits(1)
    }
}

impl History {
    /// What a history is, for a sentence.
    pub const SHAPE: &str = "a number of commits from 1 to 1000000, or \"all\" with the tags";

    /// Reads a number, or `all`.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        if text == ALL {
            return Ok(Self::All);
        }
        let number = text.parse().ok().filter(|number| (1..=MAX_COMMITS).contains(number));
        number.map(Self::Commits).ok_or_else(|| Invalid::new("history", format!("must be {}", Self::SHAPE)))
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Commits(number) => number.fmt(f),
            Self::All => f.write_str(ALL),
        }
    }
}

impl Serialize for History {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Commits(number) => serializer.serialize_u32(*number),
            Self::All => serializer.serialize_str(ALL),
        }
    }
}

impl<'de> Deserialize<'de> for History {
    /// A number, or a text of [`parse`](Self::parse).
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u32),
            Text(String),
        }
        let text = match Written::deserialize(deserializer)? {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text,
        };
        Self::parse(&text).map_err(|wrong| serde::de::Error::custom(wrong.detail))
    }
}

/// What a run fetches, whatever its executor. Its serde form is that of the database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CloneSettings {
    /// Whether submodules are fetched too, and theirs. The repository's credential goes to its own host alone.
    pub submodules: bool,
    /// Whether files kept by Git LFS are fetched, where git-lfs is installed.
    pub lfs: bool,
    /// How many commits.
    pub history: History,
}

impl Default for CloneSettings {
    fn default() -> Self {
        Self { submodules: false, lfs: true, history: History::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_a_number_or_all_in_every_spelling_of_json() {
        for (json, history) in [
            ("1", History::Commits(1)),
            ("\"50\"", History::Commits(50)),
            ("1000000", History::Commits(1_000_000)),
            ("\"all\"", History::All),
        ] {
            assert_eq!(serde_json::from_str::<History>(json).unwrap(), history, "{json}");
            let again = serde_json::to_string(&history).unwrap();
            assert_eq!(serde_json::from_str::<History>(&again).unwrap(), history);
        }
        for wrong in ["0", "-1", "1.5", "1000001", "\"ALL\"", "\"\"", "true", "[]"] {
            assert!(serde_json::from_str::<History>(wrong).is_err(), "{wrong}");
        }
    }
}
