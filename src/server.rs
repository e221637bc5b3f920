//! The composition root: builds everything, runs until told to stop, drains. The only file that names every layer.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::{Config, KEY_FILE, SOCKET_FILE};
use crate::db::{self, Db, hooks, logs, operators, queue, retention, sessions};
use crate::dispatch::{self, Dispatcher};
use crate::domain::{Clock, LinkToken, TokenKey};
use crate::executor::Executor;
use crate::executor::local::LocalExecutor;
use crate::web::{self, AppState, Urls, front};

/// The setup link's secret for whoever can read the data directory; gone after use.
const SETUP_FILE: &str = "setup-token";
/// How long the setup link is good.
const SETUP_LIFETIME: Duration = Duration::from_hours(1);
/// Time between two looks at small matters: refused calls to be stored, a used setup link.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Longest path of a Unix socket, in bytes.
const SOCKET_PATH_MAX: usize = 107;

/// A server that listens and works.
pub struct Server<L> {
    db: Arc<Db>,
    dispatcher: Dispatcher<L>,
    state: AppState,
    address: SocketAddr,
    setup_url: Option<String>,
    drain_delay: Duration,
    socket: PathBuf,
    stop_accepting: CancellationToken,
    is_draining: CancellationToken,
    fronts: Vec<JoinHandle<()>>,
    loops: Vec<JoinHandle<Result<(), db::Error>>>,
}

/// The server as it is run.
pub type LocalServer = Server<LocalExecutor>;

impl LocalServer {
    /// The server as it is run: the machine's clock, and builds on this host where the settings allow them.
    ///
    /// # Errors
    /// As for [`Server::start`].
    pub async fn open(config: &Config, data_dir: &Path) -> Result<Self> {
        let local = || {
            if !config.has_local_executor() {
                return Ok(None);
            }
            let program = std::env::current_exe().context("cannot find this program's own file")?;
            let local = LocalExecutor::open(data_dir, program);
            local.map(Some).with_context(|| format!("cannot use {}", data_dir.display()))
        };
        Self::start(config, data_dir, Clock::System, local).await
    }
}

impl<L: Executor> Server<L> {
    /// Opens the data directory, listens and begins to work. `local` makes the executor for builds on this host; it is
    /// called once no other server can use the directory.
    ///
    /// # Errors
    /// Where the directory is in use, newer or foreign, the key does not fit, or the address is taken.
    pub async fn start(
        config: &Config,
        data_dir: &Path,
        clock: Clock,
        local: impl FnOnce() -> Result<Option<L>>,
    ) -> Result<Self> {
        let db = Arc::new(Db::open(data_dir, config.min_free.0)?);
        let local = local()?;
        let key_file = config.secret_key_file.clone().unwrap_or_else(|| data_dir.join(KEY_FILE));
        let key = load_key(&db, &key_file).await?;
        let listener = TcpListener::bind(config.listen)
            .await
            .with_context(|| format!("cannot listen on {}", config.listen))?;
        let address = listener.local_addr()?;
        let socket = data_dir.join(SOCKET_FILE);
        let unix = listen_on_socket(&socket)?;
        let urls = urls(config, address);
        let dispatcher = Dispatcher::new(Arc::clone(&db), clock.clone(), dispatch_settings(config), local);
        let (stop_accepting, is_draining) = (CancellationToken::new(), CancellationToken::new());
        let settings = web_settings(config, dispatcher.available());
        let state = AppState::new(Arc::clone(&db), key, clock.clone(), urls, settings, is_draining.clone());
        let setup_url = setup_link(&state, data_dir).await?;
        let front = front::Front::new(web::app(state.clone()), front_settings(config, state.urls()));
        let fronts = vec![
            tokio::spawn(Arc::clone(&front).serve_tcp(listener, stop_accepting.clone())),
            tokio::spawn(front.serve_unix(unix, stop_accepting.clone())),
        ];
        let loops = vec![
            spawn_dispatcher(dispatcher.clone()),
            spawn_retention(&db, &clock, retention_limits(config), is_draining.clone()),
            spawn_housekeeping(state.clone(), data_dir.join(SETUP_FILE), is_draining.clone()),
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
        for task in self.loops {
            task.await.ok();
        }
        drop((self.dispatcher, self.state));
        drop(std::fs::remove_file(&self.socket));
        let db = Arc::into_inner(self.db).context("something still uses the database")?;
        tokio::task::spawn_blocking(move || db.close()).await?;
        Ok(())
    }
}

async fn first_ended(loops: &mut [JoinHandle<Result<(), db::Error>>]) -> &'static str {
    const NAMES: [&str; 3] = ["dispatcher", "retention", "housekeeping"];
    let (outcome, index, _) = futures_util::future::select_all(loops.iter_mut()).await;
    if let Ok(Err(error)) = outcome {
        tracing::error!(error = %error, "a loop of the server ended");
    }
    NAMES[index]
}

fn spawn_dispatcher<L: Executor>(dispatcher: Dispatcher<L>) -> JoinHandle<Result<(), db::Error>> {
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

/// Reads the server key, or makes it at the first start. There is no default key.
async fn load_key(db: &Db, path: &Path) -> Result<TokenKey> {
    let (stored, is_needed) =
        db.read(|reader| Ok::<_, db::Error>((db::fingerprint(reader)?, hooks::any(reader)?))).await?;
    let key = match std::fs::read_to_string(path) {
        Ok(text) => {
            let mode = std::fs::metadata(path)?.permissions().mode();
            if mode & 0o077 != 0 {
                bail!("{} can be read by others; run: chmod 600 {}", path.display(), path.display());
            }
            TokenKey::parse(&text).with_context(|| format!("{}", path.display()))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_needed => {
            bail!(
                "{} is missing, and hooks exist that it made; put it back, or name it by --secret-key-file",
                path.display()
            )
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = TokenKey::generate();
            write_secret(path, &key.to_text())?;
            key
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let fingerprint = key.fingerprint();
    match stored {
        Some(stored) if stored != fingerprint && is_needed => {
            bail!("{} is another key than the one that made the hooks in this database", path.display())
        }
        Some(stored) if stored == fingerprint => {}
        _ => db.write(move |tx| db::set_fingerprint(tx, &fingerprint)).await?,
    }
    Ok(key)
}

fn write_secret(path: &Path, text: &str) -> Result<()> {
    let options = || std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = options().with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
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
    write_secret(&file, token.reveal())?;
    Ok(Some(state.urls().setup_link(&token)))
}

fn urls(config: &Config, address: SocketAddr) -> Urls {
    let public = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let dashboard = config.dashboard_url.clone().unwrap_or_else(|| public.clone());
    Urls::new(&public, &dashboard)
}

fn dispatch_settings(config: &Config) -> dispatch::Settings {
    dispatch::Settings {
        concurrency: config.concurrency.get(),
        queue_timeout: config.queue_timeout.duration(),
        logs: logs::Kept { head: config.keep_log_head.0, tail: config.keep_log_tail.0 },
    }
}

fn web_settings(config: &Config, available: queue::Available) -> web::Settings {
    web::Settings {
        hook_rate: config.hook_rate,
        hook_burst: config.hook_burst,
        queue_limit: config.queue_limit.get(),
        available,
    }
}

fn front_settings(config: &Config, urls: &Urls) -> front::Settings {
    let size = |number: std::num::NonZeroU32| usize::try_from(number.get()).unwrap_or(usize::MAX);
    front::Settings {
        limits: front::Limits {
            connections: size(config.connections),
            per_peer: size(config.connections_per_peer),
            ..front::Limits::default()
        },
        trusted_proxies: config.trusted_proxy.clone(),
        https: urls.is_https(),
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
