//! Runs deployments as Tekton PipelineRuns in a Kubernetes cluster. Only this folder names Kubernetes.

mod api;
pub mod client;
mod image_writer;
pub mod install;
mod names;
mod put_back;
pub mod run;
pub mod steps;
#[cfg(test)]
mod testing;
pub mod types;
mod workload_object;
mod workload_target;

use kube::Client;
use kube::api::ListParams;
use tokio_util::sync::CancellationToken;

use crate::domain::{DeploymentId, Finding, Service, Step};
use crate::executor::{Error, Events, Executor, FoundRun, Outcome, Run, Settled};

use api::pipeline_runs;
use client::answer;
use install::preflight;

/// The images that the steps run in.
#[derive(Debug, Clone)]
pub struct StepImages {
    /// Holds git and our binary.
    pub clone: String,
    /// Holds BuildKit and our binary.
    pub build: String,
    /// Holds our binary.
    pub deploy: String,
}

impl StepImages {
    /// The image of a step.
    pub fn of(&self, step: Step) -> &str {
        match step {
            Step::Clone => &self.clone,
            Step::Build => &self.build,
            Step::Release | Step::Deploy => &self.deploy,
        }
    }
}

/// What all runs of this server have in common.
#[derive(Debug, Clone)]
pub struct Common {
    /// Where runs are created.
    pub namespace: String,
    /// This installation, at most 63 of `[a-z0-9]`; another server's runs are never adopted.
    pub instance: String,
    /// The steps' images.
    pub images: StepImages,
    /// What the cluster and its registries ask of the builder.
    pub builder: BuilderSettings,
}

impl Common {
    /// What is needed to build and nothing else.
    pub fn for_builds(namespace: &str, image: &str, builder: BuilderSettings) -> Self {
        let images = [(); 3].map(|()| image.to_owned());
        let [clone, build, deploy] = images;
        let images = StepImages { clone, build, deploy };
        Self { namespace: namespace.to_owned(), instance: String::new(), images, builder }
    }
}

/// What the nodes, the registries and the network of a cluster ask of the builder.
#[derive(Debug, Clone, Default)]
pub struct BuilderSettings {
    /// Hosts of registries that speak http, or whose certificates nobody checks.
    pub insecure_registries: Vec<String>,
    /// A Localhost profile of AppArmor for the build's container; none is no profile.
    pub apparmor: Option<String>,
    /// The same for seccomp.
    pub seccomp: Option<String>,
    /// The variables of [`PROXIES`](crate::executor::PROXIES) that the steps clone and build are given.
    pub proxies: Vec<(String, String)>,
}

/// Runs deployments in one build namespace of one cluster. Cheap to clone.
#[derive(Clone)]
pub struct TektonExecutor {
    client: Client,
    common: Common,
}

impl TektonExecutor {
    /// An executor that has not asked the cluster anything.
    pub fn new(client: Client, common: Common) -> Self {
        Self { client, common }
    }
}

impl Executor for TektonExecutor {
    async fn run(&self, run: &Run, events: &Events, stop: &CancellationToken) -> Result<Outcome, Error> {
        let Some(cluster) = run.plan.cluster() else {
            return Err(Error("a run on the server's host came to the cluster".to_owned()));
        };
        Ok(self.run_or_attach(run, cluster, events, stop).await)
    }

    async fn probe(&self) -> Result<(), String> {
        let runs = pipeline_runs(&self.client, &self.common.namespace);
        answer(runs.list_metadata(&ListParams::default().limit(1)))
            .await
            .map(drop)
            .map_err(|refusal| refusal.text)
    }

    async fn settle(&self, id: &DeploymentId) -> Result<Settled, Error> {
        self.settle_run(id).await
    }

    async fn delete(&self, id: &DeploymentId) -> Result<(), Error> {
        self.delete_run(id).await
    }

    async fn runs(&self) -> Result<Vec<DeploymentId>, Error> {
        self.list_runs().await
    }

    async fn find_run(&self, id: &DeploymentId) -> Result<Option<FoundRun>, Error> {
        self.read_run(id).await
    }

    async fn check(&self, service: &Service) -> Vec<Finding> {
        match &service.tekton {
            Some(settings) => preflight::service(&self.client, &self.common, service, settings).await,
            None => vec![Finding::bad("the service has no settings for executor tekton", None)],
        }
    }
}
