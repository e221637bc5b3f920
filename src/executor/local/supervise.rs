//! What the supervisor of a step does, in a process of its own: starts the command, and ends what is left of it.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::signal::unix::{Signal as Signals, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::group::{Group, Member};
use super::handed;
use super::host::Environment;
use super::process::{KILL, TERM, exit_code};

/// Exit codes of a shell for a program that cannot be run, and for one that does not exist.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;
/// How long what a command has left running may take to leave the group.
const TIME_TO_LEAVE: Duration = Duration::from_secs(2);
/// How long the rest may then take to end after a SIGTERM.
const TIME_TO_END: Duration = Duration::from_secs(2);
/// Time between two looks at who is still there.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Most processes that are named in the log.
const MAX_NAMED: usize = 20;

/// The main function of the supervisor, which the hidden subcommand `step` is: runs the command until it ends or the
/// pipe at standard input says otherwise, and gives the command's exit code as a shell does.
///
/// The command's variables come first through that pipe; see `handed.rs`. Has to be called outside of a runtime.
pub fn supervise(command: Vec<OsString>) -> ExitCode {
    // Without a controlling terminal nothing can ask there for a password, and Ctrl-C there reaches the server only.
    // It fails for the leader of a group, which is a supervisor that somebody has started by hand.
    let _ = rustix::process::setsid();
    // Without them the server is gone, and nobody wants the command any more.
    let Ok(environment) = handed::decode(io::stdin().lock()) else { return ExitCode::from(CANNOT_RUN) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(supervise_command(command, environment))) {
        Ok(status) => ExitCode::from(u8::try_from(exit_code(status)).unwrap_or(u8::MAX)),
        Err(error) => {
            eprintln!("cannot start the command: {error}");
            ExitCode::from(if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN })
        }
    }
}

async fn supervise_command(command: Vec<OsString>, environment: Environment) -> io::Result<ExitStatus> {
    let mut children = signal(SignalKind::child())?;
    let mut orders = Orders::listen()?;
    adopt_orphans()?;
    let mut child = start_group(command, environment)?;
    let group = Group(Pid::from_child(&child));
    let mut is_stopped = false;
    while !group.first_has_ended()? {
        tokio::select! {
            _ = children.recv() => {}
            order = orders.next() => {
                is_stopped = true;
                group.signal(order);
            }
        }
    }
    if !is_stopped {
        clear(group, &mut orders).await;
    }
    group.signal(Signal::KILL);
    let status = child.wait()?;
    // Nothing of the group is at work in the step's folders any more when the step ends.
    group.wait();
    Ok(status)
}

/// Gives what a command has left in its group the time to leave it or to end; asks the rest to end, and names it.
async fn clear(group: Group, orders: &mut Orders) {
    let Some(due) = overstay(group, TIME_TO_LEAVE, Signal::TERM, orders.next()).await else { return };
    // It goes where the command's output goes. An error means that the server is gone.
    drop(io::stdout().write_all(notice(&group.members()).as_bytes()));
    group.signal(due);
    if due == Signal::TERM {
        overstay(group, TIME_TO_END, Signal::KILL, orders.next()).await;
    }
}

/// Waits until nobody is left in the group. Gives what is due if somebody is: a signal when the time is over, or the
/// order that came before.
async fn overstay(
    group: Group,
    time: Duration,
    due: Signal,
    order: impl Future<Output = Signal>,
) -> Option<Signal> {
    let nobody_left = async {
        while !group.is_empty() {
            sleep(LOOK_INTERVAL).await;
        }
    };
    tokio::select! {
        biased;
        () = nobody_left => None,
        order = order => Some(order),
        () = sleep(time) => Some(due),
    }
}

/// The line about what is ended. It begins a line, wherever the command's output has ended.
fn notice(members: &[Member]) -> String {
    if members.is_empty() {
        return String::new();
    }
    let named: Vec<_> = members.iter().take(MAX_NAMED).map(Member::to_string).collect();
    let more = match members.len().saturating_sub(MAX_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let named = named.join(", ");
    format!(
        "\nEnded, since the command left it in its process group: {named}{more}. \
         What is to go on has to leave the group: setsid app &\n"
    )
}

/// What the supervisor is told.
struct Orders {
    pipe: mpsc::UnboundedReceiver<u8>,
    /// A service manager that stops the server sends these to each of its processes; the group gets its grace.
    terminate: Signals,
    interrupt: Signals,
    hangup: Signals,
}

impl Orders {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            pipe: read_orders(),
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next order: the signal that the group is to be sent.
    async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(order) = self.pipe.recv() => if order == TERM { Signal::TERM } else { Signal::KILL },
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.interrupt.recv() => Signal::TERM,
            _ = self.hangup.recv() => Signal::TERM,
        }
    }
}

/// Reads the orders of the server in a thread; the end of the pipe, which is the end of the server, is [`KILL`].
fn read_orders() -> mpsc::UnboundedReceiver<u8> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for order in io::stdin().lock().bytes().map_while(Result::ok).chain([KILL]) {
            if sender.send(order).is_err() {
                return;
            }
        }
    });
    receiver
}

fn start_group(command: Vec<OsString>, environment: Environment) -> io::Result<Child> {
    let mut words = command.into_iter();
    let program = words.next().ok_or_else(|| io::Error::other("there is no command"))?;
    let mut started = Command::new(&program);
    started.args(words).env_clear().envs(environment).stdin(Stdio::null()).process_group(0);
    started.spawn().map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.display())))
}

/// Makes this process the parent of the group's orphans, so that it can wait for them. What runs programs of another
/// machine may not know how (qemu-user 7.2 says EINVAL): the orphans are init's then, and are found in `/proc` all the same.
#[cfg(target_os = "linux")]
fn adopt_orphans() -> io::Result<()> {
    match rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
        Err(rustix::io::Errno::INVAL) => Ok(()),
        outcome => Ok(outcome?),
    }
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the other one can fail")]
fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use futures_util::FutureExt;

    use super::*;

    /// A shell that has ended, in its group.
    fn ended(command: &str) -> (Child, Group) {
        let child =
            start_group(["sh", "-c", command].map(OsString::from).into(), Environment::new()).unwrap();
        let group = Group(Pid::from_child(&child));
        while !group.first_has_ended().unwrap() {
            std::thread::yield_now();
        }
        (child, group)
    }

    #[tokio::test]
    async fn nobody_is_waited_for_where_nobody_is_left() {
        let (mut child, group) = ended("true");

        let waited = overstay(group, Duration::MAX, Signal::TERM, pending()).now_or_never();

        child.wait().unwrap();
        assert_eq!(waited, Some(None));
    }

    #[tokio::test]
    async fn who_is_left_is_waited_for_until_an_order_comes() {
        let (mut child, group) = ended("sleep 600 &");

        let waited = overstay(group, Duration::MAX, Signal::TERM, pending()).now_or_never();
        let ordered = overstay(group, Duration::MAX, Signal::TERM, async { Signal::KILL }).now_or_never();
        let over = overstay(group, Duration::ZERO, Signal::TERM, pending()).await;

        group.signal(Signal::KILL);
        child.wait().unwrap();
        assert_eq!((waited, ordered, over), (None, Some(Some(Signal::KILL)), Some(Signal::TERM)));
    }

    #[test]
    fn the_notice_names_many_by_their_number() {
        let members = |count| (0..count).map(|pid| Member::new(pid, "sleep")).collect::<Vec<_>>();

        assert_eq!(notice(&members(0)), "");
        assert!(notice(&members(2)).contains("group: sleep (pid 0), sleep (pid 1). What"));
        let many = notice(&members(25));
        assert!(many.contains("sleep (pid 19) and 5 more. What") && !many.contains("(pid 20)"));
    }
}
