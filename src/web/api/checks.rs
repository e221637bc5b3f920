//! What the dispatcher found when it last looked at what a service needs.

use std::time::Duration;

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Response, handler};
use tokio::time::Instant;

use crate::actions::{self, By, Context, services};
use crate::db::{Reader, checks};
use crate::domain::{Checks, Scope, ServiceId};
use crate::web::api::json;
use crate::web::error::Error;
use crate::web::state::AppState;
use crate::wire::checks::ChecksJson;

/// How long a look is waited for, and the time between two questions to the database.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(200);

/// `GET /api/v1/services/{name}/checks`.
#[handler]
pub(in crate::web) async fn show(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let read = move |reader: &Reader<'_>, _: &Context| {
        let service = services::find(reader, &by, Scope::Read, &name)?;
        found(reader, &service.id)
    };
    Ok(json(StatusCode::OK, &ChecksJson::new(state.read(read).await?)))
}

/// `POST /api/v1/services/{name}/checks`: asks for a look. Answers when it was taken, or with what there is after a while.
#[handler]
pub(in crate::web) async fn create(
    by: By,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let id = state.act(by, move |tx, _, by| services::ask_for_look(tx, by, &name)).await?;
    let deadline = Instant::now() + LONGEST_WAIT;
    loop {
        let own = id.clone();
        let seen = state.read(move |reader, _| found(reader, &own)).await?;
        if !seen.1 || Instant::now() >= deadline || state.is_draining().is_cancelled() {
            return Ok(json(StatusCode::OK, &ChecksJson::new(seen)));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// What was found, and whether a look is still to come.
fn found(reader: &Reader<'_>, id: &ServiceId) -> actions::Result<(Option<Checks>, bool)> {
    Ok((checks::find(reader, id)?, checks::is_looking(reader, id)?))
}
