//! What is the same in all sessions with a peer: from the configuration to OPEN and checks.

use std::net::SocketAddr;

use super::Context;
use crate::capability::GracefulRestartCapability;
use crate::fsm::SessionParams;
use crate::speaker::{PeerConfig, SpeakerConfig, Timers};
use crate::validate::{ExpectedPeer, LocalOpen, UpdateContext};

/// Own side of every session with the peer.
#[derive(Clone, Debug)]
pub struct Identity {
    pub(super) open: LocalOpen,
    pub(super) expected: ExpectedPeer,
    pub(super) passive: bool,
    pub(super) timers: Timers,
    enforce_first_as: bool,
}

impl Identity {
    /// Of the speaker's and the peer's configuration.
    #[must_use]
    pub fn new(speaker: &SpeakerConfig, config: &PeerConfig) -> Self {
        let restart_secs = speaker.graceful_restart.restart_secs.min(0x0fff);
        let graceful_restart = (restart_secs > 0).then(|| GracefulRestartCapability {
            restart: false,
            notification: true,
            time_secs: restart_secs,
            families: config
                .families
                .iter()
                .map(|family| (*family, false))
                .collect(),
        });
        let local_asn = config.local_asn.unwrap_or(speaker.asn);
        let open = LocalOpen {
            asn: local_asn,
            bgp_id: speaker.router_id,
            hold_time: config.timers.hold_time_secs,
            families: config.families.clone(),
            graceful_restart,
            long_lived_secs: Some(speaker.graceful_restart.long_lived_secs),
            extended_next_hop: false,
            offer: config.offer,
        };
        let expected = ExpectedPeer {
            asn: config.asn,
            local_asn,
            local_bgp_id: speaker.router_id,
        };
        Self {
            open,
            expected,
            passive: config.passive,
            timers: config.timers,
            enforce_first_as: config.enforce_first_as,
        }
    }

    /// For a connection whose own end is `local`.
    pub(super) fn params(&self, local: SocketAddr, ctx: &Context<'_>) -> SessionParams {
        let mut open = self.open.clone();
        open.extended_next_hop = local.ip().to_canonical().is_ipv6();
        if let Some(graceful) = &mut open.graceful_restart {
            graceful.restart = ctx.restarting;
            for (_, forwarding) in &mut graceful.families {
                *forwarding = ctx.forwarding_kept;
            }
        }
        let expected = self.expected;
        let updates = UpdateContext {
            peer_is_external: expected.asn.is_external(expected.local_asn),
            // The OPEN tells which, if the configuration does not.
            peer_asn: expected.asn.known(expected.local_asn).unwrap_or_default(),
            local_asn: expected.local_asn,
            enforce_first_as: self.enforce_first_as,
            // The speaker knows them all, and what is an echo of our own: such paths are kept with
            // their reason.
            local_addresses: Vec::new(),
        };
        SessionParams {
            local: open,
            expected,
            updates,
            keepalive_secs: self.timers.keepalive_secs,
        }
    }
}
