//! `/services/{name}`: what serves, what was found out, and the deployments.

use serde_json::json;
use stackblaze::domain::Commit;
use stackblaze::domain::DeploymentId;
use stackblaze::domain::Finding;

use super::*;
use crate::harness::Options;
use crate::harness::Script;
use crate::harness::scripted::hanging;

/// The ids of the deployments that a page lists, in its order.
fn listed(html: &str) -> Vec<String> {
    let rows = html.split("class=\"main-link\" href=\"/deploys/").skip(1);
    rows.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_service_without_deployments_says_how_to_begin() {
    let server = TestServer::start().await;
    server.service("api").with("url", json!("https://api.example.com/x?a=1&b=2")).create().await;

    let html = Browser::of(&server, "mira").await.page("/services/api").await;

    expect(
        &html,
        &[
            "<title>api · StackBlaze</title>",
            "<h2>No deployments yet</h2>",
            "Nothing serves yet that was deployed from here.",
            "Deploy main</button>",
            "stackblaze deploy api --wait",
            "href=\"/services/api/settings/deploy-hooks\"",
            "<code>/srv/git/api.git</code>",
            "href=\"https://api.example.com/x?a=1&#38;b=2\" rel=\"noreferrer\"",
            "that happens within seconds",
        ],
    );
    refuse(&html, &["<table", "id=\"q\"", "class=\"pager\""]);
}

#[tokio::test]
async fn it_tells_what_serves_what_runs_and_who_waits() {
    let server = TestServer::start().await;
    let service = server.service("api").policy("every").create().await;
    let hook = service.hook("<script>x").await;
    let first = hook.post("").await.id();
    server.run_all().await;
    server.executor.next(hanging());
    let running = service.deploy(json!({})).await;
    server.tick().await;
    let waiting = [service.deploy(json!({})).await, service.deploy(json!({})).await];

    let html = Browser::of(&server, "mira").await.page("/services/api").await;

    expect(
        &html,
        &[
            &format!("Serving <a href=\"/deploys/{first}\"><code>4f2c1d7</code></a> “Answer with 200” since"),
            "1st in queue",
            "2nd in queue",
            "<a class=\"main-link\" href=\"/deploys/",
            "Waiting for its turn</a>",
            "&#60;script&#62;x<span class=\"sub\">hook</span>",
            "<svg class=\"fuse\" viewBox=\"0 0 136 6\"",
            "class=\"fn\"",
            "role=\"row\"",
        ],
    );
    assert_eq!(listed(&html), [waiting[1].clone(), waiting[0].clone(), running, first]);
    server.executor.go_on();
    server.run_all().await;
}

#[tokio::test]
async fn hostile_and_long_words_stay_words() {
    let server = TestServer::start().await;
    let long = format!("feat/{}", "x".repeat(195));
    let service =
        server.service("api").branch(&long).with("repository", json!("/srv/<script>")).create().await;
    service.freeze(HOSTILE).await;
    let browser = Browser::of(&server, "mira").await;
    expect(
        &browser.page("/services/api").await,
        &[
            "<title>Frozen: api",
            "<code>/srv/&#60;script&#62;</code>",
            &escaped(),
            "disabled aria-describedby=\"frozen\">Deploy feat/xxxxxxxxxxxxxxxxxx…</button>",
        ],
    );
    server.admin.delete("/api/v1/services/api/freeze").await;
    let id = service.deploy(json!({})).await;
    server.run_all().await;
    let (own, subject) = (DeploymentId::parse(&id).unwrap(), format!("{HOSTILE} {}", "word ".repeat(30)));
    let commit = Commit::parse("4f2c1d7e8b9a0c1d2e3f4a5b6c7d8e9f0a1b2c3d").unwrap();
    let stored = subject.clone();
    server
        .state
        .db()
        .core()
        .write(move |tx| {
            stackblaze::db::deployments::set_commit(
                tx,
                &own,
                &commit,
                &stored,
                stackblaze::domain::Clock::System.now(),
            )
        })
        .await
        .unwrap();

    let html = browser.page("/services/api").await;

    expect(&html, &[&format!("<code>{long}</code>"), &escaped(), "word word"]);
    assert!(html.matches(&escaped()).count() >= 2, "in the row and in the line of what serves");
    let found = browser.page(&format!("/services/api?q={}", "%22%3E%3Cscript%3E")).await;
    expect(&found, &["No deployment fits.", "value=\"&#34;&#62;&#60;script&#62;\""]);
}

#[tokio::test]
async fn a_long_history_comes_page_by_page_and_through_filters() {
    let server = TestServer::with(Options::roomy()).await;
    let service = server.service("api").policy("every").create().await;
    let mut ids = Vec::new();
    for number in 0..45 {
        let branch = if number % 9 == 0 { "rare/One" } else { "main" };
        ids.push(service.deploy(json!({ "branch": branch })).await);
    }
    server.run_all().await;
    ids.reverse();
    let browser = Browser::of(&server, "mira").await;

    let (mut path, mut seen, mut pages) = ("/services/api".to_owned(), Vec::new(), 0);
    loop {
        let html = browser.page(&path).await;
        seen.extend(listed(&html));
        pages += 1;
        let Some((before, _)) = html.split_once("\" rel=\"next\">Older</a>") else { break };
        path = before.rsplit("href=\"").next().unwrap().replace("&#38;", "&");
        assert!(path.starts_with("/services/api?before=dep_"), "{path}");
    }

    assert_eq!((pages, seen), (3, ids.clone()));
    let count = async |query: &str| listed(&browser.page(&format!("/services/api?{query}")).await).len();
    assert_eq!(count("q=RARE").await, 5);
    assert_eq!(count(&format!("q={}", ids[3])).await, 1);
    assert_eq!(count("q=4f2c1d7e").await, 20);
    assert_eq!((count("status=failed").await, count("status=running").await), (0, 0));
    assert_eq!((count("status=succeeded").await, count("status=nonsense&before=x").await), (20, 20));
    let filtered = browser.page("/services/api?status=succeeded&q=main").await;
    expect(
        &filtered,
        &[
            "?status=succeeded&#38;q=main\" aria-current=\"true\">Succeeded</a>",
            "<input type=\"hidden\" name=\"status\" value=\"succeeded\">",
            "?status=succeeded&#38;q=main&#38;before=dep_",
            "Newest 20",
        ],
    );
}

#[tokio::test]
async fn what_was_found_out_is_shown_with_its_fix() {
    let server = TestServer::with(Options::with_cluster()).await;
    let service = server
        .service("api")
        .with("repository", json!("https://git.example.com/acme/api.git"))
        .with("image", json!("registry.example.com/acme/api"))
        .with("workloads", json!(["shop/api"]));
    service.create().await;
    let browser = Browser::of(&server, "mira").await;
    server.cluster.cluster().findings = vec![
        Finding::good("the repository answers"),
        Finding::advice(
            "the Deployment has one replica",
            Some("set replicas to 2 for a rollout without a gap"),
        ),
        Finding::bad(format!("no Secret {HOSTILE}"), Some("make it in stackblaze-builds")),
    ];
    server.check().await;

    let html = browser.page("/services/api").await;

    expect(
        &html,
        &[
            "<details class=\"section-s small\" open><summary><strong>1 thing will make deployments fail</strong>",
            "Set replicas to 2 for a rollout without a gap.",
            &format!(
                "<strong>No Secret {}.</strong><span class=\"sub\">Make it in stackblaze-builds.</span>",
                escaped()
            ),
            "The repository answers.",
            "<code>shop/api</code>",
            "href=\"https://git.example.com/acme/api\" rel=\"noreferrer\">acme/api</a>",
        ],
    );
    assert!(
        html.find("No Secret").unwrap() < html.find("Set replicas").unwrap(),
        "what is wrong comes first"
    );
}

#[tokio::test]
async fn a_failed_run_keeps_its_reason_and_one_stopped_on_purpose_is_quiet() {
    let server = TestServer::start().await;
    let service = server.service("api").create().await;
    let cancelled = service.deploy(json!({})).await;
    server.admin.post(&format!("/deployments/{cancelled}/cancel"), json!({})).await;
    server.executor.next(Script::default().fails(stackblaze::domain::Reason::CloneFailed));
    service.deploy(json!({})).await;
    server.run_all().await;

    let html = Browser::of(&server, "mira").await.page("/services/api").await;

    expect(
        &html,
        &[
            "<tr role=\"row\" class=\"is-off\">",
            "<code class=\"code-reason\">cancelled</code>",
            "<code class=\"code-reason\">clone_failed</code>",
            "did not run",
            "No commit was found",
        ],
    );
}

#[tokio::test]
async fn a_service_that_is_not_there_is_a_page_that_says_so() {
    let server = TestServer::start().await;
    let browser = Browser::of(&server, "mira").await;

    for path in ["/services/nothing", "/services/nothing/settings", "/services/nothing/delete"] {
        let answer = browser.get(path).await;

        assert_eq!(answer.status, 404);
        expect(
            &answer.text(),
            &[
                "There is nothing at this address",
                "There is no service nothing.",
                "href=\"/services\">All services</a>",
            ],
        );
    }
}
