//! Executor `tekton` before a real API server and a real Tekton; the tests play kubelet. `tests/cluster/run` runs them.

mod broken_cluster;
mod broken_watches;
mod creation;
mod ends;
mod found;
mod manifests;
mod probe;
mod restarts;
mod rights;
mod server;
mod stop;
mod waits;

use stackblaze::domain::{Commit, ImageReference, Reason, Step};
use stackblaze::executor::{Event, GivenImage, Outcome};

use crate::harness::Stage;
use crate::harness::kubelet::Kubelet;

const COMMIT: &str = "4444444444444444444444444444444444444444";
const DIGEST: &str = "sha256:5555555555555555555555555555555555555555555555555555555555555555";

/// Clone and build end well.
async fn builds(kubelet: &Kubelet) {
    clones(kubelet).await;
    kubelet.ends("build", 0, &[("digest", DIGEST)]).await;
}

/// Clone ends well; build has its turn.
async fn clones(kubelet: &Kubelet) {
    kubelet.starts("clone").await;
    kubelet.ends("clone", 0, &[("commit", COMMIT), ("subject", "Say hello")]).await;
}

/// Everything ends well.
async fn succeeds(kubelet: &Kubelet) {
    builds(kubelet).await;
    kubelet.starts("rollout").await;
    kubelet.ends("rollout", 0, &[("workloads", "apps/api/api complete 3/3")]).await;
}

/// What an earlier deployment pushed.
fn kept() -> GivenImage {
    GivenImage {
        image: ImageReference::parse(&format!("r.example.com/api:dep-00000000aaaaaaaaaaaa@{DIGEST}"))
            .unwrap(),
        commit: Commit::parse(COMMIT).ok(),
    }
}

/// Reason and message of a failure.
fn failure(outcome: &Outcome) -> (Reason, &str) {
    match outcome {
        Outcome::Failed { reason, message, .. } => (*reason, message),
        Outcome::Succeeded => panic!("it succeeded"),
    }
}

/// Reason and the cluster's own words of a failure.
fn detail(outcome: &Outcome) -> (Reason, &str) {
    match outcome {
        Outcome::Failed { reason, detail, .. } => (*reason, detail.as_deref().unwrap_or_default()),
        Outcome::Succeeded => panic!("it succeeded"),
    }
}

/// The hints, in order.
fn hints(events: &[Event]) -> Vec<String> {
    let hint = |event: &Event| {
        if let Event::Waiting(hint) = event { hint.as_ref().map(ToString::to_string) } else { None }
    };
    events.iter().filter_map(hint).collect()
}

/// How often our server asked for a run to be created.
fn creations(stage: &Stage) -> usize {
    let posts = |method: &str, target: &str| method == "POST" && target.contains("/pipelineruns");
    stage.proxy.journal().iter().filter(|call| posts(&call.method, &call.target)).count()
}
