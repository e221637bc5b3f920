//! `/audit`: what was done, newest first.

pub mod view;

use poem::web::Data;
use poem::{IntoResponse, Response, handler};

use crate::actions::{By, server};
use crate::db::audit::Cursor;
use crate::domain::{ActKind, Invalid};
use crate::web::error::Error;
use crate::web::pages::audit::view::AuditPage;
use crate::web::pages::{Frame, Page};
use crate::web::request::Query;
use crate::web::state::AppState;

/// Entries of one page.
const ENTRIES: u32 = 50;

/// `GET /audit?kind=&before=&after=`.
#[handler]
pub(in crate::web) async fn index(by: By, query: Query, state: Data<&AppState>) -> Result<Response, Error> {
    let (frame, now) = (Frame::of(&by.caller, &state, "/audit"), by.at);
    let (kind, cursor) = (read_kind(&query)?, read_cursor(&query)?);
    let read = state.read(move |reader, _| server::audit(reader, &by, kind, cursor, ENTRIES + 1));
    let mut entries = read.await?;
    let has_more = entries.len() > usize::try_from(ENTRIES).unwrap_or(usize::MAX);
    // Of a page above a cursor it is the newest entry that is one too many.
    let (is_up, extra) = match cursor {
        Some(Cursor::After(_)) => (true, 0),
        _ => (false, entries.len().saturating_sub(1)),
    };
    if has_more {
        entries.remove(extra);
    }
    let has_newer = if is_up { has_more } else { cursor.is_some() };
    let has_older = is_up || has_more;
    let page = AuditPage::new(frame, kind, &entries, (has_newer, has_older), now);
    Ok(Page(page).into_response())
}

fn read_kind(query: &Query) -> Result<Option<ActKind>, Invalid> {
    let Some(word) = query.get("kind").filter(|word| !word.is_empty()) else { return Ok(None) };
    let kind = ActKind::FILTERS.into_iter().find(|kind| kind.as_str() == word);
    let words = || ActKind::FILTERS.map(ActKind::as_str).join(", ");
    kind.map(Some).ok_or_else(|| Invalid::new("kind", format!("must be one of {}", words())))
}

fn read_cursor(query: &Query) -> Result<Option<Cursor>, Invalid> {
    let number = |name| {
        let largest = u64::try_from(i64::MAX).unwrap_or(0);
        Ok::<_, Invalid>(query.number(name, 0..=largest)?.and_then(|number| i64::try_from(number).ok()))
    };
    Ok(match (number("before")?, number("after")?) {
        (Some(before), _) => Some(Cursor::Before(before)),
        (None, Some(after)) => Some(Cursor::After(after)),
        (None, None) => None,
    })
}
