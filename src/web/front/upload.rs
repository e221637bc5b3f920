//! A request's body on its connection, whoever reads it: timed, counted and read to its end where that is worth it.
//!
//! hyper looks at a body that nobody reads only after it has written the answer. What one read of the socket does not
//! give it then leaves there, and closes the connection, of which the answer did not say so; the same after a body
//! whose framing broke. A proxy that pools connections takes such a one for good and loses the next request on it. So
//! the body stays here when the handler lets go of it, and its end is known before the answer goes out.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::task::Context;
use std::task::Poll;
use std::task::ready;

use http_body_util::BodyExt as _;
use hyper::body::Body;
use hyper::body::Bytes;
use hyper::body::Frame;
use hyper::body::Incoming;
use hyper::body::SizeHint;
use poem::http::HeaderMap;
use poem::http::header;
use tokio::time::Instant;
use tokio::time::Sleep;
use tokio::time::sleep_until;

use crate::web::front::Limits;

/// Most bytes of a body that are read for the sake of its connection, those that its handler read among them.
const READ_MAX: u64 = 1024 * 1024;

type Next = Option<io::Result<Frame<Bytes>>>;

/// The body of one request; a clone is the same body.
#[derive(Clone)]
pub(super) struct Upload(Arc<Mutex<State>>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nobody asked for it; the caller may wait for `100 Continue`, which hyper sends at the first look.
    Unasked,
    Asked,
    Ended,
    /// It broke or took too long.
    Failed,
}

struct State {
    incoming: Incoming,
    stage: Stage,
    expects_continue: bool,
    /// Bytes so far.
    read: u64,
    limits: Limits,
    /// Runs from the first time that nothing was there.
    wait: Option<Wait>,
}

struct Wait {
    sleep: Pin<Box<Sleep>>,
    /// When the body has to be there whole.
    end: Instant,
}

impl Upload {
    pub(super) fn new(incoming: Incoming, headers: &HeaderMap, limits: Limits) -> Self {
        let stage = if incoming.is_end_stream() { Stage::Ended } else { Stage::Unasked };
        let expects_continue = headers.contains_key(header::EXPECT);
        Self(Arc::new(Mutex::new(State { incoming, stage, expects_continue, read: 0, limits, wait: None })))
    }

    /// Reads what the handler left; tells whether the end came, so that the connection can take another request.
    pub(super) async fn finish(mut self) -> bool {
        while self.state().is_worth_reading() {
            self.frame().await;
        }
        self.state().stage == Stage::Ended
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Next> {
        self.state().poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.state().incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.state().incoming.size_hint()
    }
}

impl State {
    fn is_worth_reading(&self) -> bool {
        let is_coming = match self.stage {
            Stage::Unasked => !self.expects_continue,
            Stage::Asked => true,
            Stage::Ended | Stage::Failed => false,
        };
        is_coming && self.read.saturating_add(self.incoming.size_hint().lower()) <= READ_MAX
    }

    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Next> {
        if matches!(self.stage, Stage::Ended | Stage::Failed) {
            return Poll::Ready(None);
        }
        self.stage = Stage::Asked;
        let next = match Pin::new(&mut self.incoming).poll_frame(context) {
            Poll::Ready(next) => next.map(|frame| frame.map_err(io::Error::other)),
            Poll::Pending => Some(Err(ready!(self.poll_late(context)))),
        };
        match &next {
            None => self.stage = Stage::Ended,
            Some(Err(_)) => self.stage = Stage::Failed,
            Some(Ok(frame)) => self.note(frame),
        }
        Poll::Ready(next)
    }

    /// Ready once the caller was silent, or the body not whole, for too long.
    fn poll_late(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        let Limits { body, body_silence, .. } = self.limits;
        let wait = self.wait.get_or_insert_with(|| {
            let now = Instant::now();
            let end = now + body;
            Wait { sleep: Box::pin(sleep_until(end.min(now + body_silence))), end }
        });
        wait.sleep.as_mut().poll(context).map(|()| io::ErrorKind::TimedOut.into())
    }

    fn note(&mut self, frame: &Frame<Bytes>) {
        self.read += frame.data_ref().map_or(0, |chunk| chunk.len() as u64);
        if let Some(wait) = &mut self.wait {
            let silent = Instant::now() + self.limits.body_silence;
            wait.sleep.as_mut().reset(silent.min(wait.end));
        }
    }
}
