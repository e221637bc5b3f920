//! Ranges of client addresses that a hook may be called from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use super::Invalid;

/// Bits before an IPv4 address in its IPv6 form.
const MAPPED_BITS: u8 = 96;

/// A CIDR range or a single address. An IPv4 address that arrives in its IPv6 form (`::ffff:a.b.c.d`) counts as IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange(IpNet);

impl AddressRange {
    /// The range in the form of a library that knows none of ours.
    pub const fn network(&self) -> IpNet {
        self.0
    }

    /// Tells whether `address` lies in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl FromStr for AddressRange {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(IpNet::from(address.to_canonical())));
        }
        let range = text.parse::<IpNet>().map_err(|_| {
            Invalid::new(
                "addresses",
                format!("\"{text}\" is no address range; write 203.0.113.0/24 or 2001:db8::/32"),
            )
        })?;
        Ok(Self(canonical(range.trunc())))
    }
}

/// IPv4 addresses in their IPv6 form count as IPv4, so a range of them does too: its prefix less 96.
fn canonical(range: IpNet) -> IpNet {
    let IpNet::V6(wide) = range else { return range };
    let short = wide.prefix_len().checked_sub(MAPPED_BITS);
    let mapped = wide.network().to_ipv4_mapped().zip(short);
    mapped.and_then(|(address, bits)| Ipv4Net::new(address, bits).ok()).map_or(range, IpNet::V4)
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl serde::Serialize for AddressRange {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_its_addresses_in_either_spelling() {
        let range: AddressRange = "203.0.113.7/24".parse().unwrap();

        assert_eq!(range.to_string(), "203.0.113.0/24");
        assert!(range.contains("203.0.113.200".parse().unwrap()));
        assert!(range.contains("::ffff:203.0.113.200".parse().unwrap()));
        assert!(!range.contains("203.0.114.1".parse().unwrap()));
        for mapped in
            ["::ffff:203.0.113.0/120", "::ffff:203.0.113.200/128", "::ffff:203.0.113.200", " 203.0.113.0/24"]
        {
            let range: AddressRange = mapped.parse().unwrap();
            assert!(range.contains("203.0.113.200".parse().unwrap()), "{mapped}");
        }
        assert!("10.0.0.0/33".parse::<AddressRange>().is_err());
        assert!("example.com".parse::<AddressRange>().is_err());
    }
}
