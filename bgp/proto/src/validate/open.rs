//! Whether an OPEN is accepted (RFC 4271 §6.2) and what the session can do then.

use std::fmt;
use std::net::Ipv4Addr;

use super::{AddPathFamilies, Offer, Role, SessionOptions};
use crate::capability::{Capability, GracefulRestartCapability, LongLivedFamily};
use crate::iana::{Family, add_path_mode, afi, list, open_subcode};
use crate::{Notification, Open};

/// What the own OPEN says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalOpen {
    /// Own AS number.
    pub asn: u32,
    /// Own BGP identifier.
    pub bgp_id: Ipv4Addr,
    /// Proposed hold time in seconds.
    pub hold_time: u16,
    /// Families to announce.
    pub families: Vec<Family>,
    /// Graceful restart capability; `None`: not announced.
    pub graceful_restart: Option<GracefulRestartCapability>,
    /// Long-lived graceful restart (RFC 9494), only with the other one: for so many seconds; 0: routes
    /// of others that are long-lived stale are taken, nothing is kept; `None`: not announced.
    pub long_lived_secs: Option<u32>,
    /// The session is one of IPv6: IPv4 prefixes may have IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// What else is offered.
    pub offer: Offer,
}

impl LocalOpen {
    /// The message: multiprotocol per family, route refresh and enhanced route refresh, 4-octet
    /// AS, then what is offered, ascending by code.
    #[must_use]
    pub fn to_open(&self) -> Open {
        let mut capabilities: Vec<Capability> = self
            .families
            .iter()
            .copied()
            .map(Capability::Multiprotocol)
            .collect();
        capabilities.push(Capability::RouteRefresh);
        if self.extended_next_hop && self.families.contains(&Family::IPV4_UNICAST) {
            let list = vec![(Family::IPV4_UNICAST, afi::IPV6)];
            capabilities.push(Capability::ExtendedNextHop(list));
        }
        if self.offer.extended_messages {
            capabilities.push(Capability::ExtendedMessage);
        }
        capabilities.extend(self.offer.role.map(|role| Capability::Role(role.to_wire())));
        capabilities.extend(
            self.graceful_restart
                .clone()
                .map(Capability::GracefulRestart),
        );
        capabilities.push(Capability::FourOctetAs(self.asn));
        capabilities.extend(self.add_path());
        capabilities.push(Capability::EnhancedRouteRefresh);
        capabilities.extend(self.long_lived());
        Open {
            version: 4,
            my_as: Open::two_octet_as(self.asn),
            hold_time: self.hold_time,
            bgp_id: self.bgp_id,
            capabilities,
        }
    }
}

impl LocalOpen {
    /// For the families of the other graceful restart, which must be announced, too (RFC 9494 §3).
    fn long_lived(&self) -> Option<Capability> {
        let graceful = self.graceful_restart.as_ref()?;
        let stale_secs = self.long_lived_secs?;
        let kept = graceful.families.iter().filter(|_| stale_secs > 0);
        let kept = kept.map(|&(family, forwarding)| LongLivedFamily {
            family,
            forwarding,
            stale_secs,
        });
        Some(Capability::LongLivedGracefulRestart(kept.collect()))
    }

    fn add_path(&self) -> Option<Capability> {
        let receive = self
            .offer
            .add_path
            .receive
            .then_some(add_path_mode::RECEIVE);
        let send = (self.offer.add_path.send > 0).then_some(add_path_mode::SEND);
        let mode = receive.unwrap_or(0) | send.unwrap_or(0);
        let families = self.families.iter().map(|family| (*family, mode));
        (mode != 0).then(|| Capability::AddPath(families.collect()))
    }
}

/// The AS number that a peer must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RemoteAs {
    /// This one.
    Exactly(u32),
    /// Ours, as this peer sees it.
    Internal,
    /// Any other.
    External,
}

impl From<u32> for RemoteAs {
    fn from(asn: u32) -> Self {
        Self::Exactly(asn)
    }
}

impl RemoteAs {
    /// eBGP, if the own AS number towards this peer is `local`?
    #[must_use]
    pub fn is_external(self, local: u32) -> bool {
        match self {
            Self::Exactly(asn) => asn != local,
            Self::Internal => false,
            Self::External => true,
        }
    }

    /// The number, if it is known without the peer's OPEN.
    #[must_use]
    pub fn known(self, local: u32) -> Option<u32> {
        match self {
            Self::Exactly(asn) => Some(asn),
            Self::Internal => Some(local),
            Self::External => None,
        }
    }

    fn admits(self, asn: u32, local: u32) -> bool {
        self.known(local).map_or(asn != local, |known| asn == known)
    }
}

impl fmt::Display for RemoteAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(asn) => write!(f, "AS {asn}"),
            Self::Internal => f.write_str("an internal peer"),
            Self::External => f.write_str("an external peer"),
        }
    }
}

/// What the peer's OPEN is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpectedPeer {
    /// Configured AS number of the peer.
    pub asn: RemoteAs,
    /// Own AS number towards it.
    pub local_asn: u32,
    /// Own BGP identifier.
    pub local_bgp_id: Ipv4Addr,
}

/// Why an OPEN is refused, for people; the peer hears [`OpenError::notification`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// 2/2; AS 0 is no AS number (RFC 7607).
    #[error("the peer is AS {got}{}, {expected} is configured for it", as_ours(*.got, *.local))]
    PeerAs {
        /// The peer's.
        got: u32,
        /// Configured.
        expected: RemoteAs,
        /// Ours towards it.
        local: u32,
    },
    /// 2/6.
    #[error("the peer proposes a hold time of {0} s; it must be 0 or at least 3")]
    HoldTime(u16),
    /// 2/3 (RFC 6286 §2.2).
    #[error("the peer's BGP identifier is {0}, which is 0 or our own")]
    BgpId(Ipv4Addr),
    /// 2/7 (RFC 5492 §3): there would be nothing to exchange.
    #[error(
        "no address family in common: offered here {}, by the peer {}",
        list(ours),
        list(theirs)
    )]
    NoCommonFamily {
        /// Offered here.
        ours: Vec<Family>,
        /// Offered by the peer.
        theirs: Vec<Family>,
    },
    /// 2/11 (RFC 9234 §4.2).
    #[error("our role is {ours}, so the peer's must be {}, and it is {theirs}", ours.counterpart())]
    RoleMismatch {
        /// Ours.
        ours: Role,
        /// What the peer says of itself.
        theirs: String,
    },
    /// 2/11 in strict mode (RFC 9234 §4.2).
    #[error("our role is {0}, and roles are strict here, but the peer does not say its own")]
    NoRole(Role),
}

impl OpenError {
    /// The NOTIFICATION to send before closing the connection. For families its data are the
    /// capabilities that the peer would need (RFC 5492 §3).
    #[must_use]
    pub fn notification(&self) -> Notification {
        match self {
            Self::PeerAs { .. } => Notification::open(open_subcode::BAD_PEER_AS),
            Self::HoldTime(_) => Notification::open(open_subcode::UNACCEPTABLE_HOLD_TIME),
            Self::BgpId(_) => Notification::open(open_subcode::BAD_BGP_ID),
            Self::NoCommonFamily { ours, .. } => Notification::unsupported_families(ours),
            Self::RoleMismatch { .. } | Self::NoRole(_) => {
                Notification::open(open_subcode::ROLE_MISMATCH)
            }
        }
    }
}

/// With `internal` or `external` configured the own number is what was expected, or was not.
fn as_ours(got: u32, local: u32) -> String {
    if got == local {
        ", as we are".to_owned()
    } else {
        String::new()
    }
}

/// Whether the peer's OPEN is acceptable (RFC 4271 §6.2, RFC 6286 §2.2, RFC 7607).
///
/// # Errors
/// Why not.
pub fn open(open: &Open, expected: &ExpectedPeer) -> Result<(), OpenError> {
    let asn = open.asn();
    let local = expected.local_asn;
    // In whichever place it is said.
    let zero = open.my_as == 0 || open.capabilities.contains(&Capability::FourOctetAs(0));
    if zero || asn == 0 || !expected.asn.admits(asn, local) {
        let got = if zero { 0 } else { asn };
        let expected = expected.asn;
        return Err(OpenError::PeerAs {
            got,
            expected,
            local,
        });
    }
    if matches!(open.hold_time, 1 | 2) {
        return Err(OpenError::HoldTime(open.hold_time));
    }
    let internal = asn == expected.local_asn;
    if open.bgp_id.is_unspecified() || internal && open.bgp_id == expected.local_bgp_id {
        return Err(OpenError::BgpId(open.bgp_id));
    }
    Ok(())
}

/// Whether the peer's role fits to ours (RFC 9234 §4.2). Nothing is asked where we have none.
///
/// # Errors
/// It does not, it says several, or it says none where `strict`.
pub fn roles(ours: Option<Role>, strict: bool, received: &Open) -> Result<(), OpenError> {
    let Some(ours) = ours else { return Ok(()) };
    let said = |capability: &Capability| match capability {
        Capability::Role(value) => Some(*value),
        _ => None,
    };
    let mut theirs: Vec<u8> = received.capabilities.iter().filter_map(said).collect();
    theirs.sort_unstable();
    theirs.dedup();
    match theirs[..] {
        [] if strict => Err(OpenError::NoRole(ours)),
        [] => Ok(()),
        [value] if value == ours.counterpart().to_wire() => Ok(()),
        _ => {
            let name = |value: &u8| match Role::from_wire(*value) {
                Some(role) => role.to_string(),
                None => format!("the unassigned {value}"),
            };
            let theirs: Vec<String> = theirs.iter().map(name).collect();
            let theirs = theirs.join(" and ");
            Err(OpenError::RoleMismatch { ours, theirs })
        }
    }
}

/// What both sides can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The smaller of the two hold times, in seconds; 0: no hold and no keepalive timer.
    pub hold_time_secs: u16,
    /// Families that both sides announced, ascending.
    pub families: Vec<Family>,
    /// What coding and decoding depend on.
    pub options: SessionOptions,
    /// The peer's graceful restart capability, if both sides sent one.
    pub peer_graceful_restart: Option<GracefulRestartCapability>,
    /// The peer's long-lived graceful restart capability, if both sides sent one (RFC 9494 §3), and
    /// the other one, without which it is to be ignored. Without families the peer only takes such
    /// routes of others.
    pub peer_long_lived: Option<Vec<LongLivedFamily>>,
    /// Both set the N bit there: a NOTIFICATION that is no Hard Reset, and an expired hold time,
    /// are restarts, too (RFC 8538 §4).
    pub graceful_notification: bool,
    /// ROUTE-REFRESH may be sent and is expected.
    pub route_refresh: bool,
}

impl Negotiated {
    /// Seconds between keepalives: a third of the hold time, at least one; 0: none.
    #[must_use]
    pub fn keepalive_secs(&self) -> u16 {
        if self.hold_time_secs == 0 {
            0
        } else {
            (self.hold_time_secs / 3).max(1)
        }
    }

    /// The same with a configured interval, which counts if it is shorter.
    #[must_use]
    pub fn keepalive_secs_within(&self, configured: Option<u16>) -> u16 {
        let third = self.keepalive_secs();
        configured.map_or(third, |secs| secs.max(1).min(third))
    }
}

/// What a session between the senders of two OPEN messages can do.
///
/// # Errors
/// Without a family in common there is nothing that it could do.
pub fn negotiate(sent: &Open, received: &Open) -> Result<Negotiated, OpenError> {
    let both = |wanted: &dyn Fn(&Capability) -> bool| {
        sent.capabilities.iter().any(wanted) && received.capabilities.iter().any(wanted)
    };
    let families = common_families(sent, received);
    if families.is_empty() {
        return Err(OpenError::NoCommonFamily {
            ours: families_of(sent),
            theirs: families_of(received),
        });
    }
    let options = SessionOptions {
        four_octet_as: both(&|c| matches!(c, Capability::FourOctetAs(_))),
        extended_message: both(&|c| matches!(c, Capability::ExtendedMessage)),
        enhanced_route_refresh: both(&|c| matches!(c, Capability::EnhancedRouteRefresh)),
        families: families.clone(),
        extended_next_hop: common_extended_next_hop(sent, received),
        add_path: AddPathFamilies {
            receive: common_add_path(sent, received, &families),
            send: common_add_path(received, sent, &families),
        },
    };
    let graceful = |open: &Open| {
        open.capabilities.iter().rev().find_map(|c| match c {
            Capability::GracefulRestart(value) => Some(value.clone()),
            _ => None,
        })
    };
    let (ours, theirs) = (graceful(sent), graceful(received));
    let long_lived = |open: &Open| {
        open.capabilities.iter().rev().find_map(|c| match c {
            Capability::LongLivedGracefulRestart(value) => Some(value.clone()),
            _ => None,
        })
    };
    let both_graceful = ours.is_some() && theirs.is_some();
    let peer_long_lived = long_lived(received)
        .filter(|_| both_graceful && long_lived(sent).is_some())
        .map(|list| {
            let known = list.into_iter();
            known
                .filter(|entry| families.contains(&entry.family))
                .collect()
        });
    let notifies = |side: &Option<GracefulRestartCapability>| {
        side.as_ref().is_some_and(|value| value.notification)
    };
    Ok(Negotiated {
        hold_time_secs: sent.hold_time.min(received.hold_time),
        families,
        peer_long_lived,
        options,
        graceful_notification: notifies(&ours) && notifies(&theirs),
        peer_graceful_restart: theirs.filter(|_| ours.is_some()),
        route_refresh: both(&|c| matches!(c, Capability::RouteRefresh)),
    })
}

/// The families of an OPEN; without any capability it is IPv4 unicast (RFC 4760 §8).
fn families_of(open: &Open) -> Vec<Family> {
    let mut families: Vec<Family> = open
        .capabilities
        .iter()
        .filter_map(|capability| match capability {
            Capability::Multiprotocol(family) => Some(*family),
            _ => None,
        })
        .collect();
    if families.is_empty() {
        families.push(Family::IPV4_UNICAST);
    }
    families.sort_unstable();
    families.dedup();
    families
}

fn common_families(sent: &Open, received: &Open) -> Vec<Family> {
    let theirs = families_of(received);
    families_of(sent)
        .into_iter()
        .filter(|family| theirs.contains(family))
        .collect()
}

/// Families in which `to` takes several paths and `from` tells them. Of several entries for a
/// family the last counts; a mode that is not assigned is ignored (RFC 7911 §4).
fn common_add_path(to: &Open, from: &Open, families: &[Family]) -> Vec<Family> {
    let offers = |open: &Open, family: &Family, bit: u8| {
        let lists = open.capabilities.iter().filter_map(|c| match c {
            Capability::AddPath(list) => Some(list),
            _ => None,
        });
        let modes = lists.flatten().filter(|(of, _)| of == family);
        let known = add_path_mode::RECEIVE | add_path_mode::SEND;
        let mode = modes.map(|(_, mode)| *mode).filter(|mode| *mode <= known);
        mode.last().is_some_and(|mode| mode & bit != 0)
    };
    let both = |family: &&Family| {
        offers(to, family, add_path_mode::RECEIVE) && offers(from, family, add_path_mode::SEND)
    };
    families.iter().filter(both).copied().collect()
}

fn common_extended_next_hop(sent: &Open, received: &Open) -> Vec<Family> {
    let entries = |open: &Open| -> Vec<(Family, u16)> {
        let lists = open
            .capabilities
            .iter()
            .filter_map(|capability| match capability {
                Capability::ExtendedNextHop(list) => Some(list.clone()),
                _ => None,
            });
        lists
            .flatten()
            .filter(|(_, next_hop)| *next_hop == afi::IPV6)
            .collect()
    };
    let theirs = entries(received);
    let mut families: Vec<Family> = entries(sent)
        .into_iter()
        .filter(|e| theirs.contains(e))
        .map(|(family, _)| family)
        .collect();
    families.sort_unstable();
    families.dedup();
    families
}
