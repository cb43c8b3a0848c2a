//! Route reflection (RFC 4456): two redundant reflectors with fifty clients, reflectors in rows.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::net::Net;
use super::{ip, peer, prefix, speaker, transit};
use crate::fsm::State;
use crate::policy::Policy;
use crate::rib::{PathStatus, Unusable};
use crate::speaker::{
    AddPath, Input, Knobs, NextHopMode, Offer, Order, PeerConfig, PeerId, Remote, RouteStatus,
    SpeakerConfig, StopMode,
};
use crate::wire::Prefix;

const AS: u32 = 65000;
const CLIENTS: usize = 50;

fn client_of(config: PeerConfig) -> PeerConfig {
    PeerConfig {
        knobs: Knobs {
            client: true,
            ..Knobs::default()
        },
        ..config
    }
}

/// The graph, and the network that must agree with it. Nodes 0 and 1 are the reflectors, each has the
/// clients as a range; they are ordinary peers of each other.
struct Cluster {
    net: Net,
    same_cluster: bool,
    up: BTreeSet<(usize, usize)>,
    between: bool,
    running: [bool; 2],
    announces: BTreeSet<usize>,
}

fn network(client: usize) -> Prefix {
    prefix(&format!("10.244.{client}.0/24"))
}

/// Of a client towards a reflector.
fn address(client: usize, reflector: usize) -> String {
    format!("10.{}.0.{}", reflector + 1, client + 11)
}

impl Cluster {
    fn new(seed: u64, same_cluster: bool) -> Self {
        let mut net = Net::new();
        net.jitter = Some(SmallRng::seed_from_u64(seed));
        for reflector in 0..2_u8 {
            let mut config = speaker(AS, 100 + reflector, &[]);
            if same_cluster {
                config.cluster_id = [10, 255, 1, 1].into();
            }
            let network = prefix(&format!("10.{}.0.0/16", reflector + 1));
            let clients = PeerConfig {
                name: "clients".to_owned(),
                remote: Remote::Range {
                    network,
                    limit: 100,
                },
                passive: true,
                import: Policy::default(),
                ..client_of(peer("0.0.0.0", AS))
            };
            let other = peer(&format!("10.9.0.{}", 2 - reflector), AS);
            config.peers = vec![clients, other];
            net.add(config);
        }
        net.link((0, "10.9.0.1"), (1, "10.9.0.2"));
        for client in 0..CLIENTS {
            let id = u8::try_from(client).unwrap() + 1;
            let mut config = speaker(AS, id, &[&network(client).to_string()]);
            config.peers = vec![peer("10.1.0.1", AS), peer("10.2.0.1", AS)];
            let node = net.add(config);
            for reflector in 0..2 {
                let server = format!("10.{}.0.1", reflector + 1);
                net.link((node, &address(client, reflector)), (reflector, &server));
            }
        }
        net.start_all();
        let all = (0..CLIENTS).flat_map(|client| [(client, 0), (client, 1)]);
        Self {
            net,
            same_cluster,
            up: all.collect(),
            between: true,
            running: [true; 2],
            announces: (0..CLIENTS).collect(),
        }
    }

    fn order(&mut self, node: usize, peer: u32, up: bool) {
        let order = match up {
            true => Order::Start,
            false => Order::Shutdown(String::new()),
        };
        let peer = PeerId(peer);
        self.net.input(node, Input::Order { peer, order });
    }

    fn act(&mut self, rng: &mut SmallRng) {
        let client = rng.random_range(0..CLIENTS);
        let reflector = rng.random_range(0..2);
        match rng.random_range(0..10) {
            0 => {
                self.between = !self.between;
                self.order(0, 1, self.between);
            }
            1 => {
                let runs = !self.running[reflector];
                self.running[reflector] = runs;
                let input = match runs {
                    true => Input::Start,
                    false => Input::Stop(StopMode::Shutdown(String::new())),
                };
                self.net.input(reflector, input);
            }
            2..6 => {
                let up = !self.up.remove(&(client, reflector));
                if up {
                    self.up.insert((client, reflector));
                }
                self.order(client + 2, u32::try_from(reflector).unwrap(), up);
            }
            _ => {
                let announces = !self.announces.remove(&client);
                let mut networks = vec![];
                if announces {
                    self.announces.insert(client);
                    networks.push(network(client));
                }
                let change = |config: &mut SpeakerConfig| config.networks = networks;
                self.net.reconfigure(client + 2, change);
            }
        }
    }

    fn has_session(&self, client: usize, reflector: usize) -> bool {
        self.running[reflector] && self.up.contains(&(client, reflector))
    }

    /// The other reflector's client, if this one takes it.
    fn across(&self, client: usize, reflector: usize) -> Option<String> {
        let other = 1 - reflector;
        let between = self.between && self.running == [true; 2] && !self.same_cluster;
        (between && self.has_session(client, other)).then(|| address(client, other))
    }

    fn expected(&self, node: usize) -> BTreeMap<Prefix, BTreeSet<String>> {
        let mut fib = BTreeMap::new();
        for &client in self.announces.iter().filter(|client| **client + 2 != node) {
            let mut hops = BTreeSet::new();
            for reflector in 0..2 {
                let direct = self.has_session(client, reflector);
                let direct = direct.then(|| address(client, reflector));
                let across = self.across(client, reflector);
                if node == reflector {
                    hops.extend(direct.into_iter().chain(across));
                } else if node > 1 && self.has_session(node - 2, reflector) {
                    // What has been reflected once more is longer.
                    hops.extend(direct.or(across));
                }
            }
            if !hops.is_empty() {
                fib.insert(network(client), hops);
            }
        }
        fib
    }

    fn check(&self, when: &str) {
        for node in 0..CLIENTS + 2 {
            if node < 2 && !self.running[node] {
                continue;
            }
            let fib = self.net.nodes[node].fib.iter();
            let fib = fib.map(|(prefix, hops)| {
                let hops = hops.iter().map(ToString::to_string);
                (*prefix, hops.collect())
            });
            let fib: BTreeMap<Prefix, BTreeSet<String>> = fib.collect();
            assert_eq!(fib, self.expected(node), "{when}, node {node}");
            self.check_paths(node, when);
        }
    }

    /// What is reflected says by whom; who is in it already does not use it.
    fn check_paths(&self, node: usize, when: &str) {
        let own = self.net.nodes[node].config();
        let paths = self.net.speaker(node).routes();
        for path in paths.filter(|path| path.peer.is_some()) {
            let clusters = path.attributes.cluster_list();
            let once: BTreeSet<_> = clusters.iter().collect();
            assert_eq!(once.len(), clusters.len(), "{when}: {path:?}");
            let originator = path.attributes.originator_id();
            assert_eq!(originator.is_some(), !clusters.is_empty());
            assert!(node < 2 || !clusters.is_empty(), "{when}: {path:?}");
            assert_ne!(originator, Some(own.router_id), "nobody is told his own");
            let looped = clusters.contains(&own.cluster_id);
            let refused = path.status == PathStatus::Unusable(Unusable::ClusterList);
            assert_eq!(looped, refused, "{when}: {path:?}");
            assert!(!looped || self.same_cluster, "{when}: {path:?}");
        }
    }

    fn sent(&self) -> usize {
        self.net.nodes.iter().map(|node| node.sent).sum()
    }
}

fn churn(seed: u64, same_cluster: bool) {
    println!("seed {seed}");
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut cluster = Cluster::new(seed, same_cluster);
    cluster.net.run_secs(30);
    cluster.check("in the beginning");
    for round in 0..12 {
        for _ in 0..rng.random_range(1..8) {
            cluster.act(&mut rng);
            cluster.net.run_secs(rng.random_range(0..3));
        }
        // Whoever was refused dials again within a minute.
        cluster.net.run_secs(80);
        cluster.check(&format!("round {round}"));
        // Nothing goes round and round.
        let before = cluster.sent();
        cluster.net.run_secs(30);
        let sessions = 4 * CLIENTS + 2;
        let keepalives = 2 * sessions * 19;
        assert!(cluster.sent() - before <= keepalives, "round {round}");
    }
}

#[test]
fn two_reflectors_agree_with_the_graph_after_everything() {
    churn(7, false);
}

#[test]
fn two_reflectors_of_one_cluster_take_nothing_from_each_other() {
    churn(8, true);
}

fn learned(net: &Net, node: usize, text: &str) -> Vec<RouteStatus> {
    let routes = net.speaker(node).routes();
    let routes = routes.filter(|route| route.prefix == prefix(text));
    routes.filter(|route| route.peer.is_some()).collect()
}

/// leaf - reflector - top reflector - reflector - leaf: each a client of the next one inwards.
fn row() -> Net {
    let mut net = Net::new();
    let mut first = speaker(AS, 1, &["10.244.1.0/24"]);
    first.peers = vec![peer("10.1.0.1", AS)];
    let mut left = speaker(AS, 2, &[]);
    left.peers = vec![client_of(peer("10.1.0.2", AS)), peer("10.2.0.1", AS)];
    let mut top = speaker(AS, 3, &[]);
    top.peers = ["10.2.0.2", "10.3.0.2"]
        .map(|address| client_of(peer(address, AS)))
        .to_vec();
    let mut right = speaker(AS, 4, &[]);
    right.peers = vec![peer("10.3.0.1", AS), client_of(peer("10.4.0.2", AS))];
    let mut last = speaker(AS, 5, &["10.244.5.0/24"]);
    last.peers = vec![peer("10.4.0.1", AS)];
    for config in [first, left, top, right, last] {
        net.add(config);
    }
    net.link((0, "10.1.0.2"), (1, "10.1.0.1"));
    net.link((1, "10.2.0.2"), (2, "10.2.0.1"));
    net.link((3, "10.3.0.2"), (2, "10.3.0.1"));
    net.link((4, "10.4.0.2"), (3, "10.4.0.1"));
    net.start_all();
    net.run_secs(30);
    net
}

#[test]
fn each_reflector_on_the_way_puts_its_cluster_in_front() {
    let net = row();
    let path = &learned(&net, 4, "10.244.1.0/24")[0];
    assert_eq!(
        path.attributes.originator_id(),
        Some([10, 255, 0, 1].into())
    );
    let clusters = path.attributes.cluster_list().iter();
    let clusters: Vec<String> = clusters.map(ToString::to_string).collect();
    assert_eq!(clusters, ["10.255.0.4", "10.255.0.3", "10.255.0.2"]);
    assert_eq!(path.attributes.local_pref, Some(100));
    // The next hop is that of the beginning: within the AS it stays.
    assert_eq!(net.fib(4), ["10.244.1.0/24 via 10.1.0.2"]);
    assert_eq!(net.fib(0), ["10.244.5.0/24 via 10.4.0.2"]);
    let clients = net.status(1).peers;
    let clients: Vec<bool> = clients.iter().map(|peer| peer.kind.client).collect();
    assert_eq!(clients, [true, false]);
}

/// Who is a client, and which next hop is told, may change in a running session.
#[test]
fn clients_come_and_go_without_a_reset() {
    let mut net = row();
    let set = |net: &mut Net, client: bool| {
        net.reconfigure(2, |config| {
            for peer in &mut config.peers {
                peer.knobs.client = client;
            }
        });
        net.run_secs(5);
    };
    set(&mut net, false);
    assert_eq!(net.fib(4), [""; 0], "no reflector any more");
    assert_eq!(net.fib(0), [""; 0]);
    set(&mut net, true);
    assert_eq!(net.fib(4), ["10.244.1.0/24 via 10.1.0.2"]);
    let path = &learned(&net, 4, "10.244.1.0/24")[0];
    assert_eq!(
        path.attributes.originator_id(),
        Some([10, 255, 0, 1].into())
    );
    net.reconfigure(2, |config| {
        config.cluster_id = [9, 9, 9, 9].into();
        config.peers[1].knobs.next_hop = NextHopMode::Own;
    });
    net.run_secs(5);
    assert_eq!(net.fib(4), ["10.244.1.0/24 via 10.3.0.1"]);
    let path = &learned(&net, 4, "10.244.1.0/24")[0];
    let clusters = path.attributes.cluster_list();
    assert!(clusters.contains(&[9, 9, 9, 9].into()), "{clusters:?}");
    let peers = net.status(2).peers;
    assert!(peers.iter().all(|peer| peer.established_count == 1));
    assert!(peers.iter().all(|peer| peer.state == State::Established));
}

/// Without rules: clients hear of all, others of clients only, external peers of nothing.
#[test]
fn a_reflector_needs_no_rules() {
    let mut net = Net::new();
    let mut server = speaker(AS, 1, &[]);
    server.peers = vec![
        client_of(peer("10.1.0.2", AS)),
        client_of(peer("10.2.0.2", AS)),
        peer("10.3.0.2", AS),
        peer("10.4.0.2", 65001),
    ];
    net.add(server);
    let networks = [
        "10.244.1.0/24",
        "10.244.2.0/24",
        "10.244.3.0/24",
        "10.244.4.0/24",
    ];
    for (number, (network, asn)) in (1..).zip(networks.iter().zip([AS, AS, AS, 65001])) {
        let mut config = speaker(asn, 10 + number, &[network]);
        config.peers = vec![transit(&format!("10.{number}.0.1"), AS)];
        let node = net.add(config);
        let (here, there) = (format!("10.{number}.0.2"), format!("10.{number}.0.1"));
        net.link((node, &here), (0, &there));
    }
    net.start_all();
    net.run_secs(30);
    let has = |node: usize| -> Vec<String> {
        let fib = net.nodes[node].fib.keys();
        fib.map(|prefix| prefix.ip().to_string()).collect()
    };
    assert_eq!(has(1), ["10.244.2.0", "10.244.3.0", "10.244.4.0"]);
    assert_eq!(has(2), ["10.244.1.0", "10.244.3.0", "10.244.4.0"]);
    assert_eq!(has(3), ["10.244.1.0", "10.244.2.0"]);
    assert_eq!(has(4), [""; 0]);
    // What came from outside is told as it came, and is not reflected.
    let path = &learned(&net, 1, "10.244.4.0/24")[0].attributes;
    assert_eq!((path.originator_id(), path.cluster_list().len()), (None, 0));
    assert_eq!(path.next_hop.unwrap().address(), ip("10.4.0.2"));
}

/// Two clients tell the same path of one prefix: whose it is can be seen by ORIGINATOR_ID, also
/// when only that changes.
#[test]
fn equal_paths_of_two_clients_are_told_apart() {
    let mut net = Net::new();
    let mut server = speaker(AS, 1, &[]);
    server.peers = (2..6)
        .map(|n| client_of(peer(&format!("10.{n}.0.2"), AS)))
        .collect();
    net.add(server);
    for number in 2..6_u8 {
        let mut config = speaker(AS, number, &[]);
        config.peers = vec![transit(&format!("10.{number}.0.1"), AS)];
        // Both have it from the same router outside.
        if number < 4 {
            config
                .peers
                .push(transit(&format!("10.9.{number}.1"), 65001));
        }
        let node = net.add(config);
        let (here, there) = (format!("10.{number}.0.2"), format!("10.{number}.0.1"));
        net.link((node, &here), (0, &there));
    }
    let mut outside = speaker(65001, 9, &["198.51.100.0/24"]);
    for number in 2..4 {
        outside.peers.push(transit(&format!("10.9.{number}.2"), AS));
    }
    let outside = net.add(outside);
    for number in 2..4 {
        let (here, there) = (format!("10.9.{number}.2"), format!("10.9.{number}.1"));
        net.link((number - 1, &here), (outside, &there));
    }
    net.start_all();
    net.run_secs(30);
    let originator = |net: &Net| {
        let path = learned(net, 4, "198.51.100.0/24");
        path.iter()
            .map(|path| path.attributes.originator_id())
            .collect::<Vec<_>>()
    };
    assert_eq!(originator(&net), [Some([10, 255, 0, 2].into())]);
    let (peer, order) = (PeerId(1), Order::Shutdown(String::new()));
    net.input(1, Input::Order { peer, order });
    net.run_secs(5);
    assert_eq!(originator(&net), [Some([10, 255, 0, 3].into())]);
}

/// Two clients announce one prefix: who takes several paths is told both, each with whose it is, and
/// of its own none.
#[test]
fn several_paths_are_reflected_each_with_its_originator() {
    let mut net = Net::new();
    let mut server = speaker(AS, 1, &[]);
    let offer = |receive, send| Offer {
        add_path: AddPath { receive, send },
        ..Offer::default()
    };
    server.peers = (2..5)
        .map(|n| PeerConfig {
            offer: offer(true, 4),
            ..client_of(peer(&format!("10.{n}.0.2"), AS))
        })
        .collect();
    net.add(server);
    for number in 2..5_u8 {
        let shared: &[&str] = if number < 4 { &["10.250.0.10/32"] } else { &[] };
        let mut config = speaker(AS, number, shared);
        config.peers = vec![PeerConfig {
            offer: offer(true, 0),
            ..peer(&format!("10.{number}.0.1"), AS)
        }];
        let node = net.add(config);
        let (here, there) = (format!("10.{number}.0.2"), format!("10.{number}.0.1"));
        net.link((node, &here), (0, &there));
    }
    net.start_all();
    net.run_secs(30);
    let originators = |net: &Net, node: usize| {
        let mut paths: Vec<_> = learned(net, node, "10.250.0.10/32")
            .iter()
            .map(|path| {
                let attributes = &path.attributes;
                assert_eq!(
                    attributes.cluster_list(),
                    [std::net::Ipv4Addr::new(10, 255, 0, 1)]
                );
                (
                    path.path_id,
                    attributes.originator_id().unwrap().octets()[3],
                )
            })
            .collect();
        paths.sort_unstable_by_key(|(_, originator)| *originator);
        paths
    };
    let [(one, 2), (two, 3)] = originators(&net, 3)[..] else {
        panic!("{:?}", originators(&net, 3));
    };
    assert_ne!(one, two);
    let fib = ["10.250.0.10/32 via 10.2.0.2 10.3.0.2"];
    assert_eq!(net.fib(3), fib);
    // Each of the two has the other's, and uses its own.
    assert!(matches!(originators(&net, 1)[..], [(_, 3)]));
    assert!(matches!(originators(&net, 2)[..], [(_, 2)]));
    assert_eq!(net.fib(1), [""; 0]);
    // One goes: the other path stays as it was.
    net.reconfigure(1, |config| config.networks.clear());
    net.run_secs(5);
    assert_eq!(originators(&net, 3), [(two, 3)]);
    assert_eq!(net.fib(3), ["10.250.0.10/32 via 10.3.0.2"]);
}
