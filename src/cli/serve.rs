//! `stackblaze serve`: the server itself.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, CommandFactory};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Config, DataDir, unknown_variables};
use crate::domain::ExecutorKind;
use crate::server::{self, Server};

use super::failure::{AUTH, Failure};
use super::server_log::{self, ServerLog};

/// Run the server
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze serve
  stackblaze serve --listen 0.0.0.0:8080 --trusted-proxy 10.0.0.0/8 \\
      --public-url https://deploy.example.com
  stackblaze serve --kube-context prod \\
      --step-image clone=r.example.com/stackblaze-builder:1 \\
      --step-image build=r.example.com/stackblaze-builder:1 \\
      --step-image deploy=r.example.com/stackblaze:1")]
pub(super) struct Serve {
    #[command(flatten)]
    config: Config,
}

impl Serve {
    pub(super) fn run(self, data_dir: &DataDir) -> ExitCode {
        if let Some(owner) = data_dir.of_another() {
            let text = format!("{} belongs to user {owner}", data_dir.path().display());
            let hint = "systemctl start stackblaze starts the server there; --data-dir names another folder";
            return Failure::new(AUTH, text).hint(hint).report();
        }
        let log = match server_log::start(&self.config.log) {
            Ok(log) => log,
            Err(error) => return Failure::from(error).report(),
        };
        let ended = serve(&self.config, data_dir, &log);
        if let Err(error) = &ended {
            log.say(&format!("stackblaze: {error:#}"));
        }
        log.flush();
        ended.map_or_else(|error| ExitCode::from(server::exit_code(&error)), |()| ExitCode::SUCCESS)
    }
}

#[tokio::main]
async fn serve(config: &Config, data_dir: &DataDir, log: &ServerLog) -> Result<()> {
    forbid_core_dumps();
    open_more_files();
    for name in unknown_variables(&super::Cli::command()) {
        tracing::warn!(name, "this environment variable is not known; is it misspelt?");
    }
    let dir = data_dir.path();
    // Before the banner: whoever reads it may ask the server to stop at once, and that has to close the database.
    let stop = stop_signal(log)?;
    let server = Server::open(config, &dir).await?;
    banner(config, &dir.display().to_string(), &server, log);
    server.run_until(stop).await
}

fn banner(config: &Config, dir: &str, server: &Server, log: &ServerLog) {
    let urls = server.urls();
    let available = server.available();
    let (has_cluster, is_host) = (available.has(ExecutorKind::Tekton), available.has(ExecutorKind::Local));
    let executors = match (has_cluster, is_host) {
        (true, true) => "tekton, and local: builds run on this host too",
        (true, false) => "tekton",
        (false, true) => "local: builds run on this host",
        (false, false) => "none",
    };
    log.say(&format!("StackBlaze {} · executor {executors}", env!("CARGO_PKG_VERSION")));
    for address in server.addresses() {
        log.say(&format!("listening  http://{address}"));
    }
    for address in server.metrics_addresses() {
        log.say(&format!("metrics    http://{address}/metrics"));
    }
    log.say(&format!("public URL {}", urls.public()));
    log.say(&format!("data       {dir}"));
    if let Some(url) = server.setup_url() {
        log.say(&format!("setup      {url}   (one use, 1 h)"));
    }
    if has_cluster {
        log.say(&format!("cluster    runs are made in namespace {}", config.cluster.build_namespace));
    }
    if !is_host && !has_cluster {
        log.say(&format!(
            "note       no builds on this host: {} is not loopback; --allow-host-builds allows them",
            server
                .addresses()
                .iter()
                .find(|address| !address.ip().is_loopback())
                .map_or_else(String::new, ToString::to_string)
        ));
    }
    if !config.is_loopback() && config.public_url.is_none() {
        log.say(&format!(
            "warning    without --public-url the URLs that are handed out begin with {}",
            urls.public()
        ));
    }
    if rustix::process::geteuid().is_root() && is_host {
        log.say("warning    running as root: so do the builds");
    }
}

/// SIGTERM, SIGHUP of a terminal that closes, or the first Ctrl-C; a second one ends the process at once.
pub(super) fn stop_signal(log: &ServerLog) -> Result<impl Future<Output = ()> + use<>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let log = log.clone();
    Ok(async move {
        tokio::select! {
            () = either(&mut terminate, &mut interrupt) => {}
            _ = hang_up.recv() => {}
        }
        tracing::info!("stopping; once more ends it at once");
        tokio::spawn(async move {
            // A terminal that closes says so more than once.
            let _still_heard = hang_up;
            either(&mut terminate, &mut interrupt).await;
            tracing::warn!("ended at once; what ran is recorded as interrupted at the next start");
            log.flush();
            std::process::exit(130);
        });
    })
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

/// As many open files as are enough. Builds inherit the limit, and some programs try all numbers below it.
const MOST_FILES: u64 = 65_536;

/// Each caller takes an open file, and the usual limit is a small one that a process may raise by itself.
fn open_more_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(MOST_FILES).min(MOST_FILES);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum }) {
        Ok(()) => tracing::info!(from = limit.current, to = wanted, "the limit of open files was raised"),
        Err(error) => tracing::warn!(error = %error, "the limit of open files could not be raised"),
    }
}

/// A core file would hold the server key and tokens.
fn forbid_core_dumps() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Core, none) {
        tracing::warn!(error = %error, "core dumps could not be switched off");
    }
}
