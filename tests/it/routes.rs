//! Every address of the table, so that a new one cannot forget what all of them promise.

use reqwest::Method;
use stackblaze::web::Access;
use stackblaze::web::resources;

use crate::harness::TestServer;
use crate::harness::http::Send as _;

/// One row of the table, with an address that can be called.
struct Route {
    path: String,
    methods: Vec<Method>,
    allow: String,
    access: Access,
}

fn routes() -> Vec<Route> {
    let fill = |part: &str| match part {
        ":id" => "dep_aaaaaaaaaaaaaaaaaaaa".to_owned(),
        part if part.starts_with([':', '*']) => "nothing".to_owned(),
        part => part.to_owned(),
    };
    let route = |resource: stackblaze::web::Resource| Route {
        path: resource.path.split('/').map(fill).collect::<Vec<_>>().join("/"),
        allow: resource.allow(),
        methods: resource.methods,
        access: resource.access,
    };
    resources().into_iter().map(route).collect()
}

fn all_methods() -> Vec<Method> {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE"].map(|name| name.parse().unwrap()).to_vec()
}

#[test]
fn what_needs_no_operator_is_this_and_no_more() {
    let open = resources().into_iter().filter(|resource| resource.access != Access::Operator);
    let mut open: Vec<_> = open.map(|row| format!("{:?} {} {}", row.access, row.path, row.allow())).collect();
    open.sort();

    assert_eq!(
        open,
        [
            "Hook /deploy-hooks POST, DELETE, OPTIONS",
            "Hook /deploy-hooks/*token POST, DELETE, OPTIONS",
            "Public / GET, HEAD, OPTIONS",
            "Public /badges/:file GET, HEAD, OPTIONS",
            "Public /deployments/:id GET, HEAD, OPTIONS",
            "Public /deployments/:id/wait GET, HEAD, OPTIONS",
            "Public /deploys/:id GET, HEAD, OPTIONS",
            "Public /docs/api GET, HEAD, OPTIONS",
            "Public /favicon.ico GET, HEAD, OPTIONS",
            "Public /healthz GET, HEAD, OPTIONS",
            "Public /login GET, HEAD, POST, OPTIONS",
            "Public /openapi.json GET, HEAD, OPTIONS",
            "Public /problems/:code GET, HEAD, OPTIONS",
            "Public /readyz GET, HEAD, OPTIONS",
            "Public /robots.txt GET, HEAD, OPTIONS",
            "Public /setup GET, HEAD, POST, OPTIONS",
            "Public /static/:file GET, HEAD, OPTIONS",
            "Public /version GET, HEAD, OPTIONS",
        ]
    );
}

#[test]
fn every_address_has_one_row() {
    let mut paths: Vec<_> = resources().into_iter().map(|resource| resource.path).collect();
    let rows = paths.len();

    paths.sort_unstable();
    paths.dedup();

    assert_eq!(paths.len(), rows);
}

#[tokio::test]
async fn what_is_missing_is_a_page_for_a_browser_but_below_an_address_of_programs() {
    let server = TestServer::start().await;
    let html = "text/html; charset=utf-8";

    for (path, kind) in [
        ("/nothing", html),
        ("/services/api/nothing", html),
        ("/deploys", html),
        ("/api/v1/nothing", "application/problem+json"),
        ("/deployments/x/nothing", "application/problem+json"),
        ("/static/x/nothing", "application/problem+json"),
    ] {
        let browser = server.anyone().request(Method::GET, path).header("accept", "text/html,*/*;q=0.8");
        let answer = browser.answer().await;

        assert_eq!((answer.status, answer.header("content-type")), (404, Some(kind)), "{path}");
    }
}

#[tokio::test]
async fn no_operator_route_answers_without_a_credential() {
    let server = TestServer::start().await;

    let operator: Vec<_> = routes().into_iter().filter(|route| route.access == Access::Operator).collect();
    assert!(operator.len() >= 32);
    for route in operator {
        for method in route.methods.into_iter().filter(|method| *method != Method::OPTIONS) {
            let bare = server.anyone().request(method.clone(), &route.path).answer().await;
            let wrong = server.holder("sbapi_wrong").request(method.clone(), &route.path).answer().await;
            let cookie =
                server.anyone().request(method.clone(), &route.path).header("cookie", "stackblaze=wrong");

            assert_eq!((bare.status, wrong.status), (401, 401), "{method} {}", route.path);
            assert_eq!(cookie.answer().await.status, 401, "{method} {}", route.path);
            assert!(bare.headers.contains_key("www-authenticate"), "{method} {}", route.path);
        }
    }
}

#[tokio::test]
async fn an_operator_route_answers_the_same_whether_or_not_the_thing_exists() {
    let server = TestServer::start().await;
    server.service("api").create().await.hook("ci").await;

    for (real, made_up) in [
        ("/api/v1/services/api", "/api/v1/services/nothing"),
        ("/api/v1/services/api/hooks/ci", "/api/v1/services/api/hooks/nothing"),
    ] {
        let answers = (server.anyone().get(real).await, server.anyone().get(made_up).await);

        assert_eq!(answers.0.without_request_id(), answers.1.without_request_id(), "{real}");
    }
}

#[test]
fn everything_under_api_is_for_operators() {
    for route in routes().iter().filter(|route| route.path.starts_with("/api/")) {
        assert_eq!(route.access, Access::Operator, "{}", route.path);
    }
}

#[tokio::test]
async fn a_method_that_an_address_lacks_gets_its_exact_allow() {
    let server = TestServer::start().await;

    for route in routes() {
        for method in all_methods().into_iter().filter(|method| !route.methods.contains(method)) {
            let answer = server.admin.request(method.clone(), &route.path).answer().await;

            let got = (answer.status, answer.header("allow"));
            assert_eq!(got, (405, Some(route.allow.as_str())), "{method} {}", route.path);
        }
    }
}

#[tokio::test]
async fn a_method_that_an_address_lists_is_served() {
    let server = TestServer::start().await;

    for route in routes() {
        for method in route.methods {
            let answer = server.admin.request(method.clone(), &route.path).answer().await;

            assert!(answer.status != 405 && answer.status < 500, "{method} {} {}", route.path, answer.status);
        }
    }
}

#[tokio::test]
async fn options_is_answered_everywhere_with_the_methods() {
    let server = TestServer::start().await;

    for route in routes() {
        let answer = server.anyone().request(Method::OPTIONS, &route.path).answer().await;

        let got = (answer.status, answer.header("allow"), answer.text());
        assert_eq!(got, (204, Some(route.allow.as_str()), String::new()), "{}", route.path);
    }
}

#[tokio::test]
async fn no_answer_leaves_a_body_on_its_connection() {
    let server = TestServer::start().await;
    let body = "a".repeat(60_000);
    let next = "GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

    for route in routes() {
        for method in all_methods() {
            let head =
                format!("{method} {} HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n", route.path);
            let answers = server.raw([&head, body.as_str(), next].concat()).await;

            // A page may tell of HTTP/1.1 itself.
            assert_eq!(
                answers.matches("\r\nx-request-id: ").count(),
                2,
                "{method} {}: {answers}",
                route.path
            );
        }
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = TestServer::start().await;

    for route in routes().iter().filter(|route| route.methods.contains(&Method::HEAD)) {
        let get = server.admin.get(&route.path).await;
        let head = server.admin.request(Method::HEAD, &route.path).answer().await;

        assert_eq!((head.status, head.text().as_str()), (get.status, ""), "{}", route.path);
        assert_eq!(head.header("content-type"), get.header("content-type"), "{}", route.path);
    }
}

#[tokio::test]
async fn an_unknown_address_is_a_problem() {
    let server = TestServer::start().await;

    for path in [
        "/nothing",
        "/api",
        "/api/v1/nothing",
        "/deployments",
        "/deployments/x/nothing",
        "/..%2f",
        "/%2e%2e/x",
    ] {
        let answer = server.anyone().get(path).await;

        assert_eq!(answer.refusal(), (404, "not_found".to_owned()), "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
    }
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_protect_it() {
    let server = TestServer::start().await;
    let mut paths: Vec<_> = routes().into_iter().map(|route| route.path).collect();
    paths.push("/nothing".to_owned());

    for path in paths {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let answer = server.admin.request(method.clone(), &path).answer().await;

            let referrer = if path.starts_with("/deploy-hooks") { "no-referrer" } else { "same-origin" };
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("x-robots-tag", "noindex"),
                ("referrer-policy", referrer),
            ] {
                assert_eq!(answer.header(name), Some(value), "{method} {path} {name}");
            }
            let policy = answer.header("content-security-policy").unwrap();
            assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
            assert!(answer.header("cache-control").is_some(), "{method} {path}");
            assert!(answer.header("x-request-id").is_some(), "{method} {path}");
            let cors = |name: &str| name.starts_with("access-control-");
            assert!(!answer.headers.keys().any(|name| cors(name.as_str())), "{method} {path}");
            assert_eq!(answer.header("server"), None, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn every_problem_leads_to_its_explanation() {
    let server = TestServer::start().await;
    server.service("api").create().await;

    for answer in [
        server.anyone().get("/nothing").await,
        server.anyone().get("/api/v1/services").await,
        server.admin.get("/api/v1/services?limit=x").await,
        server.admin.request(Method::PUT, "/api/v1/services").answer().await,
        server.anyone().request(Method::POST, "/deploy-hooks/x").answer().await,
    ] {
        let kind = answer.json()["type"].as_str().unwrap().to_owned();

        assert_eq!(server.anyone().get(&kind).await.status, 200, "{kind}");
    }
}

#[tokio::test]
async fn readiness_turns_red_when_the_server_goes_down_and_life_does_not() {
    let server = TestServer::start().await;
    let before = (server.anyone().get("/healthz").await.status, server.anyone().get("/readyz").await.status);

    server.begin_to_drain();

    let after = (server.anyone().get("/healthz").await.status, server.anyone().get("/readyz").await.status);
    assert_eq!((before, after), ((200, 200), (200, 503)));
    let verbose = server.anyone().get("/readyz?verbose").await.json();
    assert_eq!((&verbose["ready"], &verbose["draining"]), (&false.into(), &true.into()));
}
