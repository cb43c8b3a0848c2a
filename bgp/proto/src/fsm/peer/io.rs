//! What goes into the peer machine and what comes out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use super::identity::Identity;
use crate::error::Notification;
use crate::fsm::{Cause, LastError, PathDown, State};
use crate::intake::{Heard, Terms};
use crate::message::{Message, Open, RouteRefresh};
use crate::speaker::{CloseCause, ConnId, ConnectError, StopMode};
use crate::validate::{Negotiated, RouteUpdate};

/// Gives names to connections; each name once.
#[derive(Debug, Default)]
pub struct ConnIds {
    next: u64,
}

impl ConnIds {
    /// A fresh name.
    pub fn fresh(&mut self) -> ConnId {
        self.next += 1;
        ConnId(self.next)
    }
}

/// What an input needs besides itself.
#[derive(Debug)]
pub struct Context<'a> {
    /// The time.
    pub now: Instant,
    /// For dials.
    pub ids: &'a mut ConnIds,
    /// R bit of OPENs sent now (RFC 4724 §3).
    pub restarting: bool,
    /// F bit: forwarding went on while the session was away.
    pub forwarding_kept: bool,
    /// There may be a session with this peer now: else its OPEN is answered with
    /// Cease/Connection Rejected.
    pub has_room: bool,
}

/// What can happen to a peer. The meaning is that of [`crate::speaker::Input`].
#[derive(Clone, Debug)]
pub enum PeerInput<'a> {
    /// Begin.
    Start,
    /// End.
    Stop(&'a StopMode),
    /// The configuration is another one. What of it is in the OPEN is said by the next session.
    Configure(Box<Identity>),
    /// End all connections with this NOTIFICATION, and go on.
    Reset(Notification),
    /// The same, and a dial that is under way is made anew.
    Renew(Notification),
    /// End all connections with this NOTIFICATION, and have none until `Release`.
    HoldDown(Notification),
    /// End all connections with this NOTIFICATION, and have none until then, or until `Release`: the
    /// peer has announced too many prefixes.
    Limit(Notification, Option<Instant>),
    /// Go on.
    Release,
    /// Neither dial nor confirm before then; `None`: nothing holds it back any more.
    Gate(Option<Instant>),
    /// The way to the peer is gone: end all connections.
    PathDown(PathDown),
    /// A dial succeeded.
    Connected(ConnId, SocketAddr, SocketAddr),
    /// A dial failed.
    ConnectFailed(ConnId, ConnectError),
    /// The peer dialled.
    Accepted(ConnId, SocketAddr, SocketAddr),
    /// Bytes came.
    Received(ConnId, &'a [u8]),
    /// Messages came.
    Heard(ConnId, Vec<Heard>),
    /// Bytes wait.
    Unread(ConnId),
    /// The peer takes nothing (RFC 9687).
    Stalled(ConnId),
    /// A connection is gone.
    Closed(ConnId, CloseCause),
    /// Time has passed.
    Tick,
}

/// What a peer wants.
#[derive(Clone, Debug)]
pub enum PeerOutput {
    /// Dial.
    Dial(ConnId),
    /// Send a control message (never an UPDATE).
    Send(ConnId, Message),
    /// Close after what was sent.
    Close(ConnId),
    /// The peer's OPEN is fine; so its messages are to be read.
    Opened(ConnId, Arc<Terms>),
    /// Established.
    Up(Box<Session>),
    /// No longer Established.
    Down(ConnId, Cause),
    /// Routes of an UPDATE.
    Routes(RouteUpdate),
    /// The peer wants a family again, or marks the beginning or end of its answer.
    Refresh(RouteRefresh),
    /// A connection ended, Established or not.
    Ended(Cause),
    /// The state is another one.
    State {
        /// Before.
        from: State,
        /// Now.
        to: State,
        /// Why, if it was a step back.
        cause: Option<LastError>,
    },
}

/// What is known of an Established session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its connection.
    pub conn: ConnId,
    /// Own end.
    pub local: SocketAddr,
    /// Peer's end.
    pub remote: SocketAddr,
    /// Our OPEN.
    pub sent: Open,
    /// The peer's OPEN.
    pub received: Open,
    /// What both agreed on.
    pub negotiated: Arc<Negotiated>,
    /// Since when.
    pub since: Instant,
}
