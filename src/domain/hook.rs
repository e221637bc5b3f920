//! A hook: one secret URL of one service, and the rules that a call has to meet.

use std::fmt;
use std::net::IpAddr;

use super::digits::is_base62;
use super::entropy::{BASE62, random_digits};
use super::token::ID_LENGTH;
use super::{AddressRange, Faults, GitRef, Invalid, ServiceId, Source, Timestamp, Who};

/// Longest hook name, in characters.
const MAX_NAME: usize = 58;
/// Longest branch pattern, in bytes; that of a branch.
const MAX_PATTERN: usize = 200;
/// Most patterns or ranges of one hook.
const MAX_RULES: usize = 50;

/// Ten letters and digits that name a hook; part of its token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HookId(String);

impl HookId {
    /// Draws a new id.
    pub fn generate() -> Self {
        Self(random_digits(BASE62, ID_LENGTH))
    }

    /// Reads an id; `None` where it has another shape.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == ID_LENGTH && is_base62(text)).then(|| Self(text.to_owned()))
    }

    /// The ten characters.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The four characters that lists and logs show.
    pub fn short(&self) -> &str {
        &self.0[ID_LENGTH - 4..]
    }
}

impl fmt::Display for HookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an operator calls a hook: 1–58 characters, unique among the live hooks of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookName(String);

impl HookName {
    /// Reads a name.
    ///
    /// # Errors
    /// Where it is empty, too long, has blanks around it or control characters or a slash in it.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let fits = (1..=MAX_NAME).contains(&text.chars().count());
        let clean = text.trim() == text && !text.chars().any(|c| c.is_control() || c == '/');
        if !fits || !clean {
            return Err(Invalid::new(
                "name",
                "a hook's name is 1 to 58 characters without a slash, for example github-actions",
            ));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HookName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pattern of branch names: `*` stands for any characters but `/`, `**` for any at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BranchPattern(String);

impl BranchPattern {
    /// Reads a pattern: a branch name in which `*` may stand.
    ///
    /// # Errors
    /// Where no branch could match it.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let allowed = |c: char| c.is_alphanumeric() || "._/#+@=,%-*".contains(c);
        if text.is_empty() || text.len() > MAX_PATTERN || !text.chars().all(allowed) {
            let detail = format!("\"{text}\" is no branch pattern; write main, release/* or feat/**");
            return Err(Invalid::new("branches", detail));
        }
        Ok(Self(text.to_owned()))
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Tells whether the whole name matches; a tag's is `refs/tags/<name>`, and only a pattern that begins so is for tags.
    /// Time grows with the product of both lengths, not faster.
    pub fn matches(&self, branch: &GitRef) -> bool {
        if branch.tag().is_some() && !self.0.starts_with("refs/tags/") {
            return false;
        }
        let name: Vec<char> = branch.as_str().chars().collect();
        // `reach[i]`: the pattern read so far can match the first `i` characters of the name.
        let mut reach = vec![false; name.len() + 1];
        reach[0] = true;
        let mut pattern = self.0.chars().peekable();
        while let Some(letter) = pattern.next() {
            if letter == '*' {
                let any = pattern.next_if_eq(&'*').is_some();
                for i in 0..name.len() {
                    reach[i + 1] |= reach[i] && (any || name[i] != '/');
                }
            } else {
                for i in (0..name.len()).rev() {
                    reach[i + 1] = reach[i] && name[i] == letter;
                }
                reach[0] = false;
            }
        }
        reach[name.len()]
    }
}

/// What a call of a hook has to meet. All of it is enforced inside the transaction that accepts the call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HookRules {
    /// Branches that may be deployed; empty allows any.
    pub branches: Vec<BranchPattern>,
    /// Addresses that may call; empty allows any.
    pub addresses: Vec<AddressRange>,
    /// What may be asked for, of [`Source::ASKED`]; empty allows both.
    pub sources: Vec<Source>,
    /// From then on the hook is unknown.
    pub expires_at: Option<Timestamp>,
    /// Why calls are refused for now, in the operator's words.
    pub paused: Option<String>,
}

impl HookRules {
    /// Checks the number of rules: at most 50 patterns and 50 ranges.
    pub fn check(&self, faults: &mut Faults) {
        for (field, count) in [("branches", self.branches.len()), ("addresses", self.addresses.len())] {
            if count > MAX_RULES {
                faults.add(field, format!("{count} entries; at most {MAX_RULES} are kept"));
            }
        }
    }

    /// Tells whether the hook may deploy this branch.
    pub fn allows_branch(&self, branch: &GitRef) -> bool {
        self.branches.is_empty() || self.branches.iter().any(|pattern| pattern.matches(branch))
    }

    /// Tells whether the hook may ask for this. What is promoted is an image.
    pub fn allows_source(&self, source: Source) -> bool {
        let asked = if source == Source::Build { Source::Build } else { Source::Image };
        self.sources.is_empty() || self.sources.contains(&asked)
    }

    /// Tells whether the hook may be called from there; an unknown address only where any may.
    pub fn allows_address(&self, address: Option<IpAddr>) -> bool {
        self.addresses.is_empty()
            || address.is_some_and(|address| self.addresses.iter().any(|range| range.contains(address)))
    }

    /// The same rules without those about addresses, for a question that has none.
    #[must_use]
    pub fn from_anywhere(self) -> Self {
        Self { addresses: Vec::new(), ..self }
    }

    /// Tells whether the hook has ended.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }
}

/// A hook as stored. The hashes of its secrets stay in the database layer.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Its id, part of the token.
    pub id: HookId,
    /// The service that it deploys.
    pub service_id: ServiceId,
    /// What an operator calls it.
    pub name: HookName,
    /// What a call has to meet.
    pub rules: HookRules,
    /// Counts rotations, from 1.
    pub generation: i64,
    /// Until when the secret before the last rotation is good.
    pub previous_until: Option<Timestamp>,
    /// When the last rotation was.
    pub rotated_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it, as in the audit.
    pub created_by: Who,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, branch: &str) -> bool {
        BranchPattern::parse(pattern).unwrap().matches(&GitRef::parse(branch).unwrap())
    }

    #[test]
    fn one_star_stops_at_a_slash_and_two_do_not() {
        assert!(matches("main", "main") && !matches("main", "maine") && !matches("main", "domain"));
        assert!(
            matches("feat/*", "feat/new-ui") && !matches("feat/*", "feat/a/b") && !matches("feat/*", "feat")
        );
        assert!(
            matches("feat/**", "feat/a/b")
                && matches("**", "a/b/c")
                && matches("*", "main")
                && !matches("*", "a/b")
        );
        assert!(matches("rel-*-x", "rel-1.2-x") && matches("*a*", "xxaxx") && matches("**/fix", "a/b/fix"));
        assert!(matches("größe/*", "größe/ä"));
    }

    #[test]
    fn a_hostile_pattern_takes_no_longer_than_its_size() {
        let pattern = "*a".repeat(100);
        let branch = "a".repeat(199) + "b";

        assert!(!matches(&pattern, &branch));
    }

    #[test]
    fn rules_name_what_they_allow() {
        let rules = HookRules {
            branches: vec![BranchPattern::parse("main").unwrap()],
            addresses: vec!["203.0.113.0/24".parse().unwrap()],
            sources: vec![Source::Image],
            expires_at: Some(Timestamp::from_millis(10)),
            paused: None,
        };

        assert!(rules.allows_branch(&GitRef::parse("main").unwrap()));
        assert!(!rules.allows_branch(&GitRef::parse("dev").unwrap()));
        assert!(rules.allows_address("203.0.113.9".parse().ok()) && !rules.allows_address(None));
        assert!(rules.allows_source(Source::Promoted) && !rules.allows_source(Source::Build));
        assert!(rules.is_expired(Timestamp::from_millis(10)) && !rules.is_expired(Timestamp::from_millis(9)));
    }

    #[test]
    fn names_are_short_and_printable() {
        assert!(HookName::parse("github-actions").is_ok() && HookName::parse("CI für main").is_ok());
        for wrong in ["", " x", "a/b", "a\nb", &"x".repeat(59)] {
            assert!(HookName::parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
