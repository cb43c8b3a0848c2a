//! What the speaker holds per peer, and per connection.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::api::{NextHop, PeerConfig, PeerId, Remote, SpeakerConfig, Watch};
use super::import::Judge;
use super::limits::Gauges;
use super::neighbors::{Dynamic, Standing};
use super::own::{Interface, OwnAddresses};
use super::refresh::Refreshing;
use super::restart::{Helper, Progress};
use super::status::{KeptStatus, PeerKind, PeerPrefixes, PeerStatus, PrefixCounts, SessionStatus};
use crate::fsm::{Held, Peer, Session};
use crate::iana::Family;
use crate::message::{Message, encode, notification};
use crate::policy::Informant;
use crate::rib::{AdjRibIn, AdjRibOut, PathCounts, Target};
use crate::validate::SessionOptions;

/// Control messages that wait per connection; never reached, since keepalives do not pile up.
const QUEUE_MAX: usize = 8;

/// One configured peer with all that belongs to it but its paths.
#[derive(Debug)]
pub(super) struct Neighbor {
    pub(super) id: PeerId,
    pub(super) config: PeerConfig,
    pub(super) address: IpAddr,
    /// Its AS number, if it is configured or was in its last OPEN.
    pub(super) asn: Option<u32>,
    /// Ours towards it.
    pub(super) local_asn: u32,
    pub(super) standing: Standing,
    pub(super) machine: Peer,
    pub(super) up: Option<Up>,
    /// Of its paths, also of those that it left before.
    pub(super) judge: Option<Judge>,
    pub(super) helper: Helper,
    pub(super) progress: Progress,
    /// How the way to it is watched.
    pub(super) watch: Option<Watch>,
}

/// An Established session.
#[derive(Debug)]
pub(super) struct Up {
    pub(super) session: Session,
    pub(super) adj_out: AdjRibOut,
    pub(super) target: Arc<Target>,
    pub(super) refreshing: Refreshing,
    /// What in the peer's UPDATEs was discarded, or made their routes unusable (RFC 7606).
    pub(super) malformed: Malformed,
    /// What has been said about how much it announces.
    pub(super) gauges: Gauges,
}

/// See [`Up::malformed`].
#[derive(Debug, Default)]
pub(super) struct Malformed {
    count: u64,
    last: String,
}

impl Malformed {
    /// One more.
    pub(super) fn add(&mut self, text: &str) {
        self.count += 1;
        text.clone_into(&mut self.last);
    }

    fn note(&self) -> Option<String> {
        let last = &self.last;
        match self.count {
            0 => None,
            1 => Some(format!("malformed UPDATE: {last}")),
            count => Some(format!(
                "{count} times a malformed UPDATE; the last: {last}"
            )),
        }
    }
}

impl Neighbor {
    pub(super) fn new(
        speaker: &SpeakerConfig,
        config: &PeerConfig,
        id: PeerId,
        standing: Standing,
        now: Instant,
    ) -> Self {
        let local_asn = config.local_asn.unwrap_or(speaker.asn);
        let address = match config.remote {
            Remote::Address { address, .. } => address,
            Remote::Neighbor { address, .. } => address.into(),
            // Nobody is there; the ranges and links themselves are no neighbours.
            Remote::Range { .. } | Remote::Link { .. } => Ipv4Addr::UNSPECIFIED.into(),
        };
        Self {
            id,
            address,
            asn: config.asn.known(local_asn),
            local_asn,
            standing,
            machine: Peer::new(speaker, config, jitter_seed(speaker.seed, id.0), now),
            up: None,
            judge: None,
            helper: Helper::default(),
            progress: Progress::default(),
            watch: None,
            config: config.clone(),
        }
    }

    pub(super) fn is_external(&self) -> bool {
        self.config.asn.is_external(self.local_asn)
    }

    /// If it came from a range.
    pub(super) fn dynamic(&self) -> Option<&Dynamic> {
        match &self.standing {
            Standing::Dynamic(dynamic) => Some(dynamic),
            Standing::Configured | Standing::OnLink(_) | Standing::Gone => None,
        }
    }

    /// The link without which its address says nothing.
    pub(super) fn interface(&self) -> Option<&Interface> {
        match &self.config.remote {
            Remote::Neighbor { interface, .. } => Some(interface),
            _ => None,
        }
    }

    /// As a gateway.
    pub(super) fn as_hop(&self) -> NextHop {
        NextHop {
            address: self.address,
            interface: self.interface().map(|interface| interface.index),
        }
    }

    /// What of the configuration it is made of, if it is not that itself.
    pub(super) fn pattern(&self) -> Option<PeerId> {
        match &self.standing {
            Standing::Dynamic(dynamic) => Some(dynamic.range),
            Standing::OnLink(links) => Some(*links),
            Standing::Configured | Standing::Gone => None,
        }
    }

    pub(super) fn is_configured(&self) -> bool {
        matches!(self.standing, Standing::Configured)
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self.standing, Standing::Gone)
    }

    /// As rules know it, by its configured name or that of its range. `asn`: what it has said.
    pub(super) fn informant(&self, name: &str, asn: u32) -> Arc<Informant> {
        Arc::new(Informant {
            name: name.into(),
            address: self.address,
            asn,
            external: self.is_external(),
        })
    }

    /// Is anybody to be shown? Guests are not: who they are is not known yet.
    pub(super) fn is_known(&self) -> bool {
        match &self.standing {
            Standing::Configured | Standing::OnLink(_) => true,
            Standing::Dynamic(dynamic) => dynamic.admitted,
            Standing::Gone => false,
        }
    }

    pub(super) fn session(&self) -> Option<&Session> {
        self.up.as_ref().map(|up| &up.session)
    }

    /// It has no session, and is given time to come back. Also if it had no routes.
    pub(super) fn may_be_restarting(&self, adj_in: &AdjRibIn) -> bool {
        let counts = adj_in.counts(self.id);
        let is_last_resort = counts.long_lived > 0 && counts.stale == counts.long_lived;
        self.session().is_none() && self.helper.stale_until().is_some() && !is_last_resort
    }

    fn kept(&self, adj_in: &AdjRibIn) -> KeptStatus {
        let counts = adj_in.counts(self.id);
        let families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST];
        let long_lived = families.map(|family| self.helper.long_lived_until(family));
        KeptStatus {
            until: self
                .helper
                .stale_until()
                .filter(|_| counts.stale > counts.long_lived),
            long_lived_until: long_lived.into_iter().flatten().max(),
        }
    }

    /// `own`: families that are originated here.
    pub(super) fn status(&self, adj_in: &AdjRibIn, own: &[Family]) -> PeerStatus {
        let out = self.up.as_ref().map(|up| &up.adj_out);
        let in_family = |family| {
            let advertised = out.map_or(0, |out| out.advertised_of(family));
            (
                family,
                counts(adj_in.counts_of(self.id, family), advertised),
            )
        };
        PeerStatus {
            id: self.id,
            name: self.config.name.clone(),
            address: self.address,
            interface: self.interface().cloned(),
            kind: PeerKind {
                asn: self.asn,
                local_asn: self.local_asn,
                external: self.is_external(),
                client: self.is_client(),
                dynamic: self.dynamic().is_some(),
                held_down: self.machine.held() == Some(Held::Command),
                counters: *self.machine.counters(),
            },
            state: self.machine.state(),
            since: self.machine.since(),
            last_error: self.machine.last_error().cloned(),
            next_attempt: self.machine.next_attempt(),
            established_count: self.machine.established_count(),
            session: self.up.as_ref().map(|up| up.status(&self.config, own)),
            prefixes: PeerPrefixes {
                total: counts(adj_in.counts(self.id), out.map_or(0, AdjRibOut::advertised)),
                by_family: [Family::IPV4_UNICAST, Family::IPV6_UNICAST].map(in_family),
                limits: self.limit_status(adj_in),
            },
            kept: self.kept(adj_in),
        }
    }
}

fn counts(counts: PathCounts, advertised: usize) -> PrefixCounts {
    PrefixCounts {
        received: counts.received,
        accepted: counts.accepted,
        rejected: counts.received.saturating_sub(counts.accepted),
        stale: counts.stale,
        long_lived: counts.long_lived,
        best: counts.used,
        advertised,
    }
}

impl Up {
    fn status(&self, config: &PeerConfig, own: &[Family]) -> SessionStatus {
        let session = &self.session;
        SessionStatus {
            local: session.local,
            remote: session.remote,
            peer_bgp_id: session.received.bgp_id,
            hold_time_secs: session.negotiated.hold_time_secs,
            keepalive_secs: session
                .negotiated
                .keepalive_secs_within(config.timers.keepalive_secs),
            families: session.negotiated.families.clone(),
            notes: self.notes(config, own),
            capabilities_sent: session.sent.capabilities.clone(),
            capabilities_received: session.received.capabilities.clone(),
            negotiated: session.negotiated.clone(),
        }
    }

    /// What an operator may wonder about although the session is up.
    fn notes(&self, config: &PeerConfig, own: &[Family]) -> Vec<String> {
        let negotiated = &self.session.negotiated.families;
        let missing = own
            .iter()
            .filter(|family| config.families.contains(family) && !negotiated.contains(family));
        let missing = missing.map(|family| {
            format!("{family}: not offered by the peer, so our networks are not announced to it")
        });
        // Who has no networks of a family and passes on no routes has nothing to say in it.
        let mute = negotiated.iter().filter(|family| {
            let speaks = own.contains(family) || config.export.has_rules(**family);
            speaks && self.target.own_next_hop(**family).is_none()
        });
        let mute = mute.map(|family| {
            let interface = self.target.own.interface.as_ref();
            let place = interface.map_or("the interface of the session", |own| own.name.as_str());
            let kind = match *family {
                Family::IPV6_UNICAST => "global IPv6 address",
                _ => "IPv4 address",
            };
            format!("{family}: nothing is announced: {place} has no {kind} to be the next hop")
        });
        let too_long = self.adj_out.too_long().map(|(count, first)| {
            let most = self.session.negotiated.options.max_message_len();
            format!(
                "{count} prefixes are not announced, the first is {first}: with their attributes \
                 they do not fit into the {most} octets that a message to this peer may have"
            )
        });
        missing
            .chain(mute)
            .chain(too_long)
            .chain(self.malformed.note())
            .collect()
    }
}

/// A connection as the caller sees it: messages that wait, and whether it is to be closed.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: PeerId,
    queue: VecDeque<Bytes>,
    pub(super) closing: bool,
    /// `WantSend` was said and not yet answered down to `None`.
    pub(super) asked: bool,
    /// If the caller has said so already.
    pub(super) own: Option<OwnAddresses>,
}

impl Link {
    pub(super) fn new(peer: PeerId) -> Self {
        Self {
            peer,
            queue: VecDeque::new(),
            closing: false,
            asked: false,
            own: None,
        }
    }

    /// Queues a control message. A KEEPALIVE is dropped while anything waits: what waits says the
    /// same to the peer's hold timer.
    pub(super) fn push(&mut self, message: &Message) {
        let idle = self.queue.is_empty();
        let full = self.queue.len() >= QUEUE_MAX;
        let needless = matches!(message, Message::Keepalive) && !idle && self.says_alive();
        if self.closing || full || needless {
            return;
        }
        let bytes = match message {
            // What it quotes may be longer than itself may be (RFC 8654): it is said all the same.
            Message::Notification(words) => notification(words),
            // The others do not depend on the session's options, and are short.
            _ => {
                let mut out = BytesMut::new();
                if encode(message, &SessionOptions::default(), &mut out).is_err() {
                    return;
                }
                out.freeze()
            }
        };
        // What waits already need not be said twice.
        if !self.queue.contains(&bytes) {
            self.queue.push_back(bytes);
        }
    }

    /// Is the last message that waits a KEEPALIVE?
    fn says_alive(&self) -> bool {
        self.queue
            .back()
            .is_some_and(|bytes| bytes.len() == crate::wire::HEADER_LEN)
    }

    pub(super) fn pop(&mut self) -> Option<Bytes> {
        self.queue.pop_front()
    }

    pub(super) fn has_control(&self) -> bool {
        !self.queue.is_empty()
    }
}

/// Neighbouring seeds and peers must not have neighbouring jitter (the generator's own seeding
/// mixes further).
fn jitter_seed(seed: u64, peer: u32) -> u64 {
    seed ^ u64::from(peer)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
}
