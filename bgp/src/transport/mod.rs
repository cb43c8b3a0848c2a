//! TCP: listens, dials, moves bytes, and has them read where that needs nothing but the session's terms.
//! Knows nothing of BGP but its port, its TTL and how a connection is closed so that the last words
//! arrive.
//!
//! ```text
//!  listener --accept--> gate: known address, room? --no--> reset, count
//!                            | yes
//!  dialler --connect------>  v
//!                       connection: reader, intake --Event::Heard--> core
//!                                   writer <------bounded queue----- core (poll_transmit)
//! ```

pub mod ao;
pub mod connection;
pub mod dialler;
pub mod gate;
pub mod interfaces;
pub mod keys;
pub mod listener;
pub mod listening;
pub mod md5;
pub mod mtu;
pub mod option;
pub mod origin;
pub mod reader;
pub mod silence;
pub mod socket;

use rcni_bgp_proto::intake::Heard;
use rcni_bgp_proto::speaker::{CloseCause, ConnId, ConnectError};
use tokio::net::TcpStream;

use gate::Place;
use interfaces::Interfaces;

/// What the transport tells the core, through one bounded queue.
#[derive(Debug)]
pub enum Event {
    /// A dial ended.
    Dialled {
        /// As the speaker named it.
        conn: ConnId,
        /// The connection, or why not.
        result: Result<TcpStream, ConnectError>,
    },
    /// A connection from a configured peer's address.
    Accepted {
        /// The connection.
        stream: TcpStream,
        /// Its place among the accepted connections, given back when it is dropped.
        place: Place,
    },
    /// The own addresses are these now.
    Interfaces(Interfaces),
    /// Messages came.
    Heard {
        /// Which connection.
        conn: ConnId,
        /// Those that were complete with what was read at a time: perhaps none.
        messages: Vec<Heard>,
    },
    /// A write queue that was full has room again.
    Room {
        /// Which connection.
        conn: ConnId,
    },
    /// The peer took nothing for the send hold time (RFC 9687).
    Stalled {
        /// Which connection.
        conn: ConnId,
    },
    /// The connection is gone; the last event of it.
    Closed {
        /// Which connection.
        conn: ConnId,
        /// Why.
        cause: CloseCause,
    },
}
