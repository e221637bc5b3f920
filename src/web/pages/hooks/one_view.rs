//! The pages of one hook: its secret, once; rotating, revoking, renaming, pausing; its rules.

use std::time::Duration;

use askama::Template;

use crate::actions::hooks::MintedHook;
use crate::db::hooks::Usage;
use crate::domain::{Hook, Service, Timestamp, trouble_of_address};
use crate::web::pages::Frame;
use crate::web::pages::format::sentence;
use crate::web::pages::hooks::forms::{Rules, Wrong};
use crate::web::pages::hooks::snippets::{Part, SYSTEMS};
use crate::web::pages::hooks::words::{When, left, network_and_program, short_id};

/// Which hook of which service.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    pub(super) service: String,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) short: String,
}

impl Subject {
    pub(super) fn new(service: &Service, hook: &Hook) -> Self {
        Self {
            service: service.name.to_string(),
            id: hook.id.to_string(),
            name: hook.name.to_string(),
            short: hook.id.short().to_owned(),
        }
    }

    /// The page of all hooks of the service.
    pub(super) fn hooks(&self) -> String {
        crate::web::pages::hooks::hooks_path(&self.service)
    }

    /// A page or an action of the hook.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("{}/{}/{rest}", self.hooks(), self.id)
    }
}

/// The answer that makes a secret: the only page that shows it.
#[derive(Debug, Template)]
#[template(path = "pages/hooks/created.html")]
pub(super) struct CreatedPage {
    frame: Frame,
    subject: Subject,
    url: String,
    branches: Vec<String>,
    expires: Option<When>,
    /// What becomes of the old URL, where there is one.
    old_url: Option<String>,
    /// What is wrong with its address.
    trouble: Option<String>,
    snippets: Vec<Snippet>,
}

#[derive(Debug)]
struct Snippet {
    id: &'static str,
    label: &'static str,
    note: Option<&'static str>,
    /// Whether its tab is open at first.
    is_open: bool,
    parts: Vec<Part>,
}

/// The tab that is open at first.
const FIRST_TAB: &str = "gh";

impl CreatedPage {
    /// `base` is that of the API.
    pub(super) fn new(frame: Frame, made: MintedHook, base: &str, now: Timestamp) -> Self {
        let snippet = |system: &crate::web::pages::hooks::snippets::System| Snippet {
            id: system.id,
            label: system.label,
            note: system.note,
            is_open: system.id == FIRST_TAB,
            parts: system.snippet(base),
        };
        let old_url = made.hook.previous_until.map(|until| match until.since(now) {
            span if span.is_zero() => "The old URL works no longer.".to_owned(),
            span => format!("The old URL goes on working for {}.", left(span)),
        });
        let rules = &made.hook.rules;
        Self {
            frame,
            subject: Subject::new(&made.service, &made.hook),
            branches: rules.branches.iter().map(|own| own.as_str().to_owned()).collect(),
            expires: rules.expires_at.map(|at| When::clock(at, now)),
            old_url,
            url: made.url,
            trouble: trouble_of_address(base).map(sentence),
            snippets: SYSTEMS.iter().map(snippet).collect(),
        }
    }
}

/// Asks how long the old URL is to work.
#[derive(Debug, Template)]
#[template(path = "pages/hooks/rotate.html")]
pub(super) struct RotatePage {
    frame: Frame,
    subject: Subject,
    /// Which secret is replaced: the form sent twice rotates once.
    generation: i64,
    /// How long an earlier old URL still works.
    rotating: Option<String>,
    wrong: Wrong,
}

impl RotatePage {
    pub(super) fn new(frame: Frame, service: &Service, hook: &Hook, now: Timestamp) -> Self {
        let until = hook.previous_until.filter(|until| *until > now);
        Self {
            frame,
            subject: Subject::new(service, hook),
            generation: hook.generation,
            rotating: until.map(|until| left(until.since(now))),
            wrong: Wrong::default(),
        }
    }

    /// The same with a form that was refused.
    pub(super) fn refused(self, wrong: Wrong) -> Self {
        Self { wrong, ..self }
    }
}

/// A hook that was used so lately is in use.
const RECENT: Duration = Duration::from_hours(30 * 24);

/// What is asked before something is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The hook.
    Hook,
    /// The old URL of a hook that is rotated.
    OldUrl,
}

/// How a hook is used.
pub(super) struct Use {
    pub(super) usage: Usage,
    /// Whether its last deployment has not ended.
    pub(super) is_running: bool,
    /// When a call last joined another's deployment.
    pub(super) joined: Option<Timestamp>,
}

/// Asks before a hook, or its old URL, ends.
#[derive(Debug, Template)]
#[template(path = "pages/hooks/revoke.html")]
pub(super) struct EndPage {
    frame: Frame,
    subject: Subject,
    ending: Ending,
    last: Option<(When, String)>,
    is_recent: bool,
    calls: String,
    calls_with_old_url: String,
    /// A deployment of this hook that has not ended: its id, and short.
    running: Option<(String, String)>,
}

impl EndPage {
    pub(super) fn new(
        frame: Frame,
        (service, hook): (&Service, &Hook),
        ending: Ending,
        used: &Use,
        now: Timestamp,
    ) -> Self {
        let from = |caller: &str| match network_and_program(caller) {
            (network, Some(program)) => format!("from {network} with {program}"),
            (network, None) => format!("from {network}"),
        };
        let usage = &used.usage;
        let last = usage.last.as_ref();
        let deployed = last.map(|(at, caller, _)| (*at, from(caller)));
        let joined = used.joined.map(|at| (at, "joining an earlier call".to_owned()));
        let newest = deployed.into_iter().chain(joined).max_by_key(|(at, _)| at.as_seconds());
        Self {
            frame,
            subject: Subject::new(service, hook),
            ending,
            is_recent: newest.as_ref().is_some_and(|(at, _)| now.since(*at) < RECENT),
            last: newest.map(|(at, how)| (When::ago(at, now), how)),
            calls: usage.counted(usage.calls),
            calls_with_old_url: usage.counted(usage.calls_with_previous),
            running: last
                .filter(|_| used.is_running)
                .and_then(|(.., id)| short_id(id).map(|short| (id.clone(), short))),
        }
    }

    fn is_in_use(&self) -> bool {
        match self.ending {
            Ending::Hook => self.is_recent,
            Ending::OldUrl => self.calls_with_old_url != "0",
        }
    }
}

/// Asks for another name.
#[derive(Debug, Template)]
#[template(path = "pages/hooks/rename.html")]
pub(super) struct RenamePage {
    pub(super) frame: Frame,
    pub(super) subject: Subject,
    pub(super) name: String,
    pub(super) wrong: Wrong,
}

/// Asks why calls are to be refused.
#[derive(Debug, Template)]
#[template(path = "pages/hooks/pause.html")]
pub(super) struct PausePage {
    pub(super) frame: Frame,
    pub(super) subject: Subject,
    pub(super) reason: String,
    pub(super) wrong: Wrong,
}

/// What a call has to meet.
#[derive(Debug, Template)]
#[template(path = "pages/hooks/edit.html")]
pub(super) struct RulesPage {
    pub(super) frame: Frame,
    pub(super) subject: Subject,
    pub(super) rules: Rules,
    pub(super) wrong: Wrong,
}
