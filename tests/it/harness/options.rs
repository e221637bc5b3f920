//! What a test may want otherwise than a new server has it.

use std::time::Duration;

use stackblaze::db::logs;

/// What a test may want otherwise than a new server has it.
pub struct Options {
    pub hook_rate: u32,
    pub hook_burst: u32,
    /// Changes that an API token may ask for at once; hardly any more a minute.
    pub token_burst: u32,
    pub queue_limit: u32,
    pub concurrency: u32,
    pub queue_timeout: Duration,
    pub kept: logs::Kept,
    pub min_free_bytes: u64,
    /// Whether the server can run anything on its host.
    pub has_executor: bool,
    /// Whether it has a cluster; see [`TestServer::cluster`].
    pub has_cluster: bool,
    /// Whether it listens for those who watch it; see [`TestServer::metrics`](super::TestServer::metrics).
    pub is_watched: bool,
    pub trusted_proxies: Vec<&'static str>,
    /// Where notices may be sent beside the public internet.
    pub allowed_targets: Vec<&'static str>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hook_rate: 60,
            hook_burst: 30,
            token_burst: 1_000_000,
            queue_limit: 200,
            concurrency: 4,
            queue_timeout: Duration::from_hours(24),
            kept: logs::Kept { head: 1024 * 1024, tail: 4 * 1024 * 1024 },
            min_free_bytes: 0,
            has_executor: true,
            has_cluster: false,
            is_watched: false,
            trusted_proxies: Vec::new(),
            allowed_targets: vec!["127.0.0.1"],
        }
    }
}

impl Options {
    /// With a cluster, which is what new services get.
    pub fn with_cluster() -> Self {
        Self { has_cluster: true, ..Self::default() }
    }

    /// Room for any number of calls.
    pub fn roomy() -> Self {
        Self { hook_rate: 1_000_000, hook_burst: 1_000_000, queue_limit: 1_000_000, ..Self::default() }
    }
}
