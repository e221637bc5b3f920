//! Every way in which a run ends, each reached by driving Tekton to it.

use k8s_openapi::api::core::v1 as core;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;
use stackblaze::domain::Span;
use stackblaze::executor::exit_codes;

use super::*;
use crate::executor_contract::outline;
use crate::harness::stage::read;

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_good_run_tells_commit_digest_and_steps_in_order() {
    let stage = Stage::new().await;
    let run = stage.begin();

    succeeds(&stage.kubelet()).await;

    let (events, outcome) = run.ends().await;
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(
        outline(&events),
        [
            "created",
            "clone started",
            "commit",
            "clone finished true Some(0)",
            "build started",
            "image",
            "build finished true Some(0)",
            "deploy started",
            "apps/api/api complete 3/3",
            "deploy finished true Some(0)",
        ]
    );
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_rollback_only_deploys() {
    let mut stage = Stage::new().await;
    stage.run.given = Some(kept());
    let run = stage.begin();

    stage.kubelet().starts("rollout").await;
    stage.kubelet().ends("rollout", 0, &[]).await;

    let (events, outcome) = run.ends().await;
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(outline(&events), ["created", "deploy started", "deploy finished true Some(0)"]);
}

/// Runs end by this code of this step, each with its reason; the message is what the step said of itself.
async fn codes_mean(step: &str, codes: &[(u8, Reason)]) {
    let mut stage = Stage::new().await;
    for (code, expected) in codes {
        stage.another();
        let (run, kubelet) = (stage.begin(), stage.kubelet());
        match step {
            "clone" => kubelet.starts("clone").await,
            "build" => clones(&kubelet).await,
            _ => {
                builds(&kubelet).await;
                kubelet.starts("rollout").await;
            }
        }
        kubelet.ends(step, i32::from(*code), &[("message", "so it was")]).await;
        if step == "rollout" {
            kubelet.puts_back("complete").await;
        }

        let (events, outcome) = run.ends().await;
        assert_eq!(failure(&outcome), (*expected, "so it was"), "{step} {code}");
        let own = if step == "rollout" { "deploy" } else { step };
        assert_eq!(outline(&events).last().unwrap(), &format!("{own} finished false Some({code})"));
    }
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn each_exit_code_of_clone_has_its_reason() {
    codes_mean(
        "clone",
        &[
            (exit_codes::CLONE_FAILED, Reason::CloneFailed),
            (exit_codes::BRANCH_NOT_FOUND, Reason::BranchNotFound),
            (exit_codes::COMMIT_NOT_FOUND, Reason::CommitNotFound),
            (128, Reason::CloneFailed),
        ],
    )
    .await;
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn each_exit_code_of_build_has_its_reason() {
    codes_mean(
        "build",
        &[
            (exit_codes::BUILD_FAILED, Reason::BuildFailed),
            (exit_codes::PUSH_FAILED, Reason::PushFailed),
            (7, Reason::BuildFailed),
        ],
    )
    .await;
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn each_exit_code_of_deploy_has_its_reason() {
    codes_mean(
        "rollout",
        &[
            (exit_codes::DEPLOY_FAILED, Reason::DeployFailed),
            (exit_codes::ROLLOUT_FAILED, Reason::RolloutFailed),
            (exit_codes::ROLLED_BACK, Reason::RolledBack),
            (exit_codes::SUPERSEDED, Reason::Superseded),
            (137, Reason::RolloutFailed),
        ],
    )
    .await;
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_build_out_of_memory_says_so() {
    let stage = Stage::new().await;
    let run = stage.begin();

    clones(&stage.kubelet()).await;
    stage.kubelet().ends_as("build", 137, "OOMKilled", &[]).await;

    let (_, outcome) = run.ends().await;
    let told = "build needed more memory than there was and was killed";
    assert_eq!(failure(&outcome), (Reason::BuildFailed, told));
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn an_evicted_build_fails_and_an_evicted_deploy_may_have_changed_something() {
    let mut stage = Stage::new().await;
    let (run, kubelet) = (stage.begin(), stage.kubelet());
    clones(&kubelet).await;
    kubelet.evicts("build", "The node was low on resource: memory.").await;
    let (_, outcome) = run.ends().await;
    assert_eq!(failure(&outcome), (Reason::BuildFailed, "the pod was evicted during build"));
    assert_eq!(detail(&outcome).1, "The node was low on resource: memory.");

    stage.another();
    let (run, kubelet) = (stage.begin(), stage.kubelet());
    builds(&kubelet).await;
    kubelet.starts("rollout").await;
    kubelet.evicts("rollout", "The node was low on resource: memory.").await;
    kubelet.puts_back("returned").await;
    let (_, outcome) = run.ends().await;
    assert_eq!(failure(&outcome).0, Reason::RolledBack);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_pod_that_somebody_removes_is_made_again_by_tekton() {
    let stage = Stage::new().await;
    let run = stage.begin();
    clones(&stage.kubelet()).await;

    stage.kubelet().loses("build").await;
    succeeds(&stage.kubelet()).await;

    let (events, outcome) = run.ends().await;
    assert_eq!(outcome, Outcome::Succeeded);
    let begun = outline(&events).into_iter().filter(|word| word.ends_with(" started"));
    assert_eq!(begun.collect::<Vec<_>>(), ["clone started", "build started", "deploy started"]);
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_task_that_somebody_deletes_is_made_again_by_tekton() {
    let stage = Stage::new().await;
    let mut run = stage.begin();
    clones(&stage.kubelet()).await;
    run.sees(&Event::StepStarted(Step::Build)).await;

    let (name, pod) = (format!("{}-build", stage.name()), stage.kubelet().uid_of("build").await);
    drop(stage.task_runs().delete(&name, &DeleteParams::foreground()).await.unwrap());
    stage.kubelet().sees_another("build", &pod).await;
    succeeds(&stage.kubelet()).await;

    let (events, outcome) = run.ends().await;
    assert_eq!(outcome, Outcome::Succeeded);
    assert_eq!(outline(&events).last().unwrap(), "deploy finished true Some(0)");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn an_image_that_cannot_be_fetched_fails_the_step_that_needs_it() {
    let mut stage = Stage::new().await;
    let (run, kubelet) = (stage.begin(), stage.kubelet());
    kubelet.cannot_begin("clone", "ImagePullBackOff", "Back-off pulling image \"x:1\"").await;
    let (events, outcome) = run.ends().await;
    let (reason, message) = failure(&outcome);
    assert_eq!(reason, Reason::CloneFailed);
    assert!(message.starts_with("the image of clone cannot be fetched"), "{message}");
    assert_eq!(outline(&events), ["created", "clone started", "clone finished false None"]);

    stage.another();
    let (run, kubelet) = (stage.begin(), stage.kubelet());
    builds(&kubelet).await;
    kubelet.cannot_begin("rollout", "ImagePullBackOff", "Back-off pulling image \"x:1\"").await;
    kubelet.puts_back("nothing").await;
    let (_, outcome) = run.ends().await;
    assert_eq!(failure(&outcome).0, Reason::DeployFailed, "nothing was patched: {outcome:?}");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_container_that_cannot_be_made_fails_the_run() {
    let stage = Stage::new().await;
    let run = stage.begin();

    stage.kubelet().cannot_begin("clone", "CreateContainerConfigError", "secret \"x\" not found").await;

    let (_, outcome) = run.ends().await;
    assert_eq!(failure(&outcome).0, Reason::CloneFailed, "{outcome:?}");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_pod_that_pod_security_refuses_is_refused_by_the_cluster() {
    let stage = Stage::at_level("restricted").await;

    let (_, outcome) = stage.begin().ends().await;

    let (reason, message) = detail(&outcome);
    assert_eq!(reason, Reason::ClusterRefused);
    assert!(message.contains("violates PodSecurity \"restricted:latest\""), "{message}");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_missing_account_is_a_pod_that_the_cluster_refuses() {
    let stage = Stage::new().await;
    let accounts = Api::<core::ServiceAccount>::namespaced(stage.admin.clone(), &stage.namespace);
    accounts.delete("builder", &DeleteParams::default()).await.unwrap();

    let (_, outcome) = stage.begin().ends().await;

    let (reason, message) = detail(&outcome);
    assert_eq!(reason, Reason::ClusterRefused);
    assert!(message.contains("\"builder\" not found"), "{message}");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_build_without_a_digest_deploys_nothing() {
    let stage = Stage::new().await;
    let run = stage.begin();

    clones(&stage.kubelet()).await;
    stage.kubelet().ends("build", 0, &[]).await;

    let (events, outcome) = run.ends().await;
    assert_eq!(failure(&outcome).0, Reason::InvalidPipeline, "{outcome:?}");
    assert_eq!(outline(&events).last().unwrap(), "build finished true Some(0)");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_that_takes_too_long_ends_as_timeout_wherever_it_is() {
    for begins in [false, true] {
        let mut stage = Stage::new().await;
        // Time enough to clone, however busy the machine is.
        stage.run.service.timeout = Span::from_secs(if begins { 20 } else { 3 });
        let run = stage.begin();
        if begins {
            clones(&stage.kubelet()).await;
        }

        let (_, outcome) = run.ends().await;

        let told = "it ran for longer than the service's timeout";
        assert_eq!(failure(&outcome), (Reason::Timeout, told));
    }
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_that_somebody_cancels_with_kubectl_ends_as_cancelled() {
    let mut stage = Stage::new().await;
    for word in ["Cancelled", "CancelledRunFinally", "StoppedRunFinally"] {
        stage.another();
        let run = stage.begin();
        clones(&stage.kubelet()).await;

        let patch = Patch::Merge(json!({ "spec": { "status": word } }));
        stage.pipeline_runs().patch(&stage.name(), &PatchParams::default(), &patch).await.unwrap();
        if word == "StoppedRunFinally" {
            stage.kubelet().ends("build", 0, &[("digest", DIGEST)]).await;
        }

        let (_, outcome) = run.ends().await;
        assert_eq!(failure(&outcome), (Reason::Cancelled, "the run was cancelled"), "{word}");
    }
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_that_somebody_deletes_ends_as_run_deleted() {
    let stage = Stage::new().await;
    let mut run = stage.begin();
    run.created().await;
    clones(&stage.kubelet()).await;

    drop(stage.pipeline_runs().delete(&stage.name(), &DeleteParams::background()).await.unwrap());

    let (_, outcome) = run.ends().await;
    assert_eq!(failure(&outcome).0, Reason::RunDeleted);
    assert_eq!(stage.uids().await, [""; 0], "it was not made again");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_full_quota_is_waited_for_and_can_be_stopped() {
    let stage = Stage::new().await;
    let quotas = Api::<core::ResourceQuota>::namespaced(stage.admin.clone(), &stage.namespace);
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "none" },
        "spec": { "hard": { "pods": "0" } },
    });
    quotas.create(&PostParams::default(), &read(quota)).await.unwrap();
    let mut run = stage.begin();

    let hint = run.waits_for("quota").await;
    assert!(hint.starts_with("the namespace's quota has no room for the pod: "), "{hint}");

    run.stop.cancel();
    assert_eq!(failure(&run.ends().await.1).0, Reason::Cancelled);
}
