//! Follows one run: events become steps, log and status.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::db::{Db, Error as DbError, Tx, deployments, logs};
use crate::dispatch::Inner;
use crate::dispatch::persist::persist;
use crate::dispatch::record::Record;
use crate::dispatch::stop::{Stop, asked_to_stop};
use crate::domain::{Deployment, DeploymentId, ExecutorKind, Reason, Service};
use crate::executor::{self, Events, Executor, Outcome, Run};

/// Events that wait for the record; a full channel slows the run down.
const EVENTS: usize = 64;

/// Runs a claimed deployment to its end, or attaches to its run where a former process began it, and records everything
/// about it.
pub(super) async fn follow<E: Executor>(
    inner: &Inner<E>,
    deployment: Deployment,
    service: Service,
    stop: Stop,
) {
    let (id, kind) = (deployment.id.clone(), deployment.executor);
    let mut record = Record::new(inner, &id, &deployment, &service);
    let (events, inbox) = mpsc::channel(EVENTS);
    let page = (inner.settings.page_of)(&id);
    let run = Run::of(deployment, service, page, log_mark(&inner.db, &id).await);
    let running = async {
        let work = AssertUnwindSafe(execute(inner, kind, run, &events, &stop.token)).catch_unwind();
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
        record.detach().await;
        inner.running().remove(&id);
        return;
    };
    record.end().await;
    let outcome = match outcome {
        Ok(Ok(outcome)) => with_cause(outcome, stop.cause()),
        Ok(Err(error)) => Outcome::failed(Reason::Internal, error.0),
        Err(_) => Outcome::failed(Reason::Internal, "the executor panicked"),
    };
    conclude(inner, &id, outcome).await;
    inner.running().remove(&id);
    inner.has_ended.notify_one();
    inner.db.wake_queue();
}

/// Where the stored log stands. One that cannot be read is followed from its beginning.
async fn log_mark(db: &Db, id: &DeploymentId) -> Option<String> {
    let own_id = id.clone();
    db.logs().read(move |reader| logs::mark(reader, &own_id)).await.unwrap_or_else(|error: DbError| {
        tracing::warn!(deployment.id = %id, error = %error, "where its log stands cannot be read");
        None
    })
}

async fn execute<E: Executor>(
    inner: &Inner<E>,
    kind: ExecutorKind,
    run: Result<Run, executor::Error>,
    events: &Events,
    stop: &CancellationToken,
) -> Result<Outcome, executor::Error> {
    match inner.executors.get(kind) {
        Some(executor) => executor.run(&run?, events, stop).await,
        None => Err(executor::Error(format!("this server has no executor {}", kind.as_str()))),
    }
}

/// Who stopped a run knows why it failed better than the executor does; a run that made it all the same has succeeded.
fn with_cause(outcome: Outcome, cause: Option<(Reason, String)>) -> Outcome {
    match (outcome, cause) {
        (Outcome::Failed { aftermath, .. }, Some((reason, message))) => {
            Outcome::failed(reason, message).with_aftermath(aftermath)
        }
        (outcome, _) => outcome,
    }
}

async fn conclude<E>(inner: &Inner<E>, id: &DeploymentId, outcome: Outcome) {
    let now = inner.clock.now();
    match &outcome {
        Outcome::Succeeded => tracing::info!(deployment.id = %id, "deployment succeeded"),
        Outcome::Failed { reason, message, .. } => {
            tracing::info!(deployment.id = %id, reason = reason.as_str(), message, "deployment failed");
        }
    }
    let write = move |tx: &Tx<'_>, id: &DeploymentId| match &outcome {
        Outcome::Succeeded if deployments::succeed(tx, id, now)? => Ok(()),
        Outcome::Succeeded => {
            let message = "the executor reported success before it deployed";
            deployments::fail(tx, id, Reason::Internal, message, None, now).map(drop)
        }
        Outcome::Failed { reason, message, detail, aftermath } => {
            let asked = deployments::find(tx, id)?.as_ref().and_then(asked_to_stop);
            // Whose words are kept is who asked for the end.
            let detail = detail.as_deref().filter(|_| asked.is_none());
            let (reason, message) = asked.unwrap_or((*reason, message.clone()));
            let message = aftermath.iter().fold(message, |message, done| format!("{message}; {done}"));
            deployments::fail(tx, id, reason, &message, detail, now).map(drop)
        }
    };
    persist(&inner.db, &inner.is_draining, write, id).await;
}
