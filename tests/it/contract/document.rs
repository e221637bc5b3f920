//! The document as such, and the page that shows it.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;
use stackblaze::web::{Audience, resources};

use super::{document, operations};
use crate::harness::TestServer;
use crate::harness::forms::Browser;
use crate::harness::http::Send as _;

/// What browsers and crawlers fetch by themselves.
const FILES: [&str; 3] = ["/static/:file", "/favicon.ico", "/robots.txt"];

#[tokio::test]
async fn every_address_for_programs_is_described_and_nothing_else() {
    let server = TestServer::start().await;
    let rows = resources().into_iter().filter(|row| row.audience == Audience::Programs);
    let of_row = |row: stackblaze::web::Resource| {
        let spelled = row.path.split('/').map(|part| match part.strip_prefix([':', '*']) {
            Some(name) => format!("{{{name}}}"),
            None => part.to_owned(),
        });
        let path = spelled.collect::<Vec<_>>().join("/");
        let methods = row.methods.into_iter().filter(|own| ![Method::HEAD, Method::OPTIONS].contains(own));
        methods.map(|method| format!("{method} {path}")).collect::<Vec<_>>()
    };
    let routes: BTreeSet<_> = rows.filter(|row| !FILES.contains(&row.path)).flat_map(of_row).collect();

    let described = operations(&document(&server).await).into_iter();
    let described: BTreeSet<_> = described.map(|(method, path, _)| format!("{method} {path}")).collect();

    assert_eq!(described, routes);
}

/// Every reference of a part of the document.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn it_is_whole_and_says_of_each_operation_what_it_is_for() {
    let server = TestServer::start().await;
    let document = document(&server).await;
    let (mut ids, mut links) = (BTreeSet::new(), BTreeSet::new());

    for (method, path, own) in operations(&document) {
        let summary = own["summary"].as_str().unwrap();
        assert!(summary.ends_with('.') && !summary.contains('\n'), "{method} {path}: {summary}");
        assert!(ids.insert(own["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
        for parameter in own["parameters"].as_array().into_iter().flatten() {
            assert_ne!(parameter["description"], "", "{method} {path}: {parameter}");
        }
        for response in own["responses"].as_object().unwrap().values() {
            let own = response["links"].as_object().into_iter().flatten();
            links.extend(own.map(|(_, link)| link["operationId"].as_str().unwrap().to_owned()));
        }
    }
    let mut found = BTreeSet::new();
    references(&document, &mut found);

    assert!(links.is_subset(&ids) && links.len() > 20, "{links:?}");
    for reference in &found {
        assert!(document.pointer(&reference[1..]).is_some(), "{reference} leads nowhere");
    }
    let schemas = document["components"]["schemas"].as_object().unwrap().keys();
    let unused: Vec<_> =
        schemas.filter(|name| !found.contains(&format!("#/components/schemas/{name}"))).collect();
    assert_eq!(unused, ["EndEvent", "LogEvent"], "the events of a stream are named in its description");
    assert_eq!(
        (&document["openapi"], &document["servers"][0]["url"]),
        (&"3.1.1".into(), &"http://hooks.test".into())
    );
}

#[tokio::test]
async fn it_is_the_same_each_time_and_not_sent_to_whoever_knows_it() {
    let server = TestServer::start().await;
    let first = server.anyone().get("/openapi.json").await;
    let etag = first.header("etag").unwrap().to_owned();
    let ask = |tag: &str| server.anyone().request(Method::GET, "/openapi.json").header("if-none-match", tag);

    let known = ask(&etag).answer().await;
    let other = ask("\"other\"").answer().await;
    let restarted = server.restart().await;
    let later = restarted.anyone().get("/openapi.json").await;

    assert_eq!((known.status, known.text(), known.header("etag")), (304, String::new(), Some(etag.as_str())));
    assert_eq!((other.status, &other.body), (200, &first.body));
    assert_eq!((&later.body, later.header("etag")), (&first.body, Some(etag.as_str())));
    assert_eq!(first.header("cache-control"), Some("no-cache"));
}

#[tokio::test]
async fn the_page_shows_all_of_it_to_everybody() {
    let server = TestServer::start().await;
    let document = document(&server).await;

    let page = server.anyone().get("/docs/api").await;

    assert_eq!(page.status, 200);
    let text = page.text();
    for (method, path, own) in operations(&document) {
        let id = own["operationId"].as_str().unwrap();
        assert!(text.contains(&format!("<summary><h3><code>{method} {path}</code></h3>")), "{id}");
        assert!(text.contains(&format!("<div id=\"{id}\"")), "{id}");
        for parameter in own["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap();
            assert!(text.contains(&format!("<code>{name}</code>")), "{id} {name}");
        }
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(text.contains(&format!("<div id=\"{name}\">")), "{name}");
    }
    let anchors: BTreeSet<_> = text
        .match_indices("href=\"#")
        .map(|(at, found)| text[at + found.len()..].split('"').next().unwrap())
        .collect();
    for anchor in anchors {
        assert!(text.contains(&format!("id=\"{anchor}\"")), "#{anchor} leads nowhere");
    }
    let signed_in = Browser::of(&server, "mira").await.get("/docs/api").await.text();
    assert!(!text.contains("Sign out") && signed_in.contains("Sign out mira"));
}
