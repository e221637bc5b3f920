//! A run of which nobody knows the end, and one that is over and deleted.

use stackblaze::executor::{Executor as _, Settled};

use super::*;
use crate::harness::scripted_cluster::Call::{DeleteRun, PatchRun, ReadRun};
use crate::harness::scripted_cluster::Fault;

impl Scenario {
    async fn settle(&self) -> Result<Settled, String> {
        self.executor.settle(&self.run.deployment).await.map_err(|error| error.to_string())
    }

    async fn delete(&self) -> Result<(), String> {
        self.executor.delete(&self.run.deployment).await.map_err(|error| error.to_string())
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_not_there_is_absent_and_as_good_as_deleted() {
    let scenario = Scenario::new();

    assert_eq!(scenario.settle().await, Ok(Settled::Absent));
    assert_eq!(scenario.delete().await, Ok(()));
    assert_eq!([PatchRun, DeleteRun].map(|call| scenario.cluster.count(call)), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_is_asked_to_end_and_found_ended_later() {
    let scenario = Scenario::known();
    scenario.cluster.shows("build_running");
    scenario.cluster.shows_when_cancelled("cancelled_building");

    assert_eq!(scenario.settle().await, Ok(Settled::Ending));
    assert_eq!(scenario.settle().await, Ok(Settled::Ended));
    assert_eq!(scenario.cluster.count(PatchRun), 1);
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_does_not_answer_settles_and_deletes_nothing() {
    let scenario = Scenario::known();
    scenario.cluster.fails(ReadRun, usize::MAX, Fault::Refused(503, "overloaded"));

    assert_eq!(scenario.settle().await, Err("overloaded (503)".to_owned()));
    assert_eq!(scenario.delete().await, Err("overloaded (503)".to_owned()));
    assert_eq!([PatchRun, DeleteRun].map(|call| scenario.cluster.count(call)), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_somebody_else_made_is_neither_ended_nor_deleted() {
    let scenario = Scenario::known();
    scenario.cluster.shows("build_running");
    scenario.cluster.belongs_to_another();

    assert_eq!(scenario.settle().await, Ok(Settled::Absent));
    assert_eq!(scenario.delete().await, Ok(()));
    assert_eq!([PatchRun, DeleteRun].map(|call| scenario.cluster.count(call)), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn exactly_the_run_that_was_looked_at_is_deleted() {
    let scenario = Scenario::known();
    scenario.cluster.shows("succeeded");

    assert_eq!(scenario.delete().await, Ok(()));

    assert_eq!(scenario.cluster.uid(), None);
    assert_eq!(scenario.cluster.made(DeleteRun)[0].body["preconditions"]["uid"], "uid-0");
}
