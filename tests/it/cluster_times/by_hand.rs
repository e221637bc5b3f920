//! What a deployment of an image costs beside the same change by hand.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::cluster::{APPS, App, InCluster, kubectl, variable};

/// How often each of both is done.
const ROUNDS: usize = 10;

fn median(mut all: Vec<Duration>) -> Duration {
    all.sort();
    all[all.len() / 2]
}

#[tokio::test]
#[ignore = "a measurement; needs the full test cluster"]
async fn a_digest_beside_kubectl_set_image() {
    let (server, app) = (InCluster::alone().await, App::start("named").await);
    let hook = server.hook(&app).await;
    let settle = json!({ "settle": "0s" });
    assert_eq!(server.admin.patch("/api/v1/services/named", settle).await.status, 200);
    let mut digests = Vec::new();
    for branch in ["main", "feat/new-ui"] {
        let end = server.end_of(&hook.post(&format!("branch={branch}")).await.id()).await;
        digests.push(end["imageDigest"].as_str().unwrap().to_owned());
    }

    let (mut ours, mut by_hand) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let end = server.end_of(&hook.post(&format!("image=@{}", digests[0])).await.id()).await;
        ours.push(began.elapsed());
        assert_eq!(end["status"], "succeeded", "{end:#}");

        let began = Instant::now();
        let image = format!("named={}/named@{}", variable("CLUSTER_PRIVATE_REGISTRY"), digests[1]);
        kubectl(&["-n", APPS, "set", "image", "deployment/named", &image], "").await.unwrap();
        app.until_complete().await;
        by_hand.push(began.elapsed());
    }

    let (ours, by_hand) = (median(ours), median(by_hand));
    println!("POST to the last workload complete: median {ours:.2?} of {ROUNDS}");
    println!("kubectl set image and rollout status: median {by_hand:.2?} of {ROUNDS}");
    app.remove().await;
}
