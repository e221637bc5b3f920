//! Prints what to apply to a cluster.

use std::process::ExitCode;

use clap::Args;

use crate::config::{BuilderFlags, base_url};
use crate::domain::{Invalid, Workload};
use crate::executor::tekton::install::manifests::{ManifestSettings, render};
use crate::server;

/// Wrong usage, as BSD's sysexits has it.
const USAGE: u8 = 64;

/// Print what to apply to a Kubernetes cluster: namespaces, accounts, rights, policies and the server itself
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stackblaze manifests --image registry.example.com/stackblaze:1 \\
    --builder-image registry.example.com/stackblaze-builder:1 --workload apps/api | kubectl apply -f -

An ingress that leads to Service stackblaze, and --public-url with its address, make
hook URLs work outside of the cluster.")]
pub(super) struct ManifestsArgs {
    /// Image of the server and of the deploy step
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// Image of the clone and build steps
    #[arg(long, value_name = "IMAGE")]
    builder_image: String,
    /// A Deployment that may be deployed to; repeatable
    #[arg(long = "workload", value_name = "NS/DEPLOYMENT", value_parser = workload)]
    workloads: Vec<Workload>,
    /// Base of hook URLs, API and pages, as callers reach them [default: the server's address inside the cluster]
    #[arg(long, value_name = "URL", value_parser = base_url)]
    public_url: Option<String>,
    /// Namespace of the server
    #[arg(long, value_name = "NAME", default_value = "stackblaze")]
    namespace: String,
    /// Namespace of the runs
    #[arg(
        long,
        env = "STACKBLAZE_BUILD_NAMESPACE",
        value_name = "NAME",
        default_value = "stackblaze-builds"
    )]
    build_namespace: String,
    #[command(flatten)]
    builder: BuilderFlags,
}

impl ManifestsArgs {
    pub(super) fn run(self) -> ExitCode {
        let settings = ManifestSettings {
            image: self.image,
            builder_image: self.builder_image,
            public_url: self.public_url,
            namespace: self.namespace,
            build_namespace: self.build_namespace,
            builder: server::executors::builder(&self.builder),
            workloads: self.workloads,
        };
        match render(&settings) {
            Ok(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Err(invalid) => {
                eprintln!("stackblaze: {invalid}");
                ExitCode::from(USAGE)
            }
        }
    }
}

fn workload(text: &str) -> Result<Workload, Invalid> {
    Workload::parse(text)
}
