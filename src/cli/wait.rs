//! Waits for the end of a deployment, across restarts of the server, and says how it ended.

use std::cell::RefCell;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

use crate::cli::answer::Answer;
use crate::cli::client::{Client, path};
use crate::cli::failure::{FAILED, Failure, INTERRUPTED, UNKNOWN};
use crate::cli::log_text::LogText;
use crate::cli::output::{Output, Style, has_colour, shown, text};
use crate::cli::remote::Session;
use crate::domain::{Span, Status, Timestamp};
use crate::wire::deployment::DeploymentJson;

/// Seconds that the server holds a call while nothing changes; proxies cut at 30.
const HOLD_SECONDS: u32 = 25;
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
pub(super) async fn until_ended(
    session: &Session,
    id: &str,
    patience: Patience,
) -> Result<Answer<DeploymentJson>, Failure> {
    let how_to_go_on = format!("go on waiting: stackblaze deployment wait {id}{}", session.place);
    // Before anything is said: whoever reads it may press Ctrl-C at once.
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for Ctrl-C")?;
    let away = RefCell::new(None);
    tokio::select! {
        ended = look_until_ended(session, id, &away) => ended.map_err(|failure| match failure.code {
            UNKNOWN => failure.hint(how_to_go_on),
            _ => failure,
        }),
        () = tokio::time::sleep(patience.timeout.duration()) => {
            let text = match away.take() {
                Some(why) => format!("whether {id} has ended is not known; the server could not be asked: {why}"),
                None => format!("{id} has not ended within {}", patience.timeout),
            };
            Err(Failure::new(UNKNOWN, text).hint(how_to_go_on))
        }
        _ = interrupt.recv() => {
            let text = format!("stopped waiting; {id} goes on");
            Err(Failure::new(INTERRUPTED, text).hint(how_to_go_on))
        }
    }
}

/// Looks at it again and again. While the server cannot be asked, `away` says why.
async fn look_until_ended(
    session: &Session,
    id: &str,
    away: &RefCell<Option<String>>,
) -> Result<Answer<DeploymentJson>, Failure> {
    let mut progress = Progress::new(session.out);
    let mut away_since = None;
    let mut hold = String::new();
    loop {
        let began = Instant::now();
        match session.client.get(&format!("{}{hold}", path(&["deployments", id]))).await {
            Ok(answer) => {
                let deployment: Answer<DeploymentJson> = Answer::read(answer)?;
                away_since = None;
                away.take();
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
                away.replace(Some(failure.text.clone()));
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
pub(super) fn is_final(deployment: &DeploymentJson) -> bool {
    Status::parse(&deployment.status).is_some_and(Status::is_final)
}

/// Seconds between two times, as `3.1 s`; empty where one is missing.
pub(super) fn duration(from: Option<Timestamp>, to: Option<Timestamp>) -> String {
    let (Some(from), Some(to)) = (from, to) else { return String::new() };
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
    fn show(&mut self, deployment: &DeploymentJson) -> bool {
        let mut has_changed = false;
        for step in deployment.steps.iter().skip(self.ended) {
            if step.finished_at.is_none() {
                break;
            }
            self.ended += 1;
            has_changed = true;
            let took = duration(step.started_at, step.finished_at);
            self.out.note(&format!("  {:8}{:10} {took}", step.name, step.status));
        }
        let status = deployment.status.to_string();
        if status != self.status && !is_final(deployment) {
            self.out.note(&match deployment.queue_position {
                None => status.clone(),
                Some(place) => format!("{status}, place {place}"),
            });
            has_changed = true;
        }
        self.status = status;
        has_changed
    }
}

/// Says how a deployment ended, and the exit code of that: 0 or 1.
pub(super) fn verdict(session: &Session, deployment: &Answer<DeploymentJson>) -> ExitCode {
    let out = session.out;
    let status = &deployment.status;
    out.result(&deployment.json, &Style::of(status).paint(status, has_colour(&std::io::stdout())));
    if *status == Status::Succeeded.as_str() {
        return ExitCode::SUCCESS;
    }
    explain(out, deployment);
    session.next(&format!("stackblaze deployment logs {}", deployment.deployment_id));
    ExitCode::from(FAILED)
}

/// Why a deployment failed: reason, message and the last lines of the step.
fn explain(out: Output, deployment: &Answer<DeploymentJson>) {
    let reason = shown(deployment.reason.as_ref());
    out.note(&match &deployment.message {
        Some(message) if !message.is_empty() => format!("{reason}: {message}"),
        _ => reason,
    });
    let detail = deployment.details.as_ref().and_then(|details| details.detail.as_ref());
    if let Some(line) = detail {
        out.note(&format!("  {line}"));
    }
    // The lines as they came: what a build prints for a terminal is taken out by the filter of logs.
    let failure = &deployment.json["failure"];
    let lines: Vec<&str> =
        failure["logTail"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if lines.is_empty() {
        return;
    }
    out.note(&format!("The last lines of {}:", text(failure, "step")));
    let mut filter = LogText::new(false);
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
pub(super) async fn look(client: &Client, id: &str) -> Result<Answer<DeploymentJson>, Failure> {
    Answer::read(client.get(&path(&["deployments", id])).await?)
}
