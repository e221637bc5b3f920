//! The data directory: for its owner alone.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, Result};

/// Bits of a mode that let others in, and that let others write.
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o002;

/// Makes the directory where it is missing, and closes it to others where it is ours. Where it is somebody else's, as the
/// volume of a pod is, and others may write there, the log says so.
pub(super) fn keep_private(dir: &Path) -> Result<()> {
    let cannot = || format!("cannot use {}", dir.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(cannot)?;
    let meta = std::fs::metadata(dir).with_context(cannot)?;
    let mode = meta.mode() & 0o777;
    if meta.uid() == rustix::process::geteuid().as_raw() {
        if mode & OTHERS != 0 {
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).with_context(cannot)?;
            tracing::warn!(folder = %dir.display(), "the data folder had mode {mode:o} and has 700 now");
        }
    } else if mode & OTHERS_WRITE != 0 {
        tracing::warn!(folder = %dir.display(), "others may write into the data folder, mode {mode:o}");
    }
    Ok(())
}
