//! A router advertisement or solicitation: 16 octets of source, one of hop limit, then ICMPv6.

use std::net::Ipv6Addr;

use rcni_bgp_proto::discovery::{HOP_LIMIT, parse};

/// What is taken came from this link, and goes on being taken without what it says beyond its kind.
pub fn run(data: &[u8]) {
    let Some((source, [hop_limit, bytes @ ..])) = data.split_first_chunk::<16>() else {
        return;
    };
    let source = Ipv6Addr::from(*source);
    let Ok(message) = parse(source, *hop_limit, bytes) else {
        return;
    };
    assert_eq!(*hop_limit, HOP_LIMIT);
    assert!(source.is_unicast_link_local() || source.is_unspecified());
    assert!(bytes.len() % 8 == 0 && bytes.len() >= 8);
    let header = if bytes.first() == Some(&133) { 8 } else { 16 };
    assert_eq!(parse(source, *hop_limit, &bytes[..header]), Ok(message));
}
