//! What serves, runs and waits, as JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{Commit, DeploymentId, GitRef, Reason, Status, Timestamp};
use crate::wire::Word;

/// One service.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ServiceStatus")]
pub struct ServiceStatusJson {
    pub service: String,
    /// Why it takes no calls; null where it does.
    pub frozen: Option<String>,
    /// The newest deployment that succeeded, which is what serves.
    pub serving: Option<BriefJson>,
    pub running: Option<BriefJson>,
    /// How many wait.
    pub queued: i64,
    /// The newest that has ended.
    pub last: Option<BriefJson>,
}

/// What a line says of a deployment.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Brief")]
pub struct BriefJson {
    pub deployment_id: DeploymentId,
    #[schemars(with = "Status")]
    pub status: Word,
    #[schemars(with = "Option<Reason>")]
    pub reason: Option<Word>,
    pub branch: GitRef,
    pub commit: Option<Commit>,
    pub created_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}
