//! The resolved configuration in the speaker's words. Nothing is checked again here: what the
//! configuration's types allow, the speaker takes.

mod filter;

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use rcni_bgp_proto::Family;
use rcni_bgp_proto::bfd;
use rcni_bgp_proto::speaker::{
    self, AddPath, GracefulRestartConfig, Knobs, LimitAction, MaximumPrefixes, NextHopMode, Offer,
    PeerConfig, RemovePrivate, Role, SpeakerConfig, Timers,
};
use rcni_config::{AddressFamily, Asn, Cidr, NextHopGroups, Remote, RemoteAs};

use crate::fib::message::nexthop::Resilient;
use crate::fib::{Groups, Ownership, Settings};
use filter::direction;

/// The speaker's configuration. `restarting`: an earlier one has left
/// kernel routes or its [mark](crate::marker); `seed`: for jitter.
#[must_use]
pub fn speaker(config: &rcni_config::SpeakerConfig, restarting: bool, seed: u64) -> SpeakerConfig {
    SpeakerConfig {
        asn: config.asn.get(),
        router_id: config.router_id,
        cluster_id: config.cluster_id,
        networks: config.networks.iter().map(Cidr::network).collect(),
        maximum_paths: usize::from(config.multipath.maximum_paths),
        multipath_relax: config.multipath.relax,
        graceful_restart: GracefulRestartConfig {
            restart_secs: config.graceful_restart.restart_secs,
            stale_secs: config.graceful_restart.stale_secs,
            long_lived_secs: config.graceful_restart.long_lived_secs,
        },
        restarting,
        peers: config.peers.iter().map(peer).collect(),
        seed,
    }
}

fn peer(peer: &rcni_config::PeerConfig) -> PeerConfig {
    PeerConfig {
        name: peer.name.clone(),
        remote: remote(&peer.remote),
        asn: match peer.asn {
            RemoteAs::Exactly(asn) => speaker::RemoteAs::Exactly(asn.get()),
            RemoteAs::Internal => speaker::RemoteAs::Internal,
            RemoteAs::External => speaker::RemoteAs::External,
        },
        local_asn: peer.local_asn.map(Asn::get),
        passive: peer.passive,
        local_address: peer.source_address,
        timers: Timers {
            hold_time_secs: peer.timers.hold_time.secs(),
            keepalive_secs: peer.timers.keepalive_secs,
            connect_retry: Duration::from_secs(u64::from(peer.timers.connect_retry_secs)),
            bfd: peer.timers.bfd.map(bfd),
        },
        families: peer
            .capabilities
            .families
            .iter()
            .map(|family| family_of(*family))
            .collect(),
        offer: offer(&peer.capabilities),
        enforce_first_as: peer.routes.enforce_first_as,
        knobs: knobs(&peer.routes),
        limits: peer.routes.maximum_prefixes.map(limits),
        import: direction(
            &peer.filters,
            "import",
            |filter| &filter.import_v4,
            |filter| &filter.import_v6,
        ),
        export: direction(
            &peer.filters,
            "export",
            |filter| &filter.export_v4,
            |filter| &filter.export_v6,
        ),
    }
}

fn bfd(profile: rcni_config::BfdProfile) -> bfd::Profile {
    bfd::Profile {
        transmit: Duration::from_millis(profile.transmit_ms.into()),
        receive: Duration::from_millis(profile.receive_ms.into()),
        multiplier: profile.multiplier,
        passive: profile.passive,
        minimum_ttl: profile.minimum_ttl,
    }
}

fn remote(remote: &Remote) -> speaker::Remote {
    match remote {
        Remote::Address { address, port } => speaker::Remote::Address {
            address: *address,
            port: *port,
        },
        Remote::Range {
            network,
            maximum_peers,
        } => speaker::Remote::Range {
            network: network.network(),
            limit: *maximum_peers,
        },
        Remote::Link {
            links,
            address,
            port,
        } => speaker::Remote::Link {
            links: links.to_string(),
            address: *address,
            port: *port,
        },
    }
}

fn knobs(routes: &rcni_config::RouteHandling) -> Knobs {
    Knobs {
        allow_own_as: routes.allowed_own_as,
        as_override: routes.as_override,
        remove_private: routes.remove_private_as.map(|mode| match mode {
            rcni_config::RemovePrivateAs::Remove => RemovePrivate::Remove,
            rcni_config::RemovePrivateAs::Replace => RemovePrivate::Replace,
        }),
        next_hop: match routes.next_hop {
            rcni_config::NextHopMode::Auto => NextHopMode::Auto,
            rcni_config::NextHopMode::Own => NextHopMode::Own,
            rcni_config::NextHopMode::Keep => NextHopMode::Keep,
        },
        client: routes.reflector_client,
        honor_graceful_shutdown: routes.honor_graceful_shutdown,
    }
}

fn limits(limits: rcni_config::MaximumPrefixes) -> MaximumPrefixes {
    MaximumPrefixes {
        ipv4: limits.ipv4.map(NonZeroU32::get),
        ipv6: limits.ipv6.map(NonZeroU32::get),
        warning_percent: limits.warning_percent,
        action: match limits.action {
            rcni_config::LimitAction::Restart(secs) => LimitAction::Restart(secs),
            rcni_config::LimitAction::Shutdown => LimitAction::Shutdown,
            rcni_config::LimitAction::Drop => LimitAction::Drop,
            rcni_config::LimitAction::Warn => LimitAction::Warn,
        },
    }
}

fn offer(capabilities: &rcni_config::Capabilities) -> Offer {
    Offer {
        extended_messages: capabilities.extended_messages,
        add_path: AddPath {
            receive: capabilities.add_path.receive,
            send: capabilities.add_path.send,
        },
        role: capabilities.role.map(|role| match role {
            rcni_config::Role::Provider => Role::Provider,
            rcni_config::Role::RsServer => Role::RouteServer,
            rcni_config::Role::RsClient => Role::RouteServerClient,
            rcni_config::Role::Customer => Role::Customer,
            rcni_config::Role::Peer => Role::Peer,
        }),
        role_strict: capabilities.role_strict,
    }
}

fn family_of(family: AddressFamily) -> Family {
    match family {
        AddressFamily::Ipv4 => Family::IPV4_UNICAST,
        AddressFamily::Ipv6 => Family::IPV6_UNICAST,
    }
}

/// How routes are installed.
#[must_use]
pub fn fib(config: &rcni_config::SpeakerConfig) -> Settings {
    let groups = match config.kernel.next_hop_groups {
        NextHopGroups::Auto => Groups::Auto,
        NextHopGroups::Never => Groups::Never,
        NextHopGroups::Resilient(resilient) => Groups::Resilient(Resilient {
            buckets: resilient.buckets,
            idle_time_secs: resilient.idle_secs,
            unbalanced_time_secs: resilient.unbalanced_secs,
        }),
    };
    let sources = config.node_addresses;
    Settings {
        owner: ownership(&config.kernel),
        groups,
        sources: [sources.v4.map(IpAddr::V4), sources.v6.map(IpAddr::V6)],
    }
}

/// How own routes are marked.
#[must_use]
pub fn ownership(kernel: &rcni_config::KernelConfig) -> Ownership {
    Ownership {
        protocol: kernel.protocol,
        metric: kernel.metric,
        default_route_metric: kernel.default_route_metric,
        table: kernel.table,
    }
}

#[cfg(test)]
mod tests {
    use rcni_bgp_proto::attr::PathAttributes;
    use rcni_bgp_proto::policy::{Informant, Memo, Subject};

    use super::*;

    const TEXT: &str = "
apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {name: default}
spec: {asNumber: 65001, routerID: 10.0.1.11, networks: [{cidr: 10.244.1.0/24}]}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: tor}
spec:
  {peerIP: 10.0.1.1, asNumber: 65000, sourceAddress: 10.0.1.11, holdTimeSeconds: 9, filters: [b, a],
   addPath: {receive: true, send: 4}, extendedMessages: false, role: rs-client, roleStrict: true}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {name: a}
spec:
  importV4:
    - {action: Accept, matchOperator: In, cidr: 10.244.0.0/16, prefixLength: {min: 24, max: 28}}
    - {action: Reject}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {name: b}
spec:
  importV4: [{action: Reject, matchOperator: Equal, cidr: 10.244.9.0/24}]
";

    #[test]
    fn a_peers_filters_follow_each_other_and_rules_can_be_found_in_the_file() {
        let config = rcni_config::parse_speaker("bgp.yaml", TEXT).unwrap();
        let speaker = super::speaker(&config, true, 1);
        assert!(speaker.restarting);
        assert_eq!(speaker.networks, ["10.244.1.0/24".parse().unwrap()]);
        let tor = &speaker.peers[0];
        assert_eq!(tor.timers.hold_time_secs, 9);
        let (address, port) = ("10.0.1.1".parse().unwrap(), 179);
        assert_eq!(tor.remote, speaker::Remote::Address { address, port });
        assert_eq!(tor.asn, 65000.into());
        assert_eq!(tor.local_address, Some("10.0.1.11".parse().unwrap()));
        let offer = Offer {
            extended_messages: false,
            add_path: AddPath {
                receive: true,
                send: 4,
            },
            role: Some(Role::RouteServerClient),
            role_strict: true,
        };
        assert_eq!(tor.offer, offer);

        let fabric = Informant {
            name: "tor".into(),
            address: [10, 0, 1, 1].into(),
            asn: 65000,
            external: true,
        };
        let rule = |text: &str| {
            let prefix = text.parse().unwrap();
            let subject = Subject {
                prefix: &prefix,
                attributes: &PathAttributes::default(),
                from: Some(&fabric),
            };
            let verdict = tor.import.import(&subject, &mut Memo::default());
            let name = tor.import.rule_name(&prefix, verdict.by);
            let name = name.map(|name| name.to_string());
            (verdict.accepted(), name)
        };
        assert_eq!(
            rule("10.244.9.0/24"),
            (false, Some("b importV4[0]".to_owned()))
        );
        assert_eq!(
            rule("10.244.8.0/24"),
            (true, Some("a importV4[0]".to_owned()))
        );
        assert_eq!(
            rule("10.0.0.0/8"),
            (false, Some("a importV4[1]".to_owned()))
        );
        // No export rule at all: own networks only.
        assert!(!tor.export.has_rules(Family::IPV4_UNICAST));
    }
}
