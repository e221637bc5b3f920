//! What is told to those who do not watch.

use std::fmt;

use super::digits::is_base36;
use super::entropy::{BASE36, random_digits};
use super::{DeploymentId, Reason, Status, Timestamp};

/// Characters of a notice's id.
const ID_DIGITS: usize = 20;

/// Something that a target can be told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// A deployment was accepted.
    Queued,
    /// It was claimed, and its run begins.
    Started,
    /// It serves.
    Succeeded,
    /// It ended without serving.
    Failed,
    /// It is the first success after a failure.
    Recovered,
    /// A hook was called by the URL that was rotated away, for the first time since.
    OldUrlUsed,
    /// Another target was switched off, since nothing arrived there.
    TargetDisabled,
    /// Somebody asks whether it arrives. Nobody subscribes to it.
    Test,
}

impl Event {
    /// Those that can be subscribed to.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Started,
        Self::Succeeded,
        Self::Failed,
        Self::Recovered,
        Self::OldUrlUsed,
        Self::TargetDisabled,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "deployment.queued",
            Self::Started => "deployment.started",
            Self::Succeeded => "deployment.succeeded",
            Self::Failed => "deployment.failed",
            Self::Recovered => "deployment.recovered",
            Self::OldUrlUsed => "hook.rotated_secret_used",
            Self::TargetDisabled => "target.disabled",
            Self::Test => "test",
        }
    }

    /// Reads the word of one that can be subscribed to, or of the test.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().chain([Self::Test]).find(|event| event.as_str() == text)
    }

    /// Whether it tells a status of a deployment.
    pub const fn is_of_deployment(self) -> bool {
        matches!(self, Self::Queued | Self::Started | Self::Succeeded | Self::Failed | Self::Recovered)
    }

    /// The status that a deployment has when it happens; none where it is not about one.
    pub const fn status(self) -> Option<Status> {
        match self {
            Self::Queued => Some(Status::Queued),
            Self::Started => Some(Status::Building),
            Self::Succeeded | Self::Recovered => Some(Status::Succeeded),
            Self::Failed => Some(Status::Failed),
            Self::OldUrlUsed | Self::TargetDisabled | Self::Test => None,
        }
    }
}

/// The id of a notice, the same at each try: `ntc_` and 20 of `[0-9a-z]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NoticeId(String);

impl NoticeId {
    /// Draws a new id.
    pub fn generate() -> Self {
        Self(format!("ntc_{}", random_digits(BASE36, ID_DIGITS)))
    }

    /// Reads an id; `None` where it has another shape.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("ntc_")?;
        (digits.len() == ID_DIGITS && is_base36(digits)).then(|| Self(text.to_owned()))
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How far a notice is. All but the first are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeState {
    /// It is to be delivered.
    Waiting,
    /// The target took it.
    Delivered,
    /// It will not be tried again.
    GivenUp,
    /// One like it was told within the hour; the next one says how many were left out.
    LeftOut,
    /// There is nothing that this target could be told: a forge takes a status of a commit, and none was known.
    Needless,
}

impl NoticeState {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Delivered, Self::GivenUp, Self::LeftOut, Self::Needless];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
            Self::LeftOut => "left_out",
            Self::Needless => "needless",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// The last try to deliver a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Try {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// The HTTP status of the answer; none where there was no answer.
    pub status: Option<u16>,
    /// The first line of the answer, or why there was none; no secret of the target is in it.
    pub answer: String,
}

/// One notice to one target, as its row says.
#[derive(Debug, Clone)]
pub struct Notice {
    /// Place in the order of what happened.
    pub sequence: i64,
    /// The id that the target reads.
    pub id: NoticeId,
    /// What happened.
    pub event: Event,
    /// The deployment that it happened to.
    pub deployment: Option<DeploymentId>,
    /// Why that failed, where it did.
    pub reason: Option<Reason>,
    /// Where it is about no deployment: what it is about, in words.
    pub text: Option<String>,
    /// When it happened.
    pub at: Timestamp,
    /// Since when it is being tried: that moment, or the one at which somebody asked for it again.
    pub since: Timestamp,
    /// How far it is.
    pub state: NoticeState,
    /// Tries so far.
    pub tries: u32,
    /// When it is tried next; none where it has ended, or waits behind another of the same deployment.
    pub next_at: Option<Timestamp>,
    /// The last try.
    pub last: Option<Try>,
    /// What the target calls its own record of the deployment, where it keeps one.
    pub remote: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_back() {
        assert!(Event::ALL.into_iter().all(|event| Event::parse(event.as_str()) == Some(event)));
        assert_eq!(Event::parse("test"), Some(Event::Test));
        assert!(NoticeState::ALL.into_iter().all(|state| NoticeState::parse(state.as_str()) == Some(state)));
    }

    #[test]
    fn an_id_is_read_back_and_another_shape_is_none() {
        let id = NoticeId::generate();

        assert_eq!(NoticeId::parse(id.as_str()).as_ref(), Some(&id));
        assert_eq!(NoticeId::parse("ntc_short"), None);
        assert_eq!(NoticeId::parse(&id.as_str().to_uppercase()), None);
    }
}
