//! What lists of the API have in common, and addresses that say where something is.

use serde_json::{Value, json};

use crate::harness::TestServer;

#[tokio::test]
async fn a_list_names_the_parameters_that_mean_nothing_to_it() {
    let server = TestServer::start().await;
    server.service("api").create().await;

    for (path, ignored) in [
        ("/api/v1/services?limit=5&lmit=3", "lmit"),
        ("/api/v1/services/api/deployments?state=failed&branch=main", "state"),
        ("/api/v1/deployments?status=failed&a%20b=1", "a%20b"),
        ("/api/v1/audit?kind=hooks", "kind"),
        ("/api/v1/tokens?limit=5", "limit"),
        ("/api/v1/services/api?x", "x"),
    ] {
        let answer = server.admin.get(path).await;
        assert_eq!((answer.status, answer.header("ignored-parameters")), (200, Some(ignored)), "{path}");
    }
    let plain = server.admin.get("/api/v1/services?limit=5").await;
    assert_eq!(plain.header("ignored-parameters"), None);
    assert_eq!(server.admin.get("/services?sort=name").await.header("ignored-parameters"), None, "a page");
}

#[tokio::test]
async fn a_cursor_that_no_list_gave_is_refused_by_each() {
    let server = TestServer::start().await;
    server.service("api").create().await;

    for path in [
        "/api/v1/services",
        "/api/v1/status",
        "/api/v1/deployments",
        "/api/v1/services/api/deployments",
        "/api/v1/services/api/hooks",
        "/api/v1/audit",
    ] {
        let answer = server.admin.get(&format!("{path}?after=no%20cursor")).await;
        assert_eq!((answer.status, answer.parameter().as_str()), (400, "after"), "{path}");
    }
}

#[tokio::test]
async fn what_is_made_says_where_it_is() {
    let server = TestServer::start().await;
    let service = json!({ "name": "api", "repository": "/x", "deployCommand": "true" });
    for (path, body, location) in [
        ("/api/v1/services", service, "/api/v1/services/api"),
        ("/api/v1/operators", json!({ "name": "mira k" }), "/api/v1/operators/mira%20k"),
    ] {
        let made = server.admin.post(path, body).await;
        assert_eq!((made.status, made.header("location")), (201, Some(location)), "{}", made.text());
    }
    let hook = server.admin.post("/api/v1/services/api/hooks", json!({ "name": "ci" })).await;
    let at = hook.header("location").unwrap().to_owned();
    assert_eq!(server.admin.get(&at).await.json()["name"], "ci");
    let token = server.admin.post("/api/v1/tokens", json!({ "name": "ci", "scope": "read" })).await;
    let id = token.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(token.header("location"), Some(format!("/api/v1/tokens/{id}").as_str()));
}

#[tokio::test]
async fn deployments_of_all_services_are_one_list_for_who_may_see_them() {
    let server = TestServer::start().await;
    let (api, web) = (server.service("api").create().await, server.service("web").create().await);
    let mut ids = Vec::new();
    for service in [&api, &web, &api] {
        ids.push(service.deploy(json!({ "branch": format!("b{}", ids.len()) })).await);
    }
    ids.reverse();
    let only = server.token("only", "read", Some("web")).await;
    let listed = |items: Vec<Value>| -> Vec<String> {
        items.iter().map(|item| item["deploymentId"].as_str().unwrap().to_owned()).collect()
    };

    assert_eq!(listed(server.admin.get("/api/v1/deployments").await.items()), ids);
    let page = server.admin.get("/api/v1/deployments?limit=2").await;
    let next = page.json()["next"].as_str().unwrap().to_owned();
    let rest = server.admin.get(&format!("/api/v1/deployments?limit=2&after={next}")).await;
    assert_eq!((listed(page.items()), listed(rest.items())), (ids[..2].to_vec(), ids[2..].to_vec()));
    assert_eq!(listed(server.holder(&only).get("/api/v1/deployments").await.items()), [ids[1].clone()]);
    let status = server.holder(&only).get("/api/v1/status").await.items();
    assert_eq!((status.len(), &status[0]["service"], &status[0]["queued"]), (1, &json!("web"), &json!(1)));
}

#[tokio::test]
async fn acts_have_ids_and_the_server_says_its_version_and_has_an_icon() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    server.service("web").create().await;

    let acts = server.admin.get("/api/v1/audit?limit=1").await.json();
    let version = server.anyone().get("/version").await.json();
    let icon = server.anyone().get("/favicon.ico").await;

    assert_eq!(acts["items"][0]["id"].to_string(), acts["next"].as_str().unwrap());
    assert_eq!(version, json!({ "version": env!("CARGO_PKG_VERSION") }));
    assert_eq!((icon.status, icon.header("content-type")), (200, Some("image/svg+xml")));
}
