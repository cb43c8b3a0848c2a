//! Capabilities of the OPEN message (RFC 5492 §4).

use bytes::{BufMut, Bytes, BytesMut};
use nom::Parser;
use nom::multi::length_data;
use nom::number::complete::be_u8;

use crate::error::EncodeError;
use crate::iana::{Family, capability_code as code};

/// Graceful restart, RFC 4724 §3 with the N bit of RFC 8538 §2.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GracefulRestartCapability {
    /// R: the sender has just restarted.
    pub restart: bool,
    /// N: the sender keeps routes also over NOTIFICATION and hold timer expiry (RFC 8538).
    pub notification: bool,
    /// Restart time in seconds, 0 to 4095.
    pub time_secs: u16,
    /// Families with their F bit: forwarding state was kept.
    pub families: Vec<(Family, bool)>,
}

/// Long-lived graceful restart of one family (RFC 9494 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongLivedFamily {
    /// The family.
    pub family: Family,
    /// F: forwarding state was kept.
    pub forwarding: bool,
    /// Long-lived stale time in seconds, 24 bits.
    pub stale_secs: u32,
}

/// One capability. A value that its code's RFC does not allow is kept as [`Capability::Unknown`]:
/// it is not usable, and it is no reason to refuse the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// RFC 4760 §8.
    Multiprotocol(Family),
    /// RFC 2918 §2.
    RouteRefresh,
    /// RFC 8950 §4: family of the NLRI and AFI of the next hop.
    ExtendedNextHop(Vec<(Family, u16)>),
    /// RFC 8654 §3.
    ExtendedMessage,
    /// RFC 9234 §4.1.
    Role(u8),
    /// RFC 4724 §3.
    GracefulRestart(GracefulRestartCapability),
    /// RFC 6793 §3.
    FourOctetAs(u32),
    /// RFC 7911 §4: family and 1 receive, 2 send, 3 both.
    AddPath(Vec<(Family, u8)>),
    /// RFC 7313 §3.1.
    EnhancedRouteRefresh,
    /// RFC 9494 §3.
    LongLivedGracefulRestart(Vec<LongLivedFamily>),
    /// Any other.
    Unknown {
        /// Capability code.
        code: u8,
        /// At most 255 octets.
        value: Bytes,
    },
}

impl Capability {
    /// The capability code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Multiprotocol(_) => code::MULTIPROTOCOL,
            Self::RouteRefresh => code::ROUTE_REFRESH,
            Self::ExtendedNextHop(_) => code::EXTENDED_NEXT_HOP,
            Self::ExtendedMessage => code::EXTENDED_MESSAGE,
            Self::Role(_) => code::ROLE,
            Self::GracefulRestart(_) => code::GRACEFUL_RESTART,
            Self::FourOctetAs(_) => code::FOUR_OCTET_AS,
            Self::AddPath(_) => code::ADD_PATH,
            Self::EnhancedRouteRefresh => code::ENHANCED_ROUTE_REFRESH,
            Self::LongLivedGracefulRestart(_) => code::LONG_LIVED_GRACEFUL_RESTART,
            Self::Unknown { code, .. } => *code,
        }
    }
}

/// A capability runs over the end of its parameter, or the 4-octet AS capability has no AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed capability")]
pub struct MalformedCapability;

impl Capability {
    /// Appends all capabilities of one parameter to `into`.
    pub(crate) fn decode_all(
        value: &[u8],
        into: &mut Vec<Self>,
    ) -> Result<(), MalformedCapability> {
        let mut rest = value;
        while !rest.is_empty() {
            let (after, (code, value)) = split(rest).map_err(|_| MalformedCapability)?;
            let parsed = parse_value(code, value);
            if parsed.is_none() && code == code::FOUR_OCTET_AS {
                // Without it the sender's AS number would be guessed.
                return Err(MalformedCapability);
            }
            into.push(parsed.unwrap_or_else(|| Self::Unknown {
                code,
                value: Bytes::copy_from_slice(value),
            }));
            rest = after;
        }
        Ok(())
    }

    /// Appends code, length and value.
    pub(crate) fn put(&self, out: &mut BytesMut) -> Result<(), EncodeError> {
        let mut value = BytesMut::new();
        self.put_value(&mut value);
        let length = u8::try_from(value.len()).map_err(|_| EncodeError::CapabilityTooLong {
            code: self.code(),
            length: value.len(),
        })?;
        out.put_u8(self.code());
        out.put_u8(length);
        out.put_slice(&value);
        Ok(())
    }

    fn put_value(&self, out: &mut BytesMut) {
        match self {
            Self::Multiprotocol(family) => {
                out.put_u16(family.afi);
                out.put_u8(0);
                out.put_u8(family.safi);
            }
            Self::RouteRefresh | Self::ExtendedMessage | Self::EnhancedRouteRefresh => {}
            Self::ExtendedNextHop(list) => {
                for (family, next_hop_afi) in list {
                    out.put_u16(family.afi);
                    out.put_u16(u16::from(family.safi));
                    out.put_u16(*next_hop_afi);
                }
            }
            Self::Role(role) => out.put_u8(*role),
            Self::GracefulRestart(value) => put_graceful_restart(value, out),
            Self::FourOctetAs(asn) => out.put_u32(*asn),
            Self::AddPath(list) => {
                for (family, mode) in list {
                    put_family(*family, out);
                    out.put_u8(*mode);
                }
            }
            Self::LongLivedGracefulRestart(list) => {
                for entry in list {
                    put_family(entry.family, out);
                    out.put_u8(flag(entry.forwarding));
                    out.put_uint(u64::from(entry.stale_secs & 0x00ff_ffff), 3);
                }
            }
            Self::Unknown { value, .. } => out.put_slice(value),
        }
    }
}

/// The highest bit, as the F bits of RFC 4724 and RFC 9494 have it.
fn flag(set: bool) -> u8 {
    if set { 0x80 } else { 0 }
}

fn put_family(family: Family, out: &mut BytesMut) {
    out.put_u16(family.afi);
    out.put_u8(family.safi);
}

fn put_graceful_restart(value: &GracefulRestartCapability, out: &mut BytesMut) {
    let restart = if value.restart { 0x8000 } else { 0 };
    let notification = if value.notification { 0x4000 } else { 0 };
    out.put_u16(restart | notification | value.time_secs.min(0x0fff));
    for (family, forwarding) in &value.families {
        put_family(*family, out);
        out.put_u8(flag(*forwarding));
    }
}

fn split(input: &[u8]) -> nom::IResult<&[u8], (u8, &[u8])> {
    (be_u8, length_data(be_u8)).parse(input)
}

/// `None` where the value is not what its code's RFC says, and for codes that are not known.
fn parse_value(code: u8, value: &[u8]) -> Option<Capability> {
    Some(match (code, value) {
        (code::MULTIPROTOCOL, [high, low, _, safi]) => Capability::Multiprotocol(Family {
            afi: u16::from_be_bytes([*high, *low]),
            safi: *safi,
        }),
        (code::ROUTE_REFRESH, []) => Capability::RouteRefresh,
        (code::EXTENDED_MESSAGE, []) => Capability::ExtendedMessage,
        (code::ENHANCED_ROUTE_REFRESH, []) => Capability::EnhancedRouteRefresh,
        (code::ROLE, [role]) => Capability::Role(*role),
        (code::FOUR_OCTET_AS, [a, b, c, d]) => {
            Capability::FourOctetAs(u32::from_be_bytes([*a, *b, *c, *d]))
        }
        (code::EXTENDED_NEXT_HOP, _) => {
            Capability::ExtendedNextHop(list(value, |[a, b, zero, safi, c, d]| {
                (*zero == 0).then(|| {
                    let family = Family {
                        afi: u16::from_be_bytes([*a, *b]),
                        safi: *safi,
                    };
                    (family, u16::from_be_bytes([*c, *d]))
                })
            })?)
        }
        (code::GRACEFUL_RESTART, [high, low, families @ ..]) => {
            Capability::GracefulRestart(GracefulRestartCapability {
                restart: high & 0x80 != 0,
                notification: high & 0x40 != 0,
                time_secs: u16::from_be_bytes([high & 0x0f, *low]),
                families: list(families, |[a, b, safi, flags]| {
                    Some((family([*a, *b, *safi]), flags & 0x80 != 0))
                })?,
            })
        }
        (code::ADD_PATH, _) => Capability::AddPath(list(value, |[a, b, safi, mode]| {
            Some((family([*a, *b, *safi]), *mode))
        })?),
        (code::LONG_LIVED_GRACEFUL_RESTART, _) => {
            Capability::LongLivedGracefulRestart(list(value, |[a, b, safi, flags, x, y, z]| {
                Some(LongLivedFamily {
                    family: family([*a, *b, *safi]),
                    forwarding: flags & 0x80 != 0,
                    stale_secs: u32::from_be_bytes([0, *x, *y, *z]),
                })
            })?)
        }
        _ => return None,
    })
}

fn family([high, low, safi]: [u8; 3]) -> Family {
    Family {
        afi: u16::from_be_bytes([high, low]),
        safi,
    }
}

/// A list of items of `N` octets; `None` where octets are left over or an item is not valid.
fn list<const N: usize, T>(value: &[u8], item: impl Fn(&[u8; N]) -> Option<T>) -> Option<Vec<T>> {
    let (items, rest) = value.as_chunks::<N>();
    if !rest.is_empty() {
        return None;
    }
    items.iter().map(item).collect()
}
