//! The targets of the installation or of a service, as the page shows them.

use askama::Template;

use crate::domain::{BranchPattern, Service, Target, Timestamp};
use crate::web::pages::Frame;
use crate::web::pages::format::shortened;
use crate::web::pages::notifications::form::TargetForm;
use crate::web::pages::notifications::words::{self, State};
use crate::web::pages::relative::Relative;
use crate::web::pages::services::head::ServiceHead;

/// Characters of an address that a list shows.
const SHORT_ADDRESS: usize = 120;

/// `/notifications`, and `/services/{name}/settings/notifications`.
#[derive(Debug, Template)]
#[template(path = "pages/notifications/index.html")]
pub(super) struct IndexPage {
    frame: Frame,
    /// The one service that it is about.
    service: Option<ServiceHead>,
    /// Whether a target was just removed.
    is_removed: bool,
    rows: Vec<Row>,
    /// Of a service: the targets of the installation.
    above: Vec<Row>,
    form: TargetForm,
    /// Whether adding one asks for the password first.
    needs_confirmation: bool,
}

/// What the page is made of.
pub(super) struct Known {
    /// The one service that it is about.
    pub(super) service: Option<Service>,
    pub(super) targets: Vec<Target>,
    /// Of a service: the targets of the installation.
    pub(super) above: Vec<Target>,
    pub(super) is_fresh: bool,
    pub(super) now: Timestamp,
}

impl IndexPage {
    pub(super) fn new(frame: Frame, known: &Known, form: TargetForm) -> Self {
        let rows = |targets: &[Target]| targets.iter().map(|target| Row::new(target, known.now)).collect();
        Self {
            frame,
            service: known.service.as_ref().map(|service| ServiceHead::new(service, "notifications")),
            is_removed: false,
            rows: rows(&known.targets),
            above: rows(&known.above),
            form,
            needs_confirmation: !known.is_fresh,
        }
    }

    /// The same with what was just done.
    pub(super) fn after(self, is_removed: bool) -> Self {
        Self { is_removed, ..self }
    }

    fn path(&self) -> String {
        crate::web::pages::notifications::list_path(
            self.service.as_ref().map(|service| service.name.as_str()),
        )
    }
}

/// One target.
#[derive(Debug)]
struct Row {
    id: String,
    kind: &'static str,
    address: String,
    state: State,
    events: String,
    branches: Vec<String>,
    delivered: Option<Relative>,
    is_off: bool,
}

impl Row {
    fn new(target: &Target, now: Timestamp) -> Self {
        Self {
            id: target.id.to_string(),
            kind: words::kind(target.kind),
            address: shortened(&target.shown_url(), SHORT_ADDRESS),
            state: State::of_target(target, now).short(),
            events: words::events(target),
            branches: target.branches.iter().map(BranchPattern::as_str).map(str::to_owned).collect(),
            delivered: target.delivered_at.map(|at| Relative::new(at, now)),
            is_off: target.off.is_some(),
        }
    }
}
