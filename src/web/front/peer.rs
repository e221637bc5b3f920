//! Who calls: the peer of a connection, and the client behind a trusted proxy.

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;

use ipnet::IpNet;
use poem::http::HeaderMap;
use poem::http::header;

/// Network bits of an IPv6 address; the other half is the caller's to choose.
const NETWORK_BITS_V6: u32 = 64;

/// Where a request comes from. A handler finds the client's in the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Peer {
    /// The client's address, behind any trusted proxy. IPv4 is never written as IPv6.
    Tcp(IpAddr),
    /// The socket in the data directory: whoever the file's permissions let in.
    Socket,
}

impl Peer {
    /// The unit that is counted: an IPv4 address, or the /64 of an IPv6 address.
    pub(in crate::web) fn network(self) -> Self {
        match self {
            Self::Tcp(IpAddr::V6(address)) => {
                let mask = u128::MAX << (128 - NETWORK_BITS_V6);
                Self::Tcp(IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask)))
            }
            other => other,
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Socket => f.write_str("socket"),
        }
    }
}

/// Finds the client of a request: the peer, or what a trusted proxy says of it.
///
/// A trusted proxy's word is the rightmost address that is not itself a trusted proxy, of
/// `X-Forwarded-For`, or of `Forwarded` where the first is missing. An entry that is no address ends
/// the search, and the last address before it counts.
pub(super) fn client(peer: Peer, headers: &HeaderMap, trusted: &[IpNet]) -> Peer {
    let Peer::Tcp(tcp) = peer else { return peer };
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(&address));
    let mut client = tcp;
    let mut hops = hops(headers);
    while is_trusted(client) {
        let Some(address) = hops.pop().and_then(parse_hop) else { break };
        client = address;
    }
    Peer::Tcp(client)
}

fn hops(headers: &HeaderMap) -> Vec<&str> {
    if headers.contains_key("x-forwarded-for") {
        return entries(headers, "x-forwarded-for").filter(|entry| !entry.is_empty()).collect();
    }
    entries(headers, header::FORWARDED.as_str()).map(forwarded_for).collect()
}

/// The comma-separated entries of all lines of a header, in order; of an unreadable line nothing is left.
fn entries<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    let lines = headers.get_all(name).into_iter();
    lines.flat_map(|line| line.to_str().unwrap_or_default().split(',')).map(str::trim)
}

fn forwarded_for(element: &str) -> &str {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("for")).map_or("", |(_, value)| value)
}

/// Reads `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` and `"[2001:db8::1]:80"`.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim_matches('"');
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let address = bare.parse().or_else(|_| hop.parse().map(|socket: SocketAddr| socket.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use poem::http::HeaderName;
    use poem::http::HeaderValue;

    use super::*;

    fn tcp(address: &str) -> Peer {
        Peer::Tcp(address.parse().unwrap())
    }

    fn client_of(peer: Peer, lines: &[(&'static str, &'static str)]) -> Peer {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        client(peer, &headers, &trusted)
    }

    #[test]
    fn a_stranger_is_not_believed() {
        let lines = [("x-forwarded-for", "192.0.2.9"), ("forwarded", "for=192.0.2.9")];

        assert_eq!(client_of(tcp("203.0.113.1"), &lines), tcp("203.0.113.1"));
        assert_eq!(client_of(Peer::Socket, &lines), Peer::Socket);
    }

    #[test]
    fn a_trusted_proxy_names_the_rightmost_untrusted_address() {
        for (line, expected) in [
            ("192.0.2.9", "192.0.2.9"),
            ("6.6.6.6, 192.0.2.9", "192.0.2.9"),
            ("6.6.6.6, 192.0.2.9, 10.2.3.4", "192.0.2.9"),
            ("192.0.2.9:8080", "192.0.2.9"),
            ("::ffff:192.0.2.9", "192.0.2.9"),
            ("[2001:db8::1]:443, fd00::2", "2001:db8::1"),
            ("10.9.9.9, 10.2.3.4", "10.9.9.9"),
            ("192.0.2.9,", "192.0.2.9"),
            ("192.0.2.9, , 10.1.1.1", "192.0.2.9"),
            ("6.6.6.6, unknown", "10.0.0.1"),
            ("6.6.6.6, unknown, 10.2.3.4", "10.2.3.4"),
            ("", "10.0.0.1"),
        ] {
            assert_eq!(client_of(tcp("10.0.0.1"), &[("x-forwarded-for", line)]), tcp(expected), "{line}");
        }
    }

    #[test]
    fn several_lines_are_read_as_one() {
        let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.9, 10.1.1.1")];

        assert_eq!(client_of(tcp("10.0.0.1"), &lines), tcp("192.0.2.9"));
    }

    #[test]
    fn forwarded_is_read_only_without_x_forwarded_for() {
        let standard = ("forwarded", "for=6.6.6.6, proto=https; For=\"[2001:db8::7]:4711\";by=10.0.0.1");
        let common = ("x-forwarded-for", "192.0.2.9");

        assert_eq!(client_of(tcp("10.0.0.1"), &[standard]), tcp("2001:db8::7"));
        assert_eq!(client_of(tcp("10.0.0.1"), &[standard, common]), tcp("192.0.2.9"));
    }
}
