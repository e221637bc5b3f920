//! How a run of this process is told to end, or is left to the next process.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::domain::{Deployment, Reason, Timestamp};

/// What a run is told that is stopped with the server.
const STOPPED: &str = "the server was stopped";

/// How a run is asked to end, and why; the first reason stays.
#[derive(Clone)]
pub(super) struct Stop {
    pub(super) token: CancellationToken,
    /// Cancelled when this process goes down and the run goes on without it.
    pub(super) is_left: CancellationToken,
    /// Cancelled once the executor has returned: what is left is to store how it ended.
    pub(super) has_ended: CancellationToken,
    survives: bool,
    cause: Arc<Mutex<Option<(Reason, String)>>>,
}

impl Stop {
    /// Of a run that goes on without this process, or does not.
    pub(super) fn new(survives: bool) -> Self {
        let token = CancellationToken::new;
        Self { token: token(), is_left: token(), has_ended: token(), survives, cause: Arc::default() }
    }

    /// Asks the run to end.
    pub(super) fn ask(&self, reason: Reason, message: &str) {
        let mut cause = self.cause.lock().unwrap_or_else(PoisonError::into_inner);
        cause.get_or_insert_with(|| (reason, message.to_owned()));
        self.token.cancel();
    }

    /// This process goes down: the run is left, or asked to end where it cannot go on.
    pub(super) fn go_down(&self) {
        if self.survives {
            self.is_left.cancel();
        } else {
            self.ask(Reason::Interrupted, STOPPED);
        }
    }

    /// Why it was asked to end.
    pub(super) fn cause(&self) -> Option<(Reason, String)> {
        self.cause.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why a deployment is to be stopped now, if it is: somebody asked for it, or its time is up.
pub(super) fn due_to_stop(deployment: &Deployment, now: Timestamp) -> Option<(Reason, String)> {
    let is_late = deployment.stop_at.is_some_and(|at| at <= now);
    let timeout = || (Reason::Timeout, "it ran for longer than the service's timeout".to_owned());
    asked_to_stop(deployment).or_else(|| is_late.then(timeout))
}

/// Why somebody asked for the end of this deployment; it goes before whatever else ends it.
pub(super) fn asked_to_stop(deployment: &Deployment) -> Option<(Reason, String)> {
    let reason = deployment.cancel_reason?;
    let message = deployment.message.clone().unwrap_or_else(|| reason.sentence().to_owned());
    Some((reason, message))
}
