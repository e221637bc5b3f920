//! What the server listens on: addresses for the world, and the socket of the command line in the data directory, where
//! whoever may open the file may do everything.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, bail};
use tokio::net::{TcpListener, UnixListener};

/// Longest path of a Unix socket, in bytes.
const PATH_MAX: usize = 107;

/// Binds all addresses, or none.
pub(super) async fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for address in addresses {
        let bound = TcpListener::bind(address).await;
        listeners.push(bound.with_context(|| format!("cannot listen on {address}"))?);
    }
    Ok(listeners)
}

/// Refuses a path that no socket can have, before anything is made.
pub(super) fn check(path: &Path) -> Result<()> {
    if path.as_os_str().len() > PATH_MAX {
        bail!(
            "{} has {} bytes, more than the {PATH_MAX} that a socket's path may have; use a shorter --data-dir",
            path.display(),
            path.as_os_str().len()
        );
    }
    Ok(())
}

/// Listens there, for this account only.
pub(super) fn listen(path: &Path) -> Result<UnixListener> {
    // The lock on the directory is held, so a socket that is there was left by a server that is gone.
    if path.exists() {
        std::fs::remove_file(path)?;
    }
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
