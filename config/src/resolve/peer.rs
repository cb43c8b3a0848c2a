//! The neighbours.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use super::Report;
use super::subject::Subject;
use crate::password::PasswordError;
use crate::raw::{BGPPeerSpec, FamilySpec, Int, Located, Object, Place, Secret};
use crate::similar::closest;
use crate::{AddressFamily, Filter, HoldTime, Password, PeerConfig};

/// All neighbours that could be made sense of, by name.
pub(super) fn peers(
    report: &mut Report,
    objects: &[Object<BGPPeerSpec>],
    filters: &BTreeMap<String, Arc<Filter>>,
) -> Vec<PeerConfig> {
    let mut addresses: HashMap<IpAddr, (&str, Place)> = HashMap::new();
    let mut peers = Vec::new();
    for object in objects {
        let mut subject = Subject::new(report, "BGPPeer", object);
        let Some(peer) = peer(&mut subject, object, filters) else {
            continue;
        };
        let given = &object.spec.peer_ip;
        if let Some((other, place)) = addresses.get(&peer.address) {
            let line = place.known_line().map(|line| format!(" (line {line})"));
            let reason = format!(
                "{} is already the address of BGPPeer {other}{}",
                peer.address,
                line.unwrap_or_default()
            );
            let hint = "there is one session to one address; remove one of the two";
            subject.refuse(given.place, "spec.peerIP", &reason, hint);
        } else {
            addresses.insert(
                peer.address,
                (&object.name.value, subject.absolute(given.place)),
            );
        }
        peers.push(peer);
    }
    peers.sort_by(|a, b| a.name.cmp(&b.name));
    peers
}

fn peer(
    subject: &mut Subject<'_>,
    object: &Object<BGPPeerSpec>,
    known: &BTreeMap<String, Arc<Filter>>,
) -> Option<PeerConfig> {
    let spec = &object.spec;
    let address = subject.address("spec.peerIP", &spec.peer_ip);
    let asn = subject.asn("spec.asNumber", spec.as_number);
    let port = subject.port("spec.peerPort", spec.peer_port, 179);
    let source_address = spec.source_address.as_ref();
    let source_address =
        source_address.and_then(|given| source_address_of(subject, given, address));
    let hold_time = hold_time(subject, spec.hold_time_seconds);
    let connect_retry_secs = subject.number(
        "spec.connectRetrySeconds",
        spec.connect_retry_seconds,
        1..=u16::MAX,
        5,
    );
    let families = families(subject, spec.families.as_ref());
    let password = spec.password.as_ref();
    let password = password.and_then(|given| password_of(subject, given));
    let filters = filters(subject, &spec.filters, known);
    Some(PeerConfig {
        name: object.name.value.clone(),
        address: address?,
        port,
        asn: asn?,
        passive: spec.passive.unwrap_or(false),
        source_address,
        hold_time,
        connect_retry_secs,
        families,
        password,
        filters,
    })
}

fn source_address_of(
    subject: &mut Subject<'_>,
    given: &Located<String>,
    peer: Option<IpAddr>,
) -> Option<IpAddr> {
    let path = "spec.sourceAddress";
    let source = subject.address(path, given)?;
    let Some(peer) = peer else {
        return Some(source);
    };
    if source == peer {
        let reason = format!("{source} is also peerIP: a speaker cannot be its own peer");
        subject.refuse(given.place, path, &reason, "write this node's own address");
    } else if source.is_ipv4() != peer.is_ipv4() {
        let reason = format!("{source} and peerIP {peer} are of different families");
        subject.refuse(
            given.place,
            path,
            &reason,
            "write an address of peerIP's family",
        );
    }
    Some(source)
}

fn hold_time(subject: &mut Subject<'_>, given: Option<Located<Int>>) -> HoldTime {
    let path = "spec.holdTimeSeconds";
    let default = HoldTime::DEFAULT;
    let secs = subject.number(path, given, 0..=u16::MAX, default.secs());
    HoldTime::new(secs).unwrap_or_else(|error| {
        let place = given.map(|given| given.place).unwrap_or_default();
        subject.refuse(place, path, &error.to_string(), "write 0, or 3 to 65535");
        default
    })
}

fn families(
    subject: &mut Subject<'_>,
    given: Option<&Located<Vec<Located<FamilySpec>>>>,
) -> Vec<AddressFamily> {
    let Some(given) = given else {
        return AddressFamily::ALL.to_vec();
    };
    let path = "spec.families";
    if given.value.is_empty() {
        let reason = "is empty, and a session without a family carries nothing";
        let hint = "write [ipv4], [ipv6] or [ipv4, ipv6], or leave it out for both";
        subject.refuse(given.place, path, reason, hint);
    }
    let mut families = Vec::with_capacity(2);
    for (index, family) in given.value.iter().enumerate() {
        let resolved = match family.value {
            FamilySpec::Ipv4 => AddressFamily::Ipv4,
            FamilySpec::Ipv6 => AddressFamily::Ipv6,
        };
        if families.contains(&resolved) {
            let reason = format!("{} is listed twice", resolved.to_string().to_lowercase());
            let path = format!("{path}[{index}]");
            subject.refuse(family.place, &path, &reason, "remove one of them");
        } else {
            families.push(resolved);
        }
    }
    families.sort_unstable();
    families
}

/// Its errors never show it.
fn password_of(subject: &mut Subject<'_>, given: &Located<Secret>) -> Option<Password> {
    let hint = match Password::new(&given.value.0) {
        Ok(password) => return Some(password),
        Err(error @ PasswordError::Empty) => (error, "write the neighbour's, or remove the field"),
        Err(error @ PasswordError::TooLong(_)) => (error, "agree on one of 1 to 80 bytes"),
        Err(error @ PasswordError::Control) => (error, "write it in one line, in quotes"),
    };
    let (error, hint) = hint;
    subject.refuse(given.place, "spec.password", &error.to_string(), hint);
    None
}

fn filters(
    subject: &mut Subject<'_>,
    names: &[Located<String>],
    known: &BTreeMap<String, Arc<Filter>>,
) -> Vec<Arc<Filter>> {
    let mut filters: Vec<Arc<Filter>> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let path = format!("spec.filters[{index}]");
        let Some(filter) = known.get(&name.value) else {
            if !subject.report.may_be_broken("BGPFilter", Some(&name.value)) {
                let reason = format!("there is no BGPFilter named {:?}", name.value);
                // What is not shown needs no search through all names.
                let hint = if subject.report.is_full() {
                    String::new()
                } else {
                    known_filters(&name.value, known)
                };
                subject.refuse(name.place, &path, &reason, &hint);
            }
            continue;
        };
        if filters.iter().any(|other| other.name == filter.name) {
            let reason = format!("{} is listed twice", name.value);
            subject.refuse(name.place, &path, &reason, "remove one of them");
        }
        filters.push(Arc::clone(filter));
    }
    filters
}

fn known_filters(given: &str, known: &BTreeMap<String, Arc<Filter>>) -> String {
    if known.is_empty() {
        return "add it as a document of kind BGPFilter".to_owned();
    }
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let some = names
        .get(..names.len().min(10))
        .unwrap_or_default()
        .join(", ");
    match closest(given, &names) {
        Some(meant) => format!("did you mean {meant}? There are: {some}"),
        None => format!("there are: {some}"),
    }
}
