//! The socket of the command line, in the data directory: whoever may open the file may do everything.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::net::UnixListener;

/// Longest path of a Unix socket, in bytes.
const PATH_MAX: usize = 107;

/// Listens there, for this account only.
pub(super) fn listen(path: &Path) -> Result<UnixListener> {
    if path.as_os_str().len() > PATH_MAX {
        bail!(
            "{} is longer than the {PATH_MAX} bytes that a socket's path may have; use a shorter --data-dir",
            path.display()
        );
    }
    // The lock on the directory is held, so a socket that is there was left by a server that is gone.
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
