//! The release step: runs the service's release command once, as a Job with the new image, before anything is changed.
//!
//! The Job is named after the run, so a second step of the same run finds what the first one made and follows it: a command
//! that changes a database must not run twice. A step that is told to stop leaves it: its pod may have to go for a node's
//! sake, and another takes its place. Where the run ends, the task that comes last ends the Job.

mod job;
mod log;
mod moment;
mod session;

use std::path::PathBuf;
use std::time::Duration;

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject};
use kube::{Client, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::domain::{ReleaseCommand, Workload};
use crate::executor::exit_codes::{RELEASE_FAILED, SUCCEEDED};
use crate::executor::step_failure::StepFailure;
use crate::executor::tekton::client::answer;
use crate::executor::tekton::names::DEPLOYMENT;

use moment::Moment;
use session::Session;

/// A release command to run.
#[derive(Debug, Clone)]
pub struct Release {
    /// Whose pod template it is run by.
    pub workload: Workload,
    /// The image without tag and digest.
    pub repository: String,
    /// `repository:tag@digest`.
    pub image: String,
    /// Name of the Job.
    pub job: String,
    /// The deployment's id.
    pub deployment: String,
    /// The installation of the server.
    pub instance: String,
    /// The service's name.
    pub service: String,
    /// What is run.
    pub command: ReleaseCommand,
    /// How long it may take.
    pub limit: Duration,
    /// File for the sentence about a failure.
    pub message_file: PathBuf,
    /// File for what is known beside it.
    pub detail_file: PathBuf,
}

/// Runs it and gives the exit code of the table. `stop` is cancelled by SIGTERM.
pub async fn run(client: Client, release: &Release, stop: &CancellationToken) -> u8 {
    let session = Session::new(&client, release);
    let ended = tokio::select! {
        ended = session.run() => ended,
        () = stop.cancelled() => Err(stopped()),
    };
    match ended {
        Ok(()) => {
            println!("the release command has succeeded");
            SUCCEEDED
        }
        Err(failure) => {
            if let Some(detail) = &failure.detail {
                println!("{detail}");
            }
            failure.tell(&release.message_file, &release.detail_file)
        }
    }
}

fn stopped() -> StepFailure {
    let message =
        "the step was stopped while its release command ran; where the run ends, the command is ended too";
    StepFailure::new(RELEASE_FAILED, message)
}

/// Ends the Job of a run that has ended before it. One that has ended stays.
pub async fn end_left(client: &Client, namespace: &str, job: &str, deployment: &str) {
    let jobs = jobs(client, namespace);
    let Ok(found) = answer(jobs.get(job)).await else { return };
    let is_over = Moment { job: found.clone(), pod: None }.is_over();
    if is_over || found.annotations().get(DEPLOYMENT).is_none_or(|own| own != deployment) {
        return;
    }
    match answer(jobs.delete(job, &DeleteParams::background())).await {
        Ok(_) => println!("the release command still ran: Job {namespace}/{job} was deleted"),
        Err(refusal) => println!("Job {namespace}/{job} cannot be deleted: {}", refusal.text),
    }
}

fn jobs(client: &Client, namespace: &str) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: "batch".to_owned(),
        version: "v1".to_owned(),
        api_version: "batch/v1".to_owned(),
        kind: "Job".to_owned(),
        plural: "jobs".to_owned(),
    };
    Api::namespaced_with(client.clone(), namespace, &resource)
}
