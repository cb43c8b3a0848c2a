//! The signatures of a session's segments, whichever kind they are of.

use std::io;
use std::os::fd::AsRawFd;

use rcni_config::{Cidr, Security};

use super::ao::{self, Side};
use super::md5;

/// Keys count against a bound of their socket.
pub(super) const OPTION_MEMORY: &str = "the keys of all peers do not fit into the listening socket's option memory: raise it with \
     `sysctl -w net.core.optmem_max=4194304`, or use one peerRange instead of many peers";

/// Whose connections are signed how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFor {
    /// The BGPPeer's name.
    pub name: String,
    /// One address, or a range.
    pub network: Cidr,
    /// How.
    pub security: Security,
}

/// The kernel takes no such key.
#[derive(Debug, thiserror::Error)]
#[error("cannot sign the sessions of peer {name} ({network}): {reason}")]
pub struct KeyError {
    name: String,
    network: Cidr,
    reason: String,
    source: io::Error,
}

/// Gives the socket the keys for connections with `network`.
///
/// # Errors
/// The kernel's.
pub fn set(
    socket: &impl AsRawFd,
    network: Cidr,
    security: &Security,
    side: Side,
) -> io::Result<()> {
    match security {
        Security::None => Ok(()),
        Security::Md5(password) => md5::set_key(socket, network, password),
        Security::Ao(keys) => ao::set_keys(socket, network, keys, side),
    }
}

/// Takes the keys for connections with `network` from a listening socket; those that it has accepted
/// keep theirs.
///
/// # Errors
/// The kernel's; what is not there is none.
pub fn remove(socket: &impl AsRawFd, network: Cidr, security: &Security) -> io::Result<()> {
    let removed = match security {
        Security::None => Ok(()),
        Security::Md5(_) => md5::remove_key(socket, network),
        Security::Ao(keys) => ao::remove_keys(socket, network, keys),
    };
    removed.or_else(|error| match error.raw_os_error() {
        Some(libc::ENOENT) => Ok(()),
        _ => Err(error),
    })
}

/// All keys of a listening socket; before it listens, so that nothing unsigned is ever accepted.
///
/// # Errors
/// The first that the kernel does not take, in words.
pub fn set_all(socket: &impl AsRawFd, keys: &[KeyFor]) -> Result<(), KeyError> {
    for key in keys {
        set(socket, key.network, &key.security, Side::Listening).map_err(|source| KeyError {
            name: key.name.clone(),
            network: key.network,
            reason: explain(&key.security, &source),
            source,
        })?;
    }
    Ok(())
}

fn explain(security: &Security, error: &io::Error) -> String {
    match security {
        Security::Ao(_) => ao::explain(error),
        Security::None | Security::Md5(_) => md5::explain(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcni_config::{AoAlgorithm, AoKey, Password};

    #[test]
    fn a_key_that_is_not_taken_is_explained() {
        let secret = Password::new("geheim").unwrap();
        let key = AoKey {
            send_id: 1,
            receive_id: 1,
            algorithm: AoAlgorithm::HmacSha1,
            secret,
        };
        let errno = |code| io::Error::from_raw_os_error(code);
        let ao = Security::Ao(vec![key]);
        assert!(explain(&ao, &errno(libc::ENOPROTOOPT)).contains("CONFIG_TCP_AO"));
        assert!(explain(&ao, &errno(libc::ENOMEM)).contains("optmem_max"));
        let md5 = Security::Md5(Password::new("geheim").unwrap());
        assert!(explain(&md5, &errno(libc::ENOPROTOOPT)).contains("CONFIG_TCP_MD5SIG"));
        assert!(explain(&md5, &errno(libc::ENOMEM)).contains("optmem_max"));
        assert!(!format!("{ao:?} {md5:?}").contains("geheim"));
    }
}
