//! Copies of the core file, made while it is used.

use std::fs::File;
use std::path::Path;

use super::{CORE_FILE, Db, Error, connection};

/// Between the name of the core file and the suffix of a copy that is being made.
const IN_PROGRESS: &str = ".backup-";
/// Behind the name of the core file while a copy is put back.
pub(super) const PUT_BACK: &str = ".restoring";

impl Db {
    /// Makes a copy of the core file and opens it; the file has no name any more and goes when it is closed. Every
    /// deployment acknowledged before the call is in it. The server key and the logs are not. Blocks for as long as the
    /// file is large. `suffix` keeps two copies apart.
    ///
    /// # Errors
    /// Where the disk refuses, or would have less free space than acceptance needs once the copy is on it.
    pub fn backup(&self, suffix: &str) -> Result<File, Error> {
        let source = self.core.readers.path();
        let most = size(source) + size(&connection::beside(source, "-wal"));
        if connection::free_bytes(source) < most.saturating_add(self.min_free_bytes) {
            return Err(Error::Unavailable(
                "the disk of the data directory has no room for a copy of the database beside it",
            ));
        }
        let target = source.with_file_name(format!("{CORE_FILE}{IN_PROGRESS}{suffix}"));
        connection::copy_into(&connection::open_reader(source)?, &target)?;
        let io = |source| Error::Io { path: target.clone(), source };
        let file = File::open(&target).map_err(io)?;
        std::fs::remove_file(&target).map_err(io)?;
        Ok(file)
    }
}

/// Removes what copies left that were being made when the process was killed: they hold what the file itself holds.
pub(super) fn sweep(dir: &Path) -> Result<(), Error> {
    let io = |source| Error::Io { path: dir.to_owned(), source };
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        let rest = name.to_str().and_then(|name| name.strip_prefix(CORE_FILE));
        if rest.is_some_and(|rest| rest.starts_with(IN_PROGRESS) || rest == PUT_BACK) {
            std::fs::remove_file(entry.path()).map_err(|source| Error::Io { path: entry.path(), source })?;
        }
    }
    Ok(())
}

/// Bytes of a file; none where it is not there.
pub(super) fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |meta| meta.len())
}

#[cfg(test)]
mod tests;
