//! Makes what runs deployments out of the settings.

use std::path::Path;

use anyhow::{Context, Result};

use crate::config::{self, ClusterAt, Config};
use crate::domain::Step;
use crate::executor::local::LocalExecutor;
use crate::executor::tekton::manifest::{Common, StepImages};
use crate::executor::tekton::{TektonExecutor, client};

/// Builds on this host.
///
/// # Errors
/// Where their folders cannot be made.
pub(super) fn local(data_dir: &Path) -> Result<LocalExecutor> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    LocalExecutor::open(data_dir, program, &config::variables())
        .with_context(|| format!("cannot use {}", data_dir.display()))
}

/// Connects to the cluster that the settings name; whether it answers shows later.
///
/// # Errors
/// Where the settings lack an image or the cluster's address cannot be read.
pub(super) async fn tekton(config: &Config, instance: String) -> Result<Option<TektonExecutor>> {
    let Some(at) = config.cluster.at() else { return Ok(None) };
    let image = |step: Step| {
        let missing = || format!("--step-image {}=IMAGE is missing, and the cluster needs it", step.as_str());
        config.image_of(step).map(str::to_owned).with_context(missing)
    };
    // A pod may be meant for local builds alone; whoever names a context wants the cluster.
    if at == ClusterAt::OwnPod && config.step_image.is_empty() {
        tracing::warn!("without --step-image the cluster of this pod is not used");
        return Ok(None);
    }
    let images =
        StepImages { clone: image(Step::Clone)?, build: image(Step::Build)?, deploy: image(Step::Deploy)? };
    let client = connect(at).await.map_err(anyhow::Error::msg)?;
    let common = Common { namespace: config.cluster.build_namespace.clone(), instance, images };
    Ok(Some(TektonExecutor::new(client, common)))
}

/// A connection to the cluster that the settings name.
///
/// # Errors
/// Where the process runs in no pod, or the kubeconfig has no such context.
pub(crate) async fn connect(at: ClusterAt<'_>) -> Result<client::Client, String> {
    match at {
        ClusterAt::OwnPod => client::in_cluster(),
        ClusterAt::Context { file, context } => client::by_context(file, context).await,
    }
}
