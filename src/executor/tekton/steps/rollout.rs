//! The deploy step: gives the workload its new image, waits until it serves, and puts the old one back where it does not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::core::Selector;
use kube::{Client, ResourceExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::executor::exit_codes::{DEPLOY_FAILED, ROLLED_BACK, ROLLOUT_FAILED, SUCCEEDED, SUPERSEDED};
use crate::executor::tekton::client::{Refusal, RefusalKind, answer};
use crate::executor::tekton::workload_target::{Target, target};

use super::rollout_judge::{Next, judge};
use crate::executor::step_failure::write_result;

/// Time between two looks at the workload.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long calls before the change are repeated where the cluster does not answer.
const SILENCE_LIMIT: Duration = Duration::from_mins(1);
/// How long the old version may take to serve again; most of the time its pods still run.
const RETURN_LIMIT: Duration = Duration::from_mins(2);
/// The same where the step has been told to stop: Kubernetes kills it 30 s later.
const HURRIED_RETURN_LIMIT: Duration = Duration::from_secs(20);
/// Who changes the workload, as `kubectl` shows it.
const FIELD_MANAGER: &str = "stackblaze";

/// What to roll out.
#[derive(Debug, Clone)]
pub struct Rollout {
    /// Where the workload is.
    pub namespace: String,
    /// The Deployment's name.
    pub workload: String,
    /// The container; not needed where there is only one.
    pub container: Option<String>,
    /// `repository:tag@digest`.
    pub image: String,
    /// The deployment's id.
    pub deployment: String,
    /// What the image was built from.
    pub commit: String,
    /// Whether the image before is put back where the new one does not come up.
    pub returns: bool,
    /// How long the new image may take.
    pub limit: Duration,
    /// Where the image before is written, as a result of the task.
    pub previous_image_file: Option<PathBuf>,
    /// Where the number of replicas that serve is written, as a result of the task.
    pub replicas_file: Option<PathBuf>,
    /// Where the sentence about a failure is written, as a result of the task.
    pub message_file: Option<PathBuf>,
}

/// Why a state is not waited for any more.
enum GivenUp {
    /// It will not serve, or not in time.
    Broken(String),
    /// Somebody else has changed the workload since.
    Superseded(String),
}

/// How the step ended.
struct End {
    code: u8,
    message: String,
}

/// Rolls out and gives the exit code of the table. `stop` is cancelled by SIGTERM.
pub async fn run(client: Client, rollout: &Rollout, stop: &CancellationToken) -> u8 {
    let session = Session {
        workloads: Api::namespaced(client.clone(), &rollout.namespace),
        pods: Api::namespaced(client, &rollout.namespace),
        rollout,
        stop,
    };
    let end = session.roll_out().await.unwrap_or_else(|end| end);
    println!("{}", end.message);
    if end.code != SUCCEEDED {
        tell_result(rollout.message_file.as_deref(), &end.message);
    }
    end.code
}

/// A result for Tekton. A lost one costs a sentence, no more.
fn tell_result(file: Option<&Path>, text: &str) {
    if let Some(file) = file
        && let Err(error) = write_result(file, text)
    {
        eprintln!("{error}");
    }
}

struct Session<'a> {
    workloads: Api<apps::Deployment>,
    pods: Api<core::Pod>,
    rollout: &'a Rollout,
    stop: &'a CancellationToken,
}

impl Session<'_> {
    async fn roll_out(&self) -> Result<End, End> {
        let rollout = self.rollout;
        let workload = self
            .patiently(|| self.workloads.get(&rollout.workload))
            .await
            .map_err(|why| self.unchanged(&why))?;
        let before = target(&workload, rollout.container.as_deref())
            .map_err(|message| End { code: DEPLOY_FAILED, message })?;
        tell_result(rollout.previous_image_file.as_deref(), &before.image);
        let wanted = before.served_by(&rollout.image, &rollout.deployment, &rollout.commit);
        println!("container {}: {} -> {}", before.container, before.image, wanted.image);
        // The same patch twice is the same as once, so a lost answer does no harm.
        self.patiently(|| self.patch(&wanted, None)).await.map_err(|why| self.unchanged(&why))?;
        match self.wait(&wanted, rollout.limit, Some(self.stop)).await {
            Ok(replicas) => {
                tell_result(rollout.replicas_file.as_deref(), &replicas.to_string());
                Ok(End { code: SUCCEEDED, message: format!("{} serves", short(&wanted.image)) })
            }
            Err(GivenUp::Superseded(by)) => Err(End { code: SUPERSEDED, message: by }),
            Err(GivenUp::Broken(why)) => Err(self.put_back(&before, &wanted, &why).await),
        }
    }

    /// Nothing was changed, and why.
    fn unchanged(&self, refusal: &Refusal) -> End {
        let name = format!("Deployment {}/{}", self.rollout.namespace, self.rollout.workload);
        let message = match refusal.kind {
            RefusalKind::Missing => format!("there is no {name}"),
            RefusalKind::Forbidden => {
                format!(
                    "the account of the deploy step may not change {name}; apply stackblaze manifests --workload: {}",
                    refusal.text
                )
            }
            _ => format!("{name} could not be changed: {}", refusal.text),
        };
        End { code: DEPLOY_FAILED, message }
    }

    /// Repeats a call while the cluster does not answer it, for a minute.
    async fn patiently<T, F>(&self, call: impl Fn() -> F) -> Result<T, Refusal>
    where
        F: Future<Output = Result<T, kube::Error>>,
    {
        let until = Instant::now() + SILENCE_LIMIT;
        loop {
            match answer(call()).await {
                Err(Refusal { kind: RefusalKind::Busy(after), text }) if Instant::now() < until => {
                    println!("trying again: {text}");
                    tokio::time::sleep(after.unwrap_or(LOOK_INTERVAL).min(SILENCE_LIMIT)).await;
                }
                done => return done,
            }
        }
    }

    async fn patch(&self, to: &Target, version: Option<&str>) -> Result<apps::Deployment, kube::Error> {
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        self.workloads.patch(&self.rollout.workload, &params, &Patch::Strategic(to.patch(version))).await
    }

    /// Waits until `wanted` serves and tells on how many replicas; else why it was given up.
    async fn wait(
        &self,
        wanted: &Target,
        limit: Duration,
        stop: Option<&CancellationToken>,
    ) -> Result<i32, GivenUp> {
        let until = Instant::now() + limit;
        let mut told = String::new();
        loop {
            let text = match self.look(wanted).await {
                Ok(Next::Done(replicas)) => return Ok(replicas),
                Ok(Next::Wait(text)) => text,
                Ok(Next::Broken(why)) => return Err(GivenUp::Broken(why)),
                Ok(Next::Superseded(by)) => return Err(GivenUp::Superseded(by)),
                Err(Refusal { kind: RefusalKind::Missing, .. }) => {
                    return Err(GivenUp::Broken("the workload was deleted meanwhile".to_owned()));
                }
                Err(refusal) => format!("the cluster does not tell: {}", refusal.text),
            };
            if text != told {
                println!("{text}");
                told.clone_from(&text);
            }
            if Instant::now() >= until {
                return Err(GivenUp::Broken(format!("not complete after {} s: {text}", limit.as_secs())));
            }
            if stop.is_some_and(CancellationToken::is_cancelled) {
                return Err(GivenUp::Broken(format!("the step was told to stop: {text}")));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
                () = cancelled(stop) => {}
            }
        }
    }

    async fn look(&self, wanted: &Target) -> Result<Next, Refusal> {
        let workload = answer(self.workloads.get(&self.rollout.workload)).await?;
        let selector = workload.spec.as_ref().map(|spec| spec.selector.clone()).unwrap_or_default();
        let pods = match Selector::try_from(selector) {
            Ok(selector) => {
                answer(self.pods.list(&ListParams::default().labels_from(&selector))).await?.items
            }
            // A selector that the client cannot read: the workload's own figures still decide.
            Err(_) => Vec::new(),
        };
        Ok(judge(&workload, &pods, wanted))
    }

    /// The old image again, unless somebody else has taken over.
    async fn put_back(&self, before: &Target, wanted: &Target, why: &str) -> End {
        if !self.rollout.returns {
            let message = format!("{why}; the new image stays, since the service's rollback is off");
            return End { code: ROLLOUT_FAILED, message };
        }
        println!("{why}; putting {} back", short(&before.image));
        let limit = if self.stop.is_cancelled() { HURRIED_RETURN_LIMIT } else { RETURN_LIMIT };
        let until = Instant::now() + limit;
        loop {
            match self.try_to_put_back(before, wanted).await {
                Ok(None) => break,
                Ok(Some(by)) => return End { code: SUPERSEDED, message: by },
                Err(refusal) if Instant::now() >= until => {
                    let message =
                        format!("{why}; {} could not be put back: {}", short(&before.image), refusal.text);
                    return End { code: ROLLOUT_FAILED, message };
                }
                Err(_) => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        }
        match self.wait(before, limit, None).await {
            Ok(_) => {
                End { code: ROLLED_BACK, message: format!("{why}; {} serves again", short(&before.image)) }
            }
            Err(GivenUp::Superseded(by)) => End { code: SUPERSEDED, message: by },
            Err(GivenUp::Broken(_)) => End {
                code: ROLLOUT_FAILED,
                message: format!("{why}; {} was put back and does not serve either", short(&before.image)),
            },
        }
    }

    /// Patches exactly the version that was judged, so that a change in between is not undone.
    async fn try_to_put_back(&self, before: &Target, wanted: &Target) -> Result<Option<String>, Refusal> {
        let workload = answer(self.workloads.get(&self.rollout.workload)).await?;
        if let Next::Superseded(by) = judge(&workload, &[], wanted) {
            // A patch whose answer was lost shows as somebody else's; it is our own.
            let is_back = !matches!(judge(&workload, &[], before), Next::Superseded(_));
            return Ok((!is_back).then_some(by));
        }
        answer(self.patch(before, workload.resource_version().as_deref())).await.map(|_| None)
    }
}

/// An image without its digest, for sentences; the log has it once in full.
fn short(image: &str) -> &str {
    image.split('@').next().unwrap_or(image)
}

async fn cancelled(stop: Option<&CancellationToken>) {
    match stop {
        Some(stop) => stop.cancelled().await,
        None => std::future::pending().await,
    }
}
