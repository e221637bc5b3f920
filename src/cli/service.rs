//! `stackblaze service`: the applications.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::config::DataDir;

use super::client::{Client, path};
use super::failure::Failure;
use super::output::{age, items, or_dash, text};
use super::remote::{Remote, Session};
use super::service_checks;
use super::service_cluster::{ClusterFields, UNSETTABLE, shown};

/// Schemes over which a repository comes unprotected.
const UNPROTECTED: [&str; 2] = ["http://", "git://"];

/// Services: where an application comes from, how it is built and deployed
#[derive(Debug, Args)]
#[command(after_help = "Examples:
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
    #[command(after_help = "Examples:
  stackblaze service add api --repo https://git.example/you/api.git \\
      --branch main --build 'make' --deploy './deploy.sh'
  stackblaze service add site --repo git@git.example:you/site.git \\
      --git-ssh-key-file /etc/stackblaze/site.key --deploy 'make install'
  stackblaze service add job --repo /srv/git/job.git --env-file job.env \\
      --build 'make deploy' --deploy true --timeout 30m --queue-policy latest
  stackblaze service add shop --repo https://git.example/you/shop.git --executor tekton \\
      --image registry.example.com/shop --workload apps/shop --registry-secret registry")]
    Add(Box<Add>),
    /// List all services
    #[command(after_help = "Examples:
  stackblaze service list
  stackblaze service list --json | jq -r '.items[].name'")]
    List,
    /// Show the settings of a service
    #[command(after_help = "Example:
  stackblaze service show api")]
    Show {
        /// Name of the service
        name: String,
    },
    /// Change settings of a service; what is not named stays
    #[command(after_help = "Examples:
  stackblaze service set api --branch release --timeout 30m
  stackblaze service set api --env-file api.env --unset env.OLD_KEY --unset url")]
    Set(Box<Set>),
    /// Show what the server found when it last looked at what a service needs
    #[command(after_help = "Examples:
  stackblaze service check api
  stackblaze service check api --json | jq -r '.checks[] | select(.verdict == \"bad\").detail'

Exits 1 where something would make deployments fail.")]
    Check {
        /// Name of the service
        name: String,
    },
    /// Delete a service: its hooks are revoked, what is queued or running ends
    #[command(after_help = "Example:
  stackblaze service rm api --yes")]
    Rm {
        /// Name of the service
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Refuse hooks, deploys and redeploys until unfrozen; rollback still works
    #[command(after_help = "Example:
  stackblaze service freeze api --reason 'release day'")]
    Freeze {
        /// Name of the service
        name: String,
        /// Why; callers of its hooks read it
        #[arg(long)]
        reason: String,
    },
    /// Take hooks, deploys and redeploys again
    #[command(after_help = "Example:
  stackblaze service unfreeze api")]
    Unfreeze {
        /// Name of the service
        name: String,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// A DNS label, for example api-service
    name: String,
    /// Git repository: https, ssh, git, http, or a path on the server
    #[arg(long)]
    repo: String,
    #[command(flatten)]
    fields: Fields,
}

#[derive(Debug, Args)]
struct Set {
    /// Name of the service
    name: String,
    /// Git repository: https, ssh, git, http, or a path on the server
    #[arg(long)]
    repo: Option<String>,
    #[command(flatten)]
    fields: Fields,
    /// Empty a setting: url, git-token-file, git-ssh-key-file, cache-repository, dockerfile, context, git-secret,
    /// registry-secret, env.NAME or build-arg.NAME; repeatable
    #[arg(long, value_name = "SETTING")]
    unset: Vec<String>,
}

#[derive(Debug, Args)]
struct Fields {
    /// Branch that is deployed when a call names none [default for a new service: main]
    #[arg(long)]
    branch: Option<String>,
    /// Build command, given to sh -e -c in the source folder: a failing line ends the step, `set +e` takes that back
    #[arg(long, value_name = "CMD")]
    build: Option<String>,
    /// Deploy command, given to sh -e -c in the source folder after the build; needed on the server's own host, `true`
    /// where the build deploys. The folder is set aside after the run, so copy an app out of it first; what is to go on
    /// running has to leave the process group: `setsid app &`
    #[arg(long, value_name = "CMD")]
    deploy: Option<String>,
    /// File with KEY=VALUE lines, taken literally, for both commands; stored in clear, never shown again
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// File on the server with a token or password for an https repository
    #[arg(long, value_name = "FILE")]
    git_token_file: Option<PathBuf>,
    /// File on the server with a private key for an ssh repository
    #[arg(long, value_name = "FILE")]
    git_ssh_key_file: Option<PathBuf>,
    /// Longest time that a deployment may run [default for a new service: 1h]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// What a call does while others are queued: coalesce, latest or every [default for a new service: coalesce]
    #[arg(long, value_name = "POLICY")]
    queue_policy: Option<String>,
    /// What runs the deployments: tekton or local [default: what the server has]
    #[arg(long)]
    executor: Option<String>,
    /// Where the service can be seen
    #[arg(long)]
    url: Option<String>,
    #[command(flatten)]
    cluster: ClusterFields,
}

impl ServiceCommand {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<ExitCode, Failure> {
        let session = self.remote.open(data_dir)?;
        match self.verb {
            Verb::Add(add) => add.run(&session).await?,
            Verb::List => list(&session).await?,
            Verb::Show { name } => show(&session, &name).await?,
            Verb::Set(set) => set.run(&session).await?,
            Verb::Check { name } => return service_checks::show(&session, &name).await,
            Verb::Rm { name, yes } => remove(&session, &name, yes).await?,
            Verb::Freeze { name, reason } => freeze(&session, &name, &reason).await?,
            Verb::Unfreeze { name } => unfreeze(&session, &name).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Fields {
    /// The fields that are named, as the API spells them.
    fn body(&self, client: &Client, repo: Option<&str>) -> Result<Map<String, Value>, Failure> {
        let file = |path: &Option<PathBuf>| path.as_deref().map(|path| on_server(client, path)).transpose();
        let named = [
            ("repository", repo.map(|repo| repository(client, repo)).transpose()?),
            ("defaultBranch", self.branch.clone()),
            ("buildCommand", self.build.clone()),
            ("deployCommand", self.deploy.clone()),
            ("gitTokenFile", file(&self.git_token_file)?),
            ("gitSshKeyFile", file(&self.git_ssh_key_file)?),
            ("timeout", self.timeout.clone()),
            ("queuePolicy", self.queue_policy.clone()),
            ("executor", self.executor.clone()),
            ("url", self.url.clone()),
        ];
        let named = named.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?.into())));
        let mut body: Map<String, Value> = named.collect();
        body.extend(self.cluster.body()?);
        if let Some(file) = &self.env_file {
            body.insert("env".to_owned(), Value::Object(read_env(file)?));
        }
        Ok(body)
    }

    fn warn(&self, session: &Session, repo: Option<&str>) {
        warn_unprotected(session, repo);
        if self.env_file.is_some() {
            session.out.note("The values of the variables are stored in clear and are not shown again.");
        }
    }
}

/// Warns of a repository that comes without protection.
pub(super) fn warn_unprotected(session: &Session, repo: Option<&str>) {
    let scheme = UNPROTECTED.iter().find(|&&scheme| repo.is_some_and(|repo| repo.starts_with(scheme)));
    if let Some(scheme) = scheme {
        session.out.warn(&format!(
            "over {scheme} whoever is on the way can change the source; use https:// or ssh://"
        ));
    }
}

/// Reads KEY=VALUE lines; blank lines and those that begin with # are skipped. Errors never quote a value.
pub(super) fn read_env(file: &Path) -> Result<Map<String, Value>, Failure> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut variables = Map::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            let text = format!("{}: line {} is not KEY=VALUE", file.display(), index + 1);
            return Err(Failure::usage(text));
        };
        variables.insert(name.to_owned(), value.into());
    }
    Ok(variables)
}

/// A path as the server has to read it: on the same machine a relative one is completed.
fn on_server(client: &Client, path: &Path) -> Result<String, Failure> {
    let path = if client.is_local() {
        std::path::absolute(path).with_context(|| format!("cannot read {}", path.display()))?
    } else {
        path.to_owned()
    };
    path.into_os_string().into_string().map_err(|_| Failure::usage("a path must be UTF-8 text"))
}

fn repository(client: &Client, repo: &str) -> Result<String, Failure> {
    let is_relative = matches!(repo, "." | "..") || repo.starts_with("./") || repo.starts_with("../");
    if !is_relative || !client.is_local() {
        return Ok(repo.to_owned());
    }
    let found = std::fs::canonicalize(repo).with_context(|| format!("cannot read {repo}"))?;
    on_server(client, &found)
}

impl Add {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let mut body = self.fields.body(&session.client, Some(&self.repo))?;
        body.insert("name".to_owned(), self.name.clone().into());
        let service = session.client.post("/api/v1/services", &Value::Object(body)).await?;
        self.fields.warn(session, Some(&self.repo));
        print(session, &service, "added");
        session.next(&format!("stackblaze hook create {} --name github-actions", text(&service, "name")));
        Ok(())
    }
}

impl Set {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let mut body = self.fields.body(&session.client, self.repo.as_deref())?;
        for setting in &self.unset {
            unset(&mut body, setting)?;
        }
        if body.is_empty() {
            return Err(Failure::usage("nothing to change was named")
                .hint(format!("for example: stackblaze service set {} --timeout 30m", self.name)));
        }
        let path = path(&["api", "v1", "services", &self.name]);
        let service = session.client.patch(&path, &Value::Object(body)).await?;
        self.fields.warn(session, self.repo.as_deref());
        print(session, &service, "changed");
        session.next(&format!("stackblaze deploy {} --wait", text(&service, "name")));
        Ok(())
    }
}

fn unset(body: &mut Map<String, Value>, setting: &str) -> Result<(), Failure> {
    const FIELDS: [(&str, &str); 3] =
        [("url", "url"), ("git-token-file", "gitTokenFile"), ("git-ssh-key-file", "gitSshKeyFile")];
    let mut maps = [("env.", "env"), ("build-arg.", "buildArgs")].into_iter();
    if let Some((name, field)) = maps.find_map(|(prefix, field)| Some((setting.strip_prefix(prefix)?, field)))
    {
        let map = body.entry(field).or_insert_with(|| json!({}));
        map[name] = Value::Null;
        return Ok(());
    }
    let mut fields = FIELDS.iter().chain(&UNSETTABLE);
    let Some((_, field)) = fields.find(|(name, _)| *name == setting) else {
        let names: Vec<_> = FIELDS.iter().chain(&UNSETTABLE).map(|(name, _)| *name).collect();
        let known = format!("{}, env.NAME or build-arg.NAME", names.join(", "));
        return Err(Failure::usage(format!("--unset: \"{setting}\" cannot be emptied; say {known}")));
    };
    if body.insert((*field).to_owned(), Value::Null).is_some() {
        return Err(Failure::usage(format!("--unset: {setting} is given a value too; do one of both")));
    }
    Ok(())
}

/// The object as JSON, or a sentence.
fn print(session: &Session, service: &Value, what: &str) {
    session.out.result(service, &format!("service {} {what}", text(service, "name")));
}

async fn list(session: &Session) -> Result<(), Failure> {
    let list = session.client.list("/api/v1/services").await?;
    if session.out.printed_as_json(&list) {
        return Ok(());
    }
    let items = items(&list);
    if items.is_empty() {
        session.out.note("No services yet.");
        session.next("stackblaze service add NAME --repo R --branch B --build CMD --deploy CMD");
        return Ok(());
    }
    let row = |service: &Value| {
        let state = if service["frozen"].is_null() { "active" } else { "frozen" };
        let columns = ["name", "executor", "defaultBranch", "repository"].map(|field| text(service, field));
        let [name, executor, branch, repository] = columns;
        vec![name, state.to_owned(), executor, branch, repository]
    };
    let rows: Vec<_> = items.iter().map(row).collect();
    session.out.table(&["NAME", "STATE", "EXECUTOR", "BRANCH", "REPOSITORY"], &rows, 1);
    Ok(())
}

async fn show(session: &Session, name: &str) -> Result<(), Failure> {
    let service = session.client.get(&path(&["api", "v1", "services", name])).await?;
    if session.out.printed_as_json(&service) {
        return Ok(());
    }
    let variables = service["env"].as_object().map(|env| env.keys().cloned().collect::<Vec<_>>().join(" "));
    let variables = variables.filter(|names| !names.is_empty());
    let mut fields = vec![
        ("name", text(&service, "name")),
        ("frozen", text(&service, "frozen")),
        ("repository", text(&service, "repository")),
        ("branch", text(&service, "defaultBranch")),
        ("executor", text(&service, "executor")),
        ("build", or_dash(text(&service, "buildCommand"))),
        ("deploy", or_dash(text(&service, "deployCommand"))),
        ("variables", variables.map(|names| format!("{names} (values are not shown)")).unwrap_or_default()),
        ("git token file", text(&service, "gitTokenFile")),
        ("git ssh key file", text(&service, "gitSshKeyFile")),
    ];
    fields.extend(shown(&service));
    fields.extend([
        ("timeout", text(&service, "timeout")),
        ("queue policy", text(&service, "queuePolicy")),
        ("url", text(&service, "url")),
        ("created", age(&service, "createdAt")),
    ]);
    session.out.fields(&fields);
    Ok(())
}

async fn remove(session: &Session, name: &str, yes: bool) -> Result<(), Failure> {
    session.client.get(&path(&["api", "v1", "services", name])).await?;
    session.out.confirm(&format!("Delete service {name} and revoke its hooks?"), yes)?;
    session.client.delete(&path(&["api", "v1", "services", name])).await?;
    session.out.result(&json!({ "name": name, "deleted": true }), &format!("service {name} deleted"));
    session.next("stackblaze service list");
    Ok(())
}

async fn freeze(session: &Session, name: &str, reason: &str) -> Result<(), Failure> {
    let path = path(&["api", "v1", "services", name, "freeze"]);
    let service = session.client.put(&path, &json!({ "reason": reason })).await?;
    print(session, &service, "frozen");
    session.next(&format!("stackblaze service unfreeze {name}"));
    Ok(())
}

async fn unfreeze(session: &Session, name: &str) -> Result<(), Failure> {
    let path = path(&["api", "v1", "services", name, "freeze"]);
    let service = session.client.delete(&path).await?;
    print(session, &service, "takes deployments again");
    session.next(&format!("stackblaze deploy {name} --wait"));
    Ok(())
}
