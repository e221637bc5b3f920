//! What an accepted call is told.

use reqwest::Method;
use serde_json::json;

use crate::harness::TestServer;
use crate::harness::http::Send as _;
use crate::harness::server::BEGINNING;

#[tokio::test]
async fn the_body_has_the_five_keys_in_their_order_and_nothing_else() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let answer = hook.post("branch=dev").await;

    let id = answer.id();
    let expected = format!(
        "{{\"deploymentId\":\"{id}\",\"service\":\"api\",\"status\":\"queued\",\"branch\":\"dev\",\
         \"dashboardUrl\":\"http://dashboard.test/deploys/{id}\"}}\n"
    );
    assert_eq!(answer.text(), expected);
}

#[tokio::test]
async fn everything_else_is_a_header() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let answer = hook.call(Method::POST, "").header("x-request-id", "ci-42").answer().await;

    let id = answer.id();
    let link = format!("</deployments/{id}/logs>; rel=\"logs\", </deployments/{id}/wait>; rel=\"wait\"");
    let header = |name| answer.header(name);
    assert_eq!(header("location"), Some(format!("/deployments/{id}").as_str()));
    assert_eq!(header("link"), Some(link.as_str()));
    assert_eq!((header("retry-after"), header("x-request-id")), (Some("5"), Some("ci-42")));
    assert_eq!(
        (header("content-type"), header("cache-control")),
        (Some("application/json"), Some("no-store"))
    );
    for absent in
        ["idempotency-replayed", "deployment-coalesced", "ignored-parameters", "deprecation", "sunset"]
    {
        assert_eq!(header(absent), None, "{absent}");
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let (one, other) = (hook.post("").await, hook.post("").await);

    assert!(one.header("x-request-id").unwrap().starts_with("req_"));
    assert_ne!(one.header("x-request-id"), other.header("x-request-id"));
}

#[tokio::test]
async fn an_id_is_eight_digits_of_time_and_twelve_drawn_anew() {
    let server = TestServer::start().await;
    let hook = server.service("api").policy("every").create().await.hook("ci").await;

    let (one, other) = (hook.post("").await.id(), hook.post("").await.id());

    let digits = one.strip_prefix("dep_").unwrap();
    assert!(
        digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
        "{one}"
    );
    assert_eq!(i64::from_str_radix(&digits[..8], 36).unwrap(), BEGINNING.as_millis());
    assert!(one[..12] == other[..12] && one[12..] != other[12..], "{one} {other}");
}

#[tokio::test]
async fn an_accepted_call_is_stored_before_it_is_answered() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let id = hook.post("branch=dev&clear_cache").await.id();

    let sql =
        format!("SELECT count(*) FROM deployments WHERE id = '{id}' AND status = 'queued' AND clear_cache");
    assert_eq!(server.rows(&sql).await, 1);
}

#[tokio::test]
async fn the_urls_come_from_the_settings_and_never_from_the_request() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let request = hook.call(Method::POST, "").header("host", "evil.test");
    let answer =
        request.header("x-forwarded-host", "evil.test").header("x-forwarded-proto", "https").answer().await;

    assert_eq!(answer.status, 202);
    assert!(!answer.text().contains("evil.test") && !answer.header("location").unwrap().contains("evil"));
    assert!(answer.text().contains("http://dashboard.test/"));
}

#[tokio::test]
async fn the_token_works_as_a_bearer_token_too() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let holder = server.holder(&hook.token);
    let answer = holder.request(Method::POST, "/deploy-hooks?branch=dev").answer().await;

    assert_eq!(answer.json()["branch"], "dev");
    assert_eq!(server.count("queued").await, 1);
}

#[tokio::test]
async fn the_same_token_in_url_and_header_is_fine_and_another_is_refused() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let (hook, other) = (service.hook("ci").await, service.hook("other").await);

    let same = hook.call(Method::POST, "").bearer_auth(&hook.token).answer().await;
    let different = hook.call(Method::POST, "").bearer_auth(&other.token).answer().await;

    assert_eq!(same.status, 202);
    assert_eq!(different.refusal(), (400, "invalid_parameter".to_owned()));
    assert_eq!(different.parameter(), "Authorization");
    assert_eq!(server.count("queued").await, 1);
}

#[tokio::test]
async fn a_trailing_slash_is_served_and_not_redirected() {
    let server = TestServer::start().await;
    let hook = server.service("api").policy("every").create().await.hook("ci").await;

    let slash =
        server.anyone().request(Method::POST, &format!("/deploy-hooks/{}/", hook.token)).answer().await;
    let header = server.holder(&hook.token).request(Method::POST, "/deploy-hooks/").answer().await;

    assert_eq!((slash.status, header.status), (202, 202));
    assert_eq!(server.count("queued").await, 2);
}

#[tokio::test]
async fn nothing_under_deploy_hooks_ever_redirects() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    for tail in ["", "/", "//", "/x", "/./", "/%2F", "/.."] {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "OPTIONS", "DELETE"] {
            let target = format!("/deploy-hooks/{}{tail}", hook.token.replace("sbhook", "sbhOok"));
            let request = format!("{method} {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
            let status = server.raw(&request).await.split(' ').nth(1).unwrap().to_owned();
            assert!(!status.starts_with('3'), "{method} {tail} {status}");
        }
    }
}

#[tokio::test]
async fn the_deployment_remembers_who_called_and_what_was_ignored() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let call = hook.call(Method::POST, "brach=dev").header("user-agent", "ci/1.0").answer().await;

    let path = format!("/deployments/{}", call.id());
    let shown = server.admin.get(&path).await.json();
    assert_eq!((&shown["hook"], &shown["caller"]), (&json!("ci"), &json!("127.0.0.0/24, ci/1.0")));
    assert_eq!(shown["ignoredParameters"], json!(["brach"]));
}

#[tokio::test]
async fn an_address_is_the_same_however_its_letters_are_written() {
    let server = TestServer::start().await;
    let hook = server.service("api").policy("every").create().await.hook("ci").await;
    let address = |token: &str| format!("/deploy-hooks/{token}");
    let post = async |path: String| server.anyone().request(Method::POST, &path).answer().await.status;

    assert_eq!(post(address(&hook.token.replace('_', "%5F"))).await, 202);
    assert_eq!(post(address(&hook.token.replace('_', "%5f"))).await, 202);
    assert_eq!(post(address(&format!("{}%0A", hook.token))).await, 401);
    let id = hook.post("").await.id();
    let slashes = server.admin.get(&format!("/deployments/{id}/")).await;
    assert_eq!((slashes.status, slashes.json()["deploymentId"].as_str()), (200, Some(id.as_str())));
}

#[tokio::test]
async fn a_trace_goes_on_by_a_valid_header_and_any_other_means_nothing() {
    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let hook = service.hook("ci").await;
    let kept = async |id: &str| {
        let own = stackblaze::domain::DeploymentId::parse(id).unwrap();
        let find = move |reader: &stackblaze::db::Reader<'_>| stackblaze::db::deployments::find(reader, &own);
        server.state.db().core().read(find).await.unwrap().unwrap().traceparent
    };

    let sent = |branch: &str| hook.call(Method::POST, &format!("branch={branch}"));
    let good = sent("one").header("traceparent", PARENT).answer().await.id();
    let plain = sent("two").answer().await.id();
    let wrong = sent("three").header("traceparent", PARENT.to_uppercase()).answer().await.id();
    let twice = sent("four").header("traceparent", PARENT).header("traceparent", PARENT).answer().await.id();
    let path = format!("{}/deployments", service.path());
    let by_token = server.admin.request(Method::POST, &path).header("traceparent", PARENT);
    let by_token = by_token.json(&json!({ "branch": "five" })).answer().await.id();

    assert_eq!(kept(&good).await.as_deref(), Some(PARENT));
    assert_eq!(kept(&by_token).await.as_deref(), Some(PARENT));
    for id in [plain, wrong, twice] {
        assert_eq!(kept(&id).await, None);
    }
}
