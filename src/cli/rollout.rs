//! The deploy step of a run in a cluster, and the step that comes after one that failed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::domain::{Invalid, Span, Workload};
use crate::executor::exit_codes::{DEPLOY_FAILED, ROLLOUT_FAILED, SUCCEEDED};
use crate::executor::tekton::client::{self, Client};
use crate::executor::tekton::steps::release;
use crate::executor::tekton::steps::rollout::{self, HalfDone, Results};

/// Give workloads their new image and wait until they serve; runs as the deploy step of a run
#[derive(Debug, Args)]
pub(super) struct RolloutArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Image without tag
    #[arg(long, env = "STACKBLAZE_IMAGE", value_name = "IMAGE")]
    image: String,
    /// Tag of the image
    #[arg(long, env = "STACKBLAZE_TAG", value_name = "TAG")]
    tag: String,
    /// Digest of the image
    #[arg(long, env = "STACKBLAZE_DIGEST", value_name = "sha256:…")]
    digest: String,
    /// What the image was built from
    #[arg(long, env = "STACKBLAZE_COMMIT", value_name = "COMMIT")]
    commit: String,
    /// Where the image comes from
    #[arg(long, env = "STACKBLAZE_IMAGE_SOURCE", value_name = "SOURCE", default_value = "")]
    source: String,
    /// Who called
    #[arg(long, env = "STACKBLAZE_CALLER", value_name = "TEXT", default_value = "")]
    caller: String,
    /// Whether what was there before is put back where the new image does not come up
    #[arg(long, env = "STACKBLAZE_ROLLBACK", value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    rollback: bool,
    /// How long the new image may take
    #[arg(long, env = "STACKBLAZE_ROLLOUT_TIMEOUT", value_name = "DURATION", default_value = "10m")]
    rollout_timeout: Span,
}

/// Put back what a deploy step that failed left half done; runs as the last step of a run
#[derive(Debug, Args)]
pub(super) struct PutBackArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// File for the word for what became of it
    #[arg(long, env = "STACKBLAZE_PUT_BACK_FILE", value_name = "FILE")]
    put_back_file: Option<PathBuf>,
    /// Name of the Job of the release command, in the namespace of the first workload
    #[arg(long, env = "STACKBLAZE_RELEASE_JOB", value_name = "NAME")]
    release_job: Option<String>,
    /// Whether anything is put back
    #[arg(long, env = "STACKBLAZE_ROLLBACK", value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    rollback: bool,
}

/// What both are told.
#[derive(Debug, Args)]
struct CommonArgs {
    /// What is given the image
    #[arg(
        long = "workload",
        env = "STACKBLAZE_WORKLOADS",
        value_name = "[KIND:]NAMESPACE/NAME[/CONTAINER]",
        value_delimiter = ',',
        required = true,
        value_parser = workload
    )]
    workloads: Vec<Workload>,
    /// Id of the deployment
    #[arg(long, env = "STACKBLAZE_DEPLOYMENT_ID", value_name = "ID")]
    deployment_id: String,
    /// Name of the service
    #[arg(long, env = "STACKBLAZE_SERVICE", value_name = "NAME", default_value = "")]
    service: String,
    /// File for how the workloads were left
    #[arg(long, env = "STACKBLAZE_WORKLOADS_FILE", value_name = "FILE")]
    workloads_file: Option<PathBuf>,
    /// File for a sentence about a failure
    #[arg(long, env = "STACKBLAZE_MESSAGE_FILE", value_name = "FILE")]
    message_file: Option<PathBuf>,
    /// File for what the cluster says of it
    #[arg(long, env = "STACKBLAZE_DETAIL_FILE", value_name = "FILE")]
    detail_file: Option<PathBuf>,
}

impl CommonArgs {
    fn say(&self) {
        println!("service {}, deployment {}", self.service, self.deployment_id);
    }

    fn results(&self) -> Results {
        Results {
            workloads: self.workloads_file.clone(),
            message: self.message_file.clone(),
            detail: self.detail_file.clone(),
        }
    }
}

impl RolloutArgs {
    pub(super) fn run(self) -> ExitCode {
        self.common.say();
        in_cluster(DEPLOY_FAILED, async |client| {
            rollout::run(client, &self.into_rollout(), &told_to_stop()).await
        })
    }

    fn into_rollout(self) -> rollout::Rollout {
        rollout::Rollout {
            results: self.common.results(),
            workloads: self.common.workloads,
            image: full_name(&self.image, &self.tag, &self.digest),
            repository: self.image,
            deployment: self.common.deployment_id,
            commit: self.commit,
            source: self.source,
            caller: self.caller,
            returns: self.rollback,
            limit: self.rollout_timeout.duration(),
        }
    }
}

/// `repository:tag@digest`; the tag may be empty.
pub(super) fn full_name(repository: &str, tag: &str, digest: &str) -> String {
    let colon = if tag.is_empty() { "" } else { ":" };
    format!("{repository}{colon}{tag}@{digest}")
}

impl PutBackArgs {
    pub(super) fn run(self) -> ExitCode {
        self.common.say();
        in_cluster(ROLLOUT_FAILED, async |client| {
            if let (Some(job), Some(first)) = (&self.release_job, self.common.workloads.first()) {
                release::end_left(&client, &first.namespace, job, &self.common.deployment_id).await;
            }
            if !self.rollback {
                return SUCCEEDED;
            }
            let half_done = HalfDone {
                results: self.common.results(),
                workloads: self.common.workloads,
                deployment: self.common.deployment_id,
                outcome: self.put_back_file,
            };
            rollout::put_back_half_done(client, &half_done).await
        })
    }
}

/// Cancelled by SIGTERM.
pub(super) fn told_to_stop() -> CancellationToken {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        tokio::spawn(async move {
            terminate.recv().await;
            asked.cancel();
        });
    }
    stop
}

/// Does the work of a step with the account of its pod; `failed` is the exit code where that cannot be begun.
pub(super) fn in_cluster(failed: u8, work: impl AsyncFnOnce(Client) -> u8) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("stackblaze: {error}");
            return ExitCode::from(failed);
        }
    };
    ExitCode::from(runtime.block_on(async {
        match client::in_cluster() {
            Ok(client) => work(client).await,
            Err(message) => {
                println!("{message}");
                failed
            }
        }
    }))
}

pub(super) fn workload(text: &str) -> Result<Workload, Invalid> {
    Workload::parse(text)
}
