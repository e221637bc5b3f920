//! Branch names and commits: exactly what product rules accept, and nothing else.
//!
//! `?branch=` is where this class of product gets injected, so the grammar is an allow-list: no quote, blank,
//! `$`, backtick, bracket or control byte can ever pass, on top of git's own rules for refs.

use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

/// What git puts before the name of a branch.
const FULL: &str = "refs/heads/";
/// Longest branch name, in bytes.
const MAX_BYTES: usize = 200;

/// A branch name: 1–200 bytes of ASCII letters and digits and `. _ / # + @ = , % -`, and beyond ASCII of letters, marks,
/// digits and symbols of any script; legal for git, no component beginning with `-` or `.`, and neither `HEAD` nor `@`.
/// Compared byte by byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Branch(String);

/// Why a text is not a branch name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BranchError {
    /// Nothing was given: most likely an unset CI variable.
    #[error("is empty; leave the parameter out to deploy the default branch")]
    Empty,
    /// Longer than 200 bytes.
    #[error("is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// A character outside the allow-list.
    #[error("has a character that is not allowed; letters, digits and . _ / # + @ = , % - are")]
    Character,
    /// A component begins with `-` or `.`.
    #[error("has a part that begins with - or .")]
    PartStart,
    /// `HEAD` or `@`.
    #[error("is HEAD or @, which name no branch")]
    NotABranch,
    /// A full ref that is no branch's.
    #[error("is a ref of another kind; give the bare name of a branch, such as main or feat/new-ui")]
    OtherRef,
    /// Refused by git's rules (`..`, `//`, `.lock`, a trailing `/` or `.`).
    #[error("is not a name that git accepts for a branch")]
    GitRule,
}

fn is_allowed(c: char) -> bool {
    /// Letters, marks, digits and symbols; no control, format character, blank or private use.
    static BEYOND_ASCII: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{N}\p{So}]$").ok());
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || "._/#+@=,%-".contains(c);
    }
    BEYOND_ASCII.as_ref().is_some_and(|allowed| allowed.is_match(c.encode_utf8(&mut [0; 4])))
}

impl Branch {
    /// Reads a branch name. `refs/heads/x` is what CI systems hand out for `x`.
    ///
    /// # Errors
    /// Names the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, BranchError> {
        if text.is_empty() {
            return Err(BranchError::Empty);
        }
        let text = text.strip_prefix(FULL).unwrap_or(text);
        if text.starts_with("refs/") {
            return Err(BranchError::OtherRef);
        }
        if text.len() > MAX_BYTES {
            return Err(BranchError::TooLong);
        }
        if !text.chars().all(is_allowed) {
            return Err(BranchError::Character);
        }
        if text == "HEAD" || text == "@" {
            return Err(BranchError::NotABranch);
        }
        if text.split('/').any(|part| part.starts_with(['-', '.'])) {
            return Err(BranchError::PartStart);
        }
        let full = format!("refs/heads/{text}");
        gix_validate::reference::name(full.as_str().into()).map_err(|_| BranchError::GitRule)?;
        Ok(Self(text.to_owned()))
    }

    /// The name as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The full ref, `refs/heads/<name>`, which is what git is given.
    pub fn full_ref(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Branch {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Branch {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A commit: 40 lower-case hexadecimal digits. Upper case is accepted and lowered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Commit(String);

/// Why a text is not a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Nothing was given: most likely an unset CI variable.
    #[error("is empty; leave the parameter out to deploy the head of the branch")]
    Empty,
    /// Not 40 hexadecimal digits.
    #[error("is not 40 hexadecimal digits; give the full commit, not a short one, a tag or a branch")]
    Shape,
}

impl Commit {
    /// Reads a full commit id.
    ///
    /// # Errors
    /// Where it is empty or not 40 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, CommitError> {
        if text.is_empty() {
            return Err(CommitError::Empty);
        }
        if text.len() != 40 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(CommitError::Shape);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// All 40 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Commit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Commit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_real_projects_are_accepted() {
        for name in [
            "main",
            "feat/new-ui",
            "dependabot/npm_and_yarn/@types/node-20.1.0",
            "renovate/#123",
            "feat/c++",
            "größe",
            "修正",
            // Decomposed, as some file systems hand it out: a letter and a mark.
            "gro\u{308}ße",
            "release-🚀",
            "a=b",
            "50%",
        ] {
            assert!(Branch::parse(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_full_ref_of_a_branch_is_the_branch() {
        assert_eq!(Branch::parse("refs/heads/feat/x").unwrap().as_str(), "feat/x");
        assert_eq!(Branch::parse("heads/x").unwrap().as_str(), "heads/x");
    }

    #[test]
    fn each_rule_refuses_with_its_own_error() {
        let long = "x".repeat(201);
        for (name, error) in [
            ("", BranchError::Empty),
            (long.as_str(), BranchError::TooLong),
            ("a b", BranchError::Character),
            ("a\u{200d}b", BranchError::Character),
            ("a\u{202e}b", BranchError::Character),
            ("a\u{e000}b", BranchError::Character),
            ("a\u{a0}b", BranchError::Character),
            ("refs/tags/v1", BranchError::OtherRef),
            ("refs/pull/7/merge", BranchError::OtherRef),
            ("refs/heads/", BranchError::GitRule),
            ("$(id)", BranchError::Character),
            ("a~1", BranchError::Character),
            ("HEAD", BranchError::NotABranch),
            ("@", BranchError::NotABranch),
            ("-x", BranchError::PartStart),
            ("a/-b", BranchError::PartStart),
            ("a/.b", BranchError::PartStart),
            ("a..b", BranchError::GitRule),
            ("a//b", BranchError::GitRule),
            ("a/", BranchError::GitRule),
            ("/a", BranchError::GitRule),
            ("a.lock", BranchError::GitRule),
            ("a.lock/b", BranchError::GitRule),
            ("a.", BranchError::GitRule),
        ] {
            assert_eq!(Branch::parse(name), Err(error), "{name}");
        }
    }

    #[test]
    fn a_commit_is_forty_hexadecimal_digits() {
        let commit = Commit::parse("4F2C1D7E8B9A0C1D2E3F4A5B6C7D8E9F0A1B2C3D").unwrap();

        assert_eq!(commit.short(), "4f2c1d7");
        assert_eq!(Commit::parse("4f2c1d7"), Err(CommitError::Shape));
        assert_eq!(Commit::parse(""), Err(CommitError::Empty));
    }
}
