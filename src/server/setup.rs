//! The link that makes the first operator, kept in a file for whoever can read the data directory.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use super::key;
use crate::db::{operators, sessions};
use crate::domain::LinkToken;
use crate::web::AppState;

/// The link's secret; gone after use.
const FILE: &str = "setup-token";
/// How long the link is good.
const LIFETIME: Duration = Duration::from_hours(1);

/// Without an operator there is a link that makes the first one; never a default password.
pub(super) async fn link(state: &AppState, data_dir: &Path) -> Result<Option<String>> {
    if has_operator(state).await? {
        return Ok(None);
    }
    let (token, now) = (LinkToken::mint(), state.clock().now());
    let hash = token.hash();
    state
        .db()
        .core()
        .write(move |tx| sessions::insert_link(tx, &hash, None, now, now.plus(LIFETIME)))
        .await?;
    let file = file(data_dir);
    if file.exists() {
        std::fs::remove_file(&file)?;
    }
    key::write_secret(&file, token.reveal())?;
    Ok(Some(state.urls().setup_link(&token)))
}

/// Removes the file once there is an operator.
pub(super) async fn forget_used(state: &AppState, data_dir: &Path) {
    let file = file(data_dir);
    if file.exists() && has_operator(state).await.unwrap_or(false) {
        drop(std::fs::remove_file(&file));
    }
}

fn file(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}

async fn has_operator(state: &AppState) -> Result<bool> {
    Ok(!state.db().core().read(operators::list).await?.is_empty())
}
