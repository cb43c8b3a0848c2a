//! The neighbours.

mod capabilities;
mod clash;
mod remote;
mod routes;
mod security;
mod timers;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::subject::Subject;
use super::{Report, bfd};
use crate::raw::{AsNumber, BGPPeerSpec, Located, Object};
use crate::{Asn, Filter, PeerConfig, RemoteAs, Rule, Ttl};

/// Of one list, from all filters of a peer. The speaker has numbers for 65,536.
const MAX_RULES: usize = 10_000;

/// What the neighbours' checks must know of the speaker; what is wrong with it is said elsewhere.
pub(super) struct Own {
    pub(super) asn: Option<Asn>,
    /// Empty: all.
    pub(super) bind_addresses: Vec<IpAddr>,
}

/// What neighbours refer to.
pub(super) struct Known {
    pub(super) own: Own,
    pub(super) filters: BTreeMap<String, Arc<Filter>>,
    pub(super) bfd: bfd::Profiles,
}

/// All neighbours that could be made sense of, by name.
pub(super) fn peers(
    report: &mut Report,
    objects: &[Object<BGPPeerSpec>],
    known: &Known,
) -> Vec<PeerConfig> {
    let mut peers = Vec::new();
    for object in objects {
        let mut subject = Subject::new(report, "BGPPeer", object);
        if let Some(peer) = peer(&mut subject, object, known) {
            peers.push((object, peer));
        }
    }
    clash::check(report, &peers);
    let mut peers: Vec<PeerConfig> = peers.into_iter().map(|(_, peer)| peer).collect();
    peers.sort_by(|a, b| a.name.cmp(&b.name));
    peers
}

fn peer(
    subject: &mut Subject<'_>,
    object: &Object<BGPPeerSpec>,
    known: &Known,
) -> Option<PeerConfig> {
    let spec = &object.spec;
    let own = &known.own;
    let remote = remote::remote(subject, object);
    let asn = remote_as(subject, spec.as_number);
    let local_asn = local_asn(subject, spec, own);
    let internal = is_internal(asn, local_asn.or(own.asn));
    let source_address = remote::source_address(subject, spec, remote.as_ref());
    remote::reachable(subject, spec, remote.as_ref(), &own.bind_addresses);
    let ttl = ttl(subject, spec, internal);
    let timers = timers::timers(subject, spec, &known.bfd);
    let capabilities = capabilities::capabilities(subject, spec, internal);
    let security = security::security(subject, spec);
    let routes = routes::routes(subject, spec, internal, &capabilities.families);
    let filters = filters(subject, &spec.filters, &known.filters);
    Some(PeerConfig {
        name: object.name.value.clone(),
        remote: remote?,
        asn: asn?,
        local_asn,
        passive: remote::is_passive(spec),
        source_address,
        ttl,
        security,
        timers,
        capabilities,
        routes,
        filters,
    })
}

fn remote_as(subject: &mut Subject<'_>, given: Located<AsNumber>) -> Option<RemoteAs> {
    match given.value {
        AsNumber::Number(value) => {
            let place = given.place;
            let asn = subject.asn("spec.asNumber", Located { value, place })?;
            Some(RemoteAs::Exactly(asn))
        }
        AsNumber::Internal => Some(RemoteAs::Internal),
        AsNumber::External => Some(RemoteAs::External),
    }
}

fn local_asn(subject: &mut Subject<'_>, spec: &BGPPeerSpec, own: &Own) -> Option<Asn> {
    let given = spec.local_as_number?;
    let path = "spec.localASNumber";
    let asn = subject.asn(path, given)?;
    if Some(asn) == own.asn {
        let reason = format!("{asn} is the speaker's own AS (spec.asNumber of BGPConfiguration)");
        let hint = "remove it, or write the other AS that this neighbour shall see";
        subject.refuse(given.place, path, &reason, hint);
    }
    Some(asn)
}

/// `None`: cannot be told, because something was refused.
fn is_internal(asn: Option<RemoteAs>, local: Option<Asn>) -> Option<bool> {
    match asn? {
        RemoteAs::Exactly(asn) => Some(asn == local?),
        RemoteAs::Internal => Some(true),
        RemoteAs::External => Some(false),
    }
}

fn ttl(subject: &mut Subject<'_>, spec: &BGPPeerSpec, internal: Option<bool>) -> Ttl {
    let path = "spec.multihop";
    let multihop = spec
        .multihop
        .map(|given| subject.number(path, Some(given), 2..=u8::MAX, 2));
    let path_security = "spec.ttlSecurity";
    let security = spec
        .ttl_security
        .map(|given| subject.number(path_security, Some(given), 1..=254, 1));
    if let (Some(given), Some(_)) = (spec.multihop, multihop) {
        if security.is_some() {
            let reason = "does not go with ttlSecurity, which sends with TTL 255 itself";
            let hint = "remove it, and write the number of hops as ttlSecurity; or remove \
                        ttlSecurity";
            subject.refuse(given.place, path, reason, hint);
        } else if internal == Some(true) {
            let reason = "is for eBGP, and this neighbour has this side's AS: iBGP goes over \
                          routers anyway";
            subject.refuse(given.place, path, reason, "remove it");
        }
    }
    match (security, multihop) {
        (Some(hops), _) => Ttl::Security(hops),
        (None, Some(ttl)) => Ttl::Multihop(ttl),
        (None, None) => Ttl::Default,
    }
}

fn filters(
    subject: &mut Subject<'_>,
    names: &[Located<String>],
    known: &BTreeMap<String, Arc<Filter>>,
) -> Vec<Arc<Filter>> {
    let mut filters: Vec<Arc<Filter>> = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let path = format!("spec.filters[{index}]");
        let names = known.keys().map(String::as_str);
        subject.refuse_unknown("BGPFilter", name, &path, names);
        let Some(filter) = known.get(&name.value) else {
            continue;
        };
        if filters.iter().any(|other| other.name == filter.name) {
            let reason = format!("{} is listed twice", name.value);
            subject.refuse(name.place, &path, &reason, "remove one of them");
        }
        filters.push(Arc::clone(filter));
        if let Some((list, count)) = too_many_rules(&filters) {
            let reason = format!(
                "{} makes it {count} {list} rules, and every route is compared with all of them",
                name.value
            );
            let hint = format!("name filters with at most {MAX_RULES} in each list together");
            subject.refuse(name.place, &path, &reason, &hint);
            break;
        }
    }
    filters
}

/// In which list there are more than [`MAX_RULES`].
fn too_many_rules(filters: &[Arc<Filter>]) -> Option<(&'static str, usize)> {
    let sum = |rules: fn(&Filter) -> &[Rule]| filters.iter().map(|f| rules(f).len()).sum();
    let counts = [
        ("importV4", sum(|filter| &filter.import_v4)),
        ("exportV4", sum(|filter| &filter.export_v4)),
        ("importV6", sum(|filter| &filter.import_v6)),
        ("exportV6", sum(|filter| &filter.export_v6)),
    ];
    counts.into_iter().find(|(_, count)| *count > MAX_RULES)
}
