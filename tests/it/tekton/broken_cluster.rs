//! Processes of the cluster die during a run and come back. Each test has the cluster for itself.

use super::*;
use crate::harness::outage::Outage;

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn without_its_webhook_nothing_is_created_and_with_it_one_run() {
    let stage = Stage::alone().await;
    let outage = Outage::of("tekton-webhook").await;
    let mut run = stage.begin();
    let hint = run.waits_for("webhook").await;
    assert!(hint.starts_with("the run could not be created, trying again in "), "{hint}");

    outage.ends().await;
    succeeds(&stage.kubelet()).await;

    assert_eq!(run.ends().await.1, Outcome::Succeeded);
    assert_eq!(stage.proxy.created("pipelineruns"), [stage.name()]);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_lives_through_the_death_of_the_api_server() {
    let stage = Stage::alone().await;
    let mut run = stage.begin();
    let uid = run.created().await;
    clones(&stage.kubelet()).await;
    run.sees(&Event::StepStarted(Step::Build)).await;
    let outage = Outage::of("kube-apiserver").await;
    run.waits_for("the cluster does not tell").await;

    outage.ends().await;
    stage.kubelet().ends("build", 0, &[("digest", DIGEST)]).await;
    stage.kubelet().starts("rollout").await;
    stage.kubelet().ends("rollout", 0, &[]).await;

    assert_eq!(run.ends().await.1, Outcome::Succeeded);
    assert_eq!((creations(&stage), stage.uids().await), (1, vec![uid]));
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_that_nobody_takes_up_waits_for_the_controller() {
    let stage = Stage::alone().await;
    let outage = Outage::of("tekton-controller").await;
    let mut run = stage.begin();
    let hint = run.waits_for("Tekton").await;
    assert_eq!(hint, "waiting until Tekton takes up the run");

    outage.ends().await;
    clones(&stage.kubelet()).await;
    run.sees(&Event::StepStarted(Step::Build)).await;
    let outage = Outage::of("tekton-controller").await;
    stage.kubelet().ends("build", 0, &[("digest", DIGEST)]).await;
    outage.ends().await;
    stage.kubelet().starts("rollout").await;
    stage.kubelet().ends("rollout", 0, &[]).await;

    assert_eq!(run.ends().await.1, Outcome::Succeeded);
    assert_eq!(stage.proxy.created("pipelineruns"), [stage.name()]);
}
