//! What a rule changes in a route.

use std::net::IpAddr;

use super::{List, communities};
use crate::raw::{Int, Located, PrependSpec, SetSpec};
use crate::resolve::subject::Subject;
use crate::{Changes, NextHopChange, Prepend};

const OWN: &str = "self";
const UNCHANGED: &str = "unchanged";
/// A longer path is no less preferred by anybody, and some routers refuse it.
const MAX_PREPEND: u8 = 16;

pub(super) fn changes(
    subject: &mut Subject<'_>,
    path: &str,
    list: List,
    given: &Located<SetSpec>,
) -> Changes {
    let spec = &given.value;
    let numbers = spec.local_preference.is_some() || spec.med.is_some();
    let others = spec.next_hop.is_some() || spec.prepend_as_path.is_some();
    if !numbers && !others && spec.communities.is_none() {
        let hint = "add localPreference, med, nextHop, prependASPath or communities, or remove it";
        subject.refuse(given.place, path, "says nothing", hint);
    }
    let mut number = |field: &str, given: Option<Located<Int>>| -> Option<u32> {
        let given = given?;
        let path = format!("{path}.{field}");
        Some(subject.number(&path, Some(given), 0..=u32::MAX, 0))
    };
    let local_preference = number("localPreference", spec.local_preference);
    let med = number("med", spec.med);
    let next_hop = spec
        .next_hop
        .as_ref()
        .and_then(|given| next_hop(subject, &format!("{path}.nextHop"), list, given));
    let prepend = spec
        .prepend_as_path
        .as_ref()
        .map(|given| prepend(subject, &format!("{path}.prependASPath"), given));
    let communities = spec
        .communities
        .as_ref()
        .map(|given| communities::changes(subject, &format!("{path}.communities"), given));
    Changes {
        local_preference,
        med,
        next_hop,
        prepend,
        communities: communities.unwrap_or_default(),
    }
}

fn prepend(subject: &mut Subject<'_>, path: &str, spec: &PrependSpec) -> Prepend {
    let count = &format!("{path}.count");
    let asn = &format!("{path}.asNumber");
    Prepend {
        count: subject.number(count, Some(spec.count), 1..=MAX_PREPEND, 1),
        asn: spec.as_number.and_then(|given| subject.asn(asn, given)),
    }
}

fn next_hop(
    subject: &mut Subject<'_>,
    path: &str,
    list: List,
    given: &Located<String>,
) -> Option<NextHopChange> {
    let change = match given.value.as_str() {
        OWN => NextHopChange::Own,
        UNCHANGED => NextHopChange::Unchanged,
        text => {
            if text.parse::<IpAddr>().is_err() && !text.contains('%') {
                let reason = format!("{text:?} is not an IP address");
                let hint = if list.export {
                    "write one such as 10.0.1.1 or fd00::1, or self, or unchanged"
                } else {
                    "write one such as 10.0.1.1 or fd00::1"
                };
                subject.refuse(given.place, path, &reason, hint);
                return None;
            }
            let address = subject.address(path, given)?;
            if address.is_loopback() {
                let reason =
                    format!("{address} is a loopback address: nobody else is reached by it");
                subject.refuse(given.place, path, &reason, "write the address of one host");
                return None;
            }
            if address.is_ipv4() != list.ipv4 {
                let (is, routes) = if list.ipv4 {
                    ("IPv6", "IPv4")
                } else {
                    ("IPv4", "IPv6")
                };
                let reason = format!("{address} is {is}, and this list is for {routes} routes");
                let hint = format!("write an {routes} address");
                subject.refuse(given.place, path, &reason, &hint);
                return None;
            }
            return Some(NextHopChange::Address(address));
        }
    };
    if !list.export {
        let (reason, hint) = match change {
            NextHopChange::Own => (
                "self has no meaning in an import rule: routes through this side itself lead nowhere",
                "write an address, or move the rule to the export list",
            ),
            _ => (
                "unchanged has no meaning in an import rule: it is as the neighbour wrote it",
                "remove it, or move the rule to the export list",
            ),
        };
        subject.refuse(given.place, path, reason, hint);
        return None;
    }
    Some(change)
}
