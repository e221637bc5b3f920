//! What a run waits for is said, with the cluster's own warning where there is one.

use super::*;

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_pod_that_no_node_has_room_for_is_said_with_the_warning() {
    let stage = Stage::new().await;
    let mut run = stage.begin();

    stage.kubelet().finds_no_node("clone", "0/3 nodes are available: 3 Insufficient cpu.").await;

    let warning = "the cluster warns: FailedScheduling: 0/3 nodes are available: 3 Insufficient cpu.";
    run.waits_for_all(&["no node has room for the pod", warning]).await;
    succeeds(&stage.kubelet()).await;
    assert_eq!(run.ends().await.1, Outcome::Succeeded, "once there is room");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_missing_secret_is_said_with_the_warning() {
    let mut stage = Stage::new().await;
    stage.run.plan.cluster_mut().unwrap().settings.git_secret = Some("git-token".to_owned());
    let mut run = stage.begin();

    let told = "MountVolume.SetUp failed for volume \"git-secret\" : secret \"git-token\" not found";
    stage.kubelet().warns("clone", "FailedMount", told).await;

    let hint = run.waits_for("the cluster warns: ").await;
    assert_eq!(hint, format!("waiting for the pod; the cluster warns: FailedMount: {told}"));
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_warning_is_gone_once_the_pod_works() {
    let stage = Stage::new().await;
    let mut run = stage.begin();
    stage.kubelet().warns("clone", "FailedMount", "not yet").await;
    run.waits_for("not yet").await;

    stage.kubelet().starts("clone").await;

    run.works().await;
    stage.kubelet().ends("clone", 81, &[]).await;
    assert_eq!(failure(&run.ends().await.1).0, Reason::BranchNotFound);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn the_deploy_pod_is_waited_for_as_well() {
    let stage = Stage::new().await;
    let mut run = stage.begin();
    builds(&stage.kubelet()).await;

    stage.kubelet().finds_no_node("rollout", "0/3 nodes are available: 3 node(s) had taints.").await;

    run.waits_for("FailedScheduling: 0/3 nodes are available: 3 node(s) had taints.").await;
    run.stop.cancel();
    stage.kubelet().puts_back("returned").await;
    let (_, outcome) = run.ends().await;
    let Outcome::Failed { reason, aftermath, .. } = outcome else { panic!("it succeeded") };
    assert_eq!(reason, Reason::Cancelled);
    assert_eq!(aftermath.as_deref(), Some("the old images were put back and serve"));
}
