//! Runs the builder's daemon and ends it before its store is full. Runs inside the daemon's user namespace, since nobody
//! else may look into all of the store.
//!
//! In the builder's own words a full disk is only an instruction that failed. Past the limit of its volume the pod would be
//! evicted, a while later and with its log.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

/// Time between two looks at the store.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Time between two looks whether the daemon still runs.
const POLL: Duration = Duration::from_millis(200);
/// Free space that is left to the node, in bytes.
const LEAST_FREE: u64 = 256 * 1024 * 1024;
/// Bytes of a block as `st_blocks` counts.
const BLOCK: u64 = 512;

/// The daemon and its store.
#[derive(Debug, Clone)]
pub struct Builder {
    /// Its folder.
    pub store: PathBuf,
    /// Most that it may take, in bytes.
    pub store_limit: u64,
    /// Where it is told why the daemon was ended.
    pub verdict_file: PathBuf,
    /// The daemon's program and arguments.
    pub command: Vec<String>,
}

impl Builder {
    /// Runs it to its end.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn run(&self) -> io::Result<ExitStatus> {
        let missing = || io::Error::from(io::ErrorKind::InvalidInput);
        let (program, arguments) = self.command.split_first().ok_or_else(missing)?;
        let mut daemon = Command::new(program).args(arguments).spawn()?;
        let mut looked: Option<Instant> = None;
        loop {
            if let Some(status) = daemon.try_wait()? {
                return Ok(status);
            }
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
                if let Some(verdict) = self.verdict() {
                    return self.end(&mut daemon, &verdict);
                }
                looked = Some(Instant::now());
            }
            thread::sleep(POLL);
        }
    }

    fn end(&self, daemon: &mut Child, verdict: &str) -> io::Result<ExitStatus> {
        fs::write(&self.verdict_file, verdict)?;
        daemon.kill()?;
        daemon.wait()
    }

    /// Why the build must not go on.
    fn verdict(&self) -> Option<String> {
        let megabytes = |bytes: u64| bytes / 1_000_000;
        let size = fs::symlink_metadata(&self.store).map_or(0, |own| size(&self.store, own.dev()));
        if size > self.store_limit {
            let limit = megabytes(self.store_limit);
            return Some(format!(
                "the build's layers took {} MB, and {limit} MB are allowed",
                megabytes(size)
            ));
        }
        let disk = rustix::fs::statvfs(&self.store).ok()?;
        let free = disk.f_bavail * disk.f_frsize;
        (free < LEAST_FREE).then(|| format!("the node's disk is full: {} MB are left", megabytes(free)))
    }
}

/// What a folder takes on this disk, in bytes. Mounts of running instructions show the same files again. A file with
/// several names counts for each name its part. What cannot be looked at counts nothing.
fn size(folder: &Path, disk: u64) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            let Ok(found) = entry.metadata() else { return 0 };
            match (found.is_dir(), found.dev() == disk) {
                (_, false) => 0,
                (true, _) => found.blocks() * BLOCK + size(&entry.path(), disk),
                (false, _) => found.blocks() * BLOCK / found.nlink().max(1),
            }
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder(folder: &Path, store_limit: u64, command: &[&str]) -> Builder {
        Builder {
            store: folder.join("store"),
            store_limit,
            verdict_file: folder.join("verdict"),
            command: command.iter().map(|&word| word.to_owned()).collect(),
        }
    }

    #[test]
    fn a_store_past_its_limit_ends_the_daemon_and_says_so() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("store/deep")).unwrap();
        fs::write(folder.path().join("store/deep/layer"), vec![1; 3_000_000]).unwrap();

        assert_eq!(builder(folder.path(), 4_000_000, &[]).verdict(), None);
        let full = builder(folder.path(), 2_000_000, &["sleep", "3600"]);
        let status = full.run().unwrap();

        assert!(!status.success());
        let told = fs::read_to_string(&full.verdict_file).unwrap();
        assert_eq!(told, "the build's layers took 3 MB, and 2 MB are allowed");
    }

    #[test]
    fn a_daemon_that_ends_by_itself_keeps_its_status() {
        let folder = tempfile::tempdir().unwrap();

        let status = builder(folder.path(), u64::MAX, &["sh", "-c", "exit 7"]).run().unwrap();

        assert_eq!(status.code(), Some(7));
    }
}
