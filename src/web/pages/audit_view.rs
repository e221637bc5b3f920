//! What `/audit` shows: each act as a sentence.

use askama::Template;

use crate::db::audit::{Entry, Kind};
use crate::domain::{DeploymentId, Timestamp};

use super::super::state::describe_caller;
use super::super::urls::page_path;
use super::Frame;
use super::format::Moment;

/// `/audit`.
#[derive(Debug, Template)]
#[template(path = "pages/audit/index.html")]
pub struct AuditPage {
    /// Around it.
    pub frame: Frame,
    /// The kind that is shown; none: all.
    pub kind: Option<Kind>,
    /// The acts.
    pub rows: Vec<Row>,
    /// The page above, if there is one.
    pub newer: Option<String>,
    /// The page below, if there is one.
    pub older: Option<String>,
}

impl AuditPage {
    /// The page of these entries; whether there are newer and older ones.
    pub fn new(
        frame: Frame,
        kind: Option<Kind>,
        entries: &[Entry],
        (has_newer, has_older): (bool, bool),
        now: Timestamp,
    ) -> Self {
        let path = |cursor: &str, entry: &Entry| {
            let kind = kind.map(|kind| format!("kind={}&", kind.as_str())).unwrap_or_default();
            format!("/audit?{kind}{cursor}={}", entry.sequence)
        };
        Self {
            frame,
            kind,
            newer: entries.first().filter(|_| has_newer).map(|entry| path("after", entry)),
            older: entries.last().filter(|_| has_older).map(|entry| path("before", entry)),
            rows: entries.iter().map(|entry| Row::new(entry, now)).collect(),
        }
    }

    fn kinds(&self) -> [(&'static str, &'static str, bool); 6] {
        let is = |kind| self.kind == Some(kind);
        [
            ("/audit", "All", self.kind.is_none()),
            ("/audit?kind=deployments", "Deployments", is(Kind::Deployments)),
            ("/audit?kind=hooks", "Hooks", is(Kind::Hooks)),
            ("/audit?kind=services", "Services", is(Kind::Services)),
            ("/audit?kind=sign-ins", "Sign-ins", is(Kind::SignIns)),
            ("/audit?kind=tokens", "API tokens", is(Kind::Tokens)),
        ]
    }
}

/// One act.
#[derive(Debug, Clone)]
pub struct Row {
    /// When.
    pub at: Moment,
    /// Who.
    pub who: String,
    /// What, in parts.
    pub what: Vec<Part>,
    /// The service that it was done to.
    pub service: Option<String>,
    /// By which way.
    pub way: &'static str,
    /// From where.
    pub from: String,
}

/// A part of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Plain words.
    Words(String),
    /// The name of the thing.
    Name(String),
    /// A deployment: its page and its id.
    Deployment(String, String),
}

impl Row {
    /// The row of an entry.
    pub fn new(entry: &Entry, now: Timestamp) -> Self {
        let (way, who) = match entry.actor.name.split_once(' ') {
            Some(("operator", "on the server")) => ("shell", "on the server"),
            Some(("operator", name)) => ("dashboard", name),
            Some(("token", name)) => ("API token", name),
            Some(("hook", _)) => ("DELETE", entry.actor.name.as_str()),
            _ => ("", entry.actor.name.as_str()),
        };
        let from = match entry.actor.address.parse() {
            Ok(address) => describe_caller(Some(address), None),
            Err(_) if way == "shell" => String::new(),
            Err(_) => entry.actor.address.clone(),
        };
        let at = Moment::new(entry.at, now);
        // The column's head says it for all of them.
        let at = Moment { text: at.text.trim_end_matches(" UTC").to_owned(), ..at };
        Self { at, who: who.to_owned(), what: sentence(entry), service: service(entry), way, from }
    }
}

/// The service in a subject such as `service api` or `hook api/ci`.
fn service(entry: &Entry) -> Option<String> {
    match entry.subject.split_once(' ')? {
        ("service", name) => Some(name.to_owned()),
        ("hook", name) => name.split_once('/').map(|(service, _)| service.to_owned()),
        _ => None,
    }
}

/// Which verb an action is in a sentence, and whether the subject is named in it.
const VERBS: &[(&str, &str, bool)] = &[
    ("service.deploy", "started a deployment", false),
    ("deployment.redeploy", "deployed again", false),
    ("deployment.rollback", "rolled back", false),
    ("deployment.cancel", "cancelled deployment", true),
    ("hook.create", "generated hook", true),
    ("hook.update", "changed hook", true),
    ("hook.rotate", "rotated hook", true),
    ("hook.revoke", "revoked hook", true),
    ("service.create", "added the service", false),
    ("service.update", "changed the service", false),
    ("service.delete", "deleted the service", false),
    ("service.freeze", "froze the service", false),
    ("service.unfreeze", "lifted the freeze", false),
    ("token.create", "created API token", true),
    ("token.revoke", "revoked API token", true),
    ("operator.create", "added operator", true),
    ("operator.delete", "removed operator", true),
    ("operator.login-link", "made a sign-in link for", true),
    ("operator.reset", "reset the sign-in of", true),
    ("operator.password", "gave a new password", false),
    ("session.create", "signed in", false),
    ("session.revoke", "signed out", false),
    ("server.backup", "took a backup", false),
];

fn sentence(entry: &Entry) -> Vec<Part> {
    let found = VERBS.iter().find(|(action, ..)| *action == entry.action);
    let mut parts = match found {
        Some((_, verb, is_named)) => {
            let mut parts = vec![Part::Words((*verb).to_owned())];
            if *is_named {
                parts.push(named(&entry.subject));
            }
            parts
        }
        None => vec![Part::Words(entry.action.clone()), Part::Name(entry.subject.clone())],
    };
    if entry.detail.is_empty() {
        return parts;
    }
    let (words, id) = match entry.detail.rsplit_once(" as ") {
        Some((words, id)) if DeploymentId::parse(id).is_some() => (words, DeploymentId::parse(id)),
        _ => (entry.detail.as_str(), None),
    };
    parts.push(Part::Words(match entry.action.as_str() {
        "service.freeze" => format!(": “{words}”"),
        "session.create" | "session.revoke" => format!(" {words}"),
        action if id.is_some() || action.starts_with("deployment.") => format!(" of {words}"),
        _ => format!(": {words}"),
    }));
    if let Some(id) = id {
        parts.push(Part::Words(" as".to_owned()));
        parts.push(Part::Deployment(page_path(&id), id.to_string()));
    }
    parts
}

/// The thing without the word for what it is and without its service, which have places of their own.
fn named(subject: &str) -> Part {
    if let Some(id) = DeploymentId::parse(subject) {
        return Part::Deployment(page_path(&id), id.to_string());
    }
    let name = match subject.split_once(' ') {
        Some(("hook", name)) => name.split_once('/').map_or(name, |(_, hook)| hook),
        Some((_, name)) => name,
        None => subject,
    };
    Part::Name(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::audit::Actor;

    const T0: Timestamp = Timestamp::from_millis(1_795_530_649_120);
    const ID: &str = "dep_mwuangvh9xk2mq7rz4tb";

    fn row(actor: (&str, &str), action: &str, subject: &str, detail: &str) -> Row {
        let actor = Actor { name: actor.0.to_owned(), address: actor.1.to_owned() };
        let [action, subject, detail] = [action, subject, detail].map(str::to_owned);
        Row::new(&Entry { sequence: 1, at: T0, actor, action, subject, detail }, T0)
    }

    fn text(row: &Row) -> String {
        let part = |part: &Part| match part {
            Part::Words(words) => words.clone(),
            Part::Name(name) => format!(" [{name}]"),
            Part::Deployment(_, id) => format!(" <{id}>"),
        };
        row.what.iter().map(part).collect()
    }

    #[test]
    fn each_act_reads_as_a_sentence() {
        let mira = ("operator mira", "198.51.100.7");
        let deploy = format!("main at its head as {ID}");
        for (action, subject, detail, wanted) in [
            (
                "service.deploy",
                "service api",
                deploy.as_str(),
                format!("started a deployment of main at its head as <{ID}>"),
            ),
            ("deployment.cancel", ID, "", format!("cancelled deployment <{ID}>")),
            (
                "hook.rotate",
                "hook api/ci",
                "the old URL is good for 24h",
                "rotated hook [ci]: the old URL is good for 24h".into(),
            ),
            ("service.freeze", "service api", "No deploys.", "froze the service: “No deploys.”".into()),
            ("session.create", "operator mira", "by password", "signed in by password".into()),
            ("token.create", "token bot", "scope deploy", "created API token [bot]: scope deploy".into()),
            ("new.thing", "thing x", "", "new.thing [thing x]".into()),
        ] {
            assert_eq!(text(&row(mira, action, subject, detail)), wanted);
        }
    }

    #[test]
    fn who_did_it_and_from_where_is_told_apart() {
        let of = |name, address| {
            let row = row((name, address), "hook.revoke", "hook api/ci", "");
            (row.who, row.way, row.from, row.service.unwrap())
        };

        let api = || "api".to_owned();
        assert_eq!(
            of("operator mira", "198.51.100.7"),
            ("mira".into(), "dashboard", "198.51.100.0/24".into(), api())
        );
        assert_eq!(
            of("operator on the server", "socket"),
            ("on the server".into(), "shell", String::new(), api())
        );
        assert_eq!(of("token bot", "10.4.0.9"), ("bot".into(), "API token", "10.4.0.0/24".into(), api()));
        assert_eq!(of("hook …k7q2", "203.0.113.9").1, "DELETE");
    }

    #[test]
    fn hostile_names_stay_text() {
        let hostile = "\"><script>alert(1)</script>";
        let entry = Entry {
            sequence: 1,
            at: T0,
            actor: Actor { name: format!("operator {hostile}"), address: hostile.to_owned() },
            action: hostile.to_owned(),
            subject: format!("service {hostile}"),
            detail: hostile.to_owned(),
        };

        let html = AuditPage::new(Frame::signed_out(), None, &[entry], (false, true), T0).render().unwrap();

        assert!(!html.contains("<script>") && html.contains("&#60;script&#62;"));
        assert!(html.contains("href=\"/audit?before=1\"") && html.contains("aria-disabled"));
    }
}
