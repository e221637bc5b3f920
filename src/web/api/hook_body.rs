//! A hook as JSON. What GET gives is what POST and PATCH take; what only GET gives is ignored when sent back.

use serde::{Deserialize, Serialize};

use crate::db::hooks::Usage;
use crate::domain::{
    AddressRange, BranchPattern, Hook, HookId, HookName, HookRules, Invalid, Service, Span, Timestamp,
};

use super::super::request::Change;
use super::super::state::AppState;
use super::services::REASON_MAX;

/// The writable part of a hook; missing fields stay as they are.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(in crate::web) struct HookBody {
    pub(in crate::web) name: Option<String>,
    pub(in crate::web) branches: Option<Vec<String>>,
    pub(in crate::web) addresses: Option<Vec<String>>,
    pub(in crate::web) expires_at: Change<String>,
    /// A length of time from now, instead of `expiresAt`.
    pub(in crate::web) expires_in: Option<String>,
    pub(in crate::web) paused: Change<String>,
    id: Option<serde_json::Value>,
    service: Option<serde_json::Value>,
    state: Option<serde_json::Value>,
    masked_url: Option<serde_json::Value>,
    created_at: Option<serde_json::Value>,
    created_by: Option<serde_json::Value>,
    rotating_until: Option<serde_json::Value>,
    last_used: Option<serde_json::Value>,
    calls_last_30_days: Option<serde_json::Value>,
    calls_with_old_url: Option<serde_json::Value>,
}

impl HookBody {
    pub(super) fn apply(self, mut hook: Hook, now: Timestamp) -> Result<Hook, Invalid> {
        if let Some(name) = self.name {
            hook.name = HookName::parse(&name)?;
        }
        if let Some(patterns) = self.branches {
            hook.rules.branches =
                patterns.iter().map(|text| BranchPattern::parse(text)).collect::<Result<_, _>>()?;
        }
        if let Some(ranges) = self.addresses {
            hook.rules.addresses =
                ranges.iter().map(|text| text.parse::<AddressRange>()).collect::<Result<_, _>>()?;
        }
        let time =
            |text: String| Timestamp::parse(&text).map_err(|error| Invalid::new("expiresAt", error.detail));
        let expires_at = self.expires_at.try_map(time)?;
        hook.rules.expires_at = expires_at.apply(hook.rules.expires_at);
        if let Some(text) = self.expires_in {
            let span: Span =
                text.parse().map_err(|error: Invalid| Invalid::new("expiresIn", error.detail))?;
            hook.rules.expires_at = Some(now.plus(span.duration()));
        }
        hook.rules.paused = self.paused.try_map(check_reason)?.apply(hook.rules.paused);
        hook.rules.check()?;
        Ok(hook)
    }
}

fn check_reason(reason: String) -> Result<String, Invalid> {
    if reason.trim().is_empty() || reason.chars().count() > REASON_MAX {
        return Err(Invalid::new("paused", "must be a reason of at most 500 characters, or null"));
    }
    Ok(reason)
}

/// A hook as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shown {
    pub(super) id: String,
    service: String,
    name: String,
    /// Only in the answer that makes the secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    masked_url: String,
    state: &'static str,
    branches: Vec<String>,
    addresses: Vec<String>,
    expires_at: Option<Timestamp>,
    paused: Option<String>,
    created_at: Timestamp,
    created_by: String,
    rotating_until: Option<Timestamp>,
    last_used: Option<LastUse>,
    #[serde(rename = "callsLast30Days")]
    calls: i64,
    calls_with_old_url: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LastUse {
    at: Timestamp,
    caller: String,
    deployment_id: String,
}

impl Shown {
    /// The same with the secret URL, for the one answer that shows it.
    pub(super) fn with_url(self, url: String) -> Self {
        Self { url: Some(url), ..self }
    }

    pub(super) fn new(
        state: &AppState,
        service: &Service,
        hook: &Hook,
        usage: Usage,
        now: Timestamp,
    ) -> Self {
        let rotating_until = hook.previous_until.filter(|until| *until > now && hook.revoked_at.is_none());
        let masked =
            format!("{}/deploy-hooks/sbhook_{}_…{}", state.urls().public(), service.id, hook.id.short());
        let last_used = usage.last.map(|(at, caller, deployment_id)| LastUse { at, caller, deployment_id });
        Self {
            id: hook.id.to_string(),
            service: service.name.to_string(),
            name: hook.name.to_string(),
            url: None,
            masked_url: masked,
            state: word(hook, rotating_until.is_some(), now),
            branches: hook.rules.branches.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
            addresses: hook.rules.addresses.iter().map(ToString::to_string).collect(),
            expires_at: hook.rules.expires_at,
            paused: hook.rules.paused.clone(),
            created_at: hook.created_at,
            created_by: hook.created_by.clone(),
            rotating_until,
            last_used,
            calls: usage.calls,
            calls_with_old_url: if rotating_until.is_some() { usage.calls_with_previous } else { 0 },
        }
    }
}

fn word(hook: &Hook, is_rotating: bool, now: Timestamp) -> &'static str {
    match hook {
        hook if hook.revoked_at.is_some() => "revoked",
        hook if hook.rules.is_expired(now) => "expired",
        hook if hook.rules.paused.is_some() => "paused",
        _ if is_rotating => "rotating",
        _ => "active",
    }
}

pub(super) fn new_hook(
    body: HookBody,
    service: &Service,
    created_by: &str,
    now: Timestamp,
) -> Result<Hook, Invalid> {
    let name = body.name.clone().ok_or_else(|| Invalid::new("name", "is missing"))?;
    let hook = Hook {
        id: HookId::generate(),
        service_id: service.id.clone(),
        name: HookName::parse(&name)?,
        rules: HookRules::default(),
        generation: 1,
        previous_until: None,
        rotated_at: None,
        created_at: now,
        created_by: created_by.to_owned(),
        revoked_at: None,
    };
    body.apply(hook, now)
}

pub(super) fn differences(before: &Hook, after: &Hook) -> String {
    let patterns =
        |hook: &Hook| hook.rules.branches.iter().map(BranchPattern::as_str).collect::<Vec<_>>().join(" ");
    let ranges =
        |hook: &Hook| hook.rules.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let expiry = |hook: &Hook| hook.rules.expires_at.map_or_else(|| "never".to_owned(), |at| at.to_string());
    let paused = |hook: &Hook| hook.rules.paused.clone().unwrap_or_else(|| "no".to_owned());
    let pairs = [
        ("name", before.name.to_string(), after.name.to_string()),
        ("branches", patterns(before), patterns(after)),
        ("addresses", ranges(before), ranges(after)),
        ("expiresAt", expiry(before), expiry(after)),
        ("paused", paused(before), paused(after)),
    ];
    let changed = pairs.into_iter().filter(|(_, old, new)| old != new);
    changed.map(|(field, old, new)| format!("{field}: {old} → {new}")).collect::<Vec<_>>().join("; ")
}
