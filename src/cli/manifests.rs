//! Prints what to apply to a cluster.

use std::num::NonZeroU32;
use std::process::ExitCode;

use clap::Args;

use crate::cli::rollout::workload;
use crate::config::{BuilderFlags, backup_interval, base_url, count};
use crate::domain::{AddressRange, Span, Workload};
use crate::executor::tekton::install::manifests::{CopySettings, ManifestSettings, render};
use crate::server;

/// Wrong usage, as BSD's sysexits has it.
const USAGE: u8 = 64;
/// Copies that are kept where nothing else is said; the server's own default.
const COPIES: NonZeroU32 = NonZeroU32::new(7).unwrap();

/// Print what to apply to a Kubernetes cluster: namespaces, accounts, rights, policies and the server itself
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze manifests --image registry.example.com/stackblaze:1 \\
    --builder-image registry.example.com/stackblaze-builder:1 \\
    --workload apps/api --workload statefulset:apps/db | kubectl apply -f -

An ingress that leads to Service stackblaze, and --public-url with its
address, make hook URLs work outside of the cluster.")]
pub(super) struct ManifestsArgs {
    /// Image of the server and of the deploy step
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// Image of the clone and build steps
    #[arg(long, value_name = "IMAGE")]
    builder_image: String,
    /// What may be deployed to: KIND is deployment (default), statefulset, daemonset or cronjob; repeatable
    #[arg(long = "workload", value_name = "[KIND:]NAMESPACE/NAME", value_parser = workload)]
    workloads: Vec<Workload>,
    /// Namespace in which release commands may run as Jobs. Whoever can make a Job there can use each of its Secrets and
    /// accounts; repeatable
    #[arg(long, value_name = "NAMESPACE")]
    release_jobs: Vec<String>,
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
    /// Secret, in both namespaces, by which the cluster may fetch the two images
    #[arg(long, value_name = "NAME")]
    image_pull_secret: Option<String>,
    /// Address or network of the API server, which builds do not reach then and the deploy step alone does; repeatable
    #[arg(long = "api-server", value_name = "ADDR|CIDR", value_delimiter = ',')]
    api_servers: Vec<AddressRange>,
    /// Serve /metrics inside the cluster, at Service stackblaze-metrics; whoever is in the cluster may read it
    #[arg(long)]
    metrics: bool,
    /// `PersistentVolumeClaim` in the server's namespace that copies of the database go to [default: no copies]
    #[arg(long, value_name = "NAME")]
    backup_claim: Option<String>,
    /// The database is copied this often [default: 24h]
    #[arg(long, value_name = "DURATION", requires = "backup_claim", value_parser = backup_interval)]
    backup_every: Option<Span>,
    /// So many of these copies are kept [default: 7]
    #[arg(long, value_name = "N", requires = "backup_claim", value_parser = count)]
    backup_keep: Option<NonZeroU32>,
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
            release_jobs: self.release_jobs,
            image_pull_secret: self.image_pull_secret,
            api_servers: self.api_servers,
            has_metrics: self.metrics,
            copies: self.backup_claim.map(|claim| CopySettings {
                claim,
                every: self.backup_every.unwrap_or(Span::from_hours(24)),
                keep: self.backup_keep.unwrap_or(COPIES),
            }),
        };
        match render(&settings) {
            Ok(text) => {
                print!("{text}");
                eprintln!(
                    "rights of an earlier list on workloads that this one lacks stay until: {}",
                    settings.prune_command()
                );
                ExitCode::SUCCESS
            }
            Err(invalid) => {
                eprintln!("stackblaze: {invalid}");
                ExitCode::from(USAGE)
            }
        }
    }
}
