//! The box of a deployment's log: which steps it has, which of them is open, and what stands under it.

use crate::domain::{Deployment, Reason, Status, Step, StepRecord, Timestamp};
use crate::web::pages::deployments::{steps, verdict};
use crate::web::pages::format;
use crate::web::pages::log::view::Log;

/// The log's box.
#[derive(Debug)]
pub(super) struct LogSection {
    pub(super) log: Log,
    pub(super) size: String,
    pub(super) steps: Vec<LogStepView>,
    /// Where the live end begins; none where the log is complete.
    pub(super) from: Option<u64>,
    pub(super) foot: Option<&'static str>,
}

/// One step's part of the box.
#[derive(Debug)]
pub(super) struct LogStepView {
    pub(super) step: Step,
    pub(super) name: &'static str,
    pub(super) label: &'static str,
    pub(super) icon: &'static str,
    pub(super) said: &'static str,
    pub(super) end: String,
    pub(super) is_open: bool,
    pub(super) is_live: bool,
    pub(super) is_hidden: bool,
}

impl LogSection {
    /// Puts the box together. The log as produced has `end` bytes.
    pub(super) fn new(
        deployment: &Deployment,
        records: &[StepRecord],
        log: Log,
        end: u64,
        now: Timestamp,
    ) -> Self {
        let is_over = deployment.status.is_final();
        let lines = format::count(log.total, "line");
        let size = match log.total {
            0 => String::new(),
            _ if is_over => format!("{lines}, {}", format::size(log.bytes)),
            _ => format!("{lines} so far"),
        };
        let current = current(records, &log);
        let stopped = deployment.reason.is_some_and(Reason::is_intended);
        let view = |record: &StepRecord| {
            let has_log = log.of(record.step).is_some();
            let step = steps::view(record, is_over, stopped, has_log, now);
            let exit = record.exit_code.filter(|code| *code != 0).map(|code| format!("exit code {code}, "));
            LogStepView {
                step: record.step,
                name: step.name,
                label: step.label,
                icon: step.icon,
                said: record.status.as_str(),
                end: exit.unwrap_or_default() + &step.text,
                is_open: current == Some(record.step),
                is_live: !is_over && current == Some(record.step),
                is_hidden: !has_log,
            }
        };
        // While it runs, steps without output are in the page too: the script shows them when they begin.
        let steps = records.iter().map(view).filter(|step| !(is_over && step.is_hidden)).collect();
        let from = (!is_over).then(|| end.saturating_sub(log.held_back as u64));
        Self { size, steps, from, foot: foot(deployment), log }
    }
}

/// The step whose output is open when the page comes up: the one that failed, else the last that wrote something.
fn current(records: &[StepRecord], log: &Log) -> Option<Step> {
    let failed = verdict::failing(records).map(|record| record.step).filter(|step| log.of(*step).is_some());
    failed.or_else(|| records.iter().rev().map(|record| record.step).find(|step| log.of(*step).is_some()))
}

fn foot(deployment: &Deployment) -> Option<&'static str> {
    match deployment.status {
        Status::Queued => Some("The log begins when its turn comes."),
        Status::Building => Some("Deploy starts when the build has ended."),
        Status::Deploying => Some("It ends when the new version serves."),
        Status::Succeeded | Status::Failed => None,
    }
}
