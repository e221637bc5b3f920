//! Proxies that nobody has named: all who come through one count as one caller.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use ipnet::IpNet;
use poem::http::{HeaderMap, header};

use crate::web::front::Peer;

/// The first peer that spoke for others without being trusted. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct UnbelievedProxy(Arc<OnceLock<IpAddr>>);

impl UnbelievedProxy {
    /// Its address, where there was one since the start.
    pub fn address(&self) -> Option<IpAddr> {
        self.0.get().copied()
    }

    /// Looks at a request, and says so in the log the first time.
    pub(super) fn note(&self, peer: Peer, headers: &HeaderMap, trusted: &[IpNet]) {
        let Peer::Tcp(address) = peer else { return };
        let speaks = headers.contains_key("x-forwarded-for") || headers.contains_key(header::FORWARDED);
        let is_new = speaks && self.0.get().is_none();
        if is_new && !trusted.iter().any(|network| network.contains(&address)) && self.0.set(address).is_ok()
        {
            tracing::warn!(
                peer = %address,
                "this peer names other callers and is not believed, so that all of them count as one; \
                 if it is your proxy, say --trusted-proxy {address}"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderValue;

    use super::*;

    #[test]
    fn the_first_peer_that_speaks_for_others_is_known_and_trusted_ones_are_not_meant() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let of = |peer: &str, name: &'static str| {
            let unbelieved = UnbelievedProxy::default();
            let headers = HeaderMap::from_iter([(
                header::HeaderName::from_static(name),
                HeaderValue::from_static("192.0.2.9"),
            )]);
            unbelieved.note(Peer::Tcp(peer.parse().unwrap()), &headers, &trusted);
            unbelieved.note(Peer::Tcp("203.0.113.1".parse().unwrap()), &headers, &trusted);
            unbelieved.address().map(|address| address.to_string())
        };

        assert_eq!(of("127.0.0.1", "x-forwarded-for").unwrap(), "127.0.0.1");
        assert_eq!(of("127.0.0.1", "forwarded").unwrap(), "127.0.0.1");
        assert_eq!(of("10.1.1.1", "x-forwarded-for").unwrap(), "203.0.113.1");
        assert_eq!(of("127.0.0.1", "x-real-ip"), None);
    }
}
