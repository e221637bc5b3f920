//! A service that would deploy nothing is not made.

use serde_json::Value;
use serde_json::json;
use stackblaze::db::services;

use crate::harness::Answer;
use crate::harness::Options;
use crate::harness::TestServer;

const ALL: &str = "/api/v1/services";
const ONE: &str = "/api/v1/services/api";
const DEPLOY: &str = "deployCommand: is needed, since it puts the new version into service; say `true` where the \
                      build deploys";
const NO_CLUSTER: &str =
    "needs a cluster, and this server has none: start it with --kube-context or inside the cluster";
const OTHER_EXECUTOR: &str = "is for executor tekton, and this service's executor is local";

/// Field and text of a 400.
fn said(answer: &Answer) -> String {
    assert_eq!(answer.refusal(), (400, "invalid_parameter".to_owned()), "{}", answer.text());
    answer.json()["detail"].as_str().unwrap().to_owned()
}

fn api(more: &Value) -> Value {
    let mut body = json!({ "name": "api", "repository": "https://git.example.com/acme/api.git" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

/// Everything that only a cluster reads, a field at a time.
fn of_a_cluster() -> Vec<(&'static str, Value)> {
    vec![
        ("workloads", json!(["apps/api"])),
        ("cacheRepository", json!("none")),
        ("dockerfile", json!("Dockerfile")),
        ("context", json!(".")),
        ("target", json!("release")),
        ("buildArgs", json!({ "MODE": "fast" })),
        ("buildSecrets", json!({ "npm": "npm-token/token" })),
        ("resources", json!({ "build.limits.memory": "4Gi" })),
        ("gitSecret", json!("git")),
        ("registrySecret", json!("registry")),
        ("releaseCommand", json!("./migrate")),
        ("releaseTimeout", json!("5m")),
        ("rollback", json!(true)),
    ]
}

/// The same with what both executors have.
fn with_image() -> Vec<(&'static str, Value)> {
    let mut all = of_a_cluster();
    all.push(("image", json!("registry.example.com/api")));
    all
}

/// A service that was stored without a deploy command.
async fn stored_without(server: &TestServer) {
    server.service("api").create().await;
    let empty = |tx: &stackblaze::db::Tx<'_>| {
        let mut service = services::find_by_name(tx, "api")?.unwrap();
        service.local.deploy_command.clear();
        services::update(tx, &service)
    };
    server.state.db().core().write(empty).await.unwrap();
}

#[tokio::test]
async fn a_service_of_this_host_needs_a_deploy_command() {
    let server = TestServer::start().await;

    for more in [
        json!({}),
        json!({ "buildCommand": "make" }),
        json!({ "deployCommand": "" }),
        json!({ "deployCommand": " \n\t" }),
        json!({ "executor": "local" }),
    ] {
        assert_eq!(said(&server.admin.post(ALL, api(&more)).await), DEPLOY, "{more}");
    }
    assert!(server.admin.get(ALL).await.items().is_empty());
    assert_eq!(server.admin.post(ALL, api(&json!({ "deployCommand": "true" }))).await.status, 201);
}

#[tokio::test]
async fn no_change_takes_the_deploy_command_away() {
    let server = TestServer::start().await;
    server.service("api").with("deployCommand", json!("./deploy.sh")).create().await;

    for empty in ["", "  ", "\n"] {
        assert_eq!(said(&server.admin.patch(ONE, json!({ "deployCommand": empty })).await), DEPLOY);
    }

    assert_eq!(server.admin.get(ONE).await.json()["deployCommand"], "./deploy.sh");
}

#[tokio::test]
async fn a_service_that_comes_from_a_cluster_to_this_host_needs_one_too() {
    let server = TestServer::with(Options::with_cluster()).await;
    let service = with_image()
        .into_iter()
        .fold(server.service("api"), |service, (field, value)| service.with(field, value));
    let service = service.with("repository", json!("https://git.example.com/acme/api.git"));
    service.with("deployCommand", json!("")).create().await;

    let silent = server.admin.patch(ONE, json!({ "executor": "local" })).await;
    let named = server.admin.patch(ONE, json!({ "executor": "local", "deployCommand": "true" })).await;

    assert_eq!(said(&silent), DEPLOY);
    assert_eq!(named.status, 200, "{}", named.text());
}

#[tokio::test]
async fn one_that_is_stored_without_goes_on_and_is_asked_where_it_is_named() {
    let server = TestServer::start().await;
    stored_without(&server).await;

    let id = server.admin.post(&format!("{ONE}/deployments"), json!({})).await.id();
    server.run_all().await;
    let other = server.admin.patch(ONE, json!({ "timeout": "2h", "executor": "local" })).await;
    let named = server.admin.patch(ONE, json!({ "deployCommand": "" })).await;

    assert_eq!(server.end_of(&id).await, "succeeded");
    assert_eq!((other.status, &other.json()["timeout"]), (200, &json!("2h")));
    assert_eq!(said(&named), DEPLOY);
}

#[tokio::test]
async fn settings_of_a_cluster_need_one() {
    let server = TestServer::start().await;
    server.service("api").create().await;

    for (field, value) in of_a_cluster() {
        let more = json!({ "name": "shop", "deployCommand": "true", field: value });
        let made = server.admin.post(ALL, api(&more)).await;
        let changed = server.admin.patch(ONE, json!({ field: value })).await;

        assert_eq!(said(&made), format!("{field}: {NO_CLUSTER}"));
        assert_eq!(said(&changed), format!("{field}: {NO_CLUSTER}"));
    }
    let all: Value = of_a_cluster().into_iter().collect();
    assert_eq!(said(&server.admin.post(ALL, api(&all)).await), format!("workloads: {NO_CLUSTER}"));
    assert_eq!(server.admin.get(ALL).await.items().len(), 1);
}

#[tokio::test]
async fn settings_of_a_cluster_are_for_services_that_run_there() {
    let server = TestServer::with(Options::with_cluster()).await;
    server.service("api").with("executor", json!("local")).create().await;

    for (field, value) in of_a_cluster() {
        let more = json!({ "name": "shop", "executor": "local", "deployCommand": "true", field: value });
        let made = server.admin.post(ALL, api(&more)).await;
        let changed = server.admin.patch(ONE, json!({ field: value })).await;

        assert_eq!(said(&made), format!("{field}: {OTHER_EXECUTOR}"));
        assert_eq!(said(&changed), format!("{field}: {OTHER_EXECUTOR}"));
    }
    let mut moved: Value = with_image().into_iter().collect();
    moved["executor"] = json!("tekton");
    moved["repository"] = json!("https://git.example.com/acme/api.git");
    assert_eq!(server.admin.patch(ONE, moved).await.status, 200);
}

#[tokio::test]
async fn what_a_service_keeps_from_its_time_in_a_cluster_can_be_sent_back() {
    let server = TestServer::with(Options::with_cluster()).await;
    let body: Value = with_image().into_iter().collect();
    server.admin.post(ALL, api(&body)).await;
    let moved = json!({ "executor": "local", "deployCommand": "true" });
    let before = server.admin.patch(ONE, moved).await.json();

    let again = server.admin.patch(ONE, before.clone()).await;
    let emptied = server.admin.patch(ONE, json!({ "gitSecret": null })).await;
    let changed = server.admin.patch(ONE, json!({ "gitSecret": "other" })).await;

    assert_eq!((again.status, again.json()), (200, before));
    assert_eq!((emptied.status, &emptied.json()["gitSecret"]), (200, &Value::Null));
    assert_eq!(said(&changed), format!("gitSecret: {OTHER_EXECUTOR}"));
}

#[tokio::test]
async fn an_executor_that_the_server_lacks_is_told_with_what_brings_it() {
    let post = async |server: &TestServer, more: Value| said(&server.admin.post(ALL, api(&more)).await);
    let server = TestServer::start().await;
    server.service("api").create().await;
    assert_eq!(
        post(&server, json!({ "executor": "tekton" })).await,
        format!("executor: tekton {NO_CLUSTER}")
    );
    assert_eq!(
        said(&server.admin.patch(ONE, json!({ "executor": "tekton" })).await),
        format!("executor: tekton {NO_CLUSTER}")
    );
    let unknown = "executor: \"moon\" is no executor; say tekton or local";
    assert_eq!(post(&server, json!({ "executor": "moon" })).await, unknown);

    let none = server.restart_with(Options { has_executor: false, ..Options::default() }).await;
    let no_builds = "executor: local builds on the server's own host, which this server does not do: it listens beyond \
                     loopback, and was started without --allow-host-builds";
    for more in [json!({}), json!({ "executor": "local" })] {
        assert_eq!(post(&none, more).await, no_builds);
    }
}
