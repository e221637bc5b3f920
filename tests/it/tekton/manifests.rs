//! What `stackblaze manifests` makes beside the rights: several installations in one cluster, lists that get shorter,
//! images in a registry of one's own, and namespaces with a quota.

use std::process::Command;

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use stackblaze::domain::{Finding, Verdict, Workload};
use stackblaze::executor::tekton::BuilderSettings;
use stackblaze::executor::tekton::install::manifests::{ManifestSettings, render};
use stackblaze::executor::tekton::install::preflight;

use super::rights::{apply, policy_is_in_force};
use super::*;
use crate::harness::guest::output_of;
use crate::harness::soon;
use crate::harness::stage::{read, runs_of, through};

fn settings(stage: &Stage, workloads: &[String]) -> ManifestSettings {
    ManifestSettings {
        image: "registry.example.com/stackblaze:1".to_owned(),
        builder_image: "registry.example.com/stackblaze-builder:1".to_owned(),
        public_url: None,
        namespace: format!("{}-server", stage.namespace),
        build_namespace: stage.namespace.clone(),
        builder: BuilderSettings::default(),
        workloads: workloads.iter().map(|text| Workload::parse(text).unwrap()).collect(),
        image_pull_secret: None,
        release_jobs: Vec::new(),
        api_servers: Vec::new(),
        has_metrics: false,
        copies: None,
    }
}

async fn shell(command: &str) -> String {
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", command]);
    let output = soon(output_of(shell, "")).await;
    [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

/// Whether the deploy step of an installation may patch a workload.
async fn may_deploy(stage: &Stage, workload: &str) -> bool {
    let (namespace, name) = workload.split_once('/').unwrap();
    let account = format!("system:serviceaccount:{}:deployer", stage.namespace);
    let command =
        format!("kubectl auth can-i patch deployments.apps/{name} -n {namespace} --as {account} || :");
    shell(&command).await.starts_with("yes")
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_second_installation_takes_nothing_from_the_first() {
    let (first, second) = (Stage::new().await, Stage::new().await);
    let workloads = ["apps/api".to_owned()];
    let (own, other) = (settings(&first, &workloads), settings(&second, &workloads));

    apply(&render(&own).unwrap()).await;
    apply(&render(&other).unwrap()).await;

    for (stage, settings) in [(&first, &own), (&second, &other)] {
        let token = stage.token_of(&settings.namespace, "stackblaze").await;
        soon(policy_is_in_force(stage, &token)).await;
        assert!(may_deploy(stage, "apps/api").await);
        let server = stage.as_account(&token).await;
        let run = crate::harness::following::Following::begin(server, stage.run.clone());
        succeeds(&stage.kubelet()).await;
        assert_eq!(run.ends().await.1, Outcome::Succeeded);
    }
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn rights_on_workloads_that_are_not_listed_any_more_go_with_the_command_that_says_so() {
    let (stage, other) = (Stage::new().await, Stage::new().await);
    let elsewhere = format!("{}/web", other.namespace);
    let all = ["apps/api".to_owned(), elsewhere.clone()];
    apply(&render(&settings(&stage, &all)).unwrap()).await;
    let fewer = settings(&stage, &all[..1]);
    apply(&render(&fewer).unwrap()).await;
    let left = may_deploy(&stage, &elsewhere).await;

    let said = shell(&fewer.prune_command()).await;

    assert!(left, "kubectl apply deletes nothing");
    assert!(!may_deploy(&stage, &elsewhere).await && may_deploy(&stage, "apps/api").await, "{said}");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn pods_of_every_account_fetch_images_by_the_secret_that_was_named() {
    let stage = Stage::new().await;
    let named = ManifestSettings { image_pull_secret: Some("pull".to_owned()), ..settings(&stage, &[]) };
    apply(&render(&named).unwrap()).await;

    for (namespace, account) in
        [(&stage.namespace, "builder"), (&stage.namespace, "deployer"), (&named.namespace, "stackblaze")]
    {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"},
            "spec": {
                "serviceAccountName": account,
                "securityContext": {"runAsNonRoot": true, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{"name": "x", "image": "x", "securityContext": {
                    "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}],
            },
        });
        let create = "kubectl create --dry-run=server -o json -f -";
        let made = shell(&format!("echo '{pod}' | {create} -n {namespace}")).await;
        let made: Value = serde_json::from_str(&made).unwrap_or_else(|_| panic!("{made}"));
        assert_eq!(made["spec"]["imagePullSecrets"], json!([{"name": "pull"}]), "{account}");
    }
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_namespace_that_refuses_pods_is_told_before_and_the_manifests_make_it_right() {
    let stage = Stage::at_level("baseline").await;
    let (namespace, token) = (&stage.namespace, "kubectl -n");
    shell(&format!("{token} {namespace} create quota q --hard=limits.cpu=10,limits.memory=20Gi")).await;
    let bad = async || -> Vec<String> {
        let found = preflight::cluster(&stage.admin, namespace).await;
        let bad = found.into_iter().filter(|finding: &Finding| finding.verdict == Verdict::Bad);
        bad.map(|finding| finding.detail).filter(|detail| detail.contains(namespace.as_str())).collect()
    };

    let before = bad().await;
    apply(&render(&settings(&stage, &[])).unwrap()).await;

    assert!(before.len() == 2 && before[0].starts_with("Pod Security baseline"), "{before:?}");
    assert!(before[1].contains("asks every container for limits.cpu, limits.memory"), "{before:?}");
    assert_eq!(bad().await, Vec::<String>::new());
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_pod_that_a_quota_refuses_ends_as_refused_by_the_cluster_and_who_may_know_reads_why() {
    let stage = Stage::new().await;
    shell(&format!("kubectl -n {} create quota q --hard=limits.cpu=10", stage.namespace)).await;

    let (_, outcome) = stage.begin().ends().await;

    let Outcome::Failed { reason, message, detail, .. } = outcome else { panic!("it succeeded") };
    assert_eq!(reason, Reason::ClusterRefused);
    assert!(!message.contains("quota:") && detail.unwrap().contains("must specify limits.cpu"), "{message}");
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn a_run_of_before_an_upgrade_can_be_cancelled_and_not_be_changed() {
    let stage = Stage::new().await;
    let before = settings(&stage, &["apps/api".to_owned()]);
    apply(&render(&before).unwrap()).await;
    let token = stage.token_of(&before.namespace, "stackblaze").await;
    soon(policy_is_in_force(&stage, &token)).await;
    let server = stage.as_account(&token).await;
    let run = crate::harness::following::Following::begin(server, stage.run.clone());
    stage.kubelet().starts("clone").await;
    let runs = runs_of(through(&stage.proxy, Some(&token)).await, &stage.namespace);
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let mut again = json!(runs.get(&stage.name()).await.unwrap());
    again["metadata"] = json!({"name": "again"});

    let image = "registry.example.com/stackblaze:2".to_owned();
    apply(&render(&ManifestSettings { image, ..before }).unwrap()).await;
    soon(async { while runs.create(&dry_run, &read(again.clone())).await.is_ok() {} }).await;
    let other = json!({"spec": {"taskRunTemplate": {"serviceAccountName": "deployer"}}});
    let changed = runs.patch(&stage.name(), &PatchParams::default(), &Patch::Merge(&other)).await;
    // The account stands elsewhere in an older version of the object.
    let older = ApiResource {
        group: "tekton.dev".to_owned(),
        version: "v1beta1".to_owned(),
        api_version: "tekton.dev/v1beta1".to_owned(),
        kind: "PipelineRun".to_owned(),
        plural: "pipelineruns".to_owned(),
    };
    let client = through(&stage.proxy, Some(&token)).await;
    let runs = Api::<DynamicObject>::namespaced_with(client, &stage.namespace, &older);
    let other = json!({"spec": {"serviceAccountName": "deployer"}});
    let in_older = runs.patch(&stage.name(), &PatchParams::default(), &Patch::Merge(&other)).await;
    run.stop.cancel();

    assert_eq!(failure(&run.ends().await.1).0, Reason::Cancelled);
    assert_eq!(stage.is_over().await, "Cancelled", "and not only called so");
    for told in [changed.unwrap_err().to_string(), in_older.unwrap_err().to_string()] {
        assert!(told.contains("a run uses the account builder"), "{told}");
    }
}
