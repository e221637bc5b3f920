//! The page of one deployment: how it stands, its steps, its facts and its log.

use askama::Template;

use crate::actions::trigger::PARAMETERS;
use crate::domain::{Deployment, DeploymentId, Reason, Status, StepRecord, Timestamp, Trigger, Urls};
use crate::web::pages::Frame;
use crate::web::pages::deployments::advice::{self, Advice, Leads};
use crate::web::pages::deployments::around::Around;
use crate::web::pages::deployments::facts::{self, Fact};
use crate::web::pages::deployments::log_section::LogSection;
use crate::web::pages::deployments::outlook::{Left, Outlook, Served};
use crate::web::pages::deployments::receipt::{Receipt, RollBack};
use crate::web::pages::deployments::steps::{self as steps, StepView};
use crate::web::pages::deployments::told::Told;
use crate::web::pages::deployments::verdict::{self, First, Lede};
use crate::web::pages::format::{self, Moment};
use crate::web::pages::log::lines::Line;
use crate::web::pages::log::view::{Log, TAIL};

/// What is known of a deployment when its page is asked for.
#[derive(Debug)]
pub struct Known<'a> {
    /// The deployment.
    pub deployment: &'a Deployment,
    /// Its steps, in order.
    pub steps: &'a [StepRecord],
    /// Its place among the queued ones of its service, from 1.
    pub queue_position: Option<u64>,
    /// What it wrote; left out where nobody is signed in.
    pub log: Option<Log>,
    /// Bytes of the log as produced, which is where the live end begins.
    pub log_end: u64,
    /// What stands around it; not looked at where nobody is signed in.
    pub around: &'a Around,
    /// This moment.
    pub now: Timestamp,
}

/// The page. Without a signed-in operator it shows what the status without credentials shows, and no more.
#[derive(Debug, Template)]
#[template(path = "pages/deployments/show.html")]
pub struct DeploymentPage {
    frame: Frame,
    title: String,
    heading: String,
    id: DeploymentId,
    service: String,
    status: Status,
    shape: &'static str,
    reason: Option<&'static str>,
    favicon: &'static str,
    lede: Lede,
    detail: Option<String>,
    commit: Option<String>,
    commit_page: Option<String>,
    branch: String,
    origin: Option<Origin>,
    time: Moment,
    time_word: &'static str,
    took: Option<String>,
    steps: Vec<StepView>,
    outlook: Option<Outlook>,
    ignored: Vec<(String, Option<&'static str>)>,
    tail: Option<Tail>,
    advice: Vec<Advice>,
    /// A success before what failed, to which one may go back.
    back_to: Option<Served>,
    /// A success after what failed.
    later: Option<Later>,
    receipt: Option<Receipt>,
    roll_back: Option<RollBack>,
    log: Option<LogSection>,
    facts: Vec<Fact>,
    /// Who was told of it.
    told: Vec<Told>,
    actions: Actions,
}

/// A success that came after a failure.
#[derive(Debug)]
struct Later {
    served: Served,
    at: Moment,
}

/// What brought the deployment about.
#[derive(Debug)]
struct Origin {
    icon: &'static str,
    text: String,
    deployment: Option<DeploymentId>,
    /// Whether it is a hook that its page still shows.
    is_hook: bool,
}

/// The end of what the failing step wrote.
#[derive(Debug)]
struct Tail {
    step: &'static str,
    lines: Vec<Line>,
}

/// What may be done; each is a form.
#[derive(Debug, Default)]
struct Actions {
    cancel: bool,
    is_stopping: bool,
    redeploy: Option<&'static str>,
    /// Where what serves can be opened.
    open: Option<String>,
}

impl DeploymentPage {
    /// Puts the page together.
    pub fn new(frame: Frame, known: Known<'_>) -> Self {
        let (deployment, now) = (known.deployment, known.now);
        let may_see = frame.operator.is_some();
        let around = may_see.then_some(known.around);
        let serves = around.is_some_and(|around| around.serves(deployment) && around.unsettled.is_none());
        let succeeded = around.filter(|_| deployment.status == Status::Succeeded);
        let failed = around.filter(|_| deployment.status == Status::Failed);
        let log = known.log.filter(|_| may_see);
        let (time, time_word) = time(deployment, now);
        Self {
            title: verdict::title(deployment, serves),
            favicon: verdict::favicon(deployment.status),
            heading: if may_see { heading(deployment) } else { verdict::target(deployment) },
            id: deployment.id.clone(),
            service: deployment.service.clone(),
            status: deployment.status,
            shape: verdict::shape(deployment),
            reason: deployment.reason.map(Reason::as_str),
            lede: verdict::lede(deployment, known.steps, known.queue_position, around, now),
            detail: deployment.detail.clone().filter(|_| may_see),
            commit: deployment.commit.as_ref().map(|commit| commit.short().to_owned()),
            commit_page: around.and_then(|around| commit_page(deployment, around)),
            branch: deployment.branch.to_string(),
            origin: may_see.then(|| origin(deployment)),
            time,
            time_word,
            took: took(deployment),
            steps: steps::views(deployment, known.steps, around, log.as_ref(), now),
            outlook: around.and_then(|around| Outlook::of(deployment, known.steps, around, now)),
            ignored: ignored(deployment, may_see),
            tail: log.as_ref().and_then(|log| tail(deployment, known.steps, log)),
            advice: failed.map(|_| advice::of(deployment)).unwrap_or_default(),
            back_to: failed.and_then(|around| around.before.as_ref()).map(Served::of),
            later: failed.and_then(|around| later(around.after.as_ref()?, now)),
            receipt: succeeded.map(|around| Receipt::of(deployment, around)),
            roll_back: succeeded.and_then(|around| RollBack::of(deployment, around, now)),
            facts: if may_see { facts::of(deployment) } else { Vec::new() },
            told: around.iter().flat_map(|around| &around.told).map(|told| Told::new(told, now)).collect(),
            actions: around.map(|around| actions(deployment, around)).unwrap_or_default(),
            log: log.map(|log| LogSection::new(deployment, known.steps, log, known.log_end, now)),
            frame,
        }
    }

    fn is_live(&self) -> bool {
        !self.status.is_final()
    }

    fn may_see(&self) -> bool {
        self.frame.operator.is_some()
    }

    fn word(&self) -> &'static str {
        verdict::word(self.status)
    }

    /// Whether it failed by itself, so that somebody has to act.
    fn is_failure(&self) -> bool {
        self.shape == "st-failed"
    }

    fn path(&self, action: &str) -> String {
        format!("{}/{action}", Urls::page_path(&self.id))
    }
}

/// The heading for a signed-in operator, which a live page is told when `clone` has found the commit.
pub fn heading(deployment: &Deployment) -> String {
    let subject = deployment.commit_subject.clone().filter(|subject| !subject.is_empty());
    subject.unwrap_or_else(|| verdict::target(deployment))
}

fn time(deployment: &Deployment, now: Timestamp) -> (Moment, &'static str) {
    let (at, word) = match (deployment.status, deployment.started_at) {
        (Status::Queued, _) => (deployment.created_at, "accepted "),
        (status, Some(started)) => (started, if status.is_final() { "" } else { "started " }),
        (_, None) => (deployment.created_at, ""),
    };
    (Moment::new(at, now), word)
}

fn commit_page(deployment: &Deployment, around: &Around) -> Option<String> {
    around.repository.as_ref()?.commit_page(deployment.commit.as_ref()?)
}

fn later(after: &Deployment, now: Timestamp) -> Option<Later> {
    Some(Later { served: Served::of(after), at: Moment::new(after.finished_at?, now) })
}

fn took(deployment: &Deployment) -> Option<String> {
    let span = deployment.finished_at?.since(deployment.started_at?);
    Some(format::duration(format::whole_seconds(span)))
}

fn origin(deployment: &Deployment) -> Origin {
    let (icon, text, other) = match &deployment.trigger {
        Trigger::Hook(_) => {
            ("hook", deployment.hook.clone().unwrap_or_else(|| "a removed hook".to_owned()), None)
        }
        Trigger::Deploy => ("workload", deployment.who.as_caller(), None),
        Trigger::Redeploy(id) => ("rotate", "once more".to_owned(), Some(id.clone())),
        Trigger::Rollback(id) => ("back", "back to".to_owned(), Some(id.clone())),
    };
    let is_hook = deployment.trigger.hook().is_some() && deployment.hook.is_some();
    Origin { icon, text, deployment: other, is_hook }
}

/// The parameters that meant nothing, each with the known one that its caller may have had in mind.
fn ignored(deployment: &Deployment, may_see: bool) -> Vec<(String, Option<&'static str>)> {
    let meant = |given: &String| PARAMETERS.into_iter().find(|known| is_near(given, known));
    let given = deployment.ignored_parameters.iter().filter(|_| may_see);
    given.map(|given| (given.clone(), meant(given))).collect()
}

/// Tells whether two names differ in case, in `-` for `_`, or by one character left out, added or wrong.
fn is_near(given: &str, known: &str) -> bool {
    let given: Vec<char> = given.to_lowercase().replace('-', "_").chars().collect();
    let known: Vec<char> = known.chars().collect();
    let head = given.iter().zip(&known).take_while(|(a, b)| a == b).count();
    let ends = given[head..].iter().rev().zip(known[head..].iter().rev());
    let tail = ends.take_while(|(a, b)| a == b).count();
    given.len().max(known.len()) - head - tail <= 1
}

/// Shown only where somebody has to act and the end of the output may say why.
fn tail(deployment: &Deployment, records: &[StepRecord], log: &Log) -> Option<Tail> {
    if deployment.status != Status::Failed || deployment.reason.is_some_and(Reason::is_intended) {
        return None;
    }
    let step = verdict::failing(records)?.step;
    let lines: Vec<Line> = log.of(step)?.tail(TAIL).into_iter().cloned().collect();
    (!lines.is_empty()).then_some(Tail { step: step.as_str(), lines })
}

fn actions(deployment: &Deployment, around: &Around) -> Actions {
    let is_stopping = deployment.cancel_reason.is_some();
    match deployment.status {
        Status::Succeeded => {
            let open = around.url.clone().filter(|_| around.serves(deployment));
            Actions { redeploy: Some("Redeploy"), open, ..Actions::default() }
        }
        Status::Failed if deployment.commit.is_some() => {
            Actions { redeploy: Some("Deploy this commit again"), ..Actions::default() }
        }
        Status::Failed => Actions { redeploy: Some("Deploy again"), ..Actions::default() },
        _ => Actions { cancel: !is_stopping, is_stopping, ..Actions::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_of_a_parameter_is_asked_about() {
        for (given, meant) in [
            ("brach", Some("branch")),
            ("Branch", Some("branch")),
            ("branches", None),
            ("clear-cache", Some("clear_cache")),
            ("clearcache", Some("clear_cache")),
            ("comit", Some("commit")),
            ("x", None),
            ("", None),
        ] {
            let found = PARAMETERS.into_iter().find(|known| is_near(given, known));
            assert_eq!(found, meant, "{given}");
        }
    }
}
