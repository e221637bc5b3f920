//! A deployment as JSON: the minimal object for everybody, and more for a caller with a credential.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{
    Commit, Deployment, DeploymentId, GitRef, Note, Reason, Source, Status, Step, StepRecord, StepStatus,
    Timestamp, Urls, WorkloadKind, WorkloadState, WorkloadStatus,
};
use crate::wire::Word;

/// A deployment with what belongs to it, read in one view of the core file.
#[derive(Debug)]
pub struct FoundDeployment {
    pub deployment: Deployment,
    pub steps: Vec<StepRecord>,
    /// Its place in the queue of its service, from 1; null where it does not wait.
    pub queue_position: Option<i64>,
}

impl FoundDeployment {
    /// The step that failed, if one did.
    pub fn failed_step(&self) -> Option<&StepRecord> {
        let failed = self.steps.iter().find(|step| step.status == StepStatus::Failed);
        failed.filter(|_| self.deployment.status == Status::Failed)
    }
}

/// How much of a deployment is shown.
#[derive(Debug)]
pub enum Seen {
    /// What everybody may see.
    Minimal,
    /// All but the lines of its log, for a caller with a credential.
    InList,
    /// All, with the last lines of the step that failed.
    Whole(Vec<String>),
}

/// A deployment as it is shown.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Deployment")]
pub struct DeploymentJson {
    pub deployment_id: DeploymentId,
    pub service: String,
    #[schemars(with = "Status")]
    pub status: Word,
    /// The branch, or `refs/tags/` and the tag.
    pub branch: GitRef,
    /// Its page.
    pub dashboard_url: String,
    /// Why it failed.
    #[schemars(with = "Option<Reason>")]
    pub reason: Option<Word>,
    /// The same as a sentence.
    pub message: Option<String>,
    /// The commit, once it is known.
    pub commit: Option<Commit>,
    /// The tag's bare name; absent where a branch was deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Whether it was built afresh.
    pub clear_cache: bool,
    /// Where its image comes from.
    #[schemars(with = "Source")]
    pub source: Word,
    /// The image that was asked for; absent where one is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When its run began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Its place in the queue of its service, from 1; null where it does not wait.
    pub queue_position: Option<i64>,
    /// The deployment that took its place in the queue.
    pub superseded_by: Option<DeploymentId>,
    pub steps: Vec<StepJson>,
    #[serde(flatten)]
    pub details: Option<DeploymentDetails>,
}

/// A step of a deployment.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Step")]
pub struct StepJson {
    #[schemars(with = "Step")]
    pub name: Word,
    #[schemars(with = "StepStatus")]
    pub status: Word,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub exit_code: Option<i32>,
}

/// What only a caller with a credential reads.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentDetails {
    /// The first line of the commit.
    pub commit_subject: Option<String>,
    /// Why, as the caller said.
    pub note: Option<Note>,
    /// Where it failed.
    pub failure: Option<FailureJson>,
    /// More on why it failed, for whoever runs the server.
    pub detail: Option<String>,
    /// The digest of the image that it deployed.
    pub image_digest: Option<String>,
    /// The commit that the image says it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_revision: Option<String>,
    /// The deployment whose image it took.
    pub promoted_from: Option<DeploymentId>,
    /// The name of its run in the cluster.
    pub run_name: String,
    /// How the workloads were left, in a cluster.
    pub workloads: Vec<WorkloadJson>,
    /// What brought it about.
    #[schemars(extend("x-extensible-enum" = ["hook", "deploy", "redeploy", "rollback"]))]
    pub trigger: Word,
    /// The deployment that was deployed again or gone back to.
    pub origin: Option<DeploymentId>,
    /// The hook that was called.
    pub hook: Option<String>,
    /// Who called.
    pub caller: String,
    /// What was sent and means nothing.
    pub ignored_parameters: Vec<String>,
}

/// How a workload was left.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Workload")]
pub struct WorkloadJson {
    #[schemars(with = "WorkloadKind")]
    pub kind: Word,
    pub namespace: String,
    pub name: String,
    pub container: Option<String>,
    #[schemars(with = "WorkloadStatus")]
    pub status: Word,
    pub ready: u32,
    pub desired: u32,
}

impl WorkloadJson {
    fn new(state: &WorkloadState) -> Self {
        let workload = &state.workload;
        Self {
            kind: workload.kind.as_str().into(),
            namespace: workload.namespace.clone(),
            name: workload.name.clone(),
            container: workload.container.clone(),
            status: state.status.as_str().into(),
            ready: state.ready,
            desired: state.desired,
        }
    }
}

/// Where it failed.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Failure")]
pub struct FailureJson {
    #[schemars(with = "Step")]
    pub step: Word,
    pub exit_code: Option<i32>,
    /// Its last lines; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_tail: Option<Vec<String>>,
}

impl DeploymentJson {
    /// The object.
    pub fn new(found: FoundDeployment, urls: &Urls, seen: Seen) -> Self {
        let details = match seen {
            Seen::Minimal => None,
            Seen::InList => Some(DeploymentDetails::new(&found, None)),
            Seen::Whole(log_tail) => Some(DeploymentDetails::new(&found, Some(log_tail))),
        };
        let deployment = found.deployment;
        let (source, image) = (deployment.source(), deployment.given_image());
        Self {
            dashboard_url: urls.deployment_page(&deployment.id),
            deployment_id: deployment.id,
            service: deployment.service,
            status: deployment.status.as_str().into(),
            tag: deployment.branch.tag().map(|tag| tag.name().to_owned()),
            branch: deployment.branch,
            reason: deployment.reason.map(|reason| reason.as_str().into()),
            message: deployment.message,
            commit: deployment.commit,
            clear_cache: deployment.clear_cache,
            source: source.as_str().into(),
            image: image.map(|image| image.to_string()),
            created_at: deployment.created_at,
            started_at: deployment.started_at,
            finished_at: deployment.finished_at,
            queue_position: found.queue_position,
            superseded_by: deployment.superseded_by,
            steps: found.steps.iter().map(StepJson::new).collect(),
            details,
        }
    }

    /// Its id, the cursor of the list.
    pub fn id(&self) -> &DeploymentId {
        &self.deployment_id
    }
}

impl StepJson {
    fn new(record: &StepRecord) -> Self {
        Self {
            name: record.step.as_str().into(),
            status: record.status.as_str().into(),
            started_at: record.started_at,
            finished_at: record.finished_at,
            exit_code: record.exit_code,
        }
    }
}

impl DeploymentDetails {
    fn new(found: &FoundDeployment, log_tail: Option<Vec<String>>) -> Self {
        let deployment = &found.deployment;
        let failure = found.failed_step().map(|step| FailureJson {
            step: step.step.as_str().into(),
            exit_code: step.exit_code,
            log_tail,
        });
        Self {
            commit_subject: deployment.commit_subject.clone(),
            note: deployment.note.clone(),
            failure,
            detail: deployment.detail.clone(),
            image_digest: deployment.image.as_ref().map(|image| image.digest.to_string()),
            image_revision: deployment.image_revision.clone(),
            promoted_from: deployment.promoted_from.clone(),
            run_name: deployment.id.run_name().to_string(),
            workloads: deployment.workloads.iter().map(WorkloadJson::new).collect(),
            trigger: deployment.trigger.as_str().into(),
            origin: deployment.trigger.origin().cloned(),
            hook: deployment.hook.clone(),
            caller: deployment.who.as_caller(),
            ignored_parameters: deployment.ignored_parameters.clone(),
        }
    }
}
