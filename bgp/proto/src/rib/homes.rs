//! Own networks, and those that were own until a moment ago.
//!
//! What we announce may come back: from a router that puts its own AS number in the place of ours (AS
//! override), or with ours in it to who allows that. While the network is ours nothing beats it. When
//! we withdraw it, the routers go on telling each other and us for a while what they had from us
//! (path hunting), and by its AS_PATH such an echo is no loop. To use it would send packets for the
//! network round in circles. So a network stays known for `REMEMBERED`, as long as routers wait
//! between two UPDATEs about one prefix (RFC 4271 §10), and what looks like an echo of it is not used
//! until then. If it really is another's now, that one's paths of our AS wait as long.

use std::collections::BTreeSet;
use std::ops::Deref;
use std::time::{Duration, Instant};

use crate::wire::Prefix;

/// How long.
const REMEMBERED: Duration = Duration::from_secs(30);

/// See the [module](self). Derefs to the own networks of now.
#[derive(Debug, Default)]
pub(crate) struct Homes {
    own: BTreeSet<Prefix>,
    former: Vec<(Prefix, Instant)>,
}

impl Homes {
    pub(super) fn new(own: BTreeSet<Prefix>) -> Self {
        let former = Vec::new();
        Self { own, former }
    }

    /// Other networks, with those that were own before.
    pub(super) fn replace(&mut self, own: BTreeSet<Prefix>, now: Instant) -> BTreeSet<Prefix> {
        self.former.retain(|(network, _)| !own.contains(network));
        let gone = self.own.difference(&own);
        self.former
            .extend(gone.map(|network| (*network, now + REMEMBERED)));
        std::mem::replace(&mut self.own, own)
    }

    /// Would an echo of ours about this prefix be used, if nothing else were known of it: a network
    /// that was own, or a part of one that was or is? Of networks that are shorter than a node's pod
    /// CIDR can be, parts may well be others'. (What is own itself is decided.)
    pub(crate) fn has(&self, prefix: &Prefix) -> bool {
        if self.own.contains(prefix) {
            return false;
        }
        let former = self.former.iter().map(|(network, _)| network);
        let mut all = self.own.iter().chain(former);
        all.any(|network| {
            let inside = network.prefix() < prefix.prefix() && network.contains(prefix.ip());
            network == prefix || has_parts(network) && inside
        })
    }

    /// When the next one may be forgotten.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.former.iter().map(|(_, until)| *until).min()
    }

    /// Those that are forgotten now.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<Prefix> {
        let due = self.former.extract_if(.., |(_, until)| *until <= now);
        due.map(|(network, _)| network).collect()
    }
}

/// Are parts of an own network ours, too? Not of one that is shorter than a node's pod CIDR can be.
pub(crate) fn has_parts(network: &Prefix) -> bool {
    network.prefix() >= if network.is_ipv4() { 20 } else { 56 }
}

impl Deref for Homes {
    type Target = BTreeSet<Prefix>;

    fn deref(&self) -> &BTreeSet<Prefix> {
        &self.own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(texts: &[&str]) -> BTreeSet<Prefix> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn an_own_network_is_remembered_for_a_while() {
        let start = Instant::now();
        let has = |homes: &Homes, text: &str| homes.has(&text.parse().unwrap());
        let mut homes = Homes::new(prefixes(&["10.244.1.0/24", "10.0.0.0/8", "192.0.2.7/32"]));
        for (text, expected) in [
            ("10.244.1.0/24", false),
            ("10.244.1.64/26", true),
            ("10.244.0.0/16", false),
            ("10.0.0.0/8", false),
            ("10.9.0.0/24", false),
            ("192.0.2.7/32", false),
            ("192.0.2.0/24", false),
            ("2001:db8::/64", false),
        ] {
            assert_eq!(has(&homes, text), expected, "{text}");
        }
        homes.replace(prefixes(&["10.0.0.0/8"]), start);
        let later = start + Duration::from_secs(9);
        homes.replace(prefixes(&["192.0.2.7/32"]), later);
        assert!(has(&homes, "10.244.1.64/26") && has(&homes, "10.244.1.0/24"));
        assert!(has(&homes, "10.0.0.0/8") && !has(&homes, "10.9.0.0/24"));
        assert_eq!(homes.next_timeout(), Some(start + REMEMBERED));
        assert!(homes.take_due(later).is_empty());
        let due = homes.take_due(start + REMEMBERED);
        assert_eq!(due, ["10.244.1.0/24".parse().unwrap()]);
        assert!(!has(&homes, "10.244.1.64/26") && has(&homes, "10.0.0.0/8"));
        assert_eq!(homes.next_timeout(), Some(later + REMEMBERED));
    }
}
