//! The answer to a dry run of a hook.

use crate::actions::forecast::of_call;
use crate::actions::trigger::Call;
use crate::domain::{Checks, Code, Span, Timestamp, Verdict};
use crate::web::error::Error;
use crate::web::problem::status_of;
use crate::web::state::AppState;
use crate::wire::dry_run::{DryRunJson, FailedCheck};

fn failed(code: Code, detail: String) -> FailedCheck {
    FailedCheck { status: status_of(code.class()).as_u16(), code: code.as_str(), detail }
}

/// What would make the deployment of an accepted call fail: status 424, as its `/wait` would say.
fn bad_checks(found: Option<Checks>, now: Timestamp) -> impl Iterator<Item = FailedCheck> {
    found.into_iter().flat_map(move |checks| {
        let age = Span::from_secs(now.since(checks.at).as_secs());
        let bad = checks.findings.into_iter().filter(|finding| finding.verdict == Verdict::Bad);
        bad.map(move |finding| failed(Code::CheckFailed, format!("{}, as of {age} ago", finding.detail)))
    })
}

/// Says what a call would do.
///
/// # Errors
/// 401 as for the call itself.
pub(super) async fn dry_run(state: &AppState, call: Call, ignored: &[String]) -> Result<String, Error> {
    let now = state.clock().now();
    let found = state.read(move |reader, context| of_call(reader, context, &call, now)).await?;
    let refused = found.forecast.refusals.iter().map(|error| failed(error.code, error.detail.clone()));
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
