//! One release step at work: makes the Job or takes up the one that is there, and follows it.

use std::collections::HashMap;
use std::time::Duration;

use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::{Client, ResourceExt};
use tokio::time::{Instant, sleep};

use crate::executor::exit_codes::RELEASE_FAILED;
use crate::executor::step_failure::StepFailure;
use crate::executor::tekton::client::{Refusal, RefusalKind, answer};
use crate::executor::tekton::names::DEPLOYMENT;
use crate::executor::tekton::steps::rollout::pods::{Trouble, name, troubles};
use crate::executor::tekton::steps::rollout::watch::hopeless;
use crate::executor::tekton::workload_object::{Found, objects};

use super::job::job;
use super::log::JobLog;
use super::moment::Moment;
use super::{Release, jobs};

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long calls are repeated where the cluster does not answer.
const SILENCE_LIMIT: Duration = Duration::from_mins(1);
/// Looks without a pod before the cluster is asked why, and between two such questions.
const LOOKS_WITHOUT_POD: u32 = 10;

/// A release command while it is run.
pub(super) struct Session<'a> {
    release: &'a Release,
    /// Namespace and name, for people.
    title: String,
    workloads: Api<DynamicObject>,
    jobs: Api<DynamicObject>,
    pods: Api<core::Pod>,
    events: Api<core::Event>,
}

impl<'a> Session<'a> {
    pub(super) fn new(client: &Client, release: &'a Release) -> Self {
        let namespace = &release.workload.namespace;
        Self {
            release,
            title: format!("Job {namespace}/{}", release.job),
            workloads: objects(client, &release.workload),
            jobs: jobs(client, namespace),
            pods: Api::namespaced(client.clone(), namespace),
            events: Api::namespaced(client.clone(), namespace),
        }
    }

    /// Runs it to its end.
    pub(super) async fn run(&self) -> Result<(), StepFailure> {
        self.create_or_adopt().await?;
        self.follow().await
    }

    async fn create_or_adopt(&self) -> Result<(), StepFailure> {
        let until = Instant::now() + SILENCE_LIMIT;
        loop {
            let refusal = match answer(self.jobs.get(&self.release.job)).await {
                Ok(job) => return self.adopt(&job),
                Err(refusal) if refusal.kind == RefusalKind::Missing => match self.create().await? {
                    Ok(()) => return Ok(()),
                    Err(refusal) => refusal,
                },
                Err(refusal) => refusal,
            };
            let is_passing = matches!(refusal.kind, RefusalKind::Busy(_) | RefusalKind::Conflict);
            if !is_passing || Instant::now() >= until {
                return Err(self.refused(&refusal));
            }
            println!("trying again: {}", refusal.text);
            sleep(LOOK_INTERVAL).await;
        }
    }

    fn adopt(&self, job: &DynamicObject) -> Result<(), StepFailure> {
        if job.annotations().get(DEPLOYMENT) != Some(&self.release.deployment) {
            let message = "a Job of the release command's name is there and is not this deployment's";
            return Err(StepFailure::new(RELEASE_FAILED, message).with_detail(&self.title));
        }
        println!("{} is there already; it is followed and not made again", self.title);
        Ok(())
    }

    /// The outer error is for good; the inner one may pass.
    async fn create(&self) -> Result<Result<(), Refusal>, StepFailure> {
        let workload = &self.release.workload;
        let object = match answer(self.workloads.get(&workload.name)).await {
            Ok(object) => object,
            Err(refusal) if refusal.kind == RefusalKind::Missing => {
                let failure = StepFailure::new(RELEASE_FAILED, "a workload is not there");
                return Err(failure.with_detail(format!("there is no {}", workload.title())));
            }
            Err(refusal) => return Ok(Err(refusal)),
        };
        let cannot = |detail: String| {
            StepFailure::new(RELEASE_FAILED, "a workload cannot be deployed to").with_detail(detail)
        };
        let made = job(&Found::new(workload.kind, object), self.release).map_err(cannot)?;
        let object = serde_json::from_value(made.job).map_err(|error| cannot(error.to_string()))?;
        if let Err(refusal) = answer(self.jobs.create(&PostParams::default(), &object)).await {
            return Ok(Err(refusal));
        }
        println!("{}: {}", self.title, self.release.image);
        for volume in made.unmounted {
            println!("{volume} is a claim of the StatefulSet's own pods and is not mounted");
        }
        Ok(Ok(()))
    }

    fn refused(&self, refusal: &Refusal) -> StepFailure {
        let namespace = &self.release.workload.namespace;
        let (message, detail) = match refusal.kind {
            RefusalKind::Forbidden => (
                "the release step may not make its Job; apply stackblaze manifests with --release-jobs",
                format!("{}; --release-jobs {namespace}", refusal.text),
            ),
            RefusalKind::Busy(_) => ("the cluster did not answer", refusal.text.clone()),
            _ => ("the cluster refuses the Job of the release command", refusal.text.clone()),
        };
        StepFailure::new(RELEASE_FAILED, message).with_detail(detail)
    }

    /// Passes the log on until the Job has ended.
    async fn follow(&self) -> Result<(), StepFailure> {
        let (mut log, mut known, mut told, mut bare) = (JobLog::new(), HashMap::new(), String::new(), 0);
        let mut warning = String::new();
        loop {
            let moment = match self.look().await {
                Ok(moment) => moment,
                Err(refusal) if refusal.kind == RefusalKind::Missing => {
                    let failure =
                        StepFailure::new(RELEASE_FAILED, "the Job of the release command was deleted");
                    return Err(failure.with_detail(log.last_line()));
                }
                Err(refusal) => {
                    say(&mut told, format!("the cluster does not tell: {}", refusal.text));
                    sleep(LOOK_INTERVAL).await;
                    continue;
                }
            };
            let was_over = moment.is_over();
            self.pass_on(&moment, &mut log).await;
            if moment.has_succeeded() {
                return Ok(());
            }
            if was_over {
                return Err(moment.failure(self.release.limit, log.last_line(), &warning));
            }
            let seen: Vec<Trouble> = moment.pod.iter().flat_map(troubles).collect();
            if let Some(cause) = hopeless(&mut known, &seen, Instant::now()) {
                if let Err(refusal) = self.delete().await {
                    println!("{} cannot be deleted: {}", self.title, refusal.text);
                }
                let message = format!("the release command could not begin: {}", cause.message);
                return Err(StepFailure::new(RELEASE_FAILED, message).with_detail(cause.detail));
            }
            bare = if moment.pod.is_some() { 0 } else { bare + 1 };
            if bare > 0 && bare % LOOKS_WITHOUT_POD == 0 {
                warning = self.warning().await;
            }
            let waits = moment.waits_for();
            say(
                &mut told,
                if warning.is_empty() || bare == 0 { waits } else { format!("{waits}: {warning}") },
            );
            sleep(LOOK_INTERVAL).await;
        }
    }

    async fn look(&self) -> Result<Moment, Refusal> {
        let job = answer(self.jobs.get(&self.release.job)).await?;
        let own = ListParams::default().labels(&format!("batch.kubernetes.io/job-name={}", self.release.job));
        let pods = match answer(self.pods.list(&own)).await {
            Ok(pods) => pods.items,
            // The Job's own word is enough.
            Err(refusal) if refusal.kind == RefusalKind::Forbidden => Vec::new(),
            Err(refusal) => return Err(refusal),
        };
        Ok(Moment { job, pod: pods.into_iter().next() })
    }

    /// What the command has written; to its end where it has ended.
    async fn pass_on(&self, moment: &Moment, log: &mut JobLog) {
        let Some(pod) = moment.pod.as_ref().filter(|_| moment.has_begun()) else { return };
        let until = Instant::now() + SILENCE_LIMIT;
        while let Err(refusal) = log.pass_on(&self.pods, name(pod), moment.main()).await {
            let is_passing = matches!(refusal.kind, RefusalKind::Busy(_)) && Instant::now() < until;
            if !moment.has_ended() || !is_passing {
                if moment.has_ended() {
                    println!("the rest of its log cannot be read: {}", refusal.text);
                }
                return;
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// What the cluster says last of a Job that has no pod.
    async fn warning(&self) -> String {
        let about = format!("involvedObject.name={},type=Warning", self.release.job);
        let found = answer(self.events.list(&ListParams::default().fields(&about))).await;
        let events = found.map(|found| found.items).unwrap_or_default();
        events.into_iter().next_back().and_then(|event| event.message).unwrap_or_default().replace('\n', " ")
    }

    /// Whether there was one to delete; asked again while the cluster does not answer.
    async fn delete(&self) -> Result<bool, Refusal> {
        loop {
            match answer(self.jobs.delete(&self.release.job, &DeleteParams::background())).await {
                Ok(_) => {
                    println!("{} was deleted", self.title);
                    return Ok(true);
                }
                Err(refusal) if refusal.kind == RefusalKind::Missing => return Ok(false),
                Err(refusal) if matches!(refusal.kind, RefusalKind::Busy(_)) => sleep(LOOK_INTERVAL).await,
                Err(refusal) => return Err(refusal),
            }
        }
    }
}

/// A line of the log, unless it was the last one too.
fn say(told: &mut String, text: String) {
    if text != *told {
        if !text.is_empty() {
            println!("{text}");
        }
        *told = text;
    }
}
