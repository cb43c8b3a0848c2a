//! The listening sockets: one per family.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcni_config::Password;
use socket2::SockRef;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::sleep;
use tracing::{info, warn};

use super::{Event, md5, socket};
use crate::jitter::jitter;

/// Connections that the kernel holds for us at most.
const BACKLOG: i32 = 128;
/// Accepted connections from one peer at a time: one that lives, one that collides, and some
/// whose end is not through yet.
const PER_PEER: usize = 4;
/// Pause after a failed accept (no file descriptors).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Refused connections are logged at most so often, with their number.
const LOG_APART: Duration = Duration::from_secs(10);

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
    /// A key for TCP MD5 was refused.
    #[error(
        "the kernel takes no TCP MD5 key for {peer} ({source}): it needs CONFIG_TCP_MD5SIG; \
         or remove spec.password on both sides"
    )]
    Md5 {
        /// For whom.
        peer: IpAddr,
        /// Why.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot listen on {address}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
}

/// Binds all families that the kernel has. A port of 0 is chosen by the kernel, per family.
/// `keys` are the peers with a password.
///
/// # Errors
/// If IPv4 cannot be had, or IPv6 exists and cannot be had, or a key is refused.
pub fn bind(port: u16, keys: &[(IpAddr, Password)]) -> Result<Vec<TcpListener>, ListenError> {
    let mut listeners = vec![bind_one(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?];
    match bind_one(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
        Ok(listener) => listeners.push(listener),
        Err(ListenError::Other { source, .. }) if no_ipv6(&source) => {
            info!("this kernel has no IPv6; listening on IPv4 only");
        }
        Err(error) => return Err(error),
    }
    for (peer, password) in keys {
        let same = |listener: &&TcpListener| {
            listener
                .local_addr()
                .is_ok_and(|own| own.is_ipv4() == peer.is_ipv4())
        };
        for listener in listeners.iter().filter(same) {
            md5::set_key(&SockRef::from(listener), *peer, password).map_err(|source| {
                ListenError::Md5 {
                    peer: *peer,
                    source,
                }
            })?;
        }
    }
    Ok(listeners)
}

fn bind_one(address: SocketAddr) -> Result<TcpListener, ListenError> {
    let attempt = || {
        let socket = socket::tcp(address)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        TcpListener::from_std(socket.into())
    };
    attempt().map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => ListenError::Taken(address.port()),
        io::ErrorKind::PermissionDenied => ListenError::Forbidden(address.port()),
        _ => ListenError::Other { address, source },
    })
}

fn no_ipv6(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL | libc::EPROTONOSUPPORT)
    )
}

/// Accepts for ever, and closes at once what comes from an address that no peer has or beyond
/// [`PER_PEER`]. Ends when the core is gone.
pub async fn accept(listener: TcpListener, peers: Vec<IpAddr>, events: mpsc::Sender<Event>) {
    let places: HashMap<IpAddr, Arc<Semaphore>> = peers
        .into_iter()
        .map(|peer| (peer, Arc::new(Semaphore::new(PER_PEER))))
        .collect();
    let mut refused = Refused::default();
    loop {
        let (stream, remote) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                sleep(jitter(ACCEPT_PAUSE)).await;
                continue;
            }
        };
        let place = places
            .get(&remote.ip())
            .and_then(|places| places.clone().try_acquire_owned().ok());
        let Some(place) = place else {
            let why = if places.contains_key(&remote.ip()) {
                "this peer has too many connections open"
            } else {
                "no peer has this address"
            };
            refused.count(remote, why);
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

/// Anybody can connect as often as he likes; the log shall not grow with it.
#[derive(Default)]
struct Refused {
    count: u64,
    logged: Option<Instant>,
}

impl Refused {
    fn count(&mut self, remote: SocketAddr, why: &str) {
        self.count += 1;
        if self.logged.is_none_or(|at| at.elapsed() >= LOG_APART) {
            self.logged = Some(Instant::now());
            warn!(%remote, refused = self.count, "closed a connection: {why}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn a_taken_port_is_named() {
        let other = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let text = bind(port, &[]).unwrap_err().to_string();
        assert!(
            text.contains(&format!("TCP port {port} is taken")),
            "{text}"
        );
        assert!(text.contains("spec.listenPort"), "{text}");
    }

    #[tokio::test]
    async fn strangers_and_the_fifth_of_a_peer_are_closed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (events, mut accepted) = mpsc::channel(16);
        let known: IpAddr = "127.0.0.1".parse().unwrap();
        let task = tokio::spawn(accept(listener, vec![known], events));

        let stranger = tokio::net::TcpSocket::new_v4().unwrap();
        stranger.bind("127.0.0.9:0".parse().unwrap()).unwrap();
        let mut stranger = stranger.connect(address).await.unwrap();
        assert_eq!(stranger.read(&mut [0; 1]).await.unwrap(), 0);

        let mut streams = Vec::new();
        let mut held = Vec::new();
        for _ in 0..PER_PEER {
            streams.push(TcpStream::connect(address).await.unwrap());
            held.push(accepted.recv().await.unwrap());
        }
        let mut fifth = TcpStream::connect(address).await.unwrap();
        assert_eq!(fifth.read(&mut [0; 1]).await.unwrap(), 0);
        held.pop();
        let _sixth = TcpStream::connect(address).await.unwrap();
        assert!(matches!(
            accepted.recv().await,
            Some(Event::Accepted { .. })
        ));
        task.abort();
    }
}
