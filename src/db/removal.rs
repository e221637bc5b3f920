//! The end of a service and of what belongs to it.

use crate::db::{Error, Tx, deployments, hooks, services};
use crate::domain::{ServiceId, Timestamp};

/// Deletes a service: its hooks are revoked, its queued deployments end, its running one is asked to stop.
pub fn delete_service(tx: &Tx<'_>, id: &ServiceId, now: Timestamp) -> Result<(), Error> {
    services::forget_checks(tx, id)?;
    deployments::end_all_of_service(tx, id, now)?;
    hooks::revoke_all_of_service(tx, id, now)?;
    services::mark_deleted(tx, id, now)
}
