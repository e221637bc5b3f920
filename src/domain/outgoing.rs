//! Which addresses notices may be sent to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::{AddressRange, Invalid, TargetUrl};

/// Whether an address belongs to one machine of the public internet: nothing private, local, shared, reserved, or meant for
/// many (the registries of RFC 6890 and its successors). An IPv6 address that stands for an IPv4 one is judged as that.
pub fn is_public_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match v4_within(address) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

/// Whether one of the ranges holds the address, in either spelling of an IPv4 one.
pub fn is_admitted(ranges: &[AddressRange], address: IpAddr) -> bool {
    let address = address.to_canonical();
    ranges.iter().any(|range| range.contains(address))
}

/// Checks what can be told of a target's address as it is entered. Where a name leads is checked whenever it is resolved.
///
/// # Errors
/// Says what is wrong, and which setting would admit it.
pub fn check_target_url(url: &TargetUrl, allowed: &[AddressRange]) -> Result<(), Invalid> {
    trouble_of_outgoing(url.reveal(), allowed).map_or(Ok(()), |detail| Err(Invalid::new("url", detail)))
}

/// What forbids a request to an address as it is written. A sentence without its beginning and a full stop.
pub fn trouble_of_outgoing(url: &Url, allowed: &[AddressRange]) -> Option<String> {
    let is_plain = url.scheme() != "https";
    match url.host() {
        Some(Host::Ipv4(address)) => trouble_of_receiver(address.into(), is_plain, allowed),
        Some(Host::Ipv6(address)) => trouble_of_receiver(address.into(), is_plain, allowed),
        Some(Host::Domain(name)) if is_localhost(name) => {
            let loopback = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            let is_admitted = loopback.into_iter().any(|address| is_admitted(allowed, address));
            (!is_admitted).then(|| {
                "leads to this machine; start the server with --allow-target 127.0.0.1 to admit it".to_owned()
            })
        }
        Some(Host::Domain(_)) if is_plain && allowed.is_empty() => Some(
            "must begin with https://; http goes to addresses only that the server is started with --allow-target for"
                .to_owned(),
        ),
        Some(Host::Domain(_)) => None,
        None => Some("has no host".to_owned()),
    }
}

/// What forbids a request to the machine at this address: it is not of the public internet, or is asked in clear, and is not
/// admitted. A sentence without its beginning and a full stop.
pub fn trouble_of_receiver(address: IpAddr, is_plain: bool, allowed: &[AddressRange]) -> Option<String> {
    let is_public = is_public_address(address);
    if is_admitted(allowed, address) || (is_public && !is_plain) {
        return None;
    }
    let why = if is_public { "takes https only" } else { "is no address of the public internet" };
    Some(format!(
        "leads to {address}, which {why}; start the server with --allow-target {address} to admit it"
    ))
}

/// RFC 6761: whatever ends so is this machine, and a name may end in a dot.
fn is_localhost(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name == "localhost" || name.ends_with(".localhost")
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    !matches!(
        address.octets(),
        [0 | 10 | 127 | 224.., ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 168, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
    )
}

/// Global unicast is `2000::/3`; of it the ranges for documentation, benchmarks, tunnels and protocols are kept.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let is_kept = matches!((a, b), (0x2001, 0..=0x01ff | 0x0db8) | (0x2002, _)) || a & 0xfff0 == 0x3ff0;
    a & 0xe000 == 0x2000 && !is_kept
}

/// The IPv4 address that this one stands for: mapped, or translated by the well-known prefix (RFC 6052).
fn v4_within(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let is_translated = address.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let inner = || {
        let [.., a, b, c, d] = address.octets();
        Ipv4Addr::new(a, b, c, d)
    };
    address.to_ipv4_mapped().or_else(|| is_translated.then(inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_machines_of_the_public_internet_are_public() {
        for own in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "::7f00:1",
            "64:ff9b:1::1",
        ] {
            assert!(!is_public_address(own.parse().unwrap()), "{own}");
        }
        for public in [
            "1.1.1.1",
            "140.82.112.3",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(is_public_address(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn a_range_admits_its_own_in_either_spelling() {
        let ranges = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];

        for (address, is_in) in
            [("10.9.8.7", true), ("::ffff:10.9.8.7", true), ("fd00::1", true), ("127.0.0.1", false)]
        {
            assert_eq!(is_admitted(&ranges, address.parse().unwrap()), is_in, "{address}");
        }
    }
    #[test]
    fn an_address_that_is_entered_leads_out_unless_another_is_admitted() {
        let check = |url: &str, allowed: &[&str]| {
            let allowed: Vec<_> = allowed.iter().map(|range| range.parse().unwrap()).collect();
            check_target_url(&TargetUrl::parse(url).unwrap(), &allowed).map_err(|invalid| invalid.detail)
        };
        for (url, allowed) in [
            ("https://example.com/hook", &[][..]),
            ("https://1.1.1.1/hook", &[]),
            ("https://[2606:4700::1111]/hook", &[]),
            ("https://10.1.2.3/hook", &["10.0.0.0/8"]),
            ("http://10.1.2.3/hook", &["10.0.0.0/8"]),
            ("http://1.1.1.1/hook", &["1.1.1.1"]),
            ("http://[fd00::1]/hook", &["fd00::/8"]),
            ("http://ci.internal/hook", &["10.0.0.0/8"]),
            ("http://localhost:8080/", &["127.0.0.0/8"]),
            ("https://api.localhost/", &["::1"]),
        ] {
            assert_eq!(check(url, allowed), Ok(()), "{url}");
        }
        for (url, allowed) in [
            ("https://10.1.2.3/hook", &[][..]),
            ("https://0x7f.1/hook", &[]),
            ("https://017700000001/hook", &[]),
            ("https://2130706433/hook", &[]),
            ("https://169.254.169.254/latest", &["10.0.0.0/8"]),
            ("https://[::1]/", &[]),
            ("https://[::ffff:10.0.0.1]/", &[]),
            ("https://[fe80::1]/", &["fd00::/8"]),
            ("https://localhost/", &["10.0.0.0/8"]),
            ("https://LOCALHOST./", &[]),
            ("https://a.localhost/", &[]),
            ("http://example.com/hook", &[]),
            ("http://1.1.1.1/hook", &["10.0.0.0/8"]),
        ] {
            let told = check(url, allowed).unwrap_err();
            assert!(told.contains("--allow-target"), "{url}: {told}");
        }
        let told = check("https://0x7f.1/", &[]).unwrap_err();
        assert_eq!(
            told,
            "leads to 127.0.0.1, which is no address of the public internet; start the server with --allow-target 127.0.0.1 to admit it"
        );
    }
}
