//! Peers that are found on links, by link-local addresses.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use super::solo::{Solo, announcement, encode, graceful_open, open};
use super::{prefix, speaker, transit};
use crate::attr;
use crate::fsm::State;
use crate::iana::Family;
use crate::message::{self, Message};
use crate::policy::Policy;
use crate::rib::{Graceful, Knobs, Target, Who};
use crate::speaker::restart::BOUND;
use crate::speaker::{
    CloseCause, ConnId, ConnectError, Input, Interface, LinkState, NextHop, Order, Output,
    OwnAddresses, PeerConfig, PeerId, Remote, RemoteAs, Speaker, SpeakerConfig,
};

const TOR: &str = "fe80::1";

fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn eth(number: u32) -> Interface {
    Interface {
        index: number + 10,
        name: format!("eth{number}"),
    }
}

fn state(peer: &str, number: u32, neighbor: Option<&str>) -> LinkState {
    LinkState {
        peer: peer.to_owned(),
        interface: eth(number),
        neighbor: neighbor.map(v6),
    }
}

fn on_links(name: &str, links: &str) -> PeerConfig {
    PeerConfig {
        name: name.to_owned(),
        remote: Remote::Link {
            links: links.to_owned(),
            address: None,
            port: 179,
        },
        asn: RemoteAs::External,
        ..transit("0.0.0.0", 0)
    }
}

fn config(peers: &[PeerConfig]) -> SpeakerConfig {
    let mut config = speaker(65001, 1, &["10.244.1.0/24"]);
    config.peers = peers.to_vec();
    config
}

fn at(address: &str, link: u32) -> SocketAddr {
    SocketAddrV6::new(v6(address), 40_000, 0, eth(link).index).into()
}

fn names(solo: &Solo) -> Vec<String> {
    let status = solo.speaker.status(solo.now);
    status.peers.into_iter().map(|peer| peer.name).collect()
}

/// What is dialled from now on; nobody answers.
fn dialled(solo: &mut Solo, input: Input<'_>) -> Vec<String> {
    solo.speaker.handle(input, solo.now);
    let (mut dialled, mut conns) = (vec![], vec![]);
    while let Some(output) = solo.speaker.poll_output() {
        if let Output::Dial { remote, conn, .. } = output {
            dialled.push(remote.to_string());
            conns.push(conn);
        }
    }
    for conn in conns {
        let cause = ConnectError::Unreachable;
        solo.input(Input::ConnectFailed { conn, cause });
    }
    dialled
}

fn accept(solo: &mut Solo, address: &str, link: u32) -> ConnId {
    let conn = solo.speaker.new_conn();
    solo.input(Input::Accepted {
        conn,
        local: at("fe80::11", link),
        remote: at(address, link),
    });
    conn
}

fn establish(solo: &mut Solo, address: &str, link: u32, asn: u32) -> ConnId {
    establish_with(solo, address, link, &open(asn, 90))
}

fn establish_with(solo: &mut Solo, address: &str, link: u32, open: &[u8]) -> ConnId {
    let conn = accept(solo, address, link);
    solo.send(conn, open);
    solo.send(conn, &message::keepalive());
    solo.hear(conn);
    assert!(!solo.closed.contains(&conn));
    conn
}

#[test]
fn one_address_on_two_links_is_two_peers() {
    let mut solo = Solo::with(config(&[on_links("tor", "eth*")]));
    assert!(names(&solo).is_empty());
    let links = vec![state("tor", 2, Some(TOR)), state("tor", 1, Some(TOR))];
    let all = dialled(&mut solo, Input::Links(links.clone()));
    assert_eq!(all, ["[fe80::1%11]:179", "[fe80::1%12]:179"]);
    assert!(
        dialled(&mut solo, Input::Links(links)).is_empty(),
        "no news"
    );
    assert_eq!(names(&solo), ["tor/eth1", "tor/eth2"]);
    establish(&mut solo, TOR, 2, 65102);
    let status = solo.speaker.status(solo.now);
    let states: Vec<_> = status.peers.iter().map(|peer| peer.state).collect();
    assert_eq!(states[1], State::Established);
    assert_ne!(states[0], State::Established);
    assert_eq!(status.peers[1].interface, Some(eth(2)));
    establish(&mut solo, TOR, 1, 65101);
    // Nobody else: neither another address nor another link.
    for (address, link) in [("fe80::2", 1), (TOR, 3)] {
        let conn = accept(&mut solo, address, link);
        assert!(solo.closed.contains(&conn), "{address} {link}");
    }
}

#[test]
fn who_is_not_there_any_more_is_lost_with_its_link() {
    let mut solo = Solo::with(config(&[PeerConfig {
        passive: true,
        ..on_links("tor", "eth*")
    }]));
    let both = vec![state("tor", 1, Some(TOR)), state("tor", 2, Some(TOR))];
    solo.input(Input::Links(both));
    let first = establish(&mut solo, TOR, 1, 65101);
    let second = establish(&mut solo, TOR, 2, 65102);
    let now = solo.now;
    let links = vec![state("tor", 1, Some("fe80::2")), state("tor", 2, Some(TOR))];
    solo.speaker.handle(Input::Links(links), now);
    let outputs: Vec<Output> = std::iter::from_fn(|| solo.speaker.poll_output()).collect();
    let lost = outputs.iter().filter_map(|output| match output {
        Output::Lost { neighbor } => Some(*neighbor),
        _ => None,
    });
    let hop = NextHop {
        address: TOR.parse().unwrap(),
        interface: Some(11),
    };
    assert_eq!(lost.collect::<Vec<_>>(), [hop]);
    let closed = |conn| outputs.contains(&Output::Close { conn });
    assert!(closed(first) && !closed(second));
    assert_eq!(solo.notification(first).0, 6);
    assert_eq!(names(&solo), ["tor/eth1", "tor/eth2"]);
    let status = solo.speaker.status(solo.now);
    assert_eq!(status.peers[0].address, v6("fe80::2"));
}

#[test]
fn who_is_shut_down_stays_so_with_another_address_and_when_the_link_comes_back() {
    let mut solo = Solo::with(config(&[on_links("tor", "eth*")]));
    let is = |at: &str| vec![state("tor", 1, Some(at)), state("tor", 2, Some(TOR))];
    solo.input(Input::Links(is(TOR)));
    let shut_down = |solo: &Solo| {
        let status = solo.speaker.status(solo.now);
        let peers = status.peers.into_iter();
        let peers = peers.map(|peer| (peer.address.to_string(), peer.kind.held_down));
        peers.collect::<Vec<_>>()
    };
    let peer = solo.speaker.find("tor/eth1").unwrap();
    let order = Order::Shutdown("another router".to_owned());
    solo.input(Input::Order { peer, order });
    let other = |held| [("fe80::2".to_owned(), held), (TOR.to_owned(), false)];
    // Another router, then none, then that one again.
    assert!(dialled(&mut solo, Input::Links(is("fe80::2"))).is_empty());
    assert_eq!(shut_down(&solo), other(true));
    for links in [vec![state("tor", 2, Some(TOR))], is("fe80::2")] {
        assert!(dialled(&mut solo, Input::Links(links)).is_empty());
    }
    assert_eq!(shut_down(&solo), other(true));
    // Until it is started, which is not forgotten either.
    let peer = solo.speaker.find("tor/eth1").unwrap();
    let order = Order::Start;
    assert_eq!(dialled(&mut solo, Input::Order { peer, order }).len(), 1);
    assert_eq!(dialled(&mut solo, Input::Links(is("fe80::3"))).len(), 1);
}

#[test]
fn who_is_not_there_can_be_started_as_well() {
    let patterns = [on_links("tor", "eth*"), on_links("spine", "swp1")];
    let mut solo = Solo::with(config(&patterns));
    solo.input(Input::Links(vec![state("tor", 1, Some(TOR))]));
    let peer = solo.speaker.find("tor/eth1").unwrap();
    let order = Order::Shutdown(String::new());
    solo.input(Input::Order { peer, order });
    solo.input(Input::Links(vec![]));
    for nobody in ["tor", "eth1", "tor/", "tor/eth2", "tors/eth1", "spine/swp1"] {
        assert!(!solo.speaker.start_absent(nobody), "{nobody}");
    }
    assert!(solo.speaker.start_absent("tor/eth1"));
    assert!(!solo.speaker.start_absent("tor/eth1"), "forgotten");
    let links = vec![state("tor", 1, Some(TOR))];
    assert_eq!(dialled(&mut solo, Input::Links(links)).len(), 1);
    // One that means a single link has its name always.
    assert!(solo.speaker.start_absent("spine"));
}

/// Who counts as the neighbour of its link: by a session, and as restarting.
fn neighbors(solo: &Solo) -> [usize; 2] {
    let restarting = solo.speaker.restarting_on_links();
    [
        solo.speaker.established_on_links().count(),
        restarting.count(),
    ]
}

#[test]
fn who_restarts_is_the_neighbour_of_its_link_as_long_as_its_routes_are_kept() {
    let mut solo = Solo::with(config(&[PeerConfig {
        passive: true,
        ..on_links("tor", "eth1")
    }]));
    solo.input(Input::Links(vec![state("tor", 1, Some(TOR))]));
    let lose = |solo: &mut Solo, conn| {
        let cause = CloseCause::Eof;
        solo.input(Input::Closed { conn, cause });
    };
    let restarting = graceful_open(false, 60, &[Family::IPV4_UNICAST]);
    let restarting = encode(&Message::Open(restarting));
    let up = |solo: &mut Solo, has_routes: bool| {
        let conn = establish_with(solo, TOR, 1, &restarting);
        if has_routes {
            let updates = announcement("192.0.2.0/24", |_| {});
            updates.iter().for_each(|update| solo.send(conn, update));
        }
        assert_eq!(neighbors(solo), [1, 0]);
        conn
    };
    for has_routes in [true, false] {
        // Its time is over.
        let conn = up(&mut solo, has_routes);
        lose(&mut solo, conn);
        assert_eq!(neighbors(&solo), [0, 1]);
        let over = solo.now + Duration::from_secs(60);
        while let Some(at) = solo.speaker.poll_timeout().filter(|at| *at < over) {
            solo.now = at;
            solo.input(Input::Tick);
            assert_eq!(neighbors(&solo), [0, 1]);
        }
        solo.now = over;
        solo.input(Input::Tick);
        assert_eq!(neighbors(&solo), [0, 0]);
        // It is shut down meanwhile.
        let conn = up(&mut solo, has_routes);
        lose(&mut solo, conn);
        let peer = solo.speaker.find("tor").unwrap();
        let order = Order::Shutdown(String::new());
        solo.input(Input::Order { peer, order });
        assert_eq!(neighbors(&solo), [0, 0]);
        let order = Order::Start;
        solo.input(Input::Order { peer, order });
    }
    // A session that ends otherwise leaves nothing to wait for.
    let conn = establish(&mut solo, TOR, 1, 65002);
    assert_eq!(neighbors(&solo), [1, 0]);
    lose(&mut solo, conn);
    assert_eq!(neighbors(&solo), [0, 0]);
}

#[test]
fn a_name_makes_a_peer_of_that_name_and_reload_keeps_its_session() {
    let pattern = PeerConfig {
        passive: true,
        ..on_links("tor", "eth1")
    };
    let mut solo = Solo::with(config(std::slice::from_ref(&pattern)));
    solo.input(Input::Links(vec![state("tor", 1, Some(TOR))]));
    let conn = establish(&mut solo, TOR, 1, 65101);
    assert_eq!(names(&solo), ["tor"]);
    let wider = PeerConfig {
        knobs: Knobs {
            allow_own_as: 1,
            ..pattern.knobs
        },
        passive: true,
        ..on_links("tor", "eth*")
    };
    let reload = |peer: &PeerConfig| Input::Reconfigure {
        config: Box::new(config(std::slice::from_ref(peer))),
        sockets: std::collections::BTreeSet::new(),
    };
    solo.input(reload(&wider));
    solo.input(Input::Links(vec![state("tor", 1, Some(TOR))]));
    assert_eq!(names(&solo), ["tor/eth1"]);
    assert!(!solo.closed.contains(&conn));
    // The link is called otherwise now.
    let mut renamed = state("tor", 1, Some(TOR));
    renamed.interface.name = "uplink".to_owned();
    solo.input(Input::Links(vec![renamed]));
    assert_eq!(names(&solo), ["tor/uplink"]);
    assert!(!solo.closed.contains(&conn));
    // A link that is not meant any more.
    solo.input(reload(&on_links("tor", "swp*")));
    solo.input(Input::Links(vec![]));
    assert!(solo.closed.contains(&conn) && names(&solo).is_empty());
}

#[test]
fn a_restart_waits_for_links_on_which_somebody_may_be() {
    let mut config = config(&[on_links("tor", "eth*")]);
    config.restarting = true;
    let now = Instant::now();
    for (links, due) in [
        (vec![state("tor", 1, None)], Some(now + BOUND)),
        (vec![], None),
    ] {
        let mut speaker = Speaker::new(config.clone(), now);
        speaker.handle(Input::Links(links), now);
        speaker.handle(Input::Start, now);
        assert_eq!(speaker.poll_timeout(), due);
        assert_eq!(speaker.status(now).synced, due.is_none());
    }
}

#[test]
fn a_link_without_other_addresses_is_announced_by_its_link_local_one() {
    let target = |own: &[&str], extended_next_hop: bool, peer: &str| {
        let own: Vec<ipnetwork::IpNetwork> = own.iter().map(|text| prefix(text)).collect();
        let mut addresses = OwnAddresses::only("::".parse().unwrap());
        addresses.v6 = None;
        addresses.interface = Some(eth(1));
        addresses.addresses = own.iter().map(ipnetwork::IpNetwork::ip).collect();
        for address in &addresses.addresses {
            match address {
                std::net::IpAddr::V4(v4) => addresses.v4 = Some(*v4),
                std::net::IpAddr::V6(v6) if !v6.is_unicast_link_local() => {
                    addresses.v6 = Some(*v6);
                }
                std::net::IpAddr::V6(_) => {}
            }
        }
        addresses.networks = own;
        let target = Target {
            peer: PeerId(0),
            asn: 65000,
            who: Who {
                address: peer.parse().unwrap(),
                bgp_id: [10, 255, 0, 1].into(),
            },
            local_asn: 65001,
            cluster_id: [10, 255, 0, 2].into(),
            own: addresses,
            on_link: true,
            extended_next_hop,
            role: None,
            knobs: Knobs::default(),
            policy: Policy::default(),
            graceful: Graceful::default(),
        };
        [Family::IPV4_UNICAST, Family::IPV6_UNICAST].map(|family| target.own_next_hop(family))
    };
    let link_local = Some(attr::NextHop::V6(v6("fe80::11")));
    assert_eq!(target(&["fe80::11/64"], true, TOR), [link_local; 2]);
    assert_eq!(target(&["fe80::11/64"], false, TOR), [None, link_local]);
    let both = Some(attr::NextHop::V6LinkLocal {
        global: v6("fd00::11"),
        link_local: v6("fe80::11"),
    });
    assert_eq!(
        target(&["fe80::11/64", "fd00::11/64"], true, TOR),
        [both; 2]
    );
    // An IPv4 address that the link has by the way.
    let v4 = Some(attr::NextHop::V4([10, 0, 0, 11].into()));
    let own = ["fe80::11/64", "10.0.0.11/32"];
    assert_eq!(target(&own, true, TOR), [link_local; 2]);
    assert_eq!(target(&own, false, TOR), [v4, link_local]);
    // With a session over IPv4 the link-local one alone is not told.
    assert_eq!(target(&own, true, "10.0.0.1"), [v4, None]);
}
