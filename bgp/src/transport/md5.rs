//! TCP MD5 signatures (RFC 2385).
//!
//! A key belongs to a peer's address, on the listening socket as on the one that dials; or to a range of
//! addresses, of which the kernel takes the most specific one that a segment's sender is in. What does not
//! fit is dropped without a word, see [`super::silence`].

use std::io;
use std::os::fd::AsRawFd;

use rcni_config::{Cidr, Password};

use super::option::{self, Structure};

/// `TCP_MD5SIG` of `linux/tcp.h`; libc has it for other systems only.
const TCP_MD5SIG: libc::c_int = 14;
/// `TCP_MD5SIG_EXT`: the same with a prefix length.
const TCP_MD5SIG_EXT: libc::c_int = 32;
/// `TCP_MD5SIG_FLAG_PREFIX`: the prefix length counts.
const FLAG_PREFIX: u8 = 1;

/// `struct tcp_md5sig` of `linux/tcp.h`: a `sockaddr_storage`, flags, a prefix length, the length
/// of the key (16 bits), an interface, the key.
const OPTION: usize = 216;
const FLAGS: usize = 128;
const PREFIX: usize = 129;
const KEY_LEN: usize = 130;
const KEY: usize = 136;

/// Gives the socket a key for all connections with `peer`, one address or a range.
///
/// # Errors
/// The kernel's; see [`explain`].
pub fn set_key(socket: &impl AsRawFd, peer: Cidr, password: &Password) -> io::Result<()> {
    set(socket, peer, password.expose().as_bytes())
}

/// Takes the key away.
///
/// # Errors
/// The kernel's: ENOENT if there was none.
pub fn remove_key(socket: &impl AsRawFd, peer: Cidr) -> io::Result<()> {
    set(socket, peer, &[])
}

/// An empty secret removes the key.
fn set(socket: &impl AsRawFd, peer: Cidr, secret: &[u8]) -> io::Result<()> {
    let option = option(peer, secret);
    let name = if is_range(peer) {
        TCP_MD5SIG_EXT
    } else {
        TCP_MD5SIG
    };
    option::set_bytes(socket, libc::IPPROTO_TCP, name, &option)
}

/// What a refused key means and what to do.
#[must_use]
pub fn explain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOPROTOOPT) => {
            "the kernel takes no key for TCP MD5: it needs CONFIG_TCP_MD5SIG (for a peerRange Linux \
             4.13 or newer); boot such a kernel, or remove spec.password on both sides"
                .to_owned()
        }
        Some(libc::ENOMEM) => super::keys::OPTION_MEMORY.to_owned(),
        _ => format!("the kernel takes no key for TCP MD5: {error}"),
    }
}

fn is_range(peer: Cidr) -> bool {
    peer.prefix_len() < peer.max_len()
}

fn option(peer: Cidr, secret: &[u8]) -> [u8; OPTION] {
    // The password's type bounds it to the 80 bytes that there are.
    let length = u16::try_from(secret.len()).unwrap_or(u16::MAX);
    let key = Structure::about(peer.ip())
        .put(KEY_LEN, &length.to_ne_bytes())
        .put(KEY, secret);
    let option = if is_range(peer) {
        key.put(FLAGS, &[FLAG_PREFIX])
            .put(PREFIX, &[peer.prefix_len()])
    } else {
        key
    };
    option.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_laid_out_as_the_kernel_reads_it() {
        let v4 = option(Cidr::host("10.0.0.1".parse().unwrap()), b"secret");
        assert_eq!(v4[..2], 2_u16.to_ne_bytes());
        assert_eq!(v4[4..8], [10, 0, 0, 1]);
        assert_eq!(v4[130..132], 6_u16.to_ne_bytes());
        assert_eq!(&v4[136..143], b"secret\0");
        let longest = option(Cidr::host("fd00::1".parse().unwrap()), &[b'x'; 80]);
        assert_eq!(longest[..2], 10_u16.to_ne_bytes());
        assert_eq!(longest[128..130], [0, 0]);
        assert_eq!((longest[8], longest[23], longest[215]), (0xfd, 1, b'x'));
    }

    #[test]
    fn a_range_has_its_prefix_length() {
        let v4 = option("10.0.0.0/9".parse().unwrap(), b"s");
        assert_eq!(v4[4..8], [10, 0, 0, 0]);
        assert_eq!(v4[128..130], [1, 9]);
        let all = option("::/0".parse().unwrap(), b"s");
        assert_eq!(all[128..130], [1, 0]);
    }

    /// All forms, on a socket of each family.
    #[test]
    fn this_kernel_takes_them() {
        let password = Password::new("geheim").unwrap();
        for (bind, peers) in [
            ("127.0.0.1:0", ["10.0.0.0/8", "0.0.0.0/0", "10.0.0.1/32"]),
            ("[::1]:0", ["fd00::/8", "::/0", "fd00::1/128"]),
        ] {
            let socket = super::super::socket::tcp(bind.parse().unwrap()).unwrap();
            for peer in peers {
                set_key(&socket, peer.parse().unwrap(), &password).unwrap();
            }
        }
    }
}
