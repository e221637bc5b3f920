//! Every refusal of the contract as a CI job meets it: curl in the documented form, its exit code, and a problem that a
//! program can read.

use std::time::Duration;

use reqwest::Method;

use crate::harness::Hook;
use crate::harness::Options;
use crate::harness::TestServer;
use crate::harness::curl;
use crate::harness::curl::Curl;
use crate::harness::http::Send as _;

/// What curl says where `--fail-with-body` met a status of 400 or more.
const HTTP_ERROR: i32 = 22;

async fn post(url: &str) -> Curl {
    curl(&["-X", "POST", url]).await
}

/// Exit code 22, and a body as RFC 9457 has it.
fn assert_refused(answer: &Curl, status: u16, code: &str, parameter: Option<&str>) {
    assert_eq!(answer.exit_code, HTTP_ERROR, "{answer:?}");
    let problem = answer.json();
    let mut expected = vec!["type", "title", "status", "detail", "code"];
    expected.extend(parameter.map(|_| "parameter"));
    assert_eq!(problem.as_object().unwrap().keys().collect::<Vec<_>>(), expected);
    assert_eq!((problem["status"].as_u64(), problem["code"].as_str()), (Some(status.into()), Some(code)));
    assert_eq!(problem["parameter"].as_str(), parameter);
    assert_eq!(problem["type"], format!("/problems/{}", code.replace('_', "-")));
    let detail = problem["detail"].as_str().unwrap();
    assert!(!detail.is_empty() && !detail.ends_with('.') && !detail.contains("sbhook_"), "{detail}");
    assert!(answer.said.contains(&status.to_string()), "curl says the status: {}", answer.said);
}

async fn hook(server: &TestServer) -> Hook {
    server.service("api").create().await.hook("ci").await
}

#[tokio::test]
async fn an_accepted_call_ends_curl_with_zero() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    let answer = post(&hook.url()).await;

    assert_eq!((answer.exit_code, answer.said.as_str()), (0, ""));
    assert_eq!(answer.json()["status"], "queued");
}

#[tokio::test]
async fn a_wrong_token_is_refused() {
    let server = TestServer::start().await;

    let answer = post(&server.anyone().url("/deploy-hooks/sbhook_wrong")).await;

    assert_refused(&answer, 401, "unknown_hook", None);
    assert_eq!(answer.json()["detail"], "unknown, cut, revoked or expired hook URL");
}

/// A token of the same shape that the server key never made, with a right checksum.
fn forged(token: &str) -> String {
    let key = stackblaze::domain::TokenKey::generate();
    let service = stackblaze::domain::ServiceId::parse(&token[7..19]).unwrap();
    let hook = stackblaze::domain::HookId::parse(&token[21..31]).unwrap();
    stackblaze::domain::HookToken::mint(&key, &service, &hook).reveal().to_owned()
}

#[tokio::test]
async fn all_tokens_that_open_nothing_get_the_same_answer() {
    let server = TestServer::start().await;
    let (api, gone) = (server.service("api").create().await, server.service("gone").create().await);
    let (live, revoked) = (api.hook("ci").await, api.hook("old").await);
    let (expired, orphan) = (api.hook("short").expires_in("1h").await, gone.hook("ci").await);
    let rotated = api.hook("rotated").await;
    rotated.rotate("0").await;
    let unknown = {
        let key = server.state.context().key();
        let service = stackblaze::domain::ServiceId::generate();
        stackblaze::domain::HookToken::mint(key, &service, &stackblaze::domain::HookId::generate())
    };
    revoked.revoke().await;
    gone.delete().await;
    server.clock.advance(Duration::from_hours(1));
    let cut = live.token[..90].to_owned();

    let mut answers = Vec::new();
    for token in [
        "",
        "x",
        "sbhook_",
        &cut,
        &format!("{}x", live.token),
        &live.token.to_uppercase(),
        &forged(&live.token),
        unknown.reveal(),
        &revoked.token,
        &expired.token,
        &orphan.token,
        &rotated.token,
        "%C3%B6",
    ] {
        let path = format!("/deploy-hooks/{token}");
        for method in [Method::POST, Method::DELETE] {
            let answer = server.anyone().request(method, &path).answer().await;
            answers.push(answer.without_request_id());
        }
    }

    assert_eq!(answers[0].0, 401);
    let headers = &answers[0].1;
    assert!(
        headers.contains(&("www-authenticate".into(), "Bearer realm=\"deploy-hooks\"".into())),
        "{headers:?}"
    );
    assert!(headers.contains(&("cache-control".into(), "no-store".into())));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:#?}");
    assert_eq!(server.rows("SELECT count(*) FROM deployments").await, 0);
}

#[tokio::test]
async fn a_refused_call_without_any_token_is_the_same_401() {
    let server = TestServer::start().await;

    assert_refused(&post(&server.anyone().url("/deploy-hooks")).await, 401, "unknown_hook", None);
}

#[tokio::test]
async fn another_method_is_refused() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;

    for method in ["GET", "PUT", "PATCH"] {
        assert_refused(&curl(&["-X", method, &hook.url()]).await, 405, "method_not_allowed", None);
    }
}

#[tokio::test]
async fn a_bad_branch_is_refused() {
    let server = TestServer::start().await;
    let url = format!("{}?branch=my%20branch", hook(&server).await.url());

    assert_refused(&post(&url).await, 400, "invalid_parameter", Some("branch"));
}

#[tokio::test]
async fn a_bad_commit_is_refused() {
    let server = TestServer::start().await;
    let url = format!("{}?commit=main", hook(&server).await.url());

    assert_refused(&post(&url).await, 400, "invalid_parameter", Some("commit"));
}

#[tokio::test]
async fn a_bad_parameter_is_refused() {
    let server = TestServer::start().await;
    let url = format!("{}?clear_cache=perhaps", hook(&server).await.url());

    assert_refused(&post(&url).await, 400, "invalid_parameter", Some("clear_cache"));
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;
    let file = server.dir().join("large");
    std::fs::write(&file, vec![b'x'; 1024 * 1024 + 1]).unwrap();
    let data = format!("@{}", file.display());

    let answer = curl(&["-X", "POST", "--data-binary", &data, &hook.url()]).await;

    assert_refused(&answer, 413, "body_too_large", None);
}

#[tokio::test]
async fn a_branch_that_the_hook_may_not_deploy_is_refused() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").branches(&["main"]).await;

    assert_refused(&post(&format!("{}?branch=dev", hook.url())).await, 403, "branch_not_allowed", None);
}

#[tokio::test]
async fn a_caller_from_elsewhere_is_refused() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").addresses(&["203.0.113.7"]).await;

    assert_refused(&post(&hook.url()).await, 403, "address_not_allowed", None);
}

#[tokio::test]
async fn a_frozen_service_is_refused_with_the_reason() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let hook = service.hook("ci").await;
    service.freeze("database migration until noon").await;

    let answer = post(&hook.url()).await;

    assert_refused(&answer, 423, "service_frozen", None);
    assert!(answer.json()["detail"].as_str().unwrap().contains("database migration until noon"));
}

#[tokio::test]
async fn a_paused_hook_is_refused_with_the_reason() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").paused("contractor left").await;

    let answer = post(&hook.url()).await;

    assert_refused(&answer, 423, "hook_paused", None);
    assert!(answer.json()["detail"].as_str().unwrap().contains("contractor left"));
}

#[tokio::test]
async fn a_key_with_other_parameters_is_refused() {
    let server = TestServer::start().await;
    let url = hook(&server).await.url();
    let key = "Idempotency-Key: run-7-1";

    let first = curl(&["-X", "POST", "-H", key, &url]).await;
    let other = curl(&["-X", "POST", "-H", key, &format!("{url}?branch=dev")]).await;

    assert_eq!(first.exit_code, 0);
    assert_refused(&other, 422, "idempotency_key_reused", None);
}

/// The value of `Retry-After` that curl was given.
async fn retry_after(url: &str) -> u32 {
    let answer = curl(&["-X", "POST", "-D", "-", url]).await;
    let line = answer
        .body
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("retry-after: ").map(str::to_owned));
    line.unwrap_or_else(|| panic!("no Retry-After in {}", answer.body)).trim().parse().unwrap()
}

#[tokio::test]
async fn a_call_over_budget_is_refused_with_a_time_to_come_back() {
    let server = TestServer::with(Options { hook_rate: 1, hook_burst: 1, ..Options::default() }).await;
    let url = hook(&server).await.url();
    post(&url).await;

    assert_refused(&post(&url).await, 429, "hook_budget", None);
    assert!((1..=61).contains(&retry_after(&url).await));
}

#[tokio::test]
async fn a_full_queue_is_refused_with_a_time_to_come_back() {
    let server = TestServer::with(Options { queue_limit: 1, ..Options::default() }).await;
    let url = hook(&server).await.url();
    post(&url).await;
    let other = format!("{url}?branch=dev");

    assert_refused(&post(&other).await, 429, "queue_full", None);
    assert!(retry_after(&other).await > 0);
}

#[tokio::test]
async fn a_nearly_full_disk_is_refused_with_a_time_to_come_back() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;
    let server = server.restart_with(Options { min_free_bytes: u64::MAX / 4, ..Options::default() }).await;
    let url = server.anyone().url(&format!("/deploy-hooks/{}", hook.token));

    assert_refused(&post(&url).await, 503, "disk_nearly_full", None);
    assert_eq!(retry_after(&url).await, 60);
}

#[tokio::test]
async fn an_executor_that_is_gone_is_refused_with_a_time_to_come_back() {
    let server = TestServer::start().await;
    let hook = hook(&server).await;
    let server = server.restart_with(Options { has_executor: false, ..Options::default() }).await;
    let url = server.anyone().url(&format!("/deploy-hooks/{}", hook.token));

    assert_refused(&post(&url).await, 503, "executor_unavailable", None);
    assert_eq!(retry_after(&url).await, 60);
}

#[tokio::test]
async fn a_database_that_another_program_holds_is_refused_with_a_time_to_come_back() {
    let server = TestServer::start().await;
    let url = hook(&server).await.url();
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE;
    let file = rusqlite::Connection::open_with_flags(server.dir().join("core.db"), flags).unwrap();
    file.execute_batch("BEGIN EXCLUSIVE").unwrap();

    let (answer, seconds) = tokio::join!(post(&url), retry_after(&url));
    file.execute_batch("ROLLBACK").unwrap();

    assert_refused(&answer, 503, "database_unavailable", None);
    assert!(seconds > 0);
    assert_eq!(post(&url).await.exit_code, 0);
    assert_eq!(server.count("queued").await, 1);
}
