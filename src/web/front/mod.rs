//! Our accept loop: limits and guards before poem.
//!
//! poem's own server installs no timers, ignores accept errors and trusts what callers say of
//! themselves. Here each connection is counted and timed, each request is unambiguous before a handler
//! sees it, and each answer carries the headers that protect it.

mod access;
mod body;
mod connection;
mod gate;
mod guard;
mod headers;
mod limits;
mod listen;
mod peer;
mod peer_caps;
mod stream;
mod unbelieved;
mod unreadable;
mod upload;

use std::any::Any;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use ipnet::IpNet;
use poem::Endpoint as _;
use poem::EndpointExt as _;
use poem::IntoEndpoint;
use poem::Request;
use poem::RequestParts;
use poem::Response;
use poem::endpoint::BoxEndpoint;
use poem::http::HeaderValue;
use poem::http::Version;
use poem::http::header;
use poem::http::request::Parts;
use poem::http::uri::Scheme;
use poem::web::LocalAddr;
use poem::web::RemoteAddr;
use rustix::process::Resource;
use rustix::process::getrlimit;
use tokio::net::TcpListener;
use tokio::net::UnixListener;
use tokio::sync::Notify;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::domain::Code;
use crate::web::front::access::Entry;
use crate::web::front::access::Refused;
use crate::web::front::listen::Listen;
use crate::web::front::listen::next_connection;
use crate::web::front::peer_caps::PeerCaps;
use crate::web::front::stream::Head;
use crate::web::front::upload::Upload;
use crate::web::problem::problem;
use crate::web::problem::status_of;

pub(super) use access::{Accepted, RequestId};
pub use body::BodyError;
pub use body::discard;
pub use body::read_limited;
pub use gate::Gate;
pub use limits::Limits;
pub use peer::Peer;
pub use unbelieved::UnbelievedProxy;

/// Shortest time that a trusted proxy may keep an idle connection.
const PROXY_KEEP_ALIVE: Duration = Duration::from_mins(5);
/// Connections through the Unix socket; their own, so that the command line works under a flood.
const SOCKET_CONNECTIONS: usize = 64;
/// Open files kept for the database, logs and builds, beside the socket's connections.
const FILES_KEPT: usize = 64;

/// What an operator may set.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Bounds of what callers may take.
    pub limits: Limits,
    /// Peers whose `X-Forwarded-For` or `Forwarded` is believed. They must set or extend the former.
    pub trusted_proxies: Vec<IpNet>,
    /// The public URL is https, so browsers are told to insist on it.
    pub https: bool,
    /// Told of a peer that speaks for others without being trusted.
    pub unbelieved: UnbelievedProxy,
    /// What is refused before the endpoint is asked.
    pub gate: Gate,
    /// Once cancelled, every answer is the last of its connection.
    pub is_draining: CancellationToken,
}

/// The way in: serves one endpoint at any number of doors, within limits that they share.
pub struct Front {
    endpoint: BoxEndpoint<'static>,
    limits: Limits,
    trusted_proxies: Vec<IpNet>,
    https: bool,
    unbelieved: UnbelievedProxy,
    gate: Gate,
    is_draining: CancellationToken,
    /// Connections over TCP that there may be more, at all doors together.
    places: Arc<Semaphore>,
    peers: Arc<PeerCaps>,
    refused: Refused,
    /// Told when a caller waits for a place.
    pressure: Notify,
}

impl Front {
    /// Puts `settings` before an endpoint. A handler finds the client as a [`Peer`] in the request's data.
    pub fn new<E>(endpoint: E, settings: Settings) -> Arc<Self>
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        let Settings { limits, trusted_proxies, https, unbelieved, gate, is_draining } = settings;
        let endpoint = endpoint.into_endpoint().map_to_response().boxed();
        let peers = PeerCaps::new(limits.per_peer, trusted_proxies.clone());
        let refused = Refused::default();
        Arc::new(Self {
            endpoint,
            limits,
            trusted_proxies,
            https,
            unbelieved,
            gate,
            is_draining,
            places: Arc::new(Semaphore::new(limits.connections.min(places_within_open_files()))),
            peers,
            refused,
            pressure: Notify::new(),
        })
    }

    /// Serves TCP until `stop` is cancelled and every connection has ended.
    ///
    /// After `stop` no connection is accepted; requests in progress get the drain time, and a head that
    /// has only begun gets a quarter of a second.
    pub async fn serve_tcp(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        let places = Arc::clone(&self.places);
        self.serve(listener, places, stop).await;
    }

    /// Serves a Unix socket like [`Front::serve_tcp`]; its connections are counted apart.
    pub async fn serve_unix(self: Arc<Self>, listener: UnixListener, stop: CancellationToken) {
        let places = self.limits.connections.min(SOCKET_CONNECTIONS);
        self.serve(listener, Arc::new(Semaphore::new(places)), stop).await;
    }

    async fn serve<L: Listen>(self: Arc<Self>, listener: L, places: Arc<Semaphore>, stop: CancellationToken) {
        let connections = TaskTracker::new();
        while let Some((stream, peer, place)) =
            next_connection(&listener, &places, &self.pressure, &stop).await
        {
            let Some(peer_place) = self.peers.enter(peer) else {
                self.refused.connection(peer.network());
                continue;
            };
            let (front, stop) = (Arc::clone(&self), stop.clone());
            connections.spawn(async move {
                connection::serve(stream, peer, front, stop).await;
                drop((place, peer_place));
            });
        }
        drop(listener);
        connections.close();
        connections.wait().await;
    }

    /// Answers one request; never fails, whatever the handler does.
    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        peer: Peer,
        head: &Head,
    ) -> hyper::Response<impl hyper::body::Body<Data = hyper::body::Bytes, Error = io::Error> + use<>> {
        let (mut parts, body) = request.into_parts();
        let version = parts.version;
        let client = peer::client(peer, &parts.headers, &self.trusted_proxies);
        self.unbelieved.note(peer, &parts.headers, &self.trusted_proxies);
        let path = parts.uri.path().to_owned();
        let entry = Entry::new(access::request_id(&parts.headers), &parts.method, client);
        let (mut response, is_kept) = match guard::check(&mut parts, head.has_length()) {
            Ok(()) => {
                let upload = Upload::new(body, &parts.headers, self.limits);
                let response = match self.gate.look(&mut parts) {
                    Some(refused) => refused,
                    None => self.call(parts, upload.clone(), client, &entry).await,
                };
                (response, upload.finish().await)
            }
            Err(refusal) => (refusal.response(), false),
        };
        head.restart();
        if !is_kept || self.is_draining.is_cancelled() {
            say_close(&mut response, version);
        } else if version == Version::HTTP_11 {
            let seconds = self.idle_limit(peer).as_secs();
            if let Ok(value) = HeaderValue::from_str(&format!("timeout={seconds}")) {
                response.headers_mut().insert("keep-alive", value);
            }
        }
        headers::protect(&mut response, &path, self.https);
        if let Ok(id) = HeaderValue::from_str(&entry.id) {
            response.headers_mut().insert("x-request-id", id);
        }
        access::record(&self.refused, &entry, &response);
        response.into()
    }

    /// How long a connection of this peer may be idle.
    fn idle_limit(&self, peer: Peer) -> Duration {
        let is_proxy = |address| self.trusted_proxies.iter().any(|network| network.contains(&address));
        match peer {
            Peer::Tcp(address) if is_proxy(address) => self.limits.keep_alive.max(PROXY_KEEP_ALIVE),
            _ => self.limits.keep_alive,
        }
    }

    async fn call(&self, mut parts: Parts, upload: Upload, client: Peer, entry: &Entry) -> Response {
        parts.extensions.insert(client);
        parts.extensions.insert(RequestId(Arc::clone(&entry.id)));
        let parts = RequestParts::from((parts, LocalAddr::default(), RemoteAddr::default(), Scheme::HTTP));
        let request = Request::from_parts(parts, upload.boxed().into());
        let answer = AssertUnwindSafe(self.endpoint.get_response(request)).catch_unwind();
        answer.await.unwrap_or_else(|_: Box<dyn Any + Send>| {
            tracing::error!(request.id = &*entry.id, "handler panicked");
            let status = status_of(Code::Internal.class());
            let body = problem(Code::Internal, "internal error", None, &[]);
            Response::builder().status(status).content_type("application/problem+json").body(body)
        })
    }
}

/// Says that an answer is the last of its connection, which makes it so.
fn say_close(response: &mut Response, version: Version) {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    // To an answer of HTTP/1.1 hyper adds `keep-alive` where a caller of HTTP/1.0 asked for it.
    if version == Version::HTTP_10 {
        response.set_version(version);
    }
}

/// Connections that leave enough of the process's open files for everything else.
fn places_within_open_files() -> usize {
    let files = getrlimit(Resource::Nofile).current.and_then(|files| usize::try_from(files).ok());
    files.map_or(usize::MAX, |files| files.saturating_sub(SOCKET_CONNECTIONS + FILES_KEPT).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_everything_else() {
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let places = places_within_open_files();

        assert!(places >= 1 && u64::try_from(places + SOCKET_CONNECTIONS + FILES_KEPT).unwrap() <= files);
    }
}
