//! The answers to heads that are not handed on to hyper, whose own would say nothing.

use poem::Response;
use poem::http::HeaderMap;
use poem::http::Method;

use crate::domain::Code;
use crate::web::front::Front;
use crate::web::front::Peer;
use crate::web::front::access;
use crate::web::front::access::Entry;
use crate::web::front::stream::Unreadable;
use crate::web::problem::problem;
use crate::web::problem::status_of;

impl Front {
    /// The answer to a head that is not handed on, as it goes over the wire.
    pub(super) fn refuse(&self, unreadable: Unreadable, peer: Peer) -> String {
        let (code, detail) = match unreadable {
            Unreadable::Http2 => (Code::HttpVersion, "HTTP/2 is not spoken here; ask for HTTP/1.1"),
            Unreadable::Tls => (
                Code::NotATextProtocol,
                "TLS was sent to a port of plain HTTP; say http://, or ask the proxy that ends TLS",
            ),
            Unreadable::TargetTooLong => {
                (Code::UriTooLong, "path and query together must not be longer than 8192 bytes")
            }
            Unreadable::TooLarge => {
                (Code::HeadTooLarge, "a request has at most 32 KiB of head and 64 header lines")
            }
        };
        let entry = Entry::new(access::request_id(&HeaderMap::new()), &Method::GET, peer);
        let (status, body) = (status_of(code.class()), problem(code, detail, None, &[]));
        access::record(&self.refused, &entry, &Response::builder().status(status).finish());
        let reason = status.canonical_reason().unwrap_or_default();
        format!(
            "HTTP/1.1 {} {reason}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\n\
             X-Request-Id: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n{body}",
            status.as_u16(),
            body.len(),
            entry.id,
        )
    }
}
