//! Every file under samples/ is accepted, and the two-node ones mean what their comments say.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may fail a test"
)]

use std::path::{Path, PathBuf};

use rcni_config::{
    Action, AddressFamily, Cidr, FelixConfig, HoldTime, IptablesBackend, Operator, Password,
    PrefixMatch, Rule, SpeakerConfig, load_felix, load_speaker,
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
    assert!(seen >= 9, "only {seen} samples found");
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
        assert_eq!(peer.address.to_string(), tor);
        assert_eq!(peer.asn.get(), 65000);
        let [filter] = peer.filters.as_slice() else {
            panic!("{:?}", peer.filters)
        };
        let matching = |operator, cidr, min_len, max_len| Rule {
            action: Action::Accept,
            matches: Some(PrefixMatch {
                operator,
                cidr,
                min_len,
                max_len,
            }),
        };
        assert_eq!(
            filter.import_v4,
            [
                matching(Operator::In, cidr("10.244.0.0/16"), 24, 28),
                matching(Operator::Equal, cidr("0.0.0.0/0"), 0, 0),
                Rule {
                    action: Action::Reject,
                    matches: None
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
    assert_eq!(config.maximum_paths, 8);
    let restart = config.graceful_restart;
    assert_eq!((restart.restart_secs, restart.stale_secs), (120, 300));
    let kernel = config.kernel;
    assert_eq!(
        (kernel.protocol, kernel.metric, kernel.table),
        (77, 77, 254)
    );
    assert_eq!((kernel.default_route_metric, kernel.install), (20077, true));
    let peer = &config.peers[0];
    assert_eq!(
        (peer.port, peer.passive, peer.source_address),
        (179, false, None)
    );
    assert_eq!(
        (peer.hold_time, peer.connect_retry_secs),
        (HoldTime::DEFAULT, 5)
    );
    assert_eq!(
        (peer.families.as_slice(), &peer.password),
        (&AddressFamily::ALL[..], &None)
    );
}

#[test]
fn the_tor() {
    let config = speaker("two-node/tor-bgp.yaml");
    assert_eq!(config.networks, [cidr("0.0.0.0/0")]);
    let names: Vec<&str> = config.peers.iter().map(|peer| peer.name.as_str()).collect();
    assert_eq!(names, ["node1", "node2"]);
    assert!(config.peers.iter().all(|peer| peer.passive));
    // In without a range: from the prefix's own length to the longest.
    let matches = config.filters["nodes"].export_v4[0].matches.unwrap();
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
    assert_eq!((config.refresh_secs, config.protocol), (30, 77));
    assert_eq!(config.cni.conf_dir, Path::new("/etc/cni/net.d"));
    assert_eq!(config.cni.conf_name, "10-rcni.conflist");
    assert_eq!(config.cni.network_name, "rcni");
    assert_eq!(config.cni.mtu, None);
    assert_eq!(config.cni.data_dir, Path::new("/var/lib/cni/networks"));
}

#[test]
fn every_field_can_be_set() {
    let text = "
apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {name: default}
spec:
  asNumber: 4294967295
  routerID: 192.0.2.1
  listenPort: 1179
  networks: [{cidr: 10.244.1.0/24}, {cidr: 'fd00:10:244:1::/64'}]
  maximumPaths: 1
  gracefulRestart: {restartTimeSeconds: 0, stalePathTimeSeconds: 65535}
  kernel: {protocol: 200, metric: 5, defaultRouteMetric: 6, table: 1000, install: false}
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
kind: BGPFilter
metadata: {name: f}
spec:
  importV6: [{action: Accept, matchOperator: NotIn, cidr: 'fd00::/8', prefixLength: {min: 48}}]
  exportV6: [{action: Reject, matchOperator: NotEqual, cidr: '::/0'}]
";
    let config =
        rcni_config::parse_speaker("all", text).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!((config.listen_port, config.maximum_paths), (1179, 1));
    assert_eq!(config.networks[1], cidr("fd00:10:244:1::/64"));
    let kernel = config.kernel;
    assert_eq!(
        (kernel.protocol, kernel.metric, kernel.default_route_metric),
        (200, 5, 6)
    );
    assert_eq!((kernel.table, kernel.install), (1000, false));
    let restart = config.graceful_restart;
    assert_eq!((restart.restart_secs, restart.stale_secs), (0, 65535));
    let peer = &config.peers[0];
    assert_eq!(
        (peer.port, peer.passive, peer.hold_time.secs()),
        (1179, true, 0)
    );
    assert_eq!(peer.source_address.unwrap().to_string(), "fd00::2");
    assert_eq!(peer.connect_retry_secs, 65535);
    assert_eq!(peer.families, [AddressFamily::Ipv6]);
    assert_eq!(peer.password, Password::new("a b").ok());
    let import = peer.filters[0].import_v6[0].matches.unwrap();
    assert_eq!(
        (import.operator, import.min_len, import.max_len),
        (Operator::NotIn, 48, 128)
    );
    let export = peer.filters[0].export_v6[0].matches.unwrap();
    assert_eq!(
        (export.operator, export.min_len, export.max_len),
        (Operator::NotEqual, 0, 0)
    );
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
    assert!(peer.address.is_ipv4());
    assert_eq!(peer.families, AddressFamily::ALL);
    assert_eq!(peer.password, Password::new("change-me").ok());
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
fn ipv6_alone() {
    let config = speaker("ipv6-only/node1-bgp.yaml");
    assert!(config.networks.iter().all(|network| !network.is_ipv4()));
    let peer = &config.peers[0];
    assert!(peer.address.is_ipv6());
    assert_eq!(peer.families, [AddressFamily::Ipv6]);
    assert!(peer.filters[0].import_v4.is_empty());

    let config = felix("ipv6-only/node1-felix.yaml");
    let lists = [&config.pod_cidrs, &config.cluster_cidrs, &config.node_cidrs];
    assert!(lists.into_iter().flatten().all(|range| !range.is_ipv4()));
    assert!(config.masquerade_ipv6);
}
