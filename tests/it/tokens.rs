//! API tokens: how they are made, what each may do, and how they end.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use serde_json::json;

use crate::harness::http::Send as _;
use crate::harness::{Options, TestServer};

const ALL: &str = "/api/v1/tokens";

#[tokio::test]
async fn a_new_token_is_shown_once() {
    let server = TestServer::start().await;

    let made = server.admin.post(ALL, json!({ "name": "ci", "scope": "deploy", "expiresIn": "90d" })).await;
    let listed = server.admin.get(ALL).await;

    let shown = made.json();
    let token = shown["token"].as_str().unwrap();
    assert!(made.status == 201 && token.starts_with("sbapi_") && token.len() == 77, "{token}");
    let listed_one = listed.items().into_iter().find(|item| item["name"] == "ci").unwrap();
    assert_eq!(listed_one["expiresAt"], "2027-02-22T14:30:49.120Z");
    assert!(listed_one.get("token").is_none() && !listed.text().contains(token));
}

#[tokio::test]
async fn an_error_names_its_field() {
    let server = TestServer::start().await;

    for (body, field) in [
        (json!({ "scope": "read" }), "name"),
        (json!({ "name": "a/b", "scope": "read" }), "name"),
        (json!({ "name": "ci" }), "scope"),
        (json!({ "name": "ci", "scope": "root" }), "scope"),
        (json!({ "name": "ci", "scope": "read", "expiresIn": "soon" }), "expiresIn"),
    ] {
        assert_eq!(server.admin.post(ALL, body.clone()).await.parameter(), field, "{body}");
    }
    let unknown =
        server.admin.post(ALL, json!({ "name": "ci", "scope": "read", "service": "nothing" })).await;
    assert_eq!(unknown.status, 404);
}

#[tokio::test]
async fn a_name_is_taken_while_its_token_lives() {
    let server = TestServer::start().await;
    server.token("ci", "read", None).await;
    let body = json!({ "name": "ci", "scope": "read" });

    let taken = server.admin.post(ALL, body.clone()).await;
    server.admin.delete(&format!("{ALL}/ci")).await;

    assert_eq!(taken.refusal(), (409, "name_taken".to_owned()));
    assert_eq!(server.admin.post(ALL, body).await.status, 201);
}

#[tokio::test]
async fn a_revoked_token_opens_nothing() {
    let server = TestServer::start().await;
    let holder = server.holder(&server.token("ci", "read", None).await);
    assert_eq!(holder.get("/api/v1/services").await.status, 200);

    let revoked = server.admin.delete(&format!("{ALL}/ci")).await;

    assert_eq!(revoked.status, 204);
    let answer = holder.get("/api/v1/services").await;
    assert_eq!(answer.refusal(), (401, "unauthenticated".to_owned()));
    assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"stackblaze\""));
    assert_eq!(server.admin.delete(&format!("{ALL}/ci")).await.status, 404);
}

#[tokio::test]
async fn a_token_ends_when_it_expires() {
    let server = TestServer::start().await;
    let made = server.admin.post(ALL, json!({ "name": "ci", "scope": "read", "expiresIn": "1h" })).await;
    let holder = server.holder(made.json()["token"].as_str().unwrap());

    server.clock.advance(Duration::from_hours(1) - Duration::from_millis(1));
    let last = holder.get("/api/v1/services").await;
    server.clock.advance(Duration::from_millis(1));

    assert_eq!((last.status, holder.get("/api/v1/services").await.status), (200, 401));
}

#[tokio::test]
async fn the_last_use_is_kept_to_the_minute() {
    let server = TestServer::start().await;
    let holder = server.holder(&server.token("ci", "read", None).await);
    let used = || async {
        let items = server.admin.get(ALL).await.items();
        items.iter().find(|item| item["name"] == "ci").unwrap()["lastUsedAt"].clone()
    };
    assert_eq!(used().await, Value::Null);

    holder.get("/api/v1/services").await;
    let first = used().await;
    server.clock.advance(Duration::from_secs(59));
    holder.get("/api/v1/services").await;
    let second = used().await;
    server.clock.advance(Duration::from_secs(1));
    holder.get("/api/v1/services").await;

    assert_eq!((first.as_str(), &second), (Some("2026-11-24T14:30:49.120Z"), &first));
    assert_eq!(used().await, "2026-11-24T14:31:49.120Z");
}

#[tokio::test]
async fn each_scope_includes_the_ones_before_it_and_no_more() {
    let server = TestServer::start().await;
    let service = server.service("api").policy("every").create().await;
    let hook = service.hook("ci").await;
    let id = service.deploy(json!({})).await;
    let cases = [
        ("read", Method::GET, "/api/v1/services".to_owned(), Value::Null),
        ("read", Method::GET, "/api/v1/services/api".to_owned(), Value::Null),
        ("read", Method::GET, "/api/v1/services/api/hooks".to_owned(), Value::Null),
        ("read", Method::GET, hook.path(), Value::Null),
        ("read", Method::GET, format!("{}/calls", hook.path()), Value::Null),
        ("read", Method::GET, "/api/v1/services/api/deployments".to_owned(), Value::Null),
        ("read", Method::GET, format!("/deployments/{id}/logs"), Value::Null),
        ("deploy", Method::POST, "/api/v1/services/api/deployments".to_owned(), json!({})),
        ("deploy", Method::POST, format!("/deployments/{id}/redeploy"), json!({})),
        ("deploy", Method::POST, format!("/deployments/{id}/rollback"), json!({})),
        ("deploy", Method::POST, format!("/deployments/{id}/cancel"), json!({})),
        ("admin", Method::POST, "/api/v1/services".to_owned(), json!({})),
        ("admin", Method::PATCH, "/api/v1/services/api".to_owned(), json!({})),
        ("admin", Method::PUT, "/api/v1/services/api/freeze".to_owned(), json!({ "reason": "x" })),
        ("admin", Method::DELETE, "/api/v1/services/api/freeze".to_owned(), Value::Null),
        ("admin", Method::POST, "/api/v1/services/api/hooks".to_owned(), json!({ "name": "n" })),
        ("admin", Method::PATCH, hook.path(), json!({})),
        ("admin", Method::POST, format!("{}/rotate", hook.path()), json!({})),
        ("admin", Method::DELETE, hook.path(), Value::Null),
        ("admin", Method::DELETE, "/api/v1/services/api".to_owned(), Value::Null),
        ("admin", Method::GET, ALL.to_owned(), Value::Null),
        ("admin", Method::POST, ALL.to_owned(), json!({})),
        ("admin", Method::DELETE, format!("{ALL}/nothing"), Value::Null),
        ("admin", Method::GET, "/api/v1/audit".to_owned(), Value::Null),
        ("admin", Method::POST, "/api/v1/backup".to_owned(), Value::Null),
        ("admin", Method::GET, "/api/v1/operators".to_owned(), Value::Null),
        ("admin", Method::POST, "/api/v1/operators".to_owned(), json!({ "name": "mira" })),
        ("admin", Method::POST, "/api/v1/operators/mira/login-link".to_owned(), Value::Null),
        ("admin", Method::POST, "/api/v1/operators/mira/reset".to_owned(), Value::Null),
    ];
    let scopes = ["read", "deploy", "admin"];
    let rank = |scope: &str| scopes.iter().position(|own| *own == scope).unwrap();

    for own in ["read", "deploy"] {
        let holder = server.holder(&server.token(own, own, None).await);
        for (needed, method, path, body) in &cases {
            let answer = holder.request(method.clone(), path).json(body).answer().await;

            let is_scope = answer.status == 403 && answer.code() == "scope";
            assert_eq!(is_scope, rank(needed) > rank(own), "{own}: {method} {path} {}", answer.status);
        }
    }
    let admin = server.holder(&server.token("all", "admin", None).await);
    for (_, method, path, body) in &cases {
        assert_ne!(
            admin.request(method.clone(), path).json(body).answer().await.status,
            403,
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn a_token_of_one_service_does_nothing_to_another_or_to_the_server() {
    let server = TestServer::start().await;
    let (api, web) = (server.service("api").create().await, server.service("web").create().await);
    let hook = web.hook("ci").await;
    let id = web.deploy(json!({})).await;
    let holder = server.holder(&server.token("one", "admin", Some(&api.name)).await);

    for (method, path, body) in [
        (Method::GET, "/api/v1/services/web".to_owned(), Value::Null),
        (Method::PATCH, "/api/v1/services/web".to_owned(), json!({})),
        (Method::DELETE, "/api/v1/services/web".to_owned(), Value::Null),
        (Method::GET, hook.path(), Value::Null),
        (Method::DELETE, hook.path(), Value::Null),
        (Method::POST, format!("/deployments/{id}/cancel"), json!({})),
        (Method::POST, format!("/deployments/{id}/redeploy"), json!({})),
        (Method::GET, format!("/deployments/{id}/logs"), Value::Null),
        (Method::POST, "/api/v1/services".to_owned(), json!({ "name": "new", "repository": "/x" })),
        (Method::GET, ALL.to_owned(), Value::Null),
        (Method::POST, ALL.to_owned(), json!({ "name": "more", "scope": "admin" })),
        (Method::GET, "/api/v1/audit".to_owned(), Value::Null),
        (Method::POST, "/api/v1/backup".to_owned(), Value::Null),
        (Method::POST, "/api/v1/operators".to_owned(), json!({ "name": "mira" })),
    ] {
        let answer = holder.request(method.clone(), &path).json(&body).answer().await;

        assert_eq!(answer.refusal(), (403, "scope".to_owned()), "{method} {path}");
    }
    assert_eq!(holder.patch("/api/v1/services/api", json!({ "timeout": "2h" })).await.status, 200);
    assert_eq!(server.deployment(&id).await["status"], "queued");
}

#[tokio::test]
async fn another_scheme_than_bearer_is_refused() {
    let server = TestServer::start().await;

    let request = server.anyone().request(Method::GET, "/api/v1/services").basic_auth("x", Some("y"));

    assert_eq!(request.answer().await.status, 401);
}

#[tokio::test]
async fn making_and_revoking_is_in_the_audit() {
    let server = TestServer::start().await;
    let token = server.token("ci", "deploy", None).await;
    server.admin.delete(&format!("{ALL}/ci")).await;

    let audit = server.audit().await;

    assert!(
        audit[0].contains("token.revoke | token ci")
            && audit[1].contains("token.create | token ci | scope deploy")
    );
    assert!(!audit.join("\n").contains(&token[17..]));
}

#[tokio::test]
async fn the_audit_goes_newest_first_in_pages() {
    let server = TestServer::start().await;
    for name in ["a", "b", "c"] {
        server.service(name).create().await;
    }

    let first = server.admin.get("/api/v1/audit?limit=2").await;
    let next = first.json()["next"].as_str().unwrap().to_owned();
    let second = server.admin.get(&format!("/api/v1/audit?limit=2&after={next}")).await;

    let subjects: Vec<_> =
        [first.items(), second.items()].concat().iter().map(|entry| entry["subject"].clone()).collect();
    assert_eq!(subjects, [json!("service c"), json!("service b"), json!("service a")]);
    assert_eq!(second.json()["next"], Value::Null);
}

#[tokio::test]
async fn a_token_for_one_service_does_not_learn_which_others_there_are() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    server.service("web").create().await;
    let own = server.holder(&server.token("own", "admin", Some("api")).await);

    let [there, missing] = ["web", "nothing"].map(|name| format!("/api/v1/services/{name}"));
    let (there, missing) = (own.get(&there).await, own.get(&missing).await);

    assert_eq!((there.status, there.text()), (403, missing.text()));
    assert!(there.text().contains("is for service api only"), "{}", there.text());
}

#[tokio::test]
async fn a_loop_with_a_token_is_told_when_to_come_back_and_takes_nothing_from_others() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    let (looping, other) =
        (server.token("looping", "deploy", None).await, server.token("other", "deploy", None).await);
    let server = server.restart_with(Options { token_burst: 2, ..Options::default() }).await;
    let deploy =
        async |token: &str| server.holder(token).post("/api/v1/services/api/deployments", json!({})).await;

    let [one, two, three] = [deploy(&looping).await, deploy(&looping).await, deploy(&looping).await];

    assert_eq!([one.status, two.status, three.status], [202, 202, 429]);
    assert!(three.header("retry-after").is_some_and(|seconds| seconds != "0"));
    assert_eq!(deploy(&looping).await.json()["code"], "token_budget");
    assert_eq!(deploy(&other).await.status, 202);
    assert_eq!(server.holder(&looping).get("/api/v1/services").await.status, 200);
}
