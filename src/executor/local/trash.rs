//! What is to be removed: renamed out of the way at once, and removed in the background, however much it is.

use std::fs::{self, DirEntry};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::domain::{BASE36, random_digits};
use crate::executor::local::folder;

/// Digits of a name in the trash: nothing is ever called the same.
const NAME_DIGITS: usize = 20;

/// A folder of things to remove. Clones are the same trash.
#[derive(Debug, Clone)]
pub(super) struct Trash {
    folder: PathBuf,
    /// Told when something has come in.
    filled: Arc<Notify>,
}

impl Trash {
    /// A trash in this folder; what a former process left there is part of it.
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, filled: Arc::default() }
    }

    /// Takes a folder out of its place, whatever is in it. One that is not there is as good.
    pub(super) fn take(&self, folder: &Path) -> io::Result<()> {
        folder::make(&self.folder)?;
        match folder::rename(folder, &self.new_place()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            // Somebody has mounted another disk there, and what lies on it can only be removed in its place.
            Err(error) if error.kind() == ErrorKind::CrossesDevices => fs::remove_dir_all(folder),
            Ok(()) => {
                self.filled.notify_one();
                Ok(())
            }
            other => other,
        }
    }

    /// Removes what is there and what comes in, until `stop`.
    pub(super) async fn empty_until(&self, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let (trash, told) = (self.clone(), stop.clone());
            let emptied = tokio::task::spawn_blocking(move || trash.empty(&told)).await;
            if let Err(error) = emptied.unwrap_or_else(|error| Err(io::Error::other(error))) {
                let folder = self.folder.display();
                tracing::warn!(%folder, error = %error, "not all that ended runs left could be removed; trying again later");
            }
            tokio::select! {
                () = self.filled.notified() => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Removes what is there now, or a part of it where it is told to stop. Goes on behind what cannot be removed, and
    /// gives the first error.
    fn empty(&self, stop: &CancellationToken) -> io::Result<()> {
        let listed = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other?,
        };
        let mut sweep = Sweep { trash: self, stop, folders: Vec::new(), first_error: None };
        for entry in listed {
            sweep.take(&entry?, |_, folder| Ok(folder.to_owned()));
        }
        while let Some(folder) = sweep.folders.pop().filter(|_| !stop.is_cancelled()) {
            let removed = sweep.remove(&folder);
            sweep.note(removed);
        }
        sweep.first_error.map_or(Ok(()), Err)
    }

    fn new_place(&self) -> PathBuf {
        self.folder.join(random_digits(BASE36, NAME_DIGITS))
    }
}

/// One way through the trash. Folders inside of folders are moved up into the trash itself, so that no depth needs
/// more stack, more open files or longer paths than another.
struct Sweep<'a> {
    trash: &'a Trash,
    stop: &'a CancellationToken,
    /// Folders in the trash that are still to be removed.
    folders: Vec<PathBuf>,
    first_error: Option<io::Error>,
}

impl Sweep<'_> {
    /// Removes a folder's files, moves its folders up, and removes it.
    fn remove(&mut self, folder: &Path) -> io::Result<()> {
        // A build may have closed its own folders, as Go's module cache does. Where this fails the rest says why.
        drop(folder::open_up(folder));
        for entry in fs::read_dir(folder)? {
            if self.stop.is_cancelled() {
                return Ok(());
            }
            self.take(&entry?, Self::move_up);
        }
        fs::remove_dir(folder)
    }

    /// Removes a file or a link, never what it leads to; a folder is removed later, from where `place` puts it.
    fn take(&mut self, entry: &DirEntry, place: impl FnOnce(&Self, &Path) -> io::Result<PathBuf>) {
        let path = entry.path();
        let taken = match entry.file_type() {
            Ok(kind) if kind.is_dir() => place(self, &path).map(|folder| self.folders.push(folder)),
            Ok(_) => fs::remove_file(path),
            Err(error) => Err(error),
        };
        self.note(taken);
    }

    fn move_up(&self, folder: &Path) -> io::Result<PathBuf> {
        let place = self.trash.new_place();
        folder::rename(folder, &place)?;
        Ok(place)
    }

    fn note(&mut self, done: io::Result<()>) {
        if let Err(error) = done {
            self.first_error.get_or_insert(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::{Mode, OFlags};

    use super::*;
    use crate::executor::local::folder::make;

    fn names(folder: &Path) -> Vec<PathBuf> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn closed_folders_are_opened_and_removed_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        make(&at("outside")).unwrap();
        fs::write(at("outside/kept"), "").unwrap();
        make(&at("work/go/pkg")).unwrap();
        fs::write(at("work/go/pkg/file"), "").unwrap();
        symlink(at("outside"), at("work/link")).unwrap();
        symlink(at("outside"), at("linked")).unwrap();
        for closed in ["work/go/pkg", "work/go", "work"] {
            fs::set_permissions(at(closed), Permissions::from_mode(0o555)).unwrap();
        }
        let trash = Trash::new(at("trash"));

        trash.take(&at("work")).unwrap();
        trash.take(&at("work")).unwrap();
        trash.take(&at("linked")).unwrap();
        let taken = names(&at("trash"));
        trash.empty(&CancellationToken::new()).unwrap();

        assert!(taken.len() == 2 && !at("work").exists());
        assert!(names(&at("trash")).is_empty() && at("outside/kept").exists());
    }

    /// A path, an open folder or a stack frame for each of them would be too many.
    #[test]
    fn folders_are_removed_however_many_are_inside_of_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let trash = Trash::new(folder.path().join("trash"));
        make(&trash.folder).unwrap();
        let mut inside = rustix::fs::open(&trash.folder, OFlags::DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..25_000 {
            rustix::fs::mkdirat(&inside, "d", Mode::RWXU).unwrap();
            inside = rustix::fs::openat(&inside, "d", OFlags::DIRECTORY, Mode::empty()).unwrap();
        }

        trash.empty(&CancellationToken::new()).unwrap();

        assert!(names(&trash.folder).is_empty());
    }

    #[test]
    fn a_stop_ends_the_emptying_and_the_next_time_finishes_it() {
        let folder = tempfile::tempdir().unwrap();
        let trash = Trash::new(folder.path().join("trash"));
        make(&trash.folder.join("big/inside")).unwrap();
        let stop = CancellationToken::new();
        stop.cancel();

        trash.empty(&stop).unwrap();
        let left = names(&trash.folder);
        trash.empty(&CancellationToken::new()).unwrap();

        assert!(left.len() == 1 && names(&trash.folder).is_empty());
    }
}
