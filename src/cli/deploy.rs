//! `stackblaze deploy SERVICE`: deploy now.

use std::process::ExitCode;

use clap::Args;
use serde_json::Value;

use crate::cli::client::path;
use crate::cli::completions;
use crate::cli::deployment::print_to_the_end;
use crate::cli::failure::{Failure, UNKNOWN};
use crate::cli::output::text;
use crate::cli::remote::{Remote, Session};
use crate::cli::wait::{Patience, after_accepted, look, until_ended, verdict};
use crate::config::DataDir;
use crate::wire::deploy::DeployBody;

/// Deploy a service now; prints the id of the deployment
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze deploy api
  stackblaze deploy api --follow
  stackblaze deploy api --branch feat/new-ui --clear-cache --wait
  stackblaze deploy api --tag v1.2.3 --note 'the hotfix for #12' --wait
  stackblaze deploy api --image :v1.2.3 --wait
  stackblaze deploy shop --from dep_mwuangvh9xk2mq7rz4tb --wait
  stackblaze deploy api --commit 4f2c1d7e0b9a8c6d5e4f3a2b1c0d9e8f7a6b5c4d

Exit codes with --wait: 0 succeeded, 1 failed, 130 Ctrl-C,
2 unknown (no end within --timeout, or the server stayed away).")]
pub(super) struct Deploy {
    /// Name of the service
    #[arg(add = completions::of_services())]
    service: String,
    /// Branch [default: the service's]
    #[arg(long)]
    branch: Option<String>,
    /// The commit of this tag
    #[arg(long, conflicts_with_all = ["branch", "commit"])]
    tag: Option<String>,
    /// Exactly this commit of the branch: 40 hexadecimal digits, 64 in a repository of SHA-256
    #[arg(long)]
    commit: Option<String>,
    /// Deploy this image and build nothing: `REGISTRY/REPOSITORY[:TAG][@sha256:…]`, or of the service's own image :TAG or
    /// @sha256:…; a tag is looked up once
    #[arg(long, conflicts_with_all = ["tag", "clear_cache"])]
    image: Option<String>,
    /// Promote: deploy the image that this deployment serves
    #[arg(long, value_name = "DEPLOYMENT", conflicts_with_all = ["image", "branch", "tag", "commit", "clear_cache"])]
    from: Option<String>,
    /// Why, in one line; shown with the deployment
    #[arg(long)]
    note: Option<String>,
    /// Empty the build cache first
    #[arg(long)]
    clear_cache: bool,
    /// Wait for the end, and let the exit code tell it
    #[arg(long)]
    wait: bool,
    /// Show the log as it is written, then as --wait does; a wait without an end by --timeout is told by exit code 2
    #[arg(long, short, conflicts_with = "wait")]
    follow: bool,
    #[command(flatten)]
    patience: Patience,
    #[command(flatten)]
    remote: Remote,
}

impl Deploy {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<ExitCode, Failure> {
        let session = self.remote.open(data_dir)?;
        let (branch, tag) = (self.branch.clone(), self.tag.clone());
        let (commit, note) = (self.commit.clone(), self.note.clone());
        let (image, from) = (self.image.clone(), self.from.clone());
        let body = DeployBody { branch, tag, commit, clear_cache: self.clear_cache, image, from, note };
        let path = path(&["api", "v1", "services", &self.service, "deployments"]);
        let accepted = session.client.post(&path, &body).await.map_err(|failure| self.said(failure))?;
        if self.follow {
            return self.shown(&session, &accepted).await;
        }
        after_accepted(&session, &accepted, self.wait, self.patience).await
    }

    /// Prints the log of the deployment as it is written, and how it ends.
    async fn shown(&self, session: &Session, accepted: &Value) -> Result<ExitCode, Failure> {
        let id = text(accepted, "deploymentId");
        session.out.note(&id);
        let log = print_to_the_end(session, &id);
        tokio::pin!(log);
        let ended = tokio::select! {
            printed = &mut log => {
                printed?;
                look(&session.client, &id).await?
            }
            // It knows how long to wait, and what Ctrl-C means.
            ended = until_ended(session, &id, self.patience) => {
                let ended = ended?;
                log.await?;
                ended
            }
        };
        Ok(verdict(session, &ended))
    }

    /// With `--wait` exit code 1 says that the deployment failed; a server that did not answer says nothing of it.
    fn said(&self, failure: Failure) -> Failure {
        let code = if self.wait && failure.is_temporary { UNKNOWN } else { failure.code };
        Failure { code, ..failure }
    }
}
