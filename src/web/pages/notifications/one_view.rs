//! The pages of one target: how it stands, what it was told, its secret, once; rotating and removing.

use askama::Template;

use crate::actions::targets::MintedTarget;
use crate::domain::{
    BranchPattern, DeploymentId, Notice, NoticeState, Reason, Target, TargetKind, Timestamp,
};
use crate::web::pages::Frame;
use crate::web::pages::format::{Moment, sentence, short_id};
use crate::web::pages::notifications::form::TargetForm;
use crate::web::pages::notifications::words::{self, State};
use crate::web::pages::relative::Relative;

/// Which target, and where it belongs.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) address: String,
    /// The one service that it is told of.
    pub(super) service: Option<String>,
    /// Whether that service is there: it may have been deleted.
    has_service: bool,
}

impl Subject {
    pub(super) fn new(target: &Target, has_service: bool) -> Self {
        Self {
            id: target.id.to_string(),
            kind: words::kind(target.kind),
            address: target.shown_url(),
            service: target.service.as_ref().map(|(_, name)| name.clone()),
            has_service,
        }
    }

    /// The service whose pages lead here.
    pub(super) fn above(&self) -> Option<&str> {
        self.service.as_deref().filter(|_| self.has_service)
    }

    /// The page of the targets among which it is.
    pub(super) fn list(&self) -> String {
        crate::web::pages::notifications::list_path(self.above())
    }

    /// A page or an action of the target.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("/notifications/{}{rest}", self.id)
    }
}

/// `/notifications/{id}`.
#[derive(Debug, Template)]
#[template(path = "pages/notifications/show.html")]
pub(super) struct TargetPage {
    frame: Frame,
    subject: Subject,
    state: State,
    /// What was just done.
    done: Option<&'static str>,
    /// What was just tried.
    tried: Option<NoticeRow>,
    facts: Facts,
    form: TargetForm,
    notices: Vec<NoticeRow>,
    is_off: bool,
    is_signed: bool,
}

/// What is known of a target.
#[derive(Debug)]
struct Facts {
    events: String,
    branches: Vec<String>,
    contexts: Vec<String>,
    /// Whether lines of logs are told; none where the kind tells none.
    with_lines: Option<bool>,
    delivered: Option<Moment>,
    /// Until when the secret before this one signs too.
    old_secret: Option<Moment>,
    created: Moment,
    created_by: String,
}

impl TargetPage {
    pub(super) fn new(
        frame: Frame,
        subject: Subject,
        (target, notices): (&Target, &[Notice]),
        form: TargetForm,
        now: Timestamp,
    ) -> Self {
        let moment = |at| Moment::new(at, now);
        let facts = Facts {
            events: words::events(target),
            branches: target.branches.iter().map(BranchPattern::as_str).map(str::to_owned).collect(),
            contexts: target.required_contexts.clone(),
            with_lines: (!target.kind.is_forge()).then_some(target.with_lines),
            delivered: target.delivered_at.map(moment),
            old_secret: target.previous_until.filter(|until| *until > now).map(moment),
            created: moment(target.created_at),
            created_by: target.created_by.person(),
        };
        let is_off = target.off.is_some();
        Self {
            frame,
            subject,
            state: State::of_target(target, now),
            done: None,
            tried: None,
            facts,
            form,
            notices: notices.iter().map(|notice| NoticeRow::new(notice, is_off, now)).collect(),
            is_off,
            is_signed: target.kind == TargetKind::Webhook,
        }
    }

    /// The same with what was just done, and the notice that was just tried.
    pub(super) fn after(self, done: Option<&'static str>, tried: Option<&str>) -> Self {
        let tried = self.notices.iter().find(|notice| Some(notice.id.as_str()) == tried).cloned();
        Self { done, tried, ..self }
    }

    /// Why it is off, as a sentence.
    fn why_off(&self) -> Option<String> {
        let detail = self.state.detail.as_deref().filter(|_| self.is_off)?;
        Some(sentence(detail.trim_start_matches("because ")))
    }
}

/// One notice, and what became of it.
#[derive(Debug, Clone)]
struct NoticeRow {
    id: String,
    state: State,
    event: &'static str,
    reason: Option<&'static str>,
    deployment: Option<(DeploymentId, String)>,
    text: Option<String>,
    at: Relative,
    tries: u32,
    /// Status and time of the last try, and the first line of its answer.
    last: Option<(String, String)>,
    came: Came,
    may_redeliver: bool,
}

/// What came of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// It arrived.
    Arrived,
    /// It was tried, and did not.
    Failed,
    /// It was not tried yet.
    Nothing,
    /// It will not be sent.
    Unsent,
}

impl Came {
    fn of(notice: &Notice) -> Self {
        match (notice.state, &notice.last) {
            (NoticeState::Delivered, _) => Self::Arrived,
            (NoticeState::Waiting, _) if notice.tries == 0 => Self::Nothing,
            (NoticeState::LeftOut | NoticeState::Needless, _) | (_, None) => Self::Unsent,
            (NoticeState::Waiting | NoticeState::GivenUp, Some(_)) => Self::Failed,
        }
    }
}

impl NoticeRow {
    fn new(notice: &Notice, is_off: bool, now: Timestamp) -> Self {
        let last = notice.last.as_ref().map(|last| (words::outcome(last), last.answer.clone()));
        Self {
            id: notice.id.to_string(),
            state: State::of_notice(notice, now),
            event: words::event(notice.event),
            reason: notice.reason.map(Reason::as_str),
            deployment: notice.deployment.clone().map(|id| (id.clone(), short_id(&id))),
            text: notice.text.clone(),
            at: Relative::new(notice.at, now),
            tries: notice.tries,
            last,
            came: Came::of(notice),
            may_redeliver: !is_off && notice.state != NoticeState::Waiting,
        }
    }
}

/// The answer that makes a secret: the only page that shows it.
#[derive(Debug, Template)]
#[template(path = "pages/notifications/made.html")]
pub(super) struct MadePage {
    frame: Frame,
    subject: Subject,
    secret: String,
    /// What becomes of the old secret, where there is one.
    old_secret: Option<String>,
}

impl MadePage {
    pub(super) fn new(
        frame: Frame,
        subject: Subject,
        made: &MintedTarget,
        secret: String,
        now: Timestamp,
    ) -> Self {
        let old_secret = made.target.previous_until.map(|until| {
            if until <= now {
                return "What was on its way is signed with the new secret from now on.".to_owned();
            }
            let until = Moment::new(until, now).text;
            format!("Until {until} each notice carries two signatures, one by the old secret.")
        });
        Self { frame, subject, secret, old_secret }
    }
}

/// Asks how long the old secret is to sign too.
#[derive(Debug, Template)]
#[template(path = "pages/notifications/rotate.html")]
pub(super) struct RotatePage {
    frame: Frame,
    subject: Subject,
    /// Which secret is replaced: the form sent twice rotates once.
    generation: u32,
    /// Until when an earlier one still signs.
    rotating: Option<Moment>,
    error: Option<String>,
}

impl RotatePage {
    pub(super) fn new(frame: Frame, subject: Subject, target: &Target, now: Timestamp) -> Self {
        let until = target.previous_until.filter(|until| *until > now);
        Self {
            frame,
            subject,
            generation: target.generation,
            rotating: until.map(|until| Moment::new(until, now)),
            error: None,
        }
    }

    /// The same with a form that was refused.
    pub(super) fn refused(self, detail: &str) -> Self {
        Self { error: Some(sentence(detail)), ..self }
    }

    fn errors(&self) -> Vec<(&'static str, String)> {
        self.error.iter().map(|says| ("overlap", says.clone())).collect()
    }
}

/// Asks before a target is removed.
#[derive(Debug, Template)]
#[template(path = "pages/notifications/remove.html")]
pub(super) struct RemovePage {
    frame: Frame,
    subject: Subject,
    events: String,
    delivered: Option<Moment>,
    is_off: bool,
}

impl RemovePage {
    pub(super) fn new(frame: Frame, subject: Subject, target: &Target, now: Timestamp) -> Self {
        Self {
            frame,
            subject,
            events: words::events(target),
            delivered: target.delivered_at.map(|at| Moment::new(at, now)),
            is_off: target.off.is_some(),
        }
    }
}
