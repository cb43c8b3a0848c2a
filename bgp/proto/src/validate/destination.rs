//! Prefixes to which no unicast packet can go.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::Prefix;

/// Whether a prefix can be the destination of unicast packets that a router forwards (RFC 4271
/// §6.3: one that cannot is to be ignored). Only what lies *within* such a range is refused: a
/// default route is fine, and so is any other that merely covers one.
#[must_use]
pub(super) fn is_destination(prefix: &Prefix) -> bool {
    match prefix {
        Prefix::V4(prefix) => {
            let (address, bits) = (prefix.ip(), prefix.prefix());
            let this_network = address.octets()[0] == 0 && bits >= 8;
            let loopback = address.is_loopback() && bits >= 8;
            let multicast = address.is_multicast() && bits >= 4;
            let broadcast = address == Ipv4Addr::BROADCAST;
            !(this_network || loopback || multicast || broadcast)
        }
        Prefix::V6(prefix) => {
            let (address, bits) = (prefix.ip(), prefix.prefix());
            let multicast = address.is_multicast() && bits >= 8;
            let link_local = address.is_unicast_link_local() && bits >= 10;
            let mapped = address.to_ipv4_mapped().is_some() && bits >= 96;
            let host =
                bits == 128 && matches!(address, Ipv6Addr::UNSPECIFIED | Ipv6Addr::LOCALHOST);
            !(multicast || link_local || mapped || host)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_within_a_range_and_not_what_covers_it() {
        let fine = [
            "0.0.0.0/0",
            "0.0.0.0/7",
            "1.0.0.0/8",
            "126.0.0.0/7",
            "128.0.0.0/1",
            "169.254.0.0/16",
            "192.0.0.0/3",
            "224.0.0.0/3",
            "240.0.0.0/4",
            "255.255.255.254/32",
            "::/0",
            "::/127",
            "::2/128",
            "2000::/3",
            "fc00::/7",
            "fe00::/7",
            "fe80::/9",
            "fec0::/10",
            "::fffe:0:0/96",
        ];
        let senseless = [
            "0.0.0.0/8",
            "0.0.0.0/32",
            "0.1.0.0/16",
            "127.0.0.0/8",
            "127.0.0.1/32",
            "224.0.0.0/4",
            "239.255.255.255/32",
            "255.255.255.255/32",
            "::/128",
            "::1/128",
            "::ffff:0:0/96",
            "::ffff:10.0.0.0/104",
            "fe80::/10",
            "fe80::1/128",
            "ff00::/8",
            "ff02::1/128",
        ];
        for (texts, expected) in [(&fine[..], true), (&senseless, false)] {
            for text in texts {
                assert_eq!(is_destination(&text.parse().unwrap()), expected, "{text}");
            }
        }
    }
}
