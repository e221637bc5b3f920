//! Whole runs in real pods. Needs the full test cluster with the project's own images; tests/cluster/README.md says how.

mod builds;
mod failing;
mod good;
mod install;
mod rollouts;
mod stops;

use stackblaze::domain::ImageDigest;
use stackblaze::domain::Reason;
use stackblaze::executor::Event;
use stackblaze::executor::Outcome;

/// Why a run failed, and the sentence.
fn failure(outcome: Outcome) -> (Reason, String) {
    match outcome {
        Outcome::Failed { reason, message } => (reason, message),
        Outcome::Succeeded => panic!("it succeeded"),
    }
}

/// The image that a run pushed.
fn image_of(events: &[Event]) -> ImageDigest {
    let mut images = events.iter().filter_map(|event| match event {
        Event::Image(digest) => Some(digest.clone()),
        _ => None,
    });
    images.next().unwrap()
}
