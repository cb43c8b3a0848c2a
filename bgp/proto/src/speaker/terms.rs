//! What a session makes of a peer's configuration: who tells its paths, and who is told ours.

use std::net::Ipv4Addr;
use std::sync::Arc;

use super::Speaker;
use super::api::SpeakerConfig;
use super::neighbor::Neighbor;
use super::own::OwnAddresses;
use crate::fsm::Session;
use crate::iana::Family;
use crate::rib::{Graceful, Knobs, Target, Teller, Who};
use crate::validate::Role;

impl Speaker {
    /// What is set for the speaker and its peers is other than before: who is concerned is judged
    /// again, and told again what is different for him.
    pub(super) fn refit(&mut self) {
        let (cluster_id, reflects) = (self.config.cluster_id, self.config.reflects());
        for neighbor in self.neighbors.iter_mut() {
            let (id, knobs) = (neighbor.id, neighbor.knobs());
            let external = neighbor.is_external();
            let mut teller = None;
            if let Some(judge) = &mut neighbor.judge {
                let before = (
                    judge.knobs,
                    judge.ourselves.cluster_id,
                    judge.may_be_reflected,
                );
                let now = (knobs, cluster_id, !external && reflects);
                if before != now {
                    (
                        judge.knobs,
                        judge.ourselves.cluster_id,
                        judge.may_be_reflected,
                    ) = now;
                    teller = Some(judge.bgp_id);
                    self.rib.judge_anew(id);
                }
            }
            if let Some(up) = &mut neighbor.up
                && (up.target.knobs, up.target.cluster_id) != (knobs, cluster_id)
            {
                let target = Arc::make_mut(&mut up.target);
                (target.knobs, target.cluster_id) = (knobs, cluster_id);
                up.adj_out.tell_anew();
            }
            if let Some(bgp_id) = teller {
                self.rib.set_teller(id, neighbor.teller(bgp_id));
            }
        }
    }
}

impl Neighbor {
    /// An internal peer that we reflect for (RFC 4456).
    pub(super) fn is_client(&self) -> bool {
        self.config.knobs.client && !self.is_external()
    }

    /// What is set about its paths.
    pub(super) fn knobs(&self) -> Knobs {
        Knobs {
            client: self.is_client(),
            ..self.config.knobs
        }
    }

    /// The own role towards it, if it is an external one (RFC 9234).
    pub(super) fn role(&self) -> Option<Role> {
        self.config.offer.role.filter(|_| self.is_external())
    }

    /// For the decision.
    pub(super) fn teller(&self, bgp_id: Ipv4Addr) -> Teller {
        Teller::Peer {
            external: self.is_external(),
            client: self.is_client(),
            bgp_id,
            address: self.address,
            number: self.id.0,
        }
    }

    /// For what goes out.
    pub(super) fn target(
        &self,
        speaker: &SpeakerConfig,
        session: &Session,
        own: OwnAddresses,
        draining: bool,
    ) -> Target {
        let options = &session.negotiated.options;
        Target {
            peer: self.id,
            asn: session.received.asn(),
            who: Who {
                address: session.remote.ip().to_canonical(),
                bgp_id: session.received.bgp_id,
            },
            local_asn: self.local_asn,
            cluster_id: speaker.cluster_id,
            on_link: own.reach(session.remote.ip()).is_on_link(),
            own,
            extended_next_hop: options.extended_next_hop.contains(&Family::IPV4_UNICAST),
            role: self.role(),
            knobs: self.knobs(),
            policy: self.config.export.clone(),
            graceful: Graceful {
                draining,
                long_lived: session.negotiated.peer_long_lived.is_some(),
            },
        }
    }
}
