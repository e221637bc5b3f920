//! `/services/{name}/settings` and `/services/{name}/delete`.

use serde_json::Value;
use serde_json::json;

use super::*;
use crate::harness::Options;

const FIELDS: [(&str, &str); 7] = [
    ("repository", "/srv/git/api.git"),
    ("defaultBranch", "main"),
    ("executor", "local"),
    ("lfs", "true"),
    ("deployCommand", "true"),
    ("timeout", "1"),
    ("timeoutUnit", "h"),
];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let is_kept = |(name, _): &&(&str, &str)| !more.iter().any(|(own, _)| own == name);
    FIELDS.iter().filter(is_kept).chain(more).copied().collect()
}

async fn shown(server: &TestServer) -> Value {
    server.admin.get("/api/v1/services/api").await.json()
}

#[tokio::test]
async fn the_form_shows_what_is_set_and_no_value_of_a_variable() {
    let server = TestServer::start().await;
    server
        .service("api")
        .env("DATABASE_URL", "postgres://secret-value")
        .with("buildCommand", json!("make\nmake <b>\n"))
        .timeout("90s")
        .create()
        .await;

    let html = Browser::of(&server, "mira").await.page("/services/api/settings").await;

    expect(
        &html,
        &[
            "<title>Settings of api · StackBlaze</title>",
            "value=\"/srv/git/api.git\"",
            ">\nmake\nmake &#60;b&#62;\n</textarea>",
            "name=\"env.DATABASE_URL\" type=\"text\" value=\"\" placeholder=\"***\"",
            "name=\"remove.DATABASE_URL\"",
            "value=\"90\"",
            "<option value=\"s\" selected>seconds</option>",
            "href=\"/services/api/delete\"",
            "href=\"/services/api/settings\" aria-current=\"page\">General</a>",
        ],
    );
    refuse(&html, &["secret-value", "Saved."]);
}

#[tokio::test]
async fn what_is_saved_unchanged_changes_nothing() {
    let server = TestServer::start().await;
    server.service("api").env("KEY", "value").create().await;
    let browser = Browser::of(&server, "mira").await;
    let (before, acts) = (shown(&server).await, server.audit().await.len());

    let saved = place(&browser.post("/services/api/settings", &with(&[("env.KEY", ""), ("env", "")])).await);

    assert_eq!(saved, "/services/api/settings?saved");
    expect(&browser.page(&saved).await, &["<strong>Saved.</strong>"]);
    assert_eq!((shown(&server).await, server.audit().await.len()), (before, acts));
}

#[tokio::test]
async fn variables_are_set_kept_and_removed() {
    let server = TestServer::start().await;
    let env = json!({ "KEPT": "1", "SET": "2", "GONE": "3" });
    server.service("api").with("env", env).create().await;
    let browser = Browser::of(&server, "mira").await;
    let fields = with(&[
        ("env.KEPT", ""),
        ("env.SET", "new value"),
        ("env.GONE", "ignored"),
        ("remove.GONE", "true"),
        ("env.FOREIGN", "not among the variables"),
        ("env", "NEW=x=y"),
    ]);

    place(&browser.post("/services/api/settings", &fields).await);

    assert_eq!(shown(&server).await["env"], json!({ "KEPT": "***", "NEW": "***", "SET": "***" }));
    let stored =
        server.state.db().core().read(|reader| stackblaze::db::services::find_by_name(reader, "api")).await;
    let values: Vec<_> = stored.unwrap().unwrap().local.env.into_values().collect();
    assert_eq!(values, ["1", "x=y", "new value"]);
    let audit = server.audit().await;
    assert!(audit[0].contains("service.update") && !audit[0].contains("new value"), "{}", audit[0]);
}

#[tokio::test]
async fn an_error_comes_back_at_its_field_with_what_was_typed() {
    let server = TestServer::start().await;
    server.service("api").env("KEY", "value").create().await;
    let browser = Browser::of(&server, "mira").await;
    let long = "v".repeat(33_000);

    let answer = browser
        .post("/services/api/settings", &with(&[("timeout", "99"), ("buildCommand", "make all")]))
        .await;
    assert_eq!(answer.status, 400);
    expect(
        &answer.text(),
        &["<a href=\"#timeout\">Time limit: Must be between", "\nmake all</textarea>", "value=\"99\""],
    );

    let answer = browser.post("/services/api/settings", &with(&[("deployCommand", "")])).await;
    expect(
        &answer.text(),
        &["<a href=\"#deployCommand\">Deploy command: Is needed", "id=\"deployCommand-e\""],
    );

    let answer = browser.post("/services/api/settings", &with(&[("env.KEY", &long)])).await;
    expect(&answer.text(), &["<a href=\"#env.KEY\">env.KEY: A value has at most", "id=\"env.KEY-e\""]);
}

#[tokio::test]
async fn the_settings_of_the_other_executor_stay() {
    let server = TestServer::with(Options::with_cluster()).await;
    server
        .service("api")
        .with("repository", json!("https://git.example.com/acme/api.git"))
        .with("image", json!("registry.example.com/acme/api"))
        .with("workloads", json!(["shop/api"]))
        .with("buildArgs", json!({ "MODE": "fast", "OLD": "1" }))
        .with("rollback", json!(false))
        .with("buildCommand", json!("make"))
        .create()
        .await;
    let browser = Browser::of(&server, "mira").await;
    let html = browser.page("/services/api/settings").await;
    expect(&html, &["\nMODE=fast\nOLD=1</textarea>", "\nshop/api</textarea>", "value=\"tekton\" checked"]);
    refuse(&html, &["name=\"rollback\" value=\"true\" checked"]);

    let base = [("repository", "https://git.example.com/acme/api.git"), ("executor", "tekton")];
    let tekton = [
        ("image", "registry.example.com/acme/api"),
        ("workloads", "shop/api"),
        ("buildArgs", "MODE=slow"),
        ("dockerfile", ""),
    ];
    place(&browser.post("/services/api/settings", &with(&[&base[..], &tekton].concat())).await);

    let after = shown(&server).await;
    assert_eq!(after["buildArgs"], json!({ "MODE": "slow" }));
    assert_eq!((&after["dockerfile"], &after["buildCommand"]), (&json!("Dockerfile"), &json!("make")));
    let local = [base[0], ("executor", "local"), tekton[0], ("deployCommand", "./deploy.sh")];
    place(&browser.post("/services/api/settings", &with(&local)).await);
    let after = shown(&server).await;
    assert_eq!(
        (&after["executor"], &after["image"]),
        (&json!("local"), &json!("registry.example.com/acme/api"))
    );
}

#[tokio::test]
async fn a_service_whose_executor_is_gone_can_still_be_changed() {
    let server = TestServer::with(Options::with_cluster()).await;
    server.service("api").with("executor", json!("local")).create().await;
    let server = server.restart_with(Options { has_executor: false, ..Options::with_cluster() }).await;
    let browser = Browser::of(&server, "mira").await;

    place(&browser.post("/services/api/settings", &with(&[("defaultBranch", "trunk")])).await);

    let after = shown(&server).await;
    assert_eq!((&after["executor"], &after["defaultBranch"]), (&json!("local"), &json!("trunk")));
}

#[tokio::test]
async fn a_deletion_says_what_it_takes_and_asks_for_the_name() {
    let server = TestServer::start().await;
    let service = server.service("api").policy("every").create().await;
    let hook = service.hook("ci").await;
    for _ in 0..2 {
        service.deploy(json!({})).await;
    }
    let browser = Browser::of(&server, "mira").await;

    let html = browser.page("/services/api/delete").await;
    expect(
        &html,
        &[
            "1 hook, revoked at once",
            "2 deployments, to end as failed",
            "href=\"/services/api/settings\">Keep it</a>",
        ],
    );
    for typed in ["", "API", "other"] {
        let answer = browser.post("/services/api/delete", &[("confirm", typed)]).await;
        assert_eq!(answer.status, 400);
        expect(&answer.text(), &["Nothing was deleted.", "aria-invalid=\"true\""]);
    }

    let gone = place(&browser.post("/services/api/delete", &[("confirm", "api")]).await);
    expect(&browser.page(&gone).await, &["<strong>Deleted.</strong>", "No services yet"]);
    assert_eq!(server.audit().await[0], "operator mira | service.delete | service api | ");
    assert_eq!((browser.get("/services/api").await.status, hook.post("").await.status), (404, 401));
    assert_eq!(server.count("queued").await, 0);
}
