//! One server at a time on a data directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use super::Error;

/// Name of the lock file; it stays, only the lock on it goes.
const LOCK_FILE: &str = "lock";

/// How long a lock is tried for: what a killed server held is let go of a moment after it.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// The lock on a directory; it lasts as long as this value. The directory itself is locked too, so that a lock file which
/// somebody removes lets no second server in.
pub(super) struct Lock {
    _file: File,
    _dir: File,
}

/// Locks a file that is open, for a second at most; false where somebody else holds it.
fn lock(file: &File) -> Result<bool, std::io::Error> {
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Ok(false),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
}

/// Makes the directory (0700) where it is missing and takes its lock.
pub(super) fn take(dir: &Path) -> Result<Lock, Error> {
    let io = |source| Error::Io { path: dir.to_owned(), source };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io)?;
    let path = dir.join(LOCK_FILE);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default())
        .open(&path)
        .map_err(io)?;
    let whole = File::open(dir).map_err(io)?;
    if !(lock(&whole).map_err(io)? && lock(&file).map_err(io)?) {
        return Err(Error::Locked { path, holder: holder(&mut file) });
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| write!(file, "{}", std::process::id()))
        .map_err(io)?;
    Ok(Lock { _file: file, _dir: whole })
}

/// Whether a server holds the lock of that directory.
pub(super) fn is_held(dir: &Path) -> bool {
    File::open(dir.join(LOCK_FILE))
        .is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

fn holder(file: &mut File) -> String {
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) if text.parse::<u32>().is_ok() => format!(" (process {text})"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_second_holder_is_refused_and_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let _held = take(dir.path()).unwrap();

        let refused = take(dir.path()).err().unwrap();

        let wanted = format!(" (process {})", std::process::id());
        assert!(matches!(refused, Error::Locked { holder, .. } if holder == wanted));
        assert!(is_held(dir.path()));
    }

    /// Whoever was killed a moment ago may hold it for a moment more.
    #[test]
    fn a_second_holder_tries_for_a_second() {
        let dir = tempfile::tempdir().unwrap();
        let _held = take(dir.path()).unwrap();
        let began = Instant::now();

        drop(take(dir.path()).err().unwrap());

        assert!(began.elapsed() >= PATIENCE);
    }

    #[test]
    fn a_lock_file_that_is_removed_lets_no_second_holder_in() {
        let dir = tempfile::tempdir().unwrap();
        let _held = take(dir.path()).unwrap();

        std::fs::remove_file(dir.path().join(LOCK_FILE)).unwrap();

        assert!(matches!(take(dir.path()), Err(Error::Locked { .. })));
    }

    #[test]
    fn a_lock_that_was_let_go_is_free_although_its_file_stays() {
        let dir = tempfile::tempdir().unwrap();

        drop(take(dir.path()).unwrap());

        assert!(!is_held(dir.path()) && dir.path().join(LOCK_FILE).exists());
        assert!(take(dir.path()).is_ok());
    }

    #[test]
    fn a_directory_that_is_missing_is_made_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");

        drop(take(&inner).unwrap());

        assert_eq!(std::fs::metadata(&inner).unwrap().permissions().mode() & 0o777, 0o700);
    }
}
