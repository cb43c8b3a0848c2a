//! The listening sockets: one per family, or one per address.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{SockRef, Socket};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tracing::{debug, info, warn};

use super::gate::{Gate, Place};
use super::keys::{self, KeyError, KeyFor};
use super::{Event, socket};
use rcni_control::jitter::jitter;

/// Connections that the kernel holds for us at most.
const BACKLOG: i32 = 128;
/// Pause after a failed accept (no file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// A failed accept is logged at most so often.
const LOG_APART: Duration = Duration::from_secs(10);
/// What is sent by a listening socket of which some peers mind the TTL (RFC 5082): its SYN-ACKs.
const TTL_SECURITY: u8 = 255;

/// Why nobody can connect to us.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// EADDRINUSE.
    #[error(
        "TCP port {0} is taken by another program, perhaps another BGP speaker; \
         `ss -ltnp 'sport = :{0}'` shows which: stop it, or set spec.listenPort"
    )]
    Taken(u16),
    /// EACCES.
    #[error("not allowed to listen on TCP port {0}: run as root or with CAP_NET_BIND_SERVICE")]
    Forbidden(u16),
    /// A signature's key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Anything else.
    #[error("cannot listen on {address}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// What listening sockets must know of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Sockets<'a> {
    /// Own addresses; none: all of both families.
    pub addresses: &'a [IpAddr],
    /// 0 is chosen by the kernel, for each socket.
    pub port: u16,
    /// Ranges before what is in them: of two keys for the very same addresses the last one counts.
    pub keys: &'a [KeyFor],
    /// Who may connect.
    pub gate: &'a Gate,
}

/// Binds them all, with their keys. An address that the node has not got is bound all the same and
/// works when it comes; who starts the daemon should be told of it.
///
/// # Errors
/// If a socket cannot be had (of both families: IPv6 only if the kernel has it), or a key is refused:
/// of any peer, whatever family it has and whether it is dialled or waited for.
pub fn bind(sockets: Sockets<'_>) -> Result<Vec<TcpListener>, ListenError> {
    try_keys(sockets.keys)?;
    if !sockets.addresses.is_empty() {
        let each = sockets.addresses.iter();
        return each.map(|address| bind_one(*address, sockets)).collect();
    }
    let mut listeners = vec![bind_one(Ipv4Addr::UNSPECIFIED.into(), sockets)?];
    match bind_one(Ipv6Addr::UNSPECIFIED.into(), sockets) {
        Ok(listener) => listeners.push(listener),
        Err(ListenError::Other { source, .. }) if no_ipv6(&source) => {
            info!("this kernel has no IPv6; listening on IPv4 only");
        }
        Err(error) => return Err(error),
    }
    Ok(listeners)
}

/// Whether the kernel takes one key of each kind, so that a peer that is only dialled is not found out
/// when it is.
pub(super) fn try_keys(keys: &[KeyFor]) -> Result<(), ListenError> {
    let mut tried = Vec::new();
    for key in keys {
        let kind = (std::mem::discriminant(&key.security), key.network.is_ipv4());
        if tried.contains(&kind) {
            continue;
        }
        tried.push(kind);
        let address: SocketAddr = if key.network.is_ipv4() {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        };
        // No IPv6: nobody to dial there.
        if let Ok(socket) = socket::tcp(address) {
            keys::set_all(&socket, std::slice::from_ref(key))?;
        }
    }
    Ok(())
}

pub(super) fn bind_one(address: IpAddr, sockets: Sockets<'_>) -> Result<TcpListener, ListenError> {
    let port = sockets.port;
    let address = SocketAddr::new(address, port);
    let refused = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken(port),
        io::ErrorKind::PermissionDenied => ListenError::Forbidden(port),
        _ => ListenError::Other { address, source },
    };
    let prepared = || {
        let socket = socket::tcp(address)?;
        prepare(&socket, address.ip(), sockets.gate)?;
        socket.bind(&address.into())?;
        Ok(socket)
    };
    let socket: Socket = prepared().map_err(refused)?;
    let of_family = |key: &&KeyFor| key.network.is_ipv4() == address.is_ipv4();
    for key in sockets.keys.iter().filter(of_family) {
        keys::set_all(&socket, std::slice::from_ref(key))?;
    }
    let listening = || {
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    listening().map_err(refused)
}

/// A listening socket is for all peers of its family. It sends SYN-ACKs with the TTL that the most
/// careful of them wants, and drops only what none of them wants; what a single one wants is judged by
/// the SYN ([`Gate::admit`]) and set on its connection.
fn prepare(socket: &Socket, address: IpAddr, gate: &Gate) -> io::Result<()> {
    socket::set_class(&SockRef::from(socket), address)?;
    socket::allow_foreign(socket, address)?;
    let (_, most) = gate.min_ttls(address.is_ipv4());
    if most > 0 {
        set_ttls(socket, address, gate)?;
    }
    Ok(())
}

/// See [`prepare`]; also of a socket that listens already.
pub(super) fn set_ttls(socket: &impl AsRawFd, address: IpAddr, gate: &Gate) -> io::Result<()> {
    let (least, most) = gate.min_ttls(address.is_ipv4());
    if most == 0 {
        return socket::set_ttl(socket, address, None, 0);
    }
    socket::set_ttl(socket, address, Some(TTL_SECURITY), least)?;
    socket::keep_syn(socket)
}

pub(super) fn no_ipv6(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::EPROTONOSUPPORT)
    )
}

/// Accepts for ever, and resets at once what the gate does not let in. Ends when the core is gone.
pub async fn accept(listener: Arc<TcpListener>, gate: Arc<Gate>, events: mpsc::Sender<Event>) {
    let mut told: Option<Instant> = None;
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if told.is_none_or(|at| at.elapsed() >= LOG_APART) {
                    told = Some(Instant::now());
                    warn!(%error, "cannot accept a connection");
                }
                sleep(jitter(ACCEPT_PAUSE)).await;
                continue;
            }
        };
        let Some(place) = admitted(&stream, remote, &gate) else {
            socket::reset(&SockRef::from(&stream));
            continue;
        };
        if events
            .send(Event::Accepted { stream, place })
            .await
            .is_err()
        {
            return;
        }
    }
}

/// The connection's place, if it is let in and could be set up.
fn admitted(stream: &TcpStream, remote: SocketAddr, gate: &Arc<Gate>) -> Option<Place> {
    let (place, options) = gate.admit(remote, socket::syn_ttl(stream)).ok()?;
    socket::configure(&SockRef::from(stream), remote.ip(), options)
        .inspect_err(|error| debug!(%remote, %error, "cannot set up an accepted connection"))
        .ok()?;
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::gate::{Counts, Entry, PER_ADDRESS};
    use crate::transport::socket::Options;
    use tokio::io::AsyncReadExt;

    fn gate(networks: &[&str], options: Options) -> Arc<Gate> {
        let entry = |network: &&str| Entry {
            network: network.parse().unwrap(),
            options,
        };
        Gate::new(&networks.iter().map(entry).collect::<Vec<_>>())
    }

    fn sockets<'a>(addresses: &'a [IpAddr], port: u16, gate: &'a Gate) -> Sockets<'a> {
        Sockets {
            addresses,
            port,
            keys: &[],
            gate,
        }
    }

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let other = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let gate = gate(&[], Options::default());
        let text = bind(sockets(&[], port, &gate)).unwrap_err().to_string();
        assert!(
            text.contains(&format!("TCP port {port} is taken")),
            "{text}"
        );
        assert!(text.contains("spec.listenPort"), "{text}");
    }

    #[tokio::test]
    async fn only_the_given_addresses_are_listened_on() {
        let addresses = ["127.0.0.5", "127.0.0.6", "::1"].map(|text| text.parse().unwrap());
        let gate = gate(&[], Options::default());
        let listeners = bind(sockets(&addresses, 0, &gate)).unwrap();
        let bound: Vec<IpAddr> = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap().ip())
            .collect();
        assert_eq!(bound, addresses);
        let port = listeners[0].local_addr().unwrap().port();
        let elsewhere = TcpStream::connect(("127.0.0.1", port)).await;
        assert!(elsewhere.is_err());
    }

    /// What a SYN-ACK has, and what every accepted connection would have.
    #[tokio::test]
    async fn the_listener_is_as_careful_as_all_of_its_peers_are() {
        let careful = Options {
            ttl: Some(255),
            min_ttl: 254,
            ..Options::default()
        };
        for (others, least) in [(vec![], 254), (vec!["10.0.0.2/32"], 0)] {
            let entry = |network: &str, options| Entry {
                network: network.parse().unwrap(),
                options,
            };
            let mut entries = vec![entry("10.0.0.1/32", careful)];
            entries.extend(
                others
                    .into_iter()
                    .map(|other| entry(other, Options::default())),
            );
            let gate = Gate::new(&entries);
            let listener = bind(sockets(&["127.0.0.1".parse().unwrap()], 0, &gate)).unwrap();
            let get =
                |name| super::super::option::get(&listener[0], libc::IPPROTO_IP, name).unwrap();
            assert_eq!((get(libc::IP_TTL), get(libc::IP_MINTTL)), (255, least));
            assert_eq!(get(libc::IP_TOS), 0xc0);
        }
    }

    #[tokio::test]
    async fn strangers_and_the_fifth_of_a_peer_are_reset() {
        let gate = gate(&["127.0.0.1/32"], Options::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, mut accepted) = mpsc::channel(16);
        let task = tokio::spawn(accept(Arc::new(listener), gate.clone(), events));

        let stranger = tokio::net::TcpSocket::new_v4().unwrap();
        stranger.bind("127.0.0.9:0".parse().unwrap()).unwrap();
        // The reset may come before the handshake is looked at.
        let reset = match stranger.connect(address).await {
            Ok(mut stranger) => stranger.read(&mut [0; 1]).await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset);

        let mut streams = Vec::new();
        let mut held = Vec::new();
        for _ in 0..PER_ADDRESS {
            streams.push(TcpStream::connect(address).await.unwrap());
            held.push(accepted.recv().await.unwrap());
        }
        if let Ok(mut fifth) = TcpStream::connect(address).await {
            assert!(fifth.read(&mut [0; 1]).await.is_err());
        }
        let expected = Counts {
            accepted: 4,
            strangers: 1,
            too_many: 1,
            waiting: 4,
            ..Counts::default()
        };
        assert_eq!(gate.counts(), expected);
        held.pop();
        let _sixth = TcpStream::connect(address).await.unwrap();
        assert!(matches!(
            accepted.recv().await,
            Some(Event::Accepted { .. })
        ));
        task.abort();
    }
}
