//! Which prefixes can be what they are configured to be.

use std::net::IpAddr;

use crate::{Cidr, reserved};

/// What a list of prefixes is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// The speaker announces them: disjoint, and such that a router takes them.
    Announced,
    /// Pods get addresses out of them: disjoint, and such that the plugin takes them.
    Pods,
    /// Destinations, as packets have them.
    Destinations,
    /// Where neighbours connect from.
    Neighbours,
}

impl Use {
    /// Whether the list may not have prefixes within one another.
    pub(super) fn is_disjoint(self) -> bool {
        self != Self::Destinations
    }

    /// Why `cidr` cannot be in the list, and what to write instead. Default routes are left to the
    /// caller.
    pub(super) fn refuses(self, cidr: &Cidr) -> Option<(String, String)> {
        if cidr.prefix_len() == 0 {
            return None;
        }
        match self {
            Self::Destinations => never_routed(cidr, unroutable(cidr)?),
            Self::Neighbours => {
                let reason = format!(
                    "nobody connects from {cidr}: it is {}",
                    no_neighbours(cidr)?
                );
                let hint = "write the network that the neighbours' addresses are in";
                Some((reason, hint.to_owned()))
            }
            Self::Announced => {
                // What lies around some of them may be an aggregate.
                let mut blocks = reserved::blocks();
                let within = blocks.find(|(block, _)| block.contains(cidr));
                let what = unroutable(cidr).or_else(|| within.map(|(_, what)| what))?;
                never_routed(cidr, what)
            }
            Self::Pods => {
                let why = reserved::for_pods(cidr).err()?;
                Some((why.to_string(), why.hint().to_owned()))
            }
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what `refuses` answers")]
fn never_routed(cidr: &Cidr, what: &str) -> Option<(String, String)> {
    let reason = format!("{cidr} is {what} and is never routed");
    Some((reason, "remove it".to_owned()))
}

/// Like [`unroutable`], but neighbours may be on the same host.
fn no_neighbours(cidr: &Cidr) -> Option<&'static str> {
    match unroutable(cidr)? {
        "loopback" => None,
        // Of IPv4, some fabrics use such addresses on their links.
        "link-local" if cidr.is_ipv4() => None,
        "link-local" => Some("link-local, and says nothing without a link (peerInterface)"),
        what => Some(what),
    }
}

/// What a prefix is by its first address, if it can never be somebody's network.
fn unroutable(cidr: &Cidr) -> Option<&'static str> {
    let address = cidr.ip();
    match address {
        // An aggregate that begins at zero.
        _ if address.is_unspecified() && cidr.prefix_len() < cidr.max_len() => None,
        _ if address.is_unspecified() => Some("no host's address"),
        _ if address.is_multicast() => Some("multicast"),
        _ if address.is_loopback() => Some("loopback"),
        IpAddr::V4(v4) if v4.is_link_local() => Some("link-local"),
        IpAddr::V6(v6) if v6.is_unicast_link_local() => Some("link-local"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(list: Use, texts: &[&str], expected: bool) {
        for text in texts {
            let answer = list.refuses(&text.parse().unwrap());
            assert_eq!(answer.is_some(), expected, "{list:?} {text}: {answer:?}");
        }
    }

    #[test]
    fn what_no_router_takes_is_not_announced() {
        let never = [
            "0.0.0.0/8",
            "0.0.0.0/32",
            "0.1.0.0/16",
            "127.0.0.0/8",
            "127.0.0.1/32",
            "169.254.0.0/16",
            "224.0.0.0/3",
            "224.0.0.0/4",
            "240.0.0.0/4",
            "255.255.255.255/32",
            "::/96",
            "::/128",
            "::1/128",
            "::10.0.0.0/104",
            "::ffff:0:0/96",
            "::ffff:10.0.0.0/104",
            "fe80::/10",
            "fe80::/64",
            "ff00::/8",
        ];
        refused(Use::Announced, &never, true);
        let fine = [
            "0.0.0.0/0",
            "::/0",
            "0.0.0.0/1",
            "128.0.0.0/1",
            "0.0.0.0/7",
            "1.0.0.0/8",
            "10.0.0.1/32",
            "223.255.255.0/24",
            "::/3",
            "2000::/3",
            "64:ff9b::/96",
            "fc00::/7",
            "fd00::1/128",
        ];
        refused(Use::Announced, &fine, false);
        // Packets go there all the same.
        refused(Use::Destinations, &["240.0.0.0/4", "0.0.0.0/8"], false);
    }

    #[test]
    fn neighbours_are_hosts() {
        let never = [
            "224.0.0.0/4",
            "0.0.0.0/32",
            "::/128",
            "ff02::/16",
            "fe80::/10",
        ];
        refused(Use::Neighbours, &never, true);
        let fine = [
            "0.0.0.0/0",
            "::/0",
            "10.0.0.0/8",
            "10.0.0.1/32",
            "127.0.0.0/8",
            "::1/128",
            "169.254.0.0/16",
            "fd00::/64",
        ];
        refused(Use::Neighbours, &fine, false);
    }

    #[test]
    fn pods_get_what_the_plugin_gives_out() {
        let never = [
            "10.0.0.0/31",
            "10.0.0.0/32",
            "fd00::/127",
            "fd00::/128",
            "0.0.0.0/8",
            "0.0.0.0/4",
            "126.0.0.0/7",
            "127.1.0.0/24",
            "169.254.1.0/24",
            "128.0.0.0/1",
            "239.0.0.0/24",
            "240.0.0.0/24",
            "::/64",
            "::/96",
            "::1:0/112",
            "::ffff:10.0.0.0/120",
            "fe80::/64",
            "fe00::/8",
            "ff0e::/64",
        ];
        refused(Use::Pods, &never, true);
        let fine = [
            "10.0.0.0/30",
            "10.0.0.0/8",
            "100.64.0.0/10",
            "fd00::/126",
            "fd00::/8",
            "2001:db8::/64",
        ];
        refused(Use::Pods, &fine, false);
    }
}
