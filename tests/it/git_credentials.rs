//! Where a git credential may go: an admin of one service sends it nowhere that an admin of the whole server has not.

use reqwest::Method;
use serde_json::Value;
use serde_json::json;

use crate::harness::Options;
use crate::harness::TestServer;
use crate::harness::forms::encoded;
use crate::harness::http::Answer;
use crate::harness::http::Api;
use crate::harness::http::Send as _;

const ONE: &str = "/api/v1/services/api";
const HERE: &str = "https://git.example.com/acme/api.git";

/// A server with a service of a cluster, and an admin of that service alone.
struct Shared {
    server: TestServer,
    own: Api,
}

impl Shared {
    async fn new(repository: &str, field: &str, credential: &str) -> Self {
        let server = TestServer::with(Options::with_cluster()).await;
        let service = server.service("api").with("repository", json!(repository));
        let service = service.with("image", json!("registry.example.com/api")).with(field, json!(credential));
        service.with("workloads", json!(["apps/api"])).create().await;
        let own = server.holder(&server.token("own", "admin", Some("api")).await);
        Self { server, own }
    }

    async fn with_secret(repository: &str) -> Self {
        Self::new(repository, "gitSecret", "shared-git").await
    }

    async fn change(&self, body: Value) -> Answer {
        self.own.patch(ONE, body).await
    }

    /// The change is refused as a whole and says who may make it.
    async fn assert_refused(&self, body: Value) {
        let before = self.server.admin.get(ONE).await.json();

        let answer = self.change(body.clone()).await;

        assert_eq!(answer.refusal(), (403, "scope".to_owned()), "{body}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        let says = "token own is for one service; a git credential goes to another address only for an admin of the \
                    whole server";
        assert_eq!(detail, says, "{body}");
        assert_eq!(self.server.admin.get(ONE).await.json(), before, "{body}");
    }

    async fn assert_allowed(&self, body: Value) {
        let answer = self.change(body.clone()).await;

        assert_eq!(answer.status, 200, "{body}: {}", answer.text());
    }
}

#[tokio::test]
async fn it_follows_the_repository_to_no_other_scheme_host_or_port() {
    let shared = Shared::with_secret(HERE).await;

    for elsewhere in [
        "https://evil.example.com/acme/api.git",
        "https://git.example.com.evil.example.com/acme/api.git",
        "https://git.example.com:8443/acme/api.git",
        "https://git.example.com:22/acme/api.git",
        "https://git.example.com\\@evil.example.com/acme/api.git",
        "http://git.example.com/acme/api.git",
        "http://git.example.com:443/acme/api.git",
        "git://git.example.com/acme/api.git",
        "ssh://git@git.example.com/acme/api.git",
        "git@git.example.com:acme/api.git",
    ] {
        shared.assert_refused(json!({ "repository": elsewhere })).await;
    }
}

#[tokio::test]
async fn it_follows_the_repository_to_another_path_of_the_same_place() {
    let shared = Shared::with_secret(HERE).await;
    for same in [
        "https://git.example.com/acme/shop.git",
        "https://git.example.com:443/acme/api.git",
        "https://GIT.example.com/acme/api.git",
        "HTTPS://git.example.com:0443/acme/api.git",
    ] {
        shared.assert_allowed(json!({ "repository": same })).await;
    }

    let shared = Shared::with_secret("git@git.example.com:acme/api.git").await;
    for same in [
        "git@git.example.com:acme/shop.git",
        "ssh://git@git.example.com/acme/api.git",
        "ssh://deploy@git.example.com:22/acme/api.git",
    ] {
        shared.assert_allowed(json!({ "repository": same })).await;
    }
    for elsewhere in ["git@evil.example.com:acme/api.git", "ssh://git@git.example.com:2222/acme/api.git"] {
        shared.assert_refused(json!({ "repository": elsewhere })).await;
    }
}

#[tokio::test]
async fn over_http_it_goes_to_the_very_address_that_was_named() {
    let shared = Shared::with_secret("http://git.example.com/acme/api.git").await;

    for other in ["http://git.example.com/acme/shop.git", "http://git.example.com:80/acme/api.git", HERE] {
        shared.assert_refused(json!({ "repository": other })).await;
    }
    shared
        .assert_allowed(json!({ "repository": "http://git.example.com/acme/api.git", "timeout": "2h" }))
        .await;
    let by_admin = json!({ "repository": "http://git.example.com/acme/shop.git" });
    assert_eq!(shared.server.admin.patch(ONE, by_admin).await.status, 200);
}

#[tokio::test]
async fn it_is_named_and_changed_by_an_admin_of_the_whole_server_alone() {
    let shared = Shared::with_secret(HERE).await;
    let elsewhere = "https://evil.example.com/acme/api.git";

    for body in [
        json!({ "gitSecret": "other-git" }),
        json!({ "gitSecret": "other-git", "repository": elsewhere }),
        json!({ "gitSecret": "shared-git", "repository": elsewhere }),
        json!({ "gitSecret": null, "gitTokenFile": "/etc/token", "repository": elsewhere }),
        json!({ "gitTokenFile": "/etc/token" }),
        json!({ "gitSshKeyFile": "/etc/key", "repository": "git@git.example.com:acme/api.git" }),
    ] {
        shared.assert_refused(body).await;
    }
    assert_eq!(shared.server.admin.patch(ONE, json!({ "gitSecret": "other-git" })).await.status, 200);
}

#[tokio::test]
async fn a_repository_leaves_without_it_and_does_not_get_it_back() {
    let shared = Shared::with_secret(HERE).await;

    shared
        .assert_allowed(json!({ "repository": "https://other.example.com/api.git", "gitSecret": null }))
        .await;

    shared.assert_refused(json!({ "gitSecret": "shared-git" })).await;
    shared.assert_refused(json!({ "gitSecret": "shared-git", "repository": HERE })).await;
    shared.assert_allowed(json!({ "repository": "https://third.example.com/api.git" })).await;
}

#[tokio::test]
async fn a_file_on_the_server_is_kept_as_a_secret_of_the_cluster_is() {
    let elsewhere = json!({ "repository": "https://evil.example.com/acme/api.git" });
    let shared = Shared::new(HERE, "gitTokenFile", "/etc/token").await;
    shared.assert_refused(elsewhere.clone()).await;
    shared.assert_refused(json!({ "gitTokenFile": "/etc/other" })).await;
    shared.assert_allowed(json!({ "repository": "https://git.example.com/acme/shop.git" })).await;
    shared.assert_allowed(json!({ "repository": elsewhere["repository"], "gitTokenFile": null })).await;

    let ssh = "git@git.example.com:acme/api.git";
    let shared = Shared::new(ssh, "gitSshKeyFile", "/etc/key").await;
    shared.assert_refused(json!({ "repository": "git@evil.example.com:acme/api.git" })).await;
}

#[tokio::test]
async fn a_change_of_the_executor_takes_it_nowhere() {
    let shared = Shared::with_secret(HERE).await;
    assert_eq!(shared.server.admin.patch(ONE, json!({ "executor": "local" })).await.status, 200);

    let moved = json!({ "executor": "tekton", "repository": "https://evil.example.com/acme/api.git" });
    shared.assert_refused(moved).await;

    shared.assert_allowed(json!({ "executor": "tekton" })).await;
}

#[tokio::test]
async fn what_runs_on_this_host_and_what_others_share_is_for_an_admin_of_the_whole_server() {
    let shared = Shared::with_secret(HERE).await;
    let workload = json!({ "workloads": ["apps/shop"] });
    let detail = async |body: Value| shared.change(body).await.json()["detail"].as_str().unwrap().to_owned();

    let others = detail(workload).await;
    let here = detail(json!({ "executor": "local", "deployCommand": "id" })).await;

    let says = "workloads, registry Secret, image, allowed images and cache repository are changed only by an admin of the whole server";
    assert_eq!(others, format!("token own is for one service; {says}"));
    let says = "what runs on the server's own host is changed only by an admin of the whole server";
    assert_eq!(here, format!("token own is for one service; {says}"));
}

#[tokio::test]
async fn the_form_is_no_way_around() {
    let shared = Shared::with_secret(HERE).await;
    let fields = [
        ("repository", "https://evil.example.com/acme/api.git"),
        ("defaultBranch", "main"),
        ("executor", "tekton"),
        ("image", "registry.example.com/api"),
        ("workloads", "apps/api"),
        ("rollback", "true"),
        ("gitSecret", "shared-git"),
        ("timeout", "1"),
        ("timeoutUnit", "h"),
    ];
    let post = |api: &Api| {
        let request = api.request(Method::POST, "/services/api/settings");
        request.header("content-type", "application/x-www-form-urlencoded").body(encoded(&fields)).answer()
    };

    let refused = post(&shared.own).await;
    let repository = shared.server.admin.get(ONE).await.json()["repository"].clone();
    let saved = post(&shared.server.admin).await;

    assert_eq!((refused.status, repository), (403, json!(HERE)));
    assert!(refused.text().contains("admin of the whole server"), "{}", refused.text());
    assert_eq!(saved.status, 303, "{}", saved.text());
}
