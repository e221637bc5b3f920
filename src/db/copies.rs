//! Copies of the core file that are kept beside it or elsewhere: made while it is used, and looked through before they
//! get their name.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use rusqlite::Connection;

use super::backup::size;
use super::health::is_sound;
use super::restore::sync;
use super::{Db, Error, Role, connection, migrate};

/// Behind the name of a copy that is being made.
pub const PARTIAL: &str = ".partial";

impl Db {
    /// Makes a copy of the core file at `target`, readable for its owner alone. It has that name once it is whole, is sound
    /// as `restore` wants it, and outlives a power cut. False where `stop` comes first; then, and where it fails, nothing is
    /// left but what was there before.
    ///
    /// # Errors
    /// Where the disk refuses or has no room for it, or the copy is not sound.
    pub async fn copy_to(&self, target: &Path, stop: impl Future<Output = ()>) -> Result<bool, Error> {
        let mut stop = std::pin::pin!(stop);
        let source = self.core.readers.path();
        let folder =
            target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let most = size(source) + size(&connection::beside(source, "-wal"));
        if connection::free_bytes(folder) < most.saturating_add(self.min_free_bytes) {
            return Err(Error::Unavailable("the disk has no room for a copy of the database"));
        }
        let partial = connection::beside(target, PARTIAL);
        // What one left that was being made when the process was killed.
        drop(std::fs::remove_file(&partial));
        let made = self.copy_as(&partial, stop.as_mut()).await;
        if !matches!(made, Ok(true)) {
            drop(std::fs::remove_file(&partial));
            return made;
        }
        std::fs::rename(&partial, target).map_err(|source| Error::Io { path: target.to_owned(), source })?;
        sync(folder)?;
        Ok(true)
    }

    async fn copy_as(
        &self,
        partial: &Path,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<bool, Error> {
        let (source, to) = (connection::open_reader(self.core.readers.path())?, partial.to_owned());
        let copied = until(source, stop.as_mut(), move |conn| connection::copy_into(conn, &to)).await?;
        if copied.is_none() {
            return Ok(false);
        }
        let (copy, at) = (connection::open_unchanged(partial)?, partial.to_owned());
        let looked = until(copy, stop, move |conn| {
            let version = migrate::check(conn, &at, Role::Core)?;
            migrate::compare_schema(conn, &at, Role::Core, version)?;
            let is_whole = version > 0 && is_sound(conn)?;
            if is_whole { sync(&at) } else { Err(Error::Damaged(at)) }
        });
        Ok(looked.await?.is_some())
    }
}

/// Does something that takes as long as the file is large, on a thread that may block; none where `stop` comes first. The
/// connection is closed by then.
async fn until<T: Send + 'static>(
    conn: Connection,
    stop: Pin<&mut impl Future<Output = ()>>,
    work: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
) -> Result<Option<T>, Error> {
    let handle = conn.get_interrupt_handle();
    let mut working = tokio::task::spawn_blocking(move || work(&conn));
    tokio::select! {
        done = &mut working => done.map_err(|_| Error::Panicked)?.map(Some),
        () = stop => {
            handle.interrupt();
            drop(working.await);
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;
    use crate::db::restore::restore;
    use crate::db::testing::{PAGE, filled, names, root_page_of};
    use crate::domain::Clock;

    async fn never() {
        std::future::pending::<()>().await;
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("copy.db");
        (folder, target)
    }

    #[tokio::test]
    async fn a_copy_can_be_restored_and_is_for_its_owner_alone() {
        let (_dir, db, _) = filled().await;
        let ((folder, target), fresh) = (place(), tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("copy.db.partial"), "left by a process that was killed").unwrap();

        assert!(db.copy_to(&target, never()).await.unwrap());

        assert_eq!(names(folder.path()), ["copy.db"]);
        assert_eq!(std::fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        let restored = restore(fresh.path(), &target, false, &Clock::System).unwrap();
        assert_eq!(restored.deployments, 3);
    }

    #[tokio::test]
    async fn what_is_stopped_leaves_nothing() {
        let (_dir, db, _) = filled().await;
        let (folder, target) = place();

        let made = db.copy_to(&target, std::future::ready(())).await;

        // It may have been whole before it was asked to stop.
        assert_eq!(made.unwrap(), !names(folder.path()).is_empty());
        assert!(!folder.path().join("copy.db.partial").exists());
    }

    #[tokio::test]
    async fn a_copy_of_a_damaged_file_gets_no_name() {
        let (dir, db, _) = filled().await;
        db.close();
        let path = dir.path().join(crate::db::CORE_FILE);
        let page = root_page_of("hook_calls", &path);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[(page - 1) * PAGE..page * PAGE].fill(0xff);
        std::fs::write(&path, bytes).unwrap();
        let db = Db::open(dir.path(), 0).unwrap();
        let (folder, target) = place();

        db.copy_to(&target, never()).await.unwrap_err();

        assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
    }

    #[tokio::test]
    async fn a_copy_that_restore_would_refuse_gets_no_name() {
        let (dir, db, _) = filled().await;
        let file = connection::open_writer(&dir.path().join(crate::db::CORE_FILE), Role::Core).unwrap();
        file.execute_batch("CREATE TRIGGER x AFTER INSERT ON facts BEGIN SELECT 1; END").unwrap();
        let (folder, target) = place();

        db.copy_to(&target, never()).await.unwrap_err();

        assert!(names(folder.path()).is_empty(), "{:?}", names(folder.path()));
    }

    #[tokio::test]
    async fn a_folder_that_is_missing_and_a_disk_without_room_are_errors() {
        let (dir, db, _) = filled().await;
        let (folder, target) = place();
        let missing = folder.path().join("gone/copy.db");

        let nowhere = db.copy_to(&missing, never()).await.unwrap_err().to_string();
        db.close();
        let db = Db::open(dir.path(), u64::MAX).unwrap();
        let full = db.copy_to(&target, never()).await.unwrap_err().to_string();

        assert!(nowhere.contains("gone"), "{nowhere}");
        assert!(full.contains("no room") && names(folder.path()).is_empty(), "{full}");
    }
}
