//! Router advertisements and solicitations as they are on the wire (RFC 4861 §4.1, §4.2).

use std::net::Ipv6Addr;

/// Nobody has forwarded it (§6.1).
pub const HOP_LIMIT: u8 = 255;
/// ICMPv6 types.
const SOLICITATION: u8 = 133;
const ADVERTISEMENT: u8 = 134;
/// Octets before the options.
const SOLICITATION_LEN: usize = 8;
const ADVERTISEMENT_LEN: usize = 16;
/// Type of the option with the sender's link-layer address (§4.6.1).
const SOURCE_LINK_LAYER: u8 = 1;
/// Options count their length in these.
const UNIT: usize = 8;
/// Octets of an Ethernet address.
const ETHERNET: usize = 6;

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    /// A host asks for advertisements.
    Solicitation,
    /// A router says that it is there.
    Advertisement {
        /// How long it wants to be a default router; 0: not at all.
        lifetime_secs: u16,
    },
}

/// Why a message is dropped (RFC 4861 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It came from behind a router, or pretends to come from this link.
    #[error("hop limit {0} instead of 255")]
    HopLimit(u8),
    /// Not that of a router on this link.
    #[error("source {0} is no link-local address")]
    Source(Ipv6Addr),
    /// Octets.
    #[error("{0} octets are too few")]
    Short(usize),
    /// ICMP code.
    #[error("code {0} instead of 0")]
    Code(u8),
    /// Neither of the two.
    #[error("ICMPv6 type {0}")]
    Type(u8),
    /// An option of length 0, or one that goes beyond the end.
    #[error("an option (type {0}) has no valid length")]
    Option(u8),
    /// A host without an address cannot say that it has a link-layer address (§6.1.1).
    #[error("a link-layer address from nobody")]
    Unspecified,
}

/// What a message is, if it is one that counts. `bytes` begin with the ICMPv6 header, whose checksum is
/// right.
///
/// # Errors
/// Why it is dropped.
pub fn parse(source: Ipv6Addr, hop_limit: u8, bytes: &[u8]) -> Result<Message, Malformed> {
    if hop_limit != HOP_LIMIT {
        return Err(Malformed::HopLimit(hop_limit));
    }
    let short = Malformed::Short(bytes.len());
    let [kind, code, ..] = *bytes else {
        return Err(short);
    };
    let (message, header) = match kind {
        SOLICITATION => (Message::Solicitation, SOLICITATION_LEN),
        ADVERTISEMENT => {
            let lifetime = bytes.get(6..8).and_then(|two| two.try_into().ok());
            let lifetime_secs = u16::from_be_bytes(lifetime.ok_or(short)?);
            (Message::Advertisement { lifetime_secs }, ADVERTISEMENT_LEN)
        }
        kind => return Err(Malformed::Type(kind)),
    };
    let unspecified = message == Message::Solicitation && source.is_unspecified();
    if !source.is_unicast_link_local() && !unspecified {
        return Err(Malformed::Source(source));
    }
    if code != 0 {
        return Err(Malformed::Code(code));
    }
    let mut options = bytes.get(header..).ok_or(short)?;
    while let [kind, units, ..] = *options {
        let length = usize::from(units) * UNIT;
        options = match options.get(length..) {
            Some(rest) if length > 0 => rest,
            _ => return Err(Malformed::Option(kind)),
        };
        if unspecified && kind == SOURCE_LINK_LAYER {
            return Err(Malformed::Unspecified);
        }
    }
    match options {
        [] => Ok(message),
        [kind, ..] => Err(Malformed::Option(*kind)),
    }
}

/// An advertisement of a router that nobody should take for a default one: lifetime 0, and nothing else
/// is said but the own link-layer address. The checksum is the kernel's.
#[must_use]
pub fn advertisement(link_layer: Option<[u8; ETHERNET]>) -> Vec<u8> {
    // Hop limit, flags, lifetime and both times 0: unspecified.
    message(ADVERTISEMENT, ADVERTISEMENT_LEN, link_layer)
}

/// Asks all routers of the link for advertisements.
#[must_use]
pub fn solicitation(link_layer: Option<[u8; ETHERNET]>) -> Vec<u8> {
    message(SOLICITATION, SOLICITATION_LEN, link_layer)
}

fn message(kind: u8, length: usize, link_layer: Option<[u8; ETHERNET]>) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.resize(length, 0);
    if let Some(address) = link_layer {
        bytes.extend([SOURCE_LINK_LAYER, 1]);
        bytes.extend(address);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ROUTER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

    /// One of FRR 8.4 (`ipv6 nd ra-interval 10`, an interface of a BGP peer): lifetime 0, its
    /// link-layer address; and one of radvd's kind: lifetime 1800, a prefix, an MTU, the address.
    const FRR: &str = "86000000400000000000000000000000 0101020000000001";
    const RADVD: &str = "86000000400007080000000000000000 \
        030440c000015180000038400000000020010db8000000000000000000000000 \
        05010000000005dc 0101020000000001";

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair: &[u8]| {
            let pair = std::str::from_utf8(pair).unwrap();
            u8::from_str_radix(pair, 16).unwrap()
        };
        digits.chunks(2).map(byte).collect()
    }

    fn from_router(bytes: &[u8]) -> Result<Message, Malformed> {
        parse(ROUTER, HOP_LIMIT, bytes)
    }

    #[test]
    fn others_advertisements_are_understood() {
        let lifetime = |lifetime_secs| Ok(Message::Advertisement { lifetime_secs });
        assert_eq!(from_router(&hex(FRR)), lifetime(0));
        assert_eq!(from_router(&hex(RADVD)), lifetime(1800));
        assert_eq!(
            from_router(&hex("8500000000000000")),
            Ok(Message::Solicitation)
        );
        let unspecified = parse(Ipv6Addr::UNSPECIFIED, HOP_LIMIT, &solicitation(None));
        assert_eq!(unspecified, Ok(Message::Solicitation));
    }

    #[test]
    fn own_ones_are_fine() {
        let lifetime_secs = 0;
        for address in [None, Some(MAC)] {
            let advertised = advertisement(address);
            let known = Ok(Message::Advertisement { lifetime_secs });
            assert_eq!(from_router(&advertised), known);
            assert_eq!(
                from_router(&solicitation(address)),
                Ok(Message::Solicitation)
            );
        }
        let mut expected = hex(FRR);
        // FRR says which hop limit hosts should use; here nobody is to configure itself.
        expected[4] = 0;
        assert_eq!(advertisement(Some(MAC)), expected);
        assert_eq!(advertisement(Some(MAC)).len(), 24);
    }

    #[test]
    fn what_is_forged_or_broken_is_dropped_for_its_reason() {
        let fine = hex(RADVD);
        for hop_limit in [0, 1, 64, 254] {
            let dropped = parse(ROUTER, hop_limit, &fine);
            assert_eq!(dropped, Err(Malformed::HopLimit(hop_limit)));
        }
        for source in ["2001:db8::1", "fd00::1", "ff02::1", "::1", "::"] {
            let source: Ipv6Addr = source.parse().unwrap();
            let dropped = parse(source, HOP_LIMIT, &fine);
            assert_eq!(dropped, Err(Malformed::Source(source)));
        }
        for length in 0..16 {
            assert!(matches!(
                from_router(&fine[..length]),
                Err(Malformed::Short(_))
            ));
        }
        let with = |at: usize, value: u8| {
            let mut bytes = fine.clone();
            bytes[at] = value;
            from_router(&bytes)
        };
        assert_eq!(with(1, 1), Err(Malformed::Code(1)));
        assert_eq!(with(0, 135), Err(Malformed::Type(135)));
        assert_eq!(with(17, 0), Err(Malformed::Option(3)));
        assert_eq!(with(17, 200), Err(Malformed::Option(3)));
        assert_eq!(with(57, 2), Err(Malformed::Option(1)));
        let nobody = parse(Ipv6Addr::UNSPECIFIED, HOP_LIMIT, &solicitation(Some(MAC)));
        assert_eq!(nobody, Err(Malformed::Unspecified));
        // One octet is no option.
        let mut longer = fine.clone();
        longer.push(1);
        assert_eq!(from_router(&longer), Err(Malformed::Option(1)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = from_router(&bytes);
            for kind in [SOLICITATION, ADVERTISEMENT] {
                let mut bytes = bytes.clone();
                bytes.splice(..bytes.len().min(2), [kind, 0]);
                let _ = from_router(&bytes);
            }
        }
    }
}
