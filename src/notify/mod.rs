//! Delivers one notice to one target. Knows the forms of seven kinds of targets and how to speak HTTP to strangers; knows no
//! database and no queue.

mod discord;
mod forge;
mod gitea;
mod github;
mod gitlab;
mod sender;
mod slack;
mod summary;
mod teams;
#[cfg(test)]
mod testing;
mod verdict;
mod webhook;

use tokio::time::Instant;

use crate::domain::{
    Deployment, Event, NoticeId, Service, Status, StepRecord, Target, TargetKind, Timestamp, Urls,
    WebhookSecret,
};
use crate::wire::deployment::FoundDeployment;

pub use sender::{Answer, Found, Lookup, Request, Sender, SenderSettings};

/// What is told.
pub struct Message {
    /// The id, the same at each try.
    pub id: NoticeId,
    /// What happened.
    pub event: Event,
    /// When.
    pub at: Timestamp,
    /// To what.
    pub about: About,
    /// How many like it were left out since one was told.
    pub left_out: u32,
    /// Whether an earlier try may have arrived although its answer did not.
    pub is_repeated: bool,
}

/// What a notice is about.
pub enum About {
    /// A deployment, as it was when that happened.
    Deployment(Box<AboutDeployment>),
    /// Anything else, in words of ours.
    Text(String),
}

/// A deployment, and what belongs to it.
pub struct AboutDeployment {
    /// As it was when the event happened.
    pub found: FoundDeployment,
    /// Its service.
    pub service: Service,
    /// The last lines of the step that failed, redacted; none where the target does not ask for them.
    pub lines: Option<Vec<String>>,
}

impl AboutDeployment {
    /// A deployment as it was when the event happened to it.
    pub fn new(
        deployment: Deployment,
        steps: Vec<StepRecord>,
        service: Service,
        lines: Option<Vec<String>>,
        event: Event,
    ) -> Self {
        let has_begun = event.status().is_none_or(Status::is_final);
        let pending = |step: StepRecord| if has_begun { step } else { StepRecord::pending(step.step) };
        let steps = steps.into_iter().map(pending).collect();
        let found = FoundDeployment { deployment: deployment.as_of(event), steps, queue_position: None };
        Self { found, service, lines }
    }
}

/// To whom.
pub struct Recipient {
    /// The target.
    pub target: Target,
    /// What a webhook's notices are signed with: the present secret, and the one before while it is good.
    pub secrets: Vec<WebhookSecret>,
    /// What the target calls its own record of the deployment, where an earlier notice made one.
    pub remote: Option<String>,
}

/// What became of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What follows from it.
    pub outcome: Outcome,
    /// The HTTP status of the answer; none where there was none.
    pub status: Option<u16>,
    /// The first line of the answer, or why there was none. Redacted, at most 200 characters.
    pub answer: String,
    /// What the target calls its own record of the deployment, where it made one now.
    pub remote: Option<String>,
}

/// What follows from a try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The target took it.
    Delivered,
    /// It is worth trying again; not before this, where the target says so.
    Again(Option<std::time::Duration>),
    /// The target will never take it.
    Refused,
    /// The target wants nothing any more (410).
    Gone,
    /// There is nothing this target could be told yet: a forge takes a status of a commit, and none is known.
    NotYet,
    /// There never will be.
    Needless,
}

/// Tells a target of something, once, in the form of its kind.
pub async fn deliver(
    sender: &Sender,
    urls: &Urls,
    recipient: &Recipient,
    message: &Message,
    now: Timestamp,
) -> Delivery {
    let by = By { sender, now, until: sender.deadline() };
    let delivery = match recipient.target.kind {
        TargetKind::Webhook => by.send(&webhook::request(recipient, message, urls, now)).await,
        TargetKind::Slack => by.send(&slack::request(recipient, message, urls)).await,
        TargetKind::Discord => by.send(&discord::request(recipient, message, urls)).await,
        TargetKind::Teams => by.send(&teams::request(recipient, message, urls)).await,
        TargetKind::Github => github::tell(&by, recipient, message, urls).await,
        TargetKind::Gitlab => gitlab::tell(&by, recipient, message, urls).await,
        TargetKind::Gitea => gitea::tell(&by, recipient, message, urls).await,
    };
    let answer = verdict::shown(&delivery.answer, &recipient.target);
    Delivery { answer, ..delivery }
}

/// What a try is made with.
struct By<'a> {
    sender: &'a Sender,
    now: Timestamp,
    until: Instant,
}

impl By<'_> {
    async fn send(&self, request: &Request) -> Delivery {
        Delivery::of(self.sender.send(request, self.now, self.until).await)
    }
}
