//! Communities of the three kinds, as they are written.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// One community.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Community {
    /// RFC 1997: `65000:100`, or a name.
    Standard(u32),
    /// RFC 4360: `rt:65000:100`, `ro:65000:100` or `ext:0x0002fde800000064`.
    Extended(u64),
    /// RFC 8092: `65000:1:2`.
    Large {
        /// Global Administrator: an AS.
        global: u32,
        /// Local Data Part 1.
        local1: u32,
        /// Local Data Part 2.
        local2: u32,
    },
}

/// Which communities are removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommunityPattern {
    /// This one.
    One(Community),
    /// `65000:*`: all standard ones with these first two octets.
    StandardOf(u16),
    /// `65000:*:*`: all large ones with this Global Administrator.
    LargeOf(u32),
    /// `all`: every one, of all kinds.
    All,
}

/// Why a text is not a [`Community`]; says what to write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommunityError {
    /// One of the numbers of `65000:100` has more than 16 bits.
    #[error("a number of a standard community is at most 65535")]
    Standard,
    /// A number of `65000:1:2` has more than 32 bits.
    #[error("a number of a large community is at most 4294967295")]
    Large,
    /// `rt:` or `ro:` without two numbers that fit together.
    #[error(
        "an extended community has an AS number of 2 octets and a number of 4, or an AS number of 4 \
         octets or an IPv4 address and a number of 2"
    )]
    Extended,
    /// `ext:` without 16 digits.
    #[error("ext: is followed by 0x and 16 hexadecimal digits")]
    Opaque,
    /// None of the forms.
    #[error("is not a community")]
    Form,
}

/// IANA "BGP Well-known Communities".
const NAMES: [(&str, u32); 9] = [
    ("no-export", 0xffff_ff01),
    ("no-advertise", 0xffff_ff02),
    ("no-export-subconfed", 0xffff_ff03),
    ("no-peer", 0xffff_ff04),
    ("blackhole", 0xffff_029a),
    ("graceful-shutdown", 0xffff_0000),
    ("accept-own", 0xffff_0001),
    ("llgr-stale", 0xffff_0006),
    ("no-llgr", 0xffff_0007),
];

/// Route Target (RFC 4360 §4).
const ROUTE_TARGET: u8 = 2;
/// Route Origin (RFC 4360 §5).
const ROUTE_ORIGIN: u8 = 3;

impl Community {
    /// The names of well-known communities.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }
}

/// Plain decimal digits only: `+1`, ` 1` and `0x1` are slips.
fn number<T: FromStr>(text: &str) -> Option<T> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn standard(high: &str, low: &str) -> Option<u32> {
    Some(u32::from(number::<u16>(high)?) << 16 | u32::from(number::<u16>(low)?))
}

/// RFC 4360 §3.1 and §3.2, RFC 5668: which number has how many octets follows from the administrator.
fn extended(subtype: u8, administrator: &str, local: &str) -> Option<u64> {
    let joined = |kind: u8, value: u64| u64::from(kind) << 56 | u64::from(subtype) << 48 | value;
    if let Ok(address) = administrator.parse::<Ipv4Addr>() {
        let local: u16 = number(local)?;
        return Some(joined(
            1,
            u64::from(address.to_bits()) << 16 | u64::from(local),
        ));
    }
    if let Some(asn) = number::<u16>(administrator) {
        let local: u32 = number(local)?;
        return Some(joined(0, u64::from(asn) << 32 | u64::from(local)));
    }
    let asn: u32 = number(administrator)?;
    let local: u16 = number(local)?;
    Some(joined(2, u64::from(asn) << 16 | u64::from(local)))
}

impl FromStr for Community {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        if let Some((_, value)) = NAMES.iter().find(|(name, _)| *name == text) {
            return Ok(Self::Standard(*value));
        }
        if let Some(value) = text.strip_prefix("ext:") {
            let hex = value.strip_prefix("0x");
            let hex = hex.filter(|hex| hex.len() == 16 && !hex.starts_with('+'));
            let value = hex.and_then(|hex| u64::from_str_radix(hex, 16).ok());
            return value.map(Self::Extended).ok_or(CommunityError::Opaque);
        }
        let parts: Vec<&str> = text.splitn(4, ':').collect();
        match parts.as_slice() {
            [kind @ ("rt" | "ro"), administrator, local] => {
                let subtype = if *kind == "rt" {
                    ROUTE_TARGET
                } else {
                    ROUTE_ORIGIN
                };
                let value = extended(subtype, administrator, local);
                value.map(Self::Extended).ok_or(CommunityError::Extended)
            }
            ["rt" | "ro", ..] => Err(CommunityError::Extended),
            [high, low] if digits(high) && digits(low) => {
                let value = standard(high, low);
                value.map(Self::Standard).ok_or(CommunityError::Standard)
            }
            [global, local1, local2] if parts.iter().all(|part| digits(part)) => {
                let all = (number(global), number(local1), number(local2));
                let (Some(global), Some(local1), Some(local2)) = all else {
                    return Err(CommunityError::Large);
                };
                Ok(Self::Large {
                    global,
                    local1,
                    local2,
                })
            }
            _ => Err(CommunityError::Form),
        }
    }
}

impl FromStr for CommunityPattern {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        if text == "all" {
            return Ok(Self::All);
        }
        if let Some(global) = text.strip_suffix(":*:*").filter(|text| digits(text)) {
            let global = number(global).ok_or(CommunityError::Large)?;
            return Ok(Self::LargeOf(global));
        }
        match text.strip_suffix(":*") {
            Some(high) if digits(high) => {
                let high = number(high).ok_or(CommunityError::Standard)?;
                Ok(Self::StandardOf(high))
            }
            _ => text.parse().map(Self::One),
        }
    }
}

/// As it can be written: the name of a well-known one, `rt:` and `ro:` where they fit.
impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Standard(value) => match NAMES.iter().find(|(_, known)| *known == value) {
                Some((name, _)) => f.write_str(name),
                None => write!(f, "{}:{}", value >> 16, value & 0xffff),
            },
            Self::Extended(value) => {
                let [kind, subtype, rest @ ..] = value.to_be_bytes();
                let word = match subtype {
                    ROUTE_TARGET => "rt",
                    ROUTE_ORIGIN => "ro",
                    _ => return write!(f, "ext:0x{value:016x}"),
                };
                let [a, b, c, d, e, g] = rest;
                let short = u16::from_be_bytes([e, g]);
                match kind {
                    0 => {
                        let local = u32::from_be_bytes([c, d, e, g]);
                        write!(f, "{word}:{}:{local}", u16::from_be_bytes([a, b]))
                    }
                    1 => write!(f, "{word}:{}:{short}", Ipv4Addr::new(a, b, c, d)),
                    // A small number in four octets would be read as one in two.
                    2 if (a, b) != (0, 0) => {
                        write!(f, "{word}:{}:{short}", u32::from_be_bytes([a, b, c, d]))
                    }
                    _ => write!(f, "ext:0x{value:016x}"),
                }
            }
            Self::Large {
                global,
                local1,
                local2,
            } => write!(f, "{global}:{local1}:{local2}"),
        }
    }
}

impl fmt::Display for CommunityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(community) => community.fmt(f),
            Self::StandardOf(high) => write!(f, "{high}:*"),
            Self::LargeOf(global) => write!(f, "{global}:*:*"),
            Self::All => f.write_str("all"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form() {
        let large = Community::Large {
            global: 4_200_000_000,
            local1: 1,
            local2: 4_294_967_295,
        };
        for (text, expected) in [
            ("65000:100", Community::Standard(0xfde8_0064)),
            ("0:0", Community::Standard(0)),
            ("no-export", Community::Standard(0xffff_ff01)),
            ("blackhole", Community::Standard(0xffff_029a)),
            ("graceful-shutdown", Community::Standard(0xffff_0000)),
            ("llgr-stale", Community::Standard(0xffff_0006)),
            (
                "rt:65000:4294967295",
                Community::Extended(0x0002_fde8_ffff_ffff),
            ),
            ("ro:65000:100", Community::Extended(0x0003_fde8_0000_0064)),
            ("rt:65536:100", Community::Extended(0x0202_0001_0000_0064)),
            (
                "rt:10.0.0.1:100",
                Community::Extended(0x0102_0a00_0001_0064),
            ),
            (
                "ext:0x430000000000ABcd",
                Community::Extended(0x4300_0000_0000_abcd),
            ),
            ("4200000000:1:4294967295", large),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
            let shown = expected.to_string();
            assert_eq!(shown.parse(), Ok(expected), "{shown}");
        }
        let known = "65535:666".parse::<Community>().unwrap();
        assert_eq!(known.to_string(), "blackhole");
        assert_eq!(Community::names().count(), 9);
    }

    #[test]
    fn every_slip() {
        use CommunityError::{Extended, Form, Large, Opaque, Standard};
        for (text, error) in [
            ("", Form),
            ("65000", Form),
            ("65536:1", Standard),
            ("1:65536", Standard),
            ("1:", Form),
            ("+1:1", Form),
            ("1: 1", Form),
            ("No-Export", Form),
            ("1:2:3:4", Form),
            ("4294967296:1:1", Large),
            ("rt:1", Extended),
            ("rt:65536:65536", Extended),
            ("ro:10.0.0.1:65536", Extended),
            ("rt:1:2:3", Extended),
            ("rt:x:1", Extended),
            ("ext:0x1", Opaque),
            ("ext:0x+123456789abcdef", Opaque),
            ("ext:1234567812345678", Opaque),
            ("all", Form),
            ("65000:*", Form),
        ] {
            assert_eq!(text.parse::<Community>(), Err(error), "{text:?}");
        }
        let removed = |text: &str| text.parse::<CommunityPattern>();
        assert_eq!(removed("all"), Ok(CommunityPattern::All));
        assert_eq!(removed("65000:*"), Ok(CommunityPattern::StandardOf(65000)));
        let large = CommunityPattern::LargeOf(4_200_000_000);
        assert_eq!(removed("4200000000:*:*"), Ok(large));
        assert_eq!(large.to_string(), "4200000000:*:*");
        assert_eq!(removed("4294967296:*:*"), Err(Large));
        for text in ["*:*", ":*:*", "1:2:*", "1:*:2", "1:*:*:*"] {
            assert_eq!(removed(text), Err(Form), "{text}");
        }
        assert_eq!(removed("65536:*"), Err(Standard));
        assert_eq!(removed("*:1"), Err(Form));
        assert_eq!(removed("1:1:*"), Err(Form));
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_written(value: u64, large: (u32, u32, u32)) {
            let (global, local1, local2) = large;
            for community in [
                Community::Standard(global),
                Community::Extended(value),
                Community::Extended(value & 0x0203_0000_ffff_ffff),
                Community::Large { global, local1, local2 },
            ] {
                prop_assert_eq!(community.to_string().parse(), Ok(community));
            }
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<CommunityPattern>();
        }
    }
}
