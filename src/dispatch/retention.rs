//! Deletes what is no longer kept. Asks only when nothing waits for the database.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::db::retention::{
    Limits, delete_deployments, delete_oldest_log, delete_small_rows, forget_logs, is_much_due,
};
use crate::db::{Db, Error};
use crate::domain::{Clock, Timestamp};

/// Time between two sweeps.
const INTERVAL: Duration = Duration::from_mins(10);
/// How long the clock has to be right before much is deleted, and by how much it may be wrong.
const TRUSTED_AFTER: Duration = Duration::from_hours(1);
const MAX_DRIFT: Duration = Duration::from_mins(1);
/// Pause where something waits for the database.
const YIELD_INTERVAL: Duration = Duration::from_millis(50);

/// Sweeps now and then until `stop`.
pub async fn run(db: Arc<Db>, clock: Clock, limits: Limits, stop: CancellationToken) {
    let began = (clock.now(), clock.steady());
    loop {
        let is_to_wait = is_to_wait(&db, &clock, &limits, began).await.unwrap_or_else(|error| {
            tracing::warn!(error = %error, "what is no longer kept could not be counted");
            true
        });
        if is_to_wait {
            tracing::warn!(
                "much would be deleted as old; waiting until the clock has been right for an hour"
            );
        } else {
            // What one closure deletes is whole, so that the sweep may end between any two of them.
            let swept = tokio::select! {
                swept = sweep(&db, &clock, &limits) => swept,
                () = stop.cancelled() => return,
            };
            if let Err(error) = swept {
                tracing::warn!(error = %error, "what is no longer kept could not be deleted; trying again later");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(INTERVAL) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Whether so much would go at once that the clock may be wrong: it has to agree with the steady one for an hour first.
async fn is_to_wait(
    db: &Db,
    clock: &Clock,
    limits: &Limits,
    (wall, steady): (Timestamp, Duration),
) -> Result<bool, Error> {
    let (now, passed) = (clock.now(), clock.steady().saturating_sub(steady));
    let drift = now.as_millis().abs_diff(wall.plus(passed).as_millis());
    if passed >= TRUSTED_AFTER && u128::from(drift) <= MAX_DRIFT.as_millis() {
        return Ok(false);
    }
    let limits = *limits;
    db.core().read(move |reader| is_much_due(reader, &limits, now)).await
}

/// Deletes all that is due, a few rows at a time.
///
/// # Errors
/// Where the database does not answer.
pub async fn sweep(db: &Db, clock: &Clock, limits: &Limits) -> Result<(), Error> {
    let (limits, now) = (*limits, clock.now());
    let mut from = Some(0);
    while let Some(after) = from {
        give_way(db).await;
        let deleted = db.core().write(move |tx| delete_deployments(tx, &limits, after, now)).await?;
        from = deleted.next;
        if !deleted.ids.is_empty() {
            tracing::info!(deployments = deleted.ids.len(), "deleted old deployments");
            db.logs().write(move |tx| forget_logs(tx, &deleted.ids)).await?;
        }
    }
    loop {
        give_way(db).await;
        if !db.core().write(move |tx| delete_small_rows(tx, &limits, now)).await? {
            break;
        }
    }
    while db.logs().write(move |tx| delete_oldest_log(tx, &limits, now)).await? {
        give_way(db).await;
    }
    Ok(())
}

async fn give_way(db: &Db) {
    while !db.is_idle() {
        tokio::time::sleep(YIELD_INTERVAL).await;
    }
}
