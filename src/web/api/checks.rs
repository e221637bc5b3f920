//! What the dispatcher found when it last looked at what a service needs.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Response, handler};
use serde::Serialize;

use crate::actions::{By, Context, services};
use crate::db::{Reader, checks};
use crate::domain::{Checks, Finding, Scope, Timestamp};
use crate::web::api::json;
use crate::web::error::Error;
use crate::web::state::AppState;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChecksJson {
    /// Null until somebody has looked, also after each change of the service.
    checked_at: Option<Timestamp>,
    checks: Vec<CheckJson>,
}

#[derive(Serialize)]
struct CheckJson {
    verdict: &'static str,
    detail: String,
    fix: Option<String>,
}

impl ChecksJson {
    fn new(found: Option<Checks>) -> Self {
        let body = |finding: Finding| CheckJson {
            verdict: finding.verdict.as_str(),
            detail: finding.detail,
            fix: finding.fix,
        };
        let checked_at = found.as_ref().map(|found| found.at);
        let findings = found.map(|found| found.findings).unwrap_or_default();
        Self { checked_at, checks: findings.into_iter().map(body).collect() }
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
        Ok(checks::find(reader, &service.id)?)
    };
    Ok(json(StatusCode::OK, &ChecksJson::new(state.read(read).await?)))
}
