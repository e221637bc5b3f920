//! The deploy step of a run in a cluster.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::domain::Span;
use crate::executor::exit_codes::DEPLOY_FAILED;
use crate::executor::tekton::client;
use crate::executor::tekton::steps::rollout;

/// Give a Kubernetes Deployment its new image and wait until it serves; runs as the deploy step of a run
#[derive(Debug, Args)]
pub(super) struct RolloutArgs {
    /// Namespace of the Deployment
    #[arg(long, env = "STACKBLAZE_NAMESPACE", value_name = "NAME")]
    namespace: String,
    /// Name of the Deployment
    #[arg(long, env = "STACKBLAZE_WORKLOAD", value_name = "NAME")]
    workload: String,
    /// Container that gets the image; empty where there is only one
    #[arg(long, env = "STACKBLAZE_CONTAINER", value_name = "NAME", default_value = "")]
    container: String,
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
    /// Id of the deployment
    #[arg(long, env = "STACKBLAZE_DEPLOYMENT_ID", value_name = "ID")]
    deployment_id: String,
    /// Name of the service
    #[arg(long, env = "STACKBLAZE_SERVICE", value_name = "NAME", default_value = "")]
    service: String,
    /// Whether the image before is put back where the new one does not come up
    #[arg(long, env = "STACKBLAZE_ROLLBACK", value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    rollback: bool,
    /// How long the new image may take
    #[arg(long, env = "STACKBLAZE_ROLLOUT_TIMEOUT", value_name = "DURATION", default_value = "10m")]
    rollout_timeout: Span,
    /// File for the image that served before
    #[arg(long, env = "STACKBLAZE_PREVIOUS_IMAGE_FILE", value_name = "FILE")]
    previous_image_file: Option<PathBuf>,
    /// File for the number of replicas that serve
    #[arg(long, env = "STACKBLAZE_REPLICAS_FILE", value_name = "FILE")]
    replicas_file: Option<PathBuf>,
    /// File for a sentence about a failure
    #[arg(long, env = "STACKBLAZE_MESSAGE_FILE", value_name = "FILE")]
    message_file: Option<PathBuf>,
}

impl RolloutArgs {
    pub(super) fn run(self) -> ExitCode {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => ExitCode::from(runtime.block_on(self.roll_out())),
            Err(error) => {
                eprintln!("stackblaze: {error}");
                ExitCode::from(DEPLOY_FAILED)
            }
        }
    }

    async fn roll_out(self) -> u8 {
        println!("service {}, deployment {}", self.service, self.deployment_id);
        let client = match client::in_cluster() {
            Ok(client) => client,
            Err(message) => {
                println!("{message}");
                return DEPLOY_FAILED;
            }
        };
        let stop = CancellationToken::new();
        let asked = stop.clone();
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::spawn(async move {
                terminate.recv().await;
                asked.cancel();
            });
        }
        rollout::run(client, &self.into_rollout(), &stop).await
    }

    fn into_rollout(self) -> rollout::Rollout {
        rollout::Rollout {
            namespace: self.namespace,
            workload: self.workload,
            container: Some(self.container).filter(|name| !name.is_empty()),
            image: format!("{}:{}@{}", self.image, self.tag, self.digest),
            deployment: self.deployment_id,
            commit: self.commit,
            returns: self.rollback,
            limit: self.rollout_timeout.duration(),
            previous_image_file: self.previous_image_file,
            replicas_file: self.replicas_file,
            message_file: self.message_file,
        }
    }
}
