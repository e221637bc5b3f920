//! A server in the test's own process: the real routes behind the real way in, on a real socket and real files. Time
//! stands still unless a test moves it, and nothing runs unless a test asks for a tick.

pub mod browser;
pub mod build;
pub mod cluster;
pub mod curl;
pub mod fault_proxy;
pub mod following;
pub mod forms;
pub mod git;
pub mod guest;
pub mod http;
pub mod kubelet;
pub mod log;
pub mod options;
pub mod outage;
pub mod process;
pub mod receiver;
pub mod scripted;
pub mod scripted_cluster;
pub mod scripted_jobs;
pub mod scripted_workloads;
pub mod server;
pub mod stage;

use std::time::Duration;

pub use build::Hook;
pub use build::Service;
pub use curl::curl;
pub use http::Answer;
pub use log::Lines;
pub use options::Options;
pub use scripted::Script;
pub use server::TestServer;
pub use stage::Stage;

/// Nothing here takes this long, however busy the machine is; a test that waits longer has failed.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// Where `./test` keeps the tools that it installs.
pub fn tools() -> std::path::PathBuf {
    std::env::var_os("STACKBLAZE_TEST_TOOLS").expect("run by `./test`, which names its tools").into()
}

/// Waits for what is sure to come.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it happens in time")
}
