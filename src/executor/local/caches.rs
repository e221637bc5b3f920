//! What builds keep from one run to the next: how much it is, and which goes first where it is too much.

use std::fs::{self, DirEntry};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};

use crate::domain::ServiceId;

/// Bytes of a block, as the system counts what files take.
const BLOCK: u64 = 512;

/// The cache of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cache {
    pub(super) service: ServiceId,
    /// What it takes of the disk.
    pub(super) bytes: u64,
    /// When a run began with it last, in seconds since 1970.
    pub(super) used: i64,
}

/// The caches in this folder.
pub(super) fn list(folder: &Path) -> io::Result<Vec<Cache>> {
    let mut caches = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(service) = entry.file_name().to_str().and_then(ServiceId::parse) {
            let used = entry.metadata()?.mtime();
            caches.push(Cache { service, bytes: size(&entry.path()), used });
        }
    }
    Ok(caches)
}

/// Where they are in a data directory.
pub(super) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("cache")
}

/// Those of a data directory: how many, and their bytes. For whoever looks from outside.
pub fn sizes(data_dir: &Path) -> (usize, u64) {
    let caches = list(&folder(data_dir)).unwrap_or_default();
    (caches.len(), caches.iter().map(|cache| cache.bytes).sum())
}

/// Those that have to go so that the others are within the limit: the ones used longest ago.
pub(super) fn beyond(mut caches: Vec<Cache>, limit: u64) -> Vec<Cache> {
    caches.sort_by_key(|cache| cache.used);
    let mut left: u64 = caches.iter().map(|cache| cache.bytes).sum();
    caches
        .into_iter()
        .take_while(|cache| {
            let is_too_much = left > limit;
            left -= cache.bytes;
            is_too_much
        })
        .collect()
}

/// Notes that a run begins with a cache. Where that fails it only looks older than it is.
pub(super) fn note_use(folder: &Path) {
    let at = |nanos| Timespec { tv_sec: 0, tv_nsec: nanos };
    let now = Timestamps { last_access: at(UTIME_OMIT), last_modification: at(UTIME_NOW) };
    if let Ok(folder) = fs::File::open(folder) {
        let _ = rustix::fs::futimens(&folder, &now);
    }
}

/// What a folder takes of the disk, whatever cannot be read left out. As deep as folders may be inside of each other.
fn size(folder: &Path) -> u64 {
    let (mut bytes, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            bytes += blocks(&entry);
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
    bytes
}

fn blocks(entry: &DirEntry) -> u64 {
    entry.metadata().map_or(0, |meta| meta.blocks() * BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_used_longest_ago_go_until_the_rest_is_within_the_limit() {
        let ids: Vec<_> = (0..4).map(|_| ServiceId::generate()).collect();
        let cache = |at: usize, bytes, used| Cache { service: ids[at].clone(), bytes, used };
        let all = vec![cache(0, 50, 4), cache(1, 20, 1), cache(2, 30, 3), cache(3, 10, 2)];
        let gone = |limit| {
            let gone = beyond(all.clone(), limit).into_iter();
            gone.map(|own| ids.iter().position(|id| *id == own.service).unwrap()).collect::<Vec<_>>()
        };

        assert_eq!((gone(110), gone(109), gone(81)), (vec![], vec![1], vec![1, 3]));
        assert_eq!(gone(0), [1, 3, 2, 0]);
    }

    #[test]
    fn a_cache_is_what_its_files_take_and_its_age_is_its_last_use() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join(ServiceId::generate().as_str());
        fs::create_dir_all(own.join("a/b")).unwrap();
        fs::write(own.join("a/b/file"), vec![1; 100_000]).unwrap();
        fs::create_dir(folder.path().join("no service")).unwrap();
        let old = Timestamps {
            last_access: Timespec { tv_sec: 9, tv_nsec: 0 },
            last_modification: Timespec { tv_sec: 9, tv_nsec: 0 },
        };
        rustix::fs::futimens(fs::File::open(&own).unwrap(), &old).unwrap();

        let before = list(folder.path()).unwrap();
        note_use(&own);
        let after = list(folder.path()).unwrap();

        assert!(before.len() == 1 && before[0].bytes >= 100_000 && before[0].used == 9, "{before:?}");
        assert!(after[0].used > 1_700_000_000);
    }
}
