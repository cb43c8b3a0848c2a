//! Socket options, and what errors of sockets mean.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::time::Duration;

use rcni_bgp_proto::speaker::{CloseCause, ConnectError};
use rcni_config::{HoldTime, Ttl};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

use super::option;

/// `linux/tcp.h`; libc does not have them.
const TCP_SAVE_SYN: libc::c_int = 27;
const TCP_SAVED_SYN: libc::c_int = 28;
/// `linux/in6.h`.
const IPV6_FREEBIND: libc::c_int = 78;
/// DSCP class selector 6, "network control": routing is not dropped first when a link is full.
const TOS_CS6: u32 = 0xc0;
/// An eBGP neighbour is on the same link (RFC 4271 §5.1.3); packets to elsewhere shall not get far.
const TTL_EXTERNAL: u8 = 1;
/// What comes with it was sent on this link (RFC 5082 §3).
const TTL_SECURITY: u8 = 255;
/// The kernel's default, in `IP_TTL` and `IPV6_UNICAST_HOPS`.
const TTL_UNSET: i32 = -1;

/// How a session's socket is set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Of what is sent; `None`: the kernel's default.
    pub ttl: Option<u8>,
    /// What arrives with less is dropped (RFC 5082); 0: nothing is.
    pub min_ttl: u8,
    /// TCP gives up on data that is not acknowledged for so long; `None`: the kernel's default.
    pub user_timeout: Option<Duration>,
}

impl Options {
    /// For a peer with this configuration; `external`: eBGP.
    #[must_use]
    pub fn new(ttl: Ttl, external: bool, hold_time: HoldTime) -> Self {
        let (ttl, min_ttl) = match ttl {
            Ttl::Default => (external.then_some(TTL_EXTERNAL), 0),
            Ttl::Multihop(ttl) => (Some(ttl), 0),
            // One hop: 255, as nobody has taken one off. The type bounds it to 1 to 254.
            Ttl::Security(hops) => (Some(TTL_SECURITY), TTL_SECURITY - hops.max(1) + 1),
        };
        let hold_time = Duration::from_secs(u64::from(hold_time.secs()));
        Self {
            ttl,
            min_ttl,
            user_timeout: (!hold_time.is_zero()).then_some(hold_time),
        }
    }
}

/// Sets what dialled and accepted connections have in common. An accepted one has what its listener
/// has, so everything is set, also to the default.
///
/// # Errors
/// The kernel's.
pub fn configure(socket: &SockRef<'_>, remote: IpAddr, options: Options) -> io::Result<()> {
    // A KEEPALIVE shall not wait for an UPDATE to be acknowledged.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(options.user_timeout)?;
    set_class(socket, remote)?;
    set_ttl(&**socket, remote, options.ttl, options.min_ttl)
}

/// The class of what is sent, also of the SYN-ACK of a listening socket.
///
/// # Errors
/// The kernel's.
pub fn set_class(socket: &SockRef<'_>, address: IpAddr) -> io::Result<()> {
    match address {
        IpAddr::V4(_) => socket.set_tos_v4(TOS_CS6),
        IpAddr::V6(_) => socket.set_tclass_v6(TOS_CS6),
    }
}

/// See [`Options`].
///
/// # Errors
/// The kernel's.
pub fn set_ttl(
    socket: &impl AsRawFd,
    address: IpAddr,
    ttl: Option<u8>,
    min_ttl: u8,
) -> io::Result<()> {
    let ttl = ttl.map_or(TTL_UNSET, i32::from);
    let (level, sent, received) = match address {
        IpAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_TTL, libc::IP_MINTTL),
        IpAddr::V6(_) => (
            libc::IPPROTO_IPV6,
            libc::IPV6_UNICAST_HOPS,
            libc::IPV6_MINHOPCOUNT,
        ),
    };
    option::set(socket, level, sent, ttl)?;
    option::set(socket, level, received, i32::from(min_ttl))
}

/// The TTL of the SYN that an accepted connection began with, if its listener
/// [keeps](keep_syn) it; a kernel that is flooded does not.
#[must_use]
pub fn syn_ttl(socket: &impl AsRawFd) -> Option<u8> {
    /// IP header with all options, TCP header with all options.
    const HEADERS: usize = 60 + 60;
    let mut buffer = [0; HEADERS];
    let headers = option::get_bytes(socket, libc::IPPROTO_TCP, TCP_SAVED_SYN, &mut buffer).ok()?;
    let at = match headers.first()? >> 4 {
        4 => 8,
        6 => 7,
        _ => return None,
    };
    headers.get(at).copied()
}

/// Makes a listening socket keep what [`syn_ttl`] reads.
///
/// # Errors
/// The kernel's.
pub fn keep_syn(socket: &impl AsRawFd) -> io::Result<()> {
    option::set(socket, libc::IPPROTO_TCP, TCP_SAVE_SYN, 1)
}

/// Lets a socket be bound to an address that the node has not got, or not yet.
///
/// # Errors
/// The kernel's.
pub fn allow_foreign(socket: &impl AsRawFd, address: IpAddr) -> io::Result<()> {
    match address {
        IpAddr::V4(_) => option::set(socket, libc::IPPROTO_IP, libc::IP_FREEBIND, 1),
        IpAddr::V6(_) => option::set(socket, libc::IPPROTO_IPV6, IPV6_FREEBIND, 1),
    }
}

/// Closes with a reset: nothing lingers here, and whoever connected knows at once.
pub fn reset(socket: &SockRef<'_>) {
    // It is closed anyway.
    let _ = socket.set_linger(Some(Duration::ZERO));
}

/// A TCP socket of the address's family, non-blocking.
///
/// # Errors
/// The kernel's.
pub fn tcp(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for connections of the last run in TIME-WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

/// What a failed connect means.
#[must_use]
pub fn connect_error(error: &io::Error) -> ConnectError {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => ConnectError::Refused,
        Some(
            libc::ENETUNREACH
            | libc::EHOSTUNREACH
            | libc::ENETDOWN
            | libc::EHOSTDOWN
            | libc::ENONET,
        ) => ConnectError::Unreachable,
        Some(libc::ETIMEDOUT) => ConnectError::TimedOut,
        // What a blackhole or prohibit route answers.
        Some(libc::EINVAL | libc::EACCES) => ConnectError::Other(
            "a route on this node drops what goes to the peer (is its address in a pod CIDR of \
             this node?)"
                .to_owned(),
        ),
        Some(libc::EADDRNOTAVAIL) => ConnectError::Other(
            "the source address is not on this node (sourceAddress or nodeAddresses, EADDRNOTAVAIL)".to_owned(),
        ),
        _ if error.kind() == io::ErrorKind::TimedOut => ConnectError::TimedOut,
        _ => ConnectError::Other(error.to_string()),
    }
}

/// What a failed read or write means.
#[must_use]
pub fn close_cause(error: &io::Error) -> CloseCause {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => CloseCause::Reset,
        io::ErrorKind::TimedOut => CloseCause::TimedOut,
        _ => CloseCause::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_connect_have_classes() {
        let class = |code| connect_error(&io::Error::from_raw_os_error(code));
        assert_eq!(class(libc::ECONNREFUSED), ConnectError::Refused);
        assert_eq!(class(libc::EHOSTUNREACH), ConnectError::Unreachable);
        assert_eq!(class(libc::ENETUNREACH), ConnectError::Unreachable);
        assert_eq!(class(libc::ETIMEDOUT), ConnectError::TimedOut);
        assert_eq!(
            connect_error(&io::ErrorKind::TimedOut.into()),
            ConnectError::TimedOut
        );
        assert!(
            matches!(class(libc::EADDRNOTAVAIL), ConnectError::Other(text)
            if text.contains("sourceAddress"))
        );
    }

    fn read(socket: &Socket, address: IpAddr) -> (i32, i32, i32) {
        let (level, ttl, min_ttl, class) = match address {
            IpAddr::V4(_) => (
                libc::IPPROTO_IP,
                libc::IP_TTL,
                libc::IP_MINTTL,
                libc::IP_TOS,
            ),
            IpAddr::V6(_) => (
                libc::IPPROTO_IPV6,
                libc::IPV6_UNICAST_HOPS,
                libc::IPV6_MINHOPCOUNT,
                libc::IPV6_TCLASS,
            ),
        };
        let get = |name| option::get(socket, level, name).unwrap();
        (get(ttl), get(min_ttl), get(class))
    }

    /// What is set is read back, each after another, as on an accepted socket.
    #[test]
    fn options_are_really_set() {
        for remote in ["127.0.0.1:1", "[::1]:1"] {
            let remote: SocketAddr = remote.parse().unwrap();
            let socket = tcp(remote).unwrap();
            let (unset, ..) = read(&socket, remote.ip());
            assert!(unset > 1, "{unset}");
            let dc = HoldTime::new(9).unwrap();
            let class = i32::try_from(TOS_CS6).unwrap();
            for (ttl, external, hold_time, expected, timeout) in [
                (Ttl::Security(1), true, dc, (255, 255), Some(9)),
                (Ttl::Security(254), false, dc, (255, 2), Some(9)),
                (Ttl::Multihop(7), true, HoldTime::DEFAULT, (7, 0), Some(90)),
                (Ttl::Default, true, HoldTime::DEFAULT, (1, 0), Some(90)),
                (
                    Ttl::Default,
                    false,
                    HoldTime::new(0).unwrap(),
                    (unset, 0),
                    None,
                ),
            ] {
                let options = Options::new(ttl, external, hold_time);
                configure(&SockRef::from(&socket), remote.ip(), options).unwrap();
                let found = read(&socket, remote.ip());
                assert_eq!(found, (expected.0, expected.1, class), "{ttl:?} {remote}");
                let timeout = timeout.map(Duration::from_secs);
                assert_eq!(socket.tcp_user_timeout().unwrap(), timeout, "{ttl:?}");
                assert!(socket.tcp_nodelay().unwrap());
            }
        }
        let v6 = tcp("[::1]:1".parse().unwrap()).unwrap();
        assert!(v6.only_v6().unwrap());
    }

    #[test]
    fn the_ttl_of_a_syn_is_kept() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let address: SocketAddr = address.parse().unwrap();
            let listener = tcp(address).unwrap();
            keep_syn(&listener).unwrap();
            listener.bind(&address.into()).unwrap();
            listener.listen(4).unwrap();
            let address = listener.local_addr().unwrap().as_socket().unwrap();
            let dialled = tcp(address).unwrap();
            dialled.set_nonblocking(false).unwrap();
            set_ttl(&dialled, address.ip(), Some(77), 0).unwrap();
            dialled.connect(&address.into()).unwrap();
            let (accepted, _) = listener.accept().unwrap();
            assert_eq!(syn_ttl(&accepted), Some(77));
            assert_eq!(syn_ttl(&dialled), None);
        }
    }

    #[test]
    fn an_address_that_is_not_here_can_be_listened_on() {
        for address in ["192.0.2.1:0", "[2001:db8::1]:0"] {
            let address: SocketAddr = address.parse().unwrap();
            let socket = tcp(address).unwrap();
            assert!(socket.bind(&address.into()).is_err());
            allow_foreign(&socket, address.ip()).unwrap();
            socket.bind(&address.into()).unwrap();
        }
    }
}
