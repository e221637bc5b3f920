//! `stackblaze backup FILE`: a copy of the database of a running server.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;

use crate::config::DataDir;

use super::client::{Client, Verb};
use super::failure::{CONFLICT, FAILED, Failure};
use super::remote::Remote;

/// Begins every SQLite file.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Save a copy of the database while the server works; key and logs are not in it
#[derive(Debug, Args)]
#[command(after_long_help = "Examples:
  stackblaze backup stackblaze-2026-11-24.db
  stackblaze backup /mnt/safe/core.db \\
      --server https://deploy.example.com --token-file admin.token

Keep secret.key of the data folder too, elsewhere: without it the hooks of
the copy are worthless.")]
pub(super) struct Backup {
    /// File to write; it must not exist yet
    file: PathBuf,
    #[command(flatten)]
    remote: Remote,
}

impl Backup {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<(), Failure> {
        let session = self.remote.open(data_dir)?;
        let shown = self.file.display();
        refuse_existing(&self.file)?;
        let mut name = self.file.clone().into_os_string();
        name.push(".partial");
        let partial = PathBuf::from(name);
        let written = write(&session.client, &partial, &self.file).await.and_then(|bytes| {
            refuse_existing(&self.file)?;
            std::fs::rename(&partial, &self.file).with_context(|| format!("cannot write {shown}"))?;
            Ok(bytes)
        });
        let bytes = written.inspect_err(|_| drop(std::fs::remove_file(&partial)))?;
        session.out.result(&json!({ "file": self.file, "bytes": bytes }), &format!("{shown} {bytes} bytes"));
        session.out.note(
            "The copy holds values of variables, tokens of forges and addresses of chats in clear. Keep it away \
             from this machine, and the server key \
             (secret.key) in a third place: hook URLs need both.",
        );
        Ok(())
    }
}

fn refuse_existing(file: &Path) -> Result<(), Failure> {
    if file.symlink_metadata().is_ok() {
        return Err(Failure::new(
            CONFLICT,
            format!("{} is there already; name another file", file.display()),
        ));
    }
    Ok(())
}

/// Writes the copy, to the disk; its size in bytes.
async fn write(client: &Client, partial: &Path, file: &Path) -> Result<u64, Failure> {
    let cannot = || format!("cannot write {}", file.display());
    let mut stream = client.stream(Verb::Post, "/api/v1/backup", "*/*").await?;
    // What an attempt that was killed left.
    drop(std::fs::remove_file(partial));
    let mut into: File = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(partial)
        .with_context(cannot)?;
    let (mut bytes, mut head) = (0_u64, Vec::new());
    while let Some(piece) = stream.next().await? {
        if head.len() < MAGIC.len() {
            head.extend_from_slice(&piece);
        }
        into.write_all(&piece).with_context(cannot)?;
        bytes += u64::try_from(piece.len()).unwrap_or(0);
    }
    if !head.starts_with(MAGIC) || stream.length.is_some_and(|length| length != bytes) {
        return Err(Failure::new(FAILED, "the copy broke off; nothing was kept"));
    }
    into.sync_all().map_err(|error| anyhow!("{}: {error}", cannot()))?;
    Ok(bytes)
}
