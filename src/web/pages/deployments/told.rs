//! Who was told of a deployment, and what became of it.

use crate::domain::{Notice, Target, Timestamp};
use crate::web::pages::format::{Moment, shortened};
use crate::web::pages::notifications::words::{self, State};

/// Characters of an address that are shown.
const SHORT_ADDRESS: usize = 120;

/// One notice about the deployment.
#[derive(Debug)]
pub(super) struct Told {
    /// The id of its target.
    pub(super) target: String,
    /// What that is, and its address as far as it may be shown.
    pub(super) kind: &'static str,
    pub(super) address: String,
    /// What it was told.
    pub(super) event: &'static str,
    pub(super) state: State,
    /// When it was tried last; before that when it happened.
    pub(super) at: Moment,
}

impl Told {
    pub(super) fn new((target, notice): &(Target, Notice), now: Timestamp) -> Self {
        let at = notice.last.as_ref().map_or(notice.at, |last| last.at);
        Self {
            target: target.id.to_string(),
            kind: words::kind(target.kind),
            address: shortened(&target.shown_url(), SHORT_ADDRESS),
            event: words::event(notice.event),
            state: State::of_notice(notice, now),
            at: Moment::new(at, now),
        }
    }
}
