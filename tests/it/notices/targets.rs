//! Targets by the management API.

use serde_json::{Value, json};

use super::{ALL, add, deploy, path_of, webhook};
use crate::harness::Options;
use crate::harness::TestServer;
use crate::harness::receiver::Receiver;

const SLACK: &str = "https://hooks.slack.com/services/T00/B00/abcdefghijklmnop";

fn told(faults: &Value) -> Vec<String> {
    let errors = faults["errors"]
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![json!({ "parameter": faults["parameter"], "detail": faults["detail"] })]);
    errors.iter().map(|one| one["parameter"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn what_get_gives_can_be_sent_back_and_changes_nothing() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    for body in [
        json!({ "kind": "webhook", "url": "https://example.com/hook", "branches": ["main"] }),
        json!({ "kind": "slack", "url": SLACK, "service": "api", "withLines": true }),
        json!({ "url": "https://github.com/you/api", "secret": "ghp_token", "requiredContexts": ["ci/test"] }),
    ] {
        let target = add(&server, body).await;
        let before = server.admin.get(&path_of(&target)).await.json();

        let after = server.admin.patch(&path_of(&target), before.clone()).await;

        assert_eq!((after.status, after.json()), (200, before.clone()));
        let mut shown = target.clone();
        shown.as_object_mut().unwrap().shift_remove("secret");
        assert_eq!(shown, before);
    }
    assert!(!server.audit().await.iter().any(|line| line.contains("target.update")));
}

#[tokio::test]
async fn a_secret_is_in_the_answer_that_makes_it_and_nowhere_else() {
    let server = TestServer::start().await;
    let made = add(&server, json!({ "kind": "webhook", "url": "https://example.com/hook" })).await;
    let forge = json!({ "url": "https://github.com/you/api", "secret": "ghp_verysecrettoken" });
    add(&server, forge).await;
    add(&server, json!({ "kind": "slack", "url": SLACK })).await;

    let secret = made["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"), "{secret}");
    let listed = server.admin.get(ALL).await.text();
    let audit = server.audit().await.join("\n");
    for hidden in [secret, "ghp_verysecrettoken", "abcdefghijklmnop"] {
        assert!(!listed.contains(hidden) && !audit.contains(hidden), "{hidden}");
    }
    let again = server.admin.patch(&path_of(&made), json!({ "secret": "ghp_other" })).await;
    assert_eq!((again.status, again.parameter()), (400, "secret".to_owned()));
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let server = TestServer::start().await;
    let post = async |body: Value| server.admin.post(ALL, body).await;

    let many = post(
        json!({ "kind": "gitea", "url": "https://git.example.com/you/api", "events": ["deployment.recovered"],
        "branches": ["a b"], "requiredContexts": ["x"], "state": "sleeping" }),
    )
    .await;
    let kinds = [
        (json!({ "kind": "webhook" }), "url"),
        (json!({ "url": "https://git.example.com/you/api" }), "kind"),
        (json!({ "kind": "irc", "url": "https://example.com" }), "kind"),
        (json!({ "kind": "webhook", "url": "https://me:pw@example.com" }), "url"),
        (json!({ "kind": "webhook", "url": "https://10.0.0.1/hook" }), "url"),
        (json!({ "kind": "webhook", "url": "https://[::1]/hook" }), "url"),
        (json!({ "kind": "webhook", "url": "https://169.254.169.254/" }), "url"),
        (json!({ "kind": "slack", "url": SLACK, "secret": "x" }), "secret"),
        (json!({ "kind": "webhook", "url": "https://example.com", "events": [] }), "events"),
        (json!({ "kind": "webhook", "url": "https://example.com", "events": ["test"] }), "events"),
    ];

    assert_eq!(told(&many.json()), ["secret", "events", "branches", "requiredContexts", "state"]);
    for (body, field) in kinds {
        let refused = post(body.clone()).await;
        assert_eq!(
            (refused.status, refused.parameter()),
            (400, field.to_owned()),
            "{body} {}",
            refused.text()
        );
    }
    let missing = post(json!({ "kind": "webhook", "url": "https://example.com", "service": "nope" })).await;
    assert_eq!(missing.refusal(), (404, "not_found".to_owned()));
    assert_eq!(server.admin.get(ALL).await.items().len(), 0);
}

#[tokio::test]
async fn an_address_that_nobody_admitted_is_refused_with_the_flag_that_would() {
    let server = TestServer::with(Options { allowed_targets: Vec::new(), ..Options::default() }).await;

    for url in ["http://127.0.0.1:9/", "http://example.com/hook", "https://localhost/hook", "https://127.1/"]
    {
        let refused = server.admin.post(ALL, json!({ "kind": "webhook", "url": url })).await;
        assert_eq!((refused.status, refused.parameter()), (400, "url".to_owned()), "{url}");
        assert!(refused.text().contains("--allow-target"), "{}", refused.text());
    }
}

#[tokio::test]
async fn one_address_is_one_target_of_a_service() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    let body = json!({ "kind": "webhook", "url": "https://example.com/hook" });
    let first = add(&server, body.clone()).await;
    let mut of_service = body.clone();
    of_service["service"] = json!("api");
    add(&server, of_service).await;

    let again = server.admin.post(ALL, body).await;
    let other = add(&server, json!({ "kind": "webhook", "url": "https://example.com/other" })).await;
    let moved = server.admin.patch(&path_of(&other), json!({ "url": "https://example.com/hook" })).await;
    let kind = server.admin.patch(&path_of(&first), json!({ "kind": "teams", "service": "api" })).await;

    assert_eq!(again.refusal(), (409, "name_taken".to_owned()));
    assert_eq!(moved.refusal(), (409, "name_taken".to_owned()));
    assert_eq!(told(&kind.json()), ["kind", "service"]);
    assert_eq!(server.admin.get(&format!("{ALL}?service=api")).await.items().len(), 1);
}

#[tokio::test]
async fn a_token_reaches_so_far_as_its_scope_and_service() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    server.service("shop").create().await;
    let url = "https://example.com/hook";
    let of_all = add(&server, json!({ "kind": "webhook", "url": url })).await;
    let of_api = add(&server, json!({ "kind": "webhook", "url": url, "service": "api" })).await;
    let api = server.holder(&server.token("api", "admin", Some("api")).await);
    let shop = server.holder(&server.token("shop", "admin", Some("shop")).await);
    let reader = server.holder(&server.token("reader", "read", None).await);

    assert_eq!(api.get(&path_of(&of_api)).await.status, 200);
    assert_eq!(api.get(&format!("{ALL}?service=api")).await.items().len(), 1);
    for refused in [
        api.get(&path_of(&of_all)).await,
        shop.get(&path_of(&of_api)).await,
        shop.get("/api/v1/targets/tgt_000000000000").await,
        api.get(ALL).await,
        api.post(ALL, json!({ "kind": "webhook", "url": "https://example.com/mine" })).await,
        reader.get(&path_of(&of_all)).await,
        reader.get(ALL).await,
        shop.delete(&path_of(&of_api)).await,
        shop.get(&format!("{}/notices", path_of(&of_api))).await,
        shop.post(&format!("{}/test", path_of(&of_api)), json!({})).await,
    ] {
        assert_eq!(refused.refusal(), (403, "scope".to_owned()));
    }
    assert_eq!(server.anyone().get(ALL).await.status, 401);
    assert_eq!(server.admin.get("/api/v1/targets/tgt_000000000000").await.status, 404);
}

#[tokio::test]
async fn the_token_of_a_forge_goes_to_no_other_host_unless_it_is_given_again() {
    let server = TestServer::start().await;
    let forge = json!({ "kind": "gitea", "url": "https://git.example.com/you/api", "secret": "token" });
    let target = add(&server, forge).await;
    let patch = async |body: Value| server.admin.patch(&path_of(&target), body).await;

    let beside = patch(json!({ "url": "https://git.example.com/you/shop" })).await;
    let elsewhere = patch(json!({ "url": "https://git.example.net/you/shop" })).await;
    let again = patch(json!({ "url": "https://git.example.net/you/shop", "secret": "other" })).await;

    assert_eq!((beside.status, again.status), (200, 200));
    assert_eq!((elsewhere.status, elsewhere.parameter()), (400, "secret".to_owned()));
}

#[tokio::test]
async fn a_test_shows_the_answer() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let target = webhook(&server, &receiver).await;
    receiver.answer_next(&["500 Broken"]);
    let path = format!("{}/test", path_of(&target));

    let (first, ()) = tokio::join!(server.admin.post(&path, json!({})), super::delivered(&server, &receiver));
    let (second, ()) =
        tokio::join!(server.admin.post(&path, json!({})), super::delivered(&server, &receiver));

    let (first, second) = (first.json(), second.json());
    assert_eq!((&first["state"], &first["lastTry"]["status"]), (&json!("given_up"), &json!(500)));
    assert_eq!((&second["state"], &second["lastTry"]["status"]), (&json!("delivered"), &json!(200)));
    assert_eq!(second["lastTry"]["answer"], json!("thanks"));
    let sent = receiver.received()[1].json();
    assert_eq!(sent["type"], json!("test"));
    // A test says nothing about whether notices arrive.
    let shown = server.admin.get(&path_of(&target)).await.json();
    assert_eq!(shown["failingSince"], Value::Null);
}

#[tokio::test]
async fn a_forge_hears_of_a_deployment_once_its_commit_is_known() {
    let (server, receiver) = (TestServer::start().await, Receiver::start());
    let service = server.service("api").create().await;
    let body = json!({ "kind": "gitea", "url": receiver.url("/you/api"), "secret": "token" });
    let target = add(&server, body).await;
    receiver.answer_always("201 Created");

    service.deploy(json!({})).await;
    server.deliver().await;
    let before = receiver.received().len();
    server.run_all().await;
    server.deliver().await;
    server
        .executor
        .next(crate::harness::scripted::Script::default().fails(stackblaze::domain::Reason::CloneFailed));
    deploy(&server, &service, json!({})).await;
    server.deliver().await;

    let requests = receiver.received();
    let states: Vec<_> =
        requests.iter().map(|one| one.json()["state"].as_str().unwrap().to_owned()).collect();
    assert_eq!((before, states), (0, vec!["pending".to_owned(), "pending".to_owned(), "success".to_owned()]));
    let head = crate::harness::scripted::HEAD;
    assert_eq!(requests[0].line, format!("POST /api/v1/repos/you/api/statuses/{head}"));
    let lines = super::told(&server, &target).await;
    assert!(lines[3..].iter().all(|line| line.ends_with("needless")) && lines.len() == 6, "{lines:?}");
}
