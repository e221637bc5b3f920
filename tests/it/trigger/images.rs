//! Calls that name an image: which are taken, what a run is given, and what is promoted.

use serde_json::{Value, json};
use stackblaze::domain::{ImageDigest, Step};
use stackblaze::executor::Event;

use crate::harness::{Hook, Options, Script, Service, TestServer};

const OWN: &str = "registry.example.com/api";
const OTHER: &str = "mirror.example.com/api";

async fn server() -> TestServer {
    TestServer::with(Options::with_cluster()).await
}

async fn service(server: &TestServer, name: &str) -> Service {
    let workloads = json!([format!("apps/{name}")]);
    let service = server.service(name).with("repository", json!("https://git.example.com/acme/api.git"));
    let service = service.with("image", json!(OWN)).with("workloads", workloads);
    service.with("allowedImages", json!([OTHER])).create().await
}

async fn hook(server: &TestServer) -> Hook {
    service(server, "api").await.hook("ci").await
}

fn digest(letter: &str) -> String {
    format!("sha256:{}", letter.repeat(64))
}

async fn object(server: &TestServer, id: &str) -> Value {
    server.admin.get(&format!("/deployments/{id}")).await.json()
}

/// The image that the last run was given.
fn given(server: &TestServer) -> String {
    server.cluster.runs().pop().unwrap().given.unwrap().image.to_string()
}

fn steps(shown: &Value) -> Vec<String> {
    shown["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["status"].as_str().unwrap().to_owned())
        .collect()
}

fn deploying() -> Script {
    Script::default().step(Step::Deploy, b"")
}

#[tokio::test]
async fn a_digest_is_deployed_as_it_is_without_clone_and_build() {
    let server = server().await;
    let hook = hook(&server).await;
    server.cluster.next(deploying());
    let digest = digest("5");

    let id = hook.post(&format!("image=@{digest}&commit={}", "4".repeat(40))).await.id();
    let queued = server.anyone().get(&format!("/deployments/{id}")).await.json();
    server.run_all().await;

    assert_eq!(given(&server), format!("{OWN}@{digest}"));
    let shown = object(&server, &id).await;
    assert_eq!(
        (&queued["source"], &queued["image"], &queued["branch"]),
        (&json!("image"), &json!(format!("{OWN}@{digest}")), &json!("main"))
    );
    assert_eq!(queued["commit"], "4".repeat(40));
    assert_eq!((&shown["status"], &shown["imageDigest"]), (&json!("succeeded"), &json!(digest)));
    assert_eq!(steps(&shown), ["skipped", "skipped", "succeeded"]);
}

#[tokio::test]
async fn a_tag_is_given_to_the_run_and_its_digest_is_kept_with_what_the_image_says() {
    let server = server().await;
    let hook = hook(&server).await;
    let found = ImageDigest::parse(&digest("6")).unwrap();
    let look = Script::default().step(Step::Build, b"").tells(Event::Image(found));
    let look = look.tells(Event::ImageRevision("4".repeat(40))).step(Step::Deploy, b"");
    server.cluster.next(look);

    let id = hook.post(&format!("image=:v1.2.3&commit={}", "4".repeat(40))).await.id();
    server.run_all().await;

    assert_eq!(given(&server), format!("{OWN}:v1.2.3"));
    let shown = object(&server, &id).await;
    assert_eq!(
        (&shown["image"], &shown["imageDigest"]),
        (&json!(format!("{OWN}:v1.2.3")), &json!(digest("6")))
    );
    assert_eq!((&shown["imageRevision"], &shown["commit"]), (&json!("4".repeat(40)), &json!("4".repeat(40))));
    assert_eq!(steps(&shown), ["skipped", "succeeded", "succeeded"]);

    // Once more is exactly this image, wherever the tag has gone since.
    server.reconcile().await;
    for way in ["redeploy", "rollback"] {
        server.cluster.next(deploying());
        let again = server.admin.post(&format!("/deployments/{id}/{way}"), json!({})).await.id();
        server.run_all().await;
        server.reconcile().await;
        assert_eq!(given(&server), format!("{OWN}:v1.2.3@{}", digest("6")), "{way}");
        let source = object(&server, &again).await["source"].clone();
        assert_eq!(source, if way == "rollback" { "kept" } else { "image" });
    }
}

#[tokio::test]
async fn what_a_service_does_not_admit_is_refused_with_what_it_admits() {
    let server = server().await;
    let hook = hook(&server).await;

    for image in
        [format!("{OTHER}:1"), format!("{OTHER}@{}", digest("5")), format!("{OWN}:x"), OWN.to_owned()]
    {
        assert_eq!(hook.post(&format!("dry_run&image={image}")).await.status, 200, "{image}");
    }
    let foreign = hook.post("image=evil.example.com/api:1").await;
    let told = foreign.json();
    assert_eq!(
        (foreign.status, &told["code"], &told["parameter"]),
        (400, &json!("image_not_allowed"), &json!("image"))
    );
    let detail = told["detail"].as_str().unwrap();
    assert!(
        detail.contains(OWN) && detail.contains(OTHER) && detail.contains("evil.example.com/api"),
        "{detail}"
    );
    let word = hook.post("image=v1").await.json();
    assert!(word["detail"].as_str().unwrap().contains("write :v1 "), "{word}");
    assert_eq!(hook.post("dry_run&image=evil.example.com/api:1").await.status, 400);
    assert_eq!(server.rows("SELECT count(*) FROM deployments").await, 0);
}

#[tokio::test]
async fn an_image_and_what_is_for_builds_exclude_each_other_and_all_of_it_is_told() {
    let server = server().await;
    let hook = hook(&server).await;
    let image = format!("image=@{}", digest("5"));
    let from = "from=dep_00000000aaaaaaaaaaaa";

    for (query, field) in [
        (format!("{image}&clear_cache"), "clear_cache"),
        (format!("{image}&tag=v1"), "tag"),
        (format!("{image}&{from}"), "from"),
        (format!("{from}&branch=main"), "branch"),
        (format!("{from}&commit={}", "4".repeat(40)), "commit"),
        (format!("{from}&tag=v1"), "tag"),
        ("image=".to_owned(), "image"),
        ("from=x".to_owned(), "from"),
    ] {
        let refused = hook.post(&query).await;
        assert_eq!((refused.status, &refused.json()["parameter"]), (400, &json!(field)), "{query}");
    }
    let several = hook.post(&format!("{image}&clear_cache&tag=v1")).await.json();
    let named: Vec<_> = several["errors"].as_array().unwrap().iter().map(|one| &one["parameter"]).collect();
    assert_eq!(named, ["clear_cache", "tag"]);
}

#[tokio::test]
async fn a_success_is_promoted_by_its_digest_and_nothing_else_is() {
    let server = server().await;
    let (staging, production) = (service(&server, "staging").await, service(&server, "production").await);
    let (from, to) = (staging.hook("ci").await, production.hook("ci").branches(&["main"]).await);
    server.cluster.next(deploying());
    let first =
        from.post(&format!("image=@{}&branch=main&commit={}", digest("7"), "4".repeat(40))).await.id();
    let early = to.post(&format!("from={first}")).await;
    server.run_all().await;

    server.cluster.next(deploying());
    let promoted = to.post(&format!("from={first}")).await.id();
    server.run_all().await;

    assert_eq!((early.status, &early.json()["code"]), (400, &json!("from_not_possible")));
    assert!(early.json()["detail"].as_str().unwrap().contains("has not succeeded"));
    assert_eq!(given(&server), format!("{OWN}@{}", digest("7")));
    let shown = object(&server, &promoted).await;
    assert_eq!((&shown["source"], &shown["promotedFrom"]), (&json!("promoted"), &json!(first)));
    assert_eq!((&shown["commit"], &shown["branch"]), (&json!("4".repeat(40)), &json!("main")));
    let list = server.admin.get("/api/v1/deployments?source=promoted").await.json();
    let ids: Vec<_> = list["items"].as_array().unwrap().iter().map(|one| &one["deploymentId"]).collect();
    assert_eq!(ids, [&json!(promoted)]);
    let unknown = to.post("from=dep_00000000aaaaaaaaaaaa").await.json();
    assert_eq!(unknown["code"], "from_not_possible");

    let narrow = server.service("narrow").with("repository", json!("https://git.example.com/acme/api.git"));
    let workloads = json!(["apps/narrow"]);
    let narrow =
        narrow.with("image", json!("third.example.com/x")).with("workloads", workloads).create().await;
    let refused = narrow.hook("ci").await.post(&format!("from={first}")).await.json();
    assert!(refused["detail"].as_str().unwrap().contains("admits third.example.com/x"), "{refused}");
    let on_dev = staging.deploy(json!({ "image": format!("@{}", digest("8")), "branch": "dev" })).await;
    server.cluster.next(deploying());
    server.run_all().await;
    assert_eq!(to.post(&format!("from={on_dev}")).await.json()["code"], "branch_not_allowed");
}

#[tokio::test]
async fn a_hook_may_be_kept_to_builds_or_to_images() {
    let server = server().await;
    let service = service(&server, "api").await;
    let hook = service.hook("ci").await;
    let image = format!("dry_run&image=@{}", digest("5"));
    let code = |answer: Value| answer["failed"].as_array().unwrap().first().map(|one| one["code"].clone());

    hook.change(json!({ "sources": ["image"] })).await;
    assert_eq!(code(hook.post("dry_run").await.json()), Some(json!("source_not_allowed")));
    assert_eq!(code(hook.post(&image).await.json()), None);
    hook.change(json!({ "sources": ["build"] })).await;
    assert_eq!(code(hook.post("dry_run").await.json()), None);
    assert_eq!(code(hook.post(&image).await.json()), Some(json!("source_not_allowed")));
    let refused = hook.post(&format!("image=@{}", digest("5"))).await;
    assert_eq!((refused.status, refused.json()["code"].clone()), (403, json!("source_not_allowed")));
    let wrong = server.admin.patch(&hook.path(), json!({ "sources": ["kept"] })).await;
    assert_eq!((wrong.status, wrong.json()["parameter"].clone()), (400, json!("sources")));
}

#[tokio::test]
async fn an_image_is_part_of_what_joins_and_of_what_a_key_stands_for() {
    let server = server().await;
    let hook = hook(&server).await;
    let (five, six) = (format!("image=@{}", digest("5")), format!("image=@{}", digest("6")));

    let first = hook.post_with_key(&five, "job").await.id();
    assert_eq!(hook.post(&five).await.id(), first);
    assert_ne!(hook.post(&six).await.id(), first);
    assert_ne!(hook.post("").await.id(), first);
    assert_eq!(hook.post_with_key(&five, "job").await.id(), first);
    assert_eq!(hook.post_with_key(&six, "job").await.status, 422);
}

#[tokio::test]
async fn a_service_without_a_repository_takes_images_alone() {
    let server = server().await;
    let workloads = json!(["apps/api"]);
    let service = server.service("api").with("repository", Value::Null).with("image", json!(OWN));
    let hook = service.with("workloads", workloads).create().await.hook("ci").await;

    let bare = hook.post("").await;
    server.cluster.next(deploying());
    let id = hook.post(&format!("image=@{}", digest("5"))).await.id();
    server.run_all().await;

    assert_eq!((bare.status, bare.json()["code"].clone()), (400, json!("image_required")));
    assert_eq!(object(&server, &id).await["status"], "succeeded");
    let shown = server.admin.get("/api/v1/services/api").await.json();
    assert_eq!(shown["repository"], Value::Null);
    let missing =
        server.admin.post("/api/v1/services", json!({ "name": "other", "deployCommand": "x" })).await.json();
    assert!(missing["detail"].as_str().unwrap().contains("null says that its images are built"), "{missing}");
}

#[tokio::test]
async fn what_is_queued_goes_to_the_executor_that_the_service_has_when_it_is_claimed() {
    let server = server().await;
    let local = server.service("api").with("repository", json!("https://git.example.com/acme/api.git"));
    let local =
        local.with("executor", json!("local")).with("image", json!(OWN)).policy("every").create().await;
    let hook = local.hook("ci").await;
    let ids = [hook.post("").await.id(), hook.post("branch=dev").await.id()];

    let change = json!({ "executor": "tekton", "workloads": ["apps/api"] });
    assert_eq!(server.admin.patch("/api/v1/services/api", change).await.status, 200);
    let late = hook.post("branch=late").await.id();
    server.run_all().await;

    assert!(server.executor.runs().is_empty());
    let ran: Vec<_> = server.cluster.runs().iter().map(|run| run.deployment.to_string()).collect();
    assert_eq!(ran, [&ids[0], &ids[1], &late].map(ToOwned::to_owned));
}
