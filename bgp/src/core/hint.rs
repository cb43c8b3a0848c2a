//! What the transport knows of a peer that its session does not tell.

use std::time::Instant;

use rcni_bgp_proto::fsm::CauseClass;
use rcni_bgp_proto::speaker::{ConnectError, NextHop, PeerStatus};

use super::{Core, PeerSettings};

impl Core {
    /// What is behind the silence of the peer at an address.
    pub(super) fn explained(&mut self, cause: ConnectError, neighbor: NextHop) -> ConnectError {
        let Some(settings) = self.settings_at(neighbor) else {
            return cause;
        };
        if cause != ConnectError::TimedOut {
            return cause;
        }
        let now = Instant::now();
        let own = settings.wants();
        self.silence.look(now);
        match (self.silence.explain(own, now), own.suspicion()) {
            (Some(text), _) if own.is_about_md5() => ConnectError::Md5(text),
            (Some(text), _) => ConnectError::Silent(text),
            (None, Some(text)) => ConnectError::Silent(text.to_owned()),
            (None, None) => cause,
        }
    }

    /// What the transport knows of a peer that its session does not tell: of one that is up, that
    /// the link's ends differ; of one that is down and that no dial of ours has told of, what the
    /// counters say.
    pub(super) fn hint(&self, peer: &PeerStatus, now: Instant) -> Option<String> {
        let neighbor = NextHop {
            address: peer.address,
            interface: peer.interface.as_ref().map(|interface| interface.index),
        };
        if peer.session.is_some() {
            return self.link_hint(neighbor);
        }
        let told = peer.last_error.as_ref().map(|error| error.class) == Some(CauseClass::Md5);
        let settings = self.settings_at(neighbor)?;
        let own = peer.interface.is_none() && self.interfaces.has(peer.address);
        if own && !peer.address.is_loopback() {
            let text = "spec.peerIP is an address of this node; unless another speaker here is \
                        meant, write the peer's";
            return Some(text.to_owned());
        }
        if told {
            return None;
        }
        self.silence.explain(settings.wants(), now)
    }

    /// What the counters say about those who may want to be peers out of a range: they have no peer yet
    /// that it could be said of.
    pub(super) fn range_hints(&self, now: Instant) -> Vec<String> {
        let hint = |peer: &PeerSettings| {
            let range = peer.range()?;
            let text = self.silence.explain(peer.wants(), now)?;
            Some(format!("{} ({range}): {text}", peer.name))
        };
        let mut hints: Vec<String> = self.peers.values().filter_map(hint).collect();
        hints.sort_unstable();
        hints
    }

    fn link_hint(&self, peer: NextHop) -> Option<String> {
        let mut connections = self.connections.values();
        let connection =
            connections.find(|connection| connection.remote == peer && !connection.closing)?;
        let sizes = connection.sizes.filter(|sizes| sizes.differ())?;
        let sizes = Some(sizes.now(peer.address)).filter(|sizes| sizes.differ())?;
        let own = connection.own.as_ref()?;
        // Behind a router, smaller is nobody's mistake.
        let near = own
            .networks
            .iter()
            .any(|network| network.contains(peer.address));
        let interface = own.interface.as_ref().filter(|_| near)?;
        Some(sizes.explain(&interface.name).to_string())
    }
}
