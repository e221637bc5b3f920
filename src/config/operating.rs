//! How the server is watched, and how its database is copied.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use super::values;
use crate::domain::Span;

/// Where whoever watches the server may ask, and copies of the database that it makes by itself.
#[derive(Debug, Clone, Args)]
pub struct OperatingFlags {
    /// Address and port of /metrics, for Prometheus; whoever reaches it may read; repeatable [default: none]
    #[arg(
        long,
        env = "STACKBLAZE_METRICS_LISTEN",
        value_name = "ADDR:PORT",
        value_delimiter = ',',
        value_parser = values::listen_address
    )]
    pub metrics_listen: Vec<SocketAddr>,
    /// The database is copied this often, while the server works [default: never]
    #[arg(
        long,
        env = "STACKBLAZE_BACKUP_EVERY",
        value_name = "DURATION",
        requires = "backup_dir",
        value_parser = values::backup_interval
    )]
    pub backup_every: Option<Span>,
    /// Folder of these copies, of this server alone; it has to be there
    #[arg(
        long,
        env = "STACKBLAZE_BACKUP_DIR",
        value_name = "DIR",
        requires = "backup_every",
        value_parser = values::folder
    )]
    pub backup_dir: Option<PathBuf>,
    /// So many of these copies are kept; the oldest go first
    #[arg(long, env = "STACKBLAZE_BACKUP_KEEP", value_name = "N", default_value = "7", value_parser = values::count)]
    pub backup_keep: NonZeroU32,
}
