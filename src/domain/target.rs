//! Who is told: a target of notices.

use std::fmt;

use url::Url;

use super::digits::is_base36;
use super::entropy::{BASE36, random_digits};
use super::token::fingerprint_of_text;
use super::{BranchPattern, Event, GitRef, Invalid, ServiceId, Timestamp, Who};

/// Characters of a target's id.
const ID_DIGITS: usize = 12;
/// Longest address, in bytes.
const MAX_URL: usize = 2_000;

/// The id of a target: `tgt_` and 12 of `[0-9a-z]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetId(String);

impl TargetId {
    /// Draws a new id.
    pub fn generate() -> Self {
        Self(format!("tgt_{}", random_digits(BASE36, ID_DIGITS)))
    }

    /// Reads an id; `None` where it has another shape.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("tgt_")?;
        (digits.len() == ID_DIGITS && is_base36(digits)).then(|| Self(text.to_owned()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What kind of thing is told, and so in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TargetKind {
    /// Anything that takes a signed POST, by the Standard Webhooks specification.
    Webhook,
    /// Commit status and Deployments of GitHub.
    Github,
    /// Commit status of GitLab.
    Gitlab,
    /// Commit status of Gitea or Forgejo.
    Gitea,
    /// An incoming webhook of Slack.
    Slack,
    /// A webhook of Discord.
    Discord,
    /// A workflow of Microsoft Teams.
    Teams,
}

impl TargetKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Webhook, Self::Github, Self::Gitlab, Self::Gitea, Self::Slack, Self::Discord, Self::Teams];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Teams => "teams",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What a host that everybody knows is; no other is guessed.
    pub fn of_known_host(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        match url.host_str()? {
            "github.com" => Some(Self::Github),
            "gitlab.com" => Some(Self::Gitlab),
            _ => None,
        }
    }

    /// Whether people read it as it comes: its address is a secret, and what repeats is left out.
    pub const fn is_chat(self) -> bool {
        matches!(self, Self::Slack | Self::Discord | Self::Teams)
    }

    /// Whether it shows the status of commits, and needs a token for that.
    pub const fn is_forge(self) -> bool {
        matches!(self, Self::Github | Self::Gitlab | Self::Gitea)
    }

    /// What it is told where nobody chooses: a chat when the state of a service changes, a forge every status, everything
    /// else everything.
    pub fn default_events(self) -> Vec<Event> {
        if self.is_chat() {
            vec![Event::Failed, Event::Recovered]
        } else if self.is_forge() {
            vec![Event::Queued, Event::Started, Event::Succeeded, Event::Failed]
        } else {
            Event::ALL.to_vec()
        }
    }
}

/// The address of a target: https or http, without userinfo and fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct TargetUrl(Url);

impl TargetUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// Says what would be right.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let wrong = |detail: &str| Invalid::new("url", detail);
        if text.len() > MAX_URL {
            return Err(wrong("is too long: an address has at most 2,000 bytes"));
        }
        let url = Url::parse(text).map_err(|_| {
            wrong("is no address; write it whole, for example https://example.com/hooks/deploys")
        })?;
        if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
            return Err(wrong("must begin with https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("must not hold a name or password; give a token as secret"));
        }
        if url.fragment().is_some() {
            return Err(wrong("must not have a fragment (#…), which is never sent"));
        }
        Ok(Self(url))
    }

    /// The address in clear; of a chat it is a secret.
    pub fn reveal(&self) -> &Url {
        &self.0
    }

    /// What may be shown of it: all but of a chat, of which the host and a fingerprint of the rest.
    pub fn shown(&self, kind: TargetKind) -> String {
        if !kind.is_chat() {
            return self.0.to_string();
        }
        let origin = self.0.origin().ascii_serialization();
        format!("{origin}/••{}", fingerprint_of_text(self.0.as_str()))
    }

    /// Whether it goes in clear over the net.
    pub fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }
}

/// Never shows what may be a secret.
impl fmt::Debug for TargetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

/// A token of a forge. There is no `Display`, and `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct TargetSecret(String);

impl TargetSecret {
    /// Reads a token.
    ///
    /// # Errors
    /// Where it could not stand in a header.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let fits = (1..=1_000).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits {
            return Ok(Self(text.to_owned()));
        }
        Err(Invalid::new(
            "secret",
            "must be the forge's token: up to 1,000 visible characters without a blank",
        ))
    }

    /// The token in clear.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TargetSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Who is told of what, and how.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its id.
    pub id: TargetId,
    /// In which form it is told.
    pub kind: TargetKind,
    /// Where.
    pub url: TargetUrl,
    /// Of this service only, by id and name; none: of all.
    pub service: Option<(ServiceId, String)>,
    /// Of these events.
    pub events: Vec<Event>,
    /// Of deployments of these branches; empty: of all.
    pub branches: Vec<BranchPattern>,
    /// The token of a forge.
    pub secret: Option<TargetSecret>,
    /// Whether the last lines of a step that failed are told too.
    pub with_lines: bool,
    /// Status checks that GitHub asks for before it takes a deployment; none by default.
    pub required_contexts: Vec<String>,
    /// Counts the signing secrets that were made for it, from 1.
    pub generation: u32,
    /// Until when what is sent is signed with the secret before this one too.
    pub previous_until: Option<Timestamp>,
    /// Why it is switched off, where it is, and since when.
    pub off: Option<(Timestamp, String)>,
    /// When the first try failed since the last one that did not.
    pub failing_since: Option<Timestamp>,
    /// When something arrived last.
    pub delivered_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// By whom.
    pub created_by: Who,
}

impl Target {
    /// Whether it is told of this event; of a deployment of this branch, where it is about one.
    pub fn wants(&self, event: Event, branch: Option<&GitRef>) -> bool {
        let is_branch_wanted =
            |branch| self.branches.is_empty() || self.branches.iter().any(|pattern| pattern.matches(branch));
        self.off.is_none() && self.events.contains(&event) && branch.is_none_or(is_branch_wanted)
    }

    /// Why nothing is sent there, where it is switched off.
    pub fn why_off(&self) -> Option<String> {
        self.off.as_ref().map(|(_, because)| format!("the target is switched off: {because}"))
    }

    /// Kind and address, as far as they may be shown: what people tell it from others by.
    pub fn described(&self) -> String {
        let shown = self.shown_url();
        let (path, query) = shown.split_once('?').map_or((shown.as_str(), ""), |(path, _)| (path, "?…"));
        format!("{} {path}{query}", self.kind.as_str())
    }

    /// Its address as far as it may be shown.
    pub fn shown_url(&self) -> String {
        self.url.shown(self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_read_back_and_two_hosts_are_guessed() {
        assert!(TargetKind::ALL.into_iter().all(|kind| TargetKind::parse(kind.as_str()) == Some(kind)));
        let guess = |url| TargetKind::of_known_host(url);
        assert_eq!(guess("https://github.com/you/api"), Some(TargetKind::Github));
        assert_eq!(guess("https://gitlab.com/you/api"), Some(TargetKind::Gitlab));
        assert_eq!(guess("https://gitlab.example.com/you/api"), None);
    }

    #[test]
    fn an_address_that_is_none_or_holds_a_password_is_refused_with_what_would_be_right() {
        for (text, told) in [
            ("example.com/hook", "no address"),
            ("ftp://example.com/hook", "https://"),
            ("https://me:secret@example.com/", "name or password"),
            ("https://me@example.com/", "name or password"),
            ("https://example.com/#x", "fragment"),
        ] {
            let invalid = TargetUrl::parse(text).unwrap_err();
            assert!(
                invalid.detail.contains(told) && !invalid.detail.contains("secret@"),
                "{text}: {invalid:?}"
            );
        }
    }

    #[test]
    fn of_a_chats_address_host_and_fingerprint_are_shown() {
        let url = TargetUrl::parse("https://hooks.slack.com/services/T0/B0/XSECRET").unwrap();

        let shown = url.shown(TargetKind::Slack);

        assert!(shown.starts_with("https://hooks.slack.com/••") && !shown.contains("SECRET"), "{shown}");
        assert!(url.shown(TargetKind::Webhook).ends_with("/services/T0/B0/XSECRET"));
        assert!(!format!("{url:?}").contains("SECRET"));
    }
}
