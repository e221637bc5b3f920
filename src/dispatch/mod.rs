//! From the queue to an executor to the record. Reads rows and writes rows; knows nothing of HTTP.
//!
//! The loops are level-triggered: each reads what is there and mends what differs. A notice only shortens the wait.

pub mod backups;
mod caches;
mod checks;
mod executors;
mod follow;
mod found;
mod health;
mod limits;
mod outbox;
mod persist;
mod reconcile;
mod record;
mod recovery;
pub mod retention;
mod stop;
mod tick;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::db::queue::Claims;
use crate::db::{self, Db, logs};
use crate::domain::{Clock, Deployment, DeploymentId, ExecutorSet, Reason, Service, Timestamp};
use crate::executor::Executor;

pub use executors::Executors;
pub use outbox::{Outbox, SecretOf};

use health::Health;
use limits::Limits;
use stop::Stop;

/// Longest time between two looks at the tables.
const TICK: Duration = Duration::from_secs(1);
/// A stopped run that has not ended after this is given up and recorded all the same.
const STOP_GIVEN_UP_AFTER: Duration = Duration::from_mins(5);

/// Gives the address of a deployment's page.
pub type PageOf = Arc<dyn Fn(&DeploymentId) -> String + Send + Sync>;

/// What an operator may set, and what the server knows of itself.
#[derive(Clone)]
pub struct Settings {
    /// Most deployments that run at a time.
    pub concurrency: u32,
    /// A deployment queued for longer ends as `timeout`.
    pub queue_timeout: Duration,
    /// How much of one log is kept.
    pub logs: logs::Kept,
    /// Ended runs are kept in the cluster this long, and of each service at most so many.
    pub runs: (Duration, u32),
    /// Where a run in a cluster says that its deployment's page is.
    pub page_of: PageOf,
}

/// Claims deployments and runs them. Cheap to clone; clones are the same dispatcher.
pub struct Dispatcher<E> {
    inner: Arc<Inner<E>>,
}

impl<E> Clone for Dispatcher<E> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

struct Inner<E> {
    db: Arc<Db>,
    clock: Clock,
    settings: Settings,
    executors: Executors<E>,
    health: Health,
    limits: Limits,
    /// Told when a run in a cluster has ended, as far as this process knows.
    has_ended: Notify,
    running: Mutex<HashMap<DeploymentId, Running>>,
    /// Deployments that are being entered whose runs are about to be followed.
    entering: Mutex<HashSet<DeploymentId>>,
    tasks: TaskTracker,
    is_draining: CancellationToken,
}

/// A run of this process.
struct Running {
    stop: Stop,
    task: AbortHandle,
}

impl<E: Executor> Dispatcher<E> {
    /// A dispatcher that has not begun.
    pub fn new(db: Arc<Db>, clock: Clock, settings: Settings, executors: Executors<E>) -> Self {
        Self {
            inner: Arc::new(Inner {
                db,
                clock,
                settings,
                executors,
                health: Health::default(),
                limits: Limits::default(),
                has_ended: Notify::new(),
                running: Mutex::new(HashMap::new()),
                entering: Mutex::default(),
                tasks: TaskTracker::new(),
                is_draining: CancellationToken::new(),
            }),
        }
    }

    /// Which executors it has.
    pub fn available(&self) -> ExecutorSet {
        self.inner.executors.kinds()
    }

    /// What may be claimed now.
    pub fn claims(&self) -> Claims {
        let ready = self.available().iter().filter(|kind| self.inner.health.is_good(*kind)).collect();
        Claims { ready, concurrency: self.inner.settings.concurrency }
    }

    /// Settles what a former process left, then ticks until [`drain`](Self::drain) is called and waits for its runs.
    ///
    /// # Errors
    /// Where the tables cannot be read at the start.
    pub async fn run(&self) -> Result<(), db::Error> {
        while let Err(error) = self.recover().await {
            if !matches!(error, db::Error::Unavailable(_)) || self.inner.is_draining.is_cancelled() {
                return Err(error);
            }
            tracing::warn!(error = %error, "what a former process left could not be settled; trying again");
            tokio::time::sleep(TICK).await;
        }
        tokio::join!(self.tick_on(), self.probe_on(), self.reconcile_on(), self.check_on(), self.tidy_on());
        // A claim that was under way when the drain began has started one more run.
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        Ok(())
    }

    /// Stops claiming, asks every run that does not survive this process to end as `interrupted`, leaves the others to
    /// the next one, and waits until nothing is followed any more.
    pub async fn drain(&self) {
        self.inner.is_draining.cancel();
        for running in self.inner.running().values() {
            running.stop.go_down();
        }
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }

    /// Waits until no run of this process goes on.
    pub async fn idle(&self) {
        let mut changed = self.inner.db.queue_changed();
        while !self.inner.running().is_empty() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    fn start(&self, deployment: Deployment, service: Service) {
        let survives = deployment.executor.survives_restart();
        let (inner, stop, id) = (Arc::clone(&self.inner), Stop::new(survives), deployment.id.clone());
        tracing::info!(deployment.id = %id, service.name = %service.name, branch = %deployment.branch, "deployment started");
        // Held until the run is in the map, so that a quick run cannot take itself out before.
        let mut running = self.inner.running();
        let task_stop = stop.clone();
        let task = self.inner.tasks.spawn(async move {
            follow::follow(&inner, deployment, service, task_stop).await;
        });
        // A claim that was under way when the drain began; the drain itself asks only what is in the map by then.
        if self.inner.is_draining.is_cancelled() {
            stop.go_down();
        }
        running.insert(id, Running { stop, task: task.abort_handle() });
    }
}

impl<E: Executor> Inner<E> {
    fn running(&self) -> std::sync::MutexGuard<'_, HashMap<DeploymentId, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entering(&self) -> std::sync::MutexGuard<'_, HashSet<DeploymentId>> {
        self.entering.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a row that calls itself running has no run that will end it: none in this process, or one that is long
    /// past its stop and whose executor has not returned.
    fn is_lost(&self, deployment: &Deployment, now: Timestamp) -> bool {
        let is_overdue = deployment.stop_at.is_some_and(|at| at.plus(STOP_GIVEN_UP_AFTER) <= now);
        match self.running().get(&deployment.id) {
            None => !self.entering().contains(&deployment.id),
            Some(running) => is_overdue && !running.stop.has_ended.is_cancelled(),
        }
    }

    fn ask_to_stop(&self, id: &DeploymentId, reason: Reason, message: &str) {
        if let Some(running) = self.running().get(id) {
            running.stop.ask(reason, message);
        }
    }
}
