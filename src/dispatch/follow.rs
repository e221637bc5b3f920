//! Follows one run: events become steps, log and status.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::db::{Db, Error as DbError, Tx, deployments, logs};
use crate::domain::{Deployment, DeploymentId, ExecutorKind, Reason, Service, Timestamp, Trigger};
use crate::executor::{self, ClusterRun, Events, Executor, KeptImage, Outcome, Run};

use super::record::Record;
use super::{Inner, Stop, asked_to_stop};

/// Events that wait for the record; a full channel slows the run down.
const EVENTS: usize = 64;
/// Pause before a status is written again that the database did not take.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Runs a claimed deployment to its end, or attaches to its run where a former process began it, and records everything
/// about it.
pub(super) async fn follow<L: Executor, T: Executor>(
    inner: &Inner<L, T>,
    deployment: Deployment,
    service: Service,
    stop: Stop,
) {
    let (id, kind) = (deployment.id.clone(), deployment.executor);
    let mut record = Record::new(inner, &id, &service);
    let (events, inbox) = mpsc::channel(EVENTS);
    let run = run_of(inner, deployment, service).await;
    let running = async {
        let work = AssertUnwindSafe(execute(inner, kind, &run, &events, &stop.token)).catch_unwind();
        let outcome = tokio::select! {
            outcome = work => Some(outcome),
            () = stop.is_left.cancelled() => None,
        };
        drop(events);
        outcome
    };
    let (outcome, ()) = tokio::join!(running, record.events(inbox));
    stop.has_ended.cancel();
    let Some(outcome) = outcome else {
        record.leave().await;
        inner.running().remove(&id);
        return;
    };
    record.end().await;
    let outcome = match outcome {
        Ok(Ok(outcome)) => settle(outcome, stop.cause()),
        Ok(Err(error)) => Outcome::failed(Reason::Internal, error.0),
        Err(_) => Outcome::failed(Reason::Internal, "the executor panicked"),
    };
    conclude(inner, &id, outcome).await;
    inner.running().remove(&id);
    inner.has_ended.notify_one();
    inner.db.wake_queue();
}

/// What the executor is given.
async fn run_of<L, T>(inner: &Inner<L, T>, deployment: Deployment, service: Service) -> Run {
    let cluster = match service.tekton.clone() {
        Some(settings) => Some(ClusterRun {
            settings,
            cache_epoch: deployment.cache_epoch,
            kept: kept_image(&deployment),
            uid: deployment.run_uid.clone(),
            hook: deployment.hook.clone(),
            page: Some((inner.settings.page_of)(&deployment.id)),
            log_mark: log_mark(&inner.db, &deployment.id).await,
        }),
        None => None,
    };
    Run {
        commit: deployment.commit_requested.then_some(deployment.commit).flatten(),
        deployment: deployment.id,
        service,
        branch: deployment.branch,
        clear_cache: deployment.clear_cache,
        cluster,
    }
}

/// Where the stored log stands. One that cannot be read is followed from its beginning.
async fn log_mark(db: &Db, id: &DeploymentId) -> Option<String> {
    let own_id = id.clone();
    db.read_logs(move |reader| logs::mark(reader, &own_id)).await.unwrap_or_else(|error: DbError| {
        tracing::warn!(deployment.id = %id, error = %error, "where its log stands cannot be read");
        None
    })
}

/// The image that a rollback serves again.
fn kept_image(deployment: &Deployment) -> Option<KeptImage> {
    let image = deployment.image.clone().filter(|_| matches!(deployment.trigger, Trigger::Rollback(_)))?;
    Some(KeptImage { image, commit: deployment.commit.clone()? })
}

async fn execute<L: Executor, T: Executor>(
    inner: &Inner<L, T>,
    kind: ExecutorKind,
    run: &Run,
    events: &Events,
    stop: &CancellationToken,
) -> Result<Outcome, executor::Error> {
    let executors = &inner.executors;
    match (kind, &executors.local, &executors.tekton) {
        (ExecutorKind::Local, Some(local), _) => local.run(run, events, stop).await,
        (ExecutorKind::Tekton, _, Some(tekton)) => tekton.run(run, events, stop).await,
        _ => Err(executor::Error(format!("this server has no executor {}", kind.as_str()))),
    }
}

/// Who stopped a run knows why it failed better than the executor does; a run that made it all the same has succeeded.
fn settle(outcome: Outcome, cause: Option<(Reason, String)>) -> Outcome {
    match (outcome, cause) {
        (Outcome::Failed { .. }, Some((reason, message))) => Outcome::Failed { reason, message },
        (outcome, _) => outcome,
    }
}

async fn conclude<L, T>(inner: &Inner<L, T>, id: &DeploymentId, outcome: Outcome) {
    let now = inner.clock.now();
    match &outcome {
        Outcome::Succeeded => tracing::info!(deployment.id = %id, "deployment succeeded"),
        Outcome::Failed { reason, message } => {
            tracing::info!(deployment.id = %id, reason = reason.as_str(), message, "deployment failed");
        }
    }
    let write = move |tx: &Tx<'_>, id: &DeploymentId| match &outcome {
        Outcome::Succeeded if deployments::succeed(tx, id, now)? => Ok(()),
        Outcome::Succeeded => {
            let message = "the executor reported success before it deployed";
            deployments::fail(tx, id, Reason::Internal, message, now).map(drop)
        }
        Outcome::Failed { reason, message } => {
            let asked = deployments::find(tx, id)?.as_ref().and_then(asked_to_stop);
            let (reason, message) = asked.unwrap_or((*reason, message.clone()));
            deployments::fail(tx, id, reason, &message, now).map(drop)
        }
    };
    persist(&inner.db, &inner.is_draining, write, id).await;
}

/// Writes until the database takes it: a status must not get lost because the disk was full for a while. A server that
/// goes down tries once; the next start settles what is left.
pub(super) async fn persist<F>(db: &Db, is_draining: &CancellationToken, write: F, id: &DeploymentId)
where
    F: Fn(&Tx<'_>, &DeploymentId) -> Result<(), DbError> + Clone + Send + 'static,
{
    loop {
        let (write, own_id) = (write.clone(), id.clone());
        match db.write(move |tx| write(tx, &own_id)).await {
            Ok(()) => return,
            Err(DbError::Unavailable(why)) if !is_draining.is_cancelled() => {
                tracing::warn!(deployment.id = %id, why, "a status could not be stored; trying again");
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
            Err(error) => {
                tracing::error!(deployment.id = %id, error = %error, "a status could not be stored");
                return;
            }
        }
    }
}

/// Says in the log file that no more text will come.
pub(super) async fn complete_log(db: &Db, id: &DeploymentId, now: Timestamp) {
    let own_id = id.clone();
    if let Err(error) = db.write_logs(move |tx| logs::complete(tx, &own_id, now)).await {
        tracing::warn!(deployment.id = %id, error = %error, "the end of a log could not be stored");
    }
}
