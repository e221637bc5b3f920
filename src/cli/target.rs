//! `stackblaze target`: who is told of deployments.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::answer::Answer;
use crate::cli::completions;
use crate::cli::failure::Failure;
use crate::cli::remote::{Remote, Session};
use crate::cli::target_edit::{Add, Named, Set};
use crate::cli::{target_log, target_view};
use crate::config::DataDir;
use crate::wire::hook::RotateBody;
use crate::wire::target::TargetJson;

/// Targets: who is told how deployments go
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze target add webhook https://example.com/hooks/deploys
  stackblaze target add slack - --service api < slack-url
  stackblaze target add https://github.com/you/api --secret-file token
  stackblaze target test tgt_0123456789ab")]
pub(super) struct TargetCommand {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Add a target; of a webhook its secret is printed, once
    #[command(
        override_usage = "stackblaze target add [OPTIONS] [KIND] <URL>",
        after_long_help = "Examples:
  stackblaze target add webhook https://example.com/hooks/deploys > secret
  stackblaze target add slack - --service api < slack-url
  stackblaze target add discord - --event deployment.failed < discord-url
  stackblaze target add github https://github.com/you/api --secret-file token
  stackblaze target add gitea https://git.example --secret-file - < token

A forge's URL is that of a repository, or of the forge, for the repository of
each service. With --json it prints {\"id\",\"secret\"}; the secret is null where
nothing is signed."
    )]
    Add(Box<Add>),
    /// List the targets of the server and of all services
    #[command(after_long_help = "Examples:
  stackblaze target list
  stackblaze target list --service api --json | jq -r '.items[].id'")]
    List {
        /// Those of this service alone
        #[arg(long, add = completions::of_services())]
        service: Option<String>,
    },
    /// Show a target
    #[command(after_long_help = "Example:
  stackblaze target show tgt_0123456789ab")]
    Show(Named),
    /// Change a target; what is not named stays
    #[command(after_long_help = "Examples:
  stackblaze target set tgt_0123456789ab --branch main --branch 'release/*'
  stackblaze target set tgt_0123456789ab --all-branches --with-lines
  stackblaze target set tgt_0123456789ab --on")]
    Set(Box<Set>),
    /// Send a target something now and show what it answers
    #[command(after_long_help = "Example:
  stackblaze target test tgt_0123456789ab

Exits 1 where it did not arrive.")]
    Test(Named),
    /// List the last 100 notices to a target and what became of them
    #[command(after_long_help = "Examples:
  stackblaze target log tgt_0123456789ab
  stackblaze target log tgt_0123456789ab --json \\
      | jq -r '.items[] | select(.state == \"given_up\") | .id'")]
    Log(Named),
    /// Send a notice once more, under the same id
    #[command(after_long_help = "Example:
  stackblaze target redeliver tgt_0123456789ab ntc_0123456789abcdefghij")]
    Redeliver {
        #[command(flatten)]
        named: Named,
        /// Id of the notice
        #[arg(add = completions::of_notices())]
        notice: String,
    },
    /// Give a webhook a new secret; the old one signs too for a while longer
    #[command(after_long_help = "Examples:
  stackblaze target rotate tgt_0123456789ab > secret
  stackblaze target rotate tgt_0123456789ab --overlap 0")]
    Rotate {
        #[command(flatten)]
        named: Named,
        /// How long notices are signed with the old secret too: 0, 1h, 24h or 7d
        #[arg(long, default_value = "24h", value_name = "DURATION")]
        overlap: String,
    },
    /// Delete a target, with all that it was to be told
    #[command(after_long_help = "Example:
  stackblaze target rm tgt_0123456789ab --yes")]
    Rm {
        #[command(flatten)]
        named: Named,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
}

impl TargetCommand {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<ExitCode, Failure> {
        let session = self.remote.open(data_dir)?;
        match self.verb {
            Verb::Add(add) => add.run(&session).await?,
            Verb::List { service } => target_view::list(&session, service.as_deref()).await?,
            Verb::Show(named) => target_view::show(&session, &named.path(&[])).await?,
            Verb::Set(set) => set.run(&session).await?,
            Verb::Test(named) => return target_log::test(&session, &named.id, &named.path(&["test"])).await,
            Verb::Log(named) => target_log::list(&session, &named.id, &named.path(&["notices"])).await?,
            Verb::Redeliver { named, notice } => {
                let path = named.path(&["notices", &notice, "redeliver"]);
                target_log::redeliver(&session, &named.id, &path).await?;
            }
            Verb::Rotate { named, overlap } => rotate(&session, &named, overlap).await?,
            Verb::Rm { named, yes } => remove(&session, &named, yes).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn rotate(session: &Session, named: &Named, overlap: String) -> Result<(), Failure> {
    let body = RotateBody { overlap: Some(overlap) };
    let rotated = session.client.post(&named.path(&["rotate"]), &body).await?;
    let target: Answer<TargetJson> = Answer::read(rotated)?;
    let secret = target.secret.as_deref().unwrap_or_default();
    session.out.result(&json!({ "id": target.id, "secret": secret }), secret);
    session.out.note("The secret is shown this once.");
    match target.old_secret_until {
        None => session.out.note("Notices are not signed with the old secret any more."),
        Some(until) => {
            session.out.note(&format!("Notices are signed with the old secret too until {until}."));
        }
    }
    session.next(&format!("stackblaze target test {}", target.id));
    Ok(())
}

async fn remove(session: &Session, named: &Named, yes: bool) -> Result<(), Failure> {
    let target: Answer<TargetJson> = Answer::read(session.client.get(&named.path(&[])).await?)?;
    let (id, kind, url) = (&target.id, &target.kind, &target.url);
    session.out.confirm(&format!("Delete target {id}, {kind} {url}, and what waits for it?"), yes)?;
    session.client.delete(&named.path(&[])).await?;
    session.out.result(&json!({ "id": id, "deleted": true }), &format!("target {id} deleted"));
    session.next("stackblaze target list");
    Ok(())
}
