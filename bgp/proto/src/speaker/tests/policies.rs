//! Rules that change paths, and rules that change while sessions live.

use std::sync::Arc;

use super::net::Net;
use super::routing::fabric;
use super::solo::{PEER, Solo};
use super::{ip, only, peer, prefix, speaker, transit};
use crate::attr::{AsPath, NextHop, PathAttributes};
use crate::iana::Family;
use crate::message::pack_announcements;
use crate::policy::{
    Action, Changes, Community, CommunityChanges, CommunityMatch, CommunityPattern, Conditions,
    DecidedBy, NextHopChange, Policy, Prepend, Rule,
};
use crate::rib::{PathStatus, Step, Unusable};
use crate::speaker::{Input, OwnAddresses, PeerId, RouteStatus, Speaker};
use crate::validate::SessionOptions;

const GSHUT: u32 = 0xffff_0000;

/// One rule for all of IPv4.
fn all(changes: Changes) -> Policy {
    Policy::new(
        vec![Rule::new("f importV4[0]", Action::Accept, None).set(changes)],
        vec![],
    )
}

pub(super) fn told(next_hop: &str, communities: &[u32], asns: &[u32]) -> PathAttributes {
    PathAttributes {
        as_path: AsPath::from_sequence(asns),
        next_hop: Some(NextHop::from(ip(next_hop))),
        communities: communities.into(),
        ..PathAttributes::default()
    }
}

pub(super) fn announce(
    solo: &mut Solo,
    conn: crate::speaker::ConnId,
    text: &str,
    path: &PathAttributes,
) {
    let options = SessionOptions {
        four_octet_as: true,
        families: vec![Family::IPV4_UNICAST],
        ..SessionOptions::default()
    };
    let prefixes = [crate::wire::Nlri::from(prefix(text))];
    for bytes in pack_announcements(Family::IPV4_UNICAST, path, &prefixes, &options).unwrap() {
        solo.send(conn, &bytes);
    }
}

fn set(solo: &mut Solo, peer: u32, import: Policy) {
    set_rules(solo, peer, import, Policy::accept_all());
}

pub(super) fn set_rules(solo: &mut Solo, peer: u32, import: Policy, export: Policy) {
    let peer = PeerId(peer);
    solo.input(Input::Policies {
        peer,
        import,
        export,
    });
    while solo.speaker.has_work() {
        solo.speaker.work(solo.now);
        while solo.speaker.poll_output().is_some() {}
    }
}

pub(super) fn route(speaker: &Speaker, text: &str, peer: u32) -> RouteStatus {
    let mut routes = speaker.routes();
    let found = routes.find(|r| r.prefix == prefix(text) && r.peer == Some(PeerId(peer)));
    found.unwrap()
}

#[test]
fn a_rejected_path_is_used_as_soon_as_the_rules_let_it_pass_and_the_reverse() {
    let mut net = fabric();
    net.start_all();
    net.run_secs(10);
    assert_eq!(net.fib(0), ["10.244.2.0/24 via 10.0.1.1"]);
    let before = net.peer(0, 0);
    let (import, export) = (Policy::accept_all(), Policy::default());
    let peer = PeerId(0);
    let change = |import: &Policy| Input::Policies {
        peer,
        import: import.clone(),
        export: export.clone(),
    };
    net.input(0, change(&import));
    net.run_secs(0);
    assert_eq!(
        net.fib(0),
        ["0.0.0.0/0 via 10.0.1.1", "10.244.2.0/24 via 10.0.1.1"]
    );
    let counts = net.peer(0, 0).prefixes;
    assert_eq!((counts.received, counts.accepted, counts.best), (2, 2, 2));
    let only_default = only("0.0.0.0/0", 0, 0);
    net.input(0, change(&only_default));
    net.run_secs(0);
    assert_eq!(net.fib(0), ["0.0.0.0/0 via 10.0.1.1"]);
    let after = net.peer(0, 0);
    assert_eq!(after.since, before.since, "no reset");
    assert_eq!(after.established_count, before.established_count);
    let updates = |peer: &crate::speaker::PeerStatus| peer.kind.counters;
    assert_eq!(
        format!("{:?}", updates(&after)),
        format!("{:?}", updates(&before)),
        "nobody was asked for anything"
    );
    let refused = route(net.speaker(0), "10.244.2.0/24", 0);
    assert_eq!(refused.status, PathStatus::Rejected(DecidedBy::NoMatch));
}

#[test]
fn peers_hear_the_difference_that_export_rules_make() {
    let mut net = fabric();
    net.start_all();
    net.run_secs(10);
    let tor = 1;
    let received = |net: &Net| net.peer(2, 0).prefixes.received;
    assert_eq!(received(&net), 2);
    let import = only("10.244.0.0/16", 24, 24);
    let change = |export: Policy| Input::Policies {
        peer: PeerId(1),
        import: import.clone(),
        export,
    };
    net.input(tor, change(only("0.0.0.0/0", 0, 0)));
    net.run_secs(1);
    assert_eq!(net.fib(2), ["0.0.0.0/0 via 10.0.2.1"]);
    assert_eq!(net.peer(tor, 1).prefixes.advertised, 1);
    // node1 is told all as before.
    assert_eq!(net.peer(tor, 0).prefixes.advertised, 2);
    net.input(tor, change(Policy::accept_all()));
    net.run_secs(1);
    assert_eq!(received(&net), 2);
    assert_eq!(net.fib(2).len(), 2);
    assert_eq!(net.peer(2, 0).established_count, 1);
}

#[test]
fn a_range_and_all_who_came_from_it_have_the_same_rules() {
    use crate::speaker::{PeerConfig, Remote};
    let mut net = Net::new();
    let mut config = speaker(65000, 1, &["0.0.0.0/0"]);
    config.peers = vec![PeerConfig {
        remote: Remote::Range {
            network: prefix("10.0.0.0/8"),
            limit: 9,
        },
        asn: crate::speaker::RemoteAs::External,
        passive: true,
        ..transit("0.0.0.0", 65001)
    }];
    let tor = net.add(config);
    for (id, near, far) in [(11, "10.0.1.11", "10.0.1.1"), (12, "10.0.2.12", "10.0.2.1")] {
        let network = format!("10.244.{id}.0/24");
        let mut config = speaker(65000 + u32::from(id), id, &[&network]);
        config.peers = vec![peer(far, 65000)];
        let node = net.add(config);
        net.link((node, near), (tor, far));
    }
    net.start_all();
    net.run_secs(10);
    assert_eq!(net.fib(tor).len(), 2);
    net.input(
        tor,
        Input::Policies {
            peer: PeerId(0),
            import: only("10.244.11.0/24", 24, 24),
            export: Policy::default(),
        },
    );
    net.run_secs(1);
    assert_eq!(net.fib(tor), ["10.244.11.0/24 via 10.0.1.11"]);
    assert_eq!(net.fib(1), ["0.0.0.0/0 via 10.0.1.1"]);
    // Who comes later, too.
    net.kill(2);
    net.run_secs(300);
    net.restart(2);
    net.run_secs(30);
    assert_eq!(net.fib(tor), ["10.244.11.0/24 via 10.0.1.11"]);
}

#[test]
fn a_changed_path_keeps_what_was_received_and_the_rule() {
    let mut solo = Solo::new();
    let conn = solo.establish(PEER, 65002);
    let path = told(PEER, &[65002 << 16 | 1], &[65002, 65009]);
    announce(&mut solo, conn, "10.9.0.0/16", &path);
    let changes = Changes {
        local_pref: Some(200),
        med: Some(7),
        next_hop: Some(NextHopChange::Address(ip("10.0.0.77"))),
        prepend: Some(Prepend {
            count: 2,
            asn: Some(65002),
        }),
        communities: CommunityChanges {
            remove: [CommunityPattern::StandardOf(65002)].into(),
            add: [Community::Large([65001, 1, 2])].into(),
        },
    };
    set(&mut solo, 0, all(changes));
    let changed = route(&solo.speaker, "10.9.0.0/16", 0);
    assert_eq!(changed.status, PathStatus::Best);
    let in_use = &changed.attributes;
    assert_eq!((in_use.local_pref.get(), in_use.med), (Some(200), Some(7)));
    assert_eq!(in_use.as_path.to_string(), "65002 65002 65002 65009");
    assert!(in_use.communities.is_empty());
    assert_eq!(in_use.large_communities(), [[65001, 1, 2]]);
    assert_eq!(**in_use.received(), path);
    assert_eq!(solo.speaker.import_rule(&changed), Some("f importV4[0]"));
    let hops = solo.speaker.rib.loc().get(&prefix("10.9.0.0/16")).unwrap();
    assert_eq!(hops.next_hops[0].address, ip("10.0.0.77"));

    // And back: as if nothing had been.
    set(&mut solo, 0, Policy::accept_all());
    let plain = route(&solo.speaker, "10.9.0.0/16", 0);
    assert_eq!(*plain.attributes, path);
    assert_eq!(solo.speaker.import_rule(&plain), None);
}

#[test]
fn prefixes_of_one_update_share_what_a_rule_made_of_it() {
    let mut solo = Solo::new();
    let conn = solo.establish(PEER, 65002);
    set(
        &mut solo,
        0,
        all(Changes {
            local_pref: Some(5),
            ..Changes::default()
        }),
    );
    for text in ["10.1.0.0/16", "10.2.0.0/16"] {
        announce(&mut solo, conn, text, &told(PEER, &[], &[65002]));
    }
    let [a, b] = ["10.1.0.0/16", "10.2.0.0/16"].map(|text| route(&solo.speaker, text, 0));
    assert!(Arc::ptr_eq(&a.attributes, &b.attributes));
    // A rule that changes nothing leaves the path as received.
    let same = Changes {
        communities: CommunityChanges {
            remove: [CommunityPattern::All].into(),
            ..CommunityChanges::default()
        },
        ..Changes::default()
    };
    set(&mut solo, 0, all(same));
    let plain = route(&solo.speaker, "10.1.0.0/16", 0);
    assert!(plain.attributes.changed().is_none());
}

#[test]
fn the_next_hop_that_counts_is_the_one_that_a_rule_sets() {
    let mut solo = Solo::new();
    let conn = solo.establish(PEER, 65002);
    announce(&mut solo, conn, "10.9.0.0/16", &told(PEER, &[], &[65002]));
    for (address, expected) in [
        ("10.0.0.1", PathStatus::Unusable(Unusable::OwnNextHop)),
        ("224.0.0.1", PathStatus::Unusable(Unusable::NextHop)),
        ("fe80::1", PathStatus::Unusable(Unusable::LinkLocalNextHop)),
        ("10.0.0.9", PathStatus::Best),
        ("fd00::9", PathStatus::Best),
    ] {
        let changes = Changes {
            next_hop: Some(NextHopChange::Address(ip(address))),
            ..Changes::default()
        };
        set(&mut solo, 0, all(changes));
        let route = route(&solo.speaker, "10.9.0.0/16", 0);
        assert_eq!(route.status, expected, "{address}");
    }
}

#[test]
fn an_address_that_becomes_our_own_is_no_next_hop_any_more() {
    let mut solo = Solo::new();
    let conn = solo.establish(PEER, 65002);
    announce(
        &mut solo,
        conn,
        "10.9.0.0/16",
        &told("10.0.0.9", &[], &[65002]),
    );
    let status = |solo: &Solo| route(&solo.speaker, "10.9.0.0/16", 0).status;
    for (addresses, expected) in [
        (
            &["10.0.0.1", "10.0.0.9"][..],
            PathStatus::Unusable(Unusable::OwnNextHop),
        ),
        (&["10.0.0.1"], PathStatus::Best),
    ] {
        let own = OwnAddresses {
            addresses: addresses.iter().map(|text| ip(text)).collect(),
            ..OwnAddresses::only(ip("10.0.0.1"))
        };
        solo.input(Input::OwnAddresses { conn, own });
        while solo.speaker.has_work() {
            solo.speaker.work(solo.now);
        }
        assert_eq!(status(&solo), expected, "{addresses:?}");
    }
}

#[test]
fn loops_are_seen_in_what_was_received() {
    let mut solo = Solo::new();
    let conn = solo.establish(PEER, 65002);
    let looped = told(PEER, &[], &[65002, 65001]);
    announce(&mut solo, conn, "10.8.0.0/16", &looped);
    announce(&mut solo, conn, "10.9.0.0/16", &told(PEER, &[], &[65002]));
    let prepend = Prepend {
        count: 3,
        asn: None,
    };
    set(
        &mut solo,
        0,
        all(Changes {
            prepend: Some(prepend),
            ..Changes::default()
        }),
    );
    // Our own AS put in front by a rule is no loop.
    let longer = route(&solo.speaker, "10.9.0.0/16", 0);
    assert_eq!(longer.status, PathStatus::Best);
    assert_eq!(
        longer.attributes.as_path.to_string(),
        "65001 65001 65001 65002"
    );
    let looped = route(&solo.speaker, "10.8.0.0/16", 0);
    assert_eq!(looped.status, PathStatus::Unusable(Unusable::OwnAs));
}

#[test]
fn graceful_shutdown_is_the_last_choice() {
    let mut solo = Solo::new();
    let leaving = solo.establish(PEER, 65002);
    let staying = solo.establish("10.0.0.3", 65003);
    let short = told(PEER, &[GSHUT], &[65002]);
    announce(&mut solo, leaving, "10.9.0.0/16", &short);
    let long = told("10.0.0.3", &[], &[65003, 65003, 65003]);
    announce(&mut solo, staying, "10.9.0.0/16", &long);
    let lost = route(&solo.speaker, "10.9.0.0/16", 0);
    assert_eq!(lost.status, PathStatus::Lost(Step::LocalPref));
    assert_eq!(lost.attributes.local_pref, Some(0));
    assert_eq!(
        solo.speaker.import_rule(&lost),
        Some("GRACEFUL_SHUTDOWN (RFC 8326)")
    );
    // After the rules, whatever they say of LOCAL_PREF, and said beside them.
    let preferred = Changes {
        local_pref: Some(500),
        ..Changes::default()
    };
    set(&mut solo, 0, all(preferred));
    let lost = route(&solo.speaker, "10.9.0.0/16", 0);
    assert_eq!(lost.attributes.local_pref, Some(0));
    assert_eq!(
        solo.speaker.import_rule(&lost),
        Some("f importV4[0], GRACEFUL_SHUTDOWN (RFC 8326)")
    );
    // Unless they take it away.
    let unmarked = Changes {
        communities: CommunityChanges {
            remove: [CommunityPattern::One(Community::Standard(GSHUT))].into(),
            ..CommunityChanges::default()
        },
        ..Changes::default()
    };
    set(&mut solo, 0, all(unmarked));
    let best = route(&solo.speaker, "10.9.0.0/16", 0);
    assert_eq!(best.status, PathStatus::Best);
}

#[test]
fn conditions_see_the_path_as_received() {
    let mut solo = Solo::new();
    let conn = solo.establish(PEER, 65002);
    let marked = CommunityPattern::One(Community::Standard(7));
    let when = Conditions {
        communities: CommunityMatch {
            any_of: [marked].into(),
            ..CommunityMatch::default()
        },
        ..Conditions::default()
    };
    let rule = |name: &str, action| Rule::new(name, action, None);
    let rules = vec![
        rule("marked", Action::Reject).when(when),
        rule("rest", Action::Accept),
    ];
    announce(&mut solo, conn, "10.1.0.0/16", &told(PEER, &[7], &[65002]));
    announce(&mut solo, conn, "10.2.0.0/16", &told(PEER, &[8], &[65002]));
    set(&mut solo, 0, Policy::new(rules, vec![]));
    let refused = route(&solo.speaker, "10.1.0.0/16", 0);
    assert_eq!(refused.status, PathStatus::Rejected(DecidedBy::Rule(0)));
    assert_eq!(solo.speaker.import_rule(&refused), Some("marked"));
    let used = route(&solo.speaker, "10.2.0.0/16", 0);
    assert_eq!(used.status, PathStatus::Best);
    // The same prefix, told again without the mark.
    announce(&mut solo, conn, "10.1.0.0/16", &told(PEER, &[], &[65002]));
    let used = route(&solo.speaker, "10.1.0.0/16", 0);
    assert_eq!(used.status, PathStatus::Best);
}

#[test]
fn no_input_judges_a_table() {
    let mut solo = Solo::new();
    let conn = solo.establish(PEER, 65002);
    for third in 0..16 {
        for fourth in 0..128 {
            let text = format!("10.{third}.{fourth}.0/24");
            announce(&mut solo, conn, &text, &told(PEER, &[], &[65002]));
        }
    }
    let used = |solo: &Solo| solo.speaker.status(solo.now).peers[0].prefixes.best;
    assert_eq!(used(&solo), 2048);
    solo.input(Input::Policies {
        peer: PeerId(0),
        import: only("10.0.0.0/13", 24, 24),
        export: Policy::accept_all(),
    });
    assert!(used(&solo) >= 2048 - 512, "{}", used(&solo));
    // What is judged no more or not yet is used by the old rules; who comes is judged by the new.
    let undecided = route(&solo.speaker, "10.15.127.0/24", 0);
    assert_eq!(undecided.status, PathStatus::Best);
    announce(
        &mut solo,
        conn,
        "10.15.126.0/24",
        &told(PEER, &[], &[65002]),
    );
    let judged = route(&solo.speaker, "10.15.126.0/24", 0);
    assert_eq!(judged.status, PathStatus::Rejected(DecidedBy::NoMatch));
    assert_eq!(solo.speaker.import_rule(&judged), None);
    let mut slices = 0;
    while solo.speaker.has_work() {
        solo.speaker.work(solo.now);
        slices += 1;
    }
    assert!(slices >= 3, "{slices}");
    assert_eq!(used(&solo), 1024);
}

#[test]
fn what_a_lost_peer_left_is_judged_by_new_rules_too() {
    let mut net = fabric();
    net.start_all();
    net.run_secs(10);
    net.kill(1);
    net.run_secs(1);
    assert_eq!(net.fib(0).len(), 1);
    assert_eq!(net.peer(0, 0).prefixes.stale, 2);
    let change = |import| Input::Policies {
        peer: PeerId(0),
        import,
        export: Policy::default(),
    };
    net.input(0, change(Policy::accept_all()));
    net.run_secs(0);
    assert_eq!(net.fib(0).len(), 2);
    net.input(0, change(only("10.9.0.0/16", 16, 16)));
    net.run_secs(0);
    assert!(net.fib(0).is_empty());
    assert_eq!(net.peer(0, 0).prefixes.stale, 2);
}

/// What is listed, in parts of `most` routes.
fn listed(solo: &Solo, listing: crate::speaker::Listing, most: usize) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let part = solo.speaker.list(listing, after, most);
        found.extend(part.routes.iter().map(|route| {
            let who = route.peer.map_or("own", |_| "learned");
            format!("{} {who}", route.prefix)
        }));
        after = part.next;
        if after.is_none() {
            return found;
        }
    }
}

#[test]
fn routes_are_listed_in_parts() {
    use crate::speaker::Listing;
    let mut solo = Solo::new();
    let conn = solo.establish(PEER, 65002);
    for text in [
        "10.1.0.0/16",
        "10.244.1.0/24",
        "10.244.1.128/25",
        "10.244.0.0/16",
    ] {
        announce(&mut solo, conn, text, &told(PEER, &[], &[65002]));
    }
    announce(&mut solo, conn, "0.0.0.0/0", &told(PEER, &[], &[65002]));
    for most in 1..7 {
        for (listing, expected) in [
            (
                Listing::All,
                &[
                    "0.0.0.0/0 learned",
                    "10.1.0.0/16 learned",
                    "10.244.0.0/16 learned",
                    "10.244.1.0/24 own",
                    "10.244.1.0/24 learned",
                    "10.244.1.128/25 learned",
                ][..],
            ),
            (
                Listing::Within(prefix("10.244.0.0/20")),
                &[
                    "10.244.1.0/24 own",
                    "10.244.1.0/24 learned",
                    "10.244.1.128/25 learned",
                ],
            ),
            (
                Listing::Exact(prefix("10.244.1.0/24")),
                &["10.244.1.0/24 own", "10.244.1.0/24 learned"],
            ),
            (Listing::Exact(prefix("10.3.0.0/16")), &[]),
            (
                Listing::Covering(prefix("10.244.1.128/26")),
                &[
                    "0.0.0.0/0 learned",
                    "10.244.0.0/16 learned",
                    "10.244.1.0/24 own",
                    "10.244.1.0/24 learned",
                    "10.244.1.128/25 learned",
                ],
            ),
        ] {
            let found = listed(&solo, listing, most);
            assert_eq!(found, expected, "{listing:?} by {most}");
        }
    }
    for (address, expected) in [
        ("10.244.1.200", Some("10.244.1.128/25")),
        ("10.244.1.1", Some("10.244.1.0/24")),
        ("10.244.9.1", Some("10.244.0.0/16")),
        ("192.0.2.1", Some("0.0.0.0/0")),
        ("fd00::1", None),
    ] {
        assert_eq!(solo.speaker.covering(ip(address)), expected.map(prefix));
    }
}
