//! Only POST and DELETE act, so that a link preview cannot deploy.

use reqwest::Method;

use crate::harness::Options;
use crate::harness::TestServer;
use crate::harness::http::Send as _;

const ALLOW: &str = "POST, DELETE, OPTIONS";

fn others() -> Vec<Method> {
    vec![
        Method::GET,
        Method::HEAD,
        Method::PUT,
        Method::PATCH,
        Method::TRACE,
        Method::from_bytes(b"JUMP").unwrap(),
    ]
}

#[tokio::test]
async fn other_methods_get_405_and_deploy_nothing() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    for method in others() {
        let answer = hook.call(method.clone(), "branch=dev").answer().await;

        assert_eq!((answer.status, answer.header("allow")), (405, Some(ALLOW)), "{method}");
        if method != Method::HEAD {
            assert_eq!(answer.code(), "method_not_allowed");
        }
    }
    assert_eq!(server.rows("SELECT count(*) FROM deployments").await, 0);
    assert_eq!(hook.calls().await, []);
}

#[tokio::test]
async fn the_answer_to_other_methods_tells_nothing_of_the_token() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let (hook, revoked) = (service.hook("ci").await, service.hook("old").await);
    revoked.revoke().await;

    for method in others() {
        let path = |token: &str| format!("/deploy-hooks/{token}");
        let mut answers = Vec::new();
        for token in [hook.token.as_str(), &revoked.token, "sbhook_x", &"x".repeat(91)] {
            let answer = server.anyone().request(method.clone(), &path(token)).answer().await;
            answers.push(answer.without_request_id());
        }

        assert!(answers.iter().all(|answer| *answer == answers[0]), "{method} {answers:?}");
    }
}

#[tokio::test]
async fn a_browser_reads_a_page_that_explains() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let accept = "text/html,application/xhtml+xml,*/*;q=0.8";
    let answer = hook.call(Method::GET, "").header("accept", accept).answer().await;

    assert_eq!((answer.status, answer.header("allow")), (405, Some(ALLOW)));
    assert!(answer.header("content-type").unwrap().starts_with("text/html"));
    assert!(answer.text().contains("POST") && !answer.text().contains(&hook.token));
}

#[tokio::test]
async fn options_lists_the_methods_whatever_the_token() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    let genuine = hook.call(Method::OPTIONS, "").answer().await;
    let wrong = server.anyone().request(Method::OPTIONS, "/deploy-hooks/nothing").answer().await;

    assert_eq!((genuine.status, genuine.header("allow")), (204, Some(ALLOW)));
    assert_eq!(genuine.without_request_id(), wrong.without_request_id());
}

#[tokio::test]
async fn a_thousand_previews_with_a_valid_token_deploy_nothing() {
    let server = TestServer::with(Options::roomy()).await;
    let hook = server.service("api").create().await.hook("ci").await;

    for method in [Method::GET, Method::HEAD, Method::OPTIONS].iter().cycle().take(1_000) {
        hook.call(method.clone(), "").answer().await;
    }

    assert_eq!(server.rows("SELECT count(*) FROM deployments").await, 0);
}

#[tokio::test]
async fn the_address_is_kept_out_of_referrers_indexes_and_caches() {
    let server = TestServer::start().await;
    let hook = server.service("api").create().await.hook("ci").await;

    for answer in [hook.post("").await, hook.call(Method::GET, "").answer().await] {
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("x-robots-tag"), Some("noindex"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}
