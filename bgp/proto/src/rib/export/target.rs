//! The peer, as far as exporting to it cares; which next hop it is told.

use std::net::{IpAddr, Ipv4Addr};

use super::Withheld;
use crate::attr::{NextHop, PathAttributes};
use crate::iana::Family;
use crate::policy::{NextHopChange, Policy};
use crate::rib::knobs::{Knobs, NextHopMode};
use crate::speaker::{OwnAddresses, PeerId, is_link_local};
use crate::validate::Role;

/// See the [module](self).
#[derive(Clone, Debug)]
pub struct Target {
    /// Which.
    pub peer: PeerId,
    /// Its AS number.
    pub asn: u32,
    /// Who it is beyond that.
    pub who: Who,
    /// Own AS number.
    pub local_asn: u32,
    /// Own cluster (RFC 4456).
    pub cluster_id: Ipv4Addr,
    /// Own addresses at the session: the next hops of what is ours.
    pub own: OwnAddresses,
    /// The peer is on the interface's link: link-local addresses mean something to it.
    pub on_link: bool,
    /// It takes IPv6 next hops of IPv4 prefixes (RFC 8950).
    pub extended_next_hop: bool,
    /// The own role towards it (RFC 9234).
    pub role: Option<Role>,
    /// What is set about its paths.
    pub knobs: Knobs,
    /// The export rules.
    pub policy: Policy,
    /// What of restarts and shutdowns it is told.
    pub graceful: Graceful,
}

/// What of restarts and shutdowns a peer is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Graceful {
    /// This speaker is about to go: everything carries GRACEFUL_SHUTDOWN (RFC 8326 §4), and to
    /// internal peers the lowest LOCAL_PREF.
    pub draining: bool,
    /// The peer takes long-lived stale routes (RFC 9494 §4.3).
    pub long_lived: bool,
}

/// The peer itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    /// Its end of the session.
    pub address: IpAddr,
    /// Its BGP Identifier.
    pub bgp_id: Ipv4Addr,
}

impl Target {
    pub(super) fn external(&self) -> bool {
        self.asn != self.local_asn
    }

    pub(super) fn external_role(&self) -> Option<Role> {
        self.role.filter(|_| self.external())
    }

    /// The next hop of what is ours: on a shared link the global address with the link-local one
    /// (RFC 2545 §3), and that alone where there is no other and the session is over such addresses;
    /// of IPv4 prefixes an IPv6 one where the peer takes it and there is no other, or the session is
    /// over link-local addresses: what IPv4 address such a link has need not be the peer's network.
    #[must_use]
    pub fn own_next_hop(&self, family: Family) -> Option<NextHop> {
        let unnumbered = is_link_local(self.who.address);
        let v6 = || {
            let link_local = self.own.link_local().filter(|_| self.on_link);
            match (self.own.v6, link_local) {
                (Some(global), Some(link_local)) => {
                    Some(NextHop::V6LinkLocal { global, link_local })
                }
                (Some(global), None) => Some(NextHop::V6(global)),
                (None, link_local) => link_local.filter(|_| unnumbered).map(NextHop::V6),
            }
        };
        match family {
            Family::IPV4_UNICAST => {
                let v4 = self.own.v4.map(NextHop::V4);
                let extended = || v6().filter(|_| self.extended_next_hop);
                match unnumbered {
                    true => extended().or(v4),
                    false => v4.or_else(extended),
                }
            }
            Family::IPV6_UNICAST => v6(),
            _ => None,
        }
    }

    /// The next hop of a path, as a rule has `set` it or else as the table in [`super`] says.
    pub(in crate::rib) fn next_hop(
        &self,
        attributes: &PathAttributes,
        own: bool,
        family: Family,
        set: Option<NextHopChange>,
    ) -> Result<NextHop, Withheld> {
        let ours = || self.own_next_hop(family).ok_or(Withheld::NoNextHop);
        let mode = match set {
            Some(NextHopChange::Address(address)) if address == self.who.address => {
                return Err(Withheld::PeerNextHop);
            }
            Some(NextHopChange::Address(address)) => {
                let set = self.takes(address, family).then(|| address.into());
                return set.ok_or(Withheld::NoNextHop);
            }
            Some(NextHopChange::Unchanged) => NextHopMode::Keep,
            Some(NextHopChange::Own) => NextHopMode::Own,
            None => self.knobs.next_hop,
        };
        let learned = attributes.next_hop.filter(|_| !own);
        let Some(learned) = learned.filter(|_| mode != NextHopMode::Own) else {
            return ours();
        };
        let told = self.can_be_told(learned, family);
        let kept = match mode {
            NextHopMode::Keep => Some(told.ok_or(Withheld::NextHopKept)?),
            _ if self.external() => told.filter(|hop| self.is_third_party(hop.address())),
            _ => told,
        };
        match kept {
            // RFC 4271 §5.1.3: it SHALL NOT be told so, and with our own it might go in a circle.
            Some(hop) if hop.address() == self.who.address => Err(Withheld::PeerNextHop),
            Some(hop) => Ok(hop),
            None => ours(),
        }
    }

    /// A learned next hop as it can be told to somebody who need not be on the link where it was
    /// learned: without its link-local address, and of a family that the peer takes. `None` if it
    /// is nothing then.
    fn can_be_told(&self, next_hop: NextHop, family: Family) -> Option<NextHop> {
        let address = next_hop.address();
        let told = !is_link_local(address) && self.takes(address, family);
        told.then(|| NextHop::from(address))
    }

    /// Can it be a next hop of this family?
    fn takes(&self, next_hop: IpAddr, family: Family) -> bool {
        match next_hop {
            IpAddr::V4(_) => family == Family::IPV4_UNICAST,
            IpAddr::V6(_) => family != Family::IPV4_UNICAST || self.extended_next_hop,
        }
    }

    /// A router on the network that we share with an external peer, which it reaches without us
    /// (RFC 4271 §5.1.3, 2). Its own address is not that of a third one.
    fn is_third_party(&self, address: IpAddr) -> bool {
        let peer = self.who.address;
        let mut networks = self.own.networks.iter();
        let shared = networks.any(|network| network.contains(peer) && network.contains(address));
        self.on_link && address != peer && shared
    }
}
