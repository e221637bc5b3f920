//! `stackblaze hook`: the secret URLs of a service.

use clap::{ArgGroup, Args, Subcommand};

use crate::cli::answer::Answer;
use crate::cli::client::path;
use crate::cli::completions;
use crate::cli::failure::Failure;
use crate::cli::hook_view::{self, show_url};
use crate::cli::remote::{Remote, Session};
use crate::config::DataDir;
use crate::domain::shell_word;
use crate::wire::Change;
use crate::wire::hook::{HookBody, HookJson, RotateBody};

/// Hooks: secret URLs that start a deployment
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
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
    #[command(after_long_help = "Examples:
  stackblaze hook create api --name github-actions
  stackblaze hook create api --name ci --branch 'release/*' --expires 90d
  stackblaze hook create api --name ci --json

With --json it prints {\"id\",\"service\",\"name\",\"url\"}.")]
    Create {
        /// Name of the service
        #[arg(add = completions::of_services())]
        service: String,
        /// What to call it, for example github-actions
        #[arg(long)]
        name: String,
        #[command(flatten)]
        rules: Rules,
    },
    /// List the hooks of a service
    #[command(after_long_help = "Example:
  stackblaze hook list api")]
    List {
        /// Name of the service
        #[arg(add = completions::of_services())]
        service: String,
    },
    /// Show a hook; its URL was shown once, when it was made
    #[command(after_long_help = "Example:
  stackblaze hook show api github-actions")]
    Show(Named),
    /// List the last 50 calls that were refused or repeated
    #[command(after_long_help = "Example:
  stackblaze hook calls api github-actions")]
    Calls(Named),
    /// Give a hook a new URL; the old one works for a while longer
    #[command(after_long_help = "Examples:
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
    #[command(after_long_help = "Examples:
  stackblaze hook set api ci --branch main --branch 'release/*'
  stackblaze hook set api ci --any-branch --never-expires")]
    Set(Box<Set>),
    /// Refuse calls of a hook until it is resumed
    #[command(after_long_help = "Example:
  stackblaze hook pause api github-actions --reason 'moving the repository'")]
    Pause {
        #[command(flatten)]
        named: Named,
        /// Why; callers read it
        #[arg(long)]
        reason: String,
    },
    /// Take calls of a paused hook again
    #[command(after_long_help = "Example:
  stackblaze hook resume api github-actions")]
    Resume(Named),
    /// Make the URL of a hook worthless, for good
    #[command(after_long_help = "Example:
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
    #[arg(add = completions::of_services())]
    service: String,
    /// Name or id of the hook
    #[arg(add = completions::of_hooks())]
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
    /// Allow only this to be asked for: build, or image for one that is built already [default: any]
    #[arg(long, value_name = "SOURCE", value_parser = ["build", "image", "any"])]
    source: Option<String>,
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
    /// Allow only this to be asked for: build, image, or any
    #[arg(long, value_name = "SOURCE", value_parser = ["build", "image", "any"], group = "change")]
    source: Option<String>,
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
            Verb::List { service } => hook_view::list(&session, &service).await,
            Verb::Show(named) => hook_view::show(&session, &named.path(&[])).await,
            Verb::Calls(named) => hook_view::calls(&session, &named.path(&["calls"])).await,
            Verb::Rotate { named, overlap } => rotate(&session, &named, overlap).await,
            Verb::Set(set) => set.run(&session).await,
            Verb::Pause { named, reason } => {
                let body = HookBody { paused: Change::Set(reason), ..HookBody::default() };
                change(&session, &named, &body, "paused", "resume").await
            }
            Verb::Resume(named) => {
                let body = HookBody { paused: Change::Empty, ..HookBody::default() };
                change(&session, &named, &body, "takes calls again", "show").await
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

/// The list of one source; of any it is empty.
fn only(source: String) -> Vec<String> {
    if source == "any" { Vec::new() } else { vec![source] }
}

async fn create(session: &Session, service: &str, name: &str, rules: Rules) -> Result<(), Failure> {
    let body = HookBody {
        name: Some(name.to_owned()),
        branches: Some(rules.branch),
        addresses: Some(rules.from),
        sources: rules.source.map(only),
        expires_in: rules.expires,
        ..HookBody::default()
    };
    let made = session.client.post(&path(&["api", "v1", "services", service, "hooks"]), &body).await?;
    let hook: Answer<HookJson> = Answer::read(made)?;
    show_url(session, &hook);
    session.next(&format!("stackblaze deployment list {}", hook.service));
    Ok(())
}

async fn rotate(session: &Session, named: &Named, overlap: String) -> Result<(), Failure> {
    let body = RotateBody { overlap: Some(overlap) };
    let hook: Answer<HookJson> = Answer::read(session.client.post(&named.path(&["rotate"]), &body).await?)?;
    show_url(session, &hook);
    match hook.rotating_until {
        None => session.out.note("The old URL does not work any more."),
        Some(until) => session.out.note(&format!("The old URL works until {until}.")),
    }
    session.next(&format!("stackblaze hook show {} {}", named.service, hook.name));
    Ok(())
}

impl Set {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let body = HookBody {
            name: self.new_name,
            branches: Some(self.branch).filter(|branches| self.any_branch || !branches.is_empty()),
            addresses: Some(self.from).filter(|networks| self.from_anywhere || !networks.is_empty()),
            sources: self.source.map(only),
            expires_at: if self.never_expires { Change::Empty } else { Change::Keep },
            expires_in: self.expires,
            paused: Change::Keep,
        };
        change(session, &self.named, &body, "changed", "show").await
    }
}

async fn change(
    session: &Session,
    named: &Named,
    body: &HookBody,
    what: &str,
    next: &str,
) -> Result<(), Failure> {
    let hook: Answer<HookJson> = Answer::read(session.client.patch(&named.path(&[]), body).await?)?;
    session.out.result(&hook.json, &format!("hook {}/{} {what}", named.service, hook.name));
    session.next(&format!("stackblaze hook {next} {} {}", named.service, shell_word(&hook.name)));
    Ok(())
}

async fn revoke(session: &Session, named: &Named, yes: bool) -> Result<(), Failure> {
    let hook: Answer<HookJson> = Answer::read(session.client.get(&named.path(&[])).await?)?;
    let full_name = format!("{}/{}", named.service, hook.name);
    session.out.confirm(&format!("Revoke hook {full_name}? Its URL stops working for good."), yes)?;
    session.client.delete(&named.path(&[])).await?;
    if session.out.json {
        let own = path(&["api", "v1", "services", &named.service, "hooks", &hook.id]);
        session.out.value(&session.client.get(&own).await?);
    } else {
        session.out.line(&format!("hook {full_name} revoked"));
    }
    session.next(&format!("stackblaze hook create {} --name {}", named.service, shell_word(&hook.name)));
    Ok(())
}
