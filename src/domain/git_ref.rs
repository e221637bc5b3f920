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
    #[error(
        "is a ref of another kind; give the bare name of a branch, such as main, or say tag=v1.2.3 for a tag"
    )]
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

/// The rules of a name without its kind.
fn check_name(text: &str) -> Result<&str, BranchError> {
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
    let full = format!("{FULL}{text}");
    gix_validate::reference::name(full.as_str().into()).map_err(|_| BranchError::GitRule)?;
    Ok(text)
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
        check_name(text.strip_prefix(FULL).unwrap_or(text)).map(|name| Self(name.to_owned()))
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

/// A tag's name, under the rules of a branch's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tag {
    full: String,
}

/// What git puts before the name of a tag.
const FULL_TAG: &str = "refs/tags/";

impl Tag {
    /// Reads a bare name.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix(FULL_TAG) {
            return Err(format!("takes the bare name; say {name}"));
        }
        match check_name(text) {
            _ if text.is_empty() => Err("is empty; leave the parameter out to deploy a branch".to_owned()),
            Ok(name) => Ok(Self { full: format!("{FULL_TAG}{name}") }),
            Err(BranchError::OtherRef) => {
                Err("is a ref of another kind; give the bare name of a tag".to_owned())
            }
            Err(BranchError::NotABranch) => Err("is HEAD or @, which name no tag".to_owned()),
            Err(BranchError::GitRule) => Err("is not a name that git accepts for a tag".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The bare name.
    pub fn name(&self) -> &str {
        &self.full[FULL_TAG.len()..]
    }
}

/// What is deployed: the head of a branch, or what a tag points to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GitRef {
    /// A branch, written by its bare name.
    Branch(Branch),
    /// A tag, written by its full ref, `refs/tags/<name>`.
    Tag(Tag),
}

impl GitRef {
    /// Reads what [`as_str`](Self::as_str) writes.
    ///
    /// # Errors
    /// Names the rule that is broken.
    pub fn parse(text: &str) -> Result<Self, BranchError> {
        match text.strip_prefix(FULL_TAG) {
            Some(name) => check_name(name).map(|_| Self::Tag(Tag { full: text.to_owned() })),
            None => Branch::parse(text).map(Self::Branch),
        }
    }

    /// The branch's name, or the tag's full ref, as the API has it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Branch(branch) => branch.as_str(),
            Self::Tag(tag) => &tag.full,
        }
    }

    /// The full ref, which is what git is given.
    pub fn full_ref(&self) -> String {
        match self {
            Self::Branch(branch) => branch.full_ref(),
            Self::Tag(tag) => tag.full.clone(),
        }
    }

    /// The tag, where it is one.
    pub const fn tag(&self) -> Option<&Tag> {
        match self {
            Self::Tag(tag) => Some(tag),
            Self::Branch(_) => None,
        }
    }

    /// For sentences: `branch main`, `tag v1.2.3`.
    pub fn described(&self) -> String {
        match self {
            Self::Branch(branch) => format!("branch {branch}"),
            Self::Tag(tag) => format!("tag {}", tag.name()),
        }
    }
}

impl From<Branch> for GitRef {
    fn from(branch: Branch) -> Self {
        Self::Branch(branch)
    }
}

impl fmt::Display for GitRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for GitRef {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> serde::Deserialize<'de> for GitRef {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A commit: 40 lower-case hexadecimal digits, 64 in a repository of SHA-256. Upper case is accepted and lowered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Commit(String);

/// Why a text is not a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Nothing was given: most likely an unset CI variable.
    #[error("is empty; leave the parameter out to deploy the head of the branch")]
    Empty,
    /// Neither 40 nor 64 hexadecimal digits.
    #[error("is not 40 or 64 hexadecimal digits; give the full commit, not a short one, a tag or a branch")]
    Shape,
}

impl Commit {
    /// Reads a full commit id.
    ///
    /// # Errors
    /// Where it is empty or neither 40 nor 64 hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, CommitError> {
        if text.is_empty() {
            return Err(CommitError::Empty);
        }
        if !matches!(text.len(), 40 | 64) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(CommitError::Shape);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// All digits.
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
    fn a_tag_is_read_bare_and_kept_in_full() {
        let tag = GitRef::Tag(Tag::parse("v1.2.3").unwrap());

        assert_eq!((tag.as_str(), tag.described().as_str()), ("refs/tags/v1.2.3", "tag v1.2.3"));
        assert_eq!(GitRef::parse("refs/tags/v1.2.3").unwrap(), tag);
        assert_eq!(GitRef::parse("v1.2.3").unwrap().full_ref(), "refs/heads/v1.2.3");
        assert_eq!(Tag::parse("refs/tags/v1").unwrap_err(), "takes the bare name; say v1");
        for wrong in ["", "refs/heads/v1", "refs/tags/", "HEAD", "a b", "-v", "$(id)", "a..b"] {
            assert!(Tag::parse(wrong).is_err(), "{wrong}");
        }
        assert!(GitRef::parse("refs/tags/$(id)").is_err() && GitRef::parse("refs/tags/").is_err());
    }

    #[test]
    fn a_commit_is_forty_or_sixty_four_hexadecimal_digits() {
        let commit = Commit::parse("4F2C1D7E8B9A0C1D2E3F4A5B6C7D8E9F0A1B2C3D").unwrap();

        assert_eq!(commit.short(), "4f2c1d7");
        assert_eq!(Commit::parse(&"Ab".repeat(32)).unwrap().as_str(), "ab".repeat(32));
        for wrong in ["4f2c1d7", &"a".repeat(41), &"a".repeat(63), &"g".repeat(40)] {
            assert_eq!(Commit::parse(wrong), Err(CommitError::Shape));
        }
        assert_eq!(Commit::parse(""), Err(CommitError::Empty));
    }
}
