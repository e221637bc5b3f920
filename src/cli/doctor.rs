//! `stackblaze doctor`: looks at what a server needs, and says how to mend what is wrong.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use crate::config::{ClusterAt, ClusterFlags, DataDir, KEY_FILE};
use crate::db::backup::{self, Health};
use crate::domain::{Clock, Finding, Timestamp, TokenKey, Verdict};
use crate::executor::tekton::install::preflight;
use crate::server::executors::connect;

use super::client::Client;
use super::demo::git_version;
use super::failure::{FAILED, Failure};
use super::output::{Output, Style, has_colour, text};

/// With less free space builds and logs are in danger, in bytes.
const LEAST_FREE: u64 = 256 << 20;
/// Bits of a file mode that let others in.
const OTHERS: u32 = 0o077;
/// No clock is right that shows an earlier time than this, in milliseconds since 1970: 2026-01-01.
const EARLIEST_MS: i64 = 1_767_225_600_000;
/// Oldest git that is known to fetch a single commit well.
const OLDEST_GIT: (u32, u32) = (2, 25);

/// Check data folder, disk, database, key, git, server, clock and cluster
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  stackblaze doctor
  stackblaze doctor --data-dir /var/lib/stackblaze --json
  stackblaze doctor --kube-context prod

A cluster is looked at in a pod of it, or by a context that is named; ! marks
what works and could work better. Exits 1 if anything is wrong, and says how to mend it; it mends nothing itself.")]
pub(super) struct Doctor {
    /// File of the server key [default: secret.key in the data folder]
    #[arg(long, env = "STACKBLAZE_SECRET_KEY_FILE", value_name = "FILE")]
    secret_key_file: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterFlags,
    #[command(flatten)]
    output: Output,
}

/// One thing that was looked at.
struct Check {
    name: &'static str,
    /// What is right, or what is wrong and how to mend it.
    verdict: Result<String, (String, String)>,
    /// Works, and could work better: shown, and no failure.
    is_advice: bool,
}

impl Check {
    fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self { name, verdict: Ok(detail.into()), is_advice: false }
    }

    fn wrong(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, verdict: Err((detail.into(), fix.into())), is_advice: false }
    }
}

impl From<Finding> for Check {
    fn from(finding: Finding) -> Self {
        const NAME: &str = "cluster";
        let fix = finding.fix.unwrap_or_else(|| "none is known".to_owned());
        match finding.verdict {
            Verdict::Good => Self::ok(NAME, finding.detail),
            Verdict::Bad => Self::wrong(NAME, finding.detail, fix),
            Verdict::Advice => Self { is_advice: true, ..Self::wrong(NAME, finding.detail, fix) },
        }
    }
}

impl Doctor {
    pub(super) async fn run(self, data_dir: &DataDir) -> Result<ExitCode, Failure> {
        let dir = data_dir.path();
        let is_pod = self.cluster.at() == Some(ClusterAt::OwnPod);
        let mut checks = vec![if is_pod { volume(&dir) } else { folder(&dir) }];
        if dir.is_dir() {
            let health = backup::health(&dir);
            let key = self.secret_key_file.clone().unwrap_or_else(|| dir.join(KEY_FILE));
            checks.push(disk(&health));
            checks.extend(database(&dir, &health));
            checks.push(server_key(&key, &health));
            checks.push(clock(&dir));
            checks.extend((!is_pod).then(git));
            checks.extend(server(&dir, &health).await?);
        } else {
            checks.extend((!is_pod).then(git));
        }
        checks.extend(cluster(&self.cluster).await);
        let is_ok = checks.iter().all(|check| check.verdict.is_ok() || check.is_advice);
        self.print(&checks, is_ok);
        Ok(if is_ok { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }

    fn print(&self, checks: &[Check], is_ok: bool) {
        if self.output.json {
            let checks: Vec<Value> = checks.iter().map(to_json).collect();
            self.output.value(&json!({ "ok": is_ok, "checks": checks }));
            return;
        }
        let has_colour = has_colour(&std::io::stdout());
        for check in checks {
            match &check.verdict {
                Ok(detail) if !self.output.quiet => {
                    let mark = Style::Good.paint("✓", has_colour);
                    self.output.line(&format!("{mark} {:12} {detail}", check.name));
                }
                Ok(_) => {}
                Err((detail, fix)) => {
                    let mark =
                        if check.is_advice { "!".to_owned() } else { Style::Bad.paint("✗", has_colour) };
                    self.output.line(&format!("{mark} {:12} {detail}", check.name));
                    self.output.line(&format!("  {:12} fix: {fix}", ""));
                }
            }
        }
    }
}

fn to_json(check: &Check) -> Value {
    let (detail, fix) = match &check.verdict {
        Ok(detail) => (detail, None),
        Err((detail, fix)) => (detail, Some(fix)),
    };
    let is_ok = check.verdict.is_ok() || check.is_advice;
    json!({ "name": check.name, "ok": is_ok, "detail": detail, "fix": fix })
}

/// The cluster, where there is one to be used.
async fn cluster(flags: &ClusterFlags) -> Vec<Check> {
    let Some(at) = flags.at() else { return Vec::new() };
    let findings = match connect(at).await {
        Ok(client) => preflight::cluster(&client, &flags.build_namespace).await,
        Err(why) => vec![Finding::bad(why, Some("check --kubeconfig and --kube-context"))],
    };
    findings.into_iter().map(Check::from).collect()
}

fn folder(dir: &Path) -> Check {
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
fn volume(dir: &Path) -> Check {
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

fn disk(health: &Health) -> Check {
    let free_mib = health.free_bytes >> 20;
    if health.free_bytes >= LEAST_FREE {
        return Check::ok("disk", format!("{free_mib} MiB free"));
    }
    let detail = format!("{free_mib} MiB free, less than {} MiB", LEAST_FREE >> 20);
    Check::wrong("disk", detail, "make room, or keep fewer logs: stackblaze serve --keep-logs-total 256MiB")
}

fn database(dir: &Path, health: &Health) -> Vec<Check> {
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

fn server_key(file: &Path, health: &Health) -> Check {
    const NAME: &str = "server key";
    let shown = file.display();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(_) if !file.exists() && health.fingerprint.is_none() => {
            return Check::ok(NAME, "none yet; the first start of the server makes it");
        }
        Err(error) => {
            let fix = "put the file back, or name it: --secret-key-file FILE; without it all hooks have to be rotated";
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

/// A clock that stands before what was written already, or before this program was, is wrong.
fn clock(dir: &Path) -> Check {
    let now = Clock::System.now();
    let written = std::fs::metadata(dir.join(crate::db::CORE_FILE)).map_or(0, |meta| meta.mtime() * 1_000);
    if now.as_millis() >= written.max(EARLIEST_MS) {
        return Check::ok("clock", now.to_string());
    }
    let latest = Timestamp::from_millis(written.max(EARLIEST_MS));
    Check::wrong("clock", format!("it shows {now}, which is before {latest}"), "timedatectl set-ntp true")
}

fn git() -> Check {
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

/// What a running server says of itself, and whether its public URL leads to it.
async fn server(dir: &Path, health: &Health) -> Result<Vec<Check>, Failure> {
    if !health.is_in_use {
        return Ok(vec![Check::ok("server", "does not run")]);
    }
    let ready = match Client::over_socket(dir)?.get("/readyz?verbose").await {
        Ok(ready) => ready,
        Err(failure) => {
            let fix = "look at its log; restart it";
            return Ok(vec![Check::wrong("server", format!("it is not ready: {}", failure.text), fix)]);
        }
    };
    let mut checks = vec![Check::ok("server", "runs and is ready")];
    let executors = text(&ready, "executors");
    checks.push(if executors.is_empty() {
        Check::wrong("executor", "none: deployments cannot run", "stackblaze serve --allow-host-builds")
    } else {
        Check::ok("executor", executors)
    });
    if ready["diskNearlyFull"] == true {
        checks.push(Check::wrong(
            "disk",
            "the server refuses calls: less is free than --min-free",
            "make room",
        ));
    }
    let public = text(&ready, "publicUrl");
    checks.push(match Client::over_tcp(&public, None)?.text("/healthz").await {
        Ok(answer) if answer.trim() == "ok" => Check::ok("public URL", public),
        Ok(_) => unreachable(format!("{public} leads to something else")),
        Err(failure) => unreachable(failure.text),
    });
    Ok(checks)
}

fn unreachable(detail: String) -> Check {
    Check::wrong(
        "public URL",
        detail,
        "check --public-url, DNS and the reverse proxy; hook URLs begin with it",
    )
}
