//! What runs tell of themselves to a server that has lost their rows.

use stackblaze::executor::Executor as _;

use super::*;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_is_listed_by_its_label_and_tells_what_it_was_made_for_and_how_it_ended() {
    let mut stage = Stage::new().await;
    stage.run.plan.cluster_mut().unwrap().traceparent = Some(PARENT.to_owned());
    let id = stage.run.deployment.clone();
    let find = async || stage.executor.find_run(&id).await.unwrap().unwrap();
    let before = stage.executor.runs().await.unwrap();
    let mut run = stage.begin();
    let uid = run.created().await;
    clones(&stage.kubelet()).await;

    let (listed, during) = (stage.executor.runs().await.unwrap(), find().await);
    stage.kubelet().ends("build", 0, &[("digest", DIGEST)]).await;
    stage.kubelet().starts("rollout").await;
    stage.kubelet().ends("rollout", 0, &[("workloads", "apps/api/api complete 3/3")]).await;
    let (_, outcome) = run.ends().await;
    let end = find().await.end.unwrap();

    assert_eq!((before, listed), (vec![], vec![id.clone()]));
    assert_eq!(
        (during.uid, during.service.as_str(), &during.branch),
        (uid, "api-service", &stage.run.branch)
    );
    assert_eq!((during.traceparent.as_deref(), during.end), (Some(PARENT), None));
    assert_eq!((end.outcome, outcome), (Outcome::Succeeded, Outcome::Succeeded));
    assert!(end.at >= during.began_at && during.began_at.as_seconds() >= id.accepted_at().as_seconds());
    assert_eq!(end.digest.unwrap().as_str(), DIGEST);
    assert_eq!((end.commit.unwrap().0.as_str(), end.workloads.len()), (COMMIT, 1));
    let steps = [Step::Clone, Step::Build, Step::Deploy].map(|step| (step, true, Some(0)));
    assert_eq!(end.steps, steps);
}
