//! Connections: made by a dial or accepted, and what the speaker is told of their own end.

use std::net::SocketAddr;

use rcni_bgp_proto::speaker::{ConnId, ConnectError, Input, NextHop, OwnAddresses};
use tokio::net::TcpStream;

use super::{Core, SEND_HOLD};
use crate::transport::connection::Handle;
use crate::transport::gate::{Place, Visit};
use crate::transport::interfaces::Interfaces;
use crate::transport::mtu::{self, Sizes};
use crate::transport::socket;

/// One, from the handshake to its last words.
pub(super) struct Connection {
    pub(super) handle: Handle,
    /// Own end.
    pub(super) local: NextHop,
    /// The peer's.
    pub(super) remote: NextHop,
    /// Of packets at both ends, as they were when it was made.
    pub(super) sizes: Option<Sizes>,
    /// What the speaker was told of it.
    pub(super) own: Option<OwnAddresses>,
    /// The speaker has closed it; it ends when its last message is queued.
    pub(super) closing: bool,
    /// Of an accepted one, until the peer's OPEN was found valid.
    pub(super) visit: Option<Visit>,
    /// It waits for its turn to be sent routes.
    pub(super) waits: bool,
}

impl Core {
    pub(super) fn dialled(&mut self, conn: ConnId, result: Result<TcpStream, ConnectError>) {
        // Given up meanwhile: the stream is closed by being dropped.
        let Some((_, address)) = self.dials.remove(&conn) else {
            return;
        };
        let ends = result.and_then(|stream| match (stream.local_addr(), stream.peer_addr()) {
            (Ok(local), Ok(remote)) => Ok((stream, local, remote)),
            (Err(error), _) | (_, Err(error)) => Err(socket::connect_error(&error)),
        });
        match ends {
            Ok((stream, local, remote)) => {
                self.connect(conn, stream, (local, remote), None);
                self.input(Input::Connected {
                    conn,
                    local,
                    remote,
                });
                self.tell_own(conn);
            }
            Err(cause) => {
                let cause = self.explained(cause, address);
                self.input(Input::ConnectFailed { conn, cause });
            }
        }
    }

    pub(super) fn accepted(&mut self, stream: TcpStream, place: Place) {
        // Gone again before it was looked at.
        let (Ok(local), Ok(remote)) = (stream.local_addr(), stream.peer_addr()) else {
            return;
        };
        let conn = self.speaker.new_conn();
        self.connect(conn, stream, (local, remote), Some(place));
        self.input(Input::Accepted {
            conn,
            local,
            remote,
        });
        self.tell_own(conn);
    }

    fn connect(
        &mut self,
        conn: ConnId,
        stream: TcpStream,
        (local, remote): (SocketAddr, SocketAddr),
        place: Option<Place>,
    ) {
        let settings = self.settings_at(remote.into());
        let send_hold = settings.map_or(SEND_HOLD, |settings| settings.send_hold);
        let place = place.map(|place| (place.visit, (place.seat, place.evicted)));
        let (visit, place) = place.unzip();
        let events = self.events.clone();
        let sizes = mtu::measure(&stream, remote.ip());
        let handle = self.wire.spawn(conn, stream, place, events, send_hold);
        self.connections.insert(
            conn,
            Connection {
                handle,
                local: local.into(),
                remote: remote.into(),
                sizes,
                own: None,
                closing: false,
                visit,
                waits: false,
            },
        );
    }

    pub(super) fn readdress(&mut self, interfaces: Interfaces) {
        self.interfaces = interfaces;
        self.look_at_home();
        self.watch_anew(None);
        let conns: Vec<ConnId> = self.connections.keys().copied().collect();
        for conn in conns {
            self.tell_own(conn);
        }
    }

    /// Tells the speaker what a connection's own end offers, if that is news.
    fn tell_own(&mut self, conn: ConnId) {
        let Some(connection) = self.connections.get_mut(&conn) else {
            return;
        };
        let own = self.interfaces.own(connection.local);
        if connection.own.as_ref() != Some(&own) {
            connection.own = Some(own.clone());
            self.input(Input::OwnAddresses { conn, own });
        }
    }
}
