//! The loops that go on as long as the server does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::setup;
use crate::db::{self, Db, retention};
use crate::dispatch::backups::Schedule;
use crate::dispatch::{self, Dispatcher, Outbox};
use crate::domain::Clock;
use crate::executor::Executor;
use crate::web::AppState;

/// Time between two looks at small matters: refused calls to be stored, a used setup link.
const HOUSEKEEPING: Duration = Duration::from_secs(1);

/// A loop that goes on as long as the server does.
pub(super) struct Loop {
    name: &'static str,
    pub(super) task: JoinHandle<Result<(), db::Error>>,
}

impl Loop {
    /// Begins it.
    pub(super) fn begin(
        name: &'static str,
        work: impl Future<Output = Result<(), db::Error>> + Send + 'static,
    ) -> Self {
        Self { name, task: tokio::spawn(work) }
    }
}

/// The first loop that ends, taken out of the list: a loop can be awaited once only.
pub(super) async fn first_ended(loops: &mut Vec<Loop>) -> &'static str {
    let tasks = loops.iter_mut().map(|one| &mut one.task);
    let (outcome, index, _) = futures_util::future::select_all(tasks).await;
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(error = %error, "a loop of the server ended"),
        Err(error) => tracing::error!(error = %error, "a loop of the server panicked"),
    }
    loops.swap_remove(index).name
}

/// Dispatches until the drain begins, then ends or leaves what runs.
pub(super) async fn dispatch<E: Executor>(
    dispatcher: Dispatcher<E>,
    stop: CancellationToken,
) -> Result<(), db::Error> {
    let mut ran = Box::pin(dispatcher.run());
    tokio::select! {
        ended = &mut ran => return ended,
        () = stop.cancelled() => {}
    }
    let (ended, ()) = tokio::join!(ran, dispatcher.drain());
    ended
}

pub(super) async fn notify(outbox: Outbox, stop: CancellationToken) -> Result<(), db::Error> {
    outbox.run(stop).await;
    Ok(())
}

pub(super) async fn retain(
    db: Arc<Db>,
    clock: Clock,
    limits: retention::Limits,
    stop: CancellationToken,
) -> Result<(), db::Error> {
    dispatch::retention::run(db, clock, limits, stop).await;
    Ok(())
}

pub(super) async fn back_up(
    db: Arc<Db>,
    clock: Clock,
    schedule: Option<Schedule>,
    stop: CancellationToken,
) -> Result<(), db::Error> {
    dispatch::backups::run(db, clock, schedule, stop).await;
    Ok(())
}

pub(super) async fn keep_house(
    state: AppState,
    data_dir: PathBuf,
    stop: CancellationToken,
) -> Result<(), db::Error> {
    tokio::join!(state.db().examine(stop.cancelled()), look_after(&state, &data_dir, &stop));
    Ok(())
}

async fn look_after(state: &AppState, data_dir: &Path, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        tokio::select! {
            () = tokio::time::sleep(HOUSEKEEPING) => {}
            () = stop.cancelled() => {}
        }
        if let Err(error) = state.flush_over_budget().await {
            tracing::warn!(error = %error, "calls over budget could not be counted");
        }
        setup::forget_used(state, data_dir).await;
    }
}
