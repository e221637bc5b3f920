//! The builder's daemon, which lives as long as the step: rootless BuildKit, in a user namespace of its own.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::executor::exit_codes::BUILD_FAILED;
use crate::executor::step_failure::StepFailure;
use crate::executor::tekton::names::PROGRAM;

/// How long it may take to answer; a quarter of a second is usual.
const START_LIMIT: Duration = Duration::from_mins(1);
/// Time between two looks whether it answers.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Lines of its own log that are shown where it did not start.
const SHOWN_LINES: usize = 10;
/// Without them a RUN's output is cut at 2 MiB or 200 KiB a second; the server has limits of its own.
const LOG_LIMITS: [(&str, &str); 2] =
    [("BUILDKIT_STEP_LOG_MAX_SIZE", "-1"), ("BUILDKIT_STEP_LOG_MAX_SPEED", "-1")];

/// What is said of one that nobody ended.
const GONE: &str = "the builder was gone in the middle of the build: an instruction ended it, or it was killed for want of memory";

/// What its log says where it does not start, and what that means. The first that fits counts.
const TROUBLE: &[(&str, &str)] = &[
    (
        "uid_map failed",
        "the node lets no step become another user: the build needs allowPrivilegeEscalation and the capabilities SETUID \
         and SETGID",
    ),
    (
        "/proc/self/exe: operation not permitted",
        "the node's seccomp profile forbids user namespaces: let the build run unconfined, or name a profile that allows \
         them with --build-seccomp",
    ),
    (
        "no space left on device",
        "the node allows no user namespaces, or its disk is full: set user.max_user_namespaces above 0 on it",
    ),
    (
        "permission denied",
        "the node restricts user namespaces or mounts: set kernel.apparmor_restrict_unprivileged_userns=0 on it, or name a \
         profile with --build-apparmor",
    ),
    (
        "executable file not found",
        "the image of the build step is not StackBlaze's builder: a program is missing in it",
    ),
];

/// What the daemon is started with.
#[derive(Debug, Clone)]
pub(super) struct DaemonSettings {
    /// Where it keeps layers.
    pub(super) store: PathBuf,
    /// Most that the store may take, in bytes.
    pub(super) store_limit: u64,
    /// A folder of the step's own.
    pub(super) scratch: PathBuf,
    /// Registries that speak http, or whose certificates nobody checks.
    pub(super) insecure_registries: Vec<String>,
    /// A file with an authority's certificate, and the registries that it vouches for.
    pub(super) authority: Option<(PathBuf, Vec<String>)>,
}

impl DaemonSettings {
    /// Its configuration. Layers stay until the step ends, so there is nothing to collect.
    fn file(&self) -> String {
        let mut text = "[worker.oci]\ngc = false\n".to_owned();
        for host in &self.insecure_registries {
            writeln!(text, "[registry.\"{host}\"]\nhttp = true\ninsecure = true").ok();
        }
        let (file, hosts) =
            self.authority.as_ref().map_or((Path::new(""), &[][..]), |(file, hosts)| (file, hosts));
        for host in hosts.iter().filter(|host| !self.insecure_registries.contains(host)) {
            writeln!(text, "[registry.\"{host}\"]\nca = [{:?}]", file.display().to_string()).ok();
        }
        text
    }

    fn at(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }
}

/// A daemon that answers. What it leaves behind ends with the step's container.
pub(super) struct Daemon {
    child: Child,
    socket: PathBuf,
    verdict: PathBuf,
}

impl Daemon {
    /// Starts it and waits until it answers.
    pub(super) fn start(settings: &DaemonSettings) -> Result<Self, StepFailure> {
        let failed = |error: io::Error| {
            StepFailure::new(BUILD_FAILED, "the builder could not be started").with_detail(error.to_string())
        };
        let [home, run] = [settings.at("home"), settings.at("run")];
        for folder in [&home, &run] {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let (config, log) = (settings.at("buildkitd.toml"), settings.at("buildkitd.log"));
        std::fs::write(&config, settings.file()).map_err(failed)?;
        let output = File::create(&log).map_err(failed)?;
        let socket = run.join("buildkitd.sock");
        let verdict = settings.at("builder-ended");
        let mut command = Command::new("rootlesskit");
        command.args([PROGRAM, "run-step", "builder"]);
        command.args(["--store".into(), settings.store.clone().into_os_string()]);
        command.args(["--store-limit".to_owned(), settings.store_limit.to_string()]);
        command.args([OsString::from("--verdict-file"), verdict.clone().into()]);
        command.args([
            "--",
            "buildkitd",
            "--rootless",
            "--oci-worker-no-process-sandbox",
            "--oci-worker-net=host",
        ]);
        command.args(["--cdi-disabled", "--addr"]).arg(address(&socket));
        command.arg("--root").arg(settings.store.join("root")).arg("--config").arg(&config);
        command.arg("--otel-socket-path").arg(run.join("otel.sock"));
        command.env("HOME", &home).env("XDG_RUNTIME_DIR", &run).envs(LOG_LIMITS);
        let errors = output.try_clone().map_err(failed)?;
        let child = command.stdin(Stdio::null()).stdout(output).stderr(errors).spawn().map_err(failed)?;
        let mut daemon = Self { child, socket, verdict };
        daemon.await_answer(&log)?;
        Ok(daemon)
    }

    fn await_answer(&mut self, log: &Path) -> Result<(), StepFailure> {
        let began = Instant::now();
        while UnixStream::connect(&self.socket).is_err() {
            if self.has_ended() || began.elapsed() > START_LIMIT {
                return Err(trouble(&std::fs::read_to_string(log).unwrap_or_default()));
            }
            thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Where its client finds it.
    pub(super) fn address(&self) -> String {
        address(&self.socket)
    }

    /// Why it is gone, where it is: by the verdict of who watches its store, or by nobody knows what. The kernel closes
    /// its socket before its client learns of its end.
    pub(super) fn why_gone(&self) -> Option<String> {
        let verdict = std::fs::read_to_string(&self.verdict).ok();
        verdict.or_else(|| UnixStream::connect(&self.socket).is_err().then(|| GONE.to_owned()))
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn address(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}

/// What a daemon that did not start says, and what that means.
fn trouble(log: &str) -> StepFailure {
    let lines: Vec<_> = log.lines().filter(|line| !line.trim().is_empty()).collect();
    println!("{}", lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n"));
    let known = TROUBLE
        .iter()
        .find_map(|(text, meaning)| Some((*lines.iter().find(|line| line.contains(text))?, *meaning)));
    let (line, meaning) = known.unwrap_or((lines.last().copied().unwrap_or_default(), "the log says why"));
    StepFailure::new(BUILD_FAILED, format!("the builder did not start: {meaning}")).with_detail(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_configuration_names_registries_that_are_special() {
        let settings = DaemonSettings {
            store: "/store".into(),
            store_limit: 1,
            scratch: "/scratch".into(),
            insecure_registries: vec!["10.0.0.1:5000".to_owned()],
            authority: Some(("/ca.crt".into(), vec!["r.example.com".to_owned(), "10.0.0.1:5000".to_owned()])),
        };

        assert_eq!(
            settings.file(),
            "[worker.oci]\ngc = false\n[registry.\"10.0.0.1:5000\"]\nhttp = true\ninsecure = true\n\
             [registry.\"r.example.com\"]\nca = [\"/ca.crt\"]\n"
        );
        assert!(settings.file().parse::<toml::Table>().is_ok());
    }

    #[test]
    fn what_a_node_forbids_is_told_with_the_line_that_mends_it() {
        for (log, told) in [
            (
                "[rootlesskit:parent] error: newuidmap: write to uid_map failed: Operation not permitted",
                "SETUID",
            ),
            ("fork/exec /proc/self/exe: operation not permitted", "--build-seccomp"),
            ("fork/exec /proc/self/exe: no space left on device", "user.max_user_namespaces"),
            ("buildkitd: failed to mount: permission denied", "--build-apparmor"),
        ] {
            let failure = trouble(&format!("time=1 starting\n{log}\n"));
            assert!(failure.message.contains(told), "{}", failure.message);
            assert_eq!(failure.detail.as_deref(), Some(log));
        }
        assert_eq!(trouble("a\nb\n").detail.as_deref(), Some("b"));
    }
}
