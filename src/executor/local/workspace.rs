//! The folders of a run: its workspace, in the same place for each run of a service, and the service's cache, which stays.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::domain::{BASE36, ServiceId, random_digits};
use crate::executor::local::folder::make;
use crate::executor::local::trash::Trash;

/// Holds the variable `TMPDIR` of the steps, and is there between runs too: what a run left running inherits it.
const TMP: &str = "tmp";
/// Begins the name of a workspace in which a repository is only looked at.
const LOOK: &str = "look-";
/// Digits behind it.
const LOOK_DIGITS: usize = 12;

/// Where workspaces and caches are, inside the data directory.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    work: PathBuf,
    cache: PathBuf,
    known_hosts: PathBuf,
    trash: Trash,
}

impl Folders {
    /// Makes the folders, for their owner alone, and sets aside what runs of a former process left in them.
    pub(super) fn open(data_dir: &Path) -> io::Result<Self> {
        let folders = Self {
            work: data_dir.join("work"),
            cache: data_dir.join("cache"),
            known_hosts: data_dir.join("known_hosts"),
            trash: Trash::new(data_dir.join("trash")),
        };
        make(&folders.work)?;
        make(&folders.cache)?;
        // What cannot be set aside must not keep the server from starting.
        if let Err(error) = folders.set_aside_leftovers() {
            tracing::warn!(folder = %folders.work.display(), error = %error, "leftovers of earlier runs stay");
        }
        Ok(folders)
    }

    /// The hosts whose ssh keys are known.
    pub(super) fn known_hosts(&self) -> &Path {
        &self.known_hosts
    }

    /// What was set aside.
    pub(super) fn trash(&self) -> &Trash {
        &self.trash
    }

    /// Makes the workspace for a run of a service, in the place of the one before.
    pub(super) fn workspace(&self, service: &ServiceId) -> io::Result<Workspace> {
        Workspace::make(self.work.join(service.as_str()), &self.trash, true)
    }

    /// Makes a workspace for a look at a repository, which disturbs no run.
    pub(super) fn workspace_to_look(&self) -> io::Result<Workspace> {
        let name = format!("{LOOK}{}", random_digits(BASE36, LOOK_DIGITS));
        Workspace::make(self.work.join(name), &self.trash, false)
    }

    /// The cache of a service, made where it is missing and emptied first where `clear` says so.
    pub(super) fn cache(&self, service: &ServiceId, clear: bool) -> io::Result<PathBuf> {
        let folder = self.cache.join(service.as_str());
        if clear {
            self.trash.take(&folder)?;
        }
        make(&folder)?;
        Ok(folder)
    }

    /// Sets aside all that is kept for a service.
    pub(super) fn forget(&self, service: &ServiceId) -> io::Result<()> {
        self.trash.take(&self.work.join(service.as_str()))?;
        self.trash.take(&self.cache.join(service.as_str()))
    }

    /// Workspaces of runs that never came to their end, and folders that belong to no service.
    fn set_aside_leftovers(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.work)? {
            let entry = entry?;
            let is_service = entry.file_name().to_str().is_some_and(|name| ServiceId::parse(name).is_some());
            if !is_service {
                self.trash.take(&entry.path())?;
            } else if has_more_than_tmp(&entry.path())? {
                set_aside(&entry.path(), &self.trash, true)?;
            }
        }
        Ok(())
    }
}

fn has_more_than_tmp(root: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(root)? {
        if entry?.file_name() != TMP {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The folders of one run or look; set aside when this value goes.
#[derive(Debug)]
pub(super) struct Workspace {
    root: PathBuf,
    /// Tells it from one that was made in its place while nobody had noticed the end of this one.
    inode: u64,
    trash: Trash,
    /// Whether [`TMP`] is made again, empty.
    keeps_tmp: bool,
}

impl Workspace {
    fn make(root: PathBuf, trash: &Trash, keeps_tmp: bool) -> io::Result<Self> {
        set_aside(&root, trash, true)?;
        let workspace = Self { inode: fs::metadata(&root)?.ino(), root, trash: trash.clone(), keeps_tmp };
        make(&workspace.home())?;
        make(&workspace.source())?;
        // A copy of the source may be there for others, and takes its mode; nobody else comes through the root.
        fs::set_permissions(workspace.source(), Permissions::from_mode(0o755))?;
        Ok(workspace)
    }

    /// Where the repository is cloned to, and where the commands begin.
    pub(super) fn source(&self) -> PathBuf {
        self.root.join("source")
    }

    /// The empty `$HOME` of git.
    pub(super) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    /// `$TMPDIR` of all steps.
    pub(super) fn tmp(&self) -> PathBuf {
        self.root.join(TMP)
    }

    /// A file beside the source, where nobody but the owner comes.
    pub(super) fn beside(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl Drop for Workspace {
    fn drop(&mut self) {
        if !fs::metadata(&self.root).is_ok_and(|found| found.ino() == self.inode) {
            return;
        }
        if let Err(error) = set_aside(&self.root, &self.trash, self.keeps_tmp) {
            tracing::warn!(folder = %self.root.display(), error = %error, "a workspace could not be set aside");
        }
    }
}

/// Clears a workspace's place, in the same time whatever was in it.
fn set_aside(root: &Path, trash: &Trash, keeps_tmp: bool) -> io::Result<()> {
    trash.take(root)?;
    if keeps_tmp {
        make(&root.join(TMP))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_whose_run_is_over_late_leaves_that_of_the_next_run_alone() {
        let data = tempfile::tempdir().unwrap();
        let (folders, service) = (Folders::open(data.path()).unwrap(), ServiceId::generate());
        let late = folders.workspace(&service).unwrap();
        let next = folders.workspace(&service).unwrap();

        drop(late);
        let stays = next.source().exists();
        let (source, tmp) = (next.source(), next.tmp());
        drop(next);

        assert!(stays && !source.exists() && tmp.exists());
    }
}
