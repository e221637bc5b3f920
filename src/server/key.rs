//! The file of the server key.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::db::{self, Db, hooks};
use crate::domain::TokenKey;

/// Reads the server key, or makes it at the first start. There is no default key.
pub(super) async fn load(db: &Db, path: &Path) -> Result<TokenKey> {
    let (stored, is_needed) = db
        .core()
        .read(|reader| Ok::<_, db::Error>((db::fingerprint(reader)?, hooks::need_key(reader)?)))
        .await?;
    let key = match std::fs::read_to_string(path) {
        Ok(text) => {
            let mode = std::fs::metadata(path)?.permissions().mode();
            if mode & 0o077 != 0 {
                bail!("{} can be read by others; run: chmod 600 {}", path.display(), path.display());
            }
            TokenKey::parse(&text).with_context(|| format!("{}", path.display()))?
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && is_needed => {
            bail!(
                "{} is missing, and hooks or API tokens exist that it made; put it back, or name it by --secret-key-file; where it \
                 is lost, stackblaze restore COPY --revoke-all lets a new one be made",
                path.display()
            )
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            if stored.is_some() {
                tracing::warn!(
                    "the server key is gone, and nothing needs it any more: secrets of webhooks are others from here on"
                );
            }
            let key = TokenKey::generate();
            write_secret(path, &key.to_text())?;
            key
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let fingerprint = key.fingerprint();
    match stored {
        Some(stored) if stored != fingerprint && is_needed => {
            bail!("{} is another key than the one that made the hooks in this database", path.display())
        }
        Some(stored) if stored == fingerprint => {}
        _ => db.core().write(move |tx| db::set_fingerprint(tx, &fingerprint)).await?,
    }
    Ok(key)
}

/// Writes a new file that nobody else can read.
pub(super) fn write_secret(path: &Path, text: &str) -> Result<()> {
    let options = || std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = options().with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // The name too: hooks that were handed out must not outlive the key that made them in a power cut.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .with_context(|| format!("cannot write {}", path.display()))
}
