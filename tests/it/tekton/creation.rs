//! Exactly one run, whatever happens to the call that creates it. Counted by what the API server has done and has.

use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::json;

use super::*;
use crate::harness::fault_proxy::{Calls, Fault};
use crate::harness::stage::read;

/// The first creates go wrong like this; then there is one run, and it is followed to its end.
async fn one_run_in_spite_of(calls: usize, fault: Fault) -> Vec<String> {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("POST", "/pipelineruns").first(calls), fault);
    let run = stage.begin();

    succeeds(&stage.kubelet()).await;

    let (events, outcome) = run.ends().await;
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(uids_told(&events), stage.uids().await, "the one run that there is");
    assert_eq!(stage.proxy.created("pipelineruns"), [stage.name()], "created once");
    assert_eq!(creations(&stage), calls + 1);
    hints(&events).into_iter().filter(|hint| hint.contains("could not be created")).collect()
}

fn uids_told(events: &[Event]) -> Vec<String> {
    let uid = |event: &Event| if let Event::Created { uid } = event { Some(uid.clone()) } else { None };
    events.iter().filter_map(uid).collect()
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_lost_reply_is_followed_by_adoption() {
    one_run_in_spite_of(1, Fault::LoseReply).await;
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_reply_that_breaks_off_is_followed_by_adoption() {
    one_run_in_spite_of(1, Fault::CutBody(20)).await;
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_reply_that_never_comes_is_followed_by_adoption() {
    let hints = one_run_in_spite_of(1, Fault::HangReply).await;

    assert!(hints[0].ends_with("the cluster did not answer within 10 s"), "{hints:?}");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_cluster_that_hangs_is_asked_again() {
    one_run_in_spite_of(1, Fault::Hang).await;
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn cut_connections_are_tried_again() {
    one_run_in_spite_of(2, Fault::Cut).await;
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn answers_that_say_later_are_tried_again() {
    for code in [500, 503, 504] {
        let hints = one_run_in_spite_of(1, Fault::Status(code, None)).await;
        assert!(hints[0].contains(&format!("refused by the test ({code})")), "{hints:?}");
    }
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_missing_right_or_kind_is_waited_for() {
    for code in [401, 403, 404] {
        one_run_in_spite_of(1, Fault::Status(code, None)).await;
    }
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn the_pause_that_the_cluster_asks_for_is_kept() {
    let hints = one_run_in_spite_of(1, Fault::Status(429, Some(6))).await;

    // Up to a half more, so that runs do not come back together.
    let pauses = [6, 7, 8].map(|s| format!("the run could not be created, trying again in {s} s: "));
    assert!(pauses.iter().any(|pause| hints[0].starts_with(pause)), "{hints:?}");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn an_answer_that_will_not_change_is_not_asked_for_again() {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("POST", "/pipelineruns"), Fault::Status(422, None));

    let (events, outcome) = stage.begin().ends().await;

    assert_eq!(detail(&outcome), (Reason::InvalidPipeline, "refused by the test (422)"));
    assert_eq!((creations(&stage), events), (1, vec![]));
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_of_this_name_that_somebody_else_made_is_left_alone() {
    let stage = Stage::new().await;
    let step = json!({ "name": "s", "image": "x", "command": ["x"] });
    let foreign = json!({
        "apiVersion": "tekton.dev/v1", "kind": "PipelineRun",
        "metadata": { "name": stage.name(), "labels": { "stackblaze.dev/instance": "another" } },
        "spec": { "pipelineSpec": { "tasks": [{ "name": "t", "taskSpec": { "steps": [step] } }] } },
    });
    let foreign = stage.pipeline_runs().create(&PostParams::default(), &read(foreign)).await.unwrap();

    let (events, outcome) = stage.begin().ends().await;

    let told = "a run of this name exists that this server did not make";
    assert_eq!(failure(&outcome), (Reason::InvalidPipeline, told));
    assert_eq!((uids_told(&events).len(), stage.uids().await), (0, vec![foreign.uid().unwrap()]));
    let now = stage.pipeline_runs().get(&stage.name()).await.unwrap();
    assert!(now.data["spec"]["status"].is_null(), "it was not told to end");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_field_that_tekton_does_not_know_would_be_refused() {
    let stage = Stage::new().await;
    stage.begin().created().await;

    let journal = stage.proxy.journal();

    let post = journal.iter().find(|call| call.method == "POST").unwrap();
    assert!(post.target.contains("fieldValidation=Strict"), "{}", post.target);
}
