//! Reads what `buildctl --progress=rawjson` tells and turns it into the lines of a log. Pure.
//!
//! The stream is one JSON object a line (`client/graph.go` of BuildKit); what the client itself has to say follows as
//! plain text. Output comes in pieces that are cut anywhere and of several instructions in turn.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::domain::{LogLines, Redactor, Timestamp};

/// Shortest time that is told.
const WORTH_TELLING: Duration = Duration::from_millis(100);
/// What ends the error of an instruction that was stopped because another one failed.
const STOPPED: &str = "context canceled";
/// What the builder does for itself; told only where it fails.
const QUIET: [&str; 5] = ["[internal]", "[auth]", "docker-image://", "resolve image config", "local://"];
/// Looking for layers of earlier builds, and keeping those of this one: neither fails a build.
const CACHE_IN: &str = "importing cache manifest from";
const CACHE_OUT: &str = "exporting cache to";
/// What ends the error where no build has kept layers before.
const NOT_THERE: &str = ": not found";

/// An instruction, or something that the builder does beside them, that ended badly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FailedStep {
    /// As the builder calls it: `[build 3/7] RUN make`.
    pub(super) name: String,
    /// What it says.
    pub(super) error: String,
}

/// What is known so far.
#[derive(Default)]
pub(super) struct Progress {
    steps: HashMap<String, Step>,
    /// What the log has to be given.
    log: String,
    /// The one whose lines were told last.
    shown: Option<String>,
    redactor: Redactor,
    failed: Option<FailedStep>,
    plain: Vec<String>,
}

#[derive(Debug, Default)]
struct Step {
    name: String,
    lines: LogLines,
    is_running: bool,
    is_told: bool,
    has_ended: bool,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Status {
    vertexes: Vec<Vertex>,
    logs: Vec<Output>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Vertex {
    digest: String,
    name: String,
    started: Option<String>,
    completed: Option<String>,
    cached: bool,
    error: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Output {
    vertex: String,
    data: String,
}

impl Progress {
    /// Known secrets are blotted out in all that is told.
    pub(super) fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        Self { redactor: Redactor::new(secrets), ..Self::default() }
    }

    /// What was told since the last time.
    pub(super) fn log(&mut self) -> String {
        std::mem::take(&mut self.log)
    }

    /// Takes one line of the stream.
    pub(super) fn take(&mut self, line: &str) {
        match serde_json::from_str::<Status>(line) {
            Ok(status) if line.starts_with('{') => {
                for vertex in status.vertexes {
                    self.vertex(&vertex);
                }
                for output in status.logs {
                    self.output(&output);
                }
            }
            _ => self.plain.push(self.redactor.redact_line(line)),
        }
    }

    /// Nothing came for a moment: a line that has not ended, a prompt for one, ends as it stands.
    pub(super) fn pause(&mut self) {
        let open: Vec<_> = self
            .steps
            .iter()
            .filter(|(_, step)| step.lines.is_within_line())
            .map(|(digest, _)| digest.clone())
            .collect();
        for digest in &open {
            self.flush(digest);
        }
    }

    /// Tells that what runs has been silent for a while.
    pub(super) fn silence(&mut self, seconds: u64) {
        if let Some(name) = self.running() {
            self.line(&format!("({name} has said nothing for {seconds} s)"));
        }
    }

    fn running(&self) -> Option<String> {
        let shown = self.shown.as_ref().and_then(|digest| self.steps.get(digest));
        let running = || self.steps.values().filter(|step| step.is_running && !is_quiet(&step.name));
        shown.filter(|step| step.is_running).or_else(|| running().next()).map(|step| step.name.clone())
    }

    /// The rest of the log, what failed first, and what the client said in the end, which the log has too.
    pub(super) fn finish(mut self) -> (String, Option<FailedStep>, Vec<String>) {
        self.pause();
        let plain = std::mem::take(&mut self.plain);
        for line in &plain {
            self.line(line);
        }
        (self.log, self.failed, plain)
    }

    /// Adds a line of ours.
    fn line(&mut self, text: &str) {
        self.log.extend([text, "\n"]);
    }

    fn vertex(&mut self, vertex: &Vertex) {
        let step = self
            .steps
            .entry(vertex.digest.clone())
            .or_insert_with(|| Step { lines: LogLines::new(self.redactor.clone()), ..Step::default() });
        if step.has_ended {
            return;
        }
        step.name = self.redactor.redact_line(vertex.name.lines().next().unwrap_or_default());
        step.is_running = vertex.started.is_some();
        if vertex.started.is_some() && !vertex.cached && !step.is_told && !is_quiet(&step.name) {
            self.announce(&vertex.digest);
        }
        if vertex.completed.is_some() {
            self.ended(vertex);
        }
    }

    /// Names the instruction whose output follows.
    fn announce(&mut self, digest: &str) {
        let Some(step) = self.steps.get_mut(digest) else { return };
        if self.shown.as_deref() == Some(digest) {
            return;
        }
        let name = if step.is_told { format!("{} (goes on)", step.name) } else { step.name.clone() };
        step.is_told = true;
        self.line(&name);
        self.shown = Some(digest.to_owned());
    }

    fn ended(&mut self, vertex: &Vertex) {
        self.flush(&vertex.digest);
        let error = self.redactor.redact_line(vertex.error.trim());
        let Some(step) = self.steps.get_mut(&vertex.digest) else { return };
        (step.has_ended, step.is_running) = (true, false);
        let (name, is_told) = (step.name.clone(), step.is_told);
        if name.starts_with(CACHE_IN) || name.starts_with(CACHE_OUT) {
            match error.as_str() {
                "" => {}
                error if name.starts_with(CACHE_IN) && error.ends_with(NOT_THERE) => {
                    self.line(&format!("{name}: nothing is kept there yet"));
                }
                error => self.line(&format!("{name} failed, so that builds take longer: {error}")),
            }
        } else if !error.is_empty() {
            if !error.ends_with(STOPPED) && self.failed.is_none() {
                self.failed = Some(FailedStep { name, error });
            }
        } else if vertex.cached {
            if !is_quiet(&name) {
                self.line(&format!("{name} (cached)"));
                self.shown = None;
            }
        } else if let (true, Some(took)) = (is_told, took(vertex)) {
            let place = name.split_once(']').map_or(name.as_str(), |(place, _)| place);
            let end = if place.len() < name.len() { "] done" } else { " done" };
            self.line(&format!("{place}{end} in {took}"));
            self.shown = None;
        }
    }

    fn output(&mut self, output: &Output) {
        let Some(step) = self.steps.get_mut(&output.vertex) else { return };
        let text = step.lines.push(&decoded(&output.data), Instant::now());
        self.tell(&output.vertex, &text);
    }

    fn flush(&mut self, digest: &str) {
        let Some(step) = self.steps.get_mut(digest).filter(|step| step.lines.is_within_line()) else {
            return;
        };
        let text = step.lines.finish() + "\n";
        self.tell(digest, &text);
    }

    /// Adds lines of an instruction.
    fn tell(&mut self, digest: &str, text: &str) {
        if !text.is_empty() {
            self.announce(digest);
            self.log.push_str(text);
        }
    }
}

fn is_quiet(name: &str) -> bool {
    QUIET.iter().any(|quiet| name.starts_with(quiet))
}

/// How long a step took, in seconds; nothing where that is not worth a line.
fn took(vertex: &Vertex) -> Option<String> {
    let read = |at: &Option<String>| Timestamp::parse(at.as_deref()?).ok();
    let took = read(&vertex.completed)?.since(read(&vertex.started)?);
    (took >= WORTH_TELLING).then(|| format!("{:.1} s", took.as_secs_f64()))
}

/// Base64 as RFC 4648 has it; what is none of it is left out.
fn decoded(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vertex(digest: &str, name: &str, more: &serde_json::Value) -> String {
        let mut vertex = json!({"digest": digest, "name": name, "started": "2026-11-28T10:00:00.1Z"});
        let (fields, more) = (vertex.as_object_mut().unwrap(), more.as_object().unwrap());
        fields.extend(more.iter().map(|(name, value)| (name.clone(), value.clone())));
        json!({"vertexes": [vertex]}).to_string()
    }

    fn output(digest: &str, text: &str) -> String {
        json!({"logs": [{"vertex": digest, "data": STANDARD.encode(text)}]}).to_string()
    }

    fn done() -> serde_json::Value {
        json!({"completed": "2026-11-28T10:00:02.35Z"})
    }

    fn told(lines: &[String]) -> (Vec<String>, Option<FailedStep>, Vec<String>) {
        let mut progress = Progress::new(["hunter2hunter2".to_owned()]);
        for line in lines {
            progress.take(line);
        }
        let (log, failed, plain) = progress.finish();
        (log.lines().map(str::to_owned).collect(), failed, plain)
    }

    #[test]
    fn an_instruction_is_named_with_its_output_and_its_time() {
        let run = "[build 2/3] RUN make";

        let (log, failed, _) = told(&[
            vertex("a", "[internal] load build definition from Dockerfile", &done()),
            vertex("b", run, &json!({})),
            output("b", "first\nsec"),
            output("b", "ond hunter2hunter2\nlast"),
            vertex("b", run, &done()),
            vertex(
                "c",
                "[build 1/3] FROM x",
                &json!({"cached": true, "completed": "2026-11-28T10:00:00.1Z"}),
            ),
            vertex("d", "exporting to image", &done()),
        ]);

        assert_eq!(
            log,
            [
                run,
                "first",
                "second ***",
                "last",
                "[build 2/3] done in 2.2 s",
                "[build 1/3] FROM x (cached)",
                "exporting to image",
                "exporting to image done in 2.2 s"
            ]
        );
        assert_eq!(failed, None);
    }

    #[test]
    fn two_instructions_at_once_are_named_again_where_the_log_changes_between_them() {
        let (log, ..) = told(&[
            vertex("a", "[one 2/2] RUN a", &json!({})),
            vertex("b", "[two 2/2] RUN b", &json!({})),
            output("a", "from a\n"),
            output("b", "from b\n"),
        ]);

        assert_eq!(
            log,
            [
                "[one 2/2] RUN a",
                "[two 2/2] RUN b",
                "[one 2/2] RUN a (goes on)",
                "from a",
                "[two 2/2] RUN b (goes on)",
                "from b"
            ]
        );
    }

    #[test]
    fn what_failed_is_the_first_that_was_not_only_stopped() {
        let failing = |digest, name, error: &str| {
            vertex(digest, name, &json!({"error": error, "completed": "2026-11-28T10:00:00.1Z"}))
        };
        let (log, failed, plain) = told(&[
            failing("c", "importing cache manifest from r.example.com/a", "a:latest: not found"),
            failing("e", "exporting cache to registry", "connection refused"),
            failing("a", "[one 2/2] RUN a", "process \"a\" did not complete: context canceled"),
            failing("b", "[two 2/2] RUN b", "exit code: 7"),
            failing("d", "[two 3/3] RUN c", "exit code: 8"),
            "Dockerfile:3".to_owned(),
            "{ not of the stream".to_owned(),
        ]);

        assert_eq!(failed, Some(FailedStep { name: "[two 2/2] RUN b".into(), error: "exit code: 7".into() }));
        assert_eq!(plain, ["Dockerfile:3", "{ not of the stream"]);
        assert_eq!(log[1], "importing cache manifest from r.example.com/a: nothing is kept there yet");
        assert_eq!(
            log[3],
            "exporting cache to registry failed, so that builds take longer: connection refused"
        );
        assert_eq!(log[log.len() - 2..], ["Dockerfile:3", "{ not of the stream"]);
    }

    #[test]
    fn a_silence_is_told_of_what_runs() {
        let mut progress = Progress::default();
        progress.silence(60);
        assert_eq!(progress.log(), "");

        progress.take(&vertex("a", "[2/2] RUN sleep", &json!({})));
        progress.silence(60);
        assert_eq!(progress.log(), "[2/2] RUN sleep\n([2/2] RUN sleep has said nothing for 60 s)\n");

        progress.take(&vertex("a", "[2/2] RUN sleep", &done()));
        progress.log();
        progress.silence(60);
        assert_eq!(progress.log(), "");
    }

    #[test]
    fn a_line_that_does_not_go_on_ends_as_it_stands() {
        let mut progress = Progress::default();
        progress.take(&vertex("a", "[2/2] RUN ask", &json!({})));
        progress.take(&output("a", "name: "));
        assert_eq!(progress.log(), "[2/2] RUN ask\n");

        progress.pause();
        progress.take(&output("a", "x\nnext: "));
        assert_eq!(progress.log(), "name: \nx\n");

        progress.pause();
        progress.take(&vertex("b", "[other 2/2] RUN b", &json!({})));
        assert_eq!(progress.log(), "next: \n[other 2/2] RUN b\n");
    }

    #[test]
    fn a_line_without_an_end_is_not_held_for_ever() {
        let mut progress = Progress::default();
        progress.take(&vertex("a", "[2/2] RUN yes", &json!({})));

        progress.take(&output("a", &"y".repeat(1_000_000)));

        assert!((16_000..17_000).contains(&progress.log().len()));
    }

    proptest::proptest! {
        #[test]
        fn no_line_makes_it_fail(line in r#"\{?("vertexes"|"logs"|"data"|"digest"|[\[\]{}:,"]|[a-z0-9=]{0,4})*"#) {
            let mut progress = Progress::default();
            progress.take(&line);
            progress.finish();
        }
    }
}
