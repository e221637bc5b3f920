//! The composition root: builds everything, runs until told to stop, drains. The only file that names every layer.

mod data_dir;
pub(crate) mod executors;
mod exit_code;
mod key;
mod loops;
mod metrics;
mod service_manager;
mod settings;
mod setup;
mod socket;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use exit_code::exit_code;

use crate::actions;
use crate::config::{Config, KEY_FILE, SOCKET_FILE};
use crate::db::{self, Db, retention};
use crate::dispatch::backups::Schedule;
use crate::dispatch::{Dispatcher, Executors, Outbox};
use crate::domain::{Clock, ExecutorSet, TargetId, Urls, WebhookSecret};
use crate::executor::Executor;
use crate::notify::Sender;
use crate::web::{self, AppState, front};

use loops::{Loop, first_ended};

/// What the machine gives the server, rather than its operator.
pub struct Environment {
    /// The time.
    pub clock: Clock,
    /// What a connection may take; how many there may be is a setting.
    pub limits: front::Limits,
}

impl Default for Environment {
    fn default() -> Self {
        Self { clock: Clock::System, limits: front::Limits::default() }
    }
}

/// A server that listens and works.
pub struct Server {
    db: Arc<Db>,
    state: AppState,
    available: ExecutorSet,
    addresses: Vec<SocketAddr>,
    metrics_addresses: Vec<SocketAddr>,
    setup_url: Option<String>,
    drain_delay: Duration,
    data_dir: PathBuf,
    retention: retention::Limits,
    outbox: Outbox,
    backups: Option<Schedule>,
    stop_accepting: CancellationToken,
    is_draining: CancellationToken,
    fronts: Vec<JoinHandle<()>>,
    loops: Vec<Loop>,
}

impl Server {
    /// The server as it is run: the machine's clock, builds on this host where the settings allow them, and the cluster
    /// that they name.
    ///
    /// # Errors
    /// As for [`Server::listen`].
    pub async fn open(config: &Config, data_dir: &Path) -> Result<Self> {
        let executors = async |instance: String| executors::all(config, data_dir, instance).await;
        let (mut server, dispatcher) =
            Self::listen(config, data_dir, Environment::default(), executors).await?;
        server.work(dispatcher);
        Ok(server)
    }

    /// Opens the data directory and answers requests. What it accepts waits until [`Server::work`], or until somebody
    /// moves the dispatcher by hand. `executors` makes what runs deployments, for the installation of this id; it is
    /// called once no other server can use the directory.
    ///
    /// # Errors
    /// Where the directory is in use, newer or foreign, the key does not fit, or the address is taken.
    pub async fn listen<E: Executor>(
        config: &Config,
        data_dir: &Path,
        environment: Environment,
        executors: impl AsyncFnOnce(String) -> Result<Executors<E>>,
    ) -> Result<(Self, Dispatcher<E>)> {
        let Environment { clock, limits } = environment;
        socket::check(&data_dir.join(SOCKET_FILE))?;
        data_dir::keep_private(data_dir)?;
        let db = Arc::new(Db::open(data_dir, config.min_free.0)?);
        let executors = executors(db.core().write(db::instance_id).await?).await?;
        let key_file = config.secret_key_file.clone().unwrap_or_else(|| data_dir.join(KEY_FILE));
        let key = key::load(&db, &key_file).await?;
        let listeners = socket::bind(&config.listen).await?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
        let address = *addresses.first().context("--listen is missing")?;
        let unix = socket::listen(&data_dir.join(SOCKET_FILE))?;
        let urls = settings::urls(config, address);
        let dispatcher = Dispatcher::new(
            Arc::clone(&db),
            clock.clone(),
            settings::dispatch(config, urls.clone()),
            executors,
        );
        let (stop_accepting, is_draining) = (CancellationToken::new(), CancellationToken::new());
        let available = dispatcher.available();
        let actions = settings::actions(config, available);
        let context = actions::Context::new(Arc::clone(&db), key, clock, urls, actions);
        let outbox = outbox(&context, Sender::new(settings::sender(config)?));
        let unbelieved = front::UnbelievedProxy::default();
        let state = AppState::new(context, settings::web(config), is_draining.clone(), unbelieved.clone());
        let setup_url = setup::link(&state, data_dir).await?;
        let watched = &config.operating.metrics_listen;
        let (metrics_addresses, watched) = metrics::serve(watched, &state, limits, &stop_accepting).await?;
        let front =
            front::Front::new(web::app(state.clone()), settings::front(config, limits, &state, unbelieved));
        let serve = |tcp| tokio::spawn(Arc::clone(&front).serve_tcp(tcp, stop_accepting.clone()));
        let mut fronts: Vec<_> = listeners.into_iter().map(serve).collect();
        fronts.push(tokio::spawn(front.serve_unix(unix, stop_accepting.clone())));
        fronts.extend(watched);
        let server = Self {
            db,
            state,
            available,
            addresses,
            metrics_addresses,
            setup_url,
            drain_delay: config.drain_delay.duration(),
            data_dir: data_dir.to_owned(),
            retention: settings::retention(config),
            outbox,
            backups: settings::backups(config),
            stop_accepting,
            is_draining,
            fronts,
            loops: Vec::new(),
        };
        Ok((server, dispatcher))
    }

    /// Begins to run what was accepted, and to forget what is old.
    pub fn work<E: Executor>(&mut self, dispatcher: Dispatcher<E>) {
        let stop = || self.is_draining.clone();
        let (db, clock) = (|| Arc::clone(&self.db), || self.state.clock().clone());
        self.loops = vec![
            Loop::begin("dispatcher", loops::dispatch(dispatcher, stop())),
            Loop::begin("retention", loops::retain(db(), clock(), self.retention, stop())),
            Loop::begin("backups", loops::back_up(db(), clock(), self.backups.clone(), stop())),
            Loop::begin("outbox", loops::notify(self.outbox.clone(), stop())),
            Loop::begin("housekeeping", loops::keep_house(self.state.clone(), self.data_dir.clone(), stop())),
        ];
    }

    /// What delivers notices.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// The first address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// The addresses that are listened on, with the ports that were given out; one at least.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// The addresses at which whoever watches the server may ask.
    pub fn metrics_addresses(&self) -> &[SocketAddr] {
        &self.metrics_addresses
    }

    /// Which executors it has.
    pub fn available(&self) -> ExecutorSet {
        self.available
    }

    /// The addresses under which the server is known.
    pub fn urls(&self) -> &Urls {
        self.state.urls()
    }

    /// The one-time setup link, where no operator exists: a secret, to be printed once.
    pub fn setup_url(&self) -> Option<&str> {
        self.setup_url.as_deref()
    }

    /// What requests are answered from.
    pub fn state(&self) -> &AppState {
        &self.state
    }

    /// Works until `stop`, then drains. A service manager that started it is told.
    ///
    /// # Errors
    /// Where a loop of the server ended by itself: nothing it promises would be kept any more.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<()> {
        service_manager::ready();
        tokio::select! {
            ended = self.work_until(stop) => ended,
            never = service_manager::show_life() => match never {},
        }
    }

    async fn work_until(mut self, stop: impl Future<Output = ()>) -> Result<()> {
        let ended = tokio::select! {
            () = stop => None,
            name = first_ended(&mut self.loops) => Some(name),
        };
        service_manager::stopping();
        self.drain().await?;
        match ended {
            None => Ok(()),
            Some(name) => bail!("the {name} loop ended by itself"),
        }
    }

    /// Readiness turns red at once and held calls answer; nothing else ends yet.
    pub fn begin_to_drain(&self) {
        self.is_draining.cancel();
    }

    /// Readiness turns red at once; connections are accepted a little longer; requests in progress get their time;
    /// local runs are stopped meanwhile; then the database is closed.
    ///
    /// # Errors
    /// Where something else still uses the database.
    pub async fn drain(self) -> Result<()> {
        self.begin_to_drain();
        let http = async {
            tokio::time::sleep(self.drain_delay).await;
            self.stop_accepting.cancel();
            for front in self.fronts {
                front.await.ok();
            }
        };
        let loops = async {
            for one in self.loops {
                one.task.await.ok();
            }
        };
        tokio::join!(http, loops);
        drop((self.state, self.outbox));
        drop(std::fs::remove_file(self.data_dir.join(SOCKET_FILE)));
        let db = Arc::into_inner(self.db).context("something still uses the database")?;
        tokio::task::spawn_blocking(move || db.close()).await?;
        Ok(())
    }
}

/// An outbox that signs with secrets derived from the server key.
fn outbox(context: &actions::Context, sender: Sender) -> Outbox {
    let own = context.clone();
    let secret_of =
        Arc::new(move |target: &TargetId, generation| WebhookSecret::of(own.key(), target, generation));
    let (db, clock) = (Arc::clone(context.db()), context.clock().clone());
    Outbox::new(db, clock, context.urls().clone(), secret_of, sender)
}
