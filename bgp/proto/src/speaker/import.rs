//! What becomes of a path that a peer tells.
//!
//! ```text
//!  received --> loop? leak? --no--> import rules --accepted--> next hop usable? --> Pending
//!                   |yes                 |rejected                  |no
//!                   v                    v                          v
//!               Unusable              Rejected                   Unusable
//! ```
//!
//! A [`Judge`] is all that this depends on but the path itself: it is made when a session comes up,
//! follows what changes later, and stays while paths are kept as stale. So a path can be judged
//! again from what was received, at any time and without its peer.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::api::SpeakerConfig;
use super::own::{OwnAddresses, is_link_local};
use crate::attr::{NextHop, PathAttributes};
use crate::policy::Policy;
use crate::rib::{PathStatus, Reach, Unusable, leak};
use crate::validate::Role;
use crate::wire::Prefix;

/// This speaker, as loops are found by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ourselves {
    /// The speaker's AS number.
    pub(super) asn: u32,
    /// The one that the peer sees.
    pub(super) local_asn: u32,
    /// BGP Identifier.
    pub(super) router_id: Ipv4Addr,
}

impl Ourselves {
    pub(super) fn new(config: &SpeakerConfig, local_asn: u32) -> Self {
        Self {
            asn: config.asn,
            local_asn,
            router_id: config.router_id,
        }
    }
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Judge {
    pub(super) ourselves: Ourselves,
    /// The peer's AS number.
    pub(super) peer_asn: u32,
    pub(super) external: bool,
    /// The own role towards the peer (RFC 9234).
    pub(super) role: Option<Role>,
    /// Own addresses at the session.
    pub(super) own: OwnAddresses,
    /// How the peer's next hops are reached.
    pub(super) reach: Reach,
    /// The import rules.
    pub(super) policy: Policy,
}

impl Judge {
    /// A path as it is kept: with what RFC 9234 puts in on the way.
    pub(super) fn received(&self, attributes: Arc<PathAttributes>) -> Arc<PathAttributes> {
        match self.role {
            Some(role) => leak::marked(role, self.peer_asn, attributes),
            None => attributes,
        }
    }

    /// Begins with a path: what does not depend on the prefix is found out once.
    pub(super) fn hear<'a>(&'a self, received: &'a Arc<PathAttributes>) -> Hearing<'a> {
        Hearing {
            unusable: self.unusable(received),
            judge: self,
            received,
        }
    }

    /// Whatever the rules say.
    fn unusable(&self, received: &PathAttributes) -> Option<Unusable> {
        let leaks = |role| leak::is_leak(role, self.peer_asn, received);
        let path = &received.as_path;
        let us = &self.ourselves;
        if path.contains(us.asn) || path.contains(us.local_asn) {
            Some(Unusable::OwnAs)
        } else if received.originator_id() == Some(us.router_id) {
            Some(Unusable::OriginatorId)
        } else if self.role.is_some_and(leaks) {
            Some(Unusable::RouteLeak)
        } else {
            self.bad_next_hop(received.next_hop.as_ref())
        }
    }

    fn bad_next_hop(&self, next_hop: Option<&NextHop>) -> Option<Unusable> {
        let Some(next_hop) = next_hop.filter(|next_hop| next_hop.semantic_error().is_none()) else {
            return Some(Unusable::NextHop);
        };
        let gateway = self.reach.gateway(next_hop);
        if self.own.contains(gateway.address) || self.own.contains(next_hop.address()) {
            Some(Unusable::OwnNextHop)
        } else if is_link_local(gateway.address) && gateway.interface.is_none() {
            Some(Unusable::LinkLocalNextHop)
        } else {
            None
        }
    }
}

/// One path, of any number of prefixes.
pub(super) struct Hearing<'a> {
    judge: &'a Judge,
    received: &'a Arc<PathAttributes>,
    unusable: Option<Unusable>,
}

impl Hearing<'_> {
    /// The attributes in use, and what becomes of the path.
    pub(super) fn judge(&mut self, prefix: &Prefix) -> (Arc<PathAttributes>, PathStatus) {
        let received = Arc::clone(self.received);
        if let Some(why) = self.unusable {
            return (received, PathStatus::Unusable(why));
        }
        let verdict = self.judge.policy.import(prefix, self.judge.external);
        let status = match verdict.accepted() {
            true => PathStatus::Pending,
            false => PathStatus::Rejected(verdict.by),
        };
        (received, status)
    }
}
