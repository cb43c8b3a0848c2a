//! Networks to be played with, and the oracle: what shortest paths in the graph say must be in
//! every FIB.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::world::{World, end_of, v4};
use crate::iana::Family;
use crate::policy::Policy;
use crate::speaker::{GracefulRestartConfig, PeerConfig, SpeakerConfig};
use crate::wire::Prefix;

/// A world whose nodes have roles.
pub(super) struct Fabric {
    pub(super) world: World,
    /// Who passes on what it learns.
    pub(super) transit: Vec<bool>,
    /// Links by node.
    links: Vec<Vec<usize>>,
    seed: u64,
}

/// What one network is called: of IPv4, or of IPv6 for odd nodes.
pub(super) fn network(node: usize) -> Prefix {
    let number = u32::try_from(node).unwrap();
    if node.is_multiple_of(2) {
        let address = Ipv4Addr::from(0xac10_0000 + (number << 4));
        format!("{address}/28").parse().unwrap()
    } else {
        format!("2001:db8:{number:x}::/48").parse().unwrap()
    }
}

impl Fabric {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            world: World::new(seed),
            transit: vec![],
            links: vec![],
            seed,
        }
    }

    /// A speaker with an AS of its own unless `asn` says which.
    pub(super) fn node(&mut self, transit: bool, asn: Option<u32>) -> usize {
        let number = u32::try_from(self.world.nodes.len()).unwrap();
        self.transit.push(transit);
        self.links.push(vec![]);
        self.world.add(SpeakerConfig {
            asn: asn.unwrap_or(4_200_000_000 + number),
            router_id: Ipv4Addr::from(0x0b00_0001 + number),
            cluster_id: Ipv4Addr::from(0x0b00_0001 + number),
            networks: vec![],
            maximum_paths: 64,
            multipath_relax: true,
            graceful_restart: GracefulRestartConfig::default(),
            restarting: false,
            peers: vec![],
            seed: self.seed ^ u64::from(number) << 20,
        })
    }

    /// A session between two nodes; the second dials.
    pub(super) fn link(&mut self, a: usize, b: usize) {
        let number = self.world.links.len();
        self.world.links.push(super::world::Link {
            ends: [a, b],
            cut: false,
        });
        for (side, (here, there)) in [(a, b), (b, a)].into_iter().enumerate() {
            self.links[here].push(number);
            let peer = PeerConfig {
                name: format!("node-{there}"),
                passive: side == 0,
                families: vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST],
                export: if self.transit[here] {
                    Policy::accept_all()
                } else {
                    Policy::default()
                },
                ..super::super::peer(
                    &v4(number, 1 - side).to_string(),
                    self.world.nodes[there].config.asn,
                )
            };
            self.world.nodes[here].config.peers.push(peer);
        }
    }

    /// The node originates its network from its next start on, or not.
    pub(super) fn originate(&mut self, node: usize, yes: bool) {
        let networks = &mut self.world.nodes[node].config.networks;
        *networks = if yes { vec![network(node)] } else { vec![] };
    }

    pub(super) fn originators(&self) -> Vec<usize> {
        let nodes = self.world.nodes.iter().enumerate();
        let of = |node: &super::world::Node| !node.config.networks.is_empty();
        nodes
            .filter(|(_, node)| of(node))
            .map(|(number, _)| number)
            .collect()
    }

    fn neighbours(&self, node: usize) -> impl Iterator<Item = (usize, usize)> + '_ {
        self.links[node].iter().filter_map(move |number| {
            let link = &self.world.links[*number];
            let side = usize::from(link.ends[0] == node);
            let other = link.ends[side];
            let works = !link.cut && self.world.nodes[other].speaker.is_some();
            works.then_some((*number, other))
        })
    }

    /// Hops from the origin to everybody who hears of it.
    fn distances(&self, origin: usize) -> Vec<Option<usize>> {
        let mut distances = vec![None; self.world.nodes.len()];
        distances[origin] = Some(0);
        let mut front = vec![origin];
        let mut distance = 0;
        while !front.is_empty() {
            distance += 1;
            let mut next = vec![];
            for node in front {
                if node != origin && !self.transit[node] {
                    continue;
                }
                for (_, other) in self.neighbours(node) {
                    if distances[other].is_none() {
                        distances[other] = Some(distance);
                        next.push(other);
                    }
                }
            }
            front = next;
        }
        distances
    }

    /// Every FIB of a running node has exactly the shortest paths to all that is originated, over
    /// all neighbours that are as near.
    pub(super) fn check(&self, when: &str) {
        let seed = self.seed;
        let delivered = self.world.delivered;
        println!(
            "{when}: {delivered} events until {:?}",
            self.world.elapsed()
        );
        let mut expected = vec![0; self.world.nodes.len()];
        for origin in self.originators() {
            if self.world.nodes[origin].speaker.is_none() {
                continue;
            }
            let distances = self.distances(origin);
            for (number, node) in self.world.nodes.iter().enumerate() {
                if number == origin || node.speaker.is_none() {
                    continue;
                }
                let prefix = network(origin);
                let hops = node.fib.get(&prefix).map(Vec::as_slice).unwrap_or_default();
                let hops: BTreeSet<usize> = hops.iter().map(|hop| end_of(hop.address).0).collect();
                let nearer = distances[number].map(|distance| distance - 1);
                let wanted: BTreeSet<usize> = self
                    .neighbours(number)
                    .filter(|(_, other)| nearer.is_some() && distances[*other] == nearer)
                    .filter(|(_, other)| *other == origin || self.transit[*other])
                    .map(|(link, _)| link)
                    .collect();
                assert_eq!(
                    hops, wanted,
                    "seed {seed}, {when}: node {number} to {origin}"
                );
                expected[number] += usize::from(!wanted.is_empty());
            }
        }
        for (number, node) in self.world.nodes.iter().enumerate() {
            let Some(speaker) = &node.speaker else {
                continue;
            };
            let left = node.fib.len();
            assert_eq!(
                left, expected[number],
                "seed {seed}, {when}: FIB of {number}"
            );
            self.check_memory(number, speaker, when);
        }
    }

    /// Nothing is held for connections that are gone, nor waits.
    fn check_memory(&self, number: usize, speaker: &crate::speaker::Speaker, when: &str) {
        let seed = self.seed;
        let up = speaker
            .neighbors
            .iter()
            .filter(|neighbor| neighbor.up.is_some());
        let up = up.count();
        assert!(speaker.outputs.is_empty() && !speaker.has_work());
        let wanted = self.neighbours(number).count();
        assert_eq!(up, wanted, "seed {seed}, {when}: sessions of {number}");
        // Beside them only dials: to who is not there.
        let dials = self.links[number].len() - wanted;
        let links = speaker.links.len();
        assert!(
            (up..=up + dials).contains(&links),
            "seed {seed}, {when}: {number} has {links} connections for {up} sessions"
        );
        let routes: Vec<_> = speaker
            .routes()
            .filter(|route| route.peer.is_some())
            .collect();
        let stale = routes.iter().filter(|route| route.stale).count();
        assert_eq!(stale, 0, "seed {seed}, {when}: stale at {number}");
        let counted: usize = speaker
            .status(self.world.now)
            .peers
            .iter()
            .map(|peer| peer.prefixes.received)
            .sum();
        assert_eq!(
            routes.len(),
            counted,
            "seed {seed}, {when}: counters of {number}"
        );
    }
}
