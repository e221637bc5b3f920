//! The folders of a run: its workspace, in the same place for each run of a service, and the service's cache, which stays.

use std::collections::HashMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::{BASE36, ServiceId, random_digits};
use crate::executor::local::caches;
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
    in_use: InUse,
    /// Most bytes of all caches together.
    cache_limit: u64,
    work: PathBuf,
    cache: PathBuf,
    known_hosts: PathBuf,
    trash: Trash,
}

impl Folders {
    /// Makes the folders, for their owner alone, and sets aside what runs of a former process left in them.
    pub(super) fn open(data_dir: &Path, cache_limit: u64) -> io::Result<Self> {
        let folders = Self {
            in_use: InUse::default(),
            cache_limit,
            work: data_dir.join("work"),
            cache: caches::folder(data_dir),
            known_hosts: data_dir.join("known_hosts"),
            trash: Trash::new(data_dir.join("trash")),
        };
        make(&folders.work)?;
        make(&folders.cache)?;
        // What cannot be set aside must not keep the server from starting.
        if let Err(error) = folders.set_aside_leftovers(true) {
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
        self.make(service.as_str(), true)
    }

    /// Makes a workspace for a look at a repository, which disturbs no run.
    pub(super) fn workspace_to_look(&self) -> io::Result<Workspace> {
        let name = format!("{LOOK}{}", random_digits(BASE36, LOOK_DIGITS));
        self.make(&name, false)
    }

    fn make(&self, name: &str, keeps_tmp: bool) -> io::Result<Workspace> {
        let place = self.in_use.take(name);
        Workspace::make(self.work.join(name), place, &self.trash, keeps_tmp)
    }

    /// The cache of a service, made where it is missing and emptied first where `clear` says so.
    pub(super) fn cache(&self, service: &ServiceId, clear: bool) -> io::Result<PathBuf> {
        let folder = self.cache.join(service.as_str());
        if clear {
            self.trash.take(&folder)?;
        }
        make(&folder)?;
        caches::note_use(&folder);
        Ok(folder)
    }

    /// Sets the cache of a service aside; false where a run uses it.
    pub(super) fn empty_cache(&self, service: &ServiceId) -> io::Result<bool> {
        let Some(_free) = self.in_use.hold_free(service.as_str()) else { return Ok(false) };
        self.trash.take(&self.cache.join(service.as_str()))?;
        Ok(true)
    }

    /// Sets aside what processes of ended runs have put back, and caches beyond the limit; the sizes of those that stay.
    pub(super) fn sweep(&self) -> io::Result<Vec<(ServiceId, u64)>> {
        self.set_aside_leftovers(false)?;
        let mut caches = caches::list(&self.cache)?;
        for cache in caches::beyond(caches.clone(), self.cache_limit) {
            if self.empty_cache(&cache.service)? {
                tracing::info!(
                    service = cache.service.as_str(),
                    bytes = cache.bytes,
                    "a cache gave way: --cache-limit"
                );
                caches.retain(|own| own.service != cache.service);
            }
        }
        Ok(caches.into_iter().map(|cache| (cache.service, cache.bytes)).collect())
    }

    /// Sets aside all that is kept for a service.
    pub(super) fn forget(&self, service: &ServiceId) -> io::Result<()> {
        self.trash.take(&self.work.join(service.as_str()))?;
        self.trash.take(&self.cache.join(service.as_str()))
    }

    /// Workspaces of runs that never came to their end, or to which something was added behind it, and folders that belong
    /// to no service and to no look. Temporary files go at the start alone, with the run that made them.
    fn set_aside_leftovers(&self, is_start: bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.work)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(_free) = self.in_use.hold_free(&name) else { continue };
            if ServiceId::parse(&name).is_none() {
                self.trash.take(&entry.path())?;
                continue;
            }
            let others = beside_tmp(&entry.path())?;
            if is_start && !others.is_empty() {
                set_aside(&entry.path(), &self.trash, true)?;
            } else {
                others.iter().try_for_each(|path| self.trash.take(path))?;
            }
        }
        Ok(())
    }
}

/// What is in a workspace besides the folder for temporary files.
fn beside_tmp(root: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(root)?.collect::<io::Result<Vec<_>>>()?;
    Ok(entries.iter().filter(|entry| entry.file_name() != TMP).map(fs::DirEntry::path).collect())
}

/// The workspaces that runs and looks have now, by the names of their folders.
#[derive(Debug, Clone, Default)]
struct InUse(Arc<Mutex<HashMap<String, usize>>>);

impl InUse {
    fn names(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place; others may have it too.
    fn take(&self, name: &str) -> Place {
        *self.names().entry(name.to_owned()).or_default() += 1;
        Place { in_use: self.clone(), name: name.to_owned() }
    }

    /// Keeps everybody from taking a place that nobody has; none where somebody has it.
    fn hold_free(&self, name: &str) -> Option<MutexGuard<'_, HashMap<String, usize>>> {
        let names = self.names();
        (!names.contains_key(name)).then_some(names)
    }
}

/// A place that is taken; dropping it gives it back.
#[derive(Debug)]
struct Place {
    in_use: InUse,
    name: String,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut names = self.in_use.names();
        if let Some(count) = names.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                names.remove(&self.name);
            }
        }
    }
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
    _place: Place,
}

impl Workspace {
    fn make(root: PathBuf, place: Place, trash: &Trash, keeps_tmp: bool) -> io::Result<Self> {
        set_aside(&root, trash, true)?;
        let workspace =
            Self { inode: fs::metadata(&root)?.ino(), root, trash: trash.clone(), keeps_tmp, _place: place };
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
        let (folders, service) = (Folders::open(data.path(), u64::MAX).unwrap(), ServiceId::generate());
        let late = folders.workspace(&service).unwrap();
        let next = folders.workspace(&service).unwrap();

        drop(late);
        let stays = next.source().exists();
        let (source, tmp) = (next.source(), next.tmp());
        drop(next);

        assert!(stays && !source.exists() && tmp.exists());
    }
}
