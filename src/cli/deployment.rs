//! `stackblaze deployment`: what was deployed, how it went, and doing it again.

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::config::DataDir;

use super::client::{self, path, query_value};
use super::failure::Failure;
use super::log_text::LogText;
use super::logs::Follower;
use super::output::{age, has_colour, items, or_dash, text, write_out};
use super::remote::{Remote, Session};
use super::wait::{self, Patience, after_accepted, duration, look, until_ended};

/// Characters of a commit that lists show.
const SHORT_COMMIT: usize = 7;

/// Deployments: what was deployed and how it went
#[derive(Debug, Args)]
#[command(after_help = "Examples:
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
    /// List the deployments of a service, newest first
    #[command(after_help = "Examples:
  stackblaze deployment list api
  stackblaze deployment list api --status failed --limit 5")]
    List(List),
    /// Show a deployment with its steps
    #[command(after_help = "Example:
  stackblaze deployment show dep_mwuangvh9xk2mq7rz4tb")]
    Show {
        /// Id of the deployment
        id: String,
    },
    /// Print the log of a deployment
    #[command(after_help = "Examples:
  stackblaze deployment logs dep_mwuangvh9xk2mq7rz4tb
  stackblaze deployment logs -f dep_mwuangvh9xk2mq7rz4tb")]
    Logs {
        /// Id of the deployment
        id: String,
        /// Go on until the deployment has ended, also across a restart of the server
        #[arg(long, short)]
        follow: bool,
    },
    /// Stop a deployment that is queued or runs
    #[command(after_help = "Example:
  stackblaze deployment cancel dep_mwuangvh9xk2mq7rz4tb")]
    Cancel {
        /// Id of the deployment
        id: String,
    },
    /// Wait for the end; the exit code tells it: 0 succeeded, 1 failed, 2 unknown
    #[command(after_help = "Examples:
  stackblaze deployment wait dep_mwuangvh9xk2mq7rz4tb
  stackblaze deployment wait dep_mwuangvh9xk2mq7rz4tb --timeout 20m \\
      --server https://deploy.example.com

Exit codes: 0 succeeded, 1 failed, 130 Ctrl-C,
2 unknown (no end within --timeout, or the server stayed away).")]
    Wait {
        /// Id of the deployment
        id: String,
        #[command(flatten)]
        patience: Patience,
    },
    /// Build and deploy the same commit once more
    #[command(after_help = "Example:
  stackblaze deployment redeploy dep_mwuangvh9xk2mq7rz4tb --clear-cache --wait")]
    Redeploy {
        /// Id of the deployment
        id: String,
        /// Empty the build cache first
        #[arg(long)]
        clear_cache: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Serve again what this deployment served
    #[command(after_help = "Example:
  stackblaze deployment rollback dep_mwuangvh9xk2mq7rz4tb --wait")]
    Rollback {
        /// Id of the deployment
        id: String,
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

#[derive(Debug, Args)]
struct List {
    /// Name of the service
    service: String,
    /// Only with this status: queued, building, deploying, succeeded or failed
    #[arg(long)]
    status: Option<String>,
    /// Only of this branch
    #[arg(long)]
    branch: Option<String>,
    /// At most so many, up to 100
    #[arg(long, value_name = "N", default_value = "20")]
    limit: u32,
    /// Only older ones than this
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

impl DeploymentCommand {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<ExitCode, Failure> {
        let session = self.remote.open(data_dir)?;
        match self.verb {
            Verb::List(list) => list.run(&session).await,
            Verb::Show { id } => show(&session, &id).await,
            Verb::Logs { id, follow: true } => follow_logs(&session, &id).await,
            Verb::Logs { id, follow: false } => logs(&session, &id).await,
            Verb::Cancel { id } => cancel(&session, &id).await,
            Verb::Wait { id, patience } => {
                let deployment = until_ended(&session, &id, patience).await?;
                Ok(wait::verdict(&session, &deployment))
            }
            Verb::Redeploy { id, clear_cache, waiting } => {
                let query = if clear_cache { "?clear_cache=true" } else { "" };
                again(&session, &format!("{}{query}", path(&["deployments", &id, "redeploy"])), waiting).await
            }
            Verb::Rollback { id, waiting } => {
                again(&session, &path(&["deployments", &id, "rollback"]), waiting).await
            }
        }
    }
}

async fn again(session: &Session, path: &str, waiting: Waiting) -> Result<ExitCode, Failure> {
    let accepted = session.client.post(path, &json!({})).await?;
    after_accepted(session, &accepted, waiting.wait, waiting.patience).await
}

impl List {
    async fn run(self, session: &Session) -> Result<ExitCode, Failure> {
        let mut query = format!("?limit={}", self.limit);
        for (name, value) in [("status", &self.status), ("branch", &self.branch), ("after", &self.after)] {
            if let Some(value) = value {
                // Writing to a text cannot fail.
                write!(query, "&{name}={}", query_value(value)).ok();
            }
        }
        let path = path(&["api", "v1", "services", &self.service, "deployments"]);
        let list = session.client.get(&format!("{path}{query}")).await?;
        if session.out.printed_as_json(&list) {
            return Ok(ExitCode::SUCCESS);
        }
        let items = items(&list);
        if items.is_empty() {
            session.out.note("No such deployments.");
            session.next(&format!("stackblaze deploy {}", self.service));
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<_> = items.iter().map(row).collect();
        session.out.table(&["ID", "STATUS", "BRANCH", "COMMIT", "TOOK", "CREATED", "WHAT"], &rows, 1);
        if let Some(next) = list["next"].as_str() {
            session.next(&format!("stackblaze deployment list {} --after {next}", self.service));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(deployment: &Value) -> Vec<String> {
    let commit: String = text(deployment, "commit").chars().take(SHORT_COMMIT).collect();
    let what = match text(deployment, "reason") {
        reason if reason.is_empty() => text(deployment, "commitSubject"),
        reason => reason,
    };
    vec![
        text(deployment, "deploymentId"),
        text(deployment, "status"),
        text(deployment, "branch"),
        or_dash(commit),
        or_dash(duration(deployment, "startedAt", "finishedAt")),
        age(deployment, "createdAt"),
        what,
    ]
}

async fn show(session: &Session, id: &str) -> Result<ExitCode, Failure> {
    let deployment = look(&session.client, id).await?;
    if session.out.printed_as_json(&deployment) {
        return Ok(ExitCode::SUCCESS);
    }
    let commit = format!("{} {}", text(&deployment, "commit"), text(&deployment, "commitSubject"));
    session.out.fields(&[
        ("id", text(&deployment, "deploymentId")),
        ("service", text(&deployment, "service")),
        ("status", text(&deployment, "status")),
        ("reason", text(&deployment, "reason")),
        ("message", text(&deployment, "message")),
        ("queue place", text(&deployment, "queuePosition")),
        ("superseded by", text(&deployment, "supersededBy")),
        ("branch", text(&deployment, "branch")),
        ("commit", commit.trim().to_owned()),
        ("started by", text(&deployment, "caller")),
        ("hook", text(&deployment, "hook")),
        ("ignored", text(&deployment, "ignoredParameters")),
        ("created", age(&deployment, "createdAt")),
        ("took", duration(&deployment, "startedAt", "finishedAt")),
        ("page", text(&deployment, "dashboardUrl")),
    ]);
    session.out.line("");
    show_steps(session, &deployment);
    Ok(ExitCode::SUCCESS)
}

fn show_steps(session: &Session, deployment: &Value) {
    let steps = deployment["steps"].as_array().map(Vec::as_slice).unwrap_or_default();
    let row = |step: &Value| {
        let took = or_dash(duration(step, "startedAt", "finishedAt"));
        vec![text(step, "name"), text(step, "status"), took, or_dash(text(step, "exitCode"))]
    };
    session.out.table(
        &["STEP", "STATUS", "TOOK", "EXIT CODE"],
        &steps.iter().map(row).collect::<Vec<_>>(),
        1,
    );
}

async fn logs(session: &Session, id: &str) -> Result<ExitCode, Failure> {
    let mut filter = LogText::new(has_colour(&std::io::stdout()));
    let path = path(&["deployments", id, "logs"]);
    let mut stream = session.client.stream(client::Verb::Get, &path, "text/plain").await?;
    let mut whole = Vec::new();
    while let Some(piece) = stream.next().await? {
        if session.out.json {
            whole.extend(piece);
        } else {
            write_out(&filter.filter(&piece));
        }
    }
    if session.out.json {
        session.out.value(&json!({ "deploymentId": id, "text": String::from_utf8_lossy(&whole) }));
    }
    Ok(ExitCode::SUCCESS)
}

/// With `--json` a line for each part, as the event stream has them.
async fn follow_logs(session: &Session, id: &str) -> Result<ExitCode, Failure> {
    let mut filter = LogText::new(has_colour(&std::io::stdout()));
    let mut follower = Follower::new(&session.client, id);
    while let Some(part) = follower.next().await? {
        if session.out.json {
            session.out.value(&json!({ "step": part.step, "text": part.text }));
        } else {
            write_out(&filter.filter(part.text.as_bytes()));
        }
    }
    let deployment = look(&session.client, id).await?;
    session.out.note(&format!("{id} {}", text(&deployment, "status")));
    Ok(ExitCode::SUCCESS)
}

async fn cancel(session: &Session, id: &str) -> Result<ExitCode, Failure> {
    let deployment = session.client.post(&path(&["deployments", id, "cancel"]), &json!({})).await?;
    let what = if wait::is_final(&deployment) { "cancelled" } else { "is being cancelled" };
    session.out.result(&deployment, &format!("{id} {what}"));
    session.next(&format!("stackblaze deployment show {id}"));
    Ok(ExitCode::SUCCESS)
}
