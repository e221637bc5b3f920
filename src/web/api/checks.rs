//! What the dispatcher found when it last looked at what a service needs.

use poem::http::StatusCode;
use poem::web::{Data, Path};
use poem::{Request, Response, handler};
use serde::Serialize;

use crate::db::{Reader, checks};
use crate::domain::{Checks, Finding, Scope, Timestamp};

use super::super::auth;
use super::super::error::Error;
use super::super::state::AppState;
use super::services::load;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChecksBody {
    /// Null until somebody has looked, also after each change of the service.
    checked_at: Option<Timestamp>,
    checks: Vec<CheckBody>,
}

#[derive(Serialize)]
struct CheckBody {
    verdict: &'static str,
    detail: String,
    fix: Option<String>,
}

impl ChecksBody {
    fn new(found: Option<Checks>) -> Self {
        let body = |finding: Finding| CheckBody {
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
    request: &Request,
    Path(name): Path<String>,
    state: Data<&AppState>,
) -> Result<Response, Error> {
    let caller = auth::caller(request)?;
    let read = move |reader: &Reader<'_>| {
        let service = load(reader, &name)?;
        caller.require(Scope::Read, Some(&service.id))?;
        Ok::<_, Error>(checks::find(reader, &service.id)?)
    };
    let found = state.db().read(read).await?;
    Ok(super::json(StatusCode::OK, &ChecksBody::new(found)))
}
