//! `stackblaze serve`: the server itself.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, CommandFactory};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Config, DataDir, unknown_variables};
use crate::server::{self, OwnServer};

/// Run the server
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stackblaze serve
  stackblaze serve --listen 0.0.0.0:8080 --trusted-proxy 10.0.0.0/8 \\
      --public-url https://deploy.example.com
  stackblaze serve --kube-context prod --step-image clone=r.example.com/stackblaze-builder:1 \\
      --step-image build=r.example.com/stackblaze-builder:1 --step-image deploy=r.example.com/stackblaze:1")]
pub(super) struct Serve {
    #[command(flatten)]
    config: Config,
}

impl Serve {
    pub(super) fn run(self, data_dir: &DataDir) -> ExitCode {
        init_logging(&self.config.log);
        match serve(&self.config, data_dir) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("stackblaze: {error:#}");
                ExitCode::from(server::exit_code(&error))
            }
        }
    }
}

/// Lines for people on a terminal, JSON elsewhere; always to stderr.
pub(super) fn init_logging(filter: &str) {
    let filter = tracing_subscriber::EnvFilter::new(filter);
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if std::io::stderr().is_terminal() {
        builder.init();
    } else {
        builder.json().flatten_event(true).init();
    }
    // The default hook prints the message of a panic, which may quote what a caller sent.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic was caught");
    }));
}

#[tokio::main]
async fn serve(config: &Config, data_dir: &DataDir) -> Result<()> {
    forbid_core_dumps();
    for name in unknown_variables(&super::Cli::command()) {
        tracing::warn!(name, "this environment variable is not known; is it misspelt?");
    }
    let dir = data_dir.path();
    // Before the banner: whoever reads it may ask the server to stop at once, and that has to close the database.
    let stop = stop_signal()?;
    let server = OwnServer::open(config, &dir).await?;
    banner(config, &dir.display().to_string(), &server);
    server.run_until(stop).await
}

fn banner(config: &Config, dir: &str, server: &OwnServer) {
    let urls = server.urls();
    let available = server.available();
    let executors = match (available.tekton, available.local) {
        (true, true) => "tekton, and local: builds run on this host too",
        (true, false) => "tekton",
        (false, true) => "local: builds run on this host",
        (false, false) => "none",
    };
    eprintln!("StackBlaze {} · executor {executors}", env!("CARGO_PKG_VERSION"));
    eprintln!("listening  http://{}", server.address());
    eprintln!("public URL {}", urls.public());
    eprintln!("data       {dir}");
    if let Some(url) = server.setup_url() {
        eprintln!("setup      {url}   (one use, 1 h)");
    }
    if available.tekton {
        eprintln!("cluster    runs are made in namespace {}", config.cluster.build_namespace);
    }
    if !available.local && !available.tekton {
        eprintln!(
            "note       no builds on this host: {} is not loopback; --allow-host-builds allows them",
            config.listen
        );
    }
    if !config.is_loopback() && config.public_url.is_none() {
        eprintln!(
            "warning    without --public-url the URLs that are handed out begin with {}",
            urls.public()
        );
    }
    if rustix::process::geteuid().is_root() && available.local {
        eprintln!("warning    running as root: so do the builds");
    }
}

/// SIGTERM or the first Ctrl-C; a second one ends the process at once.
pub(super) fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping; once more ends it at once");
        tokio::spawn(async move {
            either(&mut terminate, &mut interrupt).await;
            tracing::warn!("ended at once; what ran is recorded as interrupted at the next start");
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

/// A core file would hold the server key and tokens.
fn forbid_core_dumps() {
    let none = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Core, none) {
        tracing::warn!(error = %error, "core dumps could not be switched off");
    }
}
