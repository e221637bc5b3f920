//! Exactly one run, whatever happens to the call that creates it.

use std::time::Duration;

use serde_json::json;
use stackblaze::domain::Reason;
use stackblaze::executor::Outcome;
use tokio::time::Instant;

use super::*;
use crate::harness::scripted_cluster::Call::{CreateRun, DeleteRun, PatchRun, ReadRun, ReadWorkload};
use crate::harness::scripted_cluster::Fault;

/// The first creations go wrong like this; then there is one run, and it is followed to its end.
async fn one_run_in_spite_of(times: usize, fault: Fault) -> (Scenario, Duration) {
    let (scenario, begun) = (Scenario::new(), Instant::now());
    scenario.cluster.fails(CreateRun, times, fault);
    let mut run = scenario.begin();

    let uid = run.created().await;
    let waited = begun.elapsed();
    scenario.cluster.shows("succeeded");

    let (events, outcome) = run.ends().await;
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!((uid.as_str(), uids(&events)), ("uid-1", vec!["uid-1"]));
    assert_eq!(scenario.cluster.uid().as_deref(), Some("uid-1"), "created once");
    assert_eq!(scenario.cluster.count(CreateRun), times + 1);
    (scenario, waited)
}

#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_followed_by_adoption() {
    let (scenario, _) = one_run_in_spite_of(1, Fault::ReplyLost).await;

    let bodies: Vec<_> = scenario.cluster.made(CreateRun).into_iter().map(|made| made.body).collect();
    assert_eq!(bodies[0], bodies[1], "the second create is the first");
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_never_comes_is_followed_by_adoption_after_ten_seconds() {
    let (_scenario, waited) = one_run_in_spite_of(1, Fault::ReplyNeverSent).await;

    assert!((10..12).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_cut_connection_is_followed_by_another_creation() {
    one_run_in_spite_of(3, Fault::Cut).await;
}

#[tokio::test(start_paused = true)]
async fn the_pause_that_the_cluster_asks_for_is_kept() {
    let (_scenario, waited) = one_run_in_spite_of(1, Fault::Throttled(40)).await;

    assert!((40..=60).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_missing_for_minutes_is_waited_for() {
    let (_scenario, waited) = one_run_in_spite_of(8, Fault::Refused(403, "no right to create")).await;

    assert!((60..300).contains(&waited.as_secs()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_right_that_stays_missing_ends_the_deployment_after_five_minutes() {
    let (scenario, begun) = (Scenario::new(), Instant::now());
    scenario.cluster.fails(CreateRun, usize::MAX, Fault::Refused(403, "no right to create"));

    let (events, outcome) = scenario.begin().ends().await;

    let (reason, message) = failure(&outcome);
    assert_eq!(reason, Reason::ClusterRefused);
    assert_eq!(message, "the cluster refuses this server to make runs; apply stackblaze manifests");
    assert!((300..420).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert!(hints(&events).iter().all(|hint| hint.ends_with("no right to create (403)")));
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_says_no_is_not_asked_again() {
    let scenario = Scenario::new();
    let no = "admission webhook \"x\" denied the request: no";
    scenario.cluster.fails(CreateRun, usize::MAX, Fault::Refused(403, no));

    let (events, outcome) = scenario.begin().ends().await;

    assert_eq!(failure(&outcome).0, Reason::InvalidPipeline);
    assert_eq!((scenario.cluster.count(CreateRun), events), (1, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_run_of_this_name_that_somebody_else_made_is_left_alone() {
    let scenario = Scenario::new();
    scenario.cluster.holds(&scenario.run, "foreign");
    scenario.cluster.belongs_to_another();

    let (events, outcome) = scenario.begin().ends().await;

    let told = "a run of this name exists that this server did not make";
    assert_eq!(failure(&outcome), (Reason::InvalidPipeline, told));
    assert_eq!(uids(&events), [""; 0]);
    let calls = [ReadRun, PatchRun, DeleteRun].map(|call| scenario.cluster.count(call));
    assert_eq!(calls, [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_known_is_never_created_again() {
    let scenario = Scenario::known();
    scenario.cluster.loses_the_run();

    let (_, outcome) = scenario.begin().ends().await;

    assert_eq!(failure(&outcome).0, Reason::RunDeleted);
    assert_eq!(scenario.cluster.count(CreateRun), 0);
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_cannot_be_deployed_to_is_told_before_a_run_is_made() {
    let scenario = Scenario::new();
    scenario.cluster.workload_is(json!({"metadata": {"namespace": "apps", "name": "api"},
        "spec": {"replicas": 0, "template": {"spec": {"containers": [{"name": "api", "image": "old"}]}}}}));

    let (events, outcome) = scenario.begin().ends().await;

    let Outcome::Failed { reason, detail, .. } = &outcome else { panic!("it succeeded") };
    assert_eq!(*reason, Reason::DeployFailed);
    assert!(detail.as_ref().unwrap().starts_with("Deployment apps/api is scaled to 0"), "{detail:?}");
    assert_eq!((scenario.cluster.count(CreateRun), events), (0, vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_workload_that_is_not_there_is_told_before_a_run_is_made() {
    let scenario = Scenario::new();
    let missing = Fault::Refused(404, "deployments.apps \"api\" not found");
    scenario.cluster.fails(ReadWorkload, 1, missing);

    let (_, outcome) = scenario.begin().ends().await;

    assert_eq!(failure(&outcome).0, Reason::DeployFailed);
    assert_eq!(scenario.cluster.count(CreateRun), 0);
}

#[tokio::test(start_paused = true)]
async fn a_look_at_the_workload_that_is_not_answered_or_not_allowed_holds_no_run_up() {
    for fault in [Fault::ReplyNeverSent, Fault::Cut, Fault::Refused(403, "no"), Fault::Refused(503, "busy")] {
        let (scenario, begun) = (Scenario::new(), Instant::now());
        scenario.cluster.fails(ReadWorkload, 1, fault);
        let mut run = scenario.begin();

        run.created().await;

        assert!(begun.elapsed() <= Duration::from_secs(6), "{fault:?} {:?}", begun.elapsed());
        scenario.cluster.shows("succeeded");
        assert_eq!(run.ends().await.1, Outcome::Succeeded);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_there_already_is_taken_up_whatever_the_workload_is() {
    let scenario = Scenario::new();
    scenario.cluster.holds(&scenario.run, "uid-0");
    scenario.cluster.fails(ReadWorkload, 1, Fault::Refused(404, "deployments.apps \"api\" not found"));
    scenario.cluster.shows("succeeded");

    assert_eq!(scenario.begin().ends().await.1, Outcome::Succeeded);
}
