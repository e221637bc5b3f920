//! What was done, newest first.

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Request, Response, handler};
use serde::Serialize;

use crate::db::audit::{self, Entry};
use crate::domain::{Scope, Timestamp};

use super::super::auth;
use super::super::error::Error;
use super::super::request::Query;
use super::super::state::AppState;
use super::{List, limit};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryBody {
    #[serde(skip)]
    sequence: i64,
    at: Timestamp,
    actor: String,
    address: String,
    action: String,
    subject: String,
    detail: String,
}

impl EntryBody {
    fn new(entry: Entry) -> Self {
        Self {
            sequence: entry.sequence,
            at: entry.at,
            actor: entry.actor.name,
            address: entry.actor.address,
            action: entry.action,
            subject: entry.subject,
            detail: entry.detail,
        }
    }
}

/// `GET /api/v1/audit`.
#[handler]
pub(in crate::web) async fn index(request: &Request, state: Data<&AppState>) -> Result<Response, Error> {
    auth::caller(request)?.require(Scope::Admin, None)?;
    let query = Query::parse(request)?;
    let largest = u64::try_from(i64::MAX).unwrap_or(0);
    let after = query.number("after", 0..=largest)?.and_then(|after| i64::try_from(after).ok());
    let limit = limit(&query)?;
    let entries = state.db().read(move |reader| audit::list(reader, after, limit + 1)).await?;
    let entries = entries.into_iter().map(EntryBody::new).collect();
    Ok(super::json(StatusCode::OK, &List::page(entries, limit, |entry| entry.sequence.to_string())))
}
