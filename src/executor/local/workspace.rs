//! The folders of a run: its workspace, which goes with it, and the cache of its service, which stays.

use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
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
        remove(&folders.work)?;
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

fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
