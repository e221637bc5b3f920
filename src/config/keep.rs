//! What is kept, and how long.

use clap::Args;

use super::Bytes;
use crate::domain::Span;

/// What is kept of what has ended.
#[derive(Debug, Clone, Args)]
pub struct KeepFlags {
    /// Deployments are kept this long
    #[arg(
        long = "keep-deployments",
        env = "STACKBLAZE_KEEP_DEPLOYMENTS",
        value_name = "DURATION",
        default_value = "365d"
    )]
    pub deployments: Span,
    /// Of each service at least so many deployments are kept, however old
    #[arg(long = "keep-last", env = "STACKBLAZE_KEEP_LAST", value_name = "N", default_value = "100")]
    pub last: u32,
    /// Ended runs are kept in the cluster this long, once their log is stored
    #[arg(long = "keep-runs", env = "STACKBLAZE_KEEP_RUNS", value_name = "DURATION", default_value = "7d")]
    pub runs: Span,
    /// Of each service at most so many ended runs are kept in the cluster
    #[arg(
        long = "keep-last-runs",
        env = "STACKBLAZE_KEEP_LAST_RUNS",
        value_name = "N",
        default_value = "20"
    )]
    pub last_runs: u32,
    /// Logs are kept this long
    #[arg(long = "keep-logs", env = "STACKBLAZE_KEEP_LOGS", value_name = "DURATION", default_value = "30d")]
    pub logs: Span,
    /// Of one log so much is kept from its start
    #[arg(
        long = "keep-log-head",
        env = "STACKBLAZE_KEEP_LOG_HEAD",
        value_name = "SIZE",
        default_value = "1MiB"
    )]
    pub log_head: Bytes,
    /// Of one log so much is kept from its end
    #[arg(
        long = "keep-log-tail",
        env = "STACKBLAZE_KEEP_LOG_TAIL",
        value_name = "SIZE",
        default_value = "4MiB"
    )]
    pub log_tail: Bytes,
    /// All logs together; the oldest go first
    #[arg(
        long = "keep-logs-total",
        env = "STACKBLAZE_KEEP_LOGS_TOTAL",
        value_name = "SIZE",
        default_value = "1GiB"
    )]
    pub logs_total: Bytes,
    /// The audit is kept this long
    #[arg(
        long = "keep-audit",
        env = "STACKBLAZE_KEEP_AUDIT",
        value_name = "DURATION",
        default_value = "365d"
    )]
    pub audit: Span,
    /// Of the audit at most so many acts are kept; the oldest go first
    #[arg(
        long = "keep-audit-acts",
        env = "STACKBLAZE_KEEP_AUDIT_ACTS",
        value_name = "N",
        default_value = "1000000"
    )]
    pub audit_acts: u32,
}
