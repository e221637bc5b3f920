//! The headers that requests and answers may have.

use serde_json::{Map, Value, json};

/// What a header is: its schema, and what it is for.
fn facts(name: &str) -> Option<(Value, &'static str)> {
    let text = || json!({ "type": "string" });
    let words = |words: &[&str]| json!({ "type": "string", "enum": words });
    let seconds = || json!({ "type": "integer", "minimum": 0 });
    Some(match name {
        "Idempotency-Key" => (
            json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" }),
            "Names this call: sent again within 24 hours it gets the first answer, and nothing is deployed twice.",
        ),
        "If-Match" => (
            text(),
            "The ETag of what was read: what was changed meanwhile is left as it is, with status 412.",
        ),
        "If-None-Match" => (text(), "The ETag of what is known: status 304 where that has not changed."),
        "Last-Event-ID" => (
            text(),
            "Where events are asked for, the id of the last event that was read; the stream goes on behind it.",
        ),
        "traceparent" => (text(), "W3C Trace Context; the run of the deployment and its notices have it."),
        "Content-Length" => (seconds(), "Bytes of the answer."),
        "Content-Range" => (text(), "The length of the log, as `bytes */LENGTH`."),
        "Deployment-Coalesced" => {
            (words(&["true"]), "An equal deployment was queued already; this call joined it.")
        }
        "Deprecation" => (text(), "The URL is the one from before a rotation; since when, as `@SECONDS`."),
        "ETag" => (text(), "Names this state of what is shown."),
        "Idempotency-Replayed" => (words(&["true"]), "The answer is the first one of this Idempotency-Key."),
        "Ignored-Parameters" => (text(), "Names what was sent and means nothing here."),
        "Link" => (text(), "Where the log is, and where to wait for the end."),
        "Location" => (text(), "The address of what was made."),
        "Retry-After" => (seconds(), "Seconds after which to ask again."),
        "Sunset" => (text(), "Until when the URL from before a rotation is good."),
        "WWW-Authenticate" => (text(), "Which credential is missing."),
        _ => return None,
    })
}

/// A header of a request, as one of its parameters.
pub(super) fn of_request(name: &str) -> Option<Value> {
    let (schema, about) = facts(name)?;
    Some(json!({ "name": name, "in": "header", "description": about, "schema": schema }))
}

/// The headers that answers may have.
const OF_ANSWERS: [&str; 12] = [
    "Content-Length",
    "Content-Range",
    "Deployment-Coalesced",
    "Deprecation",
    "ETag",
    "Idempotency-Replayed",
    "Ignored-Parameters",
    "Link",
    "Location",
    "Retry-After",
    "Sunset",
    "WWW-Authenticate",
];

/// All headers that answers may have, to be referred to.
pub(super) fn all() -> Map<String, Value> {
    let facts = |name: &&str| {
        let (schema, about) = facts(name)?;
        Some(((*name).to_owned(), json!({ "description": about, "schema": schema })))
    };
    OF_ANSWERS.iter().filter_map(facts).collect()
}

/// A header of an answer.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{name}") })
}
