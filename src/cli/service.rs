//! `stackblaze service`: the applications.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::cli::answer::Answer;
use crate::cli::client::path;
use crate::cli::completions;
use crate::cli::failure::Failure;
use crate::cli::remote::{Remote, Session};
use crate::cli::service_fields::Fields;
use crate::cli::service_unset::empty;
use crate::cli::{service_checks, service_view};
use crate::config::DataDir;
use crate::wire::Change;
use crate::wire::service::{FreezeBody, ServiceBody, ServiceJson};

/// Services: where an application comes from, how it is built and deployed
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze service add api --repo https://git.example/you/api.git \\
      --branch main --build 'make' --deploy './deploy.sh'
  stackblaze service list
  stackblaze service freeze api --reason 'release day'")]
pub(super) struct ServiceCommand {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add a service
    #[command(after_long_help = "Examples:
  stackblaze service add api --repo https://git.example/you/api.git \\
      --branch main --build 'make' --deploy './deploy.sh'
  stackblaze service add site --repo git@git.example:you/site.git \\
      --git-ssh-key-file /etc/stackblaze/site.key --deploy 'make install'
  stackblaze service add job --repo /srv/git/job.git --env-file job.env \\
      --build 'make deploy' --deploy true --timeout 30m --queue-policy latest
  stackblaze service add shop --repo https://git.example/you/shop.git \\
      --image registry.example.com/shop --workload apps/shop \\
      --registry-secret registry")]
    Add(Box<Add>),
    /// List all services
    #[command(after_long_help = "Examples:
  stackblaze service list
  stackblaze service list --json | jq -r '.items[].name'")]
    List,
    /// Show the settings of a service
    #[command(after_long_help = "Example:
  stackblaze service show api")]
    Show {
        /// Name of the service
        #[arg(add = completions::of_services())]
        name: String,
    },
    /// Change settings of a service; what is not named stays
    #[command(after_long_help = "Examples:
  stackblaze service set api --branch release --timeout 30m
  stackblaze service set api --env-file api.env --unset env.OLD_KEY --unset url")]
    Set(Box<Set>),
    /// Show what the server found when it last looked at what a service needs
    #[command(after_long_help = "Examples:
  stackblaze service check api
  stackblaze service check api --json | jq -r '.checks[].detail'

Exits 1 where something would make deployments fail.")]
    Check {
        /// Name of the service
        #[arg(add = completions::of_services())]
        name: String,
    },
    /// Empty what builds of a service keep from one run to the next
    #[command(after_long_help = "Example:
  stackblaze service empty-cache api")]
    EmptyCache {
        /// Name of the service
        #[arg(add = completions::of_services())]
        name: String,
    },
    /// Make a status badge under a new address, or take it away
    #[command(after_long_help = "Examples:
  stackblaze service badge api
  stackblaze service badge api --off

Whoever knows the address sees the service's name and how it stands.")]
    Badge {
        /// Name of the service
        #[arg(add = completions::of_services())]
        name: String,
        /// Take the badge away
        #[arg(long)]
        off: bool,
    },
    /// Delete a service: its hooks are revoked, what is queued or running ends
    #[command(after_long_help = "Example:
  stackblaze service rm api --yes")]
    Rm {
        /// Name of the service
        #[arg(add = completions::of_services())]
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Refuse hooks, deploys and redeploys until unfrozen; rollback still works
    #[command(after_long_help = "Example:
  stackblaze service freeze api --reason 'release day'")]
    Freeze {
        /// Name of the service
        #[arg(add = completions::of_services())]
        name: String,
        /// Why; callers of its hooks read it
        #[arg(long)]
        reason: String,
    },
    /// Take hooks, deploys and redeploys again
    #[command(after_long_help = "Example:
  stackblaze service unfreeze api")]
    Unfreeze {
        /// Name of the service
        #[arg(add = completions::of_services())]
        name: String,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// A DNS label, for example api-service
    name: String,
    /// Git repository: https, ssh, git, http, or a path on the server
    #[arg(long, required_unless_present = "image_only")]
    repo: Option<String>,
    /// There is no repository: CI builds its images, and calls name one
    #[arg(long, conflicts_with = "repo")]
    image_only: bool,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Debug, Args)]
struct Set {
    /// Name of the service
    #[arg(add = completions::of_services())]
    name: String,
    /// Git repository: https, ssh, git, http, or a path on the server
    #[arg(long)]
    repo: Option<String>,
    /// There is no repository any more: CI builds its images, and calls name one
    #[arg(long, conflicts_with = "repo")]
    image_only: bool,
    #[command(flatten)]
    fields: Fields,
    /// Empty a setting: url, git-token-file, git-ssh-key-file, cache-repository, dockerfile, context, target, git-secret,
    /// registry-secret, release-command, env.NAME, var.NAME, build-arg.NAME, build-secret.ID or resource.NAME; repeatable
    #[arg(long, value_name = "SETTING")]
    unset: Vec<String>,
}

impl ServiceCommand {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<ExitCode, Failure> {
        let session = self.remote.open(data_dir)?;
        match self.verb {
            Verb::Add(add) => add.run(&session).await?,
            Verb::List => service_view::list(&session).await?,
            Verb::Show { name } => service_view::show(&session, &name).await?,
            Verb::Set(set) => set.run(&session).await?,
            Verb::Check { name } => return service_checks::show(&session, &name).await,
            Verb::Rm { name, yes } => remove(&session, &name, yes).await?,
            Verb::EmptyCache { name } => empty_cache(&session, &name).await?,
            Verb::Badge { name, off } => badge(&session, &name, off).await?,
            Verb::Freeze { name, reason } => freeze(&session, &name, reason).await?,
            Verb::Unfreeze { name } => unfreeze(&session, &name).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Add {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let repo = if self.image_only { Change::Empty } else { Change::given(self.repo) };
        let body = self.fields.body(&session.client, &repo)?;
        let body = ServiceBody { name: Some(self.name), ..body };
        let service = session.client.post("/api/v1/services", &body).await?;
        self.fields.warn(session, repo.value().map(String::as_str));
        let name = print(session, service, "added")?;
        session.next(&format!("stackblaze hook create {name} --name github-actions"));
        Ok(())
    }
}

impl Set {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let repo = if self.image_only { Change::Empty } else { Change::given(self.repo) };
        let mut body = self.fields.body(&session.client, &repo)?;
        for setting in &self.unset {
            empty(&mut body, setting)?;
        }
        if body == ServiceBody::default() {
            return Err(Failure::usage("nothing to change was named")
                .hint(format!("for example: stackblaze service set {} --timeout 30m", self.name)));
        }
        let path = path(&["api", "v1", "services", &self.name]);
        let service = session.client.patch(&path, &body).await?;
        self.fields.warn(session, repo.value().map(String::as_str));
        let name = print(session, service, "changed")?;
        session.next(&format!("stackblaze deploy {name} --wait"));
        Ok(())
    }
}

/// The object as JSON, or a sentence; gives the service's name.
fn print(session: &Session, service: Value, what: &str) -> Result<String, Failure> {
    let service: Answer<ServiceJson> = Answer::read(service)?;
    session.out.result(&service.json, &format!("service {} {what}", service.name()));
    Ok(service.name())
}

async fn remove(session: &Session, name: &str, yes: bool) -> Result<(), Failure> {
    session.client.get(&path(&["api", "v1", "services", name])).await?;
    session.out.confirm(&format!("Delete service {name} and revoke its hooks?"), yes)?;
    session.client.delete(&path(&["api", "v1", "services", name])).await?;
    session.out.result(&json!({ "name": name, "deleted": true }), &format!("service {name} deleted"));
    session.next("stackblaze service list");
    Ok(())
}

async fn empty_cache(session: &Session, name: &str) -> Result<(), Failure> {
    session.client.delete(&path(&["api", "v1", "services", name, "cache"])).await?;
    session.out.result(
        &json!({ "name": name, "emptied": true }),
        &format!("the cache of service {name} is emptied"),
    );
    session.next(&format!("stackblaze deploy {name} --wait"));
    Ok(())
}

async fn badge(session: &Session, name: &str, off: bool) -> Result<(), Failure> {
    let path = path(&["api", "v1", "services", name, "badge"]);
    if off {
        session.client.delete(&path).await?;
        let line = format!("service {name} has no badge any more");
        session.out.result(&json!({ "service": name, "badge": null }), &line);
        return Ok(());
    }
    let made = session.client.put(&path, &json!({})).await?;
    session.out.result(&made, &crate::cli::output::text(&made, "url"));
    Ok(())
}

async fn freeze(session: &Session, name: &str, reason: String) -> Result<(), Failure> {
    let path = path(&["api", "v1", "services", name, "freeze"]);
    let service = session.client.put(&path, &FreezeBody { reason: Some(reason) }).await?;
    print(session, service, "frozen")?;
    session.next(&format!("stackblaze service unfreeze {name}"));
    Ok(())
}

async fn unfreeze(session: &Session, name: &str) -> Result<(), Failure> {
    let path = path(&["api", "v1", "services", name, "freeze"]);
    let service = session.client.delete(&path).await?;
    print(session, service, "takes deployments again")?;
    session.next(&format!("stackblaze deploy {name} --wait"));
    Ok(())
}
