//! Copies in a cluster: to a claim of their own and by Litestream beside the server, and how they come back.

use std::io::Write;

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::harness::cluster::Cluster;
use crate::harness::cluster::{get, kubectl, page, stackblaze_in, until_ready_in, variable};

use super::place::{KUBERNETES, Place, clear, commands, yaml};

const NAMESPACE: &str = "restored";
const OPERATIONS: &str = include_str!("../../../docs/OPERATIONS.md");
/// Where the chart has the claim for copies, and where the pod of the documentation has it.
const COPIES: [&str; 2] = ["/var/lib/stackblaze-copies", "/copies"];

/// The cluster's own in place of the examples: an image, and a folder for an object store.
fn own(yaml: &str, place: &Place<'_>, copies: &str) -> String {
    let registry = variable("CLUSTER_REGISTRY");
    let text = place
        .own(yaml)
        .replace("registry.example.com/litestream:0.5.17", &format!("{registry}/litestream:test"));
    let own = text.replace("s3://copies/stackblaze", &format!("file://{copies}/litestream"));
    assert!(!own.contains("registry.example.com") && !own.contains("s3:"), "{own}");
    own
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::with_suffix(".yaml").unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

/// Puts a copy back by the commands of the documentation.
async fn put_back(place: &Place<'_>, pod: &str) {
    let pod = file(pod);
    let all = commands(KUBERNETES, "Restore in the cluster");
    assert_eq!(all.len(), 6, "{all:?}");
    for command in all {
        let said = place.run(&command.replace("restore.yaml", pod.path().to_str().unwrap())).await;
        assert!(!command.contains("logs") || said.contains("restored into /var/lib/stackblaze"), "{said}");
    }
    until_ready_in(NAMESPACE).await;
}

async fn make(token: &str) {
    stackblaze_in(NAMESPACE, &["token", "create", token, "--scope", "read"]).await.unwrap();
}

async fn tokens() -> Vec<String> {
    let text = stackblaze_in(NAMESPACE, &["token", "list", "--json"]).await.unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let mut names: Vec<_> =
        all["items"].as_array().unwrap().iter().map(|own| own["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
#[ignore = "needs the full test cluster, helm and litestream"]
async fn a_copy_of_either_kind_becomes_the_server_again() {
    let cluster = Cluster::connect().await;
    clear(NAMESPACE).await;
    let place = Place { namespace: NAMESPACE, cluster: &cluster };
    let [pod] = <[&str; 1]>::try_from(yaml(KUBERNETES, "Restore in the cluster")).unwrap();
    let [sidecar, fetch] = <[&str; 2]>::try_from(yaml(OPERATIONS, "To the second: Litestream")).unwrap();
    let sidecar = own(sidecar, &place, COPIES[0]).replace(
        "    volumeMounts:\n",
        &format!("    volumeMounts:\n      - name: copies\n        mountPath: {}\n", COPIES[0]),
    );
    let values = file(&sidecar);
    let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "copies"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    let name = "stackblaze-20261124T143049Z.db";

    let install = commands(KUBERNETES, "By Helm");
    place.run(&install[0]).await;
    place.run(&install[1]).await;
    kubectl(&["-n", NAMESPACE, "apply", "-f", "-"], &claim.to_string()).await.unwrap();
    let more = "--set backupClaim=copies --set metrics.enabled=true --values";
    place.run(&format!("{} {more} {}", install[2], values.path().display())).await;
    place.run(&install[3]).await;
    let address = get(NAMESPACE, "pod/stackblaze-0").await["status"]["podIP"].as_str().unwrap().to_owned();
    let metrics = page(&format!("http://{address}:9464/metrics")).await.unwrap();

    make("first").await;
    stackblaze_in(NAMESPACE, &["backup", &format!("{}/{name}", COPIES[0])]).await.unwrap();
    make("second").await;
    put_back(&place, &own(pod, &place, COPIES[1])).await;
    let of_copy = tokens().await;

    make("third").await;
    let with_fetch = own(pod, &place, COPIES[1])
        .replace("  containers:\n", &format!("{}  containers:\n", own(fetch, &place, COPIES[1])))
        .replace(name, "stackblaze.db");
    put_back(&place, &with_fetch).await;
    let of_litestream = tokens().await;

    assert!(metrics.contains("stackblaze_"), "{metrics}");
    assert_eq!(of_copy, ["first"], "the token that came after the copy is gone");
    assert_eq!(of_litestream, ["first", "third"], "what came after the restore was replicated, too");
    clear(NAMESPACE).await;
}
