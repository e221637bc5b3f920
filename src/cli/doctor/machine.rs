//! What the doctor looks at on this machine.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;

use crate::cli::demo::git_version;
use crate::cli::doctor::check::Check;
use crate::db::health::Health;
use crate::domain::{Clock, Span, Timestamp, TokenKey};

/// With less free space builds and logs are in danger, in bytes.
const LEAST_FREE: u64 = 256 << 20;
/// Bits of a file mode that let others in.
const OTHERS: u32 = 0o077;
/// No clock is right that shows an earlier time than this, in milliseconds since 1970: 2026-01-01.
const EARLIEST_MS: i64 = 1_767_225_600_000;
/// Oldest git that is known to fetch a single commit well.
const OLDEST_GIT: (u32, u32) = (2, 25);

pub(super) fn folder(dir: &Path) -> Check {
    const NAME: &str = "data folder";
    let shown = dir.display();
    let Ok(meta) = std::fs::metadata(dir) else {
        let fix = format!("stackblaze serve --data-dir {shown}   (makes it)");
        return Check::wrong(NAME, format!("{shown} is not there or cannot be read"), fix);
    };
    let own = rustix::process::geteuid().as_raw();
    if meta.uid() != own {
        let detail = format!("{shown} belongs to user {}, and this is user {own}", meta.uid());
        return Check::wrong(
            NAME,
            detail,
            "run server and command line as one user, for example with sudo -u",
        );
    }
    let mode = meta.mode() & 0o777;
    if mode & OTHERS != 0 {
        let detail = format!("{shown} has mode {mode:o}: others can read values of variables in it");
        return Check::wrong(NAME, detail, format!("chmod 700 {shown}"));
    }
    Check::ok(NAME, format!("{shown}, mode {mode:o}"))
}

/// In a pod the folder is a volume of its own: whose it is and its mode are the cluster's business.
pub(super) fn volume(dir: &Path) -> Check {
    const NAME: &str = "data folder";
    let shown = dir.display();
    match rustix::fs::access(dir, rustix::fs::Access::WRITE_OK) {
        Ok(()) => Check::ok(NAME, format!("{shown} can be written")),
        Err(error) => {
            let fix = "set fsGroup in the pod's securityContext, as stackblaze manifests does";
            Check::wrong(NAME, format!("{shown} cannot be written: {error}"), fix)
        }
    }
}

pub(super) fn disk(health: &Health) -> Check {
    let free_mib = health.free_bytes >> 20;
    if health.free_bytes >= LEAST_FREE {
        return Check::ok("disk", format!("{free_mib} MiB free"));
    }
    let detail = format!("{free_mib} MiB free, less than {} MiB", LEAST_FREE >> 20);
    Check::wrong("disk", detail, "make room, or keep fewer logs: stackblaze serve --keep-logs-total 256MiB")
}

/// How much builds of how many services keep from one run to the next; nothing where they keep nothing.
pub(super) fn caches((count, bytes): (usize, u64)) -> Option<Check> {
    let detail =
        format!("{} MiB of {count} services; stackblaze service empty-cache NAME makes room", bytes >> 20);
    (count > 0).then(|| Check::ok("caches", detail))
}

pub(super) fn database(dir: &Path, health: &Health) -> Vec<Check> {
    if health.files.is_empty() {
        return vec![Check::ok("database", "none yet; the first start of the server makes it")];
    }
    let check = |(name, found): &(&'static str, Result<(), String>)| match found {
        Ok(()) => Check::ok("database", format!("{name} is sound")),
        Err(why) => {
            let fix = format!("stackblaze restore BACKUP --data-dir {}", dir.display());
            Check::wrong("database", format!("{name}: {why}"), fix)
        }
    };
    health.files.iter().map(check).collect()
}

pub(super) fn server_key(file: &Path, health: &Health) -> Check {
    const NAME: &str = "server key";
    let shown = file.display();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(_) if !file.exists() && health.fingerprint.is_none() => {
            return Check::ok(NAME, "none yet; the first start of the server makes it");
        }
        Err(error) => {
            let fix = "put the file back, or name it: --secret-key-file FILE; where it is lost: stackblaze restore COPY --revoke-all";
            return Check::wrong(NAME, format!("{shown}: {error}"), fix);
        }
    };
    let mode = std::fs::metadata(file).map_or(0, |meta| meta.mode() & 0o777);
    if mode & OTHERS != 0 {
        return Check::wrong(
            NAME,
            format!("{shown} can be read by others, mode {mode:o}"),
            format!("chmod 600 {shown}"),
        );
    }
    match (TokenKey::parse(&text), &health.fingerprint) {
        (Err(error), _) => {
            Check::wrong(NAME, format!("{shown} {error}"), "put the right file back from your copy")
        }
        (Ok(key), Some(wanted)) if key.fingerprint() != *wanted => {
            let detail = format!("{shown} is another key than the one that made the hooks in the database");
            Check::wrong(NAME, detail, "put the right file back, or name it: --secret-key-file FILE")
        }
        _ => Check::ok(NAME, format!("{shown}, mode {mode:o}, fits the database")),
    }
}

/// How old the newest copy is that the server has made by itself; nothing where it makes none.
pub(super) fn backup(state: &Value) -> Option<Check> {
    const NAME: &str = "backup";
    if !state.is_object() {
        return None;
    }
    let newest = state["newest"].as_str().and_then(|at| Timestamp::parse(at).ok());
    let age = newest.map(|at| Clock::System.now().since(at).as_secs() / 60 * 60);
    let newest = age.map_or("there is no copy of the database yet".to_owned(), |seconds| {
        format!("the newest copy of the database is {} old", Span::from_secs(seconds))
    });
    Some(match state["problem"].as_str() {
        None => Check::ok(NAME, newest),
        Some(problem) => Check::wrong(
            NAME,
            format!("{newest}, and no other could be made: {problem}"),
            "make room in the folder of --backup-dir, mount it, or let the server write there",
        ),
    })
}

/// A clock that stands before what was written already, or before this program was, is wrong.
pub(super) fn clock(dir: &Path) -> Check {
    let now = Clock::System.now();
    let written = std::fs::metadata(dir.join(crate::db::CORE_FILE)).map_or(0, |meta| meta.mtime() * 1_000);
    if now.as_millis() >= written.max(EARLIEST_MS) {
        return Check::ok("clock", now.to_string());
    }
    let latest = Timestamp::from_millis(written.max(EARLIEST_MS));
    Check::wrong("clock", format!("it shows {now}, which is before {latest}"), "timedatectl set-ntp true")
}

pub(super) fn git() -> Check {
    let version = match git_version() {
        Ok(version) => version,
        Err(failure) => return Check::wrong("git", failure.text, failure.hints.join("; ")),
    };
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if (major, minor) >= OLDEST_GIT {
        return Check::ok("git", version);
    }
    let detail = format!("{version} is older than {}.{}", OLDEST_GIT.0, OLDEST_GIT.1);
    Check::wrong("git", detail, "install a newer git")
}
