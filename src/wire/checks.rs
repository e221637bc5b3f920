//! What was found out about the needs of a service as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{Checks, Finding, Timestamp, Verdict};

/// What was found when somebody looked last.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Checks")]
pub struct ChecksJson {
    /// Null until somebody has looked, also after each change of the service.
    checked_at: Option<Timestamp>,
    /// Whether a look is still to come: the service is new, was changed, or somebody has asked for one.
    looking: bool,
    checks: Vec<CheckJson>,
}

/// One thing that was found.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Check")]
struct CheckJson {
    #[schemars(with = "Verdict")]
    verdict: &'static str,
    detail: String,
    /// What to do about it.
    fix: Option<String>,
}

impl ChecksJson {
    /// What was found, and whether a look is still to come.
    pub fn new((found, looking): (Option<Checks>, bool)) -> Self {
        let body = |finding: Finding| CheckJson {
            verdict: finding.verdict.as_str(),
            detail: finding.detail,
            fix: finding.fix,
        };
        let checked_at = found.as_ref().map(|found| found.at);
        let findings = found.map(|found| found.findings).unwrap_or_default();
        Self { checked_at, looking, checks: findings.into_iter().map(body).collect() }
    }
}
