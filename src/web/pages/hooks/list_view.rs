//! The hooks of a service and their last calls, as the page shows them.

use askama::Template;

use crate::db::hook_calls::ServiceCall;
use crate::db::hooks::Usage;
use crate::domain::{Class, Code, Hook, Service, Timestamp, trouble_of_address};
use crate::web::pages::Frame;
use crate::web::pages::format::sentence;
use crate::web::pages::hooks::forms::{NewHook, Wrong};
use crate::web::pages::hooks::words::{State, When, day, network_and_program, short_id};
use crate::web::pages::services::head::ServiceHead;

/// `/services/{name}/settings/deploy-hooks`.
#[derive(Debug, Template)]
#[template(path = "pages/hooks/index.html")]
pub(super) struct IndexPage {
    frame: Frame,
    service: ServiceHead,
    /// What was just done, and to which hook.
    done: Option<(&'static str, String)>,
    form: NewHook,
    wrong: Wrong,
    /// What is wrong with the address of hook URLs.
    trouble: Option<String>,
    rows: Vec<Row>,
    hidden: usize,
    calls: Vec<CallRow>,
}

/// What the page is made of.
pub(super) struct Known {
    pub(super) service: Service,
    /// Each with its use and when it was last accepted without a deployment of its own.
    pub(super) hooks: Vec<(Hook, Usage, Option<Timestamp>)>,
    /// How many more ended long ago.
    pub(super) hidden: usize,
    pub(super) calls: Vec<ServiceCall>,
    pub(super) now: Timestamp,
}

impl IndexPage {
    pub(super) fn new(frame: Frame, known: &Known, base: &str) -> Self {
        let mut rows: Vec<_> = known
            .hooks
            .iter()
            .map(|(hook, usage, joined)| Row::new(hook, usage, *joined, known.now))
            .collect();
        // What works first, as it was made; then what does not, newest first.
        let ended = rows.iter().filter(|row| row.is_off).count();
        rows.sort_by_key(|row| row.is_off);
        let first_ended = rows.len() - ended;
        rows[first_ended..].reverse();
        Self {
            frame,
            service: ServiceHead::new(&known.service, "hooks"),
            done: None,
            trouble: trouble_of_address(base).map(sentence),
            form: NewHook::default(),
            wrong: Wrong::default(),
            rows,
            hidden: known.hidden,
            calls: known.calls.iter().map(|call| CallRow::new(call, known.now)).collect(),
        }
    }

    /// The same with what was just done.
    pub(super) fn after(self, done: Option<(&'static str, String)>) -> Self {
        Self { done, ..self }
    }

    /// The same with a form that was refused.
    pub(super) fn refused(self, form: NewHook, wrong: Wrong) -> Self {
        Self { form, wrong, ..self }
    }

    fn hooks(&self) -> String {
        crate::web::pages::hooks::hooks_path(&self.service.name)
    }
}

#[derive(Debug)]
struct Row {
    id: String,
    name: String,
    short: String,
    state: State,
    branches: Vec<String>,
    /// How many ranges of addresses may call; none where any may.
    ranges: usize,
    created: When,
    created_by: String,
    last: Option<Last>,
    /// A later call that joined what another one had begun.
    joined: Option<When>,
    calls: String,
    is_off: bool,
    is_paused: bool,
    is_rotating: bool,
}

#[derive(Debug)]
struct Last {
    when: When,
    deployment: String,
    short: String,
    network: String,
    /// How often the new URL was used, where the last call came by the old one.
    old_url: Option<i64>,
}

impl Row {
    fn new(hook: &Hook, usage: &Usage, joined: Option<Timestamp>, now: Timestamp) -> Self {
        let is_off = hook.revoked_at.is_some() || hook.rules.is_expired(now);
        let is_rotating = !is_off && hook.previous_until.is_some_and(|until| until > now);
        let deployed = usage.last.as_ref().map(|(at, ..)| *at);
        // To the second, as these calls are kept.
        let joined = joined.filter(|at| deployed.is_none_or(|own| own.as_seconds() < at.as_seconds()));
        let last = usage.last.as_ref().map(|(at, caller, id)| Last {
            when: When::ago(*at, now),
            deployment: id.clone(),
            short: id.chars().skip(id.len().saturating_sub(4)).collect(),
            network: network_and_program(caller).0,
            old_url: (is_rotating && usage.last_was_previous).then_some(usage.calls_with_current),
        });
        Self {
            id: hook.id.to_string(),
            name: hook.name.to_string(),
            short: hook.id.short().to_owned(),
            state: State::of(hook, joined.or(deployed), now),
            branches: hook.rules.branches.iter().map(|own| own.as_str().to_owned()).collect(),
            ranges: hook.rules.addresses.len(),
            created: When { text: day(hook.created_at, now), ..When::ago(hook.created_at, now) },
            created_by: hook.created_by.person(),
            last,
            joined: joined.map(|at| When::ago(at, now)),
            calls: usage.counted(usage.calls),
            is_off,
            is_paused: !is_off && hook.rules.paused.is_some(),
            is_rotating,
        }
    }
}

#[derive(Debug)]
struct CallRow {
    when: When,
    class: &'static str,
    icon: &'static str,
    answer: &'static str,
    count: i64,
    hook: String,
    branch: Option<String>,
    happened: Happened,
    network: String,
    program: Option<String>,
}

/// What happened, and the deployment that it happened to.
#[derive(Debug)]
struct Happened {
    words: String,
    deployment: Option<(String, String)>,
}

impl CallRow {
    fn new(known: &ServiceCall, now: Timestamp) -> Self {
        let call = &known.call;
        let (class, icon, answer) = answer(&call.result);
        let (network, program) = network_and_program(&call.caller);
        let deployment = short_id(&call.detail).map(|short| (call.detail.clone(), short));
        let words = match call.result.as_str() {
            "accepted" => "deployed",
            "replayed" => "same Idempotency-Key, same deployment",
            "coalesced" => "joined the queued",
            _ => &call.detail,
        };
        Self {
            when: When::clock(call.at, now),
            class,
            icon,
            answer,
            count: call.count,
            hook: known.hook.clone(),
            branch: known.branch.clone(),
            happened: Happened { words: words.to_owned(), deployment },
            network,
            program,
        }
    }
}

/// Colour, shape and words for the answer that a result of a call stands for.
fn answer(result: &str) -> (&'static str, &'static str, &'static str) {
    if ["accepted", "replayed", "coalesced"].contains(&result) {
        return ("st-pass", "check", "202 accepted");
    }
    match Code::parse(result).map(Code::class) {
        Some(Class::TooMany) => ("st-warn", "clock", "429 slow down"),
        Some(Class::Locked) => ("st-warn", "pause", "423 locked"),
        Some(Class::Unprocessable) => ("st-miss", "cross", "422 refused"),
        Some(Class::Forbidden) => ("st-miss", "cross", "403 refused"),
        Some(Class::Unavailable) | None => ("st-warn", "clock", "503 not now"),
        Some(_) => ("st-miss", "cross", "400 refused"),
    }
}
