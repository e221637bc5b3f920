//! What the demo prints.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::path::Path;

use serde_json::Value;

use crate::cli::answer::Answer;
use crate::cli::client::{Client, path};
use crate::cli::demo::sample::{BRANCH, BROKEN};
use crate::cli::failure::Failure;
use crate::cli::log_text::LogText;
use crate::cli::logs::{Follower, Part};
use crate::cli::output::{Style, clean, has_colour, shown, write_out};
use crate::cli::wait::{duration, look};
use crate::wire::deployment::{DeploymentJson, StepJson};

/// Where the third column of the steps begins.
const INDENT: &str = "             ";
/// Widest line that is shown while a step runs, in characters.
const LIVE_WIDTH: usize = 78;

/// Prints for people, or with `--json` one line for programs.
pub(super) struct Show {
    is_json: bool,
    has_colour: bool,
    is_terminal: bool,
}

impl Show {
    pub(super) fn new(is_json: bool) -> Self {
        let stdout = std::io::stdout();
        let (has_colour, is_terminal) = (has_colour(&stdout), stdout.is_terminal());
        Self { is_json, has_colour, is_terminal }
    }

    pub(super) fn is_json(&self) -> bool {
        self.is_json
    }

    pub(super) fn line(&self, text: &str) {
        if !self.is_json {
            write_out(format!("{text}\n").as_bytes());
        }
    }

    pub(super) fn head(&self, data_dir: &Path, is_kept: bool) {
        self.line(&format!(
            "StackBlaze {} demo · executor local: builds run on this host",
            env!("CARGO_PKG_VERSION")
        ));
        let fate = if is_kept { "kept on exit" } else { "removed on exit; keep with --keep" };
        self.line(&format!("data   {} ({fate})\n", data_dir.display()));
    }

    pub(super) fn service(&self, name: &str) {
        self.line(&format!("1 service    {name:8} sample repository, branches main, {BRANCH}, {BROKEN}"));
    }

    pub(super) fn hook(&self, name: &str, url: &str) {
        self.line(&format!("2 hook       {name:8} {url}   (shown once)"));
    }

    pub(super) fn trigger(&self, url: &str, accepted: &Value) {
        self.line(&format!("3 trigger    curl --fail-with-body -X POST \"{url}\""));
        self.line(&format!("{INDENT}202 {accepted}"));
        self.line("4 deploy     queued");
    }

    /// What the first deployment has put in its place.
    pub(super) fn site(&self, folder: &Path) {
        self.line(&format!("{INDENT}serving file://{}/current/index.html", folder.display()));
    }

    pub(super) fn broken(&self) {
        self.line(&format!(
            "\n5 fail       the same call with \"?branch={BROKEN}\": a page of it lacks its end, on purpose"
        ));
    }

    pub(super) fn page(&self, url: &str) {
        self.line(&format!("{INDENT}its page, once signed in: {url}"));
    }

    /// Follows log and steps to the end; the object of the deployment then.
    pub(super) async fn follow(&self, caller: &Client, id: &str) -> Result<Answer<DeploymentJson>, Failure> {
        let mut steps = Steps { show: self, last_lines: HashMap::new(), ended: 0 };
        let mut follower = Follower::new(caller, id);
        while let Some(part) = follower.next().await? {
            // The log is in order: once a step speaks, those before it have said everything.
            if steps.note(&part) {
                steps.show_ended(&*look(caller, id).await?, Some(part.step.as_str()));
            }
        }
        let deployment = look(caller, id).await?;
        steps.show_ended(&deployment, None);
        steps.show_end(&deployment);
        Ok(deployment)
    }

    pub(super) fn tail(&self, base: &str, hook_url: &str, id: &str, sign_in_url: &str) {
        let status = path(&["deployments", id]);
        self.line(&format!("\nDashboard    {sign_in_url}   (one use, 15 min)"));
        if let Some(tunnel) = tunnel(base) {
            self.line(&format!("{INDENT}from your own machine first: {tunnel}"));
        }
        let post = format!("curl --fail-with-body -X POST \"{hook_url}?branch={BRANCH}&clear_cache=true\"");
        self.line(&format!("Try next     {post}"));
        self.line(&format!("{INDENT}curl {base}{status}"));
    }

    pub(super) fn stopping(&self, is_once: bool) {
        if !is_once {
            self.line("\nStopping.");
        }
    }

    /// A line that the next one takes the place of; on a terminal only.
    fn live(&self, text: &str) {
        if !self.is_terminal || self.is_json {
            return;
        }
        let text: String = text.chars().take(LIVE_WIDTH).collect();
        print!("\r\x1b[K{text}");
        drop(std::io::stdout().flush());
    }
}

/// Over ssh the browser is elsewhere, and the server listens on this machine's loopback only.
fn tunnel(base: &str) -> Option<String> {
    let connection = std::env::var_os("SSH_CONNECTION")?.into_string().ok()?;
    let host = connection.split(' ').nth(2)?;
    let port = base.rsplit(':').next()?;
    let user = std::env::var_os("USER").and_then(|user| user.into_string().ok());
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    Some(format!("ssh -L {port}:127.0.0.1:{port} {user}{host}"))
}

/// The lines of the three steps.
struct Steps<'a> {
    show: &'a Show,
    last_lines: HashMap<String, String>,
    ended: usize,
}

impl Steps<'_> {
    /// Keeps what a step says last. True where it speaks for the first time.
    fn note(&mut self, part: &Part) -> bool {
        let plain = LogText::new(false).filter(part.text.as_bytes());
        let plain = String::from_utf8_lossy(&plain);
        let Some(line) = plain.lines().map(str::trim).rfind(|line| !line.is_empty()) else { return false };
        self.show.live(&format!("{INDENT}{:8}{line}", part.step));
        self.last_lines.insert(part.step.clone(), line.to_owned()).is_none()
    }

    /// Shows the steps that have ended, up to one that has not.
    fn show_ended(&mut self, deployment: &DeploymentJson, until: Option<&str>) {
        for step in deployment.steps.iter().skip(self.ended) {
            let is_open = step.finished_at.is_none() || step.started_at.is_none();
            if is_open || until == Some(step.name.as_ref()) {
                break;
            }
            self.ended += 1;
            self.show.live("");
            self.show.line(&self.line(deployment, step));
        }
    }

    fn line(&self, deployment: &DeploymentJson, step: &StepJson) -> String {
        let name = step.name.as_ref();
        let last = self.last_lines.get(name).map(|line| clean(line)).unwrap_or_default();
        let subject = deployment.details.as_ref().and_then(|details| details.commit_subject.as_deref());
        let note = match &deployment.commit {
            Some(commit) if name == "clone" => format!("{} {}", commit.short(), subject.unwrap_or_default()),
            _ => last,
        };
        let took = duration(step.started_at, step.finished_at);
        let word = if step.status == "succeeded" { "ok" } else { step.status.as_ref() };
        let word = Style::of(word).paint(word, self.show.has_colour);
        format!("{INDENT}{name:7} {took:>5}  {word}   {note}").trim_end().to_owned()
    }

    fn show_end(&self, deployment: &DeploymentJson) {
        let show = self.show;
        show.live("");
        let painted = Style::of(&deployment.status).paint(&deployment.status, show.has_colour);
        if deployment.status == "succeeded" {
            let took = duration(Some(deployment.created_at), deployment.finished_at);
            show.line(&format!("{INDENT}{painted} in {took}"));
            return;
        }
        let (reason, message) = (shown(deployment.reason.as_ref()), shown(deployment.message.as_ref()));
        show.line(&format!("{INDENT}{painted}, {reason}: {message}"));
        let failure = deployment.details.as_ref().and_then(|details| details.failure.as_ref());
        for line in failure.iter().filter_map(|failure| failure.log_tail.as_ref()).flatten() {
            show.line(&format!("{INDENT}{line}"));
        }
    }
}
