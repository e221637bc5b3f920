//! What was done, newest first.

use poem::http::StatusCode;
use poem::web::Data;
use poem::{Response, handler};

use crate::actions::{By, server};
use crate::db::audit::{Cursor, Entry};
use crate::web::api::{json, limit};
use crate::web::error::Error;
use crate::web::request::Query;
use crate::web::state::AppState;
use crate::wire::list::List;
use crate::wire::server::EntryJson;

fn shown(entry: Entry) -> EntryJson {
    EntryJson {
        id: entry.sequence,
        at: entry.at,
        actor: entry.actor.who.to_string(),
        address: entry.actor.address,
        action: entry.record.act.as_str(),
        subject: entry.record.subject.to_string(),
        detail: match entry.record.began {
            Some(id) => format!("{} as {id}", entry.record.detail),
            None => entry.record.detail,
        },
    }
}

/// `GET /api/v1/audit`.
#[handler]
pub(in crate::web) async fn index(by: By, query: Query, state: Data<&AppState>) -> Result<Response, Error> {
    let largest = u64::try_from(i64::MAX).unwrap_or(0);
    let after = query.number("after", 0..=largest)?.and_then(|after| i64::try_from(after).ok());
    let limit = limit(&query)?;
    let read =
        state.read(move |reader, _| server::audit(reader, &by, None, after.map(Cursor::Before), limit + 1));
    let entries = read.await?.into_iter().map(shown).collect();
    Ok(json(StatusCode::OK, &List::page(entries, limit, |entry| entry.id.to_string())))
}
