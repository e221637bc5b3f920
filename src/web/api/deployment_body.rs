//! A deployment as JSON: the minimal object for everybody, and more for a caller with a credential.

use serde::Serialize;

use crate::db::log_end::{self, Most};
use crate::db::{self, Reader, deployments, steps};
use crate::domain::{Branch, Commit, Deployment, DeploymentId, Status, StepRecord, StepStatus, Timestamp};

use super::super::urls::Urls;

/// Most lines of a failed step that the object carries.
pub(in crate::web) const TAIL_LINES: usize = 20;
/// Bytes of the log in which these are looked for.
const TAIL_BYTES: u64 = 1024 * 1024;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeploymentBody {
    deployment_id: DeploymentId,
    service: String,
    status: &'static str,
    branch: Branch,
    dashboard_url: String,
    reason: Option<&'static str>,
    message: Option<String>,
    commit: Option<Commit>,
    clear_cache: bool,
    created_at: Timestamp,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    queue_position: Option<i64>,
    superseded_by: Option<DeploymentId>,
    steps: Vec<StepBody>,
    #[serde(flatten)]
    details: Option<Details>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StepBody {
    name: &'static str,
    status: &'static str,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    exit_code: Option<i32>,
}

/// What only a caller with a credential reads.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Details {
    commit_subject: Option<String>,
    failure: Option<Failure>,
    image_digest: Option<String>,
    run_name: String,
    trigger: &'static str,
    origin: Option<DeploymentId>,
    hook: Option<String>,
    caller: String,
    ignored_parameters: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    step: &'static str,
    exit_code: Option<i32>,
    log_tail: Vec<String>,
}

/// A deployment with what belongs to it, read in one view of the core file.
#[derive(Debug)]
pub(in crate::web) struct Found {
    pub(in crate::web) deployment: Deployment,
    pub(in crate::web) steps: [StepRecord; 3],
    pub(in crate::web) queue_position: Option<i64>,
}

/// Reads a deployment; none where there is none.
pub(in crate::web) fn find(reader: &Reader<'_>, id: &DeploymentId) -> Result<Option<Found>, db::Error> {
    deployments::find(reader, id)?.map(|deployment| complete(reader, deployment)).transpose()
}

/// Reads what belongs to a deployment.
pub(in crate::web) fn complete(reader: &Reader<'_>, deployment: Deployment) -> Result<Found, db::Error> {
    let steps = steps::list(reader, &deployment)?;
    let queue_position = deployments::queue_position(reader, &deployment)?;
    Ok(Found { deployment, steps, queue_position })
}

/// The step that failed, if one did.
pub(in crate::web) fn failed_step(found: &Found) -> Option<&StepRecord> {
    let failed = found.steps.iter().find(|step| step.status == StepStatus::Failed);
    failed.filter(|_| found.deployment.status == Status::Failed)
}

/// The last lines of one step, oldest first. Takes the log file's reader.
pub(in crate::web) fn tail(
    reader: &Reader<'_>,
    id: &DeploymentId,
    step: &StepRecord,
) -> Result<Vec<String>, db::Error> {
    let most = Most { lines: u64::try_from(TAIL_LINES).unwrap_or(0), bytes: TAIL_BYTES };
    let pieces = log_end::read(reader, id, most)?.pieces;
    let text: String =
        pieces.into_iter().filter(|piece| piece.step == step.step).map(|piece| piece.text).collect();
    let lines: Vec<&str> = text.lines().collect();
    Ok(lines[lines.len().saturating_sub(TAIL_LINES)..].iter().map(|line| (*line).to_owned()).collect())
}

impl DeploymentBody {
    pub(super) fn id(&self) -> &DeploymentId {
        &self.deployment_id
    }

    /// The minimal object; `log_tail` only where the caller has a credential.
    pub(super) fn new(found: Found, urls: &Urls, log_tail: Option<Vec<String>>) -> Self {
        let details = log_tail.map(|log_tail| Details::new(&found, log_tail));
        let deployment = found.deployment;
        Self {
            dashboard_url: urls.deployment_page(&deployment.id),
            deployment_id: deployment.id,
            service: deployment.service,
            status: deployment.status.as_str(),
            branch: deployment.branch,
            reason: deployment.reason.map(crate::domain::Reason::as_str),
            message: deployment.message,
            commit: deployment.commit,
            clear_cache: deployment.clear_cache,
            created_at: deployment.created_at,
            started_at: deployment.started_at,
            finished_at: deployment.finished_at,
            queue_position: found.queue_position,
            superseded_by: deployment.superseded_by,
            steps: found.steps.iter().map(StepBody::new).collect(),
            details,
        }
    }
}

impl StepBody {
    fn new(record: &StepRecord) -> Self {
        Self {
            name: record.step.as_str(),
            status: record.status.as_str(),
            started_at: record.started_at,
            finished_at: record.finished_at,
            exit_code: record.exit_code,
        }
    }
}

impl Details {
    fn new(found: &Found, log_tail: Vec<String>) -> Self {
        let deployment = &found.deployment;
        let failure = failed_step(found).map(|step| Failure {
            step: step.step.as_str(),
            exit_code: step.exit_code,
            log_tail,
        });
        Self {
            commit_subject: deployment.commit_subject.clone(),
            failure,
            image_digest: deployment.image.as_ref().map(|image| image.digest.to_string()),
            run_name: deployment.id.run_name().to_string(),
            trigger: deployment.trigger.as_str(),
            origin: deployment.trigger.origin().cloned(),
            hook: deployment.hook.clone(),
            caller: deployment.caller.clone(),
            ignored_parameters: deployment.ignored_parameters.clone(),
        }
    }
}
