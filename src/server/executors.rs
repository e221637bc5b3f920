//! Makes what runs deployments out of the settings. The one place above the executors that names them.

use std::path::Path;

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use crate::config::{self, BuilderFlags, ClusterAt, Config};
use crate::dispatch::Executors;
use crate::domain::{DeploymentId, ExecutorKind, Finding, Service, ServiceId, Step};
use crate::executor::local::LocalExecutor;
use crate::executor::tekton::{BuilderSettings, Common, StepImages, TektonExecutor, client};
use crate::executor::{Error, Events, Executor, FoundRun, Outcome, Run, Settled, proxies};

/// Whatever runs deployments.
pub(super) enum AnyExecutor {
    /// On this host.
    Local(LocalExecutor),
    /// In a cluster.
    Tekton(TektonExecutor),
}

impl Executor for AnyExecutor {
    async fn run(&self, run: &Run, events: &Events, stop: &CancellationToken) -> Result<Outcome, Error> {
        match self {
            Self::Local(own) => own.run(run, events, stop).await,
            Self::Tekton(own) => own.run(run, events, stop).await,
        }
    }

    async fn probe(&self) -> Result<(), String> {
        match self {
            Self::Local(own) => own.probe().await,
            Self::Tekton(own) => own.probe().await,
        }
    }

    async fn settle(&self, id: &DeploymentId) -> Result<Settled, Error> {
        match self {
            Self::Local(own) => own.settle(id).await,
            Self::Tekton(own) => own.settle(id).await,
        }
    }

    async fn delete(&self, id: &DeploymentId) -> Result<(), Error> {
        match self {
            Self::Local(own) => own.delete(id).await,
            Self::Tekton(own) => own.delete(id).await,
        }
    }

    async fn runs(&self) -> Result<Vec<DeploymentId>, Error> {
        match self {
            Self::Local(own) => own.runs().await,
            Self::Tekton(own) => own.runs().await,
        }
    }

    async fn find_run(&self, id: &DeploymentId) -> Result<Option<FoundRun>, Error> {
        match self {
            Self::Local(own) => own.find_run(id).await,
            Self::Tekton(own) => own.find_run(id).await,
        }
    }

    async fn check(&self, service: &Service) -> Vec<Finding> {
        match self {
            Self::Local(own) => own.check(service).await,
            Self::Tekton(own) => own.check(service).await,
        }
    }

    async fn forget(&self, service: &ServiceId) {
        match self {
            Self::Local(own) => own.forget(service).await,
            Self::Tekton(own) => own.forget(service).await,
        }
    }

    async fn empty_cache(&self, service: &ServiceId) -> bool {
        match self {
            Self::Local(own) => own.empty_cache(service).await,
            Self::Tekton(own) => own.empty_cache(service).await,
        }
    }

    async fn sweep(&self) -> Vec<(ServiceId, u64)> {
        match self {
            Self::Local(own) => own.sweep().await,
            Self::Tekton(own) => own.sweep().await,
        }
    }

    async fn tidy(&self, stop: &CancellationToken) {
        match self {
            Self::Local(own) => own.tidy(stop).await,
            Self::Tekton(own) => own.tidy(stop).await,
        }
    }
}

/// Those that the settings allow, for the installation of this id.
///
/// # Errors
/// Where one of them cannot be made.
pub(super) async fn all(
    config: &Config,
    data_dir: &Path,
    instance: String,
) -> anyhow::Result<Executors<AnyExecutor>> {
    let local = if config.has_local_executor() { Some(local(data_dir, config.cache_limit.0)?) } else { None };
    let local = local.map(|own| (ExecutorKind::Local, AnyExecutor::Local(own)));
    let cluster = tekton(config, instance).await?;
    let cluster = cluster.map(|own| (ExecutorKind::Tekton, AnyExecutor::Tekton(own)));
    Ok(Executors::new(local.into_iter().chain(cluster)))
}

/// Builds on this host.
///
/// # Errors
/// Where their folders cannot be made.
fn local(data_dir: &Path, cache_limit: u64) -> anyhow::Result<LocalExecutor> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    LocalExecutor::open(data_dir, program, &config::variables(), cache_limit)
        .with_context(|| format!("cannot use {}", data_dir.display()))
}

/// Connects to the cluster that the settings name; whether it answers shows later.
///
/// # Errors
/// Where the settings lack an image or the cluster's address cannot be read.
async fn tekton(config: &Config, instance: String) -> anyhow::Result<Option<TektonExecutor>> {
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
    let builder = BuilderSettings { proxies: proxies(&config::variables()), ..builder(&config.builder) };
    let namespace = config.cluster.build_namespace.clone();
    let common = Common { namespace, instance, images, builder };
    Ok(Some(TektonExecutor::new(client, common)))
}

/// What builds in a cluster are told of its nodes and registries.
pub(crate) fn builder(flags: &BuilderFlags) -> BuilderSettings {
    BuilderSettings {
        insecure_registries: flags.insecure_registry.clone(),
        apparmor: flags.build_apparmor.clone(),
        seccomp: flags.build_seccomp.clone(),
        proxies: Vec::new(),
    }
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
