//! `rcni-bgp`'s configuration from its objects.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::subject::Subject;
use super::usable::Use;
use super::{Report, bfd, filter, peer};
use crate::raw::{BGPConfigurationSpec, Located, Object, Place, SpeakerObjects};
use crate::{Asn, ConfigErrors, Filter, GracefulRestart, Multipath, PeerConfig, SpeakerConfig};

pub(super) mod addresses;
mod kernel;

/// RFC 9494: the capability has 24 bits.
const MAX_LONG_LIVED_SECS: u32 = 0xff_ffff;

/// Checks the objects of one speaker, whether they came from a file or from Kubernetes; `report` may
/// hold what was refused while they were read.
///
/// # Errors
/// All that is wrong with them.
pub fn speaker(
    mut report: Report,
    objects: &SpeakerObjects,
) -> Result<SpeakerConfig, ConfigErrors> {
    let (peers, filters) = peers_and_filters(&mut report, objects);
    let base = the_one(&mut report, "BGPConfiguration", &objects.configurations)
        .and_then(|object| configuration(&mut report, object));
    report.finish(base.map(|base| SpeakerConfig {
        peers,
        filters,
        ..base
    }))
}

/// Checks what stands in the other program's file; what it refers to may be in the right one.
pub(crate) fn misplaced_speaker(report: &mut Report, objects: &SpeakerObjects) {
    report.remember_broken(Some("BGPFilter".to_owned()), None);
    report.remember_broken(Some("BGPPeer".to_owned()), None);
    report.remember_broken(Some("BFDProfile".to_owned()), None);
    peers_and_filters(report, objects);
    for object in &objects.configurations {
        configuration(report, object);
    }
}

fn peers_and_filters(
    report: &mut Report,
    objects: &SpeakerObjects,
) -> (Vec<PeerConfig>, BTreeMap<String, Arc<Filter>>) {
    unique_names(report, "BGPConfiguration", &objects.configurations);
    unique_names(report, "BGPPeer", &objects.peers);
    unique_names(report, "BGPFilter", &objects.filters);
    unique_names(report, "BFDProfile", &objects.bfd_profiles);
    let names = objects.peers.iter().map(|peer| peer.name.value.as_str());
    let context = filter::Context::new(names.collect());
    let filters: BTreeMap<String, Arc<Filter>> = objects
        .filters
        .iter()
        .map(|object| {
            let mut subject = Subject::new(report, "BGPFilter", object);
            (
                object.name.value.clone(),
                Arc::new(filter::filter(&mut subject, object, &context)),
            )
        })
        .collect();
    let known = peer::Known {
        own: own(objects),
        bfd: bfd::profiles(report, &objects.bfd_profiles),
        filters,
    };
    let peers = peer::peers(report, &objects.peers, &known);
    (peers, known.filters)
}

/// What is known of the speaker before it is checked.
fn own(objects: &SpeakerObjects) -> peer::Own {
    let spec = objects.configurations.first().map(|object| &object.spec);
    let asn = spec.and_then(|spec| u32::try_from(spec.as_number.value.0).ok());
    let addresses = spec.and_then(|spec| spec.bind_addresses.as_ref());
    let addresses = addresses.into_iter().flat_map(|given| &given.value);
    peer::Own {
        asn: asn.and_then(|asn| Asn::new(asn).ok()),
        bind_addresses: addresses
            .filter_map(|given| given.value.parse().ok())
            .collect(),
    }
}

fn configuration(
    report: &mut Report,
    object: &Object<BGPConfigurationSpec>,
) -> Option<SpeakerConfig> {
    let spec = &object.spec;
    let mut subject = Subject::new(report, "BGPConfiguration", object);
    let asn: Option<Asn> = subject.asn("spec.asNumber", spec.as_number);
    let router_id = identifier(&mut subject, "spec.routerID", &spec.router_id);
    let cluster_id = spec.cluster_id.as_ref();
    let cluster_id = cluster_id.map(|given| identifier(&mut subject, "spec.clusterID", given));
    let listen_port = subject.port("spec.listenPort", spec.listen_port, 179);
    let bind_addresses = addresses::bind(&mut subject, spec.bind_addresses.as_ref());
    let networks = spec.networks.iter().enumerate();
    let networks = subject.cidrs(
        networks.map(|(index, network)| (format!("spec.networks[{index}].cidr"), &network.cidr)),
        Use::Announced,
    );
    let multipath = Multipath {
        maximum_paths: subject.number("spec.maximumPaths", spec.maximum_paths, 1..=u8::MAX, 8),
        relax: spec.multipath_relax.unwrap_or(true),
    };
    let restart = spec.graceful_restart.clone().unwrap_or_default();
    let graceful_restart = GracefulRestart {
        restart_secs: subject.number(
            "spec.gracefulRestart.restartTimeSeconds",
            restart.restart_time_seconds,
            0..=4095,
            120,
        ),
        stale_secs: subject.number(
            "spec.gracefulRestart.stalePathTimeSeconds",
            restart.stale_path_time_seconds,
            1..=u16::MAX,
            300,
        ),
        long_lived_secs: subject.number(
            "spec.gracefulRestart.longLivedStaleTimeSeconds",
            restart.long_lived_stale_time_seconds,
            0..=MAX_LONG_LIVED_SECS,
            0,
        ),
    };
    let node_addresses = addresses::of_node(&mut subject, &spec.node_addresses);
    let kernel = spec.kernel.clone().unwrap_or_default();
    let kernel = kernel::kernel(&mut subject, &kernel, multipath.maximum_paths);
    Some(SpeakerConfig {
        asn: asn?,
        router_id: router_id?,
        cluster_id: cluster_id.unwrap_or(router_id)?,
        listen_port,
        bind_addresses,
        networks,
        multipath,
        graceful_restart,
        node_addresses,
        kernel,
        peers: Vec::new(),
        filters: BTreeMap::new(),
    })
}

/// RFC 6286 of a router, RFC 4456 of a cluster: four octets, not all of them zero.
fn identifier(subject: &mut Subject<'_>, path: &str, given: &Located<String>) -> Option<Ipv4Addr> {
    let (what, hint) = if path == "spec.routerID" {
        (
            "a BGP identifier (RFC 6286)",
            "write four numbers such as 10.0.1.11, unique in the network",
        )
    } else {
        (
            "a cluster's identifier",
            "write four numbers such as 10.0.1.11, or leave it out for routerID",
        )
    };
    let reason = match given.value.parse::<Ipv4Addr>() {
        Ok(id) if !id.is_unspecified() => return Some(id),
        Ok(_) => format!("0.0.0.0 is not {what}"),
        Err(_) => format!(
            "{:?} does not have the form of an IPv4 address",
            given.value
        ),
    };
    subject.refuse(given.place, path, &reason, hint);
    None
}

/// Refuses names that Kubernetes would refuse, and the second of two equal ones.
pub(super) fn unique_names<S>(report: &mut Report, kind: &'static str, objects: &[Object<S>]) {
    let mut seen: HashMap<&str, Place> = HashMap::new();
    for object in objects {
        let mut subject = Subject::new(report, kind, object);
        let place = object.name.place;
        if let Err((reason, hint)) = object_name(&object.name.value) {
            subject.refuse(place, "metadata.name", reason, hint);
        }
        if let Some(first) = seen.get(object.name.value.as_str()) {
            let line = first
                .known_line()
                .map(|line| format!(" (the first is in line {line})"));
            let reason = format!(
                "there is already a {kind} with this name{}",
                line.unwrap_or_default()
            );
            subject.refuse(place, "metadata.name", &reason, "give each its own name");
        } else {
            let place = subject.absolute(place);
            seen.insert(&object.name.value, place);
        }
    }
}

/// Why a name is refused, and what to write instead.
pub(crate) fn object_name(name: &str) -> Result<(), (&'static str, &'static str)> {
    let reason = "an object's name has only a-z, 0-9, - and ., and begins and ends with a letter or \
                  digit";
    let allowed = is_object_name(name).then_some(());
    allowed.ok_or((reason, "write one such as tor-a"))
}

/// RFC 1123 subdomain, as Kubernetes wants names of objects.
fn is_object_name(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let edge = |byte: Option<u8>| byte.is_some_and(inner);
    name.len() <= 253
        && edge(name.bytes().next())
        && edge(name.bytes().next_back())
        && name
            .bytes()
            .all(|byte| inner(byte) || byte == b'-' || byte == b'.')
}

/// The only object of a kind that there must be exactly one of.
pub(super) fn the_one<'o, S>(
    report: &mut Report,
    kind: &'static str,
    objects: &'o [Object<S>],
) -> Option<&'o Object<S>> {
    for object in objects.iter().skip(1) {
        let mut subject = Subject::new(report, kind, object);
        let reason = format!("there is more than one {kind}");
        subject.refuse(
            object.name.place,
            "metadata.name",
            &reason,
            "keep exactly one",
        );
    }
    if objects.is_empty() && !report.may_be_broken(kind, None) {
        let reason = format!("there is no {kind}");
        let hint = format!(
            "add one, with apiVersion {}; see config/samples",
            crate::raw::API_VERSION
        );
        report.refuse(Place::default(), "", &reason, &hint);
    }
    objects.first()
}
