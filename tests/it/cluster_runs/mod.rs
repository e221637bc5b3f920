//! Whole runs in real pods. Needs the full test cluster with the project's own images; tests/cluster/README.md says how.

mod builds;
mod dockerfiles;
mod failing;
mod good;
mod half_way;
mod images;
mod install;
mod registries;
mod releases;
mod rollouts;
mod stops;
mod workloads;

use stackblaze::domain::ImageDigest;
use stackblaze::domain::Reason;
use stackblaze::domain::Span;
use stackblaze::executor::Event;
use stackblaze::executor::Outcome;
use stackblaze::executor::Run;

use crate::harness::cluster::Cluster;

/// Why a run failed, and the sentence.
fn failure(outcome: Outcome) -> (Reason, String) {
    match outcome {
        Outcome::Failed { reason, message, .. } => (reason, message),
        Outcome::Succeeded => panic!("it succeeded"),
    }
}

/// Runs with a time limit that strikes when the run `is_there`. How long the way to there takes is the machine's business:
/// a limit that strikes before is made longer.
async fn times_out(
    cluster: &Cluster,
    run: impl Fn() -> Run,
    is_there: impl Fn(&[Event]) -> bool,
) -> (Vec<Event>, Outcome) {
    for limit in [20, 60, 180] {
        let mut run = run();
        run.service.timeout = Span::from_secs(limit);
        let (events, outcome) = cluster.run(&run).await;
        if is_there(&events) {
            return (events, outcome);
        }
        assert!(matches!(outcome, Outcome::Failed { reason: Reason::Timeout, .. }), "{outcome:?}");
    }
    panic!("three minutes were too short");
}

/// The image that a run pushed.
fn image_of(events: &[Event]) -> ImageDigest {
    let mut images = events.iter().filter_map(|event| match event {
        Event::Image(digest) => Some(digest.clone()),
        _ => None,
    });
    images.next().unwrap()
}
