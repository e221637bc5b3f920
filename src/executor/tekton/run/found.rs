//! Runs that are there, whoever knows of them: what an object tells of the deployment that it was made for.

use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams};
use serde_json::Value;

use crate::domain::{
    Commit, DeploymentId, GitRef, ImageDigest, ImageReference, ImageRepository, ImageTag, Step, Timestamp,
    read_traceparent,
};
use crate::executor::tekton::api::{pipeline_runs, task_runs};
use crate::executor::tekton::client::answer;
use crate::executor::tekton::names::{
    BRANCH, COMMIT, DEPLOY_TASK, DEPLOYMENT, HOOK, INSTANCE, OF_PIPELINE_RUN, OF_PIPELINE_TASK, SERVICE,
    SOURCE, SPAN_CONTEXT,
};
use crate::executor::tekton::{TektonExecutor, types};
use crate::executor::{Error, FoundEnd, FoundRun};

use super::snapshot::RunSnapshot;
use super::view::view;

/// Objects of one answer.
const PAGE: u32 = 500;
/// The parameter of images.
const IMAGE_FIELD: &str = "image";

impl TektonExecutor {
    /// The deployments of all runs of this installation. Reads no more of an object than its name and its labels.
    pub(in crate::executor::tekton) async fn list_runs(&self) -> Result<Vec<DeploymentId>, Error> {
        let runs = pipeline_runs(&self.client, &self.common.namespace);
        let instance = &self.common.instance;
        let mut which = ListParams::default().labels(&format!("{INSTANCE}={instance}")).limit(PAGE);
        let mut ids = Vec::new();
        loop {
            let page = answer(runs.list_metadata(&which)).await.map_err(|refusal| Error(refusal.text))?;
            let own = page.items.iter().filter(|run| run.labels().get(INSTANCE) == Some(instance));
            ids.extend(own.filter_map(|run| {
                let id = DeploymentId::parse(run.annotations().get(DEPLOYMENT)?)?;
                (id.run_name().as_str() == run.name_any()).then_some(id)
            }));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => which = which.continue_token(&token),
                None => return Ok(ids),
            }
        }
    }

    /// What a run of this installation tells of itself.
    pub(in crate::executor::tekton) async fn read_run(
        &self,
        id: &DeploymentId,
    ) -> Result<Option<FoundRun>, Error> {
        let Some(run) = self.find_own_run(id).await? else { return Ok(None) };
        let of_run = ListParams::default().labels(&format!("{OF_PIPELINE_RUN}={}", id.run_name()));
        let tasks = answer(task_runs(&self.client, &self.common.namespace).list(&of_run)).await;
        let mut snapshot = RunSnapshot { run: types::pipeline_run(&run).ok(), ..RunSnapshot::default() };
        for task in tasks.map_err(|refusal| Error(refusal.text))?.items {
            if let Ok(shown) = types::task_run(&task) {
                snapshot.take(task.labels().get(OF_PIPELINE_TASK).map(String::as_str), shown);
            }
        }
        Ok(found(id, &run, &snapshot))
    }
}

/// None where the object lacks what every run of ours has.
fn found(id: &DeploymentId, run: &DynamicObject, snapshot: &RunSnapshot) -> Option<FoundRun> {
    let told = |name: &str| run.annotations().get(name).map(String::as_str);
    let began_at = created_at(run).unwrap_or(id.accepted_at());
    let span = told(SPAN_CONTEXT).and_then(|json| serde_json::from_str::<Value>(json).ok());
    Some(FoundRun {
        deployment: id.clone(),
        uid: run.uid()?,
        service: run.labels().get(SERVICE)?.clone(),
        hook: told(HOOK).map(str::to_owned),
        branch: GitRef::parse(told(BRANCH)?).ok()?,
        commit: told(COMMIT).and_then(|commit| Commit::parse(commit).ok()),
        image: if told(SOURCE) == Some("build") { None } else { given_image(run) },
        traceparent: span.and_then(|span| read_traceparent(span["traceparent"].as_str()?)),
        began_at,
        end: end(run, snapshot, began_at),
    })
}

/// How it ended, once its condition says so. One that does not say when ended as it began.
fn end(run: &DynamicObject, snapshot: &RunSnapshot, began_at: Timestamp) -> Option<FoundEnd> {
    let shown = view(snapshot);
    let ended = |step: Step| {
        let end = shown.step(step).finished?;
        Some((step, end.succeeded, end.exit_code))
    };
    Some(FoundEnd {
        outcome: shown.end.clone()?,
        at: completed_at(run).unwrap_or(began_at),
        steps: Step::ALL.into_iter().filter_map(ended).collect(),
        commit: shown.commit.clone(),
        digest: shown.digest.clone(),
        workloads: shown.workloads.clone(),
    })
}

/// The image that the run was given: by its parameters, and by the digest where the deploy task was given one.
fn given_image(run: &DynamicObject) -> Option<ImageReference> {
    let param = |of: Option<&Value>, name: &str| {
        let all = of?.as_array()?.iter();
        all.filter(|one| one["name"] == name).find_map(|one| Some(one["value"].as_str()?.to_owned()))
    };
    let own = run.data.pointer("/spec/params");
    let tasks = run.data.pointer("/spec/pipelineSpec/tasks").and_then(Value::as_array);
    let deploy = tasks.into_iter().flatten().find(|task| task["name"] == DEPLOY_TASK);
    Some(ImageReference {
        repository: ImageRepository::parse(IMAGE_FIELD, &param(own, "image")?).ok()?,
        tag: param(own, "tag").and_then(|tag| ImageTag::parse(&tag)),
        digest: param(deploy.map(|task| &task["params"]), "digest")
            .and_then(|text| ImageDigest::parse(&text)),
    })
}

fn completed_at(run: &DynamicObject) -> Option<Timestamp> {
    Timestamp::parse(run.data.pointer("/status/completionTime")?.as_str()?).ok()
}

fn created_at(run: &DynamicObject) -> Option<Timestamp> {
    let at = run.creation_timestamp()?;
    Some(Timestamp::from_millis(at.0.as_millisecond()))
}
