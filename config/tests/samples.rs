//! Every file under samples/ is accepted, and the two-node ones mean what their comments say.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may fail a test"
)]

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcni_config::{
    Action, AddPath, AddressFamily, AoAlgorithm, AoKey, BfdProfile, Capabilities, Changes, Cidr,
    CommunityPattern, Conditions, FelixConfig, HoldTime, IptablesBackend, LimitAction,
    NextHopGroups, NexthopCompatMode, NodeAddresses, Operator, Password, PeerConfig, PrefixMatch,
    Remote, RemoteAs, RemovePrivateAs, ResilientGroups, Role, Rule, Security, SpeakerConfig,
    Timers, Ttl, load_felix, load_speaker,
};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("samples")
}

fn speaker(file: &str) -> SpeakerConfig {
    load_speaker(&samples().join(file)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn felix(file: &str) -> FelixConfig {
    load_felix(&samples().join(file)).unwrap_or_else(|errors| panic!("{errors}"))
}

fn md5(text: &str) -> Security {
    Security::Md5(Password::new(text).unwrap())
}

fn peer<'a>(config: &'a SpeakerConfig, name: &str) -> &'a PeerConfig {
    let mut peers = config.peers.iter();
    peers.find(|peer| peer.name == name).unwrap()
}

fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

#[test]
fn every_sample_is_accepted() {
    let mut seen = 0;
    for folder in std::fs::read_dir(samples()).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let name = path.to_str().unwrap();
            if name.ends_with("-felix.yaml") {
                load_felix(&path).unwrap_or_else(|errors| panic!("{errors}"));
            } else {
                assert!(name.ends_with("-bgp.yaml"), "{name}");
                load_speaker(&path).unwrap_or_else(|errors| panic!("{errors}"));
            }
            seen += 1;
        }
    }
    assert!(seen >= 18, "only {seen} samples found");
}

#[test]
fn the_nodes_speaker() {
    for (node, asn, router_id, tor, pods) in [
        ("node1", 65001, "10.0.1.11", "10.0.1.1", "10.244.1.0/24"),
        ("node2", 65002, "10.0.2.12", "10.0.2.1", "10.244.2.0/24"),
    ] {
        let config = speaker(&format!("two-node/{node}-bgp.yaml"));
        assert_eq!(config.asn.get(), asn);
        assert_eq!(config.router_id.to_string(), router_id);
        assert_eq!(config.networks, [cidr(pods)]);
        let [peer] = config.peers.as_slice() else {
            panic!("{:?}", config.peers)
        };
        assert_eq!(peer.remote.to_string(), tor);
        assert_eq!(peer.asn.to_string(), "65000");
        assert!(!peer.is_internal(config.asn));
        let [filter] = peer.filters.as_slice() else {
            panic!("{:?}", peer.filters)
        };
        let matching = |operator, cidr, min_len, max_len| Rule {
            action: Action::Accept(Changes::default()),
            matches: Conditions {
                prefix: Some(PrefixMatch {
                    operator,
                    cidr,
                    min_len,
                    max_len,
                }),
                ..Conditions::default()
            },
        };
        assert_eq!(
            filter.import_v4,
            [
                matching(Operator::In, cidr("10.244.0.0/16"), 24, 28),
                matching(Operator::Equal, cidr("0.0.0.0/0"), 0, 0),
                Rule {
                    action: Action::Reject,
                    matches: Conditions::default()
                },
            ]
        );
        assert!(filter.export_v4.is_empty() && filter.import_v6.is_empty());
    }
}

#[test]
fn defaults_of_the_speaker() {
    let config = speaker("two-node/node1-bgp.yaml");
    assert_eq!(config.listen_port, 179);
    assert_eq!(
        (config.multipath.maximum_paths, config.multipath.relax),
        (8, true)
    );
    let restart = config.graceful_restart;
    assert_eq!((restart.restart_secs, restart.stale_secs), (120, 300));
    let kernel = config.kernel;
    assert_eq!(
        (kernel.protocol, kernel.metric, kernel.table),
        (77, 77, 254)
    );
    assert_eq!((kernel.default_route_metric, kernel.install), (20077, true));
    assert_eq!(kernel.next_hop_groups, NextHopGroups::Auto);
    assert_eq!(config.node_addresses, NodeAddresses::default());
    let peer = &config.peers[0];
    let address = "10.0.1.1".parse().unwrap();
    assert_eq!(peer.remote, Remote::Address { address, port: 179 });
    assert_eq!((peer.passive, peer.source_address), (false, None));
    assert_eq!((peer.local_asn, peer.ttl), (None, Ttl::Default));
    assert!(peer.routes.enforce_first_as && peer.security == Security::None);
    assert_eq!(
        peer.timers,
        Timers {
            hold_time: HoldTime::DEFAULT,
            keepalive_secs: None,
            send_hold_secs: 480,
            connect_retry_secs: 5,
            bfd: None,
        }
    );
    assert_eq!(
        peer.capabilities,
        Capabilities {
            families: AddressFamily::ALL.to_vec(),
            add_path: AddPath::default(),
            extended_messages: true,
            role: None,
            role_strict: false,
        }
    );
    assert_eq!(config.bind_addresses, [] as [IpAddr; 0]);
}

#[test]
fn the_tor() {
    let config = speaker("two-node/tor-bgp.yaml");
    assert_eq!(config.networks, [cidr("0.0.0.0/0")]);
    let names: Vec<&str> = config.peers.iter().map(|peer| peer.name.as_str()).collect();
    assert_eq!(names, ["node1", "node2"]);
    assert!(config.peers.iter().all(|peer| peer.passive));
    // In without a range: from the prefix's own length to the longest.
    let matches = config.filters["nodes"].export_v4[0].matches.prefix.unwrap();
    assert_eq!((matches.min_len, matches.max_len), (16, 32));
}

#[test]
fn felix_lite_and_its_defaults() {
    let config = felix("two-node/node1-felix.yaml");
    assert_eq!(config.pod_cidrs, [cidr("10.244.1.0/24")]);
    assert_eq!(config.cluster_cidrs, [cidr("10.244.0.0/16")]);
    assert_eq!(config.node_cidrs, [cidr("10.0.0.0/16")]);
    assert_eq!(config.non_masquerade_cidrs, []);
    assert!(config.masquerade && !config.masquerade_ipv6);
    assert_eq!(config.iptables_backend, IptablesBackend::Auto);
    assert_eq!(config.nexthop_compat_mode, NexthopCompatMode::Auto);
    assert_eq!((config.refresh_secs, config.protocol), (30, 77));
    assert_eq!(config.cni.conf_dir, Path::new("/etc/cni/net.d"));
    assert_eq!(config.cni.conf_name, "10-rcni.conflist");
    assert_eq!(config.cni.network_name, "rcni");
    assert_eq!(config.cni.mtu, None);
    assert_eq!(config.cni.data_dir, Path::new("/var/lib/cni/networks"));
}

const EVERY_FIELD: &str = "
apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {name: default}
spec:
  asNumber: 4294967295
  routerID: 192.0.2.1
  listenPort: 1179
  bindAddresses: [192.0.2.1, 'fd00::2']
  networks: [{cidr: 10.244.1.0/24}, {cidr: 'fd00:10:244:1::/64'}]
  maximumPaths: 1
  gracefulRestart: {restartTimeSeconds: 0, stalePathTimeSeconds: 65535}
  kernel: {protocol: 200, metric: 5, defaultRouteMetric: 6, table: 1000, install: false,
           nextHopGroups: Resilient,
           resilientGroups: {buckets: 65535, idleTimeSeconds: 0, unbalancedTimeSeconds: 604800}}
  nodeAddresses: ['fd00::11', 192.0.2.1]
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: a}
spec:
  {peerIP: 'fd00::1', asNumber: 1, peerPort: 1179, passive: true, sourceAddress: 'fd00::2',
   holdTimeSeconds: 0, connectRetrySeconds: 65535, families: [ipv6], password: 'a b',
   filters: [f]}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: b}
spec:
  {peerRange: 10.0.1.0/24, maximumPeers: 10000, asNumber: external, localASNumber: 65000,
   multihop: 255, profile: dc, keepaliveSeconds: 1, bfdProfile: far, addPath: {receive: true, send: 32},
   extendedMessages: false, role: rs-client, roleStrict: true, enforceFirstAS: false,
   tcpAO: {keys: [{sendID: 0, receiveID: 255, algorithm: hmac-sha-1-96, secret: a},
                  {sendID: 1, receiveID: 1, algorithm: aes-128-cmac-96, secret: 'b c'}]}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: c}
spec: {peerIP: 10.0.2.1, asNumber: internal, ttlSecurity: 254, profile: default}
---
apiVersion: rcni.io/v1alpha1
kind: BFDProfile
metadata: {name: far}
spec:
  {transmitIntervalMilliseconds: 10, receiveIntervalMilliseconds: 60000, detectMultiplier: 255,
   passive: true, minimumTTL: 250}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {name: f}
spec:
  importV6: [{action: Accept, matchOperator: NotIn, cidr: 'fd00::/8', prefixLength: {min: 48}}]
  exportV6: [{action: Reject, matchOperator: NotEqual, cidr: '::/0'}]
";

#[test]
fn next_hop_groups() {
    let groups = |spec: &str| {
        let text = format!(
            "apiVersion: rcni.io/v1alpha1\nkind: BGPConfiguration\nmetadata: {{name: default}}\n\
             spec:\n  asNumber: 65001\n  routerID: 10.0.1.11\n  {spec}\n"
        );
        let config = rcni_config::parse_speaker("all", &text);
        let config = config.unwrap_or_else(|errors| panic!("{errors}"));
        config.kernel.next_hop_groups
    };
    assert_eq!(
        groups("kernel: {nextHopGroups: Never}"),
        NextHopGroups::Never
    );
    assert_eq!(groups("kernel: {nextHopGroups: Auto}"), NextHopGroups::Auto);
    let resilient = |buckets| {
        NextHopGroups::Resilient(ResilientGroups {
            buckets,
            idle_secs: 120,
            unbalanced_secs: 0,
        })
    };
    let all = "kernel: {nextHopGroups: Resilient}";
    assert_eq!(groups(all), resilient(128));
    assert_eq!(
        groups(&format!("{all}\n  maximumPaths: 255")),
        resilient(255)
    );
    let few = "kernel: {nextHopGroups: Resilient, resilientGroups: {buckets: 8}}";
    assert_eq!(groups(few), resilient(8));
}

#[test]
fn every_field_can_be_set() {
    let config =
        rcni_config::parse_speaker("all", EVERY_FIELD).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(
        (config.listen_port, config.multipath.maximum_paths),
        (1179, 1)
    );
    assert_eq!(config.networks[1], cidr("fd00:10:244:1::/64"));
    let kernel = config.kernel;
    assert_eq!(
        (kernel.protocol, kernel.metric, kernel.default_route_metric),
        (200, 5, 6)
    );
    assert_eq!((kernel.table, kernel.install), (1000, false));
    assert_eq!(
        kernel.next_hop_groups,
        NextHopGroups::Resilient(ResilientGroups {
            buckets: 65535,
            idle_secs: 0,
            unbalanced_secs: 604_800
        })
    );
    assert_eq!(
        config.node_addresses,
        NodeAddresses {
            v4: Some("192.0.2.1".parse().unwrap()),
            v6: Some("fd00::11".parse().unwrap())
        }
    );
    let restart = config.graceful_restart;
    assert_eq!((restart.restart_secs, restart.stale_secs), (0, 65535));
    let own: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "fd00::2".parse().unwrap()];
    assert_eq!(config.bind_addresses, own);
    let peer = &config.peers[0];
    every_field_of_an_address(peer);
    let import = peer.filters[0].import_v6[0].matches.prefix.unwrap();
    assert_eq!(
        (import.operator, import.min_len, import.max_len),
        (Operator::NotIn, 48, 128)
    );
    let export = peer.filters[0].export_v6[0].matches.prefix.unwrap();
    assert_eq!(
        (export.operator, export.min_len, export.max_len),
        (Operator::NotEqual, 0, 0)
    );
    every_field_of_a_range(&config.peers[1]);
    let peer = &config.peers[2];
    assert_eq!(
        (peer.asn, peer.ttl),
        (RemoteAs::Internal, Ttl::Security(254))
    );
    assert!(peer.is_internal(config.asn));
}

fn every_field_of_an_address(peer: &PeerConfig) {
    let address = "fd00::1".parse().unwrap();
    assert_eq!(
        peer.remote,
        Remote::Address {
            address,
            port: 1179
        }
    );
    assert_eq!((peer.passive, peer.timers.hold_time.secs()), (true, 0));
    assert_eq!(peer.timers.send_hold_secs, 480);
    assert_eq!(peer.source_address, Some("fd00::2".parse().unwrap()));
    assert_eq!(peer.timers.connect_retry_secs, 65535);
    assert_eq!(peer.capabilities.families, [AddressFamily::Ipv6]);
    assert_eq!(peer.security, md5("a b"));
}

fn every_field_of_a_range(peer: &PeerConfig) {
    let remote = Remote::Range {
        network: cidr("10.0.1.0/24"),
        maximum_peers: 10_000,
    };
    assert_eq!(
        (peer.remote.clone(), peer.asn),
        (remote, RemoteAs::External)
    );
    assert_eq!(peer.local_asn.unwrap().get(), 65000);
    assert_eq!((peer.passive, peer.ttl), (true, Ttl::Multihop(255)));
    let timers = Timers {
        hold_time: HoldTime::new(9).unwrap(),
        keepalive_secs: Some(1),
        send_hold_secs: 18,
        connect_retry_secs: 5,
        bfd: Some(BfdProfile {
            transmit_ms: 10,
            receive_ms: 60_000,
            multiplier: 255,
            passive: true,
            minimum_ttl: 250,
        }),
    };
    assert_eq!(peer.timers, timers);
    let capabilities = Capabilities {
        families: AddressFamily::ALL.to_vec(),
        add_path: AddPath {
            receive: true,
            send: 32,
        },
        extended_messages: false,
        role: Some(Role::RsClient),
        role_strict: true,
    };
    assert_eq!(peer.capabilities, capabilities);
    assert!(!peer.routes.enforce_first_as);
    let key = |send_id, receive_id, algorithm, secret: &str| AoKey {
        send_id,
        receive_id,
        algorithm,
        secret: Password::new(secret).unwrap(),
    };
    let keys = vec![
        key(0, 255, AoAlgorithm::HmacSha1, "a"),
        key(1, 1, AoAlgorithm::Aes128Cmac, "b c"),
    ];
    assert_eq!(peer.security, Security::Ao(keys));
}

#[test]
fn profiles() {
    let timers = |fields: &str| {
        let text = format!(
            "apiVersion: rcni.io/v1alpha1\nkind: BGPConfiguration\nmetadata: {{name: a}}\n\
             spec: {{asNumber: 1, routerID: 1.1.1.1}}\n---\n\
             apiVersion: rcni.io/v1alpha1\nkind: BGPPeer\nmetadata: {{name: a}}\n\
             spec: {{peerIP: 10.0.1.1, asNumber: 2{fields}}}\n"
        );
        let config = rcni_config::parse_speaker("all", &text).unwrap();
        let timers = config.peers[0].timers;
        let hold = timers.hold_time.secs();
        (hold, timers.keepalive_secs, timers.send_hold_secs)
    };
    assert_eq!(timers(""), (90, None, 480));
    assert_eq!(timers(", profile: default"), (90, None, 480));
    assert_eq!(timers(", holdTimeSeconds: 300"), (300, None, 600));
    assert_eq!(timers(", profile: dc"), (9, Some(3), 18));
    // What is written wins.
    assert_eq!(
        timers(", profile: dc, holdTimeSeconds: 30"),
        (30, Some(3), 60)
    );
    assert_eq!(timers(", profile: dc, holdTimeSeconds: 4"), (4, Some(1), 8));
    assert_eq!(timers(", profile: dc, holdTimeSeconds: 0"), (0, None, 480));
    assert_eq!(
        timers(", profile: dc, keepaliveSeconds: 2"),
        (9, Some(2), 18)
    );
    assert_eq!(timers(", keepaliveSeconds: 30"), (90, Some(30), 480));
}

#[test]
fn both_families_over_one_signed_session() {
    let config = speaker("dual-stack/node1-bgp.yaml");
    assert_eq!(
        config.networks,
        [cidr("10.244.1.0/24"), cidr("fd00:10:244:1::/64")]
    );
    let [peer] = config.peers.as_slice() else {
        panic!("{:?}", config.peers)
    };
    assert!(peer.address().unwrap().is_ipv4());
    assert_eq!(peer.capabilities.families, AddressFamily::ALL);
    assert_eq!(peer.security, md5("change-me"));
    let filter = &peer.filters[0];
    assert_eq!((filter.import_v4.len(), filter.import_v6.len()), (2, 2));
    // As it comes with the sources, everybody can read it.
    let path = samples().join("dual-stack/node1-bgp.yaml");
    assert!(rcni_config::readable_passwords(&path, &config).is_some());

    let config = felix("dual-stack/node1-felix.yaml");
    assert_eq!(config.pod_cidrs.len(), 2);
    assert!(config.masquerade && !config.masquerade_ipv6);
}

#[test]
fn dynamic_neighbours() {
    let config = speaker("dynamic-neighbours/tor-bgp.yaml");
    let nodes = peer(&config, "nodes");
    let remote = Remote::Range {
        network: cidr("10.0.1.0/24"),
        maximum_peers: 48,
    };
    assert_eq!(
        (nodes.remote.clone(), nodes.asn),
        (remote, RemoteAs::External)
    );
    assert_eq!(nodes.security, md5("change-me"));
    // One of the range with a peer of its own: with another key, which the kernel prefers.
    let storage = peer(&config, "storage");
    let network = |peer: &PeerConfig| peer.remote.network().unwrap();
    assert!(network(nodes).contains(&network(storage)));
    assert_eq!(storage.security, md5("change-me-too"));
    let spine = peer(&config, "spine");
    assert_eq!(spine.ttl, Ttl::Security(1));
    let Security::Ao(keys) = &spine.security else {
        panic!("{spine:?}")
    };
    assert_eq!((keys[0].send_id, keys[1].send_id), (2, 1));
    // Filters are no different for a range.
    assert_eq!(nodes.filters[0].export_v4.len(), 2);

    let config = speaker("dynamic-neighbours/node1-bgp.yaml");
    let tor = &config.peers[0];
    assert_eq!(tor.security, nodes.security);
    assert_eq!(tor.timers, nodes.timers);
    assert_eq!(tor.timers.hold_time.secs(), 9);
}

#[test]
fn ipv6_alone() {
    let config = speaker("ipv6-only/node1-bgp.yaml");
    assert!(config.networks.iter().all(|network| !network.is_ipv4()));
    let peer = &config.peers[0];
    assert!(peer.address().unwrap().is_ipv6());
    assert_eq!(peer.capabilities.families, [AddressFamily::Ipv6]);
    assert!(peer.filters[0].import_v4.is_empty());

    let config = felix("ipv6-only/node1-felix.yaml");
    let lists = [&config.pod_cidrs, &config.cluster_cidrs, &config.node_cidrs];
    assert!(lists.into_iter().flatten().all(|range| !range.is_ipv4()));
    assert!(config.masquerade_ipv6);
}

#[test]
fn route_reflectors() {
    let config = speaker("route-reflectors/rr1-bgp.yaml");
    assert_eq!(config.cluster_id, config.router_id);
    assert!(!config.kernel.install);
    let nodes = peer(&config, "nodes");
    assert!(nodes.routes.reflector_client && nodes.is_internal(config.asn));
    assert!(!peer(&config, "rr2").routes.reflector_client);
    let node = speaker("route-reflectors/node1-bgp.yaml");
    let both = node.peers.iter().all(|peer| peer.is_internal(node.asn));
    assert!(both && node.asn == config.asn);
}

#[test]
fn rules_that_change_routes() {
    let config = speaker("policy/node1-bgp.yaml");
    let [spare, fabric] = peer(&config, "tor-b").filters.as_slice() else {
        panic!("{:?}", config.peers)
    };
    assert_eq!(
        (spare.name.as_str(), fabric.name.as_str()),
        ("spare", "fabric")
    );
    let regex = fabric.import_v4[1].matches.as_path.regex.as_ref().unwrap();
    assert!(regex.is_match("65100 65013") && !regex.is_match("65100 165013"));
    let Action::Accept(set) = &spare.export_v4[0].action else {
        panic!("{spare:?}")
    };
    assert_eq!((set.med, set.prepend.unwrap().count), (Some(100), 2));
    assert_eq!(set.communities.remove, [CommunityPattern::All]);
}

#[test]
fn limits() {
    let config = speaker("maximum-prefixes/tor-bgp.yaml");
    let limits = |name: &str| peer(&config, name).routes.maximum_prefixes.unwrap();
    assert_eq!(limits("nodes").action, LimitAction::Restart(300));
    assert_eq!(limits("storage").action, LimitAction::Shutdown);
    assert_eq!(limits("spine").ipv6.unwrap().get(), 250_000);
}

#[test]
fn one_as_for_all_nodes() {
    let config = speaker("one-as/node1-bgp.yaml");
    assert_eq!(config.peers[0].routes.allowed_own_as, 1);
    let config = speaker("one-as/tor-bgp.yaml");
    assert!(peer(&config, "nodes").routes.as_override);
    let provider = peer(&config, "provider").routes;
    assert_eq!(provider.remove_private_as, Some(RemovePrivateAs::Remove));
    let pods = &config.filters["pods"];
    assert_eq!(pods.import_v4, pods.export_v4);
}

#[test]
fn bfd() {
    let config = speaker("bfd/node1-bgp.yaml");
    let fast = BfdProfile {
        transmit_ms: 100,
        receive_ms: 100,
        ..BfdProfile::default()
    };
    assert_eq!(peer(&config, "tor-a").timers.bfd, Some(fast));
    let default = Some(BfdProfile::default());
    assert_eq!(peer(&config, "tor-b").timers.bfd, default);
    assert_eq!(
        peer(&speaker("dual-tor/node1-bgp.yaml"), "tor-a")
            .timers
            .bfd,
        None
    );
}
