//! `/services/new`.

use serde_json::json;

use super::*;
use crate::harness::Options;

const LOCAL: [(&str, &str); 7] = [
    ("name", "api"),
    ("repository", "/srv/git/api.git"),
    ("defaultBranch", "trunk"),
    ("executor", "local"),
    ("deployCommand", "true"),
    ("timeout", "90"),
    ("timeoutUnit", "m"),
];
const TEKTON: [(&str, &str); 9] = [
    ("name", "api"),
    ("repository", "https://git.example.com/acme/api.git"),
    ("defaultBranch", "main"),
    ("executor", "tekton"),
    ("image", "registry.example.com/acme/api"),
    ("dockerfile", "Dockerfile"),
    ("context", "."),
    ("timeout", "30"),
    ("timeoutUnit", "m"),
];

fn with<'a>(base: &[(&'a str, &'a str)], more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let is_kept = |(name, _): &&(&str, &str)| !more.iter().any(|(own, _)| own == name);
    base.iter().filter(is_kept).chain(more).copied().collect()
}

#[tokio::test]
async fn the_form_has_the_fields_of_the_executors_that_are_there() {
    let server = TestServer::start().await;
    let html = Browser::of(&server, "mira").await.page("/services/new").await;
    expect(
        &html,
        &[
            "id=\"name\"",
            "id=\"buildCommand\"",
            "stored in clear",
            "value=\"main\"",
            "<input type=\"hidden\" name=\"executor\" value=\"local\">",
            "value=\"coalesce\" checked",
        ],
    );
    refuse(&html, &["id=\"workload\"", "aria-invalid", "name=\"executor\" value=\"tekton\""]);

    let server = TestServer::with(Options::with_cluster()).await;
    let html = Browser::of(&server, "mira").await.page("/services/new").await;
    expect(
        &html,
        &[
            "name=\"executor\" value=\"tekton\" checked",
            "name=\"executor\" value=\"local\">",
            "id=\"image\"",
            "id=\"workloads\"",
            "id=\"buildArgs\"",
            "id=\"gitSecret\"",
            "id=\"registrySecret\"",
            "id=\"cacheRepository\"",
            "name=\"rollback\" value=\"true\" checked",
            "id=\"deployCommand\"",
        ],
    );

    let server = TestServer::with(Options { has_executor: false, ..Options::with_cluster() }).await;
    refuse(
        &Browser::of(&server, "mira").await.page("/services/new").await,
        &["id=\"buildCommand\"", "id=\"env\""],
    );
}

#[tokio::test]
async fn a_service_of_this_host_is_made_as_typed() {
    let server = TestServer::start().await;
    let browser = Browser::of(&server, "mira").await;
    let more = [
        ("buildCommand", "make\r\nmake test\r\n"),
        ("deployCommand", "./deploy.sh"),
        ("env", "KEY=first=value\r\n\r\nEMPTY="),
        ("queuePolicy", "latest"),
        ("url", "https://api.example.com"),
    ];

    let made = place(&browser.post("/services", &with(&LOCAL, &more)).await);

    assert_eq!(made, "/services/api");
    let shown = server.admin.get("/api/v1/services/api").await.json();
    assert_eq!(shown["buildCommand"], "make\nmake test");
    assert_eq!((&shown["defaultBranch"], &shown["timeout"]), (&json!("trunk"), &json!("90m")));
    assert_eq!((&shown["queuePolicy"], &shown["url"]), (&json!("latest"), &json!("https://api.example.com")));
    assert_eq!(shown["env"], json!({ "EMPTY": "***", "KEY": "***" }));
    assert_eq!(
        server.audit().await[0],
        "operator mira | service.create | service api | /srv/git/api.git, branch trunk"
    );
}

#[tokio::test]
async fn a_service_of_a_cluster_is_made_as_typed() {
    let server = TestServer::with(Options::with_cluster()).await;
    let browser = Browser::of(&server, "mira").await;
    let more = [
        ("workloads", "shop/api/web\r\n\r\ncronjob:shop/bill"),
        ("buildArgs", "MODE=fast\r\nLEVEL=2"),
        ("target", "release"),
        ("buildSecrets", "npm=npm-token/token"),
        ("resources", "build.limits.memory=4Gi\nclone.requests.cpu=500m"),
        ("gitSecret", "acme-git"),
        ("cacheRepository", "none"),
        ("buildCommand", "this belongs to the other executor"),
    ];

    place(&browser.post("/services", &with(&TEKTON, &more)).await);

    let shown = server.admin.get("/api/v1/services/api").await.json();
    assert_eq!(shown["workloads"], json!(["shop/api/web", "cronjob:shop/bill"]));
    assert_eq!(shown["buildArgs"], json!({ "MODE": "fast", "LEVEL": "2" }));
    assert_eq!(shown["buildSecrets"], json!({ "npm": "npm-token/token" }));
    assert_eq!(shown["resources"], json!({ "build.limits.memory": "4Gi", "clone.requests.cpu": "500m" }));
    assert_eq!(shown["target"], "release");
    assert_eq!((&shown["gitSecret"], &shown["registrySecret"]), (&json!("acme-git"), &json!(null)));
    assert_eq!((&shown["cacheRepository"], &shown["rollback"]), (&json!("none"), &json!(false)));
    assert_eq!(shown["buildCommand"], "");
}

/// The form, the field that is wrong, what stands in it, and what is said about it.
type Wrong = (&'static [(&'static str, &'static str)], &'static str, &'static str, &'static str);
const WRONG: [Wrong; 33] = [
    (&LOCAL, "name", "API", "Name: A service"),
    (&LOCAL, "name", "new", "Name: &#34;new&#34; is the address"),
    (&LOCAL, "repository", "", "Repository: "),
    (&LOCAL, "repository", "ext::sh -c x", "Repository: Must not contain blanks"),
    (&LOCAL, "defaultBranch", "", "Default branch: Is missing"),
    (&LOCAL, "defaultBranch", "a b", "Default branch: "),
    (&LOCAL, "url", "javascript:alert(1)", "Address: Must be an http or https URL."),
    (&LOCAL, "timeout", "0", "Time limit: Must be between"),
    (&LOCAL, "timeout", "1.5", "Time limit: "),
    (&LOCAL, "executor", "moon", "Where it builds: "),
    (&LOCAL, "queuePolicy", "some", "When calls pile up: "),
    (&LOCAL, "deployCommand", "", "Deploy command: Is needed, since it puts"),
    (&LOCAL, "deployCommand", " \r\n", "Deploy command: Is needed, since it puts"),
    (&LOCAL, "gitTokenFile", "/token", "Git token file: Works with an https or http repository only."),
    (&LOCAL, "gitSshKeyFile", "/key", "Git key file: Works with an ssh repository only."),
    (&LOCAL, "env", "KEY", "Variables: Line 1 has no =; write NAME=value."),
    (&LOCAL, "env", "1KEY=x", "Variables: 1KEY: A variable"),
    (&LOCAL, "env", "KEY=***", "Variables: KEY: *** stands"),
    (&TEKTON, "image", "", "Image: Is missing"),
    (&TEKTON, "image", "app", "Image: Must begin with its registry"),
    (&TEKTON, "workloads", "", "Workloads: Is missing"),
    (&TEKTON, "workloads", "shop/api\r\napi", "Workloads: &#34;api&#34; is not [KIND:]NAMESPACE/NAME"),
    (&TEKTON, "workloads", "Shop/api", "Workloads: &#34;Shop/api&#34; has a namespace that is not 1 to 63"),
    (&TEKTON, "dockerfile", "../x", "Dockerfile: "),
    (&TEKTON, "context", "/x", "Folder: "),
    (&TEKTON, "buildArgs", "A-B=1", "Build arguments: A-B: "),
    (&TEKTON, "buildSecrets", "npm=token", "Build secrets: npm: "),
    (&TEKTON, "resources", "build.limits.memory=lots", "Resources of steps: build.limits.memory: "),
    (&TEKTON, "target", "a b", "Stage: "),
    (&TEKTON, "gitSecret", "A b", "Git secret: "),
    (&TEKTON, "registrySecret", "A b", "Registry secret: "),
    (&TEKTON, "cacheRepository", "x", "Cache: "),
    (&LOCAL, "name", HOSTILE, "Name: "),
];

#[tokio::test]
async fn each_error_leads_to_its_field_and_keeps_what_was_typed() {
    let server = TestServer::with(Options::with_cluster()).await;
    let browser = Browser::of(&server, "mira").await;

    for (base, field, value, says) in WRONG {
        let with_workload = if field == "workloads" { vec![] } else { vec![("workloads", "shop/api")] };
        let fields = with(&with(base, &with_workload), &[(field, value)]);

        let answer = browser.post("/services", &fields).await;

        assert_eq!(answer.status, 400, "{field}={value}: {}", answer.text());
        let html = answer.text().replace("&#39;", "'");
        let kept = if field == "name" { "value=\"main\"" } else { "value=\"api\"" };
        let kept = if field == "name" && base.len() == LOCAL.len() { "value=\"trunk\"" } else { kept };
        let link = format!("<a href=\"#{field}\">{says}");
        expect(&html, &["New service: 1 thing to fix", &link, &format!("id=\"{field}\""), kept]);
        if !["executor", "queuePolicy"].contains(&field) {
            let told = format!("aria-invalid=\"true\" aria-describedby=\"{field}-e");
            expect(&html, &[&told, &format!("id=\"{field}-e\"")]);
        }
        assert_eq!(html.matches("<script").count(), 1);
    }
    assert_eq!(server.admin.get("/api/v1/services").await.items().len(), 0);
}

/// Seven wrong fields are told at once, each a link, and where the focus begins.
#[tokio::test]
async fn all_errors_of_a_form_are_told_at_once() {
    let server = TestServer::with(Options::with_cluster()).await;
    let browser = Browser::of(&server, "mira").await;
    let wrong = [
        ("name", "API"),
        ("repository", "ext::sh"),
        ("defaultBranch", ""),
        ("url", "ftp://x"),
        ("queuePolicy", "some"),
        ("timeout", "0"),
        ("env", "KEY"),
        ("vars", "1=x\nOK=1"),
        ("deployCommand", ""),
    ];

    let answer = browser.post("/services", &with(&LOCAL, &wrong)).await;

    let html = answer.text();
    assert_eq!(answer.status, 400);
    expect(
        &html,
        &["New service: 9 things to fix", "id=\"errors\" role=\"alert\" tabindex=\"-1\" autofocus"],
    );
    for (field, _) in wrong {
        expect(&html, &[&format!("<li><a href=\"#{field}\">"), &format!("id=\"{field}\"")]);
    }
    let body = json!({
        "name": "API", "repository": "ext::sh", "defaultBranch": "a b", "url": "ftp://x", "queuePolicy": "some",
        "timeout": "0s", "executor": "tekton", "image": "app", "workloads": ["A/b"],
        "dockerfile": "../x", "target": "-x", "resources": { "x": "1", "build.limits.cpu": "lots" },
    });
    let refused = server.admin.post("/api/v1/services", body).await.json();
    let named: Vec<_> =
        refused["errors"].as_array().unwrap().iter().map(|one| one["parameter"].as_str().unwrap()).collect();
    assert_eq!(
        named,
        [
            "name",
            "repository",
            "defaultBranch",
            "queuePolicy",
            "image",
            "workloads.0",
            "resources.build.limits.cpu",
            "resources.x",
            "timeout",
            "url",
        ]
    );
}

#[tokio::test]
async fn a_name_that_is_taken_is_said_at_the_name() {
    let server = TestServer::start().await;
    server.service("api").create().await;
    let browser = Browser::of(&server, "mira").await;

    let answer = browser.post("/services", &with(&LOCAL, &[("env", "TOKEN=typed")])).await;

    assert_eq!(answer.status, 409);
    expect(
        &answer.text(),
        &[
            "<a href=\"#name\">Name: There is a service api already.",
            "\nTOKEN=typed</textarea>",
            "value=\"trunk\"",
        ],
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"), "what was typed stays nowhere");
}
