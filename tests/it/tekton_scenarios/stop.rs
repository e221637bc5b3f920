//! A run that is told to stop, at any time of its life.

use std::time::Duration;

use serde_json::json;
use stackblaze::domain::{Reason, Step};
use stackblaze::executor::Event;
use tokio::time::{Instant, sleep};

use super::*;
use crate::harness::scripted_cluster::Call::{CreateRun, PatchRun};
use crate::harness::scripted_cluster::Fault;

#[tokio::test(start_paused = true)]
async fn a_stop_before_the_creation_creates_nothing() {
    let scenario = Scenario::new();
    scenario.cluster.fails(CreateRun, 5, Fault::Refused(403, "no right to create"));
    let mut run = scenario.begin();

    run.waits_for("no right to create").await;
    run.stop.cancel();

    let (_, outcome) = run.ends().await;
    assert_eq!(failure(&outcome), (Reason::Cancelled, "it was stopped before its run was created"));
    assert_eq!((scenario.cluster.count(CreateRun), scenario.cluster.uid()), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_stop_after_a_lost_reply_ends_the_run_that_was_made() {
    let scenario = Scenario::new();
    scenario.cluster.fails(CreateRun, 1, Fault::ReplyLost);
    scenario.cluster.shows_when_cancelled("cancelled_pending");
    let mut run = scenario.begin();

    run.waits_for("the run could not be created").await;
    run.stop.cancel();

    let (events, outcome) = run.ends().await;
    assert_eq!(failure(&outcome), (Reason::Cancelled, "the run was cancelled"));
    assert_eq!((uids(&events), scenario.cluster.count(CreateRun)), (vec!["uid-1"], 1));
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_nothing_is_known_of_the_creation_says_so() {
    let scenario = Scenario::new();
    scenario.cluster.fails(CreateRun, usize::MAX, Fault::Cut);
    let mut run = scenario.begin();

    run.waits_for("the run could not be created").await;
    run.stop.cancel();

    let told = "it was stopped; whether its run was created before is not known";
    assert_eq!(failure(&run.ends().await.1), (Reason::Cancelled, told));
}

#[tokio::test(start_paused = true)]
async fn a_stop_asks_the_run_to_end_until_the_cluster_has_heard_it() {
    let scenario = Scenario::known();
    scenario.cluster.shows("build_running");
    scenario.cluster.shows_when_cancelled("cancelled_building");
    scenario.cluster.fails(PatchRun, 3, Fault::Cut);
    let mut run = scenario.begin();

    run.sees(&Event::StepStarted(Step::Build)).await;
    run.stop.cancel();

    assert_eq!(failure(&run.ends().await.1), (Reason::Cancelled, "the run was cancelled"));
    let patches = scenario.cluster.made(PatchRun);
    assert_eq!(patches.len(), 4);
    assert!(patches.iter().all(|patch| patch.body == json!({"spec": {"status": "Cancelled"}})));
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_nobody_confirms_returns_within_fifteen_seconds() {
    let scenario = Scenario::known();
    scenario.cluster.shows("build_running");
    let mut run = scenario.begin();
    run.sees(&Event::StepStarted(Step::Build)).await;
    sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();

    run.stop.cancel();

    let told = "it was asked to end; the cluster has not confirmed that it did";
    assert_eq!(failure(&run.ends().await.1), (Reason::Cancelled, told));
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(scenario.cluster.count(PatchRun), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_the_release_command_runs_lets_the_task_that_puts_back_run_too() {
    let scenario = Scenario::known();
    scenario.cluster.shows("release_running");
    scenario.cluster.shows_when_cancelled("cancelled_releasing");
    let mut run = scenario.begin();

    run.sees(&Event::StepStarted(Step::Release)).await;
    run.stop.cancel();

    let (events, outcome) = run.ends().await;
    assert_eq!(failure(&outcome), (Reason::Cancelled, "the run was cancelled"));
    assert!(!events.contains(&Event::StepStarted(Step::Deploy)), "nothing was patched: {events:?}");
    let patches = scenario.cluster.made(PatchRun);
    assert_eq!(patches[0].body, json!({"spec": {"status": "CancelledRunFinally"}}));
}

#[tokio::test(start_paused = true)]
async fn a_release_command_that_fails_is_told_and_deploy_never_begins() {
    let scenario = Scenario::known();
    scenario.cluster.shows("release_running");
    let mut run = scenario.begin();
    run.sees(&Event::StepStarted(Step::Release)).await;

    scenario.cluster.shows("release_failed");

    let (events, outcome) = run.ends().await;
    assert_eq!(failure(&outcome), (Reason::ReleaseFailed, "the release command ended with exit code 3"));
    let ended = Event::StepFinished { step: Step::Release, succeeded: false, exit_code: Some(98) };
    assert!(events.contains(&ended) && !events.contains(&Event::StepStarted(Step::Deploy)), "{events:?}");
}
