//! Checks of single values, each with the object that they belong to.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::{IpAddr, Ipv6Addr};
use std::ops::RangeInclusive;

use super::usable::Use;
use super::{Label, Report};
use crate::cidr::CidrError;
use crate::raw::{Int, Located, Object, Place};
use crate::similar::closest;
use crate::{Asn, Cidr, kernel};

/// The prefixes of a list so far, by address and length: neighbours in this order are the only
/// candidates for an overlap, so that a list of 100,000 takes no longer than it must.
#[derive(Default)]
struct Prefixes(BTreeMap<(IpAddr, u8), (Cidr, Place)>);

impl Prefixes {
    /// One that equals `cidr`, or, with `disjoint`, overlaps it. A default route overlaps nothing.
    fn clash(&self, cidr: &Cidr, disjoint: bool) -> Option<(Cidr, Place)> {
        let key = (cidr.ip(), cidr.prefix_len());
        let equal = self.0.get(&key);
        if equal.is_some() || !disjoint || cidr.prefix_len() == 0 {
            return equal.copied();
        }
        // All in the map are disjoint already: whoever contains this one begins nearest below it,
        // and the first that begins above is within it if any is.
        let below = self.0.range(..key).rev().find(|((_, len), _)| *len > 0);
        let above = self.0.range(key..).find(|((_, len), _)| *len > 0);
        [below, above]
            .into_iter()
            .flatten()
            .map(|(_, found)| *found)
            .find(|(other, _)| cidr.overlaps(other))
    }
}

/// The object whose fields are looked at.
pub(super) struct Subject<'a> {
    pub(super) report: &'a mut Report,
    kind: &'static str,
    name: &'a str,
    line_offset: usize,
}

impl<'a> Subject<'a> {
    pub(super) fn new<S>(
        report: &'a mut Report,
        kind: &'static str,
        object: &'a Object<S>,
    ) -> Self {
        Self {
            report,
            kind,
            name: &object.name.value,
            line_offset: object.line_offset,
        }
    }

    /// Where `place` is in the whole file.
    pub(super) fn absolute(&self, place: Place) -> Place {
        place.moved_down(self.line_offset)
    }

    pub(super) fn refuse(&mut self, place: Place, path: &str, reason: &str, hint: &str) {
        let place = self.absolute(place);
        let label = Label::new(self.kind, Some(self.name), self.line_offset);
        self.report.refuse_field(place, path, &label, reason, hint);
    }

    /// Whether nothing can be said about this field because it could not be read.
    pub(super) fn is_unread(&self, path: &str) -> bool {
        let label = Label::new(self.kind, Some(self.name), self.line_offset);
        self.report.is_unread(path, &label)
    }

    /// `given` if it is within `range`; `default` if it is absent or was refused.
    pub(super) fn number<T>(
        &mut self,
        path: &str,
        given: Option<Located<Int>>,
        range: RangeInclusive<T>,
        default: T,
    ) -> T
    where
        T: TryFrom<i64> + PartialOrd + Display + Copy,
    {
        let Some(given) = given else { return default };
        match T::try_from(given.value.0) {
            Ok(value) if range.contains(&value) => value,
            _ => {
                let reason = format!("{} is out of range", given.value.0);
                let hint = format!("write {} to {}", range.start(), range.end());
                self.refuse(given.place, path, &reason, &hint);
                default
            }
        }
    }

    pub(super) fn port(&mut self, path: &str, given: Option<Located<Int>>, default: u16) -> u16 {
        self.number(path, given, 1..=u16::MAX, default)
    }

    pub(super) fn asn(&mut self, path: &str, given: Located<Int>) -> Option<Asn> {
        const HINT: &str = "write 1 to 4294967295";
        match u32::try_from(given.value.0).map(Asn::new) {
            Ok(Ok(asn)) => Some(asn),
            Ok(Err(error)) => {
                self.refuse(given.place, path, &error.to_string(), HINT);
                None
            }
            Err(_) => {
                let reason = format!("{} is out of range", given.value.0);
                self.refuse(given.place, path, &reason, HINT);
                None
            }
        }
    }

    pub(super) fn cidr(&mut self, path: &str, given: &Located<String>) -> Option<Cidr> {
        let error = match given.value.parse() {
            Ok(cidr) => return Some(cidr),
            Err(error) => error,
        };
        let (reason, hint) = match error {
            CidrError::HostBits { given, meant } => (
                format!("{given} has host bits set"),
                format!("the network is {meant}"),
            ),
            CidrError::NoLength(address, length) => (
                format!("{address} has no prefix length"),
                format!("write {address}/{length} for the one address"),
            ),
            CidrError::Length { given, max } => (
                format!("{given} has no valid prefix length"),
                format!("write /0 to /{max}"),
            ),
            CidrError::NotAPrefix(given) => (
                format!("{given:?} is not an IP prefix"),
                "write one such as 10.244.1.0/24 or fd00:10::/64".to_owned(),
            ),
        };
        self.refuse(given.place, path, &reason, &hint);
        None
    }

    /// Prefixes that can be used for this; duplicates are refused, and where they must be disjoint
    /// also those that lie within one another (a default route lies around everything and is left
    /// out of this).
    pub(super) fn cidrs<'c>(
        &mut self,
        entries: impl IntoIterator<Item = (String, &'c Located<String>)>,
        list: Use,
    ) -> Vec<Cidr> {
        let mut accepted = Vec::new();
        let mut seen = Prefixes::default();
        for (path, given) in entries {
            let Some(cidr) = self.cidr(&path, given) else {
                continue;
            };
            if let Some((reason, hint)) = list.refuses(&cidr) {
                self.refuse(given.place, &path, &reason, &hint);
                continue;
            }
            match seen.clash(&cidr, list.is_disjoint()) {
                None => {
                    seen.0
                        .insert((cidr.ip(), cidr.prefix_len()), (cidr, given.place));
                    accepted.push(cidr);
                }
                Some((other, place)) => self.refuse_clash(&path, given, cidr, other, place),
            }
        }
        accepted
    }

    fn refuse_clash(
        &mut self,
        path: &str,
        given: &Located<String>,
        cidr: Cidr,
        other: Cidr,
        place: Place,
    ) {
        let whereabouts = self.whereabouts(place);
        let (reason, hint) = if cidr == other {
            (
                format!("{cidr} is listed twice{whereabouts}"),
                "remove one of them".to_owned(),
            )
        } else {
            let reason = format!("{cidr} overlaps {other}{whereabouts}");
            let wider = if cidr.contains(&other) { cidr } else { other };
            (reason, format!("list disjoint prefixes, or {wider} alone"))
        };
        self.refuse(given.place, path, &reason, &hint);
    }

    /// ` (line 12)`, or nothing for what came from no file.
    pub(super) fn whereabouts(&self, place: Place) -> String {
        let line = self.absolute(place).known_line();
        line.map(|line| format!(" (line {line})"))
            .unwrap_or_default()
    }

    /// An address that a single host can have.
    pub(super) fn address(&mut self, path: &str, given: &Located<String>) -> Option<IpAddr> {
        // `fe80::1%eth0` is told what `fe80::1` is told.
        let zoned = zoned(&given.value).map(|(address, _)| address);
        let address = zoned.map_or_else(|| given.value.parse(), |address| Ok(address.into()));
        let Ok(address) = address else {
            let reason = format!("{:?} is not an IP address", given.value);
            self.refuse(
                given.place,
                path,
                &reason,
                "write one such as 10.0.1.1 or fd00::1",
            );
            return None;
        };
        let (what, hint) = match address {
            IpAddr::V4(v4) if v4.is_broadcast() => ("a broadcast address", HOST_HINT.to_owned()),
            IpAddr::V6(v6) if let Some(v4) = v6.to_ipv4_mapped() => {
                ("an IPv4 address in IPv6 form", format!("write {v4}"))
            }
            IpAddr::V6(v6) if v6.is_unicast_link_local() => (
                "a link-local address",
                "write a global or unique local address".to_owned(),
            ),
            _ if address.is_unspecified() => ("no host's address", HOST_HINT.to_owned()),
            _ if address.is_multicast() => ("a multicast address", HOST_HINT.to_owned()),
            _ => return Some(address),
        };
        self.refuse(given.place, path, &format!("{address} is {what}"), &hint);
        None
    }

    /// Refuses a name that no object of this kind has, unless one that could not be read may have
    /// had it.
    pub(super) fn refuse_unknown<'n>(
        &mut self,
        kind: &str,
        name: &Located<String>,
        path: &str,
        known: impl Iterator<Item = &'n str> + Clone,
    ) {
        if known.clone().any(|known| known == name.value)
            || self.report.may_be_broken(kind, Some(&name.value))
        {
            return;
        }
        let reason = format!("there is no {kind} named {:?}", name.value);
        // What is not shown needs no search through all names.
        let hint = if self.report.is_full() {
            String::new()
        } else {
            known_names(kind, &name.value, known)
        };
        self.refuse(name.place, path, &reason, &hint);
    }

    /// A route protocol number that no other program thinks is its own.
    pub(super) fn protocol(&mut self, path: &str, given: Option<Located<Int>>) -> u8 {
        let protocol = self.number(path, given, 0..=u8::MAX, kernel::PROTOCOL);
        if let Some(owner) = kernel::protocol_reserved_for(protocol)
            && let Some(given) = given
        {
            let reason = format!("route protocol {protocol} belongs to {owner}");
            let hint = format!(
                "leave it out for {}, or write 5 to 255 without 11, 12, 80 and 186 to 199",
                kernel::PROTOCOL
            );
            self.refuse(given.place, path, &reason, &hint);
        }
        protocol
    }
}

/// A link-local address and the zone that follows it.
pub(super) fn zoned(text: &str) -> Option<(Ipv6Addr, &str)> {
    let (address, zone) = text.split_once('%')?;
    let address: Ipv6Addr = address.parse().ok()?;
    address.is_unicast_link_local().then_some((address, zone))
}

fn known_names<'n>(kind: &str, given: &str, known: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = known.collect();
    if names.is_empty() {
        return format!("add it as a document of kind {kind}");
    }
    let some = names
        .get(..names.len().min(10))
        .unwrap_or_default()
        .join(", ");
    match closest(given, &names) {
        Some(meant) => format!("did you mean {meant}? There are: {some}"),
        None => format!("there are: {some}"),
    }
}

const HOST_HINT: &str = "write the address of one host";
