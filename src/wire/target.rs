//! A target of notices as JSON, and what it was told. What GET gives is what POST and PATCH take; secrets are given once, and
//! of a chat, whose address is a secret, host and fingerprint.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{BranchPattern, Event, Notice, NoticeState, Reason, Target, TargetKind, Timestamp};
use crate::wire::read::{Fields, Shape};
use crate::wire::{Change, Word};

/// Of the fields of [`TargetBody`] those whose values no audit tells.
pub const SECRET: [&str; 2] = ["secret", "url"];

/// The writable part of a target; missing fields stay as they are.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetBody {
    /// What is told there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<TargetKind>")]
    pub kind: Option<String>,
    /// Where it is told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The one service that it is told of, by name; null for all.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub service: Change<String>,
    /// What it is told of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<Event>>")]
    pub events: Option<Vec<String>>,
    /// Patterns of branches that it is told of; none: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branches: Option<Vec<String>>,
    /// The token of a forge; it is never given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// Whether the last lines of a step that failed are told too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_lines: Option<bool>,
    /// Status checks that GitHub asks for before it takes a deployment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required_contexts: Option<Vec<String>>,
    /// `active` or `off`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["active", "off", null]))]
    pub state: Option<String>,
}

impl Shape for TargetBody {
    fn take(fields: &mut Fields) -> Self {
        fields.ignore(&["id", "createdAt", "createdBy", "offBecause", "failingSince", "deliveredAt"]);
        fields.ignore(&["oldSecretUntil"]);
        Self {
            kind: fields.change("kind", "a text").apply(None),
            url: fields.change("url", "a text").apply(None),
            service: fields.change("service", "a text"),
            events: fields.change("events", "a list of texts").apply(None),
            branches: fields.change("branches", "a list of texts").apply(None),
            secret: fields.change("secret", "a text").apply(None),
            with_lines: fields.change("withLines", "true or false").apply(None),
            required_contexts: fields.change("requiredContexts", "a list of texts").apply(None),
            state: fields.change("state", "a text").apply(None),
        }
    }
}

impl TargetBody {
    /// Everything that can be set of a target, and of its secrets nothing.
    pub fn of(target: &Target) -> Self {
        let events = target.events.iter().map(|event| event.as_str().to_owned());
        Self {
            kind: Some(target.kind.as_str().to_owned()),
            url: Some(target.shown_url()),
            service: target.service.as_ref().map(|(_, name)| name.clone()).into(),
            events: Some(events.collect()),
            branches: Some(target.branches.iter().map(BranchPattern::as_str).map(str::to_owned).collect()),
            secret: None,
            with_lines: Some(target.with_lines),
            required_contexts: Some(target.required_contexts.clone()),
            state: Some(state(target).to_owned()),
        }
    }
}

fn state(target: &Target) -> &'static str {
    if target.off.is_some() { "off" } else { "active" }
}

/// A target as it is shown.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Target")]
pub struct TargetJson {
    pub id: String,
    /// What is told there.
    #[schemars(with = "TargetKind")]
    pub kind: Word,
    /// Of a chat host and fingerprint.
    pub url: String,
    pub service: Option<String>,
    /// What it is told of.
    #[schemars(with = "Vec<Event>")]
    pub events: Vec<String>,
    /// Patterns of branches that it is told of; none: all.
    pub branches: Vec<String>,
    pub with_lines: bool,
    pub required_contexts: Vec<String>,
    #[schemars(extend("x-extensible-enum" = ["active", "off"]))]
    pub state: Word,
    /// Why it is off.
    pub off_because: Option<String>,
    /// When the first try failed since the last one that did not.
    pub failing_since: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
    /// Until when notices are signed with the secret from before a rotation too.
    pub old_secret_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub created_by: String,
    /// What the notices of a webhook are signed with; only in the answer that makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

impl TargetJson {
    /// The target as it is at this moment.
    pub fn new(target: &Target, now: Timestamp) -> Self {
        let TargetBody { events, branches, required_contexts, .. } = TargetBody::of(target);
        Self {
            id: target.id.to_string(),
            kind: target.kind.as_str().into(),
            url: target.shown_url(),
            service: target.service.as_ref().map(|(_, name)| name.clone()),
            events: events.unwrap_or_default(),
            branches: branches.unwrap_or_default(),
            with_lines: target.with_lines,
            required_contexts: required_contexts.unwrap_or_default(),
            state: state(target).into(),
            off_because: target.off.as_ref().map(|(_, because)| because.clone()),
            failing_since: target.failing_since,
            delivered_at: target.delivered_at,
            old_secret_until: target.previous_until.filter(|until| *until > now),
            created_at: target.created_at,
            created_by: target.created_by.to_string(),
            secret: None,
        }
    }

    /// The same with the signing secret, for the one answer that shows it.
    #[must_use]
    pub fn with_secret(self, secret: Option<String>) -> Self {
        Self { secret, ..self }
    }
}

/// One notice, and what became of it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Notice")]
pub struct NoticeJson {
    pub id: String,
    #[schemars(with = "Event")]
    pub event: Word,
    pub deployment_id: Option<String>,
    #[schemars(with = "Option<Reason>")]
    pub reason: Option<Word>,
    pub text: Option<String>,
    pub at: Timestamp,
    #[schemars(with = "NoticeState")]
    pub state: Word,
    pub tries: u32,
    pub next_at: Option<Timestamp>,
    #[serde(rename = "lastTry")]
    pub last: Option<TryJson>,
}

/// The last try to deliver a notice.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Try")]
pub struct TryJson {
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
    /// The HTTP status of the answer; null where there was none.
    pub status: Option<u16>,
    /// The first line of the answer, or why there was none.
    pub answer: String,
}

impl NoticeJson {
    /// The notice.
    pub fn new(notice: &Notice) -> Self {
        let last = notice.last.as_ref().map(|last| TryJson {
            at: last.at,
            took_ms: last.took_ms,
            status: last.status,
            answer: last.answer.clone(),
        });
        Self {
            id: notice.id.to_string(),
            event: Event::as_str(notice.event).into(),
            deployment_id: notice.deployment.as_ref().map(ToString::to_string),
            reason: notice.reason.map(|reason| reason.as_str().into()),
            text: notice.text.clone(),
            at: notice.at,
            state: notice.state.as_str().into(),
            tries: notice.tries,
            next_at: notice.next_at,
            last,
        }
    }
}
