//! The TCP Authentication Option (RFC 5925), which Linux has from 6.7 on (`CONFIG_TCP_AO`).
//!
//! | socket | keys | the first key |
//! | --- | --- | --- |
//! | listening | all, for the peer's address or range | not marked: there is no current key before a connection |
//! | dialling | all, for the peer's address | is the current one, and the one that the peer is asked to use (RNextKeyID) |
//! | accepted | the kernel takes those of the listener | the one that the peer's SYN asks for |
//!
//! After that the kernel follows RNextKeyID by itself (RFC 5925 §7.5.2.e), so a key is exchanged by adding it
//! on both sides, making it the first one, and removing the old one.

use std::io;
use std::os::fd::AsRawFd;

use rcni_config::{AoAlgorithm, AoKey, Cidr};

use super::option::{self, Structure};

/// `TCP_AO_ADD_KEY` of `linux/tcp.h`.
const TCP_AO_ADD_KEY: libc::c_int = 38;

/// `TCP_AO_DEL_KEY` of `linux/tcp.h`.
const TCP_AO_DEL_KEY: libc::c_int = 39;

/// `struct tcp_ao_del` of `linux/tcp.h`: a `sockaddr_storage`, an interface of four bytes, a word of
/// bits, two bytes, then these; aligned to 8.
const DEL_SIZE: usize = 144;
const DEL_PREFIX: usize = 138;
const DEL_SEND_ID: usize = 139;
const DEL_RECEIVE_ID: usize = 140;

/// `struct tcp_ao_add` of `linux/tcp.h`: a `sockaddr_storage`, then these; aligned to 8.
const SIZE: usize = 288;
const ALGORITHM: usize = 128;
/// A word of bits; before it an interface of four bytes.
const FLAGS: usize = 196;
const PREFIX: usize = 202;
const SEND_ID: usize = 203;
const RECEIVE_ID: usize = 204;
const MAC_LEN: usize = 205;
const KEY_LEN: usize = 207;
const KEY: usize = 208;

/// The first two bits of the word, in the order in which the compiler lays out bit fields.
const CURRENT_AND_RNEXT: u32 = if cfg!(target_endian = "little") {
    0b11
} else {
    0b11 << 30
};
/// 96 bits: both algorithms of RFC 5926.
const MAC_BYTES: u8 = 12;

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It listens.
    Listening,
    /// It will connect.
    Dialling,
}

/// Gives the socket all keys for connections with `peer`.
///
/// # Errors
/// The kernel's; see [`explain`].
pub fn set_keys(socket: &impl AsRawFd, peer: Cidr, keys: &[AoKey], side: Side) -> io::Result<()> {
    for (index, key) in keys.iter().enumerate() {
        let preferred = index == 0 && side == Side::Dialling;
        let option = option(peer, key, preferred);
        option::set_bytes(socket, libc::IPPROTO_TCP, TCP_AO_ADD_KEY, &option)?;
    }
    Ok(())
}

/// Takes them away again.
///
/// # Errors
/// The kernel's: ENOENT if there was none.
pub fn remove_keys(socket: &impl AsRawFd, peer: Cidr, keys: &[AoKey]) -> io::Result<()> {
    for key in keys {
        let option = removal(peer, key);
        option::set_bytes(socket, libc::IPPROTO_TCP, TCP_AO_DEL_KEY, &option)?;
    }
    Ok(())
}

/// What a refused key means and what to do.
#[must_use]
pub fn explain(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOPROTOOPT) => {
            "this kernel has no TCP-AO: it needs Linux 6.7 or newer, built with CONFIG_TCP_AO=y \
             (`zgrep TCP_AO /proc/config.gz` or `grep TCP_AO /boot/config-$(uname -r)` shows it); \
             boot such a kernel, or write spec.password (TCP MD5) on both sides instead of spec.tcpAO"
                .to_owned()
        }
        Some(libc::ENOENT | libc::EOPNOTSUPP) => {
            "the kernel lacks the key's algorithm: it needs CONFIG_CRYPTO_HMAC and CONFIG_CRYPTO_SHA1 \
             for hmac-sha-1-96, CONFIG_CRYPTO_CMAC and CONFIG_CRYPTO_AES for aes-128-cmac-96"
                .to_owned()
        }
        Some(libc::ENOMEM) => super::keys::OPTION_MEMORY.to_owned(),
        _ => error.to_string(),
    }
}

fn algorithm(key: &AoKey) -> &'static [u8] {
    match key.algorithm {
        AoAlgorithm::HmacSha1 => b"hmac(sha1)",
        // Not cmac(aes): so the kernel derives the key as RFC 5926 §3.1.1.2 wants it, whatever its
        // length is.
        AoAlgorithm::Aes128Cmac => b"cmac(aes128)",
    }
}

fn removal(peer: Cidr, key: &AoKey) -> [u8; DEL_SIZE] {
    Structure::about(peer.ip())
        .put(DEL_PREFIX, &[peer.prefix_len()])
        .put(DEL_SEND_ID, &[key.send_id])
        .put(DEL_RECEIVE_ID, &[key.receive_id])
        .into_bytes()
}

fn option(peer: Cidr, key: &AoKey, preferred: bool) -> [u8; SIZE] {
    let flags = if preferred { CURRENT_AND_RNEXT } else { 0 };
    // The secret's type bounds it to the 80 bytes that there are.
    let secret = key.secret.expose().as_bytes();
    // The port stays 0: the kernel wants it so.
    Structure::about(peer.ip())
        .put(ALGORITHM, algorithm(key))
        .put(FLAGS, &flags.to_ne_bytes())
        .put(PREFIX, &[peer.prefix_len()])
        .put(SEND_ID, &[key.send_id])
        .put(RECEIVE_ID, &[key.receive_id])
        .put(MAC_LEN, &[MAC_BYTES])
        .put(KEY_LEN, &[u8::try_from(secret.len()).unwrap_or(u8::MAX)])
        .put(KEY, secret)
        .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcni_config::Password;

    fn key(send_id: u8, receive_id: u8, algorithm: AoAlgorithm, secret: &str) -> AoKey {
        AoKey {
            send_id,
            receive_id,
            algorithm,
            secret: Password::new(secret).unwrap(),
        }
    }

    /// `struct tcp_ao_del`, likewise.
    #[repr(C, align(8))]
    struct TcpAoDel {
        addr: libc::sockaddr_storage,
        ifindex: i32,
        bits: u32,
        reserved2: u16,
        prefix: u8,
        sndid: u8,
        rcvid: u8,
        current_key: u8,
        rnext: u8,
        keyflags: u8,
    }

    #[test]
    fn what_takes_a_key_away_is_laid_out_as_the_header_has_it() {
        use std::mem::offset_of;
        assert_eq!(size_of::<TcpAoDel>(), DEL_SIZE);
        assert_eq!(offset_of!(TcpAoDel, prefix), DEL_PREFIX);
        assert_eq!(offset_of!(TcpAoDel, sndid), DEL_SEND_ID);
        assert_eq!(offset_of!(TcpAoDel, rcvid), DEL_RECEIVE_ID);
        let key = key(7, 8, AoAlgorithm::HmacSha1, "geheim");
        let bytes = removal("10.0.0.0/24".parse().unwrap(), &key);
        assert_eq!(bytes[DEL_PREFIX..DEL_RECEIVE_ID + 1], [24, 7, 8]);
        assert_eq!(bytes[DEL_RECEIVE_ID + 1..], [0; 3]);
    }

    /// `struct tcp_ao_add`, written down again as the header has it.
    #[repr(C, align(8))]
    struct TcpAoAdd {
        addr: libc::sockaddr_storage,
        alg_name: [u8; 64],
        ifindex: i32,
        bits: u32,
        reserved2: u16,
        prefix: u8,
        sndid: u8,
        rcvid: u8,
        maclen: u8,
        keyflags: u8,
        keylen: u8,
        key: [u8; 80],
    }

    #[test]
    fn the_fields_are_where_the_kernel_has_them() {
        use std::mem::offset_of;
        assert_eq!(size_of::<TcpAoAdd>(), SIZE);
        assert_eq!(offset_of!(TcpAoAdd, alg_name), ALGORITHM);
        assert_eq!(offset_of!(TcpAoAdd, bits), FLAGS);
        assert_eq!(offset_of!(TcpAoAdd, prefix), PREFIX);
        assert_eq!(offset_of!(TcpAoAdd, sndid), SEND_ID);
        assert_eq!(offset_of!(TcpAoAdd, rcvid), RECEIVE_ID);
        assert_eq!(offset_of!(TcpAoAdd, maclen), MAC_LEN);
        assert_eq!(offset_of!(TcpAoAdd, keylen), KEY_LEN);
        assert_eq!(offset_of!(TcpAoAdd, key), KEY);
        let sockaddr = offset_of!(libc::sockaddr_in, sin_addr);
        assert_eq!(
            (sockaddr, offset_of!(libc::sockaddr_in6, sin6_addr)),
            (4, 8)
        );
        let unused = [
            offset_of!(TcpAoAdd, addr),
            offset_of!(TcpAoAdd, ifindex),
            offset_of!(TcpAoAdd, reserved2),
            offset_of!(TcpAoAdd, keyflags),
        ];
        assert_eq!(unused, [0, 192, 200, 206]);
    }

    #[test]
    fn the_option_of_one_peer() {
        let key = key(5, 7, AoAlgorithm::HmacSha1, "secret");
        let peer = Cidr::host("10.0.0.1".parse().unwrap());
        let found = option(peer, &key, true);
        let mut expected = [0; SIZE];
        expected[..2].copy_from_slice(&2_u16.to_ne_bytes());
        expected[4..8].copy_from_slice(&[10, 0, 0, 1]);
        expected[128..138].copy_from_slice(b"hmac(sha1)");
        expected[196..200].copy_from_slice(&CURRENT_AND_RNEXT.to_ne_bytes());
        if cfg!(target_endian = "little") {
            assert_eq!(found[196..200], [3, 0, 0, 0]);
        }
        expected[202..206].copy_from_slice(&[32, 5, 7, 12]);
        expected[207] = 6;
        expected[208..214].copy_from_slice(b"secret");
        assert_eq!(found, expected);
    }

    #[test]
    fn the_option_of_a_range() {
        let key = key(255, 0, AoAlgorithm::Aes128Cmac, &"x".repeat(80));
        let found = option("fd00:1::/64".parse().unwrap(), &key, false);
        assert_eq!(found[..2], 10_u16.to_ne_bytes());
        assert_eq!(found[8..12], [0xfd, 0, 0, 1]);
        assert_eq!(&found[128..141], b"cmac(aes128)\0");
        assert_eq!(found[196..208], [0, 0, 0, 0, 0, 0, 64, 255, 0, 12, 0, 80]);
        assert_eq!(found[208..], [b'x'; 80]);
    }

    /// On a kernel with the option it is taken, on one without it is said what to do.
    #[test]
    fn what_this_kernel_says() {
        let socket = super::super::socket::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let keys = [
            key(1, 1, AoAlgorithm::HmacSha1, "a"),
            key(2, 2, AoAlgorithm::Aes128Cmac, "b"),
        ];
        let peer = Cidr::host("127.0.0.9".parse().unwrap());
        match set_keys(&socket, peer, &keys, Side::Dialling) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error.raw_os_error(), Some(libc::ENOPROTOOPT), "{error}");
                let text = explain(&error);
                for word in ["CONFIG_TCP_AO", "6.7", "spec.password"] {
                    assert!(text.contains(word), "{text}");
                }
            }
        }
    }
}
