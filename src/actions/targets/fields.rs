//! The fields of a target, read and checked.

use crate::domain::{
    AddressRange, BranchPattern, Event, Faults, Invalid, ServiceId, Target, TargetId, TargetKind,
    TargetSecret, TargetUrl, Timestamp, Who, check_target_url,
};
use crate::wire::Change;
use crate::wire::target::TargetBody;

/// Most patterns, events or contexts of one target, and longest name of a context in characters.
const MAX_RULES: usize = 50;
const MAX_CONTEXT: usize = 200;
/// Stands for an address that cannot be read while the rest is looked at.
const STAND_IN: &str = "https://address.invalid/";

type Checked<T> = Result<T, Vec<Invalid>>;

/// A new target, as its body says.
pub(super) fn new_target(
    body: TargetBody,
    service: Option<(ServiceId, String)>,
    allowed: &[AddressRange],
    created_by: &Who,
    now: Timestamp,
) -> Checked<Target> {
    let mut faults = Faults::default();
    let kind = faults.take(read_kind(body.kind.as_deref(), body.url.as_deref()));
    let text = body.url.as_deref().ok_or_else(|| Invalid::new("url", "is missing"));
    let url = faults.take(text.and_then(|text| read_url(text, allowed)));
    // What else is wrong is told with a faulty address; of what kind it is decides what would be right.
    let stand_in = || TargetUrl::parse(STAND_IN).ok();
    let (Some(kind), Some(url)) = (kind, url.or_else(stand_in)) else {
        return Err(faults.finish(()).err().unwrap_or_default());
    };
    if kind.is_forge() && body.secret.is_none() {
        faults.add("secret", token_needed(kind));
    }
    let target = Target {
        id: TargetId::generate(),
        kind,
        url,
        service,
        events: kind.default_events(),
        branches: Vec::new(),
        secret: None,
        with_lines: false,
        required_contexts: Vec::new(),
        generation: 1,
        previous_until: None,
        off: None,
        failing_since: None,
        delivered_at: None,
        created_at: now,
        created_by: created_by.clone(),
    };
    let body = TargetBody { kind: None, url: None, service: Change::Keep, ..body };
    let target = faults.take_all(change(body, target.clone(), allowed, now)).unwrap_or(target);
    faults.finish(target)
}

/// Changes what the body names in a target.
pub(super) fn change(
    body: TargetBody,
    mut target: Target,
    allowed: &[AddressRange],
    now: Timestamp,
) -> Checked<Target> {
    let mut faults = Faults::default();
    if body.kind.is_some_and(|kind| kind != target.kind.as_str()) {
        faults.add("kind", "cannot be changed; make another target");
    }
    let own = target.service.as_ref().map(|(_, name)| name.clone());
    if !body.service.is_keep() && body.service.clone().apply(None) != own {
        faults.add("service", "cannot be changed; make another target");
    }
    // What was shown of a chat's address is no address, and sent back it changes nothing.
    if let Some(text) = body.url.filter(|text| *text != target.shown_url())
        && let Some(url) = faults.take(read_url(&text, allowed))
    {
        let is_elsewhere = url.reveal().origin() != target.url.reveal().origin();
        if is_elsewhere && target.kind.is_forge() && body.secret.is_none() && target.secret.is_some() {
            faults
                .add("secret", "is needed again: it would go to another host than the one it was given for");
        }
        target.url = url;
    }
    if let Some(words) = body.events {
        let read = words.iter().map(|word| read_event(word, target.kind));
        target.events = faults.take_each(read).unwrap_or_default();
        if words.is_empty() {
            faults.add("events", "must name one at least, for example deployment.failed");
        }
    }
    if let Some(patterns) = body.branches {
        let read = patterns.iter().map(|text| BranchPattern::parse(text));
        target.branches = faults.take_each(read).unwrap_or_default();
    }
    if let Some(text) = body.secret {
        target.secret = faults.take(read_secret(&text, target.kind));
    }
    if let Some(contexts) = body.required_contexts {
        faults.take(check_contexts(&contexts, target.kind));
        target.required_contexts = contexts;
    }
    if target.branches.len().max(target.events.len()) > MAX_RULES {
        faults.add("branches", "are too many: at most 50");
    }
    target.with_lines = body.with_lines.unwrap_or(target.with_lines);
    if let Some(word) = body.state {
        faults.take(set_state(&mut target, &word, now));
    }
    faults.finish(target)
}

fn read_kind(kind: Option<&str>, url: Option<&str>) -> Result<TargetKind, Invalid> {
    let wrong = || {
        let kinds = TargetKind::ALL.map(TargetKind::as_str).join(", ");
        Invalid::new("kind", format!("must be one of {kinds}"))
    };
    match kind {
        Some(kind) => TargetKind::parse(kind).ok_or_else(wrong),
        None => url.and_then(TargetKind::of_known_host).ok_or_else(wrong),
    }
}

fn read_url(text: &str, allowed: &[AddressRange]) -> Result<TargetUrl, Invalid> {
    let url = TargetUrl::parse(text)?;
    check_target_url(&url, allowed)?;
    Ok(url)
}

fn read_event(word: &str, kind: TargetKind) -> Result<Event, Invalid> {
    let event = Event::ALL.into_iter().find(|event| event.as_str() == word);
    let event = event.ok_or_else(|| {
        let words = Event::ALL.map(Event::as_str).join(", ");
        Invalid::new("events", format!("\"{word}\" is no event; there are {words}"))
    })?;
    if kind.is_forge() && !kind.default_events().contains(&event) {
        let detail = format!("\"{word}\" is nothing that a forge shows: it has the statuses of a commit");
        return Err(Invalid::new("events", detail));
    }
    Ok(event)
}

fn read_secret(text: &str, kind: TargetKind) -> Result<TargetSecret, Invalid> {
    if kind.is_forge() {
        return TargetSecret::parse(text);
    }
    let detail = match kind {
        TargetKind::Webhook => "is made here and shown once; leave it out",
        _ => "is nothing that a chat has: its address is the secret; leave it out",
    };
    Err(Invalid::new("secret", detail))
}

fn token_needed(kind: TargetKind) -> &'static str {
    match kind {
        TargetKind::Github => {
            "is missing: a token that may write commit statuses and deployments of the repository"
        }
        TargetKind::Gitlab => "is missing: a project or personal access token with scope api",
        _ => "is missing: an access token with scope write:repository",
    }
}

fn check_contexts(contexts: &[String], kind: TargetKind) -> Result<(), Invalid> {
    let wrong = |detail: &str| Err(Invalid::new("requiredContexts", detail));
    if kind != TargetKind::Github && !contexts.is_empty() {
        return wrong("is GitHub's alone; leave it out");
    }
    let is_name = |name: &String| (1..=MAX_CONTEXT).contains(&name.chars().count());
    if contexts.len() > MAX_RULES || !contexts.iter().all(is_name) {
        return wrong("must be up to 50 names of status checks, as GitHub shows them");
    }
    Ok(())
}

fn set_state(target: &mut Target, word: &str, now: Timestamp) -> Result<(), Invalid> {
    match (word, &target.off) {
        ("active", _) => {
            // Three days begin anew.
            if target.off.take().is_some() {
                target.failing_since = None;
            }
        }
        ("off", None) => target.off = Some((now, "an operator switched it off".to_owned())),
        ("off", Some(_)) => {}
        _ => return Err(Invalid::new("state", "must be active or off")),
    }
    Ok(())
}
