//! TCP MD5 signatures (RFC 2385), and how to tell that they do not fit.
//!
//! A key belongs to a peer's address, on the listening socket as on the one that dials. What does
//! not fit is dropped by the kernel without a word on either side: to both it looks like a host
//! that is down. Only counters of the whole network namespace tell of it, and only where segments
//! arrive:
//!
//! | here | peer | this side sees |
//! | --- | --- | --- |
//! | key | none | `TCPMD5NotFound` while the peer dials, and where nobody listens: a refusal that is not signed |
//! | none | key | `TCPMD5Unexpected` while the peer dials |
//! | key | another | `TCPMD5Failure` while the peer dials |
//!
//! A peer that drops what we dial and does not dial itself leaves no trace here.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use rcni_config::Password;
use socket2::SockRef;

/// `TCP_MD5SIG` of `linux/tcp.h`; libc has it for other systems only.
const TCP_MD5SIG: libc::c_int = 14;
/// Where the counters are.
const NETSTAT: &str = "/proc/net/netstat";
/// A counter that moved so long ago says nothing any more.
const FRESH: Duration = Duration::from_secs(60);
/// From one reading to the next.
const APART: Duration = Duration::from_secs(2);

/// `struct tcp_md5sig` of `linux/tcp.h`: a `sockaddr_storage`, flags, a prefix length, the length
/// of the key (16 bits), an interface, the key.
const OPTION: usize = 216;
const KEY_LEN: usize = 130;
const KEY: usize = 136;

/// Gives the socket a key for all connections with `peer`.
///
/// # Errors
/// The kernel's; `ENOPROTOOPT` if it was built without.
pub fn set_key(socket: &SockRef<'_>, peer: IpAddr, password: &Password) -> io::Result<()> {
    let option = option(peer, password.expose().as_bytes());
    // The size is a constant far below the type's end.
    let length = libc::socklen_t::try_from(option.len()).unwrap_or(libc::socklen_t::MAX);
    // SAFETY: the descriptor is open as long as `socket` borrows it, and the kernel reads `length`
    // bytes from a buffer that has as many.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            TCP_MD5SIG,
            option.as_ptr().cast(),
            length,
        )
    };
    if result == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

fn option(peer: IpAddr, secret: &[u8]) -> [u8; OPTION] {
    let mut option = [0; OPTION];
    let mut put = |at: usize, bytes: &[u8]| {
        if let Some(room) = option.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    };
    let family = if peer.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    put(0, &u16::try_from(family).unwrap_or_default().to_ne_bytes());
    match peer {
        IpAddr::V4(address) => put(4, &address.octets()),
        IpAddr::V6(address) => put(8, &address.octets()),
    }
    // The password's type bounds it to the 80 bytes that there are.
    put(
        KEY_LEN,
        &u16::try_from(secret.len())
            .unwrap_or(u16::MAX)
            .to_ne_bytes(),
    );
    put(KEY, secret);
    option
}

/// The kernel's counters of segments that were dropped, in the order of [`Mismatch`].
type Counters = [u64; 3];

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mismatch {
    /// `TCPMD5NotFound`: a key here, no signature there.
    NotSigned,
    /// `TCPMD5Unexpected`: a signature, and no key here.
    Signed,
    /// `TCPMD5Failure`: another key.
    OtherKey,
}

const NAMES: [(&str, Mismatch); 3] = [
    ("TCPMD5NotFound", Mismatch::NotSigned),
    ("TCPMD5Unexpected", Mismatch::Signed),
    ("TCPMD5Failure", Mismatch::OtherKey),
];

/// Two lines belong together: names, then values.
fn counters(text: &str) -> Counters {
    let mut found = Counters::default();
    let lines: Vec<&str> = text.lines().collect();
    for pair in lines.chunks(2) {
        let [names, values] = pair else { continue };
        for (name, value) in names.split(' ').zip(values.split(' ')) {
            let place = NAMES.iter().position(|(known, _)| *known == name);
            if let Some(counter) = place.and_then(|place| found.get_mut(place)) {
                *counter = value.parse().unwrap_or_default();
            }
        }
    }
    found
}

/// Watches the counters.
#[derive(Debug, Default)]
pub struct Watch {
    last: Option<(Instant, Counters)>,
    moved: [Option<Instant>; 3],
}

impl Watch {
    /// Looks at the counters, unless it did so a moment ago.
    pub fn look(&mut self, now: Instant) {
        let due = self
            .last
            .is_none_or(|(at, _)| now.saturating_duration_since(at) >= APART);
        if due && let Ok(text) = std::fs::read_to_string(NETSTAT) {
            self.note(now, counters(&text));
        }
    }

    fn note(&mut self, now: Instant, counters: Counters) {
        if let Some((_, last)) = self.last {
            for ((moved, old), new) in self.moved.iter_mut().zip(last).zip(counters) {
                if new > old {
                    *moved = Some(now);
                }
            }
        }
        self.last = Some((now, counters));
    }

    /// Why a peer may not be reached, as far as the counters tell. They are the whole node's: where
    /// several peers are down, each is told all that fits its own side.
    #[must_use]
    pub fn explain(&self, has_password: bool, now: Instant) -> Option<String> {
        let fresh = |at: Instant| now.saturating_duration_since(at) <= FRESH;
        let seen = NAMES.iter().zip(&self.moved);
        let seen = seen.filter(|(_, at)| at.is_some_and(fresh));
        let said = seen.filter_map(|((_, mismatch), _)| mismatch.meaning(has_password));
        let said: Vec<&str> = said.collect();
        (!said.is_empty()).then(|| said.join("; or: "))
    }
}

impl Mismatch {
    /// `None` where it cannot be about a peer that has, or has not, a password here.
    fn meaning(self, has_password: bool) -> Option<&'static str> {
        match (self, has_password) {
            (Self::NotSigned, true) => Some(
                "segments without an MD5 signature are arriving and are dropped \
                 (TCPMD5NotFound): spec.password is set here and most likely not at the peer, or \
                 nobody listens there",
            ),
            (Self::Signed, false) => Some(
                "segments with an MD5 signature are arriving and are dropped (TCPMD5Unexpected): \
                 most likely the peer has a password for this session and spec.password is \
                 missing here",
            ),
            (Self::OtherKey, true) => Some(
                "segments with a wrong MD5 signature are arriving and are dropped \
                 (TCPMD5Failure): most likely spec.password differs from the peer's",
            ),
            _ => None,
        }
    }
}

/// What to think of where a peer with a password does not answer and the counters say nothing.
pub const SILENT: &str = "no answer to the connection attempt; spec.password is set: a peer with \
                          another password, or none, drops such segments without a word";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_laid_out_as_the_kernel_reads_it() {
        let v4 = option("10.0.0.1".parse().unwrap(), b"secret");
        assert_eq!(v4[..2], 2_u16.to_ne_bytes());
        assert_eq!(v4[4..8], [10, 0, 0, 1]);
        assert_eq!(v4[130..132], 6_u16.to_ne_bytes());
        assert_eq!(&v4[136..143], b"secret\0");
        let longest = option("fd00::1".parse().unwrap(), &[b'x'; 80]);
        assert_eq!(longest[..2], 10_u16.to_ne_bytes());
        assert_eq!((longest[8], longest[23], longest[215]), (0xfd, 1, b'x'));
    }

    #[test]
    fn counters_are_found_by_name() {
        let text = "TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Unexpected Other TCPMD5Failure\n\
                    TcpExt: 1 2 3 4 5\nIpExt: InOctets\nIpExt: 9\n";
        assert_eq!(counters(text), [2, 3, 5]);
        assert_eq!(counters(""), [0, 0, 0]);
        assert_eq!(counters("TcpExt: TCPMD5NotFound\nTcpExt: -"), [0, 0, 0]);
        // This kernel's file has them.
        let here = std::fs::read_to_string(NETSTAT).unwrap();
        assert!(NAMES.iter().all(|(name, _)| here.contains(name)));
    }

    #[test]
    fn only_what_moved_lately_and_fits_the_own_side_is_said() {
        let now = Instant::now();
        let mut watch = Watch::default();
        watch.note(now, [7, 7, 7]);
        assert_eq!(watch.explain(true, now), None, "what was before the start");
        watch.note(now, [7, 8, 7]);
        assert_eq!(watch.explain(true, now), None);
        assert!(
            watch
                .explain(false, now)
                .unwrap()
                .contains("spec.password is missing")
        );
        watch.note(now, [7, 8, 8]);
        assert!(watch.explain(true, now).unwrap().contains("differs"));
        watch.note(now, [8, 8, 8]);
        assert!(
            watch
                .explain(true, now)
                .unwrap()
                .contains("not at the peer")
        );
        assert_eq!(watch.explain(true, now + FRESH * 2), None);
    }
}
