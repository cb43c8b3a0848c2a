//! Whether the two ends of a session's link take packets of the same size.
//!
//! If the own end takes larger ones than the peer's, pods' large packets vanish on the link, and
//! nobody says so: it is not a router that drops them. The session itself is no sign, since TCP
//! agrees on the smaller size. But it has agreed: the peer's maximum segment size tells its end.
//!
//! The other way round (the peer's end is the larger) is seen by a peer that looks, not here.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsFd;

use rustix::net::sockopt::{ip_mtu, ipv6_mtu};
use socket2::SockRef;

/// TCP's header without options, bytes.
const TCP_HEADER: u32 = 20;
/// The options of a segment are never longer, bytes (RFC 9293 §3.1).
const OPTIONS_MAX: u32 = 40;
/// From here on the peer's receive window may be what limits a segment (the kernel sends no more than
/// half of it at once), so that nothing is known of its link.
const WINDOW: u32 = 4096;
/// A port for a connection that is never used.
const DISCARD: u16 = 9;
/// Timestamps, which nearly every connection has (RFC 7323), padded.
const TIMESTAMPS: u32 = 12;

/// What one connection tells of its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The own end's, in bytes of IP packets.
    own: u32,
    /// The largest IP packet that the connection makes, without TCP's options.
    agreed: u32,
}

/// The sizes of a connection that is just made. `None` if the kernel does not tell.
#[must_use]
pub fn measure(socket: &impl AsFd, remote: IpAddr) -> Option<Sizes> {
    let remote = remote.to_canonical();
    let (own, header) = match remote {
        IpAddr::V4(_) => (ip_mtu(socket), 20),
        IpAddr::V6(_) => (ipv6_mtu(socket), 40),
    };
    // An accepted connection may not have a route of its own yet (ENOTCONN).
    let own = own.ok().or_else(|| own_mtu(remote))?;
    let segment = SockRef::from(socket).tcp_mss().ok()?;
    Some(Sizes {
        own,
        agreed: segment + TCP_HEADER + header,
    })
}

impl Sizes {
    /// The same with the own end's size of now, as of a route to `remote`: what was mended is no
    /// difference any more. (One that came later is not known before the next connection.)
    #[must_use]
    pub fn now(self, remote: IpAddr) -> Self {
        let own = own_mtu(remote).unwrap_or(self.own);
        Self {
            own: own.min(self.own),
            ..self
        }
    }

    /// Whether the difference is more than TCP's options can be, and sure.
    #[must_use]
    pub fn differ(self) -> bool {
        self.own > self.agreed + OPTIONS_MAX && self.agreed < WINDOW
    }

    /// What it means on `interface`.
    #[must_use]
    pub fn explain(self, interface: &str) -> impl fmt::Display {
        let Self { own, agreed } = self;
        let peer = agreed + TIMESTAMPS;
        format!(
            "{interface} has MTU {own}, and the peer's end of the link asks for packets of about \
             {peer} bytes at most (its TCP MSS): larger ones of pods are lost there without a word. \
             Give both ends one MTU (or, if the peer lowers the MSS on purpose, ignore this)"
        )
    }
}

/// Nothing is sent: connecting a datagram socket only chooses the route.
fn own_mtu(remote: IpAddr) -> Option<u32> {
    let any: IpAddr = match remote {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((remote, DISCARD)).ok()?;
    match remote {
        IpAddr::V4(_) => ip_mtu(&socket).ok(),
        IpAddr::V6(_) => ipv6_mtu(&socket).ok(),
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn only_more_than_tcps_options_is_a_difference() {
        let sizes = |own, agreed| Sizes { own, agreed };
        assert!(!sizes(1500, 1500).differ());
        assert!(!sizes(1500, 1488).differ());
        assert!(!sizes(1500, 1460).differ());
        assert!(sizes(1500, 1459).differ());
        // Half of a window of 16 KiB.
        assert!(!sizes(9000, 8192 + 40).differ());
        let jumbo = sizes(9000, 1488);
        assert!(jumbo.differ());
        let said = jumbo.explain("eth1").to_string();
        for word in ["eth1", "MTU 9000", "1500"] {
            assert!(said.contains(word), "{said}");
        }
    }

    #[test]
    fn a_link_with_one_size_is_measured_as_such() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let local = listener.local_addr().unwrap();
            let dialled = TcpStream::connect(local).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            assert!(own_mtu(local.ip()).is_some_and(|mtu| mtu >= 1280));
            for stream in [&dialled, &accepted] {
                let sizes = measure(stream, local.ip()).unwrap();
                assert!(sizes.own >= 1280, "{sizes:?}");
                assert!(!sizes.differ(), "{sizes:?}");
            }
        }
    }
}
