//! `stackblaze demo`: a server, a sample service and a real deployment, in a folder that goes away.

mod sample;
mod show;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::cli::answer::Answer;
use crate::cli::client::{Client, path};
use crate::cli::failure::{FAILED, Failure, INTERRUPTED};
use crate::cli::output::{text, write_out};
use crate::cli::serve::stop_signal;
use crate::cli::server_log::{self, ServerLog};
use crate::cli::stderr::say;
use crate::config::{Config, DataDir};
use crate::domain::random_digits;
use crate::server::Server;
use crate::wire::deployment::DeploymentJson;

use sample::BROKEN;
pub(in crate::cli) use sample::git_version;
use show::Show;

/// The port that is tried first, and how many after it.
const FIRST_PORT: u16 = 8080;
const PORTS: u16 = 100;
/// The service, its hook and the operator.
const SERVICE: &str = "hello";
const HOOK: &str = "demo";
/// Where the sample is put, in the data folder.
const SITE: &str = "site";

/// See it work in ten seconds: a server, a sample service and real deployments
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze demo
  stackblaze demo --once           runs one deployment and exits 0 or 1
  stackblaze demo --json           prints {\"url\",\"hookUrl\",\"service\",
                                   \"deploymentId\",\"status\",\"signInUrl\",
                                   \"apiToken\",\"dataDir\"}

All data are in a temporary folder, which is removed on exit.
Builds run on this host.")]
pub(super) struct Demo {
    /// Exit after the first deployment: 0 if it succeeded, else 1
    #[arg(long)]
    once: bool,
    /// Leave the data folder in place on exit
    #[arg(long)]
    keep: bool,
    /// Print one line of JSON when the first deployment has ended, and nothing else on stdout
    #[arg(long)]
    json: bool,
    /// Port on 127.0.0.1; 0 takes any that is free [default: 8080, or the next that is free]
    #[arg(long)]
    port: Option<u16>,
}

impl Demo {
    pub(super) fn run(self, data_dir: &DataDir) -> Result<ExitCode, Failure> {
        if let Some(dir) = data_dir.flag() {
            let instead = format!("for one that stays: stackblaze serve --data-dir {}", dir.display());
            return Err(Failure::usage("a demo has a temporary data folder of its own").hint(instead));
        }
        let log = server_log::start("warn")?;
        let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
        let ended = runtime.block_on(self.play(&log));
        log.flush();
        ended
    }

    async fn play(self, log: &ServerLog) -> Result<ExitCode, Failure> {
        git_version()?;
        let show = Show::new(self.json);
        let stop = stop_signal(log)?;
        tokio::pin!(stop);
        let folder = Folder::make(self.keep)?;
        let listen = find_port(self.port, &show)?;
        let server = start(&folder.path, listen).await?;
        let base = format!("http://{}", server.address());
        show.head(&folder.path, self.keep);
        let stopping = CancellationToken::new();
        let running = tokio::spawn(server.run_until(stopping.clone().cancelled_owned()));
        let outcome = tokio::select! {
            outcome = deploy_once(&show, &folder.path, &base, self.once) => outcome,
            () = &mut stop => Err(Failure::new(INTERRUPTED, "stopped before the deployment had ended")),
        };
        if outcome.is_ok() && !self.once {
            show.line("Ctrl-C stops the demo.");
            stop.await;
        }
        show.stopping(self.once);
        stopping.cancel();
        running.await.context("the server ended by itself")??;
        let deployment = outcome?;
        let has_succeeded = deployment.status == "succeeded";
        Ok(if has_succeeded || !self.once { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }
}

async fn start(data_dir: &Path, listen: SocketAddr) -> Result<Server, Failure> {
    if rustix::process::geteuid().is_root() {
        say("warning: running as root: so do the builds");
    }
    let config = Config::for_demo(listen).context("the server's own defaults do not fit")?;
    Ok(Server::open(&config, data_dir).await?)
}

/// Steps 1 to 4, and where there is somebody to see it a deployment that fails on purpose; the object of the first one
/// when it has ended.
async fn deploy_once(
    show: &Show,
    data_dir: &Path,
    base: &str,
    is_once: bool,
) -> Result<Answer<DeploymentJson>, Failure> {
    let socket = Client::over_socket(data_dir)?;
    let hook_url = make_service(show, &socket, data_dir).await?;
    let hook_path = hook_url.strip_prefix(base).unwrap_or_default();
    let accepted = Client::over_tcp(base, None)?.post_nothing(hook_path).await?;
    show.trigger(&hook_url, &accepted);
    let id = text(&accepted, "deploymentId");
    // The hook's own token may read the log of what it started.
    let token = hook_path.rsplit('/').next().unwrap_or_default();
    let caller = Client::over_tcp(base, Some(token.to_owned()))?;
    let deployment = show.follow(&caller, &id).await?;
    let operator = socket.post("/api/v1/operators", &json!({ "name": "demo" })).await?;
    let sign_in_url = text(&operator, "signInUrl");
    if show.is_json() {
        let token = socket.post("/api/v1/tokens", &json!({ "name": "demo", "scope": "admin" })).await?;
        let line = json!({
            "url": base,
            "hookUrl": hook_url,
            "service": SERVICE,
            "deploymentId": id,
            "status": deployment.status,
            "signInUrl": sign_in_url,
            "apiToken": token["token"],
            "dataDir": data_dir,
        });
        write_out(format!("{line}\n").as_bytes());
    }
    if !is_once {
        show.site(&data_dir.join(SITE));
        if !show.is_json() {
            show.broken();
            let broken = caller.post_nothing(&format!("{hook_path}?branch={BROKEN}")).await?;
            show.follow(&caller, &text(&broken, "deploymentId")).await?;
            show.page(&text(&broken, "dashboardUrl"));
        }
        show.tail(base, &hook_url, &id, &sign_in_url);
    }
    Ok(deployment)
}

/// Steps 1 and 2; the URL of the hook.
async fn make_service(show: &Show, socket: &Client, data_dir: &Path) -> Result<String, Failure> {
    let repository = data_dir.join("sample");
    sample::make(&repository)?;
    let service = json!({
        "name": SERVICE,
        "repository": repository,
        "buildCommand": "sh build.sh",
        "deployCommand": "sh deploy.sh",
        "env": { "SITE": data_dir.join(SITE) },
        "executor": "local",
    });
    socket.post("/api/v1/services", &service).await?;
    show.service(SERVICE);
    let hooks = path(&["api", "v1", "services", SERVICE, "hooks"]);
    let hook_url = text(&socket.post(&hooks, &json!({ "name": HOOK })).await?, "url");
    show.hook(HOOK, &hook_url);
    Ok(hook_url)
}

/// The asked port, or the first that is free.
fn find_port(port: Option<u16>, show: &Show) -> Result<SocketAddr, Failure> {
    let address = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let is_free = |port| TcpListener::bind(address(port));
    if let Some(port) = port {
        return match is_free(port) {
            Ok(_) => Ok(address(port)),
            Err(error) => Err(Failure::new(FAILED, format!("cannot listen on 127.0.0.1:{port}: {error}"))
                .hint("leave --port out, and the next free one is taken")),
        };
    }
    let free = (FIRST_PORT..FIRST_PORT + PORTS).find(|&port| is_free(port).is_ok());
    if free != Some(FIRST_PORT) {
        let instead = free.map_or_else(|| "another".to_owned(), |port| port.to_string());
        show.line(&format!("port   {FIRST_PORT} is taken; using {instead}"));
    }
    Ok(address(free.unwrap_or(0)))
}

/// The data folder of a demo; goes away with the demo.
struct Folder {
    path: PathBuf,
    is_kept: bool,
}

impl Folder {
    fn make(is_kept: bool) -> Result<Self, Failure> {
        let parent = std::env::temp_dir();
        let name = random_digits(b"0123456789abcdefghijklmnopqrstuvwxyz", 6);
        let path = parent.join(format!("stackblaze-demo-{name}"));
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Self { path, is_kept }),
            Err(error) => {
                let text = format!("cannot make a folder in {}: {error}", parent.display());
                Err(Failure::new(FAILED, text)
                    .hint("name one that can be written: TMPDIR=DIR stackblaze demo"))
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.is_kept {
            say(&format!(
                "The data are kept; go on with: stackblaze serve --data-dir {}",
                self.path.display()
            ));
        } else if let Err(error) = std::fs::remove_dir_all(&self.path) {
            say(&format!("warning: {} is left: {error}", self.path.display()));
        }
    }
}
