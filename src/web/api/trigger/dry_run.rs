//! The answer to a dry run of a hook.

use serde::Serialize;

use crate::actions;
use crate::actions::forecast::of_call;
use crate::actions::trigger::Call;
use crate::domain::{Checks, Code, Commit, DeploymentId, GitRef, Span, Timestamp, Verdict};
use crate::web::error::Error;
use crate::web::problem::status_of;
use crate::web::state::AppState;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DryRunJson<'a> {
    #[serde(rename = "dryRun")]
    is_dry: bool,
    would_deploy: bool,
    service: &'a str,
    branch: &'a GitRef,
    commit: Option<&'a Commit>,
    clear_cache: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    joins: Option<DeploymentId>,
    failed: Vec<FailedCheck>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    ignored_parameters: &'a [String],
}

/// One reason for which the call would be refused.
#[derive(Serialize)]
struct FailedCheck {
    status: u16,
    code: &'static str,
    detail: String,
}

impl FailedCheck {
    fn new(code: Code, detail: String) -> Self {
        Self { status: status_of(code.class()).as_u16(), code: code.as_str(), detail }
    }

    /// What the call itself would be answered.
    fn refusal(error: &actions::Error) -> Self {
        Self::new(error.code, error.detail.clone())
    }
}

/// What would make the deployment of an accepted call fail: status 424, as its `/wait` would say.
fn bad_checks(found: Option<Checks>, now: Timestamp) -> impl Iterator<Item = FailedCheck> {
    found.into_iter().flat_map(move |checks| {
        let age = Span::from_secs(now.since(checks.at).as_secs());
        let bad = checks.findings.into_iter().filter(|finding| finding.verdict == Verdict::Bad);
        bad.map(move |finding| {
            FailedCheck::new(Code::CheckFailed, format!("{}, as of {age} ago", finding.detail))
        })
    })
}

/// Says what a call would do.
///
/// # Errors
/// 401 as for the call itself.
pub(super) async fn dry_run(state: &AppState, call: Call, ignored: &[String]) -> Result<String, Error> {
    let now = state.clock().now();
    let found = state.read(move |reader, context| of_call(reader, context, &call, now)).await?;
    let refused = found.forecast.refusals.iter().map(FailedCheck::refusal);
    let failed: Vec<_> = refused.chain(bad_checks(found.forecast.checks, now)).collect();
    let answer = DryRunJson {
        is_dry: true,
        would_deploy: failed.is_empty(),
        service: &found.service,
        branch: &found.branch,
        commit: found.commit.as_ref(),
        clear_cache: found.clear_cache,
        image: found.image.map(|image| image.to_string()),
        joins: found.forecast.joins,
        failed,
        ignored_parameters: ignored,
    };
    Ok(serde_json::to_string(&answer).unwrap_or_default())
}
