//! What `/audit` shows: each act as a sentence.

use askama::Template;

use crate::actions::describe_caller;
use crate::db::audit::Entry;
use crate::domain::{Act, ActKind, DeploymentId, Subject, Timestamp, Urls, Who};
use crate::web::pages::Frame;
use crate::web::pages::format::Moment;

/// `/audit`.
#[derive(Debug, Template)]
#[template(path = "pages/audit/index.html")]
pub struct AuditPage {
    /// Around it.
    pub frame: Frame,
    /// The kind that is shown; none: all.
    pub kind: Option<ActKind>,
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
        kind: Option<ActKind>,
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

    fn kinds(&self) -> [(&'static str, &'static str, bool); 7] {
        let is = |kind| self.kind == Some(kind);
        [
            ("/audit", "All", self.kind.is_none()),
            ("/audit?kind=deployments", "Deployments", is(ActKind::Deployments)),
            ("/audit?kind=hooks", "Hooks", is(ActKind::Hooks)),
            ("/audit?kind=services", "Services", is(ActKind::Services)),
            ("/audit?kind=sign-ins", "Sign-ins", is(ActKind::SignIns)),
            ("/audit?kind=tokens", "API tokens", is(ActKind::Tokens)),
            ("/audit?kind=targets", "Notifications", is(ActKind::Targets)),
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
        let network = || match entry.actor.address.parse() {
            Ok(address) => describe_caller(Some(address), None),
            Err(_) => entry.actor.address.clone(),
        };
        let (way, who, from) = match &entry.actor.who {
            Who::Socket => ("shell", "on the server".to_owned(), String::new()),
            Who::Server => ("by itself", "the server".to_owned(), String::new()),
            Who::Stranger => ("sign-in page", "somebody".to_owned(), network()),
            Who::Operator(name) => ("dashboard", name.clone(), network()),
            Who::Token(name) => ("API token", name.clone(), network()),
            Who::HookUrl(caller) => {
                let program = caller.split_once(", ").map(|(_, program)| program.to_owned());
                ("DELETE", network(), program.unwrap_or_default())
            }
        };
        let at = Moment::new(entry.at, now);
        // The column's head says it for all of them.
        let at = Moment { text: at.text.trim_end_matches(" UTC").to_owned(), ..at };
        let service = entry.record.subject.service().filter(|name| !name.is_empty()).map(str::to_owned);
        Self { at, who, what: sentence(entry), service, way, from }
    }
}

fn sentence(entry: &Entry) -> Vec<Part> {
    let record = &entry.record;
    let mut parts = vec![Part::Words(record.act.sentence().to_owned())];
    parts.extend(named(record.act, &record.subject));
    if matches!((record.act, &entry.actor.who), (Act::HookRevoke, Who::HookUrl(_))) {
        parts.push(Part::Words(" with its own URL".to_owned()));
        return parts;
    }
    let detail = &record.detail;
    if detail.is_empty() {
        return parts;
    }
    parts.push(Part::Words(match record.act {
        Act::ServiceFreeze => format!(": “{detail}”"),
        Act::SessionCreate | Act::SessionRevoke => format!(" {detail}"),
        _ if record.act.kind() == ActKind::Deployments => format!(" of {detail}"),
        _ => format!(": {detail}"),
    }));
    if let Some(id) = &record.began {
        parts.push(Part::Words(" as".to_owned()));
        parts.push(deployment(id));
    }
    parts
}

/// The thing's own name, where the sentence needs it: services and whoever acted have columns of their own.
fn named(act: Act, subject: &Subject) -> Option<Part> {
    if matches!(act, Act::OperatorPassword | Act::SessionCreate | Act::SessionRevoke) {
        return None;
    }
    match subject {
        Subject::Deployment(id) => Some(deployment(id)),
        other => other.name().map(|name| Part::Name(name.to_owned())),
    }
}

fn deployment(id: &DeploymentId) -> Part {
    Part::Deployment(Urls::page_path(id), id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::audit::{Actor, Record};

    const T0: Timestamp = Timestamp::from_millis(1_795_530_649_120);

    fn id() -> DeploymentId {
        DeploymentId::parse("dep_mwuangvh9xk2mq7rz4tb").unwrap()
    }

    fn row(who: Who, address: &str, record: Record) -> Row {
        let actor = Actor { who, address: address.to_owned() };
        Row::new(&Entry { sequence: 1, at: T0, actor, record }, T0)
    }

    fn text(row: &Row) -> String {
        let part = |part: &Part| match part {
            Part::Words(words) => words.clone(),
            Part::Name(name) => format!(" [{name}]"),
            Part::Deployment(_, id) => format!(" <{id}>"),
        };
        row.what.iter().map(part).collect()
    }

    fn hook() -> Subject {
        Subject::Hook { service: "api".to_owned(), hook: "ci".to_owned() }
    }

    #[test]
    fn each_act_reads_as_a_sentence() {
        let api = || Subject::Service("api".to_owned());
        let deploy =
            Record { began: Some(id()), ..Record::new(Act::ServiceDeploy, api()).with("main at its head") };
        for (record, wanted) in [
            (deploy, format!("started a deployment of main at its head as <{}>", id())),
            (
                Record::new(Act::DeploymentCancel, Subject::Deployment(id())),
                format!("cancelled deployment <{}>", id()),
            ),
            (
                Record::new(Act::HookRotate, hook()).with("the old URL is good for 24h"),
                "rotated hook [ci]: the old URL is good for 24h".into(),
            ),
            (Record::new(Act::HookEndOldUrl, hook()), "ended the old URL of hook [ci]".into()),
            (
                Record::new(Act::ServiceFreeze, api()).with("No deploys."),
                "froze the service: “No deploys.”".into(),
            ),
            (
                Record::new(Act::SessionCreate, Subject::Operator("mira".to_owned())).with("by password"),
                "signed in by password".into(),
            ),
            (
                Record::new(Act::TokenCreate, Subject::Token("bot".to_owned())).with("scope deploy"),
                "created API token [bot]: scope deploy".into(),
            ),
        ] {
            assert_eq!(text(&row(Who::Operator("mira".to_owned()), "198.51.100.7", record)), wanted);
        }
    }

    #[test]
    fn who_did_it_and_from_where_is_told_apart() {
        let of = |who, address| {
            let row = row(who, address, Record::new(Act::HookRevoke, hook()));
            let what = text(&row);
            (row.who, row.way, row.from, row.service.unwrap(), what)
        };
        let (api, revoked) = (|| "api".to_owned(), || "revoked hook [ci]".to_owned());

        assert_eq!(
            of(Who::Operator("mira".to_owned()), "198.51.100.7"),
            ("mira".into(), "dashboard", "198.51.100.0/24".into(), api(), revoked())
        );
        assert_eq!(
            of(Who::Socket, "socket"),
            ("on the server".into(), "shell", String::new(), api(), revoked())
        );
        assert_eq!(
            of(Who::Token("bot".to_owned()), "10.4.0.9"),
            ("bot".into(), "API token", "10.4.0.0/24".into(), api(), revoked())
        );
        assert_eq!(
            of(Who::HookUrl("203.0.113.0/24, curl/8.5.0".to_owned()), "203.0.113.9"),
            (
                "203.0.113.0/24".into(),
                "DELETE",
                "curl/8.5.0".into(),
                api(),
                "revoked hook [ci] with its own URL".into()
            )
        );
    }

    #[test]
    fn hostile_names_stay_text() {
        let hostile = "\"><script>alert(1)</script>";
        let entry = Entry {
            sequence: 1,
            at: T0,
            actor: Actor { who: Who::Operator(hostile.to_owned()), address: hostile.to_owned() },
            record: Record::new(
                Act::HookUpdate,
                Subject::Hook { service: hostile.to_owned(), hook: hostile.to_owned() },
            )
            .with(hostile),
        };

        let html = AuditPage::new(Frame::signed_out(), None, &[entry], (false, true), T0).render().unwrap();

        assert!(!html.contains("<script>") && html.contains("&#60;script&#62;"));
        assert!(html.contains("href=\"/audit?before=1\"") && html.contains("aria-disabled"));
    }
}
