//! Sample notices for this folder's tests.

use reqwest::Method;
use serde_json::Value;

use crate::domain::{
    Branch, CloneSettings, Commit, Deployment, DeploymentId, Event, ExecutorKind, GitRef, HookId,
    LocalSettings, Note, NoticeId, QueuePolicy, Reason, Repository, Service, ServiceId, ServiceName, Span,
    Status, Step, StepRecord, StepStatus, Target, TargetId, TargetKind, TargetSecret, TargetUrl, Timestamp,
    TokenKey, Trigger, Urls, WebhookSecret, Who,
};
use crate::wire::deployment::FoundDeployment;

use super::{About, AboutDeployment, Message, Recipient, Request};

/// When the sample was accepted, when it ended, and when that is told: 24 November 2026.
const ACCEPTED: Timestamp = Timestamp::from_millis(1_795_530_649_000);
const ENDED: Timestamp = Timestamp::from_millis(1_795_530_721_000);
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_795_530_730_000);
pub(super) const COMMIT: &str = "4f2c1d7e81b04a95c36d2f7e0b1c98a4d5e6f701";

pub(super) fn urls() -> Urls {
    Urls::new("https://hooks.example.com", "https://deploy.example.com")
}

pub(super) fn target(kind: TargetKind, url: &str) -> Target {
    Target {
        id: TargetId::parse("tgt_0123456789ab").unwrap(),
        kind,
        url: TargetUrl::parse(url).unwrap(),
        service: None,
        events: kind.default_events(),
        branches: Vec::new(),
        secret: kind.is_forge().then(|| TargetSecret::parse("forge-token-1234").unwrap()),
        with_lines: true,
        required_contexts: Vec::new(),
        generation: 2,
        previous_until: None,
        off: None,
        failing_since: None,
        delivered_at: None,
        created_at: ACCEPTED,
        created_by: Who::Socket,
    }
}

/// With the secrets of two generations of a server whose key is all zeros.
pub(super) fn recipient(kind: TargetKind, url: &str) -> Recipient {
    let key = TokenKey::parse(&format!("0 {}", "0".repeat(43))).unwrap();
    let target = target(kind, url);
    let secrets = [2, 1].map(|generation| WebhookSecret::of(&key, &target.id, generation)).into();
    Recipient { target, secrets, remote: None }
}

fn service() -> Service {
    Service {
        id: ServiceId::generate(),
        name: ServiceName::parse("api-service").unwrap(),
        repository: Repository::parse("git@git.example.com:team/api.git").ok(),
        default_branch: Branch::parse("main").unwrap(),
        fetch: CloneSettings::default(),
        executor: ExecutorKind::Local,
        queue_policy: QueuePolicy::Coalesce,
        timeout: Span::from_hours(1),
        settle: Span::from_secs(0),
        url: Some("https://api.example.com".to_owned()),
        local: LocalSettings::default(),
        tekton: None,
        allowed_images: Vec::new(),
        frozen: None,
        created_at: ACCEPTED,
    }
}

fn deployment() -> Deployment {
    Deployment {
        sequence: 1,
        id: DeploymentId::parse("dep_mwuangvh9xk2mq7rz4tb").unwrap(),
        service_id: ServiceId::generate(),
        service: "api-service".to_owned(),
        trigger: Trigger::Hook(HookId::generate()),
        hook: Some("github-actions".to_owned()),
        who: Who::HookUrl("140.82.112.0/24, curl/8.5.0".to_owned()),
        branch: GitRef::parse("main").unwrap(),
        commit: None,
        commit_requested: false,
        commit_subject: None,
        clear_cache: false,
        note: Note::parse("hotfix for #12").ok(),
        cache_epoch: 0,
        is_settling: false,
        asked_image: None,
        promoted_from: None,
        image_revision: None,
        image: None,
        workloads: Vec::new(),
        run_uid: None,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        ignored_parameters: Vec::new(),
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
    }
}

fn message(event: Event, about: About) -> Message {
    let id = NoticeId::parse("ntc_0123456789abcdefghij").unwrap();
    Message { id, event, at: ENDED, about, left_out: 0, is_repeated: false }
}

fn about(
    event: Event,
    deployment: Deployment,
    steps: Vec<StepRecord>,
    lines: Option<Vec<String>>,
) -> Message {
    let found = FoundDeployment { deployment, steps, queue_position: None };
    message(event, About::Deployment(Box::new(AboutDeployment { found, service: service(), lines })))
}

/// A notice that is about no deployment.
pub(super) fn with_text(event: Event, text: &str) -> Message {
    message(event, About::Text(text.to_owned()))
}

/// A deployment of a branch whose commit is not known yet.
pub(super) fn queued() -> Message {
    about(Event::Queued, deployment(), Step::ALWAYS.map(StepRecord::pending).into(), None)
}

/// One whose commit is known, and that has an event which is no failure.
pub(super) fn at(event: Event) -> Message {
    let base = deployment();
    let deployment = Deployment {
        status: event.status().unwrap(),
        commit: Commit::parse(COMMIT).ok(),
        commit_subject: Some("Round <totals> half to even & *never* up".to_owned()),
        started_at: Some(ACCEPTED.plus(std::time::Duration::from_secs(4))),
        ..base
    };
    about(event, deployment, Step::ALWAYS.map(StepRecord::pending).into(), None)
}

/// One that failed to build, with six lines of log.
pub(super) fn failed() -> Message {
    let (begun, cloned) =
        (ACCEPTED.plus(std::time::Duration::from_secs(4)), ACCEPTED.plus(std::time::Duration::from_secs(6)));
    let record = |step, status, started_at, finished_at, exit_code| StepRecord {
        step,
        status,
        started_at,
        finished_at,
        exit_code,
    };
    let Message { about: About::Deployment(mut known), .. } = at(Event::Failed) else { unreachable!() };
    known.found.steps = vec![
        record(Step::Clone, StepStatus::Succeeded, Some(begun), Some(cloned), Some(0)),
        record(Step::Build, StepStatus::Failed, Some(cloned), Some(ENDED), Some(2)),
        record(Step::Deploy, StepStatus::Skipped, None, None, None),
    ];
    (known.found.deployment.reason, known.found.deployment.finished_at) =
        (Some(Reason::BuildFailed), Some(ENDED));
    known.lines = Some(["one", "two", "three", "four", "five", "error: ```six```"].map(str::to_owned).into());
    message(Event::Failed, About::Deployment(known))
}

/// The deployment of a notice that is about one.
pub(super) fn deployment_of(message: &mut Message) -> &mut AboutDeployment {
    let About::Deployment(about) = &mut message.about else { panic!("it is about no deployment") };
    about
}

/// The body of a request, which has to be a POST to that address.
pub(super) fn posted(request: &Request, url: &str) -> Value {
    assert_eq!((&request.method, request.url.as_str()), (&Method::POST, url));
    serde_json::from_str(request.body.as_deref().unwrap()).unwrap()
}
