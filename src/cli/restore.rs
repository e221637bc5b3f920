//! `stackblaze restore FILE`: puts a copy of the database in place. No server may run.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::config::{DataDir, KEY_FILE};
use crate::db::restore::{Restored, Right, restore};
use crate::db::{self, health};
use crate::domain::{Clock, TokenKey};

use super::failure::{AUTH, CONFLICT, FAILED, Failure};
use super::output::Output;

/// Put a backup in place of the database; no server may run
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze restore stackblaze-2026-11-24.db
  stackblaze restore core.db --data-dir /var/lib/stackblaze --yes

Deployments that were unfinished in the copy end as failed, reason
interrupted: nothing of a copy is ever run. What has run in a cluster since
the copy was made is entered by the next start. What was revoked or frozen
after the copy was made works again, and is listed. The database that was
there stays beside it as core.db.replaced-TIME.")]
pub(super) struct Restore {
    /// File that `stackblaze backup` wrote
    file: PathBuf,
    /// Revoke every hook URL and API token of the copy
    #[arg(long)]
    revoke_all: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    output: Output,
}

impl Restore {
    pub(super) fn run(self, data_dir: &DataDir) -> Result<(), Failure> {
        let (dir, out) = (data_dir.path(), self.output);
        refuse_foreign(&dir)?;
        if dir.join(db::CORE_FILE).exists() {
            out.confirm(&format!("Replace the database in {}?", dir.display()), self.yes)?;
        }
        let restored = restore(&dir, &self.file, self.revoke_all, &Clock::System).map_err(failure)?;
        let counts = format!(
            "{} deployment{}, {} of them unfinished and ended as interrupted",
            restored.deployments,
            if restored.deployments == 1 { "" } else { "s" },
            restored.interrupted
        );
        out.result(&to_json(&restored), &format!("restored into {}: {counts}", dir.display()));
        self.say_what_works_again(&restored);
        self.check_key(&dir);
        out.next(&format!("stackblaze serve --data-dir {}", dir.display()));
        Ok(())
    }

    fn say_what_works_again(&self, restored: &Restored) {
        if self.revoke_all {
            self.output.note(&format!("{} hook URLs and API tokens were revoked.", restored.revoked));
        }
        match &restored.revived {
            Some(revived) if revived.is_empty() => {}
            Some(revived) => {
                let all: Vec<_> = revived.iter().map(words).collect();
                self.output.warn(&format!("ended after the copy was made, and back now: {}", all.join(", ")));
            }
            None if self.revoke_all => {}
            None => self.output.warn(
                "what was revoked or frozen after the copy was made works again; with --revoke-all no hook URL and no API token does",
            ),
        }
    }

    /// A copy comes without its key; said now, since the server would refuse to start.
    fn check_key(&self, dir: &Path) {
        let Some(wanted) = health::health(dir).fingerprint else { return };
        let file = dir.join(KEY_FILE);
        let key = std::fs::read_to_string(&file).ok().and_then(|text| TokenKey::parse(&text).ok());
        if key.is_none_or(|key| key.fingerprint() != wanted) {
            self.output.warn(&format!(
                "the hooks of this copy need the key they were made with, in {}",
                file.display()
            ));
        }
    }
}

fn to_json(restored: &Restored) -> Value {
    let right = |right: &Right| match right {
        Right::Hook(service, name) => json!({ "kind": "hook", "service": service, "name": name }),
        Right::Token(name) => json!({ "kind": "token", "name": name }),
        Right::Operator(name) => json!({ "kind": "operator", "name": name }),
        Right::Calls(name) => json!({ "kind": "unfrozen", "service": name }),
    };
    json!({
        "deployments": restored.deployments,
        "interrupted": restored.interrupted,
        "revoked": restored.revoked,
        "revived": restored.revived.as_ref().map(|all| all.iter().map(right).collect::<Vec<_>>()),
    })
}

fn words(right: &Right) -> String {
    match right {
        Right::Hook(service, name) => format!("hook URL {name} of service {service}"),
        Right::Token(name) => format!("API token {name}"),
        Right::Operator(name) => format!("operator {name} as in the copy"),
        Right::Calls(name) => format!("calls of service {name}, which had been frozen"),
    }
}

/// What another user writes the server could not open. The folder itself may be root's: so is a volume in a cluster.
fn refuse_foreign(dir: &Path) -> Result<(), Failure> {
    let owner_of = |path: &Path| std::fs::metadata(path).map(|meta| meta.uid()).ok();
    let owner = owner_of(&dir.join(db::CORE_FILE)).or_else(|| owner_of(dir).filter(|owner| *owner != 0));
    let own = rustix::process::geteuid().as_raw();
    match owner.filter(|owner| *owner != own) {
        Some(owner) => {
            let text = format!("{} belongs to user {owner}, and this is user {own}", dir.display());
            Err(Failure::new(AUTH, text)
                .hint(format!("run this as that user: sudo -u '#{owner}' stackblaze restore …")))
        }
        None => Ok(()),
    }
}

fn failure(error: db::Error) -> Failure {
    match error {
        db::Error::Locked { .. } => Failure::new(CONFLICT, error.to_string()).hint("stop the server first"),
        db::Error::Foreign(path) => {
            Failure::new(FAILED, format!("{} is no backup of StackBlaze, or it is damaged", path.display()))
        }
        other => Failure::new(FAILED, other.to_string()),
    }
}
