//! How calls of hooks were answered since the start: counted without a lock, whatever becomes of the call.

use std::sync::atomic::{AtomicU64, Ordering};

use poem::Response;

use crate::domain::Code;
use crate::web::error::Error;
use crate::web::front::Accepted;

/// What a call comes to that is not refused, in the words of the hook's page.
const ANSWERS: [&str; 4] = ["accepted", "coalesced", "replayed", "dry_run"];
/// Refusals that a call may meet; each is shown from the start, so that its first one is seen as a change.
const REFUSALS: [Code; 20] = [
    Code::UnknownHook,
    Code::InvalidParameter,
    Code::ImageNotAllowed,
    Code::FromNotPossible,
    Code::ImageRequired,
    Code::BodyTooLarge,
    Code::BodyTooSlow,
    Code::BodyBroken,
    Code::BranchNotAllowed,
    Code::SourceNotAllowed,
    Code::AddressNotAllowed,
    Code::IdempotencyKeyReused,
    Code::ServiceFrozen,
    Code::HookPaused,
    Code::HookBudget,
    Code::QueueFull,
    Code::DatabaseUnavailable,
    Code::DiskNearlyFull,
    Code::ExecutorUnavailable,
    Code::Internal,
];

/// Counts calls of hooks by their result.
pub(super) struct HookCalls {
    answers: [AtomicU64; ANSWERS.len()],
    /// In the order of the codes.
    refusals: Box<[AtomicU64]>,
}

impl Default for HookCalls {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self { answers: std::array::from_fn(|_| zero()), refusals: Code::all().map(|_| zero()).collect() }
    }
}

impl HookCalls {
    /// Counts what a call was answered.
    pub(super) fn count(&self, answer: &Result<Response, Error>) {
        match answer {
            Ok(response) => {
                let place = match response.data::<Accepted>() {
                    None => 3,
                    Some(accepted) if accepted.is_replay => 2,
                    Some(accepted) => usize::from(accepted.is_coalesced),
                };
                self.answers[place].fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => self.count_refusal(error.code()),
        }
    }

    /// Counts a refusal.
    pub(super) fn count_refusal(&self, code: Code) {
        self.refusals[code as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Every result that a call may have, in words, and how often it was.
    pub(super) fn read(&self) -> Vec<(&'static str, u64)> {
        let answers = self.answers.iter().map(|count| count.load(Ordering::Relaxed));
        let refusals = Code::all().map(|code| (code, self.refusals[code as usize].load(Ordering::Relaxed)));
        let shown = refusals.filter(|(code, count)| *count > 0 || REFUSALS.contains(code));
        ANSWERS.into_iter().zip(answers).chain(shown.map(|(code, count)| (code.as_str(), count))).collect()
    }
}
