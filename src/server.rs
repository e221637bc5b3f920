//! The composition root: builds everything, runs until told to stop, drains. The only file that names every layer.

pub(crate) mod executors;
mod key;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::actions;
use crate::config::{Config, KEY_FILE, SOCKET_FILE};
use crate::db::{self, Db, logs, operators, queue, retention, sessions};
use crate::dispatch::{self, Dispatcher, Executors};
use crate::domain::{Clock, LinkToken, Urls};
use crate::executor::Executor;
use crate::executor::local::LocalExecutor;
use crate::executor::tekton::TektonExecutor;
use crate::web::{self, AppState, front};

/// The setup link's secret for whoever can read the data directory; gone after use.
const SETUP_FILE: &str = "setup-token";
/// How long the setup link is good.
const SETUP_LIFETIME: Duration = Duration::from_hours(1);
/// Time between two looks at small matters: refused calls to be stored, a used setup link.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Longest path of a Unix socket, in bytes.
const SOCKET_PATH_MAX: usize = 107;

/// A loop that goes on as long as the server does.
struct Loop {
    name: &'static str,
    task: JoinHandle<Result<(), db::Error>>,
}

/// A server that listens and works.
pub struct Server<L, T> {
    db: Arc<Db>,
    dispatcher: Dispatcher<L, T>,
    state: AppState,
    address: SocketAddr,
    setup_url: Option<String>,
    drain_delay: Duration,
    socket: PathBuf,
    stop_accepting: CancellationToken,
    is_draining: CancellationToken,
    fronts: Vec<JoinHandle<()>>,
    loops: Vec<Loop>,
}

/// The server as it is run.
pub type OwnServer = Server<LocalExecutor, TektonExecutor>;

impl OwnServer {
    /// The server as it is run: the machine's clock, builds on this host where the settings allow them, and the cluster
    /// that they name.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub async fn open(config: &Config, data_dir: &Path) -> Result<Self> {
        let executors = async |instance: String| {
            let local = if config.has_local_executor() { Some(executors::local(data_dir)?) } else { None };
            Ok(Executors { local, tekton: executors::tekton(config, instance).await? })
        };
        Self::start(config, data_dir, Clock::System, executors).await
    }
}

impl<L: Executor, T: Executor> Server<L, T> {
    /// Opens the data directory, listens and begins to work. `executors` makes what runs deployments, for the
    /// installation of this id; it is called once no other server can use the directory.
    ///
    /// # Errors
    /// Where the directory is in use, newer or foreign, the key does not fit, or the address is taken.
    pub async fn start(
        config: &Config,
        data_dir: &Path,
        clock: Clock,
        executors: impl AsyncFnOnce(String) -> Result<Executors<L, T>>,
    ) -> Result<Self> {
        let db = Arc::new(Db::open(data_dir, config.min_free.0)?);
        let executors = executors(db.write(db::instance_id).await?).await?;
        let key_file = config.secret_key_file.clone().unwrap_or_else(|| data_dir.join(KEY_FILE));
        let key = key::load(&db, &key_file).await?;
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        let socket = data_dir.join(SOCKET_FILE);
        let unix = listen_on_socket(&socket)?;
        let urls = urls(config, address);
        let settings = dispatch_settings(config, urls.clone());
        let dispatcher = Dispatcher::new(Arc::clone(&db), clock.clone(), settings, executors);
        let (stop_accepting, is_draining) = (CancellationToken::new(), CancellationToken::new());
        let operations = operation_settings(config, dispatcher.available());
        let context = actions::Context::new(Arc::clone(&db), key, clock.clone(), urls, operations);
        let state = AppState::new(context, web_settings(config), is_draining.clone());
        let setup_url = setup_link(&state, data_dir).await?;
        let front = front::Front::new(
            web::app(state.clone()),
            front_settings(config, state.urls(), is_draining.clone()),
        );
        let fronts = vec![
            tokio::spawn(Arc::clone(&front).serve_tcp(listener, stop_accepting.clone())),
            tokio::spawn(front.serve_unix(unix, stop_accepting.clone())),
        ];
        let loops = vec![
            Loop { name: "dispatcher", task: spawn_dispatcher(dispatcher.clone()) },
            Loop {
                name: "retention",
                task: spawn_retention(&db, &clock, retention_limits(config), is_draining.clone()),
            },
            Loop {
                name: "housekeeping",
                task: spawn_housekeeping(state.clone(), data_dir.join(SETUP_FILE), is_draining.clone()),
            },
        ];
        let drain_delay = config.drain_delay.duration();
        Ok(Self {
            db,
            dispatcher,
            state,
            address,
            setup_url,
            drain_delay,
            socket,
            stop_accepting,
            is_draining,
            fronts,
            loops,
        })
    }

    /// The address that is listened on, with the port that was given out.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Which executors it has.
    pub fn available(&self) -> queue::Available {
        self.dispatcher.available()
    }

    /// The addresses under which the server is known.
    pub fn urls(&self) -> &Urls {
        self.state.urls()
    }

    /// The one-time setup link, where no operator exists: a secret, to be printed once.
    pub fn setup_url(&self) -> Option<&str> {
        self.setup_url.as_deref()
    }

    /// Works until `stop`, then drains.
    ///
    /// # Errors
    /// Where a loop of the server ended by itself: nothing it promises would be kept any more.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<()> {
        let ended = tokio::select! {
            () = stop => None,
            name = first_ended(&mut self.loops) => Some(name),
        };
        self.drain().await?;
        match ended {
            None => Ok(()),
            Some(name) => bail!("the {name} loop ended by itself"),
        }
    }

    /// Readiness turns red at once; connections are accepted a little longer; requests in progress get their time;
    /// local runs are stopped meanwhile; then the database is closed.
    async fn drain(self) -> Result<()> {
        self.is_draining.cancel();
        let http = async {
            tokio::time::sleep(self.drain_delay).await;
            self.stop_accepting.cancel();
            for front in self.fronts {
                front.await.ok();
            }
        };
        tokio::join!(http, self.dispatcher.drain());
        for one in self.loops {
            one.task.await.ok();
        }
        drop((self.dispatcher, self.state));
        drop(std::fs::remove_file(&self.socket));
        let db = Arc::into_inner(self.db).context("something still uses the database")?;
        tokio::task::spawn_blocking(move || db.close()).await?;
        Ok(())
    }
}

/// The first loop that ends, taken out of the list: a loop can be awaited once only.
async fn first_ended(loops: &mut Vec<Loop>) -> &'static str {
    let tasks = loops.iter_mut().map(|one| &mut one.task);
    let (outcome, index, _) = futures_util::future::select_all(tasks).await;
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(error = %error, "a loop of the server ended"),
        Err(error) => tracing::error!(error = %error, "a loop of the server panicked"),
    }
    loops.swap_remove(index).name
}

fn spawn_dispatcher<L: Executor, T: Executor>(
    dispatcher: Dispatcher<L, T>,
) -> JoinHandle<Result<(), db::Error>> {
    tokio::spawn(async move { dispatcher.run().await })
}

fn spawn_retention(
    db: &Arc<Db>,
    clock: &Clock,
    limits: retention::Limits,
    stop: CancellationToken,
) -> JoinHandle<Result<(), db::Error>> {
    let (db, clock) = (Arc::clone(db), clock.clone());
    tokio::spawn(async move {
        dispatch::retention::run(db, clock, limits, stop).await;
        Ok(())
    })
}

fn spawn_housekeeping(
    state: AppState,
    setup_file: PathBuf,
    stop: CancellationToken,
) -> JoinHandle<Result<(), db::Error>> {
    tokio::spawn(async move {
        while !stop.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep(HOUSEKEEPING) => {}
                () = stop.cancelled() => {}
            }
            if let Err(error) = state.flush_over_budget().await {
                tracing::warn!(error = %error, "calls over budget could not be counted");
            }
            let is_set_up = setup_file.exists()
                && state.db().read(operators::list).await.is_ok_and(|all| !all.is_empty());
            if is_set_up {
                drop(std::fs::remove_file(&setup_file));
            }
        }
        Ok(())
    })
}

fn listen_on_socket(path: &Path) -> Result<UnixListener> {
    if path.as_os_str().len() > SOCKET_PATH_MAX {
        bail!(
            "{} is longer than the {SOCKET_PATH_MAX} bytes that a socket's path may have; use a shorter --data-dir",
            path.display()
        );
    }
    // The lock on the directory is held, so a socket that is there was left by a server that is gone.
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Without an operator there is a link that makes the first one; never a default password.
async fn setup_link(state: &AppState, data_dir: &Path) -> Result<Option<String>> {
    if !state.db().read(operators::list).await?.is_empty() {
        return Ok(None);
    }
    let (token, now) = (LinkToken::mint(), state.clock().now());
    let hash = token.hash();
    state.db().write(move |tx| sessions::insert_link(tx, &hash, None, now, now.plus(SETUP_LIFETIME))).await?;
    let file = data_dir.join(SETUP_FILE);
    if file.exists() {
        std::fs::remove_file(&file)?;
    }
    key::write_secret(&file, token.reveal())?;
    Ok(Some(state.urls().setup_link(&token)))
}

fn urls(config: &Config, address: SocketAddr) -> Urls {
    let public = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let dashboard = config.dashboard_url.clone().unwrap_or_else(|| public.clone());
    Urls::new(&public, &dashboard)
}

fn dispatch_settings(config: &Config, urls: Urls) -> dispatch::Settings {
    dispatch::Settings {
        concurrency: config.concurrency.get(),
        queue_timeout: config.queue_timeout.duration(),
        logs: logs::Kept { head: config.keep_log_head.0, tail: config.keep_log_tail.0 },
        runs: (config.keep_runs.duration(), config.keep_last_runs),
        page_of: Arc::new(move |id| urls.deployment_page(id)),
    }
}

fn operation_settings(config: &Config, available: queue::Available) -> actions::Settings {
    actions::Settings { queue_limit: config.queue_limit.get(), available }
}

fn web_settings(config: &Config) -> web::Settings {
    web::Settings { hook_rate: config.hook_rate, hook_burst: config.hook_burst }
}

fn front_settings(config: &Config, urls: &Urls, is_draining: CancellationToken) -> front::Settings {
    let size = |number: std::num::NonZeroU32| usize::try_from(number.get()).unwrap_or(usize::MAX);
    front::Settings {
        limits: front::Limits {
            connections: size(config.connections),
            per_peer: size(config.connections_per_peer),
            ..front::Limits::default()
        },
        trusted_proxies: config.trusted_proxy.clone(),
        https: urls.is_https(),
        is_draining,
    }
}

fn retention_limits(config: &Config) -> retention::Limits {
    retention::Limits {
        deployments: config.keep_deployments.duration(),
        deployments_per_service: config.keep_last,
        logs: config.keep_logs.duration(),
        logs_bytes: config.keep_logs_total.0,
    }
}

/// Exit codes of BSD's sysexits for what keeps a server from starting.
const DATA_ERROR: u8 = 65;
const IO_ERROR: u8 = 74;
const TRY_AGAIN: u8 = 75;
const CONFIGURATION: u8 = 78;

/// The exit code of a server that could not start: 75 where another one runs, 78 where the database is newer or
/// foreign, 74 where the disk refuses, 65 where the data are bad, else 1.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    match error.downcast_ref::<db::Error>() {
        Some(db::Error::Locked { .. }) => TRY_AGAIN,
        Some(db::Error::Newer { .. } | db::Error::Foreign(_)) => CONFIGURATION,
        Some(db::Error::Io { .. } | db::Error::Unavailable(_)) => IO_ERROR,
        Some(_) => DATA_ERROR,
        None => 1,
    }
}
