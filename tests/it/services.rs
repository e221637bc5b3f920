//! Services by the management API.

use serde_json::Value;
use serde_json::json;

use crate::harness::TestServer;

const ALL: &str = "/api/v1/services";
const ONE: &str = "/api/v1/services/api";

#[tokio::test]
async fn a_new_service_is_shown_as_it_will_be_read() {
    let server = TestServer::start().await;
    let repository = "https://git.example.com/acme/api.git";
    let body = json!({ "name": "api", "repository": repository, "deployCommand": "./deploy.sh" });

    let made = server.admin.post(ALL, body).await;
    let read = server.admin.get(ONE).await;

    assert_eq!((made.status, read.status), (201, 200));
    assert_eq!(made.json(), read.json());
    let mut shown = read.json();
    assert_eq!(shown["id"].as_str().unwrap().len(), 12);
    shown["id"] = json!("x");
    let expected = json!({
        "id": "x", "name": "api", "repository": "https://git.example.com/acme/api.git", "defaultBranch": "main",
        "executor": "local", "queuePolicy": "coalesce", "timeout": "1h", "settle": "10s", "url": null, "allowedImages": [],
        "submodules": false,
        "lfs": true, "history": 1, "vars": {}, "buildCommand": "",
        "deployCommand": "./deploy.sh", "env": {}, "gitTokenFile": null, "gitSshKeyFile": null, "image": null,
        "cacheRepository": null, "dockerfile": null, "context": null, "target": null, "buildArgs": null, "buildSecrets": null, "resources": null, "gitSecret": null,
        "registrySecret": null, "workloads": null, "releaseCommand": null, "releaseTimeout": null, "rollback": null, "frozen": null,
        "createdAt": "2026-11-24T14:30:49.120Z",
    });
    assert_eq!(shown, expected);
}

#[tokio::test]
async fn what_get_gives_can_be_sent_back_and_changes_nothing() {
    let server = TestServer::start().await;
    let service = server.service("api").env("KEY", "value-of-key").timeout("90m").policy("latest");
    service.with("url", json!("https://api.example.com")).create().await;
    let before = server.admin.get(ONE).await.json();

    let after = server.admin.patch(ONE, before.clone()).await;

    assert_eq!((after.status, after.json()), (200, before));
    server.service("web").create().await.deploy(json!({})).await;
    server.admin.post(&format!("{ONE}/deployments"), json!({})).await.id();
    server.run_all().await;
    let kept =
        server.executor.runs().iter().any(|run| run.service.local.env.values().any(|v| v == "value-of-key"));
    assert!(kept, "the value was not replaced by its stand-in");
}

#[tokio::test]
async fn a_change_names_only_what_changes() {
    let server = TestServer::start().await;
    server.service("api").timeout("90m").with("url", json!("https://api.example.com")).create().await;
    let before = server.admin.get(ONE).await.json();

    server.admin.patch(ONE, json!({ "queuePolicy": "every", "url": null })).await;

    let after = server.admin.get(ONE).await.json();
    let different: Vec<_> =
        before.as_object().unwrap().keys().filter(|key| before[*key] != after[*key]).collect();
    assert_eq!(different, ["queuePolicy", "url"]);
}

#[tokio::test]
async fn values_of_variables_are_taken_and_never_given_back() {
    let server = TestServer::start().await;
    let env = json!({ "A": "secret-of-a" });
    let body = json!({ "name": "api", "repository": "/x", "deployCommand": "true", "env": env });
    let made = server.admin.post(ALL, body).await;

    let changed = server.admin.patch(ONE, json!({ "env": { "B": "secret-of-b" } })).await;
    let read = server.admin.get(ONE).await;
    let listed = server.admin.get(ALL).await;

    assert_eq!(read.json()["env"], json!({ "A": "***", "B": "***" }));
    for answer in [made, changed, read, listed] {
        assert!(!answer.text().contains("secret-of"), "{}", answer.text());
    }
    let removed = server.admin.patch(ONE, json!({ "env": { "A": null } })).await;
    assert_eq!(removed.json()["env"], json!({ "B": "***" }));
}

#[tokio::test]
async fn commands_have_the_line_ends_of_a_shell_whatever_they_were_typed_on() {
    let server = TestServer::start().await;
    let typed =
        json!({ "buildCommand": "make\r\nmake test\r\n", "deployCommand": "if true\r\nthen ./deploy\r\nfi" });
    server.service("api").with("buildCommand", typed["buildCommand"].clone()).create().await;
    let made = server.admin.get(ONE).await.json();

    server.admin.patch(ONE, typed).await;

    let changed = server.admin.get(ONE).await.json();
    assert_eq!(made["buildCommand"], "make\nmake test\n");
    assert_eq!(changed["buildCommand"], "make\nmake test\n");
    assert_eq!(changed["deployCommand"], "if true\nthen ./deploy\nfi");
}

#[tokio::test]
async fn an_error_names_its_field() {
    let server = TestServer::start().await;
    server.service("taken").create().await;

    for (field, value) in [
        ("name", json!("Not A Label")),
        ("repository", json!("ext::sh -c id")),
        ("repository", json!("https://user:pass@host/x")),
        ("defaultBranch", json!("a b")),
        ("executor", json!("tekton")),
        ("queuePolicy", json!("some")),
        ("timeout", json!("1 week")),
        ("timeout", json!("0s")),
        ("url", json!("javascript:alert(1)")),
        ("buildCommand", json!("x".repeat(5_000))),
        ("gitTokenFile", json!("relative")),
    ] {
        let repository = "https://git.example.com/api.git";
        let mut body = json!({ "name": "api", "repository": repository, "deployCommand": "true" });
        body[field] = value.clone();
        let answer = server.admin.post(ALL, body).await;

        assert_eq!(answer.refusal(), (400, "invalid_parameter".to_owned()), "{field} {value}");
        assert_eq!(answer.parameter(), field, "{}", answer.text());
    }
    let env = json!({ "GIT_DIR": "x" });
    let body = json!({ "name": "api", "repository": "/x", "deployCommand": "true", "env": env });
    assert_eq!(server.admin.post(ALL, body).await.parameter(), "env.GIT_DIR");
    assert_eq!(server.admin.get(ALL).await.items().len(), 1, "nothing was stored");
}

#[tokio::test]
async fn a_missing_or_misspelled_field_is_said() {
    let server = TestServer::start().await;

    assert_eq!(server.admin.post(ALL, json!({ "repository": "/x" })).await.parameter(), "name");
    assert_eq!(server.admin.post(ALL, json!({ "name": "api" })).await.parameter(), "repository");
    let misspelled = server.admin.post(ALL, json!({ "name": "api", "repositry": "/x" })).await;
    assert!(misspelled.status == 400 && misspelled.text().contains("repositry"), "{}", misspelled.text());
    let wrong_kind = server.admin.post(ALL, json!({ "name": 7 })).await;
    assert_eq!((wrong_kind.status, wrong_kind.parameter().as_str()), (400, "name"));
}

#[tokio::test]
async fn a_name_can_be_taken_once_and_is_free_again_after_deletion() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let body = json!({ "name": "api", "repository": "/other", "deployCommand": "true" });

    let taken = server.admin.post(ALL, body.clone()).await;
    service.delete().await;
    let free = server.admin.post(ALL, body).await;

    assert_eq!(taken.refusal(), (409, "name_taken".to_owned()));
    assert_eq!(free.status, 201);
}

#[tokio::test]
async fn a_name_never_changes() {
    let server = TestServer::start().await;
    server.service("api").create().await;

    assert_eq!(server.admin.patch(ONE, json!({ "name": "web" })).await.parameter(), "name");
}

#[tokio::test]
async fn a_deleted_service_is_gone_with_its_hooks_and_its_deployments_stay() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let hook = service.hook("ci").await;
    let id = hook.post("").await.id();
    server.run_all().await;

    service.delete().await;

    assert_eq!(server.admin.get(ONE).await.refusal(), (404, "not_found".to_owned()));
    assert_eq!(server.admin.delete(ONE).await.status, 404);
    assert_eq!(hook.post("").await.status, 401);
    assert_eq!(
        (server.end_of(&id).await, &server.deployment(&id).await["service"]),
        ("succeeded".into(), &json!("api"))
    );
}

#[tokio::test]
async fn a_list_goes_by_name_in_pages() {
    let server = TestServer::start().await;
    for name in ["delta", "alpha", "charlie", "bravo", "echo"] {
        server.service(name).create().await;
    }

    let mut names = Vec::new();
    let mut path = format!("{ALL}?limit=2");
    loop {
        let page = server.admin.get(&path).await;
        assert!(page.items().len() <= 2);
        names.extend(page.items().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(next) = page.json()["next"].as_str().map(str::to_owned) else { break };
        path = format!("{ALL}?limit=2&after={next}");
    }

    assert_eq!(names, ["alpha", "bravo", "charlie", "delta", "echo"]);
}

#[tokio::test]
async fn a_limit_is_1_to_100() {
    let server = TestServer::start().await;

    for (limit, status) in [("1", 200), ("100", 200), ("0", 400), ("101", 400), ("x", 400), ("", 400)] {
        assert_eq!(server.admin.get(&format!("{ALL}?limit={limit}")).await.status, status, "{limit}");
    }
}

#[tokio::test]
async fn a_token_of_one_service_reaches_that_one_through_every_page() {
    let server = TestServer::start().await;
    for name in ["a", "b", "c", "d"] {
        server.service(name).create().await;
    }
    let holder = server.holder(&server.token("one", "read", Some("d")).await);

    let page = holder.get(&format!("{ALL}?limit=2")).await;

    let names: Vec<_> = page.items().iter().map(|item| item["name"].clone()).collect();
    assert_eq!((names, &page.json()["next"]), (vec![json!("d")], &Value::Null));
    assert!(holder.get(&format!("{ALL}?after=d")).await.items().is_empty());
    assert_eq!(holder.get("/api/v1/services/a").await.status, 403);
    assert_eq!(holder.get("/api/v1/services/d").await.status, 200);
}

#[tokio::test]
async fn a_hook_token_lists_no_services() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    assert_eq!(server.holder(&hook.token).get(ALL).await.refusal(), (403, "scope".to_owned()));
}

#[tokio::test]
async fn a_freeze_needs_a_reason_and_is_shown() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;

    for wrong in
        [json!({}), json!({ "reason": "" }), json!({ "reason": " " }), json!({ "reason": "x".repeat(501) })]
    {
        assert_eq!(server.admin.put(&format!("{ONE}/freeze"), wrong).await.parameter(), "reason");
    }
    service.freeze("migration").await;
    assert_eq!(server.admin.get(ONE).await.json()["frozen"], "migration");
    let deploy = server.admin.post(&format!("{ONE}/deployments"), json!({})).await;
    assert_eq!(deploy.refusal(), (423, "service_frozen".to_owned()));
    let thawed = server.admin.delete(&format!("{ONE}/freeze")).await;
    assert_eq!((thawed.status, &thawed.json()["frozen"]), (200, &Value::Null));
}

#[tokio::test]
async fn a_change_does_not_thaw_a_frozen_service() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    service.freeze("migration").await;

    server.admin.patch(ONE, json!({ "frozen": null, "timeout": "2h" })).await;

    assert_eq!(server.admin.get(ONE).await.json()["frozen"], "migration");
}

#[tokio::test]
async fn deploy_now_answers_like_a_hook() {
    let server = TestServer::start().await;
    server.service("api").branch("trunk").create().await;
    let path = format!("{ONE}/deployments");

    let plain = server.admin.post(&path, json!({})).await;
    let exact = server
        .admin
        .post(&path, json!({ "branch": "dev", "commit": "a".repeat(40), "clearCache": true }))
        .await;

    let keys: Vec<_> = plain.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["deploymentId", "service", "status", "branch", "dashboardUrl"]);
    assert_eq!(plain.header("location"), Some(format!("/deployments/{}", plain.id()).as_str()));
    assert_eq!((&plain.json()["branch"], &exact.json()["branch"]), (&json!("trunk"), &json!("dev")));
    assert_eq!(server.deployment(&exact.id()).await["clearCache"], true);
    for (field, value) in [("branch", json!("a b")), ("commit", json!("abc"))] {
        assert_eq!(server.admin.post(&path, json!({ field: value })).await.parameter(), field);
    }
}

#[tokio::test]
async fn deployments_are_listed_newest_first_with_filters_and_pages() {
    let server = TestServer::start().await;
    let service = server.service("api").policy("every").create().await;
    let mut ids = Vec::new();
    for branch in ["a", "b", "a", "c"] {
        ids.push(service.deploy(json!({ "branch": branch })).await);
    }
    server.admin.post(&format!("/deployments/{}/cancel", ids[0]), json!({})).await;
    ids.reverse();
    let list = |query: &str| {
        let (admin, path) = (server.admin.clone(), format!("{ONE}/deployments?{query}"));
        async move {
            let page = admin.get(&path).await;
            let id = |item: &Value| item["deploymentId"].as_str().unwrap().to_owned();
            (page.items().iter().map(id).collect::<Vec<_>>(), page.json()["next"].clone())
        }
    };

    assert_eq!(list("").await, (ids.clone(), Value::Null));
    assert_eq!(list("branch=a").await.0, [ids[1].clone(), ids[3].clone()]);
    assert_eq!(list("status=failed").await.0, [ids[3].clone()]);
    let (page, next) = list("limit=3").await;
    assert_eq!((page, next.as_str()), (ids[..3].to_vec(), Some(ids[2].as_str())));
    assert_eq!(list(&format!("limit=3&after={}", ids[2])).await, (vec![ids[3].clone()], Value::Null));
    assert_eq!(server.admin.get(&format!("{ONE}/deployments?status=done")).await.parameter(), "status");
}

#[tokio::test]
async fn every_act_is_in_the_audit_and_says_what_changed() {
    let server = TestServer::start().await;
    let service = server.service("api").env("KEY", "value-of-key").create().await;
    server.admin.patch(ONE, json!({ "queuePolicy": "every", "env": { "KEY": "other-value" } })).await;
    service.freeze("migration").await;
    server.admin.delete(&format!("{ONE}/freeze")).await;
    service.deploy(json!({ "branch": "dev" })).await;
    service.delete().await;

    let audit = server.audit().await;

    let acts: Vec<_> = audit.iter().rev().map(|line| line.split(" | ").nth(1).unwrap()).collect();
    let expected = [
        "service.create",
        "service.update",
        "service.freeze",
        "service.unfreeze",
        "service.deploy",
        "service.delete",
    ];
    assert_eq!(acts, expected);
    assert!(
        audit.iter().all(|line| line.starts_with("token admin") && line.contains("| service api |")),
        "{audit:?}"
    );
    assert!(
        audit[4].contains("queuePolicy: coalesce → every") && audit[3].contains("migration"),
        "{audit:?}"
    );
    assert!(!audit.join("\n").contains("value"), "{audit:?}");
}

/// Who sends back what an answer showed changes nothing; who means to freeze is told how.
#[tokio::test]
async fn a_freeze_is_no_field_of_a_change() {
    let server = TestServer::start().await;
    server.service("api").create().await;

    let asked = server.admin.patch(ONE, json!({ "frozen": "migration" })).await;
    let same = server.admin.patch(ONE, json!({ "frozen": null, "timeout": "2h" })).await;
    server.admin.put(&format!("{ONE}/freeze"), json!({ "reason": "migration" })).await;
    let back = server.admin.patch(ONE, json!({ "frozen": "migration", "timeout": "3h" })).await;
    let lifted = server.admin.patch(ONE, json!({ "frozen": null })).await;

    assert_eq!(
        (asked.status, asked.parameter(), same.status, back.status),
        (400, "frozen".to_owned(), 200, 200)
    );
    assert!(asked.text().contains("PUT and DELETE of /api/v1/services/api/freeze"), "{}", asked.text());
    assert_eq!(lifted.status, 400);
}
