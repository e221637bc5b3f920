//! Executor `tekton` before a scripted API: what has to be forced and what takes minutes, without a cluster and on time
//! that passes by itself. Whether a real API server and a real Tekton behave like this, the tests in `tekton` say.

mod creation;
mod found;
mod logs;
mod settling;
mod stop;
mod watches;

use std::time::Duration;

use stackblaze::domain::Reason;
use stackblaze::executor::tekton::TektonExecutor;
use stackblaze::executor::{Event, Outcome, Run};

use crate::harness::following::Following;
use crate::harness::scripted_cluster::{NAMESPACE, ScriptedCluster};
use crate::harness::stage::{common, run};

/// Longest time that a scenario may take of the machine's own, however much passes in it.
const REAL_LIMIT: Duration = Duration::from_secs(1);
/// Nothing in a scenario takes longer on its own clock.
const PATIENCE: Duration = Duration::from_hours(1);

/// One deployment in one scripted cluster.
struct Scenario {
    cluster: ScriptedCluster,
    executor: TektonExecutor,
    run: Run,
    begun: std::time::Instant,
}

impl Drop for Scenario {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.begun.elapsed() < REAL_LIMIT, "it took {:?}", self.begun.elapsed());
        }
    }
}

impl Scenario {
    fn new() -> Self {
        let begun = std::time::Instant::now();
        let cluster = ScriptedCluster::default();
        let executor = TektonExecutor::new(cluster.client(), common(NAMESPACE));
        Self { cluster, executor, run: run(), begun }
    }

    /// The run was created before, and the server knows it.
    fn known() -> Self {
        let mut scenario = Self::new();
        scenario.cluster.holds(&scenario.run, "uid-0");
        scenario.run.plan.cluster_mut().unwrap().uid = Some("uid-0".to_owned());
        scenario
    }

    fn begin(&self) -> Following {
        let mut following = Following::begin(self.executor.clone(), self.run.clone());
        following.patience = PATIENCE;
        following
    }
}

/// Reason and message of a failure.
fn failure(outcome: &Outcome) -> (Reason, &str) {
    match outcome {
        Outcome::Failed { reason, message, .. } => (*reason, message),
        Outcome::Succeeded => panic!("it succeeded"),
    }
}

/// The hints, in order.
fn hints(events: &[Event]) -> Vec<String> {
    let hints = events.iter().filter_map(|event| match event {
        Event::Waiting(Some(hint)) => Some(hint.to_string()),
        _ => None,
    });
    hints.collect()
}

/// The uids that were told.
fn uids(events: &[Event]) -> Vec<&str> {
    let uids = events.iter().filter_map(|event| match event {
        Event::Created { uid } => Some(uid.as_str()),
        _ => None,
    });
    uids.collect()
}
