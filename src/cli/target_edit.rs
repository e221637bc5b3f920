//! The settings of a target as flags: `target add` and `target set`.

use clap::builder::PossibleValuesParser;
use clap::{ArgGroup, Args};
use serde_json::json;

use crate::cli::answer::Answer;
use crate::cli::client::path;
use crate::cli::completions;
use crate::cli::failure::Failure;
use crate::cli::remote::Session;
use crate::cli::target_secret::{Given, as_typed, kind_and_url, say_what_is_kept};
use crate::domain::Event;
use crate::wire::Change;
use crate::wire::target::{TargetBody, TargetJson};

#[derive(Debug, Args)]
pub(super) struct Named {
    /// Id of the target
    #[arg(add = completions::of_targets())]
    pub(super) id: String,
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// webhook, github, gitlab, gitea (Forgejo too), slack, discord or teams; may be left out for github.com and gitlab.com
    #[arg(value_name = "KIND", add = completions::of_kinds())]
    kind: String,
    /// Address that is told, `-` for stdin: that of a chat is a secret
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Tell of this service only [default: of all]
    #[arg(long, add = completions::of_services())]
    service: Option<String>,
    /// Tell of this event; repeatable [default: webhook all, a chat deployment.failed and deployment.recovered, a forge every
    /// status]
    #[arg(long, value_parser = events())]
    event: Vec<String>,
    /// Tell of deployments of branches like this: main, release/*, feat/**; repeatable [default: any branch]
    #[arg(long, value_name = "PATTERN")]
    branch: Vec<String>,
    /// File with the forge's token, `-` for stdin; stored in clear, never shown again
    #[arg(long, value_name = "FILE")]
    secret_file: Option<String>,
    /// Tell the last lines of the step that failed too
    #[arg(long)]
    with_lines: bool,
    /// Status check that GitHub waits for before it takes a deployment; repeatable
    #[arg(long, value_name = "NAME")]
    required_context: Vec<String>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").multiple(true).required(true))]
pub(super) struct Set {
    #[command(flatten)]
    named: Named,
    /// New address, `-` for stdin
    #[arg(long, group = "change")]
    url: Option<String>,
    /// Tell of this event; replaces the list; repeatable
    #[arg(long, value_parser = events(), group = "change")]
    event: Vec<String>,
    /// Tell of deployments of branches like this; replaces the list; repeatable
    #[arg(long, value_name = "PATTERN", group = "change")]
    branch: Vec<String>,
    /// Tell of deployments of any branch
    #[arg(long, conflicts_with = "branch", group = "change")]
    all_branches: bool,
    /// File with another token of the forge, `-` for stdin
    #[arg(long, value_name = "FILE", group = "change")]
    secret_file: Option<String>,
    /// Tell the last lines of the step that failed too
    #[arg(long, group = "change")]
    with_lines: bool,
    /// Tell no lines of logs
    #[arg(long, conflicts_with = "with_lines", group = "change")]
    without_lines: bool,
    /// Status check that GitHub waits for before it takes a deployment; replaces the list, '' empties it; repeatable
    #[arg(long, value_name = "NAME", group = "change")]
    required_context: Vec<String>,
    #[command(flatten)]
    switch: Switch,
}

#[derive(Debug, Args)]
struct Switch {
    /// Switch it on: it is told of what happens from now on
    #[arg(long, group = "change")]
    on: bool,
    /// Switch it off: it is told of nothing
    #[arg(long, conflicts_with = "on", group = "change")]
    off: bool,
}

fn events() -> PossibleValuesParser {
    PossibleValuesParser::new(Event::ALL.map(Event::as_str))
}

impl Named {
    pub(super) fn path(&self, more: &[&str]) -> String {
        format!("{}{}", path(&["api", "v1", "targets", &self.id]), path(more))
    }
}

/// A list that is named; else what is there stays.
fn named(list: Vec<String>) -> Option<Vec<String>> {
    Some(list).filter(|list| !list.is_empty())
}

impl Add {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let (kind, url) = kind_and_url(self.kind, self.url)?;
        let given = Given::read(Some(url), self.secret_file.as_deref())?;
        let body = TargetBody {
            kind,
            url: given.url,
            service: Change::given(self.service),
            events: named(self.event),
            branches: named(self.branch),
            secret: given.secret,
            with_lines: self.with_lines.then_some(true),
            required_contexts: named(self.required_context),
            state: None,
        };
        let made = session.client.post("/api/v1/targets", &body).await;
        let made: Answer<TargetJson> = Answer::read(made.map_err(|failure| as_typed(failure, session))?)?;
        say_what_is_kept(session, &body, &made.kind);
        let (id, secret) = (&made.id, &made.secret);
        session.out.result(&json!({ "id": id, "secret": secret }), secret.as_ref().unwrap_or(id));
        if secret.is_some() {
            session
                .out
                .note("The secret is shown this once. Whoever is told checks webhook-signature with it.");
            session.out.note(&format!("The target is {id}."));
        }
        session.next(&format!("stackblaze target test {id}"));
        Ok(())
    }
}

impl Set {
    pub(super) async fn run(self, session: &Session) -> Result<(), Failure> {
        let given = Given::read(self.url, self.secret_file.as_deref())?;
        let contexts = named(self.required_context);
        let body = TargetBody {
            kind: None,
            url: given.url,
            service: Change::Keep,
            events: named(self.event),
            branches: Some(self.branch).filter(|branches| self.all_branches || !branches.is_empty()),
            secret: given.secret,
            with_lines: (self.with_lines || self.without_lines).then_some(self.with_lines),
            // One empty word empties the list.
            required_contexts: contexts
                .map(|contexts| contexts.into_iter().filter(|context| !context.is_empty()).collect()),
            state: self.switch.word(),
        };
        let changed = session.client.patch(&self.named.path(&[]), &body).await?;
        let target: Answer<TargetJson> = Answer::read(changed)?;
        say_what_is_kept(session, &body, &target.kind);
        session.out.result(&target.json, &format!("target {} changed", target.id));
        session.next(&format!("stackblaze target show {}", target.id));
        Ok(())
    }
}

impl Switch {
    fn word(&self) -> Option<String> {
        (self.on || self.off).then(|| if self.on { "active" } else { "off" }.to_owned())
    }
}
