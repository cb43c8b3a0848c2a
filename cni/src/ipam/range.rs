//! What may be given out: host-local's ranges, in host-local's order.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rcni_config::Cidr;
use rcni_config::reserved::{self, NotForPods};
use serde::Deserialize;

/// A range as the configuration writes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RawRange {
    /// The subnet, required.
    pub subnet: Option<String>,
    /// The first address to give out; the subnet's second one if absent.
    pub range_start: Option<String>,
    /// The last address to give out; if absent the one before the broadcast address, IPv6: the last.
    pub range_end: Option<String>,
    /// Never given out; the subnet's second address if absent. It need not lie in the subnet, as
    /// with host-local. Nothing else is done with it: the pods' gateway is the host end.
    pub gateway: Option<String>,
}

/// Why a range cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// A part is missing or is no address.
    #[error("{field}: {reason}")]
    Field {
        /// Which one.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// Pods cannot get addresses out of it. (Never met where `felix-lite` wrote the list.)
    #[error("subnet {why}: {}", advice(why))]
    NotForPods {
        /// Why not.
        why: NotForPods,
    },
    /// The start lies behind the end.
    #[error("rangeStart {0} is behind rangeEnd {1}")]
    Backwards(IpAddr, IpAddr),
    /// Two ranges would give out the same address.
    #[error("ranges {0} and {1} overlap")]
    Overlap(String, String),
    /// IPv4 and IPv6 in one set.
    #[error("a set mixes IPv4 and IPv6: write one set for each family")]
    MixedFamilies,
    /// A set without ranges, or no set at all.
    #[error("no range at all")]
    Empty,
}

/// Consecutive addresses of one subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    subnet: Cidr,
    first: IpAddr,
    last: IpAddr,
    gateway: IpAddr,
}

/// Ranges of one family; a pod gets one address from each set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeSet {
    ranges: Vec<Range>,
}

impl Range {
    fn new(raw: &RawRange) -> Result<Self, RangeError> {
        let text = raw.subnet.as_deref().unwrap_or_default();
        let subnet: Cidr = text.parse().map_err(|error| RangeError::Field {
            field: "subnet",
            reason: format!("{error}"),
        })?;
        reserved::for_pods(&subnet).map_err(|why| RangeError::NotForPods { why })?;
        let base = number(subnet.ip());
        let hosts = (!0_u128) >> (128 - u32::from(subnet.max_len() - subnet.prefix_len()));
        let end = if subnet.is_ipv4() {
            base + hosts - 1
        } else {
            base + hosts
        };
        let within = |field, text: &Option<String>, default: u128| match text {
            None => Ok(address(default, subnet.is_ipv4())),
            Some(text) => parse_within(field, text, &subnet),
        };
        let range = Self {
            subnet,
            first: within("rangeStart", &raw.range_start, base + 1)?,
            last: within("rangeEnd", &raw.range_end, end)?,
            gateway: match raw.gateway.as_deref().filter(|text| !text.is_empty()) {
                None => address(base + 1, subnet.is_ipv4()),
                Some(text) => parse_gateway(text, &subnet)?,
            },
        };
        if range.first > range.last {
            return Err(RangeError::Backwards(range.first, range.last));
        }
        Ok(range)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.first <= address && address <= self.last
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }

    fn span(&self) -> (u128, u128) {
        (number(self.first), number(self.last))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} to {})", self.subnet, self.first, self.last)
    }
}

impl fmt::Display for RangeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.ranges.iter().map(Range::to_string).collect();
        f.write_str(&texts.join(", "))
    }
}

/// Reads all sets of a configuration.
///
/// # Errors
/// The first range that cannot be used, or two that overlap.
pub fn resolve(raw: &[Vec<RawRange>]) -> Result<Vec<RangeSet>, RangeError> {
    let sets = raw
        .iter()
        .map(|ranges| RangeSet::new(ranges))
        .collect::<Result<Vec<_>, _>>()?;
    let all: Vec<&Range> = sets.iter().flat_map(|set| &set.ranges).collect();
    for (at, one) in all.iter().enumerate() {
        if let Some(other) = all[at + 1..].iter().find(|other| one.overlaps(other)) {
            return Err(RangeError::Overlap(one.to_string(), other.to_string()));
        }
    }
    if sets.is_empty() {
        return Err(RangeError::Empty);
    }
    Ok(sets)
}

impl RangeSet {
    fn new(raw: &[RawRange]) -> Result<Self, RangeError> {
        let ranges = raw.iter().map(Range::new).collect::<Result<Vec<_>, _>>()?;
        let first = ranges.first().ok_or(RangeError::Empty)?;
        if ranges
            .iter()
            .any(|range| range.subnet.is_ipv4() != first.subnet.is_ipv4())
        {
            return Err(RangeError::MixedFamilies);
        }
        Ok(Self { ranges })
    }

    /// Whether this set gives out IPv4 addresses.
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        self.ranges
            .first()
            .is_some_and(|range| range.subnet.is_ipv4())
    }

    /// Whether `address` may be given out on request.
    #[must_use]
    pub fn offers(&self, address: IpAddr) -> bool {
        self.ranges
            .iter()
            .any(|range| range.contains(address) && range.gateway != address)
    }

    /// How many addresses the set has, gateways included (saturating).
    #[must_use]
    pub fn size(&self) -> u64 {
        self.ranges
            .iter()
            .map(|range| {
                let (first, last) = range.span();
                u64::try_from(last - first).unwrap_or(u64::MAX - 1) + 1
            })
            .fold(0, u64::saturating_add)
    }

    /// Every address that may be given out, each once, beginning behind `after` and going round:
    /// an address that was freed rests as long as possible.
    pub fn candidates(&self, after: Option<IpAddr>) -> impl Iterator<Item = IpAddr> + '_ {
        let is_ipv4 = self.is_ipv4();
        self.spans_from(after)
            .into_iter()
            .flat_map(|(first, last)| first..=last)
            .map(move |value| address(value, is_ipv4))
            .filter(|address| self.offers(*address))
    }

    fn spans_from(&self, after: Option<IpAddr>) -> Vec<(u128, u128)> {
        let at = after.and_then(|after| {
            let index = self.ranges.iter().position(|range| range.contains(after))?;
            Some((index, number(after)))
        });
        let Some((index, after)) = at else {
            return self.ranges.iter().map(Range::span).collect();
        };
        let (before, rest) = self.ranges.split_at(index);
        let mut spans = Vec::with_capacity(self.ranges.len() + 1);
        let mut wrapped = None;
        for (position, range) in rest.iter().enumerate() {
            let (first, last) = range.span();
            if position == 0 {
                wrapped = Some((first, after));
                if after < last {
                    spans.push((after + 1, last));
                }
            } else {
                spans.push((first, last));
            }
        }
        spans.extend(before.iter().map(Range::span));
        spans.extend(wrapped);
        spans
    }
}

fn advice(why: &NotForPods) -> &'static str {
    match why {
        NotForPods::TooSmall(_) => "use /30 (IPv6: /126) or larger",
        NotForPods::Reserved { range, .. } if range.is_ipv4() => {
            "use one inside of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16, or of your own addresses"
        }
        NotForPods::Reserved { .. } => "use one inside of fd00::/8 or of your global prefix",
    }
}

fn parse_gateway(text: &str, subnet: &Cidr) -> Result<IpAddr, RangeError> {
    let gateway = parse_address("gateway", text)?;
    if gateway.is_ipv4() == subnet.is_ipv4() {
        return Ok(gateway);
    }
    Err(RangeError::Field {
        field: "gateway",
        reason: format!(
            "{gateway} is not of the family of subnet {subnet}: write an address of it, or leave gateway out"
        ),
    })
}

fn parse_address(field: &'static str, text: &str) -> Result<IpAddr, RangeError> {
    text.parse().map_err(|_| RangeError::Field {
        field,
        reason: format!("{text:?} is not an IP address"),
    })
}

fn parse_within(field: &'static str, text: &str, subnet: &Cidr) -> Result<IpAddr, RangeError> {
    let address = parse_address(field, text)?;
    if subnet.contains_ip(address) {
        Ok(address)
    } else {
        Err(RangeError::Field {
            field,
            reason: format!("{address} is not in subnet {subnet}"),
        })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn address(value: u128, is_ipv4: bool) -> IpAddr {
    match u32::try_from(value) {
        Ok(value) if is_ipv4 => IpAddr::V4(Ipv4Addr::from(value)),
        _ => IpAddr::V6(Ipv6Addr::from(value)),
    }
}
