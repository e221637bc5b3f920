//! A deployment as JSON: the minimal object for everybody, and more for a caller with a credential.

use serde::{Deserialize, Serialize};

use crate::domain::{
    Commit, Deployment, DeploymentId, GitRef, Note, Status, StepRecord, StepStatus, Timestamp, Urls,
    WorkloadState,
};
use crate::wire::Word;
use crate::wire::read::{Fields, Shape};

/// The words as they were sent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Words<'a> {
    /// The head of this branch.
    pub branch: Option<&'a str>,
    /// What this tag points to.
    pub tag: Option<&'a str>,
    /// Exactly this commit of the branch.
    pub commit: Option<&'a str>,
    /// An image that is there already.
    pub image: Option<&'a str>,
    /// A deployment whose image is promoted.
    pub from: Option<&'a str>,
    /// Why.
    pub note: Option<&'a str>,
}

/// What to deploy now.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeployBody {
    pub branch: Option<String>,
    pub tag: Option<String>,
    pub commit: Option<String>,
    pub clear_cache: bool,
    pub image: Option<String>,
    pub from: Option<String>,
    pub note: Option<String>,
}

impl DeployBody {
    /// The words of what is wanted.
    pub fn words(&self) -> Words<'_> {
        let (branch, tag) = (self.branch.as_deref(), self.tag.as_deref());
        let (image, from) = (self.image.as_deref(), self.from.as_deref());
        Words { branch, tag, commit: self.commit.as_deref(), image, from, note: self.note.as_deref() }
    }
}

impl Shape for DeployBody {
    fn take(fields: &mut Fields) -> Self {
        Self {
            branch: fields.change("branch", "a text").apply(None),
            tag: fields.change("tag", "a text").apply(None),
            commit: fields.change("commit", "a text").apply(None),
            clear_cache: fields.take("clearCache", "true or false").unwrap_or_default(),
            image: fields.change("image", "a text").apply(None),
            from: fields.change("from", "a text").apply(None),
            note: fields.change("note", "a text").apply(None),
        }
    }
}

/// The five keys of the contract, in their order.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AcceptedJson<'a> {
    deployment_id: &'a DeploymentId,
    service: &'a str,
    status: &'a str,
    branch: &'a GitRef,
    dashboard_url: String,
}

impl<'a> AcceptedJson<'a> {
    /// Of a deployment that was just accepted.
    pub fn new(urls: &Urls, id: &'a DeploymentId, service: &'a str, branch: &'a GitRef) -> Self {
        let (status, dashboard_url) = (Status::Queued.as_str(), urls.deployment_page(id));
        Self { deployment_id: id, service, status, branch, dashboard_url }
    }
}

/// A deployment with what belongs to it, read in one view of the core file.
#[derive(Debug)]
pub struct FoundDeployment {
    pub deployment: Deployment,
    pub steps: Vec<StepRecord>,
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
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentJson {
    pub deployment_id: DeploymentId,
    pub service: String,
    pub status: Word,
    pub branch: GitRef,
    pub dashboard_url: String,
    pub reason: Option<Word>,
    pub message: Option<String>,
    pub commit: Option<Commit>,
    /// The tag's bare name; absent where a branch was deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    pub clear_cache: bool,
    /// `build`, `image`, `promoted` or `kept`.
    pub source: Word,
    /// The image that was asked for; absent where one is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    pub created_at: Timestamp,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub queue_position: Option<i64>,
    pub superseded_by: Option<DeploymentId>,
    pub steps: Vec<StepJson>,
    #[serde(flatten)]
    pub details: Option<DeploymentDetails>,
}

/// A step of a deployment.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepJson {
    pub name: Word,
    pub status: Word,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub exit_code: Option<i32>,
}

/// What only a caller with a credential reads.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentDetails {
    pub commit_subject: Option<String>,
    pub note: Option<Note>,
    pub failure: Option<FailureJson>,
    pub detail: Option<String>,
    pub image_digest: Option<String>,
    /// The commit that the image says it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_revision: Option<String>,
    pub promoted_from: Option<DeploymentId>,
    pub run_name: String,
    /// How the workloads were left, in a cluster.
    pub workloads: Vec<WorkloadJson>,
    pub trigger: Word,
    pub origin: Option<DeploymentId>,
    pub hook: Option<String>,
    pub caller: String,
    pub ignored_parameters: Vec<String>,
}

/// How a workload was left.
#[derive(Debug, Serialize, Deserialize)]
pub struct WorkloadJson {
    pub kind: Word,
    pub namespace: String,
    pub name: String,
    pub container: Option<String>,
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
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureJson {
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
