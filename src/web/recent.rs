//! Statuses as they were last shown to strangers: a poll of what has not changed reads no row.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::body::Bytes;
use poem::http::{HeaderValue, StatusCode, header};
use poem::{Request, Response};

use crate::domain::{DeploymentId, Status};
use crate::web::request::{header, prefers};

/// Most statuses that are remembered, about 1 KB each; the memory is emptied beyond.
const MAX_KNOWN: usize = 1_024;

/// A status as it is shown.
#[derive(Debug)]
pub(super) struct Shown {
    /// The weak tag of this content.
    pub(super) etag: String,
    pub(super) status: Status,
    /// The object.
    pub(super) body: Bytes,
}

impl Shown {
    /// The answer in the form that is asked for.
    pub(super) fn answer(&self, request: &Request) -> Response {
        let mut response = if self.is_known(request) {
            Response::builder().status(StatusCode::NOT_MODIFIED).finish()
        } else if prefers(request.headers(), "text/plain") {
            let word = format!("{}\n", self.status.as_str());
            Response::builder().content_type("text/plain; charset=utf-8").body(word)
        } else {
            Response::builder().content_type("application/json").body(self.body.clone())
        };
        let headers = response.headers_mut();
        if let Ok(etag) = HeaderValue::from_str(&self.etag) {
            headers.insert(header::ETAG, etag);
        }
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        headers.append(header::VARY, HeaderValue::from_static("accept, authorization, cookie"));
        response
    }

    fn is_known(&self, request: &Request) -> bool {
        let known = header(request.headers(), "if-none-match");
        known.is_some_and(|tags| {
            tags.split(',').map(str::trim).any(|tag| tag == "*" || is_same(tag, &self.etag))
        })
    }
}

/// Whether two tags are the same by the weak comparison, which is that of `If-None-Match` (RFC 9110, 8.8.3.2).
fn is_same(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|tag| tag.strip_prefix("W/").unwrap_or(tag));
    one == other
}

/// What was shown, and how many changes the deployment may have had by then.
struct Known {
    changes: u64,
    shown: Arc<Shown>,
}

/// The statuses that were asked for lately.
#[derive(Default)]
pub(super) struct Recent(Mutex<HashMap<DeploymentId, Known>>);

impl Recent {
    /// What was shown of a deployment that has had so many changes.
    pub(super) fn get(&self, id: &DeploymentId, changes: u64) -> Option<Arc<Shown>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(id).filter(|known| known.changes == changes).map(|known| Arc::clone(&known.shown))
    }

    /// Remembers what is shown. The changes were counted before the rows were read.
    pub(super) fn put(&self, id: DeploymentId, changes: u64, shown: Arc<Shown>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN && !known.contains_key(&id) {
            known.clear();
        }
        known.insert(id, Known { changes, shown });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Timestamp;

    fn shown() -> Arc<Shown> {
        Arc::new(Shown { etag: "W/\"1-0\"".to_owned(), status: Status::Succeeded, body: Bytes::new() })
    }

    #[test]
    fn what_was_shown_is_good_until_the_next_change() {
        let (recent, id) = (Recent::default(), DeploymentId::generate(Timestamp::from_millis(1)));

        recent.put(id.clone(), 3, shown());

        assert!(recent.get(&id, 3).is_some() && recent.get(&id, 4).is_none());
    }

    #[test]
    fn the_memory_has_a_bound() {
        let recent = Recent::default();

        for at in 0..2 * MAX_KNOWN {
            let at = Timestamp::from_millis(i64::try_from(at).unwrap());
            recent.put(DeploymentId::generate(at), 0, shown());
        }

        assert!(recent.0.lock().unwrap().len() <= MAX_KNOWN);
    }
}
