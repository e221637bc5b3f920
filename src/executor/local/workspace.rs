//! The folders of a run: its workspace, which goes with it, and the cache of its service, which stays.

use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use std::io::Write;

use crate::domain::{RunName, ServiceId};

/// Where workspaces and caches are, inside the data directory.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    work: PathBuf,
    cache: PathBuf,
    known_hosts: PathBuf,
}

impl Folders {
    /// Makes the folders, for their owner alone, and removes what runs of a former process left in them.
    pub(super) fn open(data_dir: &Path) -> io::Result<Self> {
        let folders = Self {
            work: data_dir.join("work"),
            cache: data_dir.join("cache"),
            known_hosts: data_dir.join("known_hosts"),
        };
        // What cannot be removed must not keep the server from starting.
        if let Err(error) = remove(&folders.work) {
            tracing::warn!(folder = %folders.work.display(), error = %error, "leftovers of earlier runs stay");
        }
        make(&folders.work)?;
        make(&folders.cache)?;
        Ok(folders)
    }

    /// The hosts whose ssh keys are known.
    pub(super) fn known_hosts(&self) -> &Path {
        &self.known_hosts
    }

    /// Makes the workspace of a run, empty.
    pub(super) fn workspace(&self, run: &RunName) -> io::Result<Workspace> {
        let root = self.work.join(run.as_str());
        remove(&root)?;
        for folder in ["source", "home"] {
            make(&root.join(folder))?;
        }
        Ok(Workspace { root })
    }

    /// The cache of a service, made where it is missing and emptied first where `clear` says so.
    pub(super) fn cache(&self, service: &ServiceId, clear: bool) -> io::Result<PathBuf> {
        let folder = self.cache.join(service.as_str());
        if clear {
            remove(&folder)?;
        }
        make(&folder)?;
        Ok(folder)
    }

    /// Removes the cache of a service.
    pub(super) fn forget(&self, service: &ServiceId) -> io::Result<()> {
        remove(&self.cache.join(service.as_str()))
    }
}

/// The folders of one run; they go with this value.
#[derive(Debug)]
pub(super) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Where the repository is cloned to, and where the commands begin.
    pub(super) fn source(&self) -> PathBuf {
        self.root.join("source")
    }

    /// `$HOME` of the commands.
    pub(super) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// Writes a file beside the source, for its owner alone.
    pub(super) fn write(&self, name: &str, text: &str, mode: u32) -> io::Result<PathBuf> {
        let path = self.root.join(name);
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?;
        file.write_all(text.as_bytes())?;
        Ok(path)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.root) {
            tracing::warn!(folder = %self.root.display(), error = %error, "a workspace could not be removed");
        }
    }
}

fn make(folder: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Removes a folder with all that is in it. A build may have taken itself the right to change its own folders, as Go's
/// module cache does; it is given back first.
fn remove(folder: &Path) -> io::Result<()> {
    let removed = match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open_up(folder)?;
            std::fs::remove_dir_all(folder)
        }
        other => other,
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Makes every folder below changeable for its owner; follows no link.
fn open_up(folder: &Path) -> io::Result<()> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_up(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_a_build_has_closed_are_opened_and_removed_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (outside, work) = (folder.path().join("outside"), folder.path().join("work"));
        make(&outside).unwrap();
        std::fs::write(outside.join("kept"), "").unwrap();
        make(&work.join("go/pkg")).unwrap();
        std::fs::write(work.join("go/pkg/file"), "").unwrap();
        std::os::unix::fs::symlink(&outside, work.join("link")).unwrap();
        let closed = |path: &str| {
            std::fs::set_permissions(work.join(path), std::fs::Permissions::from_mode(0o555)).unwrap();
        };
        closed("go/pkg");
        closed("go");

        open_up(&work).unwrap();
        remove(&work).unwrap();
        remove(&work).unwrap();

        assert!(!work.exists() && outside.join("kept").exists());
    }
}
