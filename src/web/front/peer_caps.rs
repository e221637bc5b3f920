//! How many connections one peer may hold.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use ipnet::IpNet;

use crate::web::front::Peer;

/// Counts the connections of each peer.
pub(super) struct PeerCaps {
    limit: usize,
    exempt: Vec<IpNet>,
    open: Mutex<HashMap<Peer, usize>>,
}

impl PeerCaps {
    /// Allows each peer `limit` connections; those of `exempt` are not counted.
    pub(super) fn new(limit: usize, exempt: Vec<IpNet>) -> Arc<Self> {
        Arc::new(Self { limit, exempt, open: Mutex::default() })
    }

    /// Takes a place for a connection of `peer`, given back on drop; none where the peer has its fill.
    pub(super) fn enter(self: &Arc<Self>, peer: Peer) -> Option<PeerPlace> {
        let network = peer.network();
        let counted = match peer {
            Peer::Socket => false,
            Peer::Tcp(address) => !self.exempt.iter().any(|network| network.contains(&address)),
        };
        if counted {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let count = open.entry(network).or_insert(0);
            if *count >= self.limit {
                return None;
            }
            *count += 1;
        }
        Some(PeerPlace { caps: Arc::clone(self), network: counted.then_some(network) })
    }
}

/// A peer's place; dropping it makes room for the peer's next connection.
pub(super) struct PeerPlace {
    caps: Arc<PeerCaps>,
    network: Option<Peer>,
}

impl Drop for PeerPlace {
    fn drop(&mut self) {
        let Some(network) = self.network else { return };
        let mut open = self.caps.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                open.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(address: &str) -> Peer {
        Peer::Tcp(address.parse().unwrap())
    }

    #[test]
    fn a_peer_gets_its_places_and_no_more_until_one_is_given_back() {
        let caps = PeerCaps::new(2, vec!["10.0.0.0/8".parse().unwrap()]);
        let first = caps.enter(tcp("192.0.2.1")).unwrap();
        let _second = caps.enter(tcp("192.0.2.1")).unwrap();

        assert!(caps.enter(tcp("192.0.2.1")).is_none());
        assert!(caps.enter(tcp("192.0.2.2")).is_some());
        drop(first);
        assert!(caps.enter(tcp("192.0.2.1")).is_some());
    }

    #[test]
    fn proxies_and_the_socket_are_not_counted_and_a_v6_network_is_one_peer() {
        let caps = PeerCaps::new(1, vec!["10.0.0.0/8".parse().unwrap()]);
        let held: Vec<_> = [tcp("10.0.0.1"), tcp("10.0.0.1"), Peer::Socket, Peer::Socket, tcp("2001:db8::1")]
            .into_iter()
            .map(|peer| caps.enter(peer).unwrap())
            .collect();

        assert!(caps.enter(tcp("2001:db8::ffff")).is_none());
        assert!(caps.enter(tcp("2001:db8:0:1::1")).is_some());
        drop(held);
        assert!(caps.open.lock().unwrap().is_empty());
    }
}
