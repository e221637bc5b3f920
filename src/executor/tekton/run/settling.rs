//! What serves is watched for a moment after the rollout: where somebody else writes the image too, it does not stay.

use std::time::Duration;

use kube::Client;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::{DeploymentId, ImageDigest, Reason, Span, Workload};
use crate::executor::tekton::client::{Refusal, RefusalKind, answer};
use crate::executor::tekton::image_writer::writer;
use crate::executor::tekton::workload_object::{ContainerList, Found, objects};
use crate::executor::tekton::workload_target::Target;
use crate::executor::{Event, Events, Outcome, Wait};

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How long a cluster that does not answer is asked once the time is over.
const PATIENCE: Duration = Duration::from_mins(5);

/// What is watched.
pub(super) struct Settling<'a> {
    pub(super) client: &'a Client,
    pub(super) deployment: &'a DeploymentId,
    pub(super) workloads: &'a [Workload],
    /// What was deployed.
    pub(super) digest: &'a ImageDigest,
    pub(super) settle: Span,
}

impl Settling<'_> {
    /// Watches for the time, or until a stop. A change counts when two looks have seen it.
    pub(super) async fn watch(&self, events: &Events, stop: &CancellationToken) -> Outcome {
        drop(events.send(Event::Settling).await);
        let wait = Wait::of(format!("it serves; watched for {} before it counts as succeeded", self.settle));
        drop(events.send(Event::Waiting(Some(wait))).await);
        let until = Instant::now() + self.settle.duration();
        let mut seen = false;
        loop {
            let is_over = Instant::now() >= until || stop.is_cancelled();
            match self.look().await {
                Ok(None) if is_over => return Outcome::Succeeded,
                Ok(None) => seen = false,
                Ok(Some(change)) if seen => return reverted(change),
                Ok(Some(_)) => seen = true,
                Err(refusal) if refusal.kind == RefusalKind::Forbidden => {
                    tracing::warn!(deployment.id = %self.deployment, error = %refusal.text, "what serves cannot be watched");
                    return Outcome::Succeeded;
                }
                Err(refusal) if Instant::now() >= until + PATIENCE || stop.is_cancelled() => {
                    let message = "it served when the deploy step ended; the cluster has not answered since";
                    return Outcome::failed(Reason::ClusterUnreachable, message)
                        .with_detail(Some(refusal.text));
                }
                Err(_) => {}
            }
            let next = if is_over { LOOK_INTERVAL } else { LOOK_INTERVAL.min(until - Instant::now()) };
            tokio::select! {
                () = tokio::time::sleep(next) => {}
                () = stop.cancelled(), if !stop.is_cancelled() => {}
            }
        }
    }

    /// What is different from what was deployed, if anything is.
    async fn look(&self) -> Result<Option<String>, Refusal> {
        for workload in self.workloads {
            let object = match answer(objects(self.client, workload).get(&workload.name)).await {
                Ok(object) => object,
                Err(refusal) if refusal.kind == RefusalKind::Missing => {
                    return Ok(Some(format!("{} was deleted", workload.title())));
                }
                Err(refusal) => return Err(refusal),
            };
            let found = Found::new(workload.kind, object);
            if let Some(change) = change(&found, self.deployment.as_str(), self.digest) {
                return Ok(Some(change));
            }
        }
        Ok(None)
    }
}

fn reverted(change: String) -> Outcome {
    let message =
        "somebody else put another image in its place after the rollout; service check says who writes it";
    Outcome::failed(Reason::Reverted, message).with_detail(Some(change))
}

/// Which container has another image than the deployment gave it, and who wrote that. An image of another registry with
/// this digest is the same one: a webhook may have named it so.
fn change(found: &Found, deployment: &str, digest: &ImageDigest) -> Option<String> {
    let lists = [ContainerList::Serving, ContainerList::Init];
    let all: Vec<_> = lists.into_iter().flat_map(|list| found.containers(list)).collect();
    let is_new = |image: &str| image.ends_with(&format!("@{digest}"));
    let ours: Vec<_> = match Target::noted(found, deployment) {
        Some(before) => all.iter().filter(|(name, _)| before.has(name)).collect(),
        // The note is gone as well; any container will do that has the image.
        None if all.iter().any(|(_, image)| is_new(image)) => return None,
        None => all.iter().collect(),
    };
    let (name, image) = ours.into_iter().find(|(_, image)| !is_new(image))?;
    let by =
        writer(found, name).map(|by| format!(", written by {} at {}", by.name, by.at)).unwrap_or_default();
    Some(format!("{}: container {name} has the image {image}{by}", found.title()))
}
