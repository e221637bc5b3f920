//! What the server says of itself as JSON.

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{Act, ExecutorKind, Timestamp};

/// One act of the audit.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AuditEntry")]
pub struct EntryJson {
    /// Its place in the order, which no other act ever has; goes into `?after=`.
    pub id: i64,
    pub at: Timestamp,
    /// Who did it.
    pub actor: String,
    /// From where.
    pub address: String,
    #[schemars(with = "Act")]
    pub action: &'static str,
    /// What was acted on.
    pub subject: String,
    pub detail: String,
}

/// Which version answers.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Version")]
pub struct VersionJson {
    pub version: &'static str,
}

/// What readiness knows; `ready` alone decides the status of the answer.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Readiness")]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of the answer of its own")]
pub struct ReadinessJson {
    pub ready: bool,
    pub database_writable: bool,
    pub database_damaged: bool,
    pub disk_nearly_full: bool,
    /// Whether the server is going down.
    pub draining: bool,
    #[schemars(with = "Vec<ExecutorKind>")]
    pub executors: Vec<&'static str>,
    /// Why the cluster cannot be used; null where it can, or where there is none.
    pub cluster_problem: Option<String>,
    /// Null where the server makes no copies by itself.
    pub backup: Option<CopiesJson>,
    /// The address of a proxy that was met and that nobody has named as trusted.
    pub unbelieved_proxy: Option<String>,
    /// Where callers reach the server.
    pub public_url: String,
}

/// Copies of the database that the server makes by itself.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Copies")]
pub struct CopiesJson {
    /// When the newest one was made that is there.
    pub newest: Option<Timestamp>,
    /// Why the last try has failed, where it has.
    pub problem: Option<String>,
}
