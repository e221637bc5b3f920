//! Starts and stops the server under test.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use stackblaze::config::{Bytes, Config, KEY_FILE};
use stackblaze::db;
use stackblaze::db::tokens::{self, TokenRow};
use stackblaze::dispatch::{Dispatcher, Executors};
use stackblaze::domain::{
    ApiToken, Clock, DeploymentId, ExecutorKind, Scope, Span, Timestamp, TokenKey, Who,
};
use stackblaze::server::{Environment, Server};
use stackblaze::web::{AppState, front};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::build::ServiceBuilder;
use super::http::Answer;
use super::http::Api;
use super::options::Options;
use super::scripted::Scripted;
use super::soon;

/// Base of hook URLs: not the address that is listened on, so that a test sees where a URL comes from.
pub const PUBLIC: &str = "http://hooks.test";
/// Base of pages.
pub const DASHBOARD: &str = "http://dashboard.test";
/// When every test begins: 2026-11-24T14:30:49.120Z.
pub const BEGINNING: Timestamp = Timestamp::from_millis(1_795_530_649_120);

pub struct TestServer {
    pub address: SocketAddr,
    pub clock: Clock,
    pub executor: Scripted,
    /// What stands for a cluster.
    pub cluster: Scripted,
    pub state: AppState,
    /// As an API token that may do everything.
    pub admin: Api,
    dispatcher: Dispatcher<Scripted>,
    server: Server,
    dir: TempDir,
    _nothing_runs: NothingRuns,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let dir = TempDir::new().unwrap();
        let executors = (Scripted::default(), Scripted::default());
        Self::open(options, dir, Clock::fixed(BEGINNING), executors).await
    }

    async fn open(
        options: Options,
        dir: TempDir,
        clock: Clock,
        (executor, cluster): (Scripted, Scripted),
    ) -> Self {
        let local = options.has_executor.then(|| (ExecutorKind::Local, executor.clone()));
        let tekton = options.has_cluster.then(|| (ExecutorKind::Tekton, cluster.clone()));
        let executors = async |_| Ok(Executors::new(local.into_iter().chain(tekton)));
        let environment = Environment { clock: clock.clone(), limits: patient() };
        let opened = Server::listen(&config(&options), dir.path(), environment, executors).await;
        let (server, dispatcher) = opened.unwrap();
        dispatcher.probe().await.unwrap();
        let token = admin_token(&server, dir.path(), clock.now()).await;
        let admin = Api::new(server.address(), Some(token));
        let (address, state) = (server.address(), server.state().clone());
        let nothing_runs = NothingRuns(executor.clone());
        Self {
            address,
            clock,
            executor,
            cluster,
            state,
            admin,
            dispatcher,
            server,
            dir,
            _nothing_runs: nothing_runs,
        }
    }

    /// Ends in order and starts again on the same files with other options. What was running stays as a killed
    /// process leaves it only where the test made it so; see [`TestServer::claim_without_run`].
    pub async fn restart_with(self, options: Options) -> Self {
        let (executors, clock) = ((self.executor.clone(), self.cluster.clone()), self.clock.clone());
        self.drain().await;
        let Self { server, dispatcher, state, dir, .. } = self;
        drop((dispatcher, state));
        soon(server.drain()).await.unwrap();
        let server = Self::open(options, dir, clock, executors).await;
        soon(server.dispatcher.recover()).await.unwrap();
        server
    }

    pub async fn restart(self) -> Self {
        self.restart_with(Options::default()).await
    }

    /// Asks the runs to end, as a server does that goes down, and waits until they have.
    pub async fn drain(&self) {
        self.server.begin_to_drain();
        soon(self.dispatcher.drain()).await;
    }

    /// Readiness turns red and held calls answer; runs go on.
    pub fn begin_to_drain(&self) {
        self.server.begin_to_drain();
    }

    /// One look of the dispatcher at the tables.
    pub async fn tick(&self) {
        soon(self.dispatcher.tick()).await.unwrap();
    }

    /// Delivers the notices that are due, and those that come due by that.
    pub async fn deliver(&self) {
        let now = self.clock.now();
        loop {
            soon(self.server.outbox().look()).await.unwrap();
            soon(self.server.outbox().idle()).await;
            let due = move |reader: &db::Reader<'_>| db::notices::due(reader, now, 1);
            if self.state.db().core().read(due).await.unwrap().notices.is_empty() {
                return;
            }
        }
    }

    /// Waits until the number of notices that wait fits.
    pub async fn until_notices(&self, fits: impl Fn(i64) -> bool) {
        let mut changed = self.state.db().notices_changed();
        soon(async {
            while !fits(self.rows("SELECT count(*) FROM notices WHERE state = 'waiting'").await) {
                changed.changed().await.unwrap();
            }
        })
        .await;
    }

    /// One look at the notices; what is due is on its way afterwards.
    pub async fn look_at_notices(&self) {
        soon(self.server.outbox().look()).await.unwrap();
    }

    /// What whoever watches the server reads.
    pub async fn metrics(&self) -> String {
        self.watcher().get("/metrics").await.text()
    }

    /// Whoever watches the server; see [`Options::is_watched`].
    pub fn watcher(&self) -> Api {
        Api::new(self.server.metrics_addresses()[0], None)
    }

    /// Asks the cluster whether it can be used.
    pub async fn probe(&self) {
        soon(self.dispatcher.probe()).await.unwrap();
    }

    /// One look at runs of final deployments; true where one is still open.
    pub async fn reconcile(&self) -> bool {
        soon(self.dispatcher.reconcile()).await.unwrap()
    }

    /// Empties the caches that have to go.
    pub async fn empty_caches(&self) {
        soon(self.dispatcher.empty_caches()).await.unwrap();
    }

    /// Looks at what services need.
    pub async fn check(&self) {
        soon(self.dispatcher.check()).await.unwrap();
    }

    /// Waits until nothing runs.
    pub async fn idle(&self) {
        soon(self.dispatcher.idle()).await;
    }

    /// Ticks until nothing is queued and nothing runs, here or in the cluster.
    pub async fn run_all(&self) {
        loop {
            self.reconcile().await;
            self.tick().await;
            if self.executor.running() + self.cluster.running() == 0
                && self.count("queued").await + self.count("building").await == 0
            {
                break;
            }
            self.idle().await;
        }
        self.idle().await;
    }

    /// A deployment that was claimed and whose process died right after.
    pub async fn claim_without_run(&self) {
        let claims = db::queue::Claims { concurrency: 100, ..self.dispatcher.claims() };
        let now = self.clock.now();
        let claim = move |tx: &db::Tx<'_>| db::queue::claim_next(tx, claims, now);
        self.state.db().core().write(claim).await.unwrap().expect("something is queued");
    }

    /// A new service, by the management API.
    pub fn service(&self, name: &str) -> ServiceBuilder {
        ServiceBuilder::new(self.admin.clone(), name)
    }

    /// Somebody without a credential.
    pub fn anyone(&self) -> Api {
        self.admin.with_token(None)
    }

    /// Somebody with this token.
    pub fn holder(&self, token: &str) -> Api {
        self.admin.with_token(Some(token.to_owned()))
    }

    /// A new API token, by the management API.
    pub async fn token(&self, name: &str, scope: &str, service: Option<&str>) -> String {
        let body = serde_json::json!({ "name": name, "scope": scope, "service": service });
        let answer = self.admin.post("/api/v1/tokens", body).await;
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// The object of a deployment, as anybody sees it.
    pub async fn deployment(&self, id: &str) -> serde_json::Value {
        self.anyone().get(&format!("/deployments/{id}")).await.json()
    }

    /// Waits until a deployment's object fits.
    pub async fn until(&self, id: &str, fits: impl Fn(&serde_json::Value) -> bool) {
        let own = DeploymentId::parse(id).unwrap();
        let mut changed = self.state.db().deployment_changed(&own);
        soon(async {
            while !fits(&self.deployment(id).await) {
                changed.changed().await.unwrap();
            }
        })
        .await;
    }

    /// Status and reason of a deployment, `failed/timeout`.
    pub async fn end_of(&self, id: &str) -> String {
        let found = self.deployment(id).await;
        let status = found["status"].as_str().unwrap().to_owned();
        found["reason"].as_str().map_or(status.clone(), |reason| format!("{status}/{reason}"))
    }

    /// How many deployments have this status.
    pub async fn count(&self, status: &str) -> i64 {
        self.rows(&format!("SELECT count(*) FROM deployments WHERE status = '{status}'")).await
    }

    /// A number read from the core file by other means than the server's own.
    pub async fn rows(&self, sql: &str) -> i64 {
        let (path, sql) = (self.dir.path().join(db::CORE_FILE), sql.to_owned());
        let query = move || {
            let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
            let file = rusqlite::Connection::open_with_flags(path, flags).unwrap();
            file.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        tokio::task::spawn_blocking(query).await.unwrap()
    }

    /// Changes the log file behind the server's back.
    pub fn damage_logs(&self, sql: &str) {
        let (path, flags) =
            (self.dir.path().join(db::LOGS_FILE), rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE);
        let file = rusqlite::Connection::open_with_flags(path, flags).unwrap();
        file.execute(sql, []).unwrap();
    }

    /// All files; the socket is none.
    pub fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir()).unwrap().map(Result::unwrap);
        entries.filter(|entry| entry.file_type().unwrap().is_file()).map(|entry| entry.path()).collect()
    }

    /// Where the files are.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Sends bytes on a connection of their own and reads until the server closes it.
    pub async fn raw(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is an end as well.
        let _ = soon(stream.read_to_end(&mut answer)).await;
        String::from_utf8(answer).unwrap()
    }

    /// Stores refused calls over budget, as the server does once a second.
    pub async fn flush(&self) {
        self.state.flush_over_budget().await.unwrap();
    }

    /// The audit, newest first: `actor action subject detail`.
    pub async fn audit(&self) -> Vec<String> {
        let answer: Answer = self.admin.get("/api/v1/audit?limit=100").await;
        let line = |entry: &serde_json::Value| {
            let field = |name: &str| entry[name].as_str().unwrap().to_owned();
            [field("actor"), field("action"), field("subject"), field("detail")].join(" | ")
        };
        answer.items().iter().map(line).collect()
    }
}

/// A test that ends well leaves nothing running.
struct NothingRuns(Scripted);

impl Drop for NothingRuns {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.0.running(), 0, "a run is left running");
        }
    }
}

/// The settings of a server that listens where there is room, whatever the environment says.
fn config(options: &Options) -> Config {
    let number = |number: u32| NonZeroU32::new(number).unwrap();
    let mut config = Config::for_demo(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    config.public_url = Some(PUBLIC.to_owned());
    config.dashboard_url = Some(DASHBOARD.to_owned());
    config.trusted_proxy = options.trusted_proxies.iter().map(|range| range.parse().unwrap()).collect();
    config.notify.allow_target = options.allowed_targets.iter().map(|range| range.parse().unwrap()).collect();
    config.operating.metrics_listen = if options.is_watched { config.listen.clone() } else { Vec::new() };
    config.concurrency = number(options.concurrency);
    config.hook_rate = number(options.hook_rate);
    config.hook_burst = number(options.hook_burst);
    config.token_rate = number(1);
    config.token_burst = number(options.token_burst);
    config.queue_limit = number(options.queue_limit);
    config.queue_timeout = Span::from_secs(options.queue_timeout.as_secs());
    config.keep.runs = Span::from_hours(24);
    config.keep.last_runs = 2;
    config.keep.log_head = Bytes(options.kept.head);
    config.keep.log_tail = Bytes(options.kept.tail);
    config.min_free = Bytes(options.min_free_bytes);
    config.connections_per_peer = number(10_000);
    config
}

/// A test does not depend on how fast it is.
fn patient() -> front::Limits {
    front::Limits { first_byte: super::PATIENCE, header: super::PATIENCE, ..front::Limits::default() }
}

async fn admin_token(server: &Server, dir: &Path, now: Timestamp) -> String {
    let key = TokenKey::parse(&std::fs::read_to_string(dir.join(KEY_FILE)).unwrap()).unwrap();
    let token = ApiToken::mint(&key);
    let row = TokenRow {
        id: token.id.clone(),
        name: format!("admin-{}", token.id),
        scope: Scope::Admin,
        service: None,
        created_at: now,
        created_by: Who::Operator("the test".to_owned()),
        last_used_at: None,
        expires_at: None,
    };
    let hash = token.hash();
    let insert = move |tx: &db::Tx<'_>| tokens::insert(tx, &row, &hash);
    assert!(server.state().db().core().write(insert).await.unwrap());
    token.reveal().to_owned()
}
