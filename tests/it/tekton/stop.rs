//! A run that is told to stop, that is settled later, or whose objects are removed.

use std::time::{Duration, Instant};

use kube::api::ListParams;
use kube::runtime::wait::{await_condition, conditions};
use stackblaze::executor::Executor as _;
use stackblaze::executor::Settled;

use super::*;
use crate::harness::fault_proxy::{Calls, Fault};
use crate::harness::soon;

/// Longest time that a stopped run may take; the executors' contract.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Stops and gives the failure; in time.
async fn stopped_in_time(run: crate::harness::following::Following) -> (Reason, String) {
    let begun = Instant::now();
    run.stop.cancel();
    let (_, outcome) = run.ends().await;
    assert!(begun.elapsed() < STOP_LIMIT, "{:?}", begun.elapsed());
    let (reason, message) = failure(&outcome);
    (reason, message.to_owned())
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_stopped_run_ends_in_the_cluster_too() {
    let stage = Stage::new().await;
    let mut run = stage.begin();
    clones(&stage.kubelet()).await;
    run.sees(&Event::StepStarted(Step::Build)).await;

    let (reason, message) = stopped_in_time(run).await;

    assert_eq!((reason, message.as_str()), (Reason::Cancelled, "the run was cancelled"));
    assert_eq!(stage.is_over().await, "Cancelled");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_that_waits_for_its_pod_can_be_stopped() {
    let stage = Stage::new().await;
    let mut run = stage.begin();
    run.created().await;
    stage.kubelet().pod_of("clone").await;

    assert_eq!(stopped_in_time(run).await.0, Reason::Cancelled);

    assert_eq!(stage.is_over().await, "Cancelled");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_that_could_not_be_created_yet_is_not_created_any_more() {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("POST", "/pipelineruns"), Fault::Status(403, None));
    let mut run = stage.begin();
    run.waits_for("could not be created").await;

    let (reason, message) = stopped_in_time(run).await;

    let told = "it was stopped before its run was created";
    assert_eq!((reason, message.as_str()), (Reason::Cancelled, told));
    assert_eq!(stage.uids().await, [""; 0]);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_that_is_stopped_before_it_begins_is_not_created() {
    let stage = Stage::new().await;

    let (reason, message) = stopped_in_time(stage.begin()).await;

    let told = "it was stopped before its run was created";
    assert_eq!((reason, message.as_str()), (Reason::Cancelled, told));
    assert_eq!((creations(&stage), stage.uids().await.len()), (0, 0));
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_that_an_earlier_server_made_unknown_to_this_one_is_stopped_too() {
    let stage = Stage::new().await;
    let mut first = stage.begin();
    first.created().await;
    first.dies().await;

    let (_, message) = stopped_in_time(stage.begin()).await;

    assert_eq!(message, "the run was cancelled");
    assert_eq!((creations(&stage), stage.is_over().await.as_str()), (1, "Cancelled"));
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_stop_during_a_creation_that_succeeds_late_ends_the_run() {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("POST", "/pipelineruns"), Fault::Delay(Duration::from_secs(4)));
    let run = stage.begin();
    soon(stage.proxy.has_seen(Calls::to("POST", "/pipelineruns"))).await;

    assert_eq!(stopped_in_time(run).await.0, Reason::Cancelled);

    assert_eq!(stage.is_over().await, "Cancelled");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn everything_that_a_stop_waits_for_together_is_in_time() {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("POST", "/pipelineruns"), Fault::Delay(Duration::from_secs(8)));
    stage.proxy.inject(Calls::to("PATCH", "/pipelineruns"), Fault::Hang);
    let run = stage.begin();
    soon(stage.proxy.has_seen(Calls::to("POST", "/pipelineruns"))).await;

    let (reason, message) = stopped_in_time(run).await;

    assert_eq!(reason, Reason::Cancelled);
    assert!(message.ends_with("the cluster has not confirmed that it did"), "{message}");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_stop_is_asked_for_again_until_the_cluster_hears_it() {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("PATCH", "/pipelineruns").first(2), Fault::Status(503, None));
    let mut run = stage.begin();
    run.created().await;

    let (_, message) = stopped_in_time(run).await;

    assert_eq!(message, "the run was cancelled");
    assert_eq!(stage.is_over().await, "Cancelled");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_stop_while_the_cluster_hangs_returns_and_the_run_is_settled_later() {
    let stage = Stage::new().await;
    let mut run = stage.begin();
    run.created().await;
    clones(&stage.kubelet()).await;
    run.sees(&Event::StepStarted(Step::Build)).await;
    stage.proxy.inject(Calls::to("*", "/"), Fault::Hang);
    stage.proxy.cut_all();

    let (reason, message) = stopped_in_time(run).await;
    assert_eq!(reason, Reason::Cancelled);
    assert!(message.ends_with("the cluster has not confirmed that it did"), "{message}");
    stage.proxy.heal();
    stage.proxy.cut_all();

    assert_eq!(stage.settle().await, Settled::Ending);
    assert_eq!(stage.is_over().await, "Cancelled");
    assert_eq!(stage.settle().await, Settled::Ended);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_creation_whose_answer_was_lost_is_found_and_ended() {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("POST", "/pipelineruns"), Fault::HangReply);
    let run = stage.begin();
    stage.kubelet().pod_of("clone").await;

    let (reason, message) = stopped_in_time(run).await;

    assert_eq!((reason, message.as_str()), (Reason::Cancelled, "the run was cancelled"));
    assert_eq!(stage.is_over().await, "Cancelled");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_creation_of_which_nothing_is_known_is_settled_later() {
    let stage = Stage::new().await;
    assert_eq!(stage.settle().await, Settled::Absent);
    stage.proxy.inject(Calls::to("POST", "/pipelineruns"), Fault::LoseReply);
    stage.proxy.inject(Calls::to("GET", "/pipelineruns"), Fault::Status(503, None));
    let mut run = stage.begin();
    run.waits_for("could not be created").await;

    let (reason, message) = stopped_in_time(run).await;
    let told = "it was stopped; whether its run was created before is not known";
    assert_eq!((reason, message.as_str()), (Reason::Cancelled, told));
    stage.proxy.heal();

    assert_eq!(stage.settle().await, Settled::Ending);
    assert_eq!(stage.is_over().await, "Cancelled");
    assert_eq!(stage.settle().await, Settled::Ended);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_that_cannot_be_read_is_told_to_end_all_the_same() {
    let stage = Stage::new().await;
    stage.begin().created().await;
    let poison = r#"{"apiVersion":"tekton.dev/v1","kind":"PipelineRun","metadata":{},"spec":{},"status":7}"#;
    stage.proxy.inject(Calls::to("GET", &stage.name()).first(1), Fault::Body(poison.to_owned()));

    assert_eq!(stage.settle().await, Settled::Ending);

    assert_eq!(stage.is_over().await, "Cancelled");
    assert_eq!(stage.settle().await, Settled::Ended);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_stop_that_comes_after_the_end_changes_nothing() {
    let stage = Stage::new().await;
    let mut first = stage.begin();
    let uid = first.created().await;
    first.dies().await;
    succeeds(&stage.kubelet()).await;
    assert_eq!(stage.is_over().await, "Completed");

    let run = stage.begin_with_uid(&uid);
    run.stop.cancel();

    assert_eq!(run.ends().await.1, Outcome::Succeeded);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_that_ended_well_is_settled_without_a_cancel() {
    let stage = Stage::new().await;
    let run = stage.begin();
    succeeds(&stage.kubelet()).await;
    assert_eq!(run.ends().await.1, Outcome::Succeeded);

    assert_eq!(stage.settle().await, Settled::Ended);

    assert!(!stage.proxy.journal().iter().any(|call| call.method == "PATCH"));
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_deleted_run_takes_everything_with_it_and_can_be_deleted_again() {
    let stage = Stage::new().await;
    let run = stage.begin();
    succeeds(&stage.kubelet()).await;
    assert_eq!(run.ends().await.1, Outcome::Succeeded);
    let tasks = stage.task_runs().list(&ListParams::default()).await.unwrap();
    assert_eq!(tasks.items.len(), 2);

    stage.executor.delete(&stage.run.deployment).await.unwrap();

    assert_eq!(stage.uids().await, [""; 0]);
    for task in tasks {
        let (name, uid) = (task.metadata.name.unwrap(), task.metadata.uid.unwrap());
        let gone = await_condition(stage.task_runs(), &name, conditions::is_deleted(&uid));
        soon(Box::pin(gone)).await.unwrap();
    }
    stage.executor.delete(&stage.run.deployment).await.unwrap();
    assert_eq!(stage.settle().await, Settled::Absent);
}
