//! The release step of a run in a cluster.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::rollout::full_name;
use crate::cli::rollout::{in_cluster, told_to_stop, workload};
use crate::domain::{ReleaseCommand, Span, Workload};
use crate::executor::exit_codes::RELEASE_FAILED;
use crate::executor::tekton::steps::release::{self, Release};

#[derive(Debug, Args)]
pub(super) struct ReleaseStepArgs {
    /// Whose pod template the command is run by
    #[arg(long, env = "STACKBLAZE_WORKLOAD", value_parser = workload)]
    workload: Workload,
    #[arg(long, env = "STACKBLAZE_DEPLOYMENT_ID")]
    deployment_id: String,
    #[arg(long, env = "STACKBLAZE_SERVICE")]
    service: String,
    #[arg(long, env = "STACKBLAZE_INSTANCE")]
    instance: String,
    #[arg(long, env = "STACKBLAZE_IMAGE")]
    image: String,
    #[arg(long, env = "STACKBLAZE_TAG")]
    tag: String,
    #[arg(long, env = "STACKBLAZE_DIGEST")]
    digest: String,
    #[arg(long, env = "STACKBLAZE_RELEASE_JOB")]
    job: String,
    /// As JSON
    #[arg(long, env = "STACKBLAZE_RELEASE_COMMAND", value_parser = command)]
    command: ReleaseCommand,
    #[arg(long, env = "STACKBLAZE_RELEASE_TIMEOUT")]
    release_timeout: Span,
    #[arg(long, env = "STACKBLAZE_MESSAGE_FILE")]
    message_file: PathBuf,
    #[arg(long, env = "STACKBLAZE_DETAIL_FILE")]
    detail_file: PathBuf,
}

fn command(text: &str) -> Result<ReleaseCommand, String> {
    serde_json::from_str(text).map_err(|error| error.to_string())
}

impl ReleaseStepArgs {
    pub(super) fn run(self) -> ExitCode {
        println!("service {}, deployment {}", self.service, self.deployment_id);
        let release = self.into_release();
        in_cluster(RELEASE_FAILED, async |client| release::run(client, &release, &told_to_stop()).await)
    }

    fn into_release(self) -> Release {
        Release {
            workload: self.workload,
            image: full_name(&self.image, &self.tag, &self.digest),
            repository: self.image,
            job: self.job,
            deployment: self.deployment_id,
            instance: self.instance,
            service: self.service,
            command: self.command,
            limit: self.release_timeout.duration(),
            message_file: self.message_file,
            detail_file: self.detail_file,
        }
    }
}
