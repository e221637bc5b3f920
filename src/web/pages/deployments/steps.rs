//! The line of steps under a deployment's heading: how far each is and how long it took.

use std::time::Duration;

use crate::domain::{Deployment, Reason, Status, Step, StepRecord, StepStatus, Timestamp};
use crate::web::pages::deployments::around::Around;
use crate::web::pages::format;
use crate::web::pages::log::view::Log;

/// One of the parts of the line under the heading.
#[derive(Debug)]
pub(super) struct StepView {
    /// `queued`, or the step's word.
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) class: &'static str,
    pub(super) icon: &'static str,
    pub(super) text: String,
    /// Milliseconds so far, which the script counts on from.
    pub(super) running_ms: Option<u128>,
    /// What this step usually takes, where it is known and the step has not ended.
    pub(super) usual: Option<UsualTime>,
    pub(super) has_log: bool,
}

/// How long a step usually takes.
#[derive(Debug)]
pub(super) struct UsualTime {
    pub(super) text: String,
    pub(super) ms: u128,
    /// How much of it has gone by, in percent.
    pub(super) percent: u128,
}

/// The queue and the steps. `log` is what may be shown of the output, which the steps then link to.
pub(super) fn views(
    deployment: &Deployment,
    records: &[StepRecord],
    around: Option<&Around>,
    log: Option<&Log>,
    now: Timestamp,
) -> Vec<StepView> {
    let stopped = deployment.reason.is_some_and(Reason::is_intended);
    let mut views = vec![queued(deployment, stopped, now)];
    views.extend(records.iter().map(|record| {
        let usual = around.map(|around| around.usual.of_step(record.step)).unwrap_or_default();
        // A page that follows has the log already, where the step wrote something.
        let has_log = match log {
            Some(log) => log.of(record.step).is_some(),
            None => around.is_some() && record.started_at.is_some(),
        };
        let mut view = view(record, deployment.status.is_final(), stopped, has_log, now);
        view.usual = (!usual.is_zero()).then(|| usual_time(&view, usual)).filter(|_| view.is_open());
        view
    }));
    views
}

fn queued(deployment: &Deployment, stopped: bool, now: Timestamp) -> StepView {
    let until = deployment.started_at.or(deployment.finished_at);
    let waited = until.unwrap_or(now).since(deployment.created_at);
    let (class, icon) = match (deployment.started_at, deployment.status) {
        (None, Status::Failed) if stopped => ("is-skip", "st-stopped"),
        (None, Status::Failed) => ("is-bad", "st-failed"),
        (None, Status::Queued) => ("is-now", "st-queued"),
        _ => ("is-done", "st-succeeded"),
    };
    StepView {
        name: "queued",
        label: "Queued",
        class,
        icon,
        text: format::duration(format::whole_seconds(waited)),
        running_ms: until.is_none().then_some(waited.as_millis()),
        usual: None,
        has_log: false,
    }
}

fn usual_time(view: &StepView, usual: Duration) -> UsualTime {
    let took = view.running_ms.unwrap_or_default();
    UsualTime {
        text: format::duration(usual),
        ms: usual.as_millis(),
        percent: (took * 100 / usual.as_millis().max(1)).min(100),
    }
}

impl StepView {
    fn is_open(&self) -> bool {
        matches!(self.class, "is-now" | "is-todo")
    }
}

/// One step, in a deployment that is over or not, stopped on purpose or not.
pub(super) fn view(
    record: &StepRecord,
    is_over: bool,
    stopped: bool,
    has_log: bool,
    now: Timestamp,
) -> StepView {
    let (class, icon) = match record.status {
        StepStatus::Pending if is_over => ("is-skip", "st-none"),
        StepStatus::Pending => ("is-todo", "st-queued"),
        StepStatus::Running if record.step == Step::Deploy => ("is-now", "st-deploying"),
        StepStatus::Running => ("is-now", "st-building"),
        StepStatus::Succeeded => ("is-done", "st-succeeded"),
        StepStatus::Failed if stopped => ("is-skip", "st-stopped"),
        StepStatus::Failed => ("is-bad", "st-failed"),
        StepStatus::Skipped => ("is-skip", "st-none"),
    };
    let span = record.started_at.map(|from| record.finished_at.unwrap_or(now).since(from));
    let text = match span {
        Some(span) => format::duration(span),
        None if class == "is-skip" => "did not run".to_owned(),
        None => String::new(),
    };
    let runs = record.status == StepStatus::Running;
    StepView {
        name: record.step.as_str(),
        label: label(record.step),
        class,
        icon,
        text,
        running_ms: span.filter(|_| runs).map(|span| span.as_millis()),
        usual: None,
        has_log,
    }
}

fn label(step: Step) -> &'static str {
    match step {
        Step::Clone => "Clone",
        Step::Build => "Build",
        Step::Release => "Release",
        Step::Deploy => "Deploy",
    }
}
