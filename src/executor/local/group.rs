//! The process group of a step, as its supervisor sees it, and the session, as the server does.

use std::fmt;
use std::fs;
use std::io;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

/// A process group, known by its first process. That one stays a zombie as long as this is used, so that its number
/// cannot name another group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group(pub(super) Pid);

/// Time between two looks at what is left of a session.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Most of these looks: only a process that hangs in the kernel outlives them.
const LOOKS: u32 = 100;

/// A process of a group.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    pid: u32,
    /// As the kernel has it: 15 bytes at most, of the program's own choice.
    name: String,
}

impl Member {
    pub(super) fn new(pid: u32, name: &str) -> Self {
        Self { pid, name: name.to_owned() }
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name.replace(char::is_control, "?");
        write!(f, "{name} (pid {})", self.pid)
    }
}

impl Group {
    /// Whether the first process has ended. It stays a zombie.
    pub(super) fn first_has_ended(self) -> io::Result<bool> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(rustix::process::waitid(WaitId::Pid(self.0), options)?.is_some())
    }

    /// Whether nobody is left in it. Looks twice, since a process that forks and ends while the list is read hides its
    /// child.
    pub(super) fn is_empty(self) -> bool {
        (0..2).all(|_| self.members().is_empty())
    }

    /// The processes in it that have not ended. None are known where there is no `/proc`.
    pub(super) fn members(self) -> Vec<Member> {
        processes(|stat| self.member(stat))
    }

    fn member(self, stat: &str) -> Option<Member> {
        let process = Process::read(stat)?;
        (process.group == self.0.as_raw_pid()).then_some(process.member)
    }

    pub(super) fn signal(self, signal: Signal) {
        // An error means that nobody is there any more.
        let _ = rustix::process::kill_process_group(self.0, signal);
    }

    /// Waits for the end of all children of ours in it.
    pub(super) fn wait(self) {
        while rustix::process::waitid(WaitId::Pgid(Some(self.0)), WaitIdOptions::EXITED).is_ok() {}
    }
}

/// The session that a supervisor leads and that its command is part of, unless that has left it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Session(Option<i32>);

impl Session {
    /// That of a supervisor that was just started.
    pub(super) fn of(supervisor: &tokio::process::Child) -> Self {
        Self(supervisor.id().and_then(|id| i32::try_from(id).ok()))
    }

    /// Ends what is left in it. For a supervisor that was killed, by its own command maybe: nobody else would, and what
    /// went on would meet the next run.
    pub(super) async fn end(self) {
        let mut left = Vec::new();
        for _ in 0..LOOKS {
            left = self.members();
            if left.is_empty() {
                return;
            }
            for pid in left.iter().filter_map(|member| Pid::from_raw(i32::try_from(member.pid).ok()?)) {
                // An error means that it has just ended.
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        tracing::warn!(
            processes = left.len(),
            "a step whose supervisor was killed goes on beside the next run"
        );
    }

    fn members(self) -> Vec<Member> {
        processes(|stat| {
            let process = Process::read(stat)?;
            (Some(process.session) == self.0).then_some(process.member)
        })
    }
}

/// A process that has not ended, as its `stat` says.
struct Process {
    member: Member,
    group: i32,
    session: i32,
}

impl Process {
    /// Reads one process's `stat`. The name in it may hold blanks and brackets.
    fn read(stat: &str) -> Option<Self> {
        let (number_and_name, rest) = stat.rsplit_once(") ")?;
        let (pid, name) = number_and_name.split_once(" (")?;
        let mut fields = rest.split(' ');
        let (state, _parent) = (fields.next()?, fields.next()?);
        let (group, session) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let member = Member::new(pid.parse().ok()?, name);
        (!matches!(state, "Z" | "X")).then_some(Self { member, group, session })
    }
}

/// The processes of this machine that are wanted. None are known where there is no `/proc`.
fn processes(wanted: impl Fn(&str) -> Option<Member>) -> Vec<Member> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let stats = processes.flatten().filter_map(|process| fs::read(process.path().join("stat")).ok());
    stats.filter_map(|stat| wanted(&String::from_utf8_lossy(&stat))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_alive_and_in_the_group_whatever_its_name() {
        let group = Group(Pid::from_raw(40).unwrap());
        let member = |pid, name: &str| Some(Member::new(pid, name));

        assert_eq!(group.member("41 (sleep) S 1 40 39 0 -1"), member(41, "sleep"));
        assert_eq!(group.member("42 (a (b) Z 1 2) R 1 40 39 0 -1"), member(42, "a (b) Z 1 2"));
        assert_eq!(group.member("40 (sh) Z 1 40 39 0 -1"), None);
        assert_eq!(group.member("43 (sleep) S 1 43 43 0 -1"), None);
        assert_eq!(group.member("cpu 1 2 3"), None);
    }

    #[test]
    fn a_name_cannot_break_the_line_that_holds_it() {
        let member = Member::new(41, "a\n\u{1b}[2J");

        assert_eq!(member.to_string(), "a??[2J (pid 41)");
    }
}
