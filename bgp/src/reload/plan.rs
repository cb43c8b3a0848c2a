//! What a candidate would change, and with what effect: the speaker's own difference, and around it
//! what only sockets and the kernel have. Pure.

use std::collections::BTreeSet;

use rcni_bgp_proto::speaker::SpeakerConfig as ProtoConfig;
use rcni_bgp_proto::speaker::difference::{Change, Difference, Field, PeerDifference};
use rcni_config::{KernelConfig, NextHopGroups, PeerConfig, Security, SpeakerConfig};

use super::report::{Effect, PeerReport, Report, VERSION};
use crate::convert;

/// From what runs to the candidate.
#[derive(Debug)]
pub struct Plan {
    /// The candidate, but for what only the next start can change.
    pub config: SpeakerConfig,
    /// The same in the speaker's words.
    pub speaker: ProtoConfig,
    /// Peers whose connections are made in another way.
    pub sockets: BTreeSet<String>,
    /// All of it for people.
    pub report: Report,
}

impl Plan {
    /// Neither is touched by it.
    #[must_use]
    pub fn new(running: &SpeakerConfig, candidate: SpeakerConfig) -> Self {
        let next_start = of_next_start(running, &candidate);
        let config = SpeakerConfig {
            kernel: running.kernel,
            node_addresses: running.node_addresses,
            ..candidate
        };
        let (before, after) = (
            convert::speaker(running, false, 0),
            convert::speaker(&config, false, 0),
        );
        let sockets = other_sockets(running, &config, &before, &after);
        let difference = Difference::between(&before, &after, &sockets);
        let report = Report {
            version: VERSION,
            speaker: of_speaker(&difference),
            sockets: of_listeners(running, &config),
            next_start,
            peers: of_peers(&difference, running, &config),
            warnings: Vec::new(),
        };
        Self {
            config,
            speaker: after,
            sockets,
            report,
        }
    }
}

/// Peers that are the same, and whose sockets are not.
fn other_sockets(
    running: &SpeakerConfig,
    config: &SpeakerConfig,
    before: &ProtoConfig,
    after: &ProtoConfig,
) -> BTreeSet<String> {
    let pairs = Difference::between(before, after, &BTreeSet::new()).peers;
    let others = pairs.iter().filter_map(|pair| {
        let (old, new) = both(pair, running, config)?;
        let differs = !fields_of_sockets(old, new).is_empty();
        differs.then(|| new.name.clone())
    });
    others.collect()
}

fn both<'a>(
    pair: &PeerDifference,
    running: &'a SpeakerConfig,
    config: &'a SpeakerConfig,
) -> Option<(&'a PeerConfig, &'a PeerConfig)> {
    Some((
        running.peers.get(pair.before?)?,
        config.peers.get(pair.after?)?,
    ))
}

/// What a connection is made with.
fn fields_of_sockets(old: &PeerConfig, new: &PeerConfig) -> Vec<&'static str> {
    let mut fields = Vec::new();
    if old.ttl != new.ttl {
        fields.push("spec.multihop or spec.ttlSecurity");
    }
    if old.security != new.security {
        fields.push(match (&old.security, &new.security) {
            (Security::Ao(_), Security::Ao(_) | Security::None)
            | (Security::None, Security::Ao(_)) => "spec.tcpAO",
            (Security::Md5(_), Security::Ao(_)) | (Security::Ao(_), Security::Md5(_)) => {
                "spec.password and spec.tcpAO"
            }
            _ => "spec.password",
        });
    }
    // It follows the hold time, which is a difference of its own then.
    if old.timers.send_hold_secs != new.timers.send_hold_secs
        && old.timers.hold_time == new.timers.hold_time
    {
        fields.push("spec.profile (send hold time)");
    }
    fields
}

/// Whether the network of a range does not have all of what it had.
fn shrinks(pair: Option<(&PeerConfig, &PeerConfig)>) -> bool {
    pair.is_some_and(|(old, new)| {
        let networks = old.remote.network().zip(new.remote.network());
        networks.is_some_and(|(old, new)| !new.contains(&old))
    })
}

fn of_peers(
    difference: &Difference,
    running: &SpeakerConfig,
    config: &SpeakerConfig,
) -> Vec<PeerReport> {
    let told = |peer: &PeerDifference| {
        let of = |fields: &[Field]| {
            let mut names: Vec<String> = Vec::new();
            for field in fields {
                match (field, both(peer, running, config)) {
                    (Field::Sockets, Some((old, new))) => {
                        names.extend(fields_of_sockets(old, new).into_iter().map(str::to_owned));
                    }
                    _ => names.push(name(*field).to_owned()),
                }
            }
            names
        };
        let (effect, fields) = match &peer.change {
            Change::Unchanged => return None,
            Change::Live(fields) if shrinks(both(peer, running, config)) => {
                (Effect::Part, of(fields))
            }
            Change::Live(fields) => (Effect::Live, of(fields)),
            Change::Reset(fields) => (Effect::Reset, of(fields)),
            Change::Anew(fields) => (Effect::Anew, of(fields)),
            Change::Added => (Effect::Added, Vec::new()),
            Change::Removed => (Effect::Removed, Vec::new()),
        };
        let known = peer.after.and_then(|index| config.peers.get(index));
        let known = known.or_else(|| running.peers.get(peer.before?));
        let range =
            known.is_some_and(|peer| matches!(peer.remote, rcni_config::Remote::Range { .. }));
        Some(PeerReport {
            name: peer.name.clone(),
            range,
            effect,
            fields,
        })
    };
    difference.peers.iter().filter_map(told).collect()
}

fn of_speaker(difference: &Difference) -> Vec<String> {
    let mut lines = Vec::new();
    for field in &difference.speaker {
        let name = name(*field);
        match field {
            Field::Networks => {
                let all = difference
                    .originated
                    .iter()
                    .map(|network| (network, "announced"));
                let gone = difference.withdrawn.iter();
                let all = all.chain(gone.map(|network| (network, "withdrawn")));
                lines.extend(all.map(|(network, what)| format!("{name}: {network} is {what}")));
            }
            field => lines.push(match field.effect() {
                rcni_bgp_proto::speaker::difference::Effect::Live => {
                    format!("{name}: takes effect without a reset")
                }
                _ => format!("{name}: RESET of all sessions"),
            }),
        }
    }
    lines
}

fn of_listeners(running: &SpeakerConfig, config: &SpeakerConfig) -> Vec<String> {
    let mut lines = Vec::new();
    if running.listen_port != config.listen_port {
        lines.push(format!(
            "spec.listenPort: {} is listened on instead of {}; sessions stay",
            config.listen_port, running.listen_port
        ));
    }
    let addresses = |config: &SpeakerConfig| {
        config
            .bind_addresses
            .iter()
            .copied()
            .collect::<BTreeSet<_>>()
    };
    if addresses(running) != addresses(config) {
        lines.push("spec.bindAddresses: other addresses are listened on; sessions stay".to_owned());
    }
    lines
}

/// All kernel routes would be other ones.
fn of_next_start(running: &SpeakerConfig, candidate: &SpeakerConfig) -> Vec<String> {
    let addresses = (running.node_addresses != candidate.node_addresses).then_some("nodeAddresses");
    let fields = addresses.map(str::to_owned).into_iter();
    let fields = fields.chain(
        of_kernel(&running.kernel, &candidate.kernel).map(|field| format!("kernel.{field}")),
    );
    fields
        .map(|field| format!("spec.{field}: takes effect at the next start of rcni-bgp"))
        .collect()
}

fn of_kernel(
    running: &KernelConfig,
    candidate: &KernelConfig,
) -> impl Iterator<Item = &'static str> {
    let KernelConfig {
        protocol,
        metric,
        default_route_metric,
        table,
        install,
        next_hop_groups,
    } = *candidate;
    let modes = (next_hop_groups, running.next_hop_groups);
    let resilient = matches!(
        modes,
        (NextHopGroups::Resilient(_), NextHopGroups::Resilient(_))
    );
    let other_groups = next_hop_groups != running.next_hop_groups;
    let differ = [
        ("protocol", protocol != running.protocol),
        ("metric", metric != running.metric),
        (
            "defaultRouteMetric",
            default_route_metric != running.default_route_metric,
        ),
        ("table", table != running.table),
        ("install", install != running.install),
        ("nextHopGroups", other_groups && !resilient),
        ("resilientGroups", other_groups && resilient),
    ];
    let differ = differ.into_iter().filter(|(_, differs)| *differs);
    differ.map(|(field, _)| field)
}

/// As the file has it.
fn name(field: Field) -> &'static str {
    match field {
        Field::Asn => "spec.asNumber of BGPConfiguration",
        Field::RouterId => "spec.routerID",
        Field::Networks => "spec.networks",
        Field::MaximumPaths => "spec.maximumPaths",
        Field::MultipathRelax => "spec.multipathRelax",
        Field::ClusterId => "spec.clusterID",
        Field::AllowOwnAs => "spec.numAllowedLocalASNumbers",
        Field::AsOverride => "spec.asOverride",
        Field::RemovePrivate => "spec.removePrivateAS",
        Field::NextHop => "spec.nextHopMode",
        Field::Client => "spec.routeReflectorClient",
        Field::MaximumPrefixes => "spec.maximumPrefixes",
        Field::HonorShutdown => "spec.honorGracefulShutdown",
        Field::RestartTime => "spec.gracefulRestart.restartTimeSeconds",
        Field::StaleTime => "spec.gracefulRestart.stalePathTimeSeconds",
        Field::LongLivedTime => "spec.gracefulRestart.longLivedStaleTimeSeconds",
        Field::Name => "metadata.name",
        Field::Place => "spec.peerIP or spec.peerRange",
        Field::Network => "spec.peerRange",
        Field::Links => "spec.peerInterface or spec.peerIP",
        Field::Port => "spec.peerPort",
        Field::Limit => "spec.maximumPeers",
        Field::RemoteAs => "spec.asNumber",
        Field::LocalAs => "spec.localASNumber",
        Field::Passive => "spec.passive",
        Field::LocalAddress => "spec.sourceAddress",
        Field::HoldTime => "spec.holdTimeSeconds",
        Field::Keepalive => "spec.keepaliveSeconds",
        Field::ConnectRetry => "spec.connectRetrySeconds",
        Field::Bfd => "spec.bfdProfile or its BFDProfile",
        Field::Families => "spec.families",
        Field::ExtendedMessages => "spec.extendedMessages",
        Field::AddPathReceive => "spec.addPath.receive",
        Field::AddPathSend | Field::PathsTold => "spec.addPath.send",
        Field::Role => "spec.role",
        Field::RoleStrict => "spec.roleStrict",
        Field::EnforceFirstAs => "spec.enforceFirstAS",
        Field::Import => "import rules",
        Field::Export => "export rules",
        Field::Sockets => "sockets",
    }
}

#[cfg(test)]
mod tests;
