//! The speaker: owner of peers and RIBs; all inputs go in here, all outputs come out.

mod api;
mod status;

pub use api::{
    CloseCause, ConnId, ConnectError, Event, EventKind, FibChange, GracefulRestartConfig, Input,
    Output, PeerConfig, PeerId, SpeakerConfig, StopMode,
};
pub use status::{PeerStatus, PrefixCounts, RouteStatus, SessionStatus, SpeakerStatus};

use std::time::Instant;

use bytes::Bytes;

/// The speaker.
#[derive(Debug)]
pub struct Speaker {
    config: SpeakerConfig,
}

impl Speaker {
    /// A speaker that is not started.
    #[must_use]
    pub fn new(config: SpeakerConfig, _now: Instant) -> Self {
        Self { config }
    }

    /// Takes one input; then ask `poll_output` until it is empty.
    pub fn handle(&mut self, _input: Input<'_>, _now: Instant) {}

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// When to tick.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// The next complete message for the wire.
    pub fn poll_transmit(&mut self, _conn: ConnId, _now: Instant) -> Option<Bytes> {
        None
    }

    /// A fresh name for an accepted connection.
    pub fn new_conn(&mut self) -> ConnId {
        ConnId(0)
    }

    /// A snapshot.
    #[must_use]
    pub fn status(&self, _now: Instant) -> SpeakerStatus {
        SpeakerStatus {
            asn: self.config.asn,
            router_id: self.config.router_id,
            synced: false,
            prefixes: 0,
            peers: vec![],
        }
    }

    /// All paths of all prefixes with their reasons.
    pub fn routes(&self) -> impl Iterator<Item = RouteStatus> + '_ {
        std::iter::empty()
    }
}
