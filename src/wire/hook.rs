//! A hook as JSON. What GET gives is what POST and PATCH take; what only GET gives is ignored when sent back.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{BranchPattern, Hook, Source, Timestamp};
use crate::wire::read::{Fields, Shape};
use crate::wire::{Change, Word};

/// The writable part of a hook; missing fields stay as they are.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HookBody {
    /// What it is called: 1 to 58 characters without a slash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Patterns of branches that it may deploy; none: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branches: Option<Vec<String>>,
    /// Networks that it may be called from; none: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// Whether it may ask for builds or for images; none: both.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<Source>>")]
    pub sources: Option<Vec<String>>,
    /// From then on it opens nothing; null for never.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub expires_at: Change<String>,
    /// A length of time from now, instead of `expiresAt`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<String>,
    /// Why its calls are refused; null where they are taken.
    #[serde(skip_serializing_if = "Change::is_keep")]
    pub paused: Change<String>,
}

impl Shape for HookBody {
    fn take(fields: &mut Fields) -> Self {
        fields.ignore(&["id", "service", "state", "maskedUrl", "createdAt", "createdBy", "rotatingUntil"]);
        fields.ignore(&["lastUsed", "callsLast30Days", "callsWithOldUrl"]);
        Self {
            name: fields.change("name", "a text").apply(None),
            branches: fields.change("branches", "a list of texts").apply(None),
            addresses: fields.change("addresses", "a list of texts").apply(None),
            sources: fields.change("sources", "a list of texts").apply(None),
            expires_at: fields.change("expiresAt", "a text"),
            expires_in: fields.change("expiresIn", "a text").apply(None),
            paused: fields.change("paused", "a text"),
        }
    }
}

impl HookBody {
    /// Everything that can be set of a hook.
    pub fn of(hook: &Hook) -> Self {
        Self {
            name: Some(hook.name.to_string()),
            branches: Some(
                hook.rules.branches.iter().map(BranchPattern::as_str).map(str::to_owned).collect(),
            ),
            addresses: Some(hook.rules.addresses.iter().map(ToString::to_string).collect()),
            sources: Some(hook.rules.sources.iter().map(|source| source.as_str().to_owned()).collect()),
            expires_at: hook.rules.expires_at.map(|at| at.to_string()).into(),
            expires_in: None,
            paused: hook.rules.paused.clone().into(),
        }
    }
}

/// How a hook was used.
#[derive(Debug, Default)]
pub struct HookUse {
    /// When it was used last, by whom, and the deployment that came of it.
    pub last: Option<LastUse>,
    /// Calls of the last 30 days.
    pub calls: i64,
    /// Of these, those with the secret before the last rotation.
    pub calls_with_previous: i64,
}

/// The last use of a hook.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastUse {
    pub at: Timestamp,
    pub caller: String,
    pub deployment_id: String,
}

/// A hook as it is shown.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Hook")]
pub struct HookJson {
    pub id: String,
    pub service: String,
    pub name: String,
    /// Only in the answer that makes the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its URL without the secret.
    pub masked_url: String,
    /// How it stands.
    #[schemars(extend("x-extensible-enum" = ["active", "rotating", "paused", "expired", "revoked"]))]
    pub state: Word,
    /// Patterns of branches that it may deploy; none: all.
    pub branches: Vec<String>,
    /// Networks that it may be called from; none: all.
    pub addresses: Vec<String>,
    /// Whether it may ask for builds or for images; none: both.
    #[schemars(with = "Vec<Source>")]
    pub sources: Vec<String>,
    pub expires_at: Option<Timestamp>,
    /// Why its calls are refused; null where they are taken.
    pub paused: Option<String>,
    pub created_at: Timestamp,
    pub created_by: String,
    /// Until when the URL from before the last rotation is good.
    pub rotating_until: Option<Timestamp>,
    /// Its last use.
    pub last_used: Option<LastUse>,
    /// Among the last 1,000 calls; the same below.
    #[serde(rename = "callsLast30Days")]
    pub calls: i64,
    pub calls_with_old_url: i64,
}

impl HookJson {
    /// A hook of the service of that name.
    pub fn new(service: &str, hook: &Hook, masked_url: String, used: HookUse, now: Timestamp) -> Self {
        let rotating_until = hook.previous_until.filter(|until| *until > now && hook.revoked_at.is_none());
        let HookBody { name, branches, addresses, sources, .. } = HookBody::of(hook);
        Self {
            id: hook.id.to_string(),
            service: service.to_owned(),
            name: name.unwrap_or_default(),
            url: None,
            masked_url,
            state: state(hook, rotating_until.is_some(), now).into(),
            branches: branches.unwrap_or_default(),
            addresses: addresses.unwrap_or_default(),
            sources: sources.unwrap_or_default(),
            expires_at: hook.rules.expires_at,
            paused: hook.rules.paused.clone(),
            created_at: hook.created_at,
            created_by: hook.created_by.to_string(),
            rotating_until,
            last_used: used.last,
            calls: used.calls,
            calls_with_old_url: if rotating_until.is_some() { used.calls_with_previous } else { 0 },
        }
    }

    /// The same with the secret URL, for the one answer that shows it.
    #[must_use]
    pub fn with_url(self, url: String) -> Self {
        Self { url: Some(url), ..self }
    }
}

fn state(hook: &Hook, is_rotating: bool, now: Timestamp) -> &'static str {
    match hook {
        hook if hook.revoked_at.is_some() => "revoked",
        hook if hook.rules.is_expired(now) => "expired",
        hook if hook.rules.paused.is_some() => "paused",
        _ if is_rotating => "rotating",
        _ => "active",
    }
}

/// How a hook is rotated.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct RotateBody {
    /// How long the old secret stays good.
    pub overlap: Option<String>,
}

impl Shape for RotateBody {
    fn take(fields: &mut Fields) -> Self {
        Self { overlap: fields.change("overlap", "a text").apply(None) }
    }
}

/// One call that made no deployment of its own, or several of the same second.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Call")]
pub struct CallJson {
    pub at: Timestamp,
    pub result: String,
    pub detail: String,
    pub caller: String,
    pub count: i64,
}
