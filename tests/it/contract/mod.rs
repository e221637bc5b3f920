//! The document of the API, and whether the server keeps to it.

mod answers;
mod client;
mod document;
mod drift;
mod schema;

use std::cell::RefCell;
use std::collections::BTreeSet;

use reqwest::{Method, RequestBuilder};
use serde_json::Value;

use crate::harness::TestServer;
use crate::harness::http::{Answer, Api, Send as _};

/// Headers that any answer may have, whatever it is.
const OF_ANY: [&str; 17] = [
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "keep-alive",
    "referrer-policy",
    "strict-transport-security",
    "transfer-encoding",
    "vary",
    "x-accel-buffering",
    "x-content-type-options",
    "x-request-id",
    "x-robots-tag",
];

async fn document(server: &TestServer) -> Value {
    server.anyone().get("/openapi.json").await.json()
}

/// Every operation: method, path as it is spelled in the document, and what is said of it.
fn operations(document: &Value) -> Vec<(Method, String, Value)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, item)| {
        let own = item.as_object().unwrap().iter();
        own.map(move |(method, own)| (method.to_uppercase().parse().unwrap(), path.clone(), own.clone()))
    });
    all.collect()
}

/// Calls operations, and holds each answer against the document.
struct Caller {
    document: Value,
    /// `operation status`, of each that was seen.
    seen: RefCell<BTreeSet<String>>,
}

impl Caller {
    async fn new(server: &TestServer) -> Self {
        Self { document: document(server).await, seen: RefCell::default() }
    }

    /// The operation of a method at an address.
    fn operation(&self, method: &Method, path: &str) -> Value {
        let own: Vec<_> = path.split('?').next().unwrap().split('/').collect();
        let fits = |template: &str| {
            let parts: Vec<_> = template.split('/').collect();
            let mut pairs = parts.iter().zip(&own);
            parts.len() == own.len() && pairs.all(|(part, own)| part.starts_with('{') || part == own)
        };
        let all = operations(&self.document).into_iter();
        let mut found = all.filter(|(own, template, _)| own == method && fits(template));
        found.next().unwrap_or_else(|| panic!("{method} {path} is not described")).2
    }

    /// Calls with a parameter that nobody knows.
    async fn call(&self, api: &Api, method: Method, path: &str, body: Option<Value>) -> Answer {
        let sign = if path.contains('?') { '&' } else { '?' };
        let request = api.request(method, &format!("{path}{sign}nothing=1"));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let answer = self.send(request).await;
        if (200..300).contains(&answer.status) {
            assert_eq!(answer.header("ignored-parameters"), Some("nothing"), "{path}");
        }
        answer
    }

    async fn send(&self, request: RequestBuilder) -> Answer {
        let (client, request) = request.build_split();
        let request = request.unwrap();
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let answer = RequestBuilder::from_parts(client, request).answer().await;
        self.check(&method, &path, &answer);
        answer
    }

    /// Holds an answer against the document.
    fn check(&self, method: &Method, path: &str, answer: &Answer) {
        let operation = self.operation(method, path);
        let id = operation["operationId"].as_str().unwrap();
        let at = format!("{id} {}", answer.status);
        let described = &operation["responses"][answer.status.to_string()];
        assert!(described.is_object(), "{at} is not described: {}", String::from_utf8_lossy(&answer.body));
        for name in answer.headers.keys().filter(|name| !OF_ANY.contains(&name.as_str())) {
            let mut known = described["headers"].as_object().into_iter().flatten();
            assert!(
                known.any(|(own, _)| own.eq_ignore_ascii_case(name.as_str())),
                "{at}: {name} is not described"
            );
        }
        match (described["content"].as_object(), answer.body.is_empty()) {
            (None, is_empty) => assert!(is_empty, "{at} has a body"),
            (Some(content), _) => {
                let kind = answer.header("content-type").unwrap().split(';').next().unwrap();
                let described = content.get(kind).unwrap_or_else(|| panic!("{at}: {kind} is not described"));
                if kind.ends_with("json") {
                    let faults = schema::faults(&self.document, &described["schema"], &answer.json(), &at);
                    assert!(faults.is_empty(), "{}", faults.join("\n"));
                }
            }
        }
        self.seen.borrow_mut().insert(at);
    }
}
