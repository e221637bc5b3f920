//! A deployment by the id in a path, for API and pages.

use crate::actions::deployments::{find, not_found};
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
