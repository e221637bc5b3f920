//! One POST, and what comes of it.

use serde_json::json;

use crate::harness::cluster::App;
use crate::harness::cluster::BUILDS;
use crate::harness::cluster::InCluster;
use crate::harness::cluster::Poll;
use crate::harness::cluster::get;
use crate::harness::cluster::head;
use crate::harness::cluster::kubectl;

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_post_deploys_without_a_failed_request_and_the_old_image_comes_back_without_a_build() {
    let (server, app) = (InCluster::connect().await, App::start("hook-good").await);
    let hook = server.hook(&app).await;
    let mut poll = Poll::start(&app).await;

    let id = hook.post("").await.id();
    let end = server.end_of(&id).await;

    assert_eq!(end["status"], "succeeded", "{end:#} {}", server.log_of(&id).await);
    let digest = end["imageDigest"].as_str().unwrap();
    assert_eq!(app.digests().await, [digest, digest]);
    assert_eq!(end["commit"], head("main").await.as_str());
    assert_eq!(end["commitSubject"], "A page of branch main");
    let second = server.end_of(&hook.post("branch=feat/new-ui").await.id()).await;
    assert_eq!(second["status"], "succeeded", "{second:#}");
    let back = server.admin.post(&format!("/deployments/{id}/rollback"), json!({})).await.id();
    let back = server.end_of(&back).await;
    assert_eq!((&back["status"], &back["steps"][1]["status"]), (&json!("succeeded"), &json!("skipped")));
    assert_eq!(app.digests().await, [digest, digest]);
    let answers = poll.after(10).await;
    assert!(answers.failed.is_empty(), "{:?} of {}", answers.failed, answers.count);
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn each_failure_says_why_and_plain_kubectl_reads_its_run() {
    let (server, app) = (InCluster::connect().await, App::start("hook-fails").await);
    let hook = server.hook(&app).await;
    let image = app.image().await;

    let mut ends = Vec::new();
    for query in ["branch=broken-build", "branch=missing", "branch=broken-rollout"] {
        ends.push(server.end_of(&hook.post(query).await.id()).await);
    }

    let reasons: Vec<_> = ends.iter().map(|end| end["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, ["build_failed", "branch_not_found", "rolled_back"], "{ends:#?}");
    assert_eq!((&ends[0]["failure"]["step"], &ends[0]["steps"][1]["exitCode"]), (&json!("build"), &json!(7)));
    assert_eq!(app.image().await, image);
    let name = ends[0]["runName"].as_str().unwrap();
    let run = get(BUILDS, &format!("pipelinerun/{name}")).await;
    assert_eq!(run["metadata"]["labels"]["stackblaze.dev/service"], "hook-fails");
    let table = kubectl(&["-n", BUILDS, "get", "pipelinerun", name, "--no-headers"], "").await.unwrap();
    assert!(table.contains("False"), "{table}");
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_cancel_ends_the_run_and_the_next_deployment_runs() {
    let (server, app) = (InCluster::connect().await, App::start("hook-stops").await);
    let hook = server.hook(&app).await;
    let id = hook.post("branch=slow-build").await.id();
    let next = hook.post("").await.id();
    server.runs(&id, "build").await;

    let asked = server.admin.post(&format!("/deployments/{id}/cancel"), json!({})).await;
    let end = server.end_of(&id).await;

    assert_eq!((asked.status, &end["reason"]), (202, &json!("cancelled")));
    let run = get(BUILDS, &format!("pipelinerun/{}", end["runName"].as_str().unwrap())).await;
    assert_eq!(run["spec"]["status"], "Cancelled");
    assert!(server.log_of(&id).await.contains("slow-build is at"));
    assert_eq!(server.end_of(&next).await["status"], "succeeded");
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_server_that_is_killed_goes_on_with_what_runs_and_runs_nothing_twice() {
    let (server, app) = (InCluster::alone().await, App::start("hook-killed").await);
    let hook = server.hook(&app).await;
    let running = hook.post("").await.id();
    server.runs(&running, "build").await;
    let queued = hook.post("branch=feat/new-ui").await.id();

    let server = server.killed().await;

    for id in [&running, &queued] {
        let end = server.end_of(id).await;
        assert_eq!(end["status"], "succeeded", "{end:#}");
    }
    let log = server.log_of(&running).await;
    assert_eq!((log.matches("main is at").count(), log.matches("\npushed ").count()), (1, 1), "{log}");
    let label = "stackblaze.dev/service=hook-killed";
    let runs = kubectl(&["-n", BUILDS, "get", "pipelineruns", "-l", label, "-o", "name"], "").await.unwrap();
    assert_eq!(runs.lines().count(), 2, "{runs}");
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_cleared_cache_is_not_met_again() {
    let (server, app) = (InCluster::connect().await, App::start("hook-cache").await);
    let hook = server.hook(&app).await;
    let mut layers = Vec::new();

    for query in ["", "branch=feat/new-ui", "clear_cache=true", "branch=feat/new-ui"] {
        let end = server.end_of(&hook.post(query).await.id()).await;
        assert_eq!(end["status"], "succeeded", "{end:#}");
        layers.push(app.pages("/layer.txt").await[0].clone());
    }

    assert_eq!(layers[0], layers[1], "taken from the cache");
    assert_ne!(layers[1], layers[2], "built anew");
    assert_eq!(layers[2], layers[3], "taken from the new cache");
    app.remove().await;
}
