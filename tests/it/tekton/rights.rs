//! What `stackblaze manifests` grants: enough for everything that the server does, and no more than that.

use std::process::Command;
use std::time::Duration;

use kube::api::PostParams;
use serde_json::{Value, json};
use stackblaze::domain::{ReleaseCommand, Workload};
use stackblaze::executor::Executor as _;
use stackblaze::executor::Settled;
use stackblaze::executor::tekton::install::manifests::{ManifestSettings, render};
use stackblaze::executor::tekton::run::pipeline_run::pipeline_run;
use stackblaze::executor::tekton::{BuilderSettings, TektonExecutor};

use super::*;
use crate::harness::following::Following;
use crate::harness::guest::output_of;
use crate::harness::soon;
use crate::harness::stage;
use crate::harness::stage::{common, read, runs_of, through};

/// Time between two looks whether the policy is in force.
const LOOK: Duration = Duration::from_millis(200);

/// Installs what the product prints, with the stage as build namespace; a token of the server's account.
async fn install(stage: &Stage) -> String {
    let settings = ManifestSettings {
        image: "registry.example.com/stackblaze:1".to_owned(),
        builder_image: "registry.example.com/stackblaze-builder:1".to_owned(),
        public_url: None,
        namespace: format!("{}-server", stage.namespace),
        build_namespace: stage.namespace.clone(),
        builder: BuilderSettings::default(),
        workloads: vec![Workload::parse("apps/api").unwrap()],
        image_pull_secret: None,
        release_jobs: Vec::new(),
        api_servers: Vec::new(),
        has_metrics: false,
        copies: None,
    };
    apply(&render(&settings).unwrap()).await;
    stage.token_of(&settings.namespace, "stackblaze").await
}

pub(super) async fn apply(text: &str) {
    let arguments = ["apply", "--server-side", "--force-conflicts", "--filename", "-"];
    let mut kubectl = Command::new("kubectl");
    kubectl.args(arguments);
    assert!(soon(output_of(kubectl, text)).await.status.success());
}

/// Waits until the admission policy refuses what it should.
pub(super) async fn policy_is_in_force(stage: &Stage, token: &str) {
    let runs = runs_of(through(&stage.proxy, Some(token)).await, &stage.namespace);
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let wrong = json!({
        "apiVersion": "tekton.dev/v1", "kind": "PipelineRun", "metadata": { "name": "wrong" },
        "spec": { "pipelineRef": { "name": "x" } },
    });
    while runs.create(&dry_run, &read(wrong.clone())).await.is_ok() {
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
#[ignore = "needs the test cluster, L1"]
async fn the_rights_of_our_manifests_are_enough_and_their_policy_keeps_others_out() {
    let mut stage = Stage::new().await;
    let token = install(&stage).await;
    soon(policy_is_in_force(&stage, &token)).await;
    let begun = stage.proxy.journal().len();
    let server = stage.as_account(&token).await;

    assert_eq!(server.probe().await, Ok(()));
    let run = Following::begin(server.clone(), stage.run.clone());
    succeeds(&stage.kubelet()).await;
    assert_eq!(run.ends().await.1, Outcome::Succeeded);

    stage.another();
    let mut run = Following::begin(server.clone(), stage.run.clone());
    stage.kubelet().warns("clone", "FailedMount", "no such secret").await;
    run.waits_for("FailedMount: no such secret").await;
    run.stop.cancel();
    assert_eq!(failure(&run.ends().await.1).0, Reason::Cancelled);
    assert_eq!(server.settle(&stage.run.deployment).await.unwrap(), Settled::Ended);
    server.delete(&stage.run.deployment).await.unwrap();
    assert_eq!(server.settle(&stage.run.deployment).await.unwrap(), Settled::Absent);

    stage.another();
    stage.run.given = Some(kept());
    let run = Following::begin(server, stage.run.clone());
    stage.kubelet().starts("rollout").await;
    stage.kubelet().ends("rollout", 0, &[]).await;
    assert_eq!(run.ends().await.1, Outcome::Succeeded, "a rollback");
    let journal = stage.proxy.journal().split_off(begun);
    let refused = journal.iter().filter(|call| matches!(call.status, Some(401 | 403)));
    assert_eq!(refused.map(|call| &call.target).collect::<Vec<_>>(), Vec::<&String>::new());

    stage.another();
    let mut elsewhere = common(&stage.namespace);
    elsewhere.images.deploy = "registry.example.com/other:1".to_owned();
    let other = TektonExecutor::new(through(&stage.proxy, Some(&token)).await, elsewhere);
    let (_, outcome) = Following::begin(other, stage.run.clone()).ends().await;
    let Outcome::Failed { reason, detail, .. } = outcome else { panic!("it succeeded") };
    assert_eq!(reason, Reason::InvalidPipeline);
    let detail = detail.unwrap();
    assert!(detail.contains("runs stackblaze rollout and the release step"), "{detail}");

    whoever_wants_more_is_refused(&stage, &token).await;
}

/// The run of a deployment with one thing in it that is not as the server makes it. A pointer to the end of a list adds.
fn planted(run: &Value, pointer: &str, value: &Value) -> Value {
    let mut run = run.clone();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match run.pointer_mut(parent).unwrap_or_else(|| panic!("{parent}")) {
        Value::Array(list) if name == "-" => list.push(value.clone()),
        Value::Array(list) => list[name.parse::<usize>().unwrap()] = value.clone(),
        other => other[name] = value.clone(),
    }
    run
}

/// What the server's account may not create. The policy is the cluster's, so that one test at a time can install it.
async fn whoever_wants_more_is_refused(stage: &Stage, token: &str) {
    const CLONE: &str = "/spec/pipelineSpec/tasks/0/taskSpec/steps/0";
    const BUILD: &str = "/spec/pipelineSpec/tasks/0/taskSpec/steps/1";
    const DEPLOY: &str = "/spec/pipelineSpec/tasks/1/taskSpec/steps/0";
    const PUT_BACK: &str = "/spec/pipelineSpec/finally/0/taskSpec/steps/0";
    let runs = runs_of(through(&stage.proxy, Some(token)).await, &stage.namespace);
    let dry_run = PostParams { dry_run: true, ..PostParams::default() };
    let run = stage::run();
    let own = pipeline_run(&run, run.plan.cluster().unwrap(), &common(&stage.namespace)).unwrap();
    let unconfined = json!({ "type": "Unconfined" });
    let volumes = "/spec/pipelineSpec/tasks/0/taskSpec/volumes/-";

    runs.create(&dry_run, &read(own.clone())).await.unwrap();
    let mut releasing = stage::run();
    let release = &mut releasing.plan.cluster_mut().unwrap().settings.release;
    release.command = Some(ReleaseCommand::Shell("./migrate".to_owned()));
    let whole =
        pipeline_run(&releasing, releasing.plan.cluster().unwrap(), &common(&stage.namespace)).unwrap();
    runs.create(&dry_run, &read(whole)).await.unwrap();
    for (pointer, value, message) in [
        (format!("{CLONE}/securityContext/capabilities/add"), json!(["NET_ADMIN"]), "only the build"),
        (format!("{CLONE}/securityContext/seccompProfile"), unconfined.clone(), "only the build"),
        (format!("{CLONE}/securityContext/appArmorProfile"), unconfined.clone(), "only the build"),
        (format!("{CLONE}/securityContext/allowPrivilegeEscalation"), json!(true), "only the build"),
        (format!("{DEPLOY}/securityContext/seccompProfile"), unconfined.clone(), "only the build"),
        (format!("{PUT_BACK}/securityContext/seccompProfile"), unconfined.clone(), "only the build"),
        (format!("{PUT_BACK}/image"), json!("registry.example.com/other:1"), "runs stackblaze put-back"),
        (format!("{PUT_BACK}/command"), json!(["stackblaze", "rollout"]), "runs stackblaze put-back"),
        ("/spec/pipelineSpec/finally/0/name".to_owned(), json!("other"), "no finally task but put-back"),
        (format!("{DEPLOY}/securityContext/appArmorProfile"), unconfined, "only the build"),
        (format!("{BUILD}/image"), json!("registry.example.com/other:1"), "only the build"),
        (format!("{BUILD}/command"), json!(["sh"]), "only the build"),
        (format!("{DEPLOY}/command"), json!(["stackblaze", "run-step", "build"]), "the release step"),
        (format!("{BUILD}/securityContext/capabilities/add/-"), json!("SYS_ADMIN"), "SETUID and SETGID"),
        (format!("{BUILD}/securityContext/privileged"), json!(true), "no privileges"),
        (format!("{BUILD}/securityContext/procMount"), json!("Unmasked"), "no privileges"),
        (format!("{BUILD}/securityContext/runAsUser"), json!(0), "no step is root"),
        (format!("{CLONE}/securityContext"), json!({}), "no step is root"),
        (
            volumes.to_owned(),
            json!({ "name": "x", "hostPath": { "path": "/" } }),
            "empty folders and Secrets",
        ),
        (
            volumes.to_owned(),
            json!({ "name": "x", "projected": { "sources": [{ "serviceAccountToken": { "path": "t" } }] } }),
            "empty folders and Secrets",
        ),
        ("/spec/taskRunSpecs/0/podTemplate/hostNetwork".to_owned(), json!(true), "no host network"),
        ("/spec/taskRunSpecs/0/serviceAccountName".to_owned(), json!("deployer"), "only the tasks deploy"),
    ] {
        let refused = runs.create(&dry_run, &read(planted(&own, &pointer, &value))).await;
        let told = refused.err().unwrap_or_else(|| panic!("{pointer} is let in")).to_string();
        assert!(told.contains(message), "{pointer}: {told}");
    }
}
