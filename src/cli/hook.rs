//! `stackblaze hook`: the secret URLs of a service.

use clap::{ArgGroup, Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::config::DataDir;

use super::client::path;
use super::failure::Failure;
use super::output::{age, items, or_dash, text};
use super::remote::{Remote, Session};

/// Hooks: secret URLs that start a deployment
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stackblaze hook create api --name github-actions
  stackblaze hook list api
  stackblaze hook rotate api github-actions --overlap 24h")]
pub(super) struct HookCommand {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make a hook and print its URL, once
    #[command(after_help = "Examples:
  stackblaze hook create api --name github-actions
  stackblaze hook create api --name ci --branch main --branch 'release/*' --expires 90d
  stackblaze hook create api --name ci --json    prints {\"id\",\"service\",\"name\",\"url\"}")]
    Create {
        /// Name of the service
        service: String,
        /// What to call it, for example github-actions
        #[arg(long)]
        name: String,
        #[command(flatten)]
        rules: Rules,
    },
    /// List the hooks of a service
    #[command(after_help = "Example:
  stackblaze hook list api")]
    List {
        /// Name of the service
        service: String,
    },
    /// Show a hook; its URL was shown once, when it was made
    #[command(after_help = "Example:
  stackblaze hook show api github-actions")]
    Show(Named),
    /// List the last 50 calls that were refused or repeated
    #[command(after_help = "Example:
  stackblaze hook calls api github-actions")]
    Calls(Named),
    /// Give a hook a new URL; the old one works for a while longer
    #[command(after_help = "Examples:
  stackblaze hook rotate api github-actions
  stackblaze hook rotate api github-actions --overlap 0")]
    Rotate {
        #[command(flatten)]
        named: Named,
        /// How long the old URL still works: 0, 1h, 24h or 7d
        #[arg(long, default_value = "24h", value_name = "DURATION")]
        overlap: String,
    },
    /// Change the name or rules of a hook; what is not named stays
    #[command(after_help = "Examples:
  stackblaze hook set api ci --branch main --branch 'release/*'
  stackblaze hook set api ci --any-branch --never-expires")]
    Set(Box<Set>),
    /// Refuse calls of a hook until it is resumed
    #[command(after_help = "Example:
  stackblaze hook pause api github-actions --reason 'moving the repository'")]
    Pause {
        #[command(flatten)]
        named: Named,
        /// Why; callers read it
        #[arg(long)]
        reason: String,
    },
    /// Take calls of a paused hook again
    #[command(after_help = "Example:
  stackblaze hook resume api github-actions")]
    Resume(Named),
    /// Make the URL of a hook worthless, for good
    #[command(after_help = "Example:
  stackblaze hook revoke api github-actions --yes")]
    Revoke {
        #[command(flatten)]
        named: Named,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
struct Named {
    /// Name of the service
    service: String,
    /// Name or id of the hook
    name: String,
}

#[derive(Debug, Args)]
struct Rules {
    /// Allow only branches like this: main, release/*, feat/**; repeatable [default: any branch]
    #[arg(long, value_name = "PATTERN")]
    branch: Vec<String>,
    /// Allow only callers from this network; repeatable [default: any]
    #[arg(long, value_name = "CIDR")]
    from: Vec<String>,
    /// Refuse calls after this time
    #[arg(long, value_name = "DURATION")]
    expires: Option<String>,
}

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").multiple(true).required(true))]
struct Set {
    #[command(flatten)]
    named: Named,
    /// New name
    #[arg(long = "name", id = "new_name", value_name = "NAME", group = "change")]
    new_name: Option<String>,
    /// Allow only branches like this; replaces the list; repeatable
    #[arg(long, value_name = "PATTERN", group = "change")]
    branch: Vec<String>,
    /// Allow any branch
    #[arg(long, conflicts_with = "branch", group = "change")]
    any_branch: bool,
    /// Allow only callers from this network; replaces the list; repeatable
    #[arg(long, value_name = "CIDR", group = "change")]
    from: Vec<String>,
    /// Allow callers from anywhere
    #[arg(long, conflicts_with = "from", group = "change")]
    from_anywhere: bool,
    /// Refuse calls after this time, from now
    #[arg(long, value_name = "DURATION", group = "change")]
    expires: Option<String>,
    /// Do not expire
    #[arg(long, conflicts_with = "expires", group = "change")]
    never_expires: bool,
}

impl HookCommand {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<(), Failure> {
        let session = self.remote.open(data_dir)?;
        match self.verb {
            Verb::Create { service, name, rules } => create(&session, &service, &name, rules).await,
            Verb::List { service } => list(&session, &service).await,
            Verb::Show(named) => show(&session, &named).await,
            Verb::Calls(named) => calls(&session, &named).await,
            Verb::Rotate { named, overlap } => rotate(&session, &named, &overlap).await,
            Verb::Set(set) => set.run(&session).await,
            Verb::Pause { named, reason } => {
                change(&session, &named, &json!({ "paused": reason }), "paused", "resume").await
            }
            Verb::Resume(named) => {
                change(&session, &named, &json!({ "paused": null }), "takes calls again", "show").await
            }
            Verb::Revoke { named, yes } => revoke(&session, &named, yes).await,
        }
    }
}

impl Named {
    fn path(&self, more: &[&str]) -> String {
        let parts = ["api", "v1", "services", &self.service, "hooks", &self.name];
        format!("{}{}", path(&parts), path(more))
    }
}

async fn create(session: &Session, service: &str, name: &str, rules: Rules) -> Result<(), Failure> {
    let mut body = json!({ "name": name, "branches": rules.branch, "addresses": rules.from });
    if let Some(expires) = rules.expires {
        body["expiresIn"] = expires.into();
    }
    let hook = session.client.post(&path(&["api", "v1", "services", service, "hooks"]), &body).await?;
    show_url(session, &hook);
    session.next(&format!("stackblaze deployment list {}", text(&hook, "service")));
    Ok(())
}

/// The URL on stdout, all that is said about it on stderr. Of the JSON exactly the four keys that scripts need.
fn show_url(session: &Session, hook: &Value) {
    let url = text(hook, "url");
    if session.out.json {
        let keys = ["id", "service", "name", "url"];
        session.out.value(
            &keys.iter().map(|&key| (key.to_owned(), hook[key].clone())).collect::<Map<_, _>>().into(),
        );
        return;
    }
    session.out.line(&url);
    session.out.note("The URL is a secret and is shown this once. Call it like this:");
    session.out.note(&format!("  curl --fail-with-body -X POST \"{url}\""));
}

async fn list(session: &Session, service: &str) -> Result<(), Failure> {
    let list = session.client.list(&path(&["api", "v1", "services", service, "hooks"])).await?;
    if session.out.printed_as_json(&list) {
        return Ok(());
    }
    let items = items(&list);
    if items.is_empty() {
        session.out.note(&format!("Service {service} has no hooks yet."));
        session.next(&format!("stackblaze hook create {service} --name github-actions"));
        return Ok(());
    }
    let rows: Vec<_> = items
        .iter()
        .map(|hook| {
            let branches = text(hook, "branches");
            let branches = if branches.is_empty() { "any".to_owned() } else { branches };
            let calls = text(hook, "callsLast30Days");
            vec![
                text(hook, "name"),
                text(hook, "state"),
                branches,
                calls,
                age(&hook["lastUsed"], "at"),
                text(hook, "id"),
            ]
        })
        .collect();
    session.out.table(&["NAME", "STATE", "BRANCHES", "CALLS 30 D", "LAST USED", "ID"], &rows, 1);
    Ok(())
}

async fn show(session: &Session, named: &Named) -> Result<(), Failure> {
    let hook = session.client.get(&named.path(&[])).await?;
    if session.out.printed_as_json(&hook) {
        return Ok(());
    }
    let any =
        |field: &str| Some(text(&hook, field)).filter(|text| !text.is_empty()).unwrap_or("any".to_owned());
    let last = if hook["lastUsed"].is_null() {
        "never".to_owned()
    } else {
        let used = &hook["lastUsed"];
        format!("{} from {}, {}", age(used, "at"), text(used, "caller"), text(used, "deploymentId"))
    };
    session.out.fields(&[
        ("name", text(&hook, "name")),
        ("id", text(&hook, "id")),
        ("service", text(&hook, "service")),
        ("state", text(&hook, "state")),
        ("paused because", text(&hook, "paused")),
        ("URL", text(&hook, "maskedUrl")),
        ("branches", any("branches")),
        ("callers", any("addresses")),
        ("expires", text(&hook, "expiresAt")),
        ("old URL until", text(&hook, "rotatingUntil")),
        ("last used", last),
        ("calls in 30 days", text(&hook, "callsLast30Days")),
        ("created", format!("{} by {}", age(&hook, "createdAt"), text(&hook, "createdBy"))),
    ]);
    Ok(())
}

async fn calls(session: &Session, named: &Named) -> Result<(), Failure> {
    let list = session.client.get(&named.path(&["calls"])).await?;
    if session.out.printed_as_json(&list) {
        return Ok(());
    }
    let items = items(&list);
    if items.is_empty() {
        session.out.note("No call was refused or repeated.");
        return Ok(());
    }
    let row = |call: &Value| {
        let cells = ["result", "count", "caller", "detail"].map(|field| or_dash(text(call, field)));
        let [result, count, caller, detail] = cells;
        vec![age(call, "at"), result, count, caller, detail]
    };
    let rows: Vec<_> = items.iter().map(row).collect();
    session.out.table(&["WHEN", "RESULT", "CALLS", "FROM", "DETAIL"], &rows, 1);
    Ok(())
}

async fn rotate(session: &Session, named: &Named, overlap: &str) -> Result<(), Failure> {
    let hook = session.client.post(&named.path(&["rotate"]), &json!({ "overlap": overlap })).await?;
    show_url(session, &hook);
    match text(&hook, "rotatingUntil") {
        until if until.is_empty() => session.out.note("The old URL does not work any more."),
        until => session.out.note(&format!("The old URL works until {until}.")),
    }
    session.next(&format!("stackblaze hook show {} {}", named.service, text(&hook, "name")));
    Ok(())
}

impl Set {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let mut body = Map::new();
        let mut put = |field: &str, value: Value| drop(body.insert(field.to_owned(), value));
        if let Some(name) = &self.new_name {
            put("name", name.clone().into());
        }
        if self.any_branch || !self.branch.is_empty() {
            put("branches", self.branch.clone().into());
        }
        if self.from_anywhere || !self.from.is_empty() {
            put("addresses", self.from.clone().into());
        }
        if let Some(expires) = &self.expires {
            put("expiresIn", expires.clone().into());
        }
        if self.never_expires {
            put("expiresAt", Value::Null);
        }
        change(session, &self.named, &Value::Object(body), "changed", "show").await
    }
}

async fn change(
    session: &Session,
    named: &Named,
    body: &Value,
    what: &str,
    next: &str,
) -> Result<(), Failure> {
    let hook = session.client.patch(&named.path(&[]), body).await?;
    let name = text(&hook, "name");
    session.out.result(&hook, &format!("hook {}/{name} {what}", named.service));
    session.next(&format!("stackblaze hook {next} {} {}", named.service, quoted(&name)));
    Ok(())
}

/// A name as a shell takes it.
fn quoted(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    if is_plain { name.to_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) }
}

async fn revoke(session: &Session, named: &Named, yes: bool) -> Result<(), Failure> {
    let hook = session.client.get(&named.path(&[])).await?;
    let name = text(&hook, "name");
    session
        .out
        .confirm(&format!("Revoke hook {}/{name}? Its URL stops working for good.", named.service), yes)?;
    session.client.delete(&named.path(&[])).await?;
    if session.out.json {
        session.out.value(
            &session
                .client
                .get(&path(&["api", "v1", "services", &named.service, "hooks", &text(&hook, "id")]))
                .await?,
        );
    } else {
        session.out.line(&format!("hook {}/{name} revoked", named.service));
    }
    session.next(&format!("stackblaze hook create {} --name {}", named.service, quoted(&name)));
    Ok(())
}
