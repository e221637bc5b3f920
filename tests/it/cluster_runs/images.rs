//! Images that are there already: by digest, by tag, not there at all; and what does not stay.

use std::net::SocketAddr;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::{Value, json};
use stackblaze::domain::{ImageReference, ImageRepository, Reason, Span, Step, Verdict};
use stackblaze::executor::{Event, Executor, GivenImage, Outcome, Run};
use tokio::net::{TcpListener, TcpStream};

use super::{failure, image_of};
use crate::executor_contract::{log_of, outline};
use crate::harness::cluster::{
    APPS, App, Cluster, WRONG_REGISTRY_SECRET, get, head, kubectl, object_of, variable,
};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A deployment of an image of the app's repository, by `:TAG` or `@DIGEST`.
fn named(app: &App, which: &str) -> Run {
    let mut run = app.deploys("main");
    let repository = run.plan.cluster().unwrap().settings.image.clone();
    let image = ImageReference::parse(&format!("{repository}{which}")).unwrap();
    run.given = Some(GivenImage { image, commit: None });
    run
}

/// A request to the private registry, about a manifest of the app's repository.
fn manifests(method: reqwest::Method, app: &App, which: &str) -> reqwest::RequestBuilder {
    let registry = variable("CLUSTER_PRIVATE_REGISTRY");
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let address = format!("http://{registry}/v2/{}/manifests/{which}", app.name);
    let (user, password) = (variable("CLUSTER_REGISTRY_USER"), variable("CLUSTER_REGISTRY_PASSWORD"));
    http.request(method, address).basic_auth(user, Some(password))
}

/// The manifest of an image as it lies there.
async fn manifest(app: &App, which: &str) -> String {
    let answer = manifests(reqwest::Method::GET, app, which).header(ACCEPT, MANIFEST).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

/// Lets a tag name what these bytes are; the digest.
async fn tag(app: &App, name: &str, kind: &str, bytes: String) -> String {
    let put = manifests(reqwest::Method::PUT, app, name).header(CONTENT_TYPE, kind).body(bytes);
    let answer = put.send().await.unwrap();
    assert_eq!(answer.status(), 201);
    answer.headers()["docker-content-digest"].to_str().unwrap().to_owned()
}

/// Builds a branch and gives the digest.
async fn built(cluster: &Cluster, app: &App, branch: &str) -> (Run, String) {
    let run = app.deploys(branch);
    let (events, outcome) = cluster.run(&run).await;
    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&events, Step::Deploy));
    (run, image_of(&events).to_string())
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn what_is_built_already_is_deployed_by_digest_and_by_tag() {
    let (cluster, app) = (Cluster::connect().await, App::start("named").await);
    let (first, old) = built(&cluster, &app, "main").await;
    let (_, new) = built(&cluster, &app, "feat/new-ui").await;
    assert_ne!(old, new);

    // A digest: one pod, and no task that builds.
    let exact = named(&app, &format!("@{old}"));
    let (events, outcome) = cluster.run(&exact).await;
    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&events, Step::Deploy));
    assert_eq!(
        outline(&events),
        ["created", "deploy started", "apps/named/named complete 2/2", "deploy finished true Some(0)"]
    );
    let object = object_of(&exact).await;
    let tasks = object["spec"]["pipelineSpec"]["tasks"].as_array().unwrap().clone();
    assert_eq!(tasks.iter().map(|task| &task["name"]).collect::<Vec<_>>(), ["deploy"]);
    // Images of one commit are one to containerd, whatever repository they are in, so pods may name another digest.
    assert!(app.image().await.ends_with(&format!("/named@{old}")), "{}", app.image().await);

    // A tag: looked up, and deployed by its digest. It names what it names when the run begins.
    tag(&app, "moving", MANIFEST, manifest(&app, &old).await).await;
    let run = named(&app, ":moving");
    tag(&app, "moving", MANIFEST, manifest(&app, &new).await).await;
    let (events, outcome) = cluster.run(&run).await;
    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&events, Step::Build));
    assert_eq!(outline(&events)[..4], ["created", "build started", "image", "build finished true Some(0)"]);
    assert_eq!(image_of(&events).to_string(), new);
    let commit = head("feat/new-ui").await.to_string();
    assert!(events.contains(&Event::ImageRevision(commit.clone())), "{events:?}");
    assert!(app.image().await.ends_with(&format!(":moving@{new}")), "{}", app.image().await);
    let page = format!("sample feat/new-ui {commit}");
    assert_eq!(app.pages("/").await, [page.as_str(), &page]);
    let workload = app.workload().await;
    let said = workload.pointer("/spec/template/metadata/annotations").unwrap();
    assert_eq!(said["stackblaze.dev/caller"], "140.82.112.0/24, curl/8.5.0");

    // An index of images is deployed as it is.
    let size = manifest(&app, &old).await.len();
    let platform = json!({"architecture": "amd64", "os": "linux"});
    let entry = json!({"mediaType": MANIFEST, "digest": old, "size": size, "platform": platform});
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]});
    let index = tag(&app, "multi", INDEX, index.to_string()).await;
    let (events, outcome) = cluster.run(&named(&app, ":multi")).await;
    assert_eq!(outcome, Outcome::Succeeded, "{}", log_of(&events, Step::Deploy));
    assert!(app.image().await.ends_with(&format!(":multi@{index}")), "{}", app.image().await);
    assert!(events.contains(&Event::ImageRevision(head("main").await.to_string())), "{events:?}");

    // And back after all of that, to what was built first.
    let repository = first.plan.cluster().unwrap().settings.image.clone();
    let mut back = app.deploys("main");
    let image =
        ImageReference::parse(&format!("{repository}:{}@{old}", first.deployment.run_name())).unwrap();
    back.given = Some(GivenImage { image, commit: None });
    assert_eq!(cluster.run(&back).await.1, Outcome::Succeeded);
    assert!(app.image().await.ends_with(&format!("@{old}")), "{}", app.image().await);
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_tag_that_is_not_there_or_not_for_us_is_told_apart_and_changes_nothing() {
    let (cluster, app) = (Cluster::connect().await, App::start("told").await);
    let before = get(APPS, "deployment/told").await["spec"].clone();

    // The look at a service has seen both before.
    let mut service = app.deploys("main").service;
    let mut settings = app.deploys("main").plan.cluster().unwrap().settings.clone();
    for (secret, verdict) in [("registry-private", Verdict::Good), (WRONG_REGISTRY_SECRET, Verdict::Advice)] {
        settings.registry_secret = Some(secret.to_owned());
        service.tekton = Some(settings.clone());
        let findings = cluster.executor.check(&service).await;
        let registry = variable("CLUSTER_PRIVATE_REGISTRY");
        let said = findings.iter().find(|finding| finding.detail.starts_with(&registry));
        assert_eq!(said.map(|finding| finding.verdict), Some(verdict), "{findings:?}");
    }
    let missing = failure(cluster.run(&named(&app, ":no-such-tag")).await.1);
    let mut refused = named(&app, ":any");
    refused.plan.cluster_mut().unwrap().settings.registry_secret = Some(WRONG_REGISTRY_SECRET.to_owned());
    let refused = failure(cluster.run(&refused).await.1);
    let mut bare = named(&app, ":any");
    bare.plan.cluster_mut().unwrap().settings.registry_secret = None;
    let bare = failure(cluster.run(&bare).await.1);

    assert_eq!(missing.0, Reason::ImageNotFound, "{missing:?}");
    assert!(missing.1.contains("has no image") && missing.1.contains(":no-such-tag"), "{missing:?}");
    assert_eq!((refused.0, bare.0), (Reason::ImageRefused, Reason::ImageRefused), "{refused:?} {bare:?}");
    assert_eq!(get(APPS, "deployment/told").await["spec"], before);
    app.remove().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn a_registry_that_is_away_for_a_while_is_waited_for_in_words() {
    let (cluster, app) = (Cluster::connect().await, App { name: "api" });
    let registry: SocketAddr = variable("CLUSTER_REGISTRY").parse().unwrap();
    let address = TcpListener::bind((registry.ip(), 0)).await.unwrap().local_addr().unwrap();
    let mut run = app.deploys("main");
    let repository = ImageRepository::parse("image", &format!("{address}/api")).unwrap();
    let image = ImageReference::parse(&format!("{repository}:latest")).unwrap();
    run.given = Some(GivenImage { image, commit: None });
    let mut common = cluster.common.clone();
    common.builder.insecure_registries.push(address.to_string());
    let executor = stackblaze::executor::tekton::TektonExecutor::new(cluster.client.clone(), common);
    let mut running = cluster.start_with(executor, run);

    running.waits_for("does not answer").await;
    tokio::spawn(async move {
        let listener = TcpListener::bind(address).await.unwrap();
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut far = TcpStream::connect(registry).await.unwrap();
                tokio::io::copy_bidirectional(&mut near, &mut far).await.ok();
            });
        }
    });

    running.until(|event| matches!(event, Event::Image(_))).await;
    running.stop();
    running.end().await;
}

#[tokio::test]
#[ignore = "needs the full test cluster"]
async fn what_somebody_puts_back_is_reverted_and_the_check_found_it_before() {
    let (cluster, app) = (Cluster::connect().await, App::start("healed").await);
    let old = app.image().await;
    let labels = json!({"metadata": {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:apps/healed"}}});
    kubectl(&["-n", APPS, "patch", "deployment/healed", "-p", &labels.to_string()], "").await.unwrap();
    let mut run = app.deploys("main");
    run.service.settle = Span::from_secs(20);
    run.service.tekton = Some(run.plan.cluster().unwrap().settings.clone());

    let findings = cluster.executor.check(&run.service).await;
    let mut running = cluster.start(run);
    running.until(|event| *event == Event::Settling).await;
    let container = json!({"name": "healed", "image": old});
    let healed: Value = json!({"spec": {"template": {"spec": {"containers": [container]}}}});
    let manager = "--field-manager=argocd-controller";
    kubectl(&["-n", APPS, "patch", "deployment/healed", manager, "-p", &healed.to_string()], "")
        .await
        .unwrap();
    let (_, outcome) = running.end().await;

    let bad: Vec<_> = findings.iter().filter(|finding| finding.verdict == Verdict::Bad).collect();
    let fix =
        bad.iter().find_map(|finding| finding.fix.clone().filter(|fix| fix.contains("ignoreDifferences")));
    assert!(fix.is_some(), "{findings:?}");
    let Outcome::Failed { reason, detail, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(*reason, Reason::Reverted, "{outcome:?}");
    let detail = detail.clone().unwrap();
    assert!(detail.contains(&old) && detail.contains("argocd-controller"), "{detail}");

    // What stays has succeeded.
    let mut stays = app.deploys("feat/new-ui");
    stays.service.settle = Span::from_secs(4);
    let (events, outcome) = cluster.run(&stays).await;
    assert_eq!(outcome, Outcome::Succeeded);
    assert!(events.contains(&Event::Settling));
    app.remove().await;
}
