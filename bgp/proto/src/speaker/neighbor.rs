//! What the speaker holds per peer, and per connection.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::api::{PeerConfig, PeerId};
use super::restart::{Helper, Progress};
use super::status::{PeerStatus, PrefixCounts, SessionStatus};
use crate::fsm::{Peer, Session};
use crate::message::{Message, encode};
use crate::rib::{AdjRibOut, PathCounts, Target};
use crate::validate::SessionOptions;

/// Control messages that wait per connection; never reached, since keepalives do not pile up.
const QUEUE_MAX: usize = 8;

/// One configured peer with all that belongs to it but its paths.
#[derive(Debug)]
pub(super) struct Neighbor {
    pub(super) id: PeerId,
    pub(super) config: PeerConfig,
    pub(super) machine: Peer,
    pub(super) up: Option<Up>,
    pub(super) helper: Helper,
    pub(super) progress: Progress,
}

/// An Established session.
#[derive(Debug)]
pub(super) struct Up {
    pub(super) session: Session,
    pub(super) adj_out: AdjRibOut,
    pub(super) target: Target,
}

impl Neighbor {
    pub(super) fn session(&self) -> Option<&Session> {
        self.up.as_ref().map(|up| &up.session)
    }

    pub(super) fn status(&self, local_asn: u32, counts: PathCounts) -> PeerStatus {
        let prefixes = PrefixCounts {
            received: counts.received,
            accepted: counts.accepted,
            rejected: counts.received.saturating_sub(counts.accepted),
            stale: counts.stale,
            best: counts.used,
            advertised: self.up.as_ref().map_or(0, |up| up.adj_out.advertised()),
        };
        PeerStatus {
            id: self.id,
            name: self.config.name.clone(),
            address: self.config.address,
            asn: self.config.asn,
            local_asn,
            external: self.config.asn != local_asn,
            state: self.machine.state(),
            since: self.machine.since(),
            last_error: self.machine.last_error().cloned(),
            next_attempt: self.machine.next_attempt(),
            established_count: self.machine.established_count(),
            session: self.session().map(session_status),
            prefixes,
        }
    }
}

fn session_status(session: &Session) -> SessionStatus {
    SessionStatus {
        local: session.local,
        remote: session.remote,
        peer_bgp_id: session.received.bgp_id,
        hold_time_secs: session.negotiated.hold_time_secs,
        keepalive_secs: session.negotiated.keepalive_secs(),
        capabilities_sent: session.sent.capabilities.clone(),
        capabilities_received: session.received.capabilities.clone(),
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
}

impl Link {
    pub(super) fn new(peer: PeerId) -> Self {
        Self {
            peer,
            queue: VecDeque::new(),
            closing: false,
            asked: false,
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
        let mut out = BytesMut::new();
        // Control messages do not depend on the session's options, and are short.
        if encode(message, &SessionOptions::default(), &mut out).is_ok() {
            self.queue.push_back(out.freeze());
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
