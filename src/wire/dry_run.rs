//! What a call of a hook would do, as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{Code, Commit, DeploymentId, GitRef};

/// The answer to a dry run of a hook.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DryRun")]
pub struct DryRunJson<'a> {
    /// Always true.
    #[serde(rename = "dryRun")]
    pub is_dry: bool,
    /// Whether nothing was found for which the call would be refused or its deployment would fail.
    pub would_deploy: bool,
    pub service: &'a str,
    pub branch: &'a GitRef,
    pub commit: Option<&'a Commit>,
    pub clear_cache: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// The queued deployment that the call would join.
    pub joins: Option<DeploymentId>,
    pub failed: Vec<FailedCheck>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub ignored_parameters: &'a [String],
}

/// One reason for which the call would be refused, or its deployment would fail.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FailedCheck {
    /// The status that the call would be answered with, or 424.
    pub status: u16,
    #[schemars(with = "Code")]
    pub code: &'static str,
    pub detail: String,
}
