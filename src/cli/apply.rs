//! `stackblaze apply -f services.toml`: creates and updates what a file declares; deletes nothing.

mod target;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::answer::Answer;
use crate::cli::apply_file::{self, DeclaredHook, DeclaredService};
use crate::cli::client::path;
use crate::cli::failure::{Failure, NOT_FOUND, USAGE};
use crate::cli::remote::{Remote, Session};
use crate::cli::service_fields::warn_unprotected;
use crate::config::DataDir;
use crate::wire::hook::HookJson;

/// Create and update services, hooks and targets as a file declares them; delete nothing
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze apply -f services.toml --dry-run
  stackblaze apply -f services.toml

services.toml, every setting but name and repository may be left out; what
builds on the server's own host needs deploy_command, what builds in a
cluster image and workloads:
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
  workloads = [\"apps/shop\", \"cronjob:apps/bill\"]
  build_args = { MODE = \"release\" }
  registry_secret = \"registry\"  # also git_secret, dockerfile, context, target,
                                # build_secrets, cache_repository, rollback,
                                # release_command, release_timeout

  [[service.hook]]
  name = \"github-actions\"
  branches = [\"main\", \"release/*\"]
  addresses = [\"203.0.113.0/24\"]
  expires_at = \"2026-12-31T23:59:59Z\"
  paused = \"why\"

  [[service.target]]            # of this service; [[target]] is told of all
  kind = \"slack\"              # webhook, github, gitlab, gitea, discord, teams
  url_file = \"slack.url\"      # or url; a chat's address is a secret
  events = [\"deployment.failed\", \"deployment.recovered\"]
  branches = [\"main\"]
  with_lines = true             # the last lines of the step that failed

  [[target]]
  kind = \"github\"
  url = \"https://github.com/you/api\"
  service = \"api\"             # where the service has a target stage too
  secret_file = \"github.token\"
  required_contexts = [\"ci\"]

What the file leaves out stays as it is. The URL of a new hook and the secret
of a new webhook are printed once. Values of variables, tokens of forges and
addresses of chats are stored in clear.")]
pub(super) struct Apply {
    /// File that declares services, `-` for stdin
    #[arg(long, short)]
    file: PathBuf,
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    remote: Remote,
}

/// What was done to one thing.
#[derive(Default)]
struct Done {
    what: String,
    action: &'static str,
    /// The URL of a new hook.
    url: Option<String>,
    /// The secret of a new webhook.
    secret: Option<String>,
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
        let folder = self.file.parent().unwrap_or(Path::new(""));
        // All is read before anything is changed, so that a slip in the last table leaves the first alone.
        let declared = apply_file::read(&text, &shown.to_string(), folder)?;
        if declared.is_empty() {
            return Err(Failure::usage(format!("{shown} declares no [[service]] and no [[target]]"))
                .hint("see: stackblaze apply --help"));
        }
        for service in &declared.services {
            warn_unprotected(&session, service.body.repository.value().map(String::as_str));
        }
        let mut report = Report {
            session: &session,
            items: Vec::new(),
            new_services: Vec::new(),
            has_secrets: false,
            is_try: self.dry_run,
        };
        for service in &declared.services {
            apply_service(&mut report, service).await?;
        }
        for own in &declared.targets {
            target::apply(&mut report, own).await?;
        }
        report.finish();
        Ok(())
    }
}

/// Says each thing as soon as it is done, so that nothing is unsaid when a later one fails.
struct Report<'a> {
    session: &'a Session,
    items: Vec<Value>,
    /// Services that were made here, or would be.
    new_services: Vec<String>,
    has_secrets: bool,
    is_try: bool,
}

impl Report<'_> {
    /// The same address where nothing is to be done.
    fn address(&self, path: &str) -> String {
        if self.is_try { format!("{path}?dry_run=true") } else { path.to_owned() }
    }

    /// Whether the server cannot try out what belongs to a service, since it is not there yet.
    fn cannot_try(&self, service: Option<&str>) -> bool {
        self.is_try && service.is_some_and(|name| self.new_services.iter().any(|new| new == name))
    }

    fn add(&mut self, done: &Done) {
        let out = self.session.out;
        self.has_secrets |= done.url.is_some() || done.secret.is_some();
        if out.json {
            let Done { what, action, url, secret } = done;
            self.items.push(json!({ "what": what, "action": action, "url": url, "secret": secret }));
            return;
        }
        let would = if self.is_try && !done.action.starts_with("unchanged") { "would be " } else { "" };
        out.line(&format!("{} {would}{}", done.what, done.action));
        if let Some(secret) = done.url.as_ref().or(done.secret.as_ref()) {
            out.line(&format!("  {secret}"));
        }
    }

    fn finish(self) {
        if self.session.out.json {
            self.session.out.value(&json!({ "items": self.items, "next": null }));
        }
        if self.has_secrets {
            self.session.out.note("URLs of hooks and secrets of webhooks are shown this once.");
        }
        if self.is_try {
            self.session.out.note("Nothing was done.");
            return;
        }
        self.session.next("stackblaze service list");
    }
}

async fn apply_service(report: &mut Report<'_>, declared: &DeclaredService) -> Result<(), Failure> {
    let what = format!("service {}", declared.name);
    let own = path(&["api", "v1", "services", &declared.name]);
    let action = match find(report.session, &own).await? {
        None => {
            let made = report.session.client.post(&report.address("/api/v1/services"), &declared.body).await;
            made.map_err(|failure| within(failure, &what))?;
            "created"
        }
        Some(before) => update(report, &own, &before, &declared.body, &what).await?,
    };
    report.add(&Done { what, action, ..Done::default() });
    if action == "created" {
        report.new_services.push(declared.name.clone());
    }
    for hook in &declared.hooks {
        if report.cannot_try(Some(&declared.name)) {
            let what = format!("hook {}/{}", declared.name, hook.name);
            report.add(&Done { what, action, ..Done::default() });
            continue;
        }
        apply_hook(report, &declared.name, hook).await?;
    }
    for own in &declared.targets {
        target::apply(report, own).await?;
    }
    Ok(())
}

async fn apply_hook(report: &mut Report<'_>, service: &str, declared: &DeclaredHook) -> Result<(), Failure> {
    let what = format!("hook {service}/{}", declared.name);
    let all = path(&["api", "v1", "services", service, "hooks"]);
    let own = format!("{all}{}", path(&[&declared.name]));
    let done = match find(report.session, &own).await? {
        None => {
            let made = report.session.client.post(&report.address(&all), &declared.body).await;
            let hook: Answer<HookJson> = Answer::read(made.map_err(|failure| within(failure, &what))?)?;
            Done { what, action: "created", url: hook.url.clone(), ..Done::default() }
        }
        Some(before) => {
            let action = update(report, &own, &before, &declared.body, &what).await?;
            Done { what, action, ..Done::default() }
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
/// in another way than the file does. Values of variables and tokens cannot be compared; they are written each time.
async fn update(
    report: &Report<'_>,
    path: &str,
    before: &Value,
    declared: &impl Serialize,
    what: &str,
) -> Result<&'static str, Failure> {
    let mut body = serde_json::to_value(declared).context("cannot write what the file declares")?;
    let Some(fields) = body.as_object_mut() else { return Ok("unchanged") };
    // Its name led here.
    fields.retain(|field, value| field != "name" && before[field.as_str()] != *value);
    if fields.is_empty() {
        return Ok("unchanged");
    }
    let sent: Vec<String> = fields.keys().cloned().collect();
    let has = |name: &str| sent.iter().any(|field| field == name);
    let after = report.session.client.patch(&report.address(path), &body).await;
    let after = after.map_err(|failure| within(failure, what))?;
    let is_same = sent.iter().all(|field| after[field] == before[field]);
    Ok(if !is_same {
        "updated"
    } else if has("env") {
        "unchanged, but for its variables: their values are hidden, so they were written again"
    } else if has("secret") {
        "unchanged, but for its token: it is hidden, so it was written again"
    } else {
        "unchanged"
    })
}

/// Says which table of the file was refused, and names the setting as the file spells it.
fn within(failure: Failure, what: &str) -> Failure {
    let spelled = |field: &str| match field {
        // It stands in a file of its own.
        "secret" => "secret_file".to_owned(),
        field => apply_file::snake_case(field),
    };
    let setting = failure.parameter.as_deref().map(spelled);
    let text = match &setting {
        Some(setting) => format!("{what}: {setting}: {}", failure.text),
        None => format!("{what}: {}", failure.text),
    };
    let code = if setting.is_some() { USAGE } else { failure.code };
    Failure { code, parameter: None, text, ..failure }
}
