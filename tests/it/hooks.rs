//! Hooks by the management API.

use serde_json::Value;
use serde_json::json;

use crate::harness::TestServer;
use crate::harness::build::token_of;

const ALL: &str = "/api/v1/services/api/hooks";

#[tokio::test]
async fn a_new_hook_shows_its_url_once() {
    let server = TestServer::start().await;
    server.service("api").create().await;

    let made = server.admin.post(ALL, json!({ "name": "ci" })).await;
    let read = server.admin.get(&format!("{ALL}/ci")).await;
    let listed = server.admin.get(ALL).await;

    let token = token_of(&made.json());
    assert_eq!((made.status, token.len()), (201, 91));
    let mut without = made.json();
    without.as_object_mut().unwrap().shift_remove("url");
    assert_eq!((without, listed.items()), (read.json(), vec![read.json()]));
    assert!(!read.text().contains(&token) && !listed.text().contains(&token[21..]));
    let masked = read.json()["maskedUrl"].as_str().unwrap().to_owned();
    assert!(
        masked.starts_with("http://hooks.test/deploy-hooks/sbhook_••") && masked.ends_with("••"),
        "{masked}"
    );
}

#[tokio::test]
async fn a_new_hook_allows_everything() {
    let server = TestServer::start().await;
    server.service("api").create().await;

    let shown = server.admin.post(ALL, json!({ "name": "ci" })).await.json();

    assert_eq!((&shown["branches"], &shown["addresses"]), (&json!([]), &json!([])));
    assert_eq!(
        (&shown["expiresAt"], &shown["paused"], &shown["state"]),
        (&Value::Null, &Value::Null, &json!("active"))
    );
    assert_eq!((&shown["lastUsed"], &shown["callsLast30Days"]), (&Value::Null, &json!(0)));
}

#[tokio::test]
async fn what_get_gives_can_be_sent_back_and_changes_nothing() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let hook = service.hook("ci").branches(&["main", "rel/*"]).addresses(&["10.0.0.0/8"]).expires_in("90d");
    let hook = hook.paused("holidays").await;
    let before = server.admin.get(&hook.path()).await.json();

    let after = server.admin.patch(&hook.path(), before.clone()).await;

    assert_eq!((after.status, after.json()), (200, before));
}

#[tokio::test]
async fn rules_change_one_by_one() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").branches(&["main"]).expires_in("90d").await;

    hook.change(json!({ "paused": "holidays" })).await;
    hook.change(json!({ "expiresAt": "2027-01-01T00:00:00Z" })).await;

    let shown = server.admin.get(&hook.path()).await.json();
    assert_eq!((&shown["branches"], &shown["paused"]), (&json!(["main"]), &json!("holidays")));
    assert_eq!(
        (&shown["expiresAt"], &shown["state"]),
        (&json!("2027-01-01T00:00:00.000Z"), &json!("paused"))
    );
    hook.change(json!({ "expiresAt": null, "paused": null, "branches": [] })).await;
    let shown = server.admin.get(&hook.path()).await.json();
    assert_eq!(
        (&shown["expiresAt"], &shown["state"], &shown["branches"]),
        (&Value::Null, &json!("active"), &json!([]))
    );
}

#[tokio::test]
async fn an_error_names_its_field() {
    let server = TestServer::start().await;
    server.service("api").create().await;

    for (field, value) in [
        ("name", json!("a/b")),
        ("name", json!("")),
        ("branches", json!(["a b"])),
        ("branches", json!(vec!["x"; 51])),
        ("addresses", json!(["10.0.0.0/33"])),
        ("expiresAt", json!("tomorrow")),
        ("expiresIn", json!("1 year")),
        ("paused", json!("")),
    ] {
        let mut body = json!({ "name": "ci" });
        body[field] = value.clone();
        let answer = server.admin.post(ALL, body).await;

        assert_eq!((answer.status, answer.parameter()), (400, field.to_owned()), "{field} {value}");
    }
    assert_eq!(server.admin.post(ALL, json!({})).await.parameter(), "name");
    assert_eq!(server.admin.get(ALL).await.items().len(), 0);
}

#[tokio::test]
async fn a_name_is_taken_while_its_hook_lives() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let (hook, other) = (service.hook("ci").await, service.hook("other").await);

    let taken = server.admin.post(ALL, json!({ "name": "ci" })).await;
    let renamed = server.admin.patch(&other.path(), json!({ "name": "ci" })).await;
    hook.revoke().await;
    let free = server.admin.post(ALL, json!({ "name": "ci" })).await;

    assert_eq!(
        (taken.refusal(), renamed.refusal()),
        ((409, "name_taken".into()), (409, "name_taken".into()))
    );
    assert_eq!(free.status, 201);
}

#[tokio::test]
async fn a_hook_is_named_by_name_or_id() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let by_name = server.admin.get(&hook.path()).await.json();

    let by_id = server.admin.get(&format!("{ALL}/{}", by_name["id"].as_str().unwrap())).await;

    assert_eq!(by_id.json(), by_name);
    assert_eq!(server.admin.get(&format!("{ALL}/nothing")).await.refusal(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn a_hook_is_found_under_its_own_service_alone() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    server.service("web").create().await;
    let id = server.admin.get(&hook.path()).await.json()["id"].as_str().unwrap().to_owned();

    for name in [hook.name.as_str(), &id] {
        assert_eq!(server.admin.get(&format!("/api/v1/services/web/hooks/{name}")).await.status, 404);
        assert_eq!(server.admin.delete(&format!("/api/v1/services/web/hooks/{name}")).await.status, 404);
    }
    assert_eq!(hook.post("").await.status, 202);
}

#[tokio::test]
async fn a_revoked_hook_stays_listed_and_cannot_come_back() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let id = server.admin.get(&hook.path()).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("{ALL}/{id}");

    hook.revoke().await;

    let shown = server.admin.get(ALL).await.items().remove(0);
    assert_eq!((&shown["id"], &shown["state"]), (&json!(id), &json!("revoked")));
    assert_eq!(server.admin.delete(&path).await.refusal(), (409, "revoked".to_owned()));
    assert_eq!(server.admin.patch(&path, json!({ "paused": null })).await.status, 409);
    assert_eq!(server.admin.post(&format!("{path}/rotate"), json!({})).await.status, 409);
    assert_eq!(hook.post("").await.status, 401);
}

#[tokio::test]
async fn a_rotation_takes_one_of_four_overlaps_and_a_day_by_default() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;

    for (name, overlap, until) in [
        ("hook-0", json!("7d"), json!("2026-12-01T14:30:49.120Z")),
        ("hook-1", json!("1h"), json!("2026-11-24T15:30:49.120Z")),
        ("hook-2", Value::Null, json!("2026-11-25T14:30:49.120Z")),
        ("hook-3", json!("24h"), json!("2026-11-25T14:30:49.120Z")),
        ("hook-4", json!("0"), Value::Null),
    ] {
        let path = format!("{}/rotate", service.hook(name).await.path());
        let answer = server.admin.post(&path, json!({ "overlap": overlap })).await;

        assert_eq!((answer.status, &answer.json()["rotatingUntil"]), (200, &until), "{overlap}");
        assert_eq!(token_of(&answer.json()).len(), 91);
    }
    let path = format!("{}/rotate", service.hook("ci").await.path());
    for wrong in [json!("2h"), json!("forever"), json!("")] {
        assert_eq!(server.admin.post(&path, json!({ "overlap": wrong })).await.parameter(), "overlap");
    }
}

#[tokio::test]
async fn use_is_read_from_the_deployments() {
    let server = TestServer::start().await;
    let hook = server.service("api").policy("every").create().await.hook("ci").await;
    hook.post("").await;
    server.clock.advance(std::time::Duration::from_hours(31 * 24));
    let id = hook.post("").await.id();

    let shown = server.admin.get(&hook.path()).await.json();

    assert_eq!(shown["callsLast30Days"], 1);
    assert_eq!(
        (&shown["lastUsed"]["deploymentId"], &shown["lastUsed"]["caller"]),
        (&json!(id), &json!("127.0.0.0/24"))
    );
    assert_eq!(shown["lastUsed"]["at"], "2026-12-25T14:30:49.120Z");
}

#[tokio::test]
async fn a_list_goes_by_age_in_pages() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    for name in ["c", "a", "b"] {
        service.hook(name).await;
    }

    let first = server.admin.get(&format!("{ALL}?limit=2")).await;
    let next = first.json()["next"].as_str().unwrap().to_owned();
    let second = server.admin.get(&format!("{ALL}?limit=2&after={next}")).await;

    let names: Vec<_> =
        [first.items(), second.items()].concat().iter().map(|hook| hook["name"].clone()).collect();
    assert_eq!((names, &second.json()["next"]), (vec![json!("c"), json!("a"), json!("b")], &Value::Null));
    assert_eq!(server.admin.get(&format!("{ALL}?after=x")).await.parameter(), "after");
}

#[tokio::test]
async fn every_act_is_in_the_audit_and_names_no_secret() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    hook.change(json!({ "branches": ["main"], "paused": "holidays" })).await;
    let new = hook.rotate("1h").await;
    hook.revoke().await;

    let audit = server.audit().await;

    let acts: Vec<_> = audit.iter().rev().map(|line| line.split(" | ").nth(1).unwrap()).collect();
    assert_eq!(acts, ["service.create", "hook.create", "hook.update", "hook.rotate", "hook.revoke"]);
    assert!(audit[2].contains("branches: none → main; paused: none → holidays"), "{}", audit[2]);
    assert!(audit[..4].iter().all(|line| line.contains("| hook api/ci |")), "{audit:?}");
    let text = audit.join("\n");
    assert!(
        !text.contains(&hook.token[31..]) && !text.contains(&new.token[31..]) && !text.contains("sbhook_")
    );
}

#[tokio::test]
async fn a_refused_change_leaves_no_audit_row() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;
    let before = server.audit().await;

    server.admin.patch(&hook.path(), json!({ "branches": ["a b"] })).await;
    server.admin.post(ALL, json!({ "name": "ci" })).await;
    server.admin.delete(&format!("{ALL}/nothing")).await;

    assert_eq!(server.audit().await, before);
}
