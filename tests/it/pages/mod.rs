//! The deployment page as rendered: what it says in each state, and that nothing it is given becomes markup.

mod content;
mod states;

use std::time::Duration;

use askama::Template;
use stackblaze::domain::{
    Commit, Deployment, DeploymentId, ExecutorKind, GitRef, HookId, Reason, ServiceId, Status, Step,
    StepRecord, StepStatus, Timestamp, Trigger, Who,
};
use stackblaze::web::pages::Frame;
use stackblaze::web::pages::deployments::around::Around;
use stackblaze::web::pages::deployments::view::{DeploymentPage, Known};
use stackblaze::web::pages::log::lines::Piece;
use stackblaze::web::pages::log::view::Log;

pub const ID: &str = "dep_mwuangvh9xk2mq7rz4tb";
pub const ACCEPTED: Timestamp = Timestamp::from_millis(1_795_530_645_000);
pub const HOSTILE: &str = "\"><img src=x onerror=alert(1)><script>alert(1)</script>";
pub const CLONE_LOG: &str = "Cloning\nmain is at 4f2c1d7\n";
pub const BUILD_LOG: &str =
    "\x1b[36;1m[1/4]\x1b[0m Load\n::group::Context\none\ntwo\n::endgroup::\n::error::no <b>\nopen";

/// One deployment's page in the making.
pub struct Case {
    pub deployment: Deployment,
    pub steps: [StepRecord; 3],
    pub log: Vec<(Step, u64, String)>,
    pub operator: Option<String>,
    pub queue_position: Option<u64>,
    pub around: Around,
    pub all: bool,
}

pub fn at(seconds: u64) -> Timestamp {
    ACCEPTED.plus(Duration::from_secs(seconds))
}

pub fn record(
    step: Step,
    status: StepStatus,
    from: u64,
    to: Option<u64>,
    exit_code: Option<i32>,
) -> StepRecord {
    StepRecord { step, status, started_at: Some(at(from)), finished_at: to.map(at), exit_code }
}

impl Case {
    pub fn queued() -> Self {
        let deployment = Deployment {
            sequence: 1,
            id: DeploymentId::parse(ID).unwrap(),
            service_id: ServiceId::generate(),
            service: "api-service".into(),
            trigger: Trigger::Hook(HookId::generate()),
            hook: Some("github-actions".into()),
            who: Who::HookUrl("140.82.112.0/24, curl/8.5.0".into()),
            branch: GitRef::parse("main").unwrap(),
            commit: None,
            commit_requested: false,
            commit_subject: None,
            clear_cache: false,
            note: None,
            cache_epoch: 0,
            is_settling: false,
            asked_image: None,
            promoted_from: None,
            image_revision: None,
            image: None,
            workloads: Vec::new(),
            run_uid: None,
            ignored_parameters: Vec::new(),
            traceparent: None,
            executor: ExecutorKind::Local,
            status: Status::Queued,
            reason: None,
            message: None,
            detail: None,
            superseded_by: None,
            created_at: ACCEPTED,
            started_at: None,
            finished_at: None,
            stop_at: None,
            cancel_reason: None,
            version: 1,
        };
        let operator = Some("mira".to_owned());
        Self {
            deployment,
            steps: Step::ALWAYS.map(StepRecord::pending),
            log: Vec::new(),
            operator,
            queue_position: Some(1),
            around: Around::default(),
            all: false,
        }
    }

    pub fn building() -> Self {
        let mut case = Self::queued();
        case.deployment.status = Status::Building;
        case.deployment.started_at = Some(at(4));
        case.deployment.stop_at = Some(at(1_804));
        case.deployment.commit = Some(Commit::parse("4f2c1d7e81b04a95c36d2f7e0b1c98a4d5e6f701").unwrap());
        case.deployment.commit_subject = Some("Round currency totals half to even".into());
        case.steps[0] = record(Step::Clone, StepStatus::Succeeded, 4, Some(6), Some(0));
        case.steps[1] = record(Step::Build, StepStatus::Running, 6, None, None);
        case.log = vec![(Step::Clone, 1, CLONE_LOG.into()), (Step::Build, 3, BUILD_LOG.into())];
        case.queue_position = None;
        case
    }

    pub fn deploying() -> Self {
        let mut case = Self::building();
        case.deployment.status = Status::Deploying;
        case.steps[1] = record(Step::Build, StepStatus::Succeeded, 6, Some(72), Some(0));
        case.steps[2] = record(Step::Deploy, StepStatus::Running, 72, None, None);
        case
    }

    pub fn succeeded() -> Self {
        let mut case = Self::deploying();
        case.deployment.status = Status::Succeeded;
        case.deployment.finished_at = Some(at(80));
        case.steps[2] = record(Step::Deploy, StepStatus::Succeeded, 72, Some(80), Some(0));
        case.around.serving = Some(case.deployment.clone());
        case
    }

    pub fn failed(reason: Reason) -> Self {
        let mut case = Self::building();
        case.deployment.status = Status::Failed;
        case.deployment.reason = Some(reason);
        case.deployment.finished_at = Some(at(70));
        case.steps[1] = record(Step::Build, StepStatus::Failed, 6, Some(70), Some(101));
        case.steps[2] = StepRecord { status: StepStatus::Skipped, ..StepRecord::pending(Step::Deploy) };
        case
    }

    pub fn superseded() -> Self {
        let mut case = Self::queued();
        case.deployment.status = Status::Failed;
        case.deployment.reason = Some(Reason::Superseded);
        case.deployment.finished_at = Some(at(3));
        case.deployment.superseded_by = DeploymentId::parse("dep_00000000000000000001");
        case.steps = case.steps.map(|step| StepRecord { status: StepStatus::Skipped, ..step });
        case.queue_position = None;
        case
    }

    pub fn signed_out(mut self) -> Self {
        self.operator = None;
        self
    }

    pub fn html(&self) -> String {
        let text = |(step, first_line, text): &(Step, u64, String)| (*step, *first_line, text.clone());
        let stored: Vec<_> = self.log.iter().map(text).collect();
        let pieces: Vec<_> = stored
            .iter()
            .map(|(step, first_line, text)| Piece::Text {
                step: *step,
                first_line: *first_line,
                at: None,
                text,
            })
            .collect();
        let known = Known {
            deployment: &self.deployment,
            steps: &self.steps,
            queue_position: self.queue_position,
            log: Some(Log::new(&pieces, !self.deployment.status.is_final(), self.all)),
            log_end: stored.iter().map(|(_, _, text)| text.len() as u64).sum(),
            around: &self.around,
            now: at(72),
        };
        let frame = Frame { operator: self.operator.clone(), host_builds: true, here: "/services" };
        DeploymentPage::new(frame, known).render().unwrap()
    }
}

pub fn expect(html: &str, parts: &[&str]) {
    for part in parts {
        assert!(html.contains(part), "missing: {part}\n{html}");
    }
}

pub fn refuse(html: &str, parts: &[&str]) {
    for part in parts {
        assert!(!html.contains(part), "present: {part}\n{html}");
    }
}
