//! The chart on a real cluster, by the commands of `docs/KUBERNETES.md`. `STACKBLAZE_TEST_TOOLS` is where helm is.

use serde_json::{Value, json};

use crate::harness::build::ServiceBuilder;
use crate::harness::cluster::{APPS, App, Cluster, InCluster};
use crate::harness::cluster::{get, in_time, kubectl, stackblaze_in, until_ready_in, variable};

use super::place::{KUBERNETES, Place, clear, commands, shell};

/// By this condition of its pods the test says when a rollout may go on.
const GATE: &str = "tests.example.com/open";

/// Opens the gate of the pods of an app that have none open yet, once `count` pods wait there.
async fn open_gate(app: &App, count: usize) {
    let is_closed = |pod: &Value| {
        let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        pod["spec"].get("readinessGates").is_some() && !conditions.iter().any(|own| own["type"] == GATE)
    };
    in_time(async {
        loop {
            let waiting: Vec<_> = app.pods().await.into_iter().filter(is_closed).collect();
            if waiting.len() < count {
                continue;
            }
            for pod in waiting {
                let name = pod["metadata"]["name"].as_str().unwrap();
                let open = json!({"status": {"conditions": [{"type": GATE, "status": "True"}]}}).to_string();
                let words = ["-n", APPS, "patch", "pod", name, "--subresource=status", "-p", &open];
                kubectl(&words, "").await.unwrap();
            }
            return;
        }
    })
    .await;
}

/// An app of one pod that is ready when the test says so.
async fn gated(name: &'static str) -> App {
    let app = App::start(name).await;
    let change =
        json!({"spec": {"replicas": 1, "template": {"spec": {"readinessGates": [{"conditionType": GATE}]}}}});
    let deployment = format!("deployment/{name}");
    kubectl(&["-n", APPS, "patch", &deployment, "-p", &change.to_string()], "").await.unwrap();
    open_gate(&app, 1).await;
    app.until_complete().await;
    app
}

#[tokio::test]
#[ignore = "needs the full test cluster and helm"]
async fn a_release_is_upgraded_while_a_run_goes_on_and_goes_with_all_but_the_data() {
    const NAMESPACE: &str = "charted";
    let (cluster, app) = (Cluster::connect().await, gated("charted").await);
    clear(NAMESPACE).await;
    let place = Place { namespace: NAMESPACE, cluster: &cluster };
    let all = commands(KUBERNETES, "By Helm");
    let upgrade = all.iter().position(|command| command.starts_with("helm upgrade")).unwrap();
    let (before, after) = all.split_at(upgrade);
    assert!(before.len() == 4 && after.len() == 4, "{all:?}");

    for command in before {
        place.run(command).await;
    }
    let builds = place.builds();
    let pod = get(NAMESPACE, "pod/stackblaze-0").await;
    let upgrade = place.own(&after[0]);
    let (uninstall, delete) = (place.own(&after[1]), [place.own(&after[2]), place.own(&after[3])]);
    let server = InCluster::installed_in(NAMESPACE, cluster).await;
    let service = ServiceBuilder::new(server.admin.clone(), "charted")
        .with("repository", json!(variable("CLUSTER_GIT_HTTP")))
        .with("image", json!(format!("{}/charted", variable("CLUSTER_REGISTRY"))))
        .with("workloads", json!(["apps/charted"]));
    let id = service.create().await.hook("ci").await.post("").await.id();
    server.runs(&id, "deploy").await;
    let run = get(&builds, "pipelineruns").await["items"][0].clone();

    shell(&upgrade).await.unwrap();
    let server = InCluster::installed_in(NAMESPACE, server.into_cluster()).await;
    let next = get(NAMESPACE, "pod/stackblaze-0").await;
    let still = get(&builds, "pipelineruns").await;
    open_gate(&app, 1).await;
    let end = server.end_of(&id).await;

    assert_ne!(pod["metadata"]["uid"], next["metadata"]["uid"], "another server");
    assert_eq!(
        next["spec"]["containers"][0]["image"],
        format!("{}/stackblaze:test", variable("CLUSTER_REGISTRY"))
    );
    assert_eq!(
        still["items"][0]["status"]["conditions"][0]["status"], "Unknown",
        "the run went on meanwhile"
    );
    assert_eq!(end["status"], "succeeded", "{end:#} {}", server.log_of(&id).await);
    let runs = get(&builds, "pipelineruns").await;
    assert_eq!(runs["items"].as_array().unwrap().len(), 1);
    assert_eq!(runs["items"][0]["metadata"]["uid"], run["metadata"]["uid"], "adopted, and not made again");
    let level = get("", &format!("namespace/{NAMESPACE}")).await;
    assert_eq!(level["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let claim = get(NAMESPACE, "pvc/data-stackblaze-0").await;
    assert_eq!(claim["spec"]["accessModes"], json!(["ReadWriteOncePod"]));

    let manifest = shell(&format!("helm get manifest stackblaze --namespace {NAMESPACE}")).await.unwrap();
    shell(&uninstall).await.unwrap();
    let left = kubectl(&["get", "-f", "-", "--ignore-not-found", "-o", "name"], &manifest).await.unwrap();
    assert_eq!(left.trim(), format!("namespace/{builds}"));
    assert_eq!(get(NAMESPACE, "pvc/data-stackblaze-0").await["metadata"]["uid"], claim["metadata"]["uid"]);
    for command in delete {
        shell(&command).await.unwrap();
    }
    app.remove().await;
}

/// What version 0.1.0 printed where it matters: another claim, and fewer labels.
fn as_before(text: &str) -> String {
    let old = text.replace("accessModes: [ReadWriteOncePod]", "accessModes: [ReadWriteOnce]");
    assert_ne!(old, text);
    let labels = ["app.kubernetes.io/component", "app.kubernetes.io/version"];
    let lines: Vec<_> = old.lines().filter(|line| !labels.iter().any(|label| line.contains(label))).collect();
    lines.join("\n")
}

/// Waits until another pod is in the place of this one, and ready.
async fn until_replaced(namespace: &str, pod: &Value) {
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    let words = ["-n", namespace, "get", "pod", "stackblaze-0", "-o", "jsonpath={.metadata.uid}"];
    in_time(async { while kubectl(&words, "").await.is_ok_and(|now| now == uid) {} }).await;
    until_ready_in(namespace).await;
}

#[tokio::test]
#[ignore = "needs the full test cluster and helm"]
async fn an_installation_of_before_keeps_its_disk_with_newer_manifests_and_then_with_helm() {
    const NAMESPACE: &str = "olden";
    let cluster = Cluster::connect().await;
    clear(NAMESPACE).await;
    let place = Place { namespace: NAMESPACE, cluster: &cluster };
    let [orphan] = <[String; 1]>::try_from(commands(KUBERNETES, "Upgrading")).unwrap();
    let (images, builds) = (&cluster.common.images, place.builds());
    let print = format!(
        "{} manifests --image {} --builder-image {} --namespace {NAMESPACE} --build-namespace {builds}",
        env!("CARGO_BIN_EXE_stackblaze"),
        images.deploy,
        images.build
    );
    let printed = shell(&print).await.unwrap();
    kubectl(&["apply", "-f", "-"], &as_before(&printed)).await.unwrap();
    until_ready_in(NAMESPACE).await;
    stackblaze_in(NAMESPACE, &["token", "create", "kept", "--scope", "admin"]).await.unwrap();
    let kept = async || stackblaze_in(NAMESPACE, &["token", "list", "--json"]).await.unwrap();
    let (before, pod) = (kept().await, get(NAMESPACE, "pod/stackblaze-0").await);

    let refused = kubectl(&["apply", "-f", "-"], &printed).await.unwrap_err();
    place.run(&orphan).await;
    kubectl(&["apply", "-f", "-"], &printed).await.unwrap();
    until_replaced(NAMESPACE, &pod).await;
    let (by_manifests, pod) = (kept().await, get(NAMESPACE, "pod/stackblaze-0").await);
    place.run(&orphan).await;
    let install = commands(KUBERNETES, "By Helm")
        .into_iter()
        .find(|command| command.starts_with("helm install"))
        .unwrap();
    place.run(&format!("{install} --take-ownership")).await;
    until_replaced(NAMESPACE, &pod).await;

    assert!(refused.contains("updates to statefulset spec"), "{refused}");
    assert_eq!((&by_manifests, &kept().await), (&before, &before), "the same data");
    assert_eq!(
        get(NAMESPACE, "pvc/data-stackblaze-0").await["spec"]["accessModes"],
        json!(["ReadWriteOnce"])
    );
    clear(NAMESPACE).await;
}
