//! A deployment by the id in a path, for API and pages.

use crate::actions::By;
use crate::actions::again::{self, Again};
use crate::actions::deployments::{self, StartedDeployment, find, not_found};
use crate::domain::DeploymentId;
use crate::web::error::Error;
use crate::web::state::AppState;
use crate::wire::deployment::FoundDeployment;

/// Reads the id of a path in either spelling.
///
/// # Errors
/// 404, the same for a wrong shape as for an unknown id.
pub(super) fn read_id(text: &str) -> Result<DeploymentId, Error> {
    Ok(DeploymentId::parse(text).ok_or_else(not_found)?)
}

/// Reads a deployment.
///
/// # Errors
/// 404 where there is none.
pub(super) async fn load(state: &AppState, id: &DeploymentId) -> Result<FoundDeployment, Error> {
    let id = id.clone();
    state.read(move |reader, _| find(reader, &id)).await
}

/// Cancels the deployment of a path.
///
/// # Errors
/// 404 where there is none, and those of the act.
pub(super) async fn cancel(by: By, id: &str, state: &AppState) -> Result<DeploymentId, Error> {
    let id = read_id(id)?;
    let own = id.clone();
    state.act(by, move |tx, _, by| deployments::cancel(tx, by, &own)).await?;
    Ok(id)
}

/// Uses the deployment of a path again.
///
/// # Errors
/// 404 where there is none, and those of the act.
pub(super) async fn again(
    by: By,
    id: &str,
    state: &AppState,
    how: Again,
) -> Result<StartedDeployment, Error> {
    let id = read_id(id)?;
    state.act(by, move |tx, context, by| again::again(tx, context, by, &id, how)).await
}
