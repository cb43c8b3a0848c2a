//! One attempt to connect.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rcni_bgp_proto::speaker::ConnectError;
use rcni_config::{Cidr, Security};
use socket2::SockRef;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::ao::Side;
use super::keys;
use super::socket::{self, Options};

/// What to dial.
#[derive(Clone, Debug)]
pub struct Dial {
    /// Whither.
    pub remote: SocketAddr,
    /// Source address; the kernel's choice if absent.
    pub local: Option<IpAddr>,
    /// For the socket.
    pub options: Options,
    /// How it is signed.
    pub security: Security,
    /// How long to wait for an answer. Shorter than ConnectRetry, so that "no answer" is told
    /// as such.
    pub patience: Duration,
}

/// Connects.
///
/// # Errors
/// Classified, see [`socket::connect_error`].
pub async fn dial(dial: Dial) -> Result<TcpStream, ConnectError> {
    let attempt = async {
        let socket = socket::tcp(dial.remote)?;
        socket::configure(&SockRef::from(&socket), dial.remote.ip(), dial.options)?;
        let peer = Cidr::host(dial.remote.ip());
        keys::set(&socket, peer, &dial.security, Side::Dialling)?;
        if let Some(local) = dial.local {
            socket.bind(&SocketAddr::new(local, 0).into())?;
        }
        TcpSocket::from_std_stream(socket.into())
            .connect(dial.remote)
            .await
    };
    match timeout(dial.patience, attempt).await {
        Ok(result) => result.map_err(|error| socket::connect_error(&error)),
        Err(_) => Err(ConnectError::TimedOut),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options = Options {
        ttl: Some(1),
        min_ttl: 0,
        user_timeout: None,
    };

    #[tokio::test]
    async fn refused_and_a_foreign_source_are_told_apart() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let remote = listener.local_addr().unwrap();
        drop(listener);
        let attempt = Dial {
            remote,
            local: Some("127.0.0.7".parse().unwrap()),
            options: OPTIONS,
            security: Security::None,
            patience: Duration::from_secs(5),
        };
        assert_eq!(
            dial(attempt.clone()).await.unwrap_err(),
            ConnectError::Refused
        );
        let attempt = Dial {
            local: Some("192.0.2.1".parse().unwrap()),
            ..attempt
        };
        assert!(matches!(dial(attempt).await, Err(ConnectError::Other(_))));
    }

    #[tokio::test]
    async fn the_source_address_is_used() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let attempt = Dial {
            remote: listener.local_addr().unwrap(),
            local: Some("127.0.0.7".parse().unwrap()),
            options: OPTIONS,
            security: Security::None,
            patience: Duration::from_secs(5),
        };
        let (dialled, accepted) = tokio::join!(dial(attempt), listener.accept());
        let _dialled = dialled.unwrap();
        assert_eq!(
            accepted.unwrap().1.ip(),
            "127.0.0.7".parse::<IpAddr>().unwrap()
        );
    }
}
