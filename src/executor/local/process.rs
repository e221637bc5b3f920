//! The only place where the server starts or stops a process.
//!
//! It starts each command through a supervisor, which is our own binary: `<program> step -- <command>`. The supervisor
//! makes a process group for the command and ends what is left of the group when the command's first process has ended,
//! when it is told to, or when the pipe from the server closes. So neither a killed server nor a dropped future leaves
//! a build behind. See `supervise.rs`. A supervisor that was killed itself is stood in for by the server.

use std::convert::Infallible;
use std::future::pending;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::command::CommandLine;
use super::group::Session;
use super::handed;
use super::output::Output;

/// Tells the supervisor to ask the group to end (SIGTERM).
pub(super) const TERM: u8 = b'T';
/// Tells it to end the group (SIGKILL).
pub(super) const KILL: u8 = b'K';
/// How long a supervisor may take to end once its group has been killed; only a process that hangs in the kernel
/// takes longer, and nothing can be done about that one.
const KILL_PATIENCE: Duration = Duration::from_secs(2);
/// Bytes read at once.
const READ_BYTES: usize = 32 * 1_024;
/// Time between two reads, in which lines gather: a shell writes each of its own.
const GATHER: Duration = Duration::from_millis(1);
/// Most bytes that are still read when the command has ended: the largest size of a pipe, so that a daemon which
/// left the group and goes on writing does not hold the step.
const MAX_LEFT_IN_PIPE: usize = 1_024 * 1_024;
/// A shell's exit code for a command that was ended by a signal is the signal's number above this.
const SIGNALLED: i32 = 128;

/// How commands are started and stopped.
#[derive(Debug, Clone)]
pub(super) struct Supervisor {
    /// Our own binary.
    pub(super) program: PathBuf,
    /// Time from SIGTERM to SIGKILL.
    pub(super) grace: Duration,
}

/// How a command ended, each with its exit code as a shell gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself.
    Exited(i32),
    /// After it had been told to stop; no code where it never ran.
    Stopped(Option<i32>),
}

impl Supervisor {
    /// Runs a command to its end, or stops it when `stop` is cancelled. Its output, both streams in their order,
    /// goes to `output`; all of it that the command wrote before it ended has been handed over on return.
    ///
    /// # Errors
    /// Where the supervisor could not be started. A missing program is an exit code, 127.
    pub(super) async fn run(
        &self,
        command: &CommandLine,
        output: &mut Output<'_, '_>,
        stop: &CancellationToken,
    ) -> io::Result<Ended> {
        if stop.is_cancelled() {
            return Ok(Ended::Stopped(None));
        }
        let (child, mut orders, out) = self.start(command)?;
        let session = Session::of(&child);
        // An error means that the supervisor has ended, and its exit code says why.
        drop(orders.write_all(&handed::encode(&command.environment)).await);
        let mut running = Running { child, orders, grace: self.grace, session };
        let mut source = Source::new(out)?;
        let ended = tokio::select! {
            biased;
            status = running.child.wait() => {
                let status = status?;
                if status.signal().is_some() {
                    session.end().await;
                }
                Ended::Exited(exit_code(status))
            }
            () = stop.cancelled() => tokio::select! {
                biased;
                code = running.stop() => Ended::Stopped(code?),
                never = source.pass_on(output) => match never {},
            },
            never = source.pass_on(output) => match never {},
        };
        source.drain(output).await;
        Ok(ended)
    }

    fn start(&self, command: &CommandLine) -> io::Result<(Child, ChildStdin, OwnedFd)> {
        let (reader, writer) = io::pipe()?;
        let mut supervisor = tokio::process::Command::new(&self.program);
        supervisor.arg("step").arg("--").args(&command.words);
        supervisor.env_clear();
        supervisor.current_dir(&command.directory);
        supervisor.stdin(Stdio::piped()).stdout(writer.try_clone()?).stderr(writer);
        // Killing the supervisor would orphan the group; closing its standard input ends both.
        supervisor.kill_on_drop(false);
        let mut child = supervisor.spawn()?;
        let orders =
            child.stdin.take().ok_or_else(|| io::Error::other("the supervisor has no standard input"))?;
        Ok((child, orders, OwnedFd::from(reader)))
    }
}

/// A supervisor at work. Dropping it closes `orders`, which ends the group.
struct Running {
    child: Child,
    orders: ChildStdin,
    grace: Duration,
    session: Session,
}

impl Running {
    /// Asks the group to end, and ends it when the grace is over.
    async fn stop(&mut self) -> io::Result<Option<i32>> {
        // An error means that the supervisor has just ended, which is what is wanted.
        drop(self.orders.write_all(&[TERM]).await);
        if let Ok(status) = timeout(self.grace, self.child.wait()).await {
            return Ok(Some(exit_code(status?)));
        }
        drop(self.orders.write_all(&[KILL]).await);
        if let Ok(status) = timeout(KILL_PATIENCE, self.child.wait()).await {
            return Ok(Some(exit_code(status?)));
        }
        tracing::warn!(
            supervisor.pid = self.child.id(),
            "a killed step does not end; ending it without its supervisor"
        );
        self.child.kill().await?;
        self.session.end().await;
        Ok(None)
    }
}

/// The reading end of a command's output.
struct Source {
    pipe: pipe::Receiver,
    /// The same pipe, for reading what is there without the runtime's idea of readiness, which may lag behind.
    direct: io::PipeReader,
    buffer: Vec<u8>,
    /// Read, and not handed over yet.
    pending: Vec<u8>,
}

impl Source {
    fn new(out: OwnedFd) -> io::Result<Self> {
        let direct = io::PipeReader::from(out.try_clone()?);
        Ok(Self {
            pipe: pipe::Receiver::from_owned_fd(out)?,
            direct,
            buffer: vec![0; READ_BYTES],
            pending: Vec::new(),
        })
    }

    /// Hands output over until this future is dropped, also when there is no more. Nothing is lost by the drop.
    async fn pass_on(&mut self, output: &mut Output<'_, '_>) -> Infallible {
        loop {
            output.take(&mut self.pending).await;
            if self.pipe.readable().await.is_err() {
                return pending().await;
            }
            match self.pipe.try_read(&mut self.buffer) {
                Ok(0) => return pending().await,
                Ok(count) => {
                    self.pending.extend_from_slice(&self.buffer[..count]);
                    // A whole buffer has more behind it, whose writer waits.
                    if count < READ_BYTES {
                        output.take(&mut self.pending).await;
                        sleep(GATHER).await;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return pending().await,
            }
        }
    }

    /// Hands over what the command has written and nobody has read. Does not wait for the end of the output: a
    /// process that left the group may hold the pipe for as long as it likes.
    async fn drain(&mut self, output: &mut Output<'_, '_>) {
        let mut count = 0;
        loop {
            output.take(&mut self.pending).await;
            match self.direct.read(&mut self.buffer) {
                Ok(0) | Err(_) => return,
                Ok(_) if count > MAX_LEFT_IN_PIPE => return,
                Ok(more) => {
                    self.pending.extend_from_slice(&self.buffer[..more]);
                    count += more;
                }
            }
        }
    }
}

/// The exit code as a shell gives it.
pub(super) fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| SIGNALLED + signal)).unwrap_or(i32::from(u8::MAX))
}
