//! Why a peer may be silent: segments that the kernel drops without a word.
//!
//! Where signatures or the TTL do not fit, each side looks to the other like a host that is down. Only
//! counters of the whole network namespace tell of it, and only where segments arrive:
//!
//! | here | peer | this side sees |
//! | --- | --- | --- |
//! | MD5 | none | `TCPMD5NotFound` while the peer dials, and where nobody listens: a refusal that is not signed |
//! | none | MD5 | `TCPMD5Unexpected` while the peer dials |
//! | MD5 | another key | `TCPMD5Failure` while the peer dials |
//! | TCP-AO | none | `TCPAORequired` |
//! | TCP-AO, or none | TCP-AO with other IDs | `TCPAOKeyNotFound` |
//! | TCP-AO | another key | `TCPAOBad` |
//! | ttlSecurity | further away, or without it | `TCPMinTTLDrop` |
//!
//! A peer that drops what we dial and does not dial itself leaves no trace here.

use std::time::{Duration, Instant};

use rcni_config::Security;

/// Where the counters are.
const NETSTAT: &str = "/proc/net/netstat";
/// A counter that moved so long ago says nothing any more.
const FRESH: Duration = Duration::from_secs(60);
/// From one reading to the next.
const APART: Duration = Duration::from_secs(2);

/// How this side's segments are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signed {
    Not,
    Md5,
    Ao,
}

/// What this side wants of a peer's segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Own {
    signed: Signed,
    ttl_security: bool,
}

impl Own {
    /// Of a peer with such keys; `min_ttl` 0: any TTL.
    #[must_use]
    pub fn new(security: &Security, min_ttl: u8) -> Self {
        Self {
            signed: match security {
                Security::None => Signed::Not,
                Security::Md5(_) => Signed::Md5,
                Security::Ao(_) => Signed::Ao,
            },
            ttl_security: min_ttl > 0,
        }
    }

    /// Whether the counters that fit it are those of MD5.
    #[must_use]
    pub fn is_about_md5(self) -> bool {
        self.signed != Signed::Ao && !self.ttl_security
    }

    /// What to think of where a peer does not answer and the counters say nothing.
    #[must_use]
    pub fn suspicion(self) -> Option<&'static str> {
        match (self.signed, self.ttl_security) {
            (Signed::Md5, _) => Some(
                "no answer to the connection attempt; spec.password is set: a peer with another \
                 password, or none, drops such segments without a word",
            ),
            (Signed::Ao, _) => Some(
                "no answer to the connection attempt; spec.tcpAO is set: a peer with other keys or \
                 key IDs, or none, drops such segments without a word",
            ),
            (Signed::Not, true) => Some(
                "no answer to the connection attempt; spec.ttlSecurity is set: the peer needs TTL \
                 security (GTSM), too, and may not be further away than that",
            ),
            (Signed::Not, false) => None,
        }
    }
}

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mismatch {
    Md5NotSigned,
    Md5Signed,
    Md5OtherKey,
    AoNotSigned,
    AoOtherIds,
    AoOtherKey,
    TooFar,
}

const KINDS: usize = 7;
const NAMES: [(&str, Mismatch); KINDS] = [
    ("TCPMD5NotFound", Mismatch::Md5NotSigned),
    ("TCPMD5Unexpected", Mismatch::Md5Signed),
    ("TCPMD5Failure", Mismatch::Md5OtherKey),
    ("TCPAORequired", Mismatch::AoNotSigned),
    ("TCPAOKeyNotFound", Mismatch::AoOtherIds),
    ("TCPAOBad", Mismatch::AoOtherKey),
    ("TCPMinTTLDrop", Mismatch::TooFar),
];

/// The kernel's counters of segments that were dropped, in the order of [`NAMES`].
type Counters = [u64; KINDS];

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
    moved: [Option<Instant>; KINDS],
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
    pub fn explain(&self, own: Own, now: Instant) -> Option<String> {
        let fresh = |at: Instant| now.saturating_duration_since(at) <= FRESH;
        let seen = NAMES.iter().zip(&self.moved);
        let seen = seen.filter(|(_, at)| at.is_some_and(fresh));
        let said = seen.filter_map(|((_, mismatch), _)| mismatch.meaning(own));
        let said: Vec<&str> = said.collect();
        (!said.is_empty()).then(|| said.join("; or: "))
    }
}

impl Mismatch {
    /// `None` where it cannot be about a peer of which this side wants that.
    fn meaning(self, own: Own) -> Option<&'static str> {
        match (self, own.signed) {
            (Self::Md5NotSigned, Signed::Md5) => Some(
                "segments without an MD5 signature are arriving and are dropped \
                 (TCPMD5NotFound): spec.password is set here and most likely not at the peer, or \
                 nobody listens there",
            ),
            (Self::Md5Signed, Signed::Not) => Some(
                "segments with an MD5 signature are arriving and are dropped (TCPMD5Unexpected): \
                 most likely the peer has a password for this session and spec.password is \
                 missing here",
            ),
            (Self::Md5OtherKey, Signed::Md5) => Some(
                "segments with a wrong MD5 signature are arriving and are dropped \
                 (TCPMD5Failure): most likely spec.password differs from the peer's",
            ),
            (Self::AoNotSigned, Signed::Ao) => Some(
                "segments without a TCP-AO signature are arriving and are dropped \
                 (TCPAORequired): spec.tcpAO is set here and most likely not at the peer",
            ),
            (Self::AoOtherIds, Signed::Ao) => Some(
                "segments with a TCP-AO key ID that is not configured here are arriving and are \
                 dropped (TCPAOKeyNotFound): the peer's sendID must be a receiveID here",
            ),
            (Self::AoOtherIds, Signed::Not) => Some(
                "segments with a TCP-AO signature are arriving and are dropped (TCPAOKeyNotFound): \
                 most likely the peer has keys for this session and spec.tcpAO is missing here",
            ),
            (Self::AoOtherKey, Signed::Ao) => Some(
                "segments with a wrong TCP-AO signature are arriving and are dropped (TCPAOBad): \
                 most likely the secret or the algorithm differs from the peer's",
            ),
            (Self::TooFar, _) if own.ttl_security => Some(
                "segments with too small a TTL are arriving and are dropped (TCPMinTTLDrop): most \
                 likely the peer has no TTL security (GTSM), or is further away than \
                 spec.ttlSecurity",
            ),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcni_config::Password;

    fn own(signed: Signed) -> Own {
        Own {
            signed,
            ttl_security: false,
        }
    }

    #[test]
    fn counters_are_found_by_name() {
        let text = "TcpExt: SyncookiesSent TCPMD5NotFound TCPMD5Unexpected Other TCPMD5Failure\n\
                    TcpExt: 1 2 3 4 5\nIpExt: InOctets\nIpExt: 9\n";
        assert_eq!(counters(text), [2, 3, 5, 0, 0, 0, 0]);
        assert_eq!(counters(""), Counters::default());
        let torn = counters("TcpExt: TCPMD5NotFound\nTcpExt: -");
        assert_eq!(torn, Counters::default());
        // This kernel's file has them, and those of TCP-AO from 6.7 on.
        let here = std::fs::read_to_string(NETSTAT).unwrap();
        for name in [
            "TCPMD5NotFound",
            "TCPMD5Unexpected",
            "TCPMD5Failure",
            "TCPMinTTLDrop",
        ] {
            assert!(here.contains(name), "{name}");
        }
    }

    #[test]
    fn only_what_moved_lately_and_fits_the_own_side_is_said() {
        let now = Instant::now();
        let mut watch = Watch::default();
        watch.note(now, [7; KINDS]);
        let said = |watch: &Watch, signed| watch.explain(own(signed), now).unwrap_or_default();
        assert_eq!(said(&watch, Signed::Md5), "", "what was before the start");
        watch.note(now, [7, 8, 7, 7, 7, 7, 7]);
        assert_eq!(said(&watch, Signed::Md5), "");
        assert!(said(&watch, Signed::Not).contains("spec.password is missing"));
        watch.note(now, [7, 8, 8, 7, 7, 7, 7]);
        assert!(said(&watch, Signed::Md5).contains("differs"));
        watch.note(now, [8, 8, 8, 7, 7, 7, 7]);
        assert!(said(&watch, Signed::Md5).contains("not at the peer"));
        assert_eq!(said(&watch, Signed::Ao), "");
        watch.note(now, [8, 8, 8, 8, 8, 8, 7]);
        let text = said(&watch, Signed::Ao);
        assert!(
            text.contains("TCPAORequired") && text.contains("TCPAOBad"),
            "{text}"
        );
        assert_eq!(watch.explain(own(Signed::Md5), now + FRESH * 2), None);
    }

    #[test]
    fn what_comes_from_too_far_is_told_to_those_who_mind() {
        let now = Instant::now();
        let mut watch = Watch::default();
        watch.note(now, [0; KINDS]);
        watch.note(now, [0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(watch.explain(own(Signed::Not), now), None);
        let minding = Own::new(&Security::None, 255);
        assert!(watch.explain(minding, now).unwrap().contains("GTSM"));
        assert!(minding.suspicion().unwrap().contains("ttlSecurity"));
        let signed = Own::new(&Security::Md5(Password::new("x").unwrap()), 0);
        assert!(signed.suspicion().unwrap().contains("spec.password"));
        assert_eq!(Own::new(&Security::None, 0).suspicion(), None);
    }
}
