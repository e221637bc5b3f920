//! Waits for the end of a deployment, across restarts of the server, and says how it ended.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::domain::{Span, Status, Timestamp};

use super::client::{Client, path};
use super::failure::{FAILED, Failure, INTERRUPTED, UNKNOWN};
use super::output::{Output, Style, has_colour, text};
use super::remote::Session;

/// Seconds that the server holds a call while nothing changes.
const HOLD_SECONDS: u32 = 50;
/// Time between two tries while the server is away, and the least between two looks at one status.
const PAUSE: Duration = Duration::from_secs(1);
/// A server that is away for longer is given up.
const GONE: Duration = Duration::from_mins(15);

/// How long to wait.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Patience {
    /// Stop waiting after this time, with exit code 2; the deployment goes on
    #[arg(long, value_name = "DURATION", default_value = "2h")]
    timeout: Span,
}

/// Waits until a deployment has ended; its object. A server that is away is waited for.
///
/// # Errors
/// Code 2 where the time is up or the server stays away, 130 after Ctrl-C; the deployment goes on.
pub(super) async fn until_ended(session: &Session, id: &str, patience: Patience) -> Result<Value, Failure> {
    let how_to_go_on = format!("go on waiting: stackblaze deployment wait {id}{}", session.place);
    // Before anything is said: whoever reads it may press Ctrl-C at once.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    tokio::select! {
        ended = look_until_ended(session, id) => ended.map_err(|failure| match failure.code {
            UNKNOWN => failure.hint(how_to_go_on),
            _ => failure,
        }),
        () = tokio::time::sleep(patience.timeout.duration()) => {
            let text = format!("{id} has not ended within {}", patience.timeout);
            Err(Failure::new(UNKNOWN, text).hint(how_to_go_on))
        }
        _ = interrupt.recv() => {
            let text = format!("stopped waiting; {id} goes on");
            Err(Failure::new(INTERRUPTED, text).hint(how_to_go_on))
        }
    }
}

async fn look_until_ended(session: &Session, id: &str) -> Result<Value, Failure> {
    let mut progress = Progress::new(session.out);
    let mut away_since = None;
    let mut hold = String::new();
    loop {
        let began = Instant::now();
        match session.client.get(&format!("{}{hold}", path(&["deployments", id]))).await {
            Ok(deployment) => {
                away_since = None;
                hold = format!("?wait={HOLD_SECONDS}");
                let has_changed = progress.show(&deployment);
                if is_final(&deployment) {
                    return Ok(deployment);
                }
                // A server that drains answers at once; it is not to be asked in a loop.
                if !has_changed && began.elapsed() < PAUSE {
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Err(failure) if failure.is_temporary => {
                if away_since.is_none() {
                    session.out.note(&format!("{}; trying again …", failure.text));
                }
                if away_since.get_or_insert(began).elapsed() > GONE {
                    return Err(Failure { code: UNKNOWN, ..failure });
                }
                tokio::time::sleep(PAUSE).await;
            }
            Err(failure) => return Err(failure),
        }
    }
}

/// Whether a deployment's object shows a final status.
pub(super) fn is_final(deployment: &Value) -> bool {
    deployment["status"].as_str().and_then(Status::parse).is_some_and(Status::is_final)
}

/// Seconds between two times of an object, as `3.1 s`; empty where one is missing.
pub(super) fn duration(object: &Value, from: &str, to: &str) -> String {
    let at = |field: &str| Timestamp::parse(object[field].as_str().unwrap_or_default()).ok();
    let (Some(from), Some(to)) = (at(from), at(to)) else { return String::new() };
    format!("{:.1} s", to.since(from).as_secs_f64())
}

/// Tells each change of status and each step that ended, once, on stderr.
struct Progress {
    out: Output,
    status: String,
    ended: usize,
}

impl Progress {
    fn new(out: Output) -> Self {
        Self { out, status: String::new(), ended: 0 }
    }

    /// Tells what is new; whether anything was.
    fn show(&mut self, deployment: &Value) -> bool {
        let mut has_changed = false;
        for step in deployment["steps"].as_array().into_iter().flatten().skip(self.ended) {
            if step["finishedAt"].is_null() {
                break;
            }
            self.ended += 1;
            has_changed = true;
            let (name, status) = (text(step, "name"), text(step, "status"));
            self.out.note(&format!("  {name:8}{status:10} {}", duration(step, "startedAt", "finishedAt")));
        }
        let status = text(deployment, "status");
        if status != self.status && !is_final(deployment) {
            self.out.note(&match text(deployment, "queuePosition") {
                place if place.is_empty() => status.clone(),
                place => format!("{status}, place {place}"),
            });
            has_changed = true;
        }
        self.status = status;
        has_changed
    }
}

/// Says how a deployment ended, and the exit code of that: 0 or 1.
pub(super) fn verdict(session: &Session, deployment: &Value) -> ExitCode {
    let out = session.out;
    let has_succeeded = deployment["status"] == Status::Succeeded.as_str();
    let status = text(deployment, "status");
    out.result(deployment, &Style::of(&status).paint(&status, has_colour(&std::io::stdout())));
    if has_succeeded {
        return ExitCode::SUCCESS;
    }
    explain(out, deployment);
    let id = text(deployment, "deploymentId");
    session.next(&format!("stackblaze deployment logs {id}"));
    ExitCode::from(FAILED)
}

/// Why a deployment failed: reason, message and the last lines of the step.
fn explain(out: Output, deployment: &Value) {
    let (reason, message) = (text(deployment, "reason"), text(deployment, "message"));
    out.note(&if message.is_empty() { reason } else { format!("{reason}: {message}") });
    let failure = &deployment["failure"];
    let lines: Vec<&str> =
        failure["logTail"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if lines.is_empty() {
        return;
    }
    out.note(&format!("The last lines of {}:", text(failure, "step")));
    let mut filter = super::log_text::LogText::new(false);
    for line in lines {
        out.note(&format!("  {}", String::from_utf8_lossy(&filter.filter(line.as_bytes()))));
    }
}

/// Waits for a deployment that was just accepted, or says how to.
pub(super) async fn after_accepted(
    session: &Session,
    accepted: &Value,
    wait: bool,
    patience: Patience,
) -> Result<ExitCode, Failure> {
    let id = text(accepted, "deploymentId");
    if !(wait && session.out.json) {
        session.out.result(accepted, &id);
    }
    if !wait {
        session.next(&format!("stackblaze deployment wait {id}"));
        return Ok(ExitCode::SUCCESS);
    }
    let deployment = until_ended(session, &id, patience).await?;
    Ok(verdict(session, &deployment))
}

/// The object of a deployment, once.
pub(super) async fn look(client: &Client, id: &str) -> Result<Value, Failure> {
    client.get(&path(&["deployments", id])).await
}
