//! Every setting once: flag, environment name, default, unit, check.
#![warn(missing_docs)]

mod data_dir;
mod keep;
mod notify;
mod operating;
mod values;

use std::collections::HashMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use clap::{Args, FromArgMatches};

use crate::domain::{AddressRange, Span, Step};

pub use data_dir::DataDir;
pub use keep::KeepFlags;
pub use notify::NotifyFlags;
pub use operating::OperatingFlags;
pub use values::{Bytes, StepImage};
pub(crate) use values::{backup_interval, base_url, count};

/// Begins the name of every environment variable of ours.
const PREFIX: &str = "STACKBLAZE_";
/// The socket of the command line, in the data directory.
pub const SOCKET_FILE: &str = "stackblaze.sock";
/// The server key, in the data directory unless another file is named.
pub const KEY_FILE: &str = "secret.key";

fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// All variables of this process, ours or not.
pub fn variables() -> HashMap<OsString, OsString> {
    std::env::vars_os().collect()
}

/// The settings of the server.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Address and port to listen on; repeatable
    #[arg(
        long,
        env = "STACKBLAZE_LISTEN",
        value_name = "ADDR:PORT",
        value_delimiter = ',',
        value_parser = values::listen_address,
        default_value = "127.0.0.1:8080"
    )]
    pub listen: Vec<SocketAddr>,
    /// Base of hook URLs and API, as callers reach it [default: the listener's]
    #[arg(long, env = "STACKBLAZE_PUBLIC_URL", value_name = "URL", value_parser = base_url)]
    pub public_url: Option<String>,
    /// Base of pages [default: the public URL]
    #[arg(long, env = "STACKBLAZE_DASHBOARD_URL", value_name = "URL", value_parser = base_url)]
    pub dashboard_url: Option<String>,
    /// Run builds on this host although the listener is not loopback: trusted code only
    #[arg(long, env = "STACKBLAZE_ALLOW_HOST_BUILDS")]
    pub allow_host_builds: bool,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterFlags,
    /// Image that a step runs in: clone, build and deploy; repeatable
    #[arg(long, env = "STACKBLAZE_STEP_IMAGE", value_name = "STEP=IMAGE", value_delimiter = ',')]
    pub step_image: Vec<StepImage>,
    /// What builds in the cluster may need.
    #[command(flatten)]
    pub builder: BuilderFlags,
    /// Address or network of a reverse proxy whose X-Forwarded-For is believed; repeatable
    #[arg(long, env = "STACKBLAZE_TRUSTED_PROXY", value_name = "ADDR|CIDR", value_delimiter = ',')]
    pub trusted_proxy: Vec<AddressRange>,
    /// Most deployments that run at a time
    #[arg(long, env = "STACKBLAZE_CONCURRENCY", value_name = "N", default_value = "4", value_parser = values::count)]
    pub concurrency: NonZeroU32,
    /// Calls a minute that one hook may make in the long run
    #[arg(long, env = "STACKBLAZE_HOOK_RATE", value_name = "N", default_value = "60", value_parser = values::count)]
    pub hook_rate: NonZeroU32,
    /// Calls that one hook may make at once
    #[arg(long, env = "STACKBLAZE_HOOK_BURST", value_name = "N", default_value = "30", value_parser = values::count)]
    pub hook_burst: NonZeroU32,
    /// Changes a minute that one API token may ask for in the long run
    #[arg(long, env = "STACKBLAZE_TOKEN_RATE", value_name = "N", default_value = "600", value_parser = values::count)]
    pub token_rate: NonZeroU32,
    /// Changes that one API token may ask for at once
    #[arg(long, env = "STACKBLAZE_TOKEN_BURST", value_name = "N", default_value = "300", value_parser = values::count)]
    pub token_burst: NonZeroU32,
    /// Most queued deployments of one service
    #[arg(long, env = "STACKBLAZE_QUEUE_LIMIT", value_name = "N", default_value = "200", value_parser = values::count)]
    pub queue_limit: NonZeroU32,
    /// A deployment queued for longer ends as failed, reason timeout
    #[arg(long, env = "STACKBLAZE_QUEUE_TIMEOUT", value_name = "DURATION", default_value = "24h")]
    pub queue_timeout: Span,
    /// What is kept, and how long.
    #[command(flatten)]
    pub keep: KeepFlags,
    /// Where notices may go.
    #[command(flatten)]
    pub notify: NotifyFlags,
    /// Who watches, and copies of the database.
    #[command(flatten)]
    pub operating: OperatingFlags,
    /// All caches of builds on this host together; the ones that were used longest ago go first
    #[arg(long, env = "STACKBLAZE_CACHE_LIMIT", value_name = "SIZE", default_value = "10GiB")]
    pub cache_limit: Bytes,
    /// With less free space on the disk calls are refused with 503
    #[arg(long, env = "STACKBLAZE_MIN_FREE", value_name = "SIZE", default_value = "32MiB")]
    pub min_free: Bytes,
    /// Most TCP connections in all
    #[arg(long, env = "STACKBLAZE_CONNECTIONS", value_name = "N", default_value = "10000", value_parser = values::count)]
    pub connections: NonZeroU32,
    /// Most TCP connections of one address; trusted proxies are exempt
    #[arg(long, env = "STACKBLAZE_CONNECTIONS_PER_PEER", value_name = "N", default_value = "256", value_parser = values::count)]
    pub connections_per_peer: NonZeroU32,
    /// An idle connection is kept this long; trusted proxies have at least five minutes
    #[arg(long, env = "STACKBLAZE_KEEP_ALIVE", value_name = "DURATION", default_value = "75s")]
    pub keep_alive: Span,
    /// After SIGTERM connections are still accepted this long, while readiness is already red
    #[arg(long, env = "STACKBLAZE_DRAIN_DELAY", value_name = "DURATION", default_value = "5s")]
    pub drain_delay: Span,
    /// What is logged, as tracing's filters are written: info, debug, stackblaze=debug
    #[arg(long, env = "STACKBLAZE_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
    /// File of the server key [default: secret.key in the data folder]
    #[arg(long, env = "STACKBLAZE_SECRET_KEY_FILE", value_name = "FILE")]
    pub secret_key_file: Option<PathBuf>,
}

impl Config {
    /// The settings of a demo: every default, whatever the environment says, on one address, and quick to stop.
    ///
    /// # Errors
    /// Never, while each setting has a default.
    pub fn for_demo(listen: SocketAddr) -> Result<Self, clap::Error> {
        let command = Self::augment_args(clap::Command::new("demo"));
        let command = command.mut_args(|argument| argument.env(clap::builder::Resettable::Reset));
        let mut config = Self::from_arg_matches(&command.try_get_matches_from(["demo"])?)?;
        config.listen = vec![listen];
        config.drain_delay = Span::from_secs(0);
        Ok(config)
    }

    /// Whether only this machine can reach the listeners.
    pub fn is_loopback(&self) -> bool {
        self.listen.iter().all(|listen| listen.ip().is_loopback())
    }

    /// The image of a step, where one was named.
    pub fn image_of(&self, step: Step) -> Option<&str> {
        self.step_image.iter().rev().find(|named| named.step == step).map(|named| named.image.as_str())
    }

    /// Whether builds may run on this host.
    pub fn has_local_executor(&self) -> bool {
        self.is_loopback() || self.allow_host_builds
    }
}

/// What the nodes and the registries of the cluster ask of builds.
#[derive(Debug, Clone, Default, Args)]
pub struct BuilderFlags {
    /// Host of a registry that builds reach over http, or whose certificate is not checked; repeatable
    #[arg(
        long,
        env = "STACKBLAZE_INSECURE_REGISTRY",
        value_name = "HOST",
        value_delimiter = ',',
        value_parser = registry_host
    )]
    pub insecure_registry: Vec<String>,
    /// AppArmor profile on the nodes that the build's container gets [default: none, unconfined]
    #[arg(long, env = "STACKBLAZE_BUILD_APPARMOR", value_name = "PROFILE", value_parser = profile)]
    pub build_apparmor: Option<String>,
    /// Seccomp profile on the nodes, below kubelet's folder for them [default: none, unconfined]
    #[arg(long, env = "STACKBLAZE_BUILD_SECCOMP", value_name = "FILE", value_parser = profile)]
    pub build_seccomp: Option<String>,
}

/// A host with its port, as an image's name begins.
fn registry_host(text: &str) -> Result<String, String> {
    let is_host =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b));
    if is_host { Ok(text.to_owned()) } else { Err("is a host such as registry.example.com:5000".to_owned()) }
}

/// The name of a profile: a relative path without `..`, since it is written into manifests and policies.
fn profile(text: &str) -> Result<String, String> {
    let is_part = |part: &str| {
        !matches!(part, "" | "." | "..")
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    let is_profile = text.split('/').all(is_part);
    if is_profile { Ok(text.to_owned()) } else { Err("is a name such as profiles/builder.json".to_owned()) }
}

/// Which cluster, and where in it.
#[derive(Debug, Clone, Args)]
pub struct ClusterFlags {
    /// Kubeconfig of the cluster [default: the pod that the server runs in]
    #[arg(long, env = "STACKBLAZE_KUBECONFIG", value_name = "FILE", requires = "kube_context")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig; it has to be named, the current one is never taken
    #[arg(long, env = "STACKBLAZE_KUBE_CONTEXT", value_name = "NAME")]
    pub kube_context: Option<String>,
    /// Namespace of the cluster in which deployments run
    #[arg(
        long,
        env = "STACKBLAZE_BUILD_NAMESPACE",
        value_name = "NAME",
        default_value = "stackblaze-builds"
    )]
    pub build_namespace: String,
}

impl ClusterFlags {
    /// Where the cluster is; none where there is none to be used.
    pub fn at(&self) -> Option<ClusterAt<'_>> {
        match &self.kube_context {
            Some(context) => Some(ClusterAt::Context { file: self.kubeconfig.as_deref(), context }),
            None => variable("KUBERNETES_SERVICE_HOST").map(|_| ClusterAt::OwnPod),
        }
    }
}

/// How the cluster is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterAt<'a> {
    /// As the pod that this process runs in.
    OwnPod,
    /// By a context of a kubeconfig; without a file by the usual one.
    Context {
        /// The file.
        file: Option<&'a Path>,
        /// The context.
        context: &'a str,
    },
}

/// Environment variables that look like ours and that nobody reads: most likely misspelt.
pub fn unknown_variables(command: &clap::Command) -> Vec<String> {
    let mut known = Vec::new();
    collect_variables(command, &mut known);
    let ours = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    ours.filter(|name| name.starts_with(PREFIX) && !known.contains(name)).collect()
}

fn collect_variables(command: &clap::Command, known: &mut Vec<String>) {
    let names = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    known.extend(names.map(str::to_owned));
    for subcommand in command.get_subcommands() {
        collect_variables(subcommand, known);
    }
}
