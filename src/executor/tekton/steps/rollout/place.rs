//! One workload of a rollout and the calls about it.

use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use tokio::time::Instant;

use crate::domain::{Workload, WorkloadKind};
use crate::executor::tekton::client::{Refusal, RefusalKind, answer};
use crate::executor::tekton::workload_object::{Found, objects};
use crate::executor::tekton::workload_target::{Mark, Target, is_of, is_returned, target};

use super::judge::{Moment, Way, judge};
use super::pods::{is_pod_of, is_ready, name};
use super::{LOOK_INTERVAL, Rollout};

/// How long calls before the change are repeated where the cluster does not answer.
const SILENCE_LIMIT: Duration = Duration::from_mins(1);
/// Who changes the workload, as `kubectl` shows it.
const FIELD_MANAGER: &str = "stackblaze";

/// Where a workload is.
pub(super) struct Place {
    pub(super) workload: Workload,
    objects: Api<DynamicObject>,
    pub(super) pods: Api<core::Pod>,
    pub(super) events: Api<core::Event>,
}

/// What a try to put a workload back came to.
pub(super) enum Returned {
    /// It has what it had, as the API server answered.
    Back(Target),
    /// Somebody else has changed it since.
    TakenOver(String),
    /// It does not exist any more.
    Gone,
}

impl Place {
    pub(super) fn new(client: &Client, workload: &Workload) -> Self {
        Self {
            objects: objects(client, workload),
            pods: Api::namespaced(client.clone(), &workload.namespace),
            events: Api::namespaced(client.clone(), &workload.namespace),
            workload: workload.clone(),
        }
    }

    /// A line of the log about it.
    pub(super) fn say(&self, text: &str) {
        println!("{}: {text}", self.workload.without_container());
    }

    async fn once(&self) -> Result<Found, Refusal> {
        let object = answer(self.objects.get(&self.workload.name)).await?;
        Ok(Found::new(self.workload.kind, object))
    }

    /// The workload as it is now; asked again for a minute while the cluster does not answer.
    pub(super) async fn get(&self) -> Result<Found, Refusal> {
        let until = Instant::now() + SILENCE_LIMIT;
        loop {
            match self.once().await {
                Err(refusal) if can_wait(&refusal, until) => self.pause(&refusal).await,
                done => return done,
            }
        }
    }

    async fn pause(&self, refusal: &Refusal) {
        self.say(&format!("trying again: {}", refusal.text));
        let asked = match refusal.kind {
            RefusalKind::Busy(after) => after,
            _ => None,
        };
        tokio::time::sleep(asked.unwrap_or(LOOK_INTERVAL).min(SILENCE_LIMIT)).await;
    }

    async fn patch(&self, to: &Target, found: &Found, mark: Mark<'_>) -> Result<Found, Refusal> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = to.patch(self.workload.kind, found.object.resource_version().as_deref(), mark);
        let patch = Patch::Strategic(patch);
        let patched = self.objects.patch(&self.workload.name, &params, &patch);
        answer(patched).await.map(|object| Found::new(self.workload.kind, object))
    }

    /// What it has and what it had before this deployment, where it can be deployed to.
    pub(super) fn before(&self, found: &Found, rollout: &Rollout) -> Result<Target, String> {
        if is_of(found, &rollout.deployment)
            && let Some(noted) = Target::noted(found, &rollout.deployment)
        {
            return Ok(noted);
        }
        target(found, self.workload.container.as_deref(), &rollout.repository)
    }

    /// Gives it the new image: exactly to the version that was looked at, so that what is noted as before is what was there.
    /// Gives what it had and what the API server made of the patch.
    pub(super) async fn apply(
        &self,
        mut found: Found,
        rollout: &Rollout,
    ) -> Result<(Target, Target), (Refusal, Option<Target>)> {
        let until = Instant::now() + SILENCE_LIMIT;
        loop {
            let invalid = |text: String| Refusal { kind: RefusalKind::Invalid, text };
            let before = self.before(&found, rollout);
            let before = before.map_err(|text| (invalid(text), None))?;
            let wanted = before.served_by(&rollout.image, rollout.said());
            if is_of(&found, &rollout.deployment) {
                let answered = wanted.as_answered(&found);
                return Ok((before, answered));
            }
            if is_returned(&found, &rollout.deployment) {
                return Err((invalid("it was put back already".to_owned()), Some(before)));
            }
            let refusal = match self.patch(&wanted, &found, Mark::Before(&before, &rollout.deployment)).await
            {
                Ok(answered) => return Ok((before, wanted.as_answered(&answered))),
                Err(refusal) => refusal,
            };
            if !can_wait(&refusal, until) {
                let may_be_done = matches!(refusal.kind, RefusalKind::Busy(_));
                return Err((refusal, Some(before).filter(|_| may_be_done)));
            }
            if matches!(refusal.kind, RefusalKind::Busy(_)) {
                self.pause(&refusal).await;
            }
            // Either it changed meanwhile, or an answer was lost.
            if let Ok(now) = self.once().await {
                found = now;
            }
        }
    }

    /// Gives it back what it had. Patches exactly the version that was looked at, so that a change in between is not undone.
    pub(super) async fn put_back(
        &self,
        before: &Target,
        wanted: Option<&Target>,
        deployment: &str,
        until: Instant,
    ) -> Result<Returned, Refusal> {
        loop {
            let tried = match self.once().await {
                // Somebody has left our annotation and changed the image.
                Ok(found) if is_of(&found, deployment) && taken_over(wanted, &found).is_some() => {
                    return Ok(Returned::TakenOver(taken_over(wanted, &found).unwrap_or_default()));
                }
                Ok(found) if is_of(&found, deployment) => {
                    self.patch(before, &found, Mark::Returned(deployment)).await
                }
                // A lost answer, or another pod of the same run that was quicker.
                Ok(found) if is_returned(&found, deployment) => Ok(found),
                Ok(found) => {
                    let by = before.taken_over(&found);
                    // One whose patch never arrived has what it had.
                    return Ok(
                        by.map_or_else(|| Returned::Back(before.as_answered(&found)), Returned::TakenOver)
                    );
                }
                Err(refusal) => Err(refusal),
            };
            match tried {
                Ok(found) => return Ok(Returned::Back(before.as_answered(&found))),
                Err(refusal) if refusal.kind == RefusalKind::Missing => return Ok(Returned::Gone),
                Err(refusal) if Instant::now() >= until => return Err(refusal),
                Err(_) => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        }
    }

    /// Looks how far it is, with the pods that it selects.
    pub(super) async fn look(&self, wanted: &Target, way: Way) -> Result<(Moment, Vec<core::Pod>), Refusal> {
        let found = self.once().await?;
        let pods = match found.selector() {
            Some(selector) => {
                match answer(self.pods.list(&ListParams::default().labels_from(&selector))).await {
                    Ok(pods) => Some(pods.items),
                    // Without the right, and for a selector that the client cannot read, its own figures decide.
                    Err(refusal) if refusal.kind == RefusalKind::Forbidden => None,
                    Err(refusal) => return Err(refusal),
                }
            }
            None => None,
        };
        Ok((judge(&found, pods.as_deref(), wanted, way), pods.unwrap_or_default()))
    }

    /// A `StatefulSet` waits for a pod that does not come up before it replaces it, also by an older version: such pods of
    /// what is taken back have to go.
    pub(super) async fn remove_broken(&self, pods: &[core::Pod], deployment: &str) {
        if self.workload.kind != WorkloadKind::StatefulSet {
            return;
        }
        for pod in pods.iter().filter(|pod| is_pod_of(pod, Some(deployment)) && !is_ready(pod)) {
            self.say(&format!("pod {} does not come up and holds the others up; deleting it", name(pod)));
            if let Err(refusal) = answer(self.pods.delete(name(pod), &DeleteParams::default())).await {
                self.say(&format!("it cannot be deleted: {}", refusal.text));
            }
        }
    }
}

fn taken_over(wanted: Option<&Target>, found: &Found) -> Option<String> {
    wanted.and_then(|wanted| wanted.taken_over(found))
}

/// Whether another try may bring more.
fn can_wait(refusal: &Refusal, until: Instant) -> bool {
    matches!(refusal.kind, RefusalKind::Busy(_) | RefusalKind::Conflict) && Instant::now() < until
}

/// A refusal before anything was changed: a sentence for everybody, and what the cluster says.
pub(super) fn refused(workload: &Workload, refusal: &Refusal) -> (String, String) {
    let title = workload.title();
    match refusal.kind {
        RefusalKind::Missing => ("a workload is not there".to_owned(), format!("there is no {title}")),
        RefusalKind::Forbidden => (
            "the deploy step may not change a workload; apply stackblaze manifests with all workloads"
                .to_owned(),
            format!("{}; --workload {}", refusal.text, workload.without_container()),
        ),
        RefusalKind::Invalid => ("a workload cannot be deployed to".to_owned(), refusal.text.clone()),
        _ => ("a workload could not be changed".to_owned(), format!("{title}: {}", refusal.text)),
    }
}
