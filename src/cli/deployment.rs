//! `stackblaze deployment`: what was deployed, how it went, and doing it again.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::answer::Answer;
use crate::cli::client::{self, path};
use crate::cli::completions;
use crate::cli::deployment_list::ListArgs;
use crate::cli::failure::Failure;
use crate::cli::log_text::LogText;
use crate::cli::logs::Follower;
use crate::cli::output::{age, has_colour, or_dash, shown, write_out};
use crate::cli::remote::{Remote, Session};
use crate::cli::wait::{self, Patience, after_accepted, duration, look, until_ended};
use crate::config::DataDir;
use crate::wire::deployment::{DeploymentDetails, DeploymentJson, StepJson, WorkloadJson};

/// Deployments: what was deployed and how it went
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze deployment list api
  stackblaze deployment logs -f dep_mwuangvh9xk2mq7rz4tb
  stackblaze deployment rollback dep_mwuangvh9xk2mq7rz4tb --wait")]
pub(super) struct DeploymentCommand {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List deployments, newest first: of one service or of all
    #[command(after_long_help = "Examples:
  stackblaze deployment list
  stackblaze deployment list api
  stackblaze deployment list api --status failed --limit 5")]
    List(ListArgs),
    /// Show a deployment with its steps
    #[command(after_long_help = "Example:
  stackblaze deployment show dep_mwuangvh9xk2mq7rz4tb")]
    Show {
        /// Id of the deployment
        #[arg(add = completions::of_deployments())]
        id: String,
    },
    /// Print the log of a deployment
    #[command(after_long_help = "Examples:
  stackblaze deployment logs dep_mwuangvh9xk2mq7rz4tb
  stackblaze deployment logs -f dep_mwuangvh9xk2mq7rz4tb
  stackblaze deployment logs --tail 50 dep_mwuangvh9xk2mq7rz4tb")]
    Logs {
        /// Id of the deployment
        #[arg(add = completions::of_deployments())]
        id: String,
        /// Go on until the deployment has ended, also across a restart of the server
        #[arg(long, short)]
        follow: bool,
        /// Only so many lines from the end
        #[arg(long, value_name = "LINES", conflicts_with = "follow")]
        tail: Option<usize>,
    },
    /// Stop a deployment that is queued or runs
    #[command(after_long_help = "Example:
  stackblaze deployment cancel dep_mwuangvh9xk2mq7rz4tb")]
    Cancel {
        /// Id of the deployment
        #[arg(add = completions::of_deployments())]
        id: String,
    },
    /// Wait for the end; the exit code tells it: 0 succeeded, 1 failed, 2 unknown
    #[command(after_long_help = "Examples:
  stackblaze deployment wait dep_mwuangvh9xk2mq7rz4tb
  stackblaze deployment wait dep_mwuangvh9xk2mq7rz4tb --timeout 20m \\
      --server https://deploy.example.com

Exit codes: 0 succeeded, 1 failed, 130 Ctrl-C,
2 unknown (no end within --timeout, or the server stayed away).")]
    Wait {
        /// Id of the deployment
        #[arg(add = completions::of_deployments())]
        id: String,
        #[command(flatten)]
        patience: Patience,
    },
    /// Build and deploy the same commit once more
    #[command(after_long_help = "Example:
  stackblaze deployment redeploy dep_mwuangvh9xk2mq7rz4tb --clear-cache --wait")]
    Redeploy {
        /// Id of the deployment
        #[arg(add = completions::of_deployments())]
        id: String,
        /// Empty the build cache first
        #[arg(long)]
        clear_cache: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Serve again what this deployment served
    #[command(after_long_help = "Example:
  stackblaze deployment rollback dep_mwuangvh9xk2mq7rz4tb --freeze --wait")]
    Rollback {
        /// Id of the deployment
        #[arg(add = completions::of_deployments())]
        id: String,
        /// Freeze the service too, so that no call deploys over it
        #[arg(long)]
        freeze: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
}

#[derive(Debug, Args)]
struct Waiting {
    /// Wait for the end, and let the exit code tell it
    #[arg(long)]
    wait: bool,
    #[command(flatten)]
    patience: Patience,
}

impl DeploymentCommand {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<ExitCode, Failure> {
        let session = self.remote.open(data_dir)?;
        match self.verb {
            Verb::List(list) => list.run(&session).await,
            Verb::Show { id } => show(&session, &id).await,
            Verb::Logs { id, follow: true, .. } => follow_logs(&session, &id).await,
            Verb::Logs { id, follow: false, tail } => logs(&session, &id, tail).await,
            Verb::Cancel { id } => cancel(&session, &id).await,
            Verb::Wait { id, patience } => {
                let deployment = until_ended(&session, &id, patience).await?;
                Ok(wait::verdict(&session, &deployment))
            }
            Verb::Redeploy { id, clear_cache, waiting } => {
                let query = if clear_cache { "?clear_cache=true" } else { "" };
                again(&session, &format!("{}{query}", path(&["deployments", &id, "redeploy"])), waiting).await
            }
            Verb::Rollback { id, freeze, waiting } => {
                let query = if freeze { "?freeze=true" } else { "" };
                again(&session, &format!("{}{query}", path(&["deployments", &id, "rollback"])), waiting).await
            }
        }
    }
}

async fn again(session: &Session, path: &str, waiting: Waiting) -> Result<ExitCode, Failure> {
    let accepted = session.client.post(path, &json!({})).await?;
    after_accepted(session, &accepted, waiting.wait, waiting.patience).await
}

async fn show(session: &Session, id: &str) -> Result<ExitCode, Failure> {
    let deployment = look(&session.client, id).await?;
    if session.out.printed_as_json(&deployment.json) {
        return Ok(ExitCode::SUCCESS);
    }
    let details = deployment.details.as_ref();
    let detail = |of: fn(&DeploymentDetails) -> String| details.map(of).unwrap_or_default();
    let commit = shown(deployment.commit.as_ref());
    let subject = detail(|details| shown(details.commit_subject.as_ref()));
    session.out.fields(&[
        ("id", deployment.deployment_id.to_string()),
        ("service", deployment.service.clone()),
        ("status", deployment.status.to_string()),
        ("reason", shown(deployment.reason.as_ref())),
        ("message", shown(deployment.message.as_ref())),
        ("detail", detail(|details| shown(details.detail.as_ref()))),
        ("queue place", shown(deployment.queue_position.as_ref())),
        ("superseded by", shown(deployment.superseded_by.as_ref())),
        ("branch", deployment.branch.to_string()),
        ("commit", format!("{commit} {subject}").trim().to_owned()),
        ("source", deployment.source.to_string()),
        ("image", shown(deployment.image.as_ref())),
        ("image says", detail(|details| shown(details.image_revision.as_ref()))),
        ("promoted from", detail(|details| shown(details.promoted_from.as_ref()))),
        ("digest", detail(|details| shown(details.image_digest.as_ref()))),
        ("note", detail(|details| shown(details.note.as_ref()))),
        ("started by", detail(|details| details.caller.clone())),
        ("hook", detail(|details| shown(details.hook.as_ref()))),
        ("ignored", detail(|details| details.ignored_parameters.join(" "))),
        ("created", age(Some(deployment.created_at))),
        ("took", duration(deployment.started_at, deployment.finished_at)),
        ("page", deployment.dashboard_url.clone()),
    ]);
    session.out.line("");
    show_steps(session, &deployment.steps);
    show_workloads(session, details.map_or(&[][..], |details| &details.workloads));
    Ok(ExitCode::SUCCESS)
}

/// How a deployment in a cluster left its workloads.
fn show_workloads(session: &Session, workloads: &[WorkloadJson]) {
    if workloads.is_empty() {
        return;
    }
    let row = |workload: &WorkloadJson| {
        let name = format!("{}/{}", workload.namespace, workload.name);
        let ready = format!("{}/{}", workload.ready, workload.desired);
        let container = or_dash(shown(workload.container.as_ref()));
        vec![workload.kind.to_string(), name, container, workload.status.to_string(), ready]
    };
    let rows: Vec<_> = workloads.iter().map(row).collect();
    session.out.line("");
    session.out.table(&["KIND", "WORKLOAD", "CONTAINER", "STATUS", "READY"], &rows, 1);
}

fn show_steps(session: &Session, steps: &[StepJson]) {
    let row = |step: &StepJson| {
        let took = or_dash(duration(step.started_at, step.finished_at));
        let exit_code = or_dash(shown(step.exit_code.as_ref()));
        vec![step.name.to_string(), step.status.to_string(), took, exit_code]
    };
    let rows: Vec<_> = steps.iter().map(row).collect();
    session.out.table(&["STEP", "STATUS", "TOOK", "EXIT CODE"], &rows, 1);
}

/// The log as it is now; with `tail` its last lines.
async fn logs(session: &Session, id: &str, tail: Option<usize>) -> Result<ExitCode, Failure> {
    let mut filter = LogText::new(has_colour(&std::io::stdout()));
    let path = path(&["deployments", id, "logs"]);
    let mut stream = session.client.stream(client::Verb::Get, &path, "text/plain").await?;
    let mut whole = Vec::new();
    while let Some(piece) = stream.next().await? {
        if session.out.json || tail.is_some() {
            whole.extend(piece);
        } else {
            write_out(&filter.filter(&piece));
        }
        if let Some(lines) = tail {
            whole.drain(..before_last(&whole, lines));
        }
    }
    if !session.out.json {
        write_out(&filter.filter(&whole));
    }
    if session.out.json {
        session.out.value(&json!({ "deploymentId": id, "text": String::from_utf8_lossy(&whole) }));
    }
    Ok(ExitCode::SUCCESS)
}

/// How many bytes stand before the last lines of a text.
fn before_last(text: &[u8], lines: usize) -> usize {
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let ends = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    match lines.checked_sub(1) {
        Some(others) => ends.map(|(at, _)| at + 1).nth(others).unwrap_or(0),
        None => text.len(),
    }
}

async fn follow_logs(session: &Session, id: &str) -> Result<ExitCode, Failure> {
    print_to_the_end(session, id).await?;
    let deployment = look(&session.client, id).await?;
    session.out.note(&format!("{id} {}", deployment.status));
    Ok(ExitCode::SUCCESS)
}

/// Prints a log as it is written, until the deployment has ended. With `--json` a line for each part, as the event stream
/// has them.
pub(super) async fn print_to_the_end(session: &Session, id: &str) -> Result<(), Failure> {
    let mut filter = LogText::new(has_colour(&std::io::stdout()));
    let mut follower = Follower::new(&session.client, id);
    while let Some(part) = follower.next().await? {
        if session.out.json {
            session.out.value(&json!({ "step": part.step, "text": part.text }));
        } else {
            write_out(&filter.filter(part.text.as_bytes()));
        }
    }
    Ok(())
}

async fn cancel(session: &Session, id: &str) -> Result<ExitCode, Failure> {
    let answer = session.client.post(&path(&["deployments", id, "cancel"]), &json!({})).await?;
    let deployment: Answer<DeploymentJson> = Answer::read(answer)?;
    let what = if wait::is_final(&deployment) { "cancelled" } else { "is being cancelled" };
    session.out.result(&deployment.json, &format!("{id} {what}"));
    session.next(&format!("stackblaze deployment show {id}"));
    Ok(ExitCode::SUCCESS)
}
