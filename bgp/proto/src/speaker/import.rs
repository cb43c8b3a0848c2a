//! What becomes of a path that a peer tells.
//!
//! ```text
//!  received --> loop? leak? --no--> import rules --accepted, changed--> next hop usable? --> Pending
//!                   |yes                 |rejected                           |no
//!                   v                    v                                   v
//!               Unusable              Rejected                            Unusable
//! ```
//!
//! Loops and leaks are seen in what was received, whatever the rules would make of it; the next hop
//! that counts is the one that packets would be sent to.
//!
//! A [`Judge`] is all that this depends on but the path itself: it is made when a session comes up,
//! follows what changes later, and stays while paths are kept as stale. So a path can be judged
//! again from what was received, at any time and without its peer.

use std::borrow::Cow;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::api::SpeakerConfig;
use super::neighbor::Neighbor;
use super::own::{OwnAddresses, is_link_local};
use crate::attr::{Changed, NextHop, PathAttributes};
use crate::iana::community::GRACEFUL_SHUTDOWN;
use crate::policy::{Changes, DecidedBy, Informant, Memo, Policy, Subject};
use crate::rib::{Homes, Knobs, PathStatus, Pool, Reach, Unusable, leak};
use crate::validate::Role;
use crate::wire::Prefix;

/// What made LOCAL_PREF 0, as status says it.
const SHUTTING_DOWN: &str = "GRACEFUL_SHUTDOWN (RFC 8326)";

/// This speaker, as loops are found by it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ourselves {
    /// The speaker's AS number.
    pub(super) asn: u32,
    /// The one that the peer sees.
    pub(super) local_asn: u32,
    /// BGP Identifier.
    pub(super) router_id: Ipv4Addr,
    /// The cluster that it reflects for (RFC 4456).
    pub(super) cluster_id: Ipv4Addr,
}

/// See the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Judge {
    pub(super) ourselves: Ourselves,
    /// Who tells it.
    pub(super) informant: Arc<Informant>,
    /// The own role towards the peer (RFC 9234).
    pub(super) role: Option<Role>,
    /// Its BGP Identifier.
    pub(super) bgp_id: Ipv4Addr,
    /// Its paths may be reflected (RFC 4456).
    pub(super) may_be_reflected: bool,
    /// What is set about its paths.
    pub(super) knobs: Knobs,
    /// Own addresses at the session.
    pub(super) own: OwnAddresses,
    /// How the peer's next hops are reached.
    pub(super) reach: Reach,
    /// The import rules.
    pub(super) policy: Policy,
}

impl Judge {
    /// Of the paths that `informant`, with this BGP Identifier, tells in a session with these own
    /// addresses.
    pub(super) fn new(
        config: &SpeakerConfig,
        neighbor: &Neighbor,
        informant: Arc<Informant>,
        bgp_id: Ipv4Addr,
        own: &OwnAddresses,
    ) -> Self {
        Self {
            ourselves: Ourselves {
                asn: config.asn,
                local_asn: neighbor.local_asn,
                router_id: config.router_id,
                cluster_id: config.cluster_id,
            },
            role: neighbor.role(),
            bgp_id,
            may_be_reflected: !informant.external && config.reflects(),
            knobs: neighbor.knobs(),
            own: own.clone(),
            reach: own.reach(informant.address),
            informant,
            policy: neighbor.config.import.clone(),
        }
    }

    /// A path as it is kept: with what RFC 9234 puts in on the way, and with who told it, where a
    /// reflector has to say so.
    pub(super) fn received(&self, attributes: Arc<PathAttributes>) -> Arc<PathAttributes> {
        let attributes = match self.role {
            Some(role) => leak::marked(role, self.informant.asn, attributes),
            None => attributes,
        };
        let told_by = self.may_be_reflected.then_some(self.bgp_id);
        if attributes.told_by() == told_by {
            return attributes;
        }
        let mut attributes = Arc::unwrap_or_clone(attributes);
        attributes.rare_mut().told_by = told_by;
        Arc::new(attributes)
    }

    /// Begins with a path: what does not depend on the prefix is found out once.
    pub(super) fn hear(&self, received: Arc<PathAttributes>) -> Hearing<'_> {
        Hearing {
            unusable: self.unusable(&received),
            may_be_echo: self.may_be_echo(&received),
            judge: self,
            received,
            memo: Memo::default(),
            outcomes: Vec::new(),
        }
    }

    /// What an accepting rule (its changes and its name) makes of a path, and GRACEFUL_SHUTDOWN
    /// after it (RFC 8326 §4.2). `None`: it is used as received.
    fn changed(
        &self,
        received: &Arc<PathAttributes>,
        rule: Option<(&Changes, Option<&Arc<str>>)>,
    ) -> Option<Arc<PathAttributes>> {
        let mut by: Option<Arc<str>> = None;
        let mut out = Cow::Borrowed(&**received);
        if let Some((changes, name)) = rule {
            let new = changes.import(received, self.ourselves.local_asn);
            if new != **received {
                by = Some(name.cloned().unwrap_or_default());
                out = Cow::Owned(new);
            }
        }
        let leaves = out.communities.contains(&GRACEFUL_SHUTDOWN);
        if leaves && self.knobs.honor_graceful_shutdown && out.local_pref != Some(0) {
            out.to_mut().local_pref = 0.into();
            by = Some(match by {
                Some(rule) => format!("{rule}, {SHUTTING_DOWN}").into(),
                None => SHUTTING_DOWN.into(),
            });
        }
        let (by, mut out) = (by?, out.into_owned());
        let received = Arc::clone(received);
        out.rare_mut().changed = Some(Arc::new(Changed { received, by }));
        Some(Arc::new(out))
    }

    /// Whatever the rules say.
    fn unusable(&self, received: &PathAttributes) -> Option<Unusable> {
        let leaks = |role| leak::is_leak(role, self.informant.asn, received);
        let us = &self.ourselves;
        let ours = |asn| asn == us.asn || asn == us.local_asn;
        if received.as_path.count(ours) > self.knobs.allow_own_as.into() {
            Some(Unusable::OwnAs)
        } else if received.originator_id() == Some(us.router_id) {
            Some(Unusable::OriginatorId)
        } else if received.cluster_list().contains(&us.cluster_id) {
            Some(Unusable::ClusterList)
        } else if self.role.is_some_and(leaks) {
            Some(Unusable::RouteLeak)
        } else {
            None
        }
    }

    /// Did the path begin in our AS: with our number in it, or with the first router's, which it then
    /// put in the place of ours (AS override)? Others of our AS announce such paths, too; so it is an
    /// echo only if it is about what is ours ([`Homes`]).
    fn may_be_echo(&self, received: &PathAttributes) -> bool {
        let path = &received.as_path;
        let us = &self.ourselves;
        let overridden = path.path_len() > 1 && path.origin_asn() == path.first();
        path.contains(us.asn) || path.contains(us.local_asn) || overridden
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
    received: Arc<PathAttributes>,
    unusable: Option<Unusable>,
    may_be_echo: bool,
    memo: Memo,
    /// What came of it, by family and rule.
    outcomes: Vec<((bool, DecidedBy), Outcome)>,
}

/// Of a path that a rule lets pass.
type Outcome = (Arc<PathAttributes>, PathStatus);

impl Hearing<'_> {
    /// The attributes in use, and what becomes of the path.
    pub(super) fn judge(&mut self, pool: &mut Pool, homes: &Homes, prefix: &Prefix) -> Outcome {
        let received = &self.received;
        if let Some(why) = self.unusable {
            return (Arc::clone(received), PathStatus::Unusable(why));
        }
        if self.may_be_echo && homes.has(prefix) {
            return (Arc::clone(received), PathStatus::Unusable(Unusable::Echo));
        }
        let subject = Subject {
            prefix,
            attributes: received,
            from: Some(&self.judge.informant),
        };
        let policy = &self.judge.policy;
        let verdict = policy.import(&subject, &mut self.memo);
        if !verdict.accepted() {
            return (Arc::clone(received), PathStatus::Rejected(verdict.by));
        }
        // All rules without changes come to the same.
        let by = match verdict.set {
            Some(_) => verdict.by,
            None => DecidedBy::Default,
        };
        let key = (prefix.is_ipv4(), by);
        if let Some((_, outcome)) = self.outcomes.iter().find(|(known, _)| *known == key) {
            return outcome.clone();
        }
        let rule = verdict
            .set
            .map(|set| (&**set, policy.rule_name(prefix, by)));
        let attributes = self.judge.changed(received, rule);
        let attributes = attributes.map_or_else(|| Arc::clone(received), |new| pool.intern(new));
        let status = match self.judge.bad_next_hop(attributes.next_hop.as_ref()) {
            Some(why) => PathStatus::Unusable(why),
            None => PathStatus::Pending,
        };
        let outcome = (attributes, status);
        self.outcomes.push((key, outcome.clone()));
        outcome
    }
}
