//! The request id and the one log line of each request.
//!
//! A line names the route's pattern and never the path itself, since a hook's path is its secret.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use poem::PathPattern;
use poem::Request;
use poem::Response;
use poem::http::HeaderMap;
use poem::http::Method;
use poem::http::StatusCode;

use crate::domain::DeploymentId;
use crate::domain::random_digits;
use crate::web::front::Peer;

/// Length of an id that a caller may choose, in bytes.
const REQUEST_ID_MAX: usize = 64;
/// Digits of an id that we make.
const REQUEST_ID_DIGITS: usize = 12;
const ID_ALPHABET: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";
/// Refusals of one kind to one peer make at most one line in this time.
const REFUSED_WINDOW: Duration = Duration::from_secs(10);
/// Peers remembered at once; calls of further ones in the same window are refused without a line.
const REFUSED_PEERS: usize = 4096;

/// Names a request in the log; it goes with the request, for the pages that show it.
#[derive(Debug, Clone)]
pub(in crate::web) struct RequestId(pub(super) Arc<str>);

impl RequestId {
    /// The id of a request that came through the front.
    pub(in crate::web) fn of(request: &Request) -> Option<String> {
        request.data::<Self>().map(|id| id.0.to_string())
    }
}

/// Takes the caller's `X-Request-Id` where it is harmless in a log, else makes one.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    match given {
        Some(id) if is_harmless(id) => id.to_owned(),
        _ => format!("req_{}", random_digits(ID_ALPHABET, REQUEST_ID_DIGITS)),
    }
}

fn is_harmless(id: &str) -> bool {
    let fits = (1..=REQUEST_ID_MAX).contains(&id.len());
    fits && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Goes with the answer to an accepted call, so that its one log line names the deployment.
#[derive(Debug, Clone)]
pub(in crate::web) struct Accepted {
    /// The deployment that the answer stands for.
    pub(in crate::web) id: DeploymentId,
    /// Whether a first answer was given again.
    pub(in crate::web) is_replay: bool,
    /// Whether an equal deployment was queued already.
    pub(in crate::web) is_coalesced: bool,
}

/// What the log says of a request, beside its answer.
pub(super) struct Entry {
    pub(super) id: Arc<str>,
    pub(super) method: Method,
    pub(super) client: Peer,
    pub(super) started: Instant,
}

impl Entry {
    /// Notes what must be known after the request has gone to its handler.
    pub(super) fn new(id: String, method: &Method, client: Peer) -> Self {
        Self { id: id.into(), method: method.clone(), client, started: Instant::now() }
    }

    /// The method; one that the caller made up is not worth a place in the log.
    fn method(&self) -> &str {
        const KNOWN: [Method; 7] = [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ];
        if KNOWN.contains(&self.method) { self.method.as_str() } else { "other" }
    }
}

/// Writes the line of a request, or counts it where its peer floods us with wrong tokens.
pub(super) fn record(refused: &Refused, entry: &Entry, response: &Response) {
    let status = response.status();
    let mut count = 1;
    if is_flood(entry, status) {
        let Some(calls) = refused.count(entry.client, status, entry.started) else { return };
        count = calls;
    }
    let route = response.data::<PathPattern>().map_or("-", |pattern| &pattern.0);
    let (method, id, client, status_code) = (entry.method(), &*entry.id, entry.client, status.as_u16());
    let duration_us = u64::try_from(entry.started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let is_look = matches!(entry.method, Method::GET | Method::HEAD | Method::OPTIONS);
    if let Some(Accepted { id: deployment, is_replay, is_coalesced }) = response.data() {
        tracing::info!(
            method, route, status = status_code, duration_us, request.id = id, %client, count,
            deployment.id = %deployment, is_replay, is_coalesced, "request"
        );
    } else if status.is_success() && is_look {
        tracing::debug!(method, route, status = status_code, duration_us, request.id = id, %client, "request");
    } else {
        tracing::info!(method, route, status = status_code, duration_us, request.id = id, %client, count, "request");
    }
}

/// Whether a refusal is of a kind that strangers can send without end.
fn is_flood(entry: &Entry, status: StatusCode) -> bool {
    let is_anybodys = matches!(
        status,
        StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::BAD_REQUEST
            | StatusCode::UNAUTHORIZED
            | StatusCode::URI_TOO_LONG
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            | StatusCode::TOO_MANY_REQUESTS
    );
    is_anybodys && entry.client != Peer::Socket
}

/// Refusals by peer and status, so that a flood cannot fill the log.
#[derive(Default)]
pub(super) struct Refused(Mutex<Windows>);

#[derive(Default)]
struct Windows {
    of_peer: HashMap<(Peer, StatusCode), Window>,
    /// When the windows that have passed were last thrown away.
    swept: Option<Instant>,
}

struct Window {
    since: Instant,
    silent: u64,
}

impl Refused {
    /// Says that a peer holds as many connections as it may; behind a proxy that is not trusted these are everybody's.
    pub(super) fn connection(&self, peer: Peer) {
        // No answer of this status is ever counted here.
        if let Some(count) = self.count(peer, StatusCode::SERVICE_UNAVAILABLE, Instant::now()) {
            tracing::warn!(
                %peer,
                count,
                "connections dropped: the peer holds as many as --connections-per-peer allows"
            );
        }
    }

    /// Counts a call; gives the calls to report since the last line, or nothing while a line is too recent.
    fn count(&self, peer: Peer, status: StatusCode, now: Instant) -> Option<u64> {
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = (peer.network(), status);
        if let Some(window) = windows.of_peer.get_mut(&peer) {
            if is_open(window.since, now) {
                window.silent += 1;
                return None;
            }
            let calls = window.silent + 1;
            *window = Window { since: now, silent: 0 };
            return Some(calls);
        }
        windows.sweep(now);
        if windows.of_peer.len() >= REFUSED_PEERS {
            return None;
        }
        windows.of_peer.insert(peer, Window { since: now, silent: 0 });
        Some(1)
    }
}

impl Windows {
    /// Forgets windows that have passed and reports what was silent in them; at most once a window.
    fn sweep(&mut self, now: Instant) {
        if self.swept.is_some_and(|swept| is_open(swept, now)) {
            return;
        }
        self.swept = Some(now);
        self.of_peer.retain(|client, window| {
            let is_kept = is_open(window.since, now);
            if !is_kept && window.silent > 0 {
                tracing::info!(client = %client.0, status = client.1.as_u16(), count = window.silent, "refused calls");
            }
            is_kept
        });
    }
}

fn is_open(since: Instant, now: Instant) -> bool {
    now.duration_since(since) < REFUSED_WINDOW
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::net::Ipv4Addr;

    use poem::http::HeaderValue;

    use super::*;

    fn id_for(given: &'static str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", HeaderValue::from_static(given));
        request_id(&headers)
    }

    fn peer(number: u32) -> Peer {
        Peer::Tcp(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    #[test]
    fn a_harmless_request_id_is_kept() {
        assert_eq!(id_for("build-42_a.b"), "build-42_a.b");
    }

    #[test]
    fn any_other_request_id_is_replaced() {
        let long = "a".repeat(REQUEST_ID_MAX + 1).leak();
        for given in ["", "a b", "a\"b", "a/b", long] {
            let id = id_for(given);
            assert!(id.starts_with("req_") && id.len() == 16, "{given:?} became {id}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }

    #[test]
    fn a_flood_of_one_peer_makes_one_line_a_window_with_its_count() {
        let refused = Refused::default();
        let start = Instant::now();

        assert_eq!(refused.count(peer(1), StatusCode::UNAUTHORIZED, start), Some(1));
        for _ in 0..999 {
            assert_eq!(refused.count(peer(1), StatusCode::UNAUTHORIZED, start), None);
        }
        assert_eq!(refused.count(peer(2), StatusCode::UNAUTHORIZED, start), Some(1));
        assert_eq!(refused.count(peer(1), StatusCode::UNAUTHORIZED, start + REFUSED_WINDOW), Some(1000));
    }

    #[test]
    fn a_flood_of_many_peers_is_remembered_within_bounds() {
        let refused = Refused::default();
        let start = Instant::now();

        let lines = (0..10_000)
            .filter(|&number| refused.count(peer(number), StatusCode::UNAUTHORIZED, start).is_some())
            .count();

        assert_eq!(lines, REFUSED_PEERS);
        assert_eq!(refused.count(peer(20_000), StatusCode::UNAUTHORIZED, start + REFUSED_WINDOW), Some(1));
        assert_eq!(refused.0.lock().unwrap().of_peer.len(), 1);
    }

    #[test]
    fn a_method_made_up_by_the_caller_is_not_repeated() {
        let made_up = Method::from_bytes(b"JUMP").unwrap();

        assert_eq!(Entry::new(String::new(), &made_up, Peer::Socket).method(), "other");
        assert_eq!(Entry::new(String::new(), &Method::POST, Peer::Socket).method(), "POST");
    }
}
