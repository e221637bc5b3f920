//! What the dispatcher found when it last looked at what a service needs.

use std::time::Duration;

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Response, handler};
use serde::Serialize;
use tokio::time::Instant;

use crate::actions::{self, By, Context, services};
use crate::db::{Reader, checks};
use crate::domain::{Checks, Finding, Scope, ServiceId, Timestamp};
use crate::web::api::json;
use crate::web::error::Error;
use crate::web::state::AppState;

/// How long a look is waited for, and the time between two questions to the database.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChecksJson {
    /// Null until somebody has looked, also after each change of the service.
    checked_at: Option<Timestamp>,
    /// Whether a look is still to come: the service is new, was changed, or somebody has asked for one.
    looking: bool,
    checks: Vec<CheckJson>,
}

#[derive(Serialize)]
struct CheckJson {
    verdict: &'static str,
    detail: String,
    fix: Option<String>,
}

impl ChecksJson {
    fn new((found, looking): (Option<Checks>, bool)) -> Self {
        let body = |finding: Finding| CheckJson {
            verdict: finding.verdict.as_str(),
            detail: finding.detail,
            fix: finding.fix,
        };
        let checked_at = found.as_ref().map(|found| found.at);
        let findings = found.map(|found| found.findings).unwrap_or_default();
        Self { checked_at, looking, checks: findings.into_iter().map(body).collect() }
    }
}

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
