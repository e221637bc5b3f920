//! What `stackblaze manifests` prints, applied to a real API server.

use serde_json::Value;
use serde_json::json;
use stackblaze::domain::Branch;
use stackblaze::domain::ExactImage;
use stackblaze::domain::ImageDigest;
use stackblaze::domain::{Finding, Verdict};
use stackblaze::executor::Executor as _;
use stackblaze::executor::GivenImage;
use stackblaze::executor::Run;
use stackblaze::executor::tekton::install::probe_build::probe_build;
use stackblaze::executor::tekton::run::pipeline_run::pipeline_run;

use crate::harness::cluster::App;
use crate::harness::cluster::BUILDS;
use crate::harness::cluster::Cluster;
use crate::harness::cluster::SERVER;
use crate::harness::cluster::admitted;
use crate::harness::cluster::get;
use crate::harness::cluster::head;
use crate::harness::cluster::kubectl;
use crate::harness::cluster::page;

const BUILD: &str = "/spec/pipelineSpec/tasks/0/taskSpec";
const DEPLOY_STEP: &str = "/spec/pipelineSpec/tasks/1/taskSpec/steps/0";

/// The run with one value set, given by the object that holds it and its key.
fn with(run: &Value, place: &str, key: &str, value: Value) -> Value {
    let mut run = run.clone();
    run.pointer_mut(place).unwrap()[key] = value;
    run
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn the_server_gets_ready_in_a_restricted_namespace() {
    Cluster::connect().await;
    kubectl(&["-n", SERVER, "rollout", "status", "statefulset/stackblaze", "--timeout=5m"], "")
        .await
        .unwrap();

    let pod = get(SERVER, "pod/stackblaze-0").await;
    let claim = get(SERVER, "pvc/data-stackblaze-0").await;

    let address = pod["status"]["podIP"].as_str().unwrap();
    assert!(page(&format!("http://{address}:8080/readyz")).await.is_some());
    assert_eq!(claim["status"]["phase"], "Bound");
    assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"], true);
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn the_policy_admits_what_the_server_makes() {
    let (cluster, app) = (Cluster::connect().await, App { name: "api" });
    let mut back: Run = app.deploys("main");
    let repository = back.plan.cluster().unwrap().settings.image.clone();
    let digest = ImageDigest::parse(&format!("sha256:{}", "5".repeat(64))).unwrap();
    let image = ExactImage::built(repository, &back.deployment, digest).reference();
    back.given = Some(GivenImage { image, commit: Some(head("main").await) });

    for run in [app.deploys("main"), back] {
        let made = pipeline_run(&run, run.plan.cluster().unwrap(), &cluster.common).unwrap();
        admitted(&made).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn the_policy_refuses_everything_else() {
    let (cluster, run) = (Cluster::connect().await, App { name: "api" }.deploys("main"));
    let made = pipeline_run(&run, run.plan.cluster().unwrap(), &cluster.common).unwrap();
    let build_step = &format!("{BUILD}/steps/1");
    let pod = "/spec/taskRunSpecs/0/podTemplate";
    let host = json!([{"name": "x", "hostPath": {"path": "/"}}]);
    let step = json!([{"name": "x", "image": "x", "command": ["x"]}]);
    for (changed, why) in [
        (with(&made, build_step, "script", json!("id")), "steps have no script"),
        (with(&made, BUILD, "stepTemplate", json!({"image": "x"})), "no template"),
        (with(&made, BUILD, "sidecars", step.clone()), "no sidecar"),
        (with(&made, BUILD, "volumes", host.clone()), "volumes are empty folders and Secrets"),
        (with(&made, build_step, "securityContext", json!({"privileged": true})), "no privileges"),
        (
            with(
                &made,
                build_step,
                "securityContext",
                json!({"runAsUser": 1_000, "capabilities": {"add": ["SYS_ADMIN"]}}),
            ),
            "SETUID and SETGID alone",
        ),
        (with(&made, pod, "hostNetwork", json!(true)), "no host network"),
        (with(&made, pod, "volumes", host), "no volumes of their own"),
        (
            with(&made, "/spec/taskRunSpecs/0", "serviceAccountName", json!("deployer")),
            "only the tasks deploy and put-back",
        ),
        (
            with(&made, "/spec/taskRunTemplate", "serviceAccountName", json!("default")),
            "uses the account builder",
        ),
        (with(&made, DEPLOY_STEP, "image", json!("registry.example.com/other:1")), "own image"),
        (with(&made, DEPLOY_STEP, "command", json!(["sh"])), "own image"),
        (with(&made, "/spec", "workspaces", json!([{"name": "x", "emptyDir": {}}])), "no workspaces"),
        (
            with(&made, "/spec/pipelineSpec", "finally", json!([{"name": "x", "taskSpec": {"steps": step}}])),
            "no finally task but put-back",
        ),
    ] {
        let refused = admitted(&changed).await.expect_err(why);
        assert!(refused.contains("stackblaze-runs") && refused.contains(why), "{why}: {refused}");
    }
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_tiny_build_shows_whether_builds_work_and_is_remembered() {
    let cluster = Cluster::connect().await;
    let mut other = cluster.common.clone();
    other.images.build = other.images.deploy.clone();
    let mut run = App { name: "api" }.deploys("main");
    run.service.tekton = Some(run.plan.cluster().unwrap().settings.clone());

    let refused = probe_build(&cluster.client, &other).await;
    let good = probe_build(&cluster.client, &cluster.common).await;
    let found = cluster.executor.check(&run.service).await;

    assert_eq!(refused.verdict, Verdict::Bad);
    assert!(refused.detail.contains("only the build gains capabilities"), "{refused:?}");
    assert_eq!(good, Finding::good("a build in the cluster succeeded"));
    assert!(
        found.iter().any(|own| own.detail.starts_with("a build in the cluster succeeded (")),
        "{found:?}"
    );
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_look_at_a_repository_has_the_secret_of_its_service_and_finds_what_a_run_would() {
    let cluster = Cluster::connect().await;
    let mut services = Vec::new();
    let mut look = async |branch: &str, secret: Option<&str>| -> Finding {
        let mut run = App { name: "api" }.deploys(branch);
        let mut settings = run.plan.cluster().unwrap().settings.clone();
        settings.git_secret = secret.map(str::to_owned);
        run.service.default_branch = Branch::parse(branch).unwrap();
        run.service.tekton = Some(settings);
        services.push(run.service.id.clone());
        cluster.executor.check(&run.service).await.swap_remove(0)
    };

    let good = look("main", Some("git-private")).await;
    let missing = look("no-such-branch", Some("git-private")).await;
    let refused = look("main", None).await;

    assert!(
        good.verdict == Verdict::Good && good.detail.ends_with("answers and has branch main"),
        "{good:?}"
    );
    assert!(missing.verdict == Verdict::Bad && missing.fix.is_some(), "{missing:?}");
    assert!(refused.verdict == Verdict::Bad && refused.detail.contains("name a git Secret"), "{refused:?}");
    let runs = kubectl(&["-n", BUILDS, "get", "pipelineruns", "-o", "name"], "").await.unwrap();
    // Others look at repositories of their own at the same time.
    for service in services {
        assert!(!runs.contains(&format!("stackblaze-look-{service}")), "{runs}");
    }
}
