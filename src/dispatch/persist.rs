//! Writes that must not get lost.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::db::{Db, Error as DbError, Tx, logs};
use crate::domain::{DeploymentId, Timestamp};

/// Pause before something is written again that the database did not take.
pub(super) const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Writes until the database takes it: a status must not get lost because the disk was full for a while. A server that
/// goes down tries once; the next start settles what is left.
pub(super) async fn persist<F>(db: &Db, is_draining: &CancellationToken, write: F, id: &DeploymentId)
where
    F: Fn(&Tx<'_>, &DeploymentId) -> Result<(), DbError> + Clone + Send + 'static,
{
    loop {
        let (write, own_id) = (write.clone(), id.clone());
        match db.core().write(move |tx| write(tx, &own_id)).await {
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
    if let Err(error) = db.logs().write(move |tx| logs::complete(tx, &own_id, now)).await {
        tracing::warn!(deployment.id = %id, error = %error, "the end of a log could not be stored");
    }
}
