//! Rollouts of several workloads that are ended between the first and the last patch: never a mix.

use serde_json::json;
use stackblaze::domain::{Reason, Step};
use stackblaze::executor::Outcome;

use super::failure;
use super::workloads::{Many, aftermath, serving, v0};
use crate::executor_contract::log_of;
use crate::harness::cluster::{BUILDS, Cluster, kubectl};

/// While this is there, the stateful set cannot be changed: the API server answers 500.
async fn holds_up(name: &str, is_there: bool) {
    let rule = json!({"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"],
        "resources": ["statefulsets"]});
    let own = format!("object.metadata.name == '{name}'");
    let hook = json!({"name": format!("{name}.example.com"), "rules": [rule], "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "timeoutSeconds": 1, "failurePolicy": "Fail",
        "matchConditions": [{"name": "own", "expression": own}],
        "clientConfig": {"url": "https://127.0.0.1:1/"}});
    let all = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name}, "webhooks": [hook]});
    let words = if is_there {
        ["apply", "-f", "-"].to_vec()
    } else {
        ["delete", "--ignore-not-found", "-f", "-"].to_vec()
    };
    kubectl(&words, &all.to_string()).await.unwrap();
}

async fn keeps_pods_on_cancel(keeps: bool) {
    let patch = json!({"data": {"keep-pod-on-cancel": keeps.to_string()}}).to_string();
    let words =
        ["-n", "tekton-pipelines", "patch", "configmap", "feature-flags", "--type=merge", "-p", &patch];
    kubectl(&words, "").await.unwrap();
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_cancel_between_the_first_and_the_last_patch_leaves_all_as_they_were() {
    let cluster = Cluster::alone().await;
    for keeps in [false, true] {
        let many = Many::start("half", vec![serving("StatefulSet", "half-set", None)]).await;
        let before = many.templates().await;
        keeps_pods_on_cancel(keeps).await;
        holds_up("half-set", true).await;
        let mut running = cluster.start(many.deploys("main"));
        running.says(Step::Deploy, "statefulset:apps/half-set: trying again").await;
        assert_ne!(many.templates().await[0], before[0], "the first is changed");

        running.stop();
        let (events, outcome) = running.end().await;
        holds_up("half-set", false).await;

        let log = log_of(&events, Step::Deploy);
        assert_eq!(
            aftermath(&outcome),
            "the old images were put back and serve",
            "{keeps} {outcome:?}\n{log}"
        );
        assert_eq!(failure(outcome).0, Reason::Cancelled);
        many.assert_is_as_before(&before).await;
        many.remove().await;
    }
    keeps_pods_on_cancel(false).await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_deploy_pod_that_is_lost_half_way_is_made_anew_and_takes_all_forward() {
    let cluster = Cluster::connect().await;
    let many = Many::start("lost", vec![serving("StatefulSet", "lost-set", None)]).await;
    holds_up("lost-set", true).await;
    let run = many.deploys("main");
    let pod = format!("{}-deploy-pod", run.deployment.run_name());
    let mut running = cluster.start(run);
    running.says(Step::Deploy, "statefulset:apps/lost-set: trying again").await;

    let delete = ["-n", BUILDS, "delete", "pod", &pod, "--grace-period=0", "--force"];
    kubectl(&delete, "").await.unwrap();
    holds_up("lost-set", false).await;
    let (events, outcome) = running.end().await;

    let images: Vec<_> = many.templates().await.into_iter().map(|(image, _)| image).collect();
    assert_eq!(images[0], images[1], "never a mix: {outcome:?}\n{}", log_of(&events, Step::Deploy));
    let has_all = images[0] != v0();
    assert_eq!(outcome == Outcome::Succeeded, has_all, "{outcome:?} {images:?}");
    many.remove().await;
}

/// Ends the deploy step of a deployment with SIGKILL, inside its pod: pods of the test cluster are processes of this machine.
fn kill_deploy_step(id: &str) {
    let of = format!("STACKBLAZE_DEPLOYMENT_ID={id}\0");
    let is_step = |pid: &str| {
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let (line, environ) = (read("cmdline"), read("environ"));
        let line = String::from_utf8_lossy(&line).into_owned();
        let mut words = line.split('\0');
        let is_ours = words.next().is_some_and(|program| program.ends_with("stackblaze"));
        is_ours && words.next() == Some("rollout") && String::from_utf8_lossy(&environ).contains(&of)
    };
    let all = std::fs::read_dir("/proc").unwrap();
    let pids: Vec<_> = all.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    let step: Vec<_> = pids.iter().filter(|pid| is_step(pid)).collect();
    assert_eq!(step.len(), 1, "one process is the step");
    assert!(std::process::Command::new("kill").args(["-KILL", step[0]]).status().unwrap().success());
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_deploy_step_that_is_killed_between_two_patches_leaves_all_as_they_were() {
    let cluster = Cluster::connect().await;
    let many = Many::start("killed", vec![serving("StatefulSet", "killed-set", None)]).await;
    let before = many.templates().await;
    holds_up("killed-set", true).await;
    let run = many.deploys("main");
    let id = run.deployment.to_string();
    let mut running = cluster.start(run);
    running.says(Step::Deploy, "statefulset:apps/killed-set: trying again").await;
    assert_ne!(many.templates().await[0], before[0], "the first is changed");

    kill_deploy_step(&id);
    holds_up("killed-set", false).await;
    let (events, outcome) = running.end().await;

    let log = log_of(&events, Step::Deploy);
    assert_eq!(failure(outcome.clone()).0, Reason::RolledBack, "{outcome:?}\n{log}");
    many.assert_is_as_before(&before).await;
    many.remove().await;
}
