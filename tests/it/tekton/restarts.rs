//! The server dies at any moment and another one goes on: the run is left alone, attached to, and never made twice.

use kube::api::DeleteParams;

use super::*;

use crate::executor_contract::outline;
use crate::harness::fault_proxy::{Calls, Fault};
use crate::harness::soon;

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_server_that_died_before_it_created_leaves_nothing() {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("POST", "/pipelineruns").first(1), Fault::Hang);
    let first = stage.begin();
    soon(stage.proxy.has_seen(Calls::to("POST", "/pipelineruns"))).await;
    first.dies().await;
    assert_eq!(stage.uids().await, [""; 0]);

    let run = stage.begin();
    succeeds(&stage.kubelet()).await;

    assert_eq!(run.ends().await.1, Outcome::Succeeded);
    assert_eq!(stage.proxy.created("pipelineruns"), [stage.name()]);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_server_that_died_before_it_knew_is_followed_by_adoption() {
    let stage = Stage::new().await;
    stage.proxy.inject(Calls::to("POST", "/pipelineruns").first(1), Fault::HangReply);
    let first = stage.begin();
    clones(&stage.kubelet()).await;
    first.dies().await;
    let before = stage.uids().await;

    let mut run = stage.begin();

    assert_eq!(before, [run.created().await], "the same run");
    stage.kubelet().ends("build", 90, &[]).await;
    let (events, outcome) = run.ends().await;
    assert_eq!(failure(&outcome).0, Reason::BuildFailed);
    assert_eq!(outline(&events).last().unwrap(), "build finished false Some(90)");
    assert_eq!(stage.proxy.created("pipelineruns"), [stage.name()]);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_server_that_died_later_is_followed_by_one_that_attaches() {
    let stage = Stage::new().await;
    let mut first = stage.begin();
    let uid = first.created().await;
    clones(&stage.kubelet()).await;
    first.sees(&Event::StepStarted(Step::Build)).await;
    first.dies().await;
    let creations_before = creations(&stage);

    let run = stage.begin_with_uid(&uid);
    stage.kubelet().ends("build", 0, &[("digest", DIGEST)]).await;
    stage.kubelet().starts("rollout").await;
    stage.kubelet().ends("rollout", 0, &[]).await;

    let (events, outcome) = run.ends().await;
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(outline(&events)[..2], ["clone started", "commit"], "it tells all from the beginning");
    assert_eq!(creations(&stage), creations_before, "it did not even try");
    assert_eq!(stage.uids().await, [uid]);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_that_ended_while_no_server_was_there_is_read_to_its_end() {
    let stage = Stage::new().await;
    let mut first = stage.begin();
    let uid = first.created().await;
    first.dies().await;
    succeeds(&stage.kubelet()).await;
    stage.is_over().await;

    let (events, outcome) = stage.begin_with_uid(&uid).ends().await;

    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(outline(&events).last().unwrap(), "deploy finished true Some(0)");
    assert_eq!(stage.begin().ends().await.1, Outcome::Succeeded, "and so without the uid");
    assert_eq!(stage.uids().await, [uid]);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_that_is_known_and_gone_is_never_made_again() {
    let stage = Stage::new().await;
    let mut first = stage.begin();
    let uid = first.created().await;
    first.dies().await;
    drop(stage.pipeline_runs().delete(&stage.name(), &DeleteParams::background()).await.unwrap());
    let creations_before = creations(&stage);

    let (_, outcome) = stage.begin_with_uid(&uid).ends().await;

    assert_eq!(failure(&outcome).0, Reason::RunDeleted);
    assert_eq!((creations(&stage), stage.uids().await.len()), (creations_before, 0));
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn another_run_of_the_same_name_is_not_this_one() {
    let stage = Stage::new().await;
    let mut run = stage.begin();
    let uid = run.created().await;

    let (_, outcome) = stage.begin_with_uid("00000000-0000-0000-0000-000000000000").ends().await;

    assert_eq!(failure(&outcome).0, Reason::RunDeleted);
    assert_eq!(stage.uids().await, [uid]);
}
