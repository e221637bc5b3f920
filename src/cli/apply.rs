//! `stackblaze apply -f services.toml`: creates and updates what a file declares; deletes nothing.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::config::DataDir;

use super::client::path;
use super::failure::{Failure, NOT_FOUND, USAGE};
use super::output::text;
use super::remote::{Remote, Session};
use super::service::{read_env, warn_unprotected};
use super::service_cluster::workload;

/// Create and update services and hooks as a file declares them; delete nothing
#[derive(Debug, Args)]
#[command(after_help = "Example:
  stackblaze apply -f services.toml

services.toml, every setting but name and repository may be left out; what
builds on the server's own host needs deploy_command, what builds in a
cluster image and workload:
  [[service]]
  name = \"api\"
  repository = \"https://git.example/you/api.git\"
  default_branch = \"main\"
  build_command = \"make\"
  deploy_command = \"./deploy.sh\"
  timeout = \"30m\"
  queue_policy = \"coalesce\"     # or latest, every
  url = \"https://api.example.com\"
  executor = \"local\"
  env_file = \"api.env\"          # KEY=VALUE lines; or env = { KEY = \"value\" }
  git_token_file = \"/etc/stackblaze/api.token\"      # or git_ssh_key_file

  [[service]]
  name = \"shop\"
  repository = \"https://git.example/you/shop.git\"
  executor = \"tekton\"
  image = \"registry.example.com/shop\"
  workload = \"apps/shop\"        # and /container where there are several
  build_args = { MODE = \"release\" }
  registry_secret = \"registry\"  # also git_secret, dockerfile, context,
                                # cache_repository, rollback

  [[service.hook]]
  name = \"github-actions\"
  branches = [\"main\", \"release/*\"]
  addresses = [\"203.0.113.0/24\"]
  expires_at = \"2026-12-31T23:59:59Z\"
  paused = \"why\"

What the file leaves out stays as it is. The URL of a new hook is printed
once. Values of variables are stored in clear.")]
pub(super) struct Apply {
    /// File that declares services, `-` for stdin
    #[arg(long, short)]
    file: PathBuf,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    #[serde(default)]
    service: Vec<ServiceTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceTable {
    name: String,
    repository: Option<String>,
    default_branch: Option<String>,
    executor: Option<String>,
    queue_policy: Option<String>,
    timeout: Option<String>,
    url: Option<String>,
    build_command: Option<String>,
    deploy_command: Option<String>,
    #[serde(default)]
    env: Map<String, Value>,
    env_file: Option<PathBuf>,
    git_token_file: Option<String>,
    git_ssh_key_file: Option<String>,
    image: Option<String>,
    workload: Option<String>,
    cache_repository: Option<String>,
    dockerfile: Option<String>,
    context: Option<String>,
    #[serde(default)]
    build_args: Map<String, Value>,
    git_secret: Option<String>,
    registry_secret: Option<String>,
    rollback: Option<bool>,
    #[serde(default)]
    hook: Vec<HookTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HookTable {
    name: String,
    branches: Option<Vec<String>>,
    addresses: Option<Vec<String>>,
    expires_at: Option<String>,
    paused: Option<String>,
}

/// What was done to one thing.
struct Done {
    what: String,
    action: &'static str,
    /// The URL of a new hook.
    url: Option<String>,
}

impl Apply {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<(), Failure> {
        let session = self.remote.open(data_dir)?;
        let shown = self.file.display();
        let read = if self.file == Path::new("-") {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(&self.file)
        };
        let text = read.with_context(|| format!("cannot read {shown}"))?;
        let declared: Declared = toml::from_str(&text)
            .map_err(|error| Failure::usage(format!("{shown}: {}", error.to_string().trim_end())))?;
        if declared.service.is_empty() {
            return Err(Failure::usage(format!("{shown} declares no [[service]]"))
                .hint("see: stackblaze apply --help"));
        }
        let folder = self.file.parent().unwrap_or(Path::new("")).to_owned();
        // All is read before anything is changed, so that a slip in the last table leaves the first alone.
        let wanted = declared
            .service
            .into_iter()
            .map(|service| Ok((service.body(&folder)?, service)))
            .collect::<Result<Vec<_>, Failure>>()?;
        for (_, service) in &wanted {
            warn_unprotected(&session, service.repository.as_deref());
        }
        let mut report = Report { session: &session, items: Vec::new(), has_urls: false };
        for (body, service) in wanted {
            apply_service(&mut report, &service, body).await?;
        }
        report.finish();
        Ok(())
    }
}

/// Says each thing as soon as it is done, so that nothing is unsaid when a later one fails.
struct Report<'a> {
    session: &'a Session,
    items: Vec<Value>,
    has_urls: bool,
}

impl Report<'_> {
    fn add(&mut self, done: &Done) {
        let out = self.session.out;
        self.has_urls |= done.url.is_some();
        if out.json {
            self.items.push(json!({ "what": done.what, "action": done.action, "url": done.url }));
            return;
        }
        out.line(&format!("{} {}", done.what, done.action));
        if let Some(url) = &done.url {
            out.line(&format!("  {url}"));
        }
    }

    fn finish(self) {
        if self.session.out.json {
            self.session.out.value(&json!({ "items": self.items, "next": null }));
        }
        if self.has_urls {
            self.session.out.note("URLs of hooks are secrets and are shown this once.");
        }
        self.session.next("stackblaze service list");
    }
}

impl ServiceTable {
    /// The declared fields as the API spells them.
    fn body(&self, folder: &Path) -> Result<Map<String, Value>, Failure> {
        let fields = [
            ("repository", &self.repository),
            ("defaultBranch", &self.default_branch),
            ("executor", &self.executor),
            ("queuePolicy", &self.queue_policy),
            ("timeout", &self.timeout),
            ("url", &self.url),
            ("buildCommand", &self.build_command),
            ("deployCommand", &self.deploy_command),
            ("gitTokenFile", &self.git_token_file),
            ("gitSshKeyFile", &self.git_ssh_key_file),
            ("image", &self.image),
            ("cacheRepository", &self.cache_repository),
            ("dockerfile", &self.dockerfile),
            ("context", &self.context),
            ("gitSecret", &self.git_secret),
            ("registrySecret", &self.registry_secret),
        ];
        let given =
            fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value.clone()?.into())));
        let mut body: Map<String, Value> = given.collect();
        if let Some(text) = &self.workload {
            let wrong = |why| Failure::usage(format!("service {}: workload: {why}", self.name));
            body.insert("workload".to_owned(), workload(text).map_err(wrong)?);
        }
        if let Some(rollback) = self.rollback {
            body.insert("rollback".to_owned(), rollback.into());
        }
        if !self.build_args.is_empty() {
            body.insert("buildArgs".to_owned(), Value::Object(self.build_args.clone()));
        }
        let mut env = match &self.env_file {
            Some(file) => read_env(&folder.join(file))?,
            None => Map::new(),
        };
        env.extend(self.env.clone());
        if !env.is_empty() {
            body.insert("env".to_owned(), Value::Object(env));
        }
        Ok(body)
    }
}

async fn apply_service(
    report: &mut Report<'_>,
    table: &ServiceTable,
    body: Map<String, Value>,
) -> Result<(), Failure> {
    let what = format!("service {}", table.name);
    let own = ["api", "v1", "services", &table.name];
    let before = find(report.session, &path(&own)).await?;
    let action = match &before {
        None => {
            let mut body = body;
            body.insert("name".to_owned(), table.name.clone().into());
            let body = Value::Object(body);
            let made = report.session.client.post("/api/v1/services", &body).await;
            made.map_err(|failure| within(failure, &what))?;
            "created"
        }
        Some(before) => update(report.session, &path(&own), before, body, &what).await?,
    };
    report.add(&Done { what, action, url: None });
    for hook in &table.hook {
        apply_hook(report, &table.name, hook).await?;
    }
    Ok(())
}

async fn apply_hook(report: &mut Report<'_>, service: &str, table: &HookTable) -> Result<(), Failure> {
    let what = format!("hook {service}/{}", table.name);
    let fields = [
        ("branches", table.branches.clone().map(Value::from)),
        ("addresses", table.addresses.clone().map(Value::from)),
        ("expiresAt", table.expires_at.clone().map(Value::from)),
        ("paused", table.paused.clone().map(Value::from)),
    ];
    let given = fields.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?)));
    let mut body: Map<String, Value> = given.collect();
    let all = ["api", "v1", "services", service, "hooks"];
    let own = format!("{}{}", path(&all), path(&[&table.name]));
    let done = match find(report.session, &own).await? {
        None => {
            body.insert("name".to_owned(), table.name.clone().into());
            let made = report.session.client.post(&path(&all), &Value::Object(body)).await;
            let hook = made.map_err(|failure| within(failure, &what))?;
            Done { what, action: "created", url: Some(text(&hook, "url")) }
        }
        Some(before) => {
            let action = update(report.session, &own, &before, body, &what).await?;
            Done { what, action, url: None }
        }
    };
    report.add(&done);
    Ok(())
}

async fn find(session: &Session, path: &str) -> Result<Option<Value>, Failure> {
    match session.client.get(path).await {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.code == NOT_FOUND => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Sends what differs. Whether anything changed is told by the object afterwards, since the server may write a value
/// in another way than the file does. Values of variables cannot be compared; they are written each time.
async fn update(
    session: &Session,
    path: &str,
    before: &Value,
    mut body: Map<String, Value>,
    what: &str,
) -> Result<&'static str, Failure> {
    body.retain(|field, value| before[field.as_str()] != *value);
    if body.is_empty() {
        return Ok("unchanged");
    }
    let has_variables = body.contains_key("env");
    let after = session.client.patch(path, &Value::Object(body)).await;
    let after = after.map_err(|failure| within(failure, what))?;
    Ok(match (after == *before, has_variables) {
        (false, _) => "updated",
        (true, true) => {
            "unchanged, but for its variables: their values are hidden, so they were written again"
        }
        (true, false) => "unchanged",
    })
}

/// Says which table of the file was refused, and names the setting as the file spells it.
fn within(failure: Failure, what: &str) -> Failure {
    let setting = failure.parameter.as_deref().map(snake_case);
    let text = match &setting {
        Some(setting) => format!("{what}: {setting}: {}", failure.text),
        None => format!("{what}: {}", failure.text),
    };
    let code = if setting.is_some() { USAGE } else { failure.code };
    Failure { code, parameter: None, text, ..failure }
}

fn snake_case(name: &str) -> String {
    // The rest is the name of a variable, which is written as it is.
    if name.starts_with("env.") {
        return name.to_owned();
    }
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            text.push('_');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}
