//! A closure that waits for the writer, and its answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use tokio::sync::oneshot;

use crate::db::Error;
use crate::db::writer::Tx;

/// What became of the batch of a closure.
pub(super) enum Fate {
    Committed,
    Unavailable(&'static str),
}

pub(super) trait Job: Send {
    /// Whether the caller is still there and has not waited too long; answers it where it has.
    fn is_due(&mut self) -> bool;
    /// Runs the closure; false means that its rows are to be rolled back.
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    fn answer(self: Box<Self>, fate: Fate);
}

struct Write<F, T, E> {
    closure: Option<F>,
    result: Option<Result<T, E>>,
    reply: Option<oneshot::Sender<Result<T, E>>>,
    expires: Option<Instant>,
}

impl<F, T, E> Job for Write<F, T, E>
where
    F: FnOnce(&Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn is_due(&mut self) -> bool {
        if self.reply.as_ref().is_none_or(oneshot::Sender::is_closed) {
            return false;
        }
        if self.expires.is_some_and(|at| at < Instant::now()) {
            self.send(Err(Error::Busy.into()));
            return false;
        }
        true
    }

    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let Some(closure) = self.closure.take() else { return false };
        let result =
            catch_unwind(AssertUnwindSafe(|| closure(tx))).unwrap_or_else(|_| Err(Error::Panicked.into()));
        let keep = result.is_ok();
        self.result = Some(result);
        keep
    }

    fn answer(mut self: Box<Self>, fate: Fate) {
        let result = match fate {
            Fate::Committed => self.result.take(),
            Fate::Unavailable(why) => Some(Err(Error::Unavailable(why).into())),
        };
        if let Some(result) = result {
            self.send(result);
        }
    }
}

impl<F, T, E> Write<F, T, E> {
    fn send(&mut self, result: Result<T, E>) {
        if let Some(reply) = self.reply.take() {
            // A caller that has left needs no answer; what it asked for has happened all the same.
            drop(reply.send(result));
        }
    }
}

/// A closure as a job, and where its answer comes; later than `expires` it is not begun any more.
pub(super) fn package<F, T, E>(
    closure: F,
    expires: Option<Instant>,
) -> (Box<dyn Job>, oneshot::Receiver<Result<T, E>>)
where
    F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    T: Send + 'static,
    E: From<Error> + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Write { closure: Some(closure), result: None, reply: Some(reply), expires }), answer)
}
