//! `stackblaze deploy SERVICE`: deploy now.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::config::DataDir;

use super::client::{Remote, path};
use super::failure::Failure;
use super::wait::{Patience, after_accepted};

/// Deploy a service now; prints the id of the deployment
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stackblaze deploy api
  stackblaze deploy api --branch feat/new-ui --clear-cache --wait
  stackblaze deploy api --commit 4f2c1d7e0b9a8c6d5e4f3a2b1c0d9e8f7a6b5c4d

Exit codes with --wait: 0 succeeded, 1 failed, 2 unknown (no end within --timeout, or the server stayed away).")]
pub(super) struct Deploy {
    /// Name of the service
    service: String,
    /// Branch [default: the service's]
    #[arg(long)]
    branch: Option<String>,
    /// Exactly this commit of the branch: 40 hexadecimal digits
    #[arg(long)]
    commit: Option<String>,
    /// Empty the build cache first
    #[arg(long)]
    clear_cache: bool,
    /// Wait for the end, and let the exit code tell it
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    remote: Remote,
}

impl Deploy {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<ExitCode, Failure> {
        let session = self.remote.open(data_dir)?;
        let body = json!({ "branch": self.branch, "commit": self.commit, "clearCache": self.clear_cache });
        let path = path(&["api", "v1", "services", &self.service, "deployments"]);
        let accepted = session.client.post(&path, &body).await?;
        after_accepted(&session, &accepted, self.wait, self.patience).await
    }
}
