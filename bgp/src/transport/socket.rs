//! Socket options, and what errors of sockets mean.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rcni_bgp_proto::speaker::{CloseCause, ConnectError};
use socket2::{Domain, Protocol, SockRef, Socket, Type};

/// DSCP class selector 6, "network control": routing is not dropped first when a link is full.
const TOS_CS6: u32 = 0xc0;
/// An eBGP neighbour is on the same link (RFC 4271 §5.1.3); packets to elsewhere shall not get far.
const TTL_EXTERNAL: u32 = 1;

/// How a session's socket is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// eBGP: see [`TTL_EXTERNAL`].
    pub external: bool,
    /// TCP gives up on data that is not acknowledged for so long; `None`: the kernel's default.
    pub user_timeout: Option<Duration>,
}

/// Sets what dialled and accepted connections have in common.
///
/// # Errors
/// The kernel's; names the option.
pub fn configure(socket: &SockRef<'_>, remote: IpAddr, options: Options) -> io::Result<()> {
    // A KEEPALIVE shall not wait for an UPDATE to be acknowledged.
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_user_timeout(options.user_timeout)?;
    match remote {
        IpAddr::V4(_) => {
            socket.set_tos_v4(TOS_CS6)?;
            if options.external {
                socket.set_ttl_v4(TTL_EXTERNAL)?;
            }
        }
        IpAddr::V6(_) => {
            socket.set_tclass_v6(TOS_CS6)?;
            if options.external {
                socket.set_unicast_hops_v6(TTL_EXTERNAL)?;
            }
        }
    }
    Ok(())
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
            "the source address is not on this node (sourceAddress, EADDRNOTAVAIL)".to_owned(),
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

    #[test]
    fn options_are_really_set() {
        let remote: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let socket = tcp(remote).unwrap();
        let options = Options {
            external: true,
            user_timeout: Some(Duration::from_secs(90)),
        };
        configure(&SockRef::from(&socket), remote.ip(), options).unwrap();
        assert_eq!(socket.ttl_v4().unwrap(), 1);
        assert_eq!(socket.tos_v4().unwrap(), TOS_CS6);
        assert_eq!(
            socket.tcp_user_timeout().unwrap(),
            Some(Duration::from_secs(90))
        );
        assert!(socket.tcp_nodelay().unwrap());
        let remote: SocketAddr = "[::1]:1".parse().unwrap();
        let socket = tcp(remote).unwrap();
        configure(&SockRef::from(&socket), remote.ip(), options).unwrap();
        assert_eq!(socket.unicast_hops_v6().unwrap(), 1);
        assert_eq!(socket.tclass_v6().unwrap(), TOS_CS6);
        assert!(socket.only_v6().unwrap());
        let remote: SocketAddr = "127.0.0.1:1".parse().unwrap();
        let internal = tcp(remote).unwrap();
        let options = Options {
            external: false,
            user_timeout: None,
        };
        configure(&SockRef::from(&internal), remote.ip(), options).unwrap();
        assert_ne!(internal.ttl_v4().unwrap(), 1);
    }
}
