//! `/audit`: sentences, kinds, and pages in both directions.

use serde_json::json;

use crate::harness::TestServer;
use crate::harness::forms::Browser;

/// Services in the order of the page, one a row.
fn services(page: &str) -> Vec<String> {
    let rows = page.split("<td role=\"cell\" class=\"c-c\">").skip(1);
    rows.filter_map(|row| Some(row.strip_prefix("<span class=\"mono\">")?.split('<').next()?.to_owned()))
        .collect()
}

fn link(page: &str, word: &str) -> Option<String> {
    let before = page.split(&format!("\">{word}</a>")).next().filter(|before| *before != page)?;
    let address = before.rsplit("href=\"").next()?.split('"').next()?;
    Some(address.replace("&#38;", "&").replace("&amp;", "&"))
}

#[tokio::test]
async fn acts_are_sentences_with_who_and_from_where() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;
    let service = server.service("api").create().await;
    service.hook("ci").await.rotate("24h").await;
    let id = service.deploy(json!({})).await;
    server.admin.put("/api/v1/services/api/freeze", json!({ "reason": "Black <Friday>" })).await;
    mira.post("/account/operators", &[("name", "theo")]).await;

    let text = mira.get("/audit").await.text();

    for part in [
        "signed in by one-time link",
        "added operator <strong>theo</strong>",
        "rotated hook <strong>ci</strong>: the old URL is good for 24h",
        "froze the service: “Black &#60;Friday&#62;”",
        &format!("<code>{id}</code></a>"),
        "<span class=\"mono\">api</span>",
        "dashboard <span class=\"sub\">127.0.0.0/24</span>",
        "API token <span class=\"sub\">127.0.0.0/24</span>",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[tokio::test]
async fn pages_go_down_and_up_again_without_a_gap() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;
    for number in 0..120 {
        server.service(&format!("s{number}")).create().await;
    }
    let of = |from: u32, to: u32| (from..to).rev().map(|number| format!("s{number}")).collect::<Vec<_>>();

    let first = mira.get("/audit?kind=services").await.text();
    let second = mira.get(&link(&first, "Older").unwrap()).await.text();
    let third = mira.get(&link(&second, "Older").unwrap()).await.text();
    let up = mira.get(&link(&third, "Newer").unwrap()).await.text();
    let top = mira.get(&link(&up, "Newer").unwrap()).await.text();

    assert_eq!(services(&first), of(70, 120));
    assert_eq!(services(&second), of(20, 70));
    assert_eq!(services(&third), of(0, 20));
    assert_eq!((services(&up), services(&top)), (of(20, 70), of(70, 120)));
    assert_eq!((link(&first, "Newer"), link(&third, "Older"), link(&top, "Newer")), (None, None, None));
}

#[tokio::test]
async fn a_kind_shows_its_own_acts_alone() {
    let server = TestServer::start().await;
    let mira = Browser::of(&server, "mira").await;
    let service = server.service("api").create().await;
    service.hook("ci").await;
    service.deploy(json!({})).await;
    server.token("bot", "read", None).await;
    let words = [
        ("deployments", "started a deployment"),
        ("hooks", "generated hook"),
        ("services", "added the service"),
        ("sign-ins", "signed in"),
        ("tokens", "created API token"),
    ];

    for (kind, own) in words {
        let text = mira.get(&format!("/audit?kind={kind}")).await.text();
        for (_, word) in words {
            assert_eq!(text.contains(word), word == own, "{kind}: {word}");
        }
    }
    assert_eq!(mira.get("/audit?kind=nothing").await.status, 400);
    assert_eq!(mira.get("/audit?before=x").await.status, 400);
    assert_eq!(mira.get("/audit?before=0").await.status, 200);
}
