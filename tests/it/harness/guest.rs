//! Processes that a test starts. None outlives its test, whether that ends well or panics, or the whole run is killed.
//!
//! Each leads a process group of its own, so that what it starts ends with it. One more process, the warden, holds the
//! end of a pipe from this one and is told of each group: when the pipe closes, it kills those that are left.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use tokio::io::AsyncWriteExt as _;

use super::PATIENCE;

/// What the warden does: it keeps the list of groups and kills them when its input ends.
const WARDEN: &str = r#"
groups=
while read -r word group; do
    rest=
    for one in $groups; do [ "$one" = "$group" ] || rest="$rest $one"; done
    groups=$rest
    [ "$word" = ended ] || groups="$groups $group"
done
for group in $groups; do kill -s KILL -- "-$group"; done
"#;

fn tell_warden(word: &str, group: Pid) {
    static WARDEN_INPUT: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
    let input = WARDEN_INPUT.get_or_init(|| {
        let mut shell = Command::new("sh");
        // In a group of its own, it lives on when this process's group is told to end.
        shell.args(["-c", WARDEN]).process_group(0);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Mutex::new(shell.spawn().unwrap().stdin.take().unwrap())
    });
    let line = format!("{word} {}\n", group.as_raw_nonzero());
    input.lock().unwrap().write_all(line.as_bytes()).unwrap();
}

/// A process group that is killed when dropped, and when this process ends.
pub struct Group(Pid);

impl Group {
    /// The group that a process leads.
    pub fn of(leader: u32) -> Self {
        let group = Pid::from_raw(i32::try_from(leader).unwrap()).unwrap();
        tell_warden("begun", group);
        Self(group)
    }

    /// Whether a process of it runs. A group of another session has but the number in common with this one, unless it
    /// made that session itself.
    fn is_alive(&self) -> bool {
        let group = self.0.as_raw_nonzero().get();
        let own = stat("/proc/self").map_or(0, |own| own.session);
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes.filter_map(|process| stat(process.path())).any(|process| {
            process.group == group
                && (process.session == own || process.session == group)
                && !matches!(process.state, 'Z' | 'X')
        })
    }
}

/// What the kernel says of a process, `proc_pid_stat(5)`.
struct Stat {
    state: char,
    group: i32,
    /// 0 where the leader of the session is outside of the container that this runs in: no system call's wrapper takes
    /// that for a process.
    session: i32,
}

fn stat(process: impl AsRef<Path>) -> Option<Stat> {
    let text = std::fs::read_to_string(process.as_ref().join("stat")).ok()?;
    let mut fields = text.rsplit(") ").next()?.split(' ');
    let state = fields.next()?.parse().ok()?;
    let group = fields.nth(1)?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    Some(Stat { state, group, session })
}

impl Drop for Group {
    fn drop(&mut self) {
        let began = Instant::now();
        while self.is_alive() && began.elapsed() < PATIENCE {
            kill_process_group(self.0, Signal::KILL).ok();
            std::thread::yield_now();
        }
        waitpid(Some(self.0), WaitOptions::NOHANG).ok();
        tell_warden("ended", self.0);
    }
}

/// A process that ends with this value, and all of its group.
pub struct Guest {
    pub child: Child,
    group: Group,
}

impl Guest {
    pub fn start(command: &mut Command) -> Self {
        let child = command.process_group(0).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let group = Group::of(child.id());
        Self { child, group }
    }

    /// Waits for its end, with what it writes to the pipes that are still here.
    pub fn end(self) -> Output {
        let Self { child, group } = self;
        let output = child.wait_with_output().unwrap();
        drop(group);
        output
    }
}

/// Runs a command to its end. Nothing is on its stdin.
pub fn output(command: &mut Command) -> Output {
    Guest::start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped())).end()
}

/// Runs a command to its end, with this on its stdin.
pub async fn output_of(command: Command, input: &str) -> Output {
    let mut command = tokio::process::Command::from(command);
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let group = Group::of(child.id().unwrap());
    // Who ends without reading all of it says why.
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.ok();
    let output = child.wait_with_output().await.unwrap();
    drop(group);
    output
}
