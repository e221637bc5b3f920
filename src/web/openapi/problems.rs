//! Which refusals an operation may be answered with.

use std::collections::BTreeMap;

use poem::http::Method;
use serde_json::{Map, Value, json};

use crate::domain::Code;
use crate::web::access::Access;
use crate::web::openapi::Row;
use crate::web::openapi::headers::reference;
use crate::web::openapi::operation::Operation;
use crate::web::problem::status_of;

/// What any operation may be refused with.
const ALWAYS: [Code; 3] = [Code::InvalidParameter, Code::DatabaseUnavailable, Code::Internal];

/// Every code by which an operation may be refused: its own, and those of its guard, its method and its path.
fn codes(row: &Row, operation: &Operation) -> Vec<Code> {
    let is_unsafe = row.method != Method::GET;
    let mut codes = ALWAYS.to_vec();
    match row.access {
        Access::Public => {}
        Access::Hook => codes.push(Code::UnknownHook),
        Access::Operator if is_unsafe => {
            codes.extend([Code::Unauthenticated, Code::Scope, Code::ForeignOrigin, Code::TokenBudget]);
        }
        Access::Operator => codes.extend([Code::Unauthenticated, Code::Scope]),
    }
    if operation.path.contains('{') && row.access != Access::Hook {
        codes.push(Code::NotFound);
    }
    if operation.body.is_some() {
        codes.push(Code::MediaType);
    }
    if operation.body.is_some() || row.access == Access::Hook {
        codes.extend([Code::BodyTooLarge, Code::BodyTooSlow, Code::BodyBroken]);
    }
    if operation.takes.contains(&"If-Match") {
        codes.push(Code::ChangedMeanwhile);
    }
    codes.extend(operation.codes);
    codes
}

/// The headers that come with refusals of a status.
const fn headers_of(status: u16) -> &'static [&'static str] {
    match status {
        401 => &["WWW-Authenticate"],
        416 => &["Content-Range"],
        429 | 503 => &["Retry-After"],
        _ => &[],
    }
}

/// The refusals of an operation by status.
pub(super) fn refusals(row: &Row, operation: &Operation) -> Map<String, Value> {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes(row, operation) {
        by_status.entry(status_of(code.class()).as_u16()).or_default().push(code);
    }
    by_status.into_iter().map(|(status, codes)| (status.to_string(), refusal(status, &codes))).collect()
}

fn refusal(status: u16, codes: &[Code]) -> Value {
    let told: Vec<_> = codes.iter().map(|code| format!("`{}`", code.as_str())).collect();
    let headers = headers_of(status).iter().map(|name| ((*name).to_owned(), reference(name)));
    let headers: Map<String, Value> = headers.collect();
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    let mut refusal = json!({
        "description": told.join(", "),
        "content": { "application/problem+json": { "schema": schema } },
    });
    if !headers.is_empty() {
        refusal["headers"] = headers.into();
    }
    refusal
}
