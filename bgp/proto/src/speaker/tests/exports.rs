//! Export rules that change what a peer is told, and that change themselves.

use std::collections::BTreeMap;

use super::policies::{announce, route, set_rules, told};
use super::solo::{PEER, Solo};
use super::{ip, only, prefix};
use crate::attr::PathAttributes;
use crate::message::Message;
use crate::policy::{
    Action, Changes, Community, CommunityChanges, CommunityPattern, Conditions, NeighborMatch,
    NextHopChange, Policy, Prepend, Rule, Source,
};
use crate::speaker::{ConnId, Input, PeerId};
use crate::validate::{self, SessionOptions, UpdateContext};
use crate::wire::Prefix;

const OTHER: &str = "10.0.0.3";
const INSIDE: &str = "10.0.0.4";

/// What the peer on this connection hears: announced prefixes with their attributes, and withdrawn ones.
#[derive(Default, Debug)]
struct Heard {
    announced: BTreeMap<Prefix, PathAttributes>,
    withdrawn: Vec<Prefix>,
}

fn hear(solo: &mut Solo, conn: ConnId, asn: u32) -> Heard {
    while solo.speaker.has_work() {
        solo.speaker.work(solo.now);
    }
    let mut heard = Heard::default();
    for message in solo.hear(conn) {
        let Message::Update(update) = message else {
            continue;
        };
        let ctx = UpdateContext {
            peer_asn: 65001,
            peer_is_external: asn != 65001,
            enforce_first_as: true,
            local_asn: asn,
            local_addresses: vec![],
        };
        let options = SessionOptions {
            four_octet_as: true,
            families: vec![crate::iana::Family::IPV4_UNICAST],
            ..SessionOptions::default()
        };
        let routes = validate::update(update, &options, &ctx).unwrap();
        assert!(routes.errors.is_empty(), "{:?}", routes.errors);
        for (_, prefixes) in routes.withdrawn {
            heard
                .withdrawn
                .extend(prefixes.iter().map(|nlri| nlri.prefix));
        }
        for announcement in routes.announced {
            for nlri in announcement.prefixes {
                let attributes = (*announcement.attributes).clone();
                heard.announced.insert(nlri.prefix, attributes);
            }
        }
    }
    heard
}

fn rules(rules: Vec<Rule>) -> Policy {
    Policy::new(rules, vec![])
}

fn accept(changes: Changes) -> Policy {
    rules(vec![
        Rule::new("e exportV4[0]", Action::Accept, None).set(changes),
    ])
}

fn export(solo: &mut Solo, peer: u32, export: Policy) {
    set_rules(solo, peer, Policy::accept_all(), export);
}

#[test]
fn each_change_is_what_the_peer_hears_and_nobody_else() {
    let mut solo = Solo::new();
    let from = solo.establish(PEER, 65002);
    let to = solo.establish(OTHER, 65003);
    let inside = solo.establish(INSIDE, 65001);
    let changes = Changes {
        local_pref: Some(300),
        med: Some(77),
        next_hop: Some(NextHopChange::Address(ip("10.0.0.99"))),
        prepend: Some(Prepend {
            count: 2,
            asn: None,
        }),
        communities: CommunityChanges {
            remove: [CommunityPattern::StandardOf(65002)].into(),
            add: [
                Community::Standard(65001 << 16 | 9),
                Community::Extended([0x40, 4, 0, 0, 0, 0, 0, 1]),
                Community::Large([65001, 2, 3]),
            ]
            .into(),
        },
    };
    export(&mut solo, 1, accept(changes.clone()));
    hear(&mut solo, to, 65003);
    hear(&mut solo, inside, 65001);
    let path = told(PEER, &[65002 << 16 | 5, 1 << 16 | 1], &[65002]);
    announce(&mut solo, from, "10.9.0.0/16", &path);
    let heard = hear(&mut solo, to, 65003);
    let told = &heard.announced[&prefix("10.9.0.0/16")];
    assert_eq!(told.as_path.to_string(), "65001 65001 65001 65002");
    assert_eq!(told.med, Some(77));
    assert_eq!(told.local_pref, None, "RFC 4271 §5.1.5");
    assert_eq!(told.next_hop, Some(ip("10.0.0.99").into()));
    assert_eq!(*told.communities, [1 << 16 | 1, 65001 << 16 | 9]);
    assert_eq!(told.large_communities(), [[65001, 2, 3]]);
    assert_eq!(told.extended_communities(), [[0x40, 4, 0, 0, 0, 0, 0, 1]]);
    // Another peer, and what is kept here, are as they were.
    let plain = &hear(&mut solo, inside, 65001).announced[&prefix("10.9.0.0/16")];
    assert_eq!(
        (plain.med, plain.as_path.to_string()),
        (None, "65002".into())
    );
    assert_eq!(*plain.communities, *path.communities);
    assert_eq!(*route(&solo.speaker, "10.9.0.0/16", 0).attributes, path);

    export(&mut solo, 2, accept(changes));
    let heard = hear(&mut solo, inside, 65001);
    let told = &heard.announced[&prefix("10.9.0.0/16")];
    assert_eq!(told.local_pref, Some(300));
    assert_eq!(told.as_path.to_string(), "65001 65001 65002");
}

#[test]
fn another_as_is_put_behind_our_own() {
    let mut solo = Solo::new();
    let to = solo.establish(OTHER, 65003);
    let changes = Changes {
        prepend: Some(Prepend {
            count: 2,
            asn: Some(64999),
        }),
        ..Changes::default()
    };
    export(&mut solo, 1, accept(changes));
    let heard = hear(&mut solo, to, 65003);
    let own = &heard.announced[&prefix("10.244.1.0/24")];
    assert_eq!(own.as_path.to_string(), "65001 64999 64999");
}

#[test]
fn next_hops_of_rules() {
    let mut solo = Solo::new();
    let from = solo.establish(PEER, 65002);
    let to = solo.establish(OTHER, 65003);
    let inside = solo.establish(INSIDE, 65001);
    announce(
        &mut solo,
        from,
        "10.9.0.0/16",
        &told("10.0.7.7", &[], &[65002]),
    );
    hear(&mut solo, to, 65003);
    hear(&mut solo, inside, 65001);
    let mut next_hop = |peer, conn, change| {
        let changes = Changes {
            next_hop: Some(change),
            ..Changes::default()
        };
        export(&mut solo, peer, accept(changes));
        let heard = hear(&mut solo, conn, if peer == 2 { 65001 } else { 65003 });
        let told = heard.announced.get(&prefix("10.9.0.0/16"));
        let told = told.map(|told| told.next_hop.unwrap().to_string());
        (told, heard.withdrawn.contains(&prefix("10.9.0.0/16")))
    };
    let hears = |text: &str| (Some(text.to_owned()), false);
    assert_eq!(next_hop(1, to, NextHopChange::Unchanged), hears("10.0.7.7"));
    assert_eq!(next_hop(1, to, NextHopChange::Own), hears("10.0.0.1"));
    assert_eq!(next_hop(2, inside, NextHopChange::Own), hears("10.0.0.1"));
    // An address that the peer cannot take for this family: then it cannot have the route.
    let v6 = NextHopChange::Address(ip("fd00::1"));
    assert_eq!(next_hop(1, to, v6), (None, true));
    assert_eq!(next_hop(1, to, NextHopChange::Own), hears("10.0.0.1"));
    // Its own: it would send packets to itself (RFC 4271 §5.1.3).
    let its_own = NextHopChange::Address(ip(OTHER));
    assert_eq!(next_hop(1, to, its_own), (None, true));
}

#[test]
fn exports_ask_who_told_a_route() {
    let mut solo = Solo::new();
    let first = solo.establish(PEER, 65002);
    let second = solo.establish(INSIDE, 65001);
    let to = solo.establish(OTHER, 65003);
    announce(&mut solo, first, "10.1.0.0/16", &told(PEER, &[], &[65002]));
    announce(&mut solo, second, "10.2.0.0/16", &told(INSIDE, &[], &[]));
    hear(&mut solo, to, 65003);
    let named = |name: &str| NeighborMatch {
        name: Some(name.into()),
        ..NeighborMatch::default()
    };
    for (when, expected) in [
        (source(Source::Own), &["10.244.1.0/24"][..]),
        (source(Source::External), &["10.1.0.0/16"]),
        (source(Source::Internal), &["10.2.0.0/16"]),
        (source(Source::Peers), &["10.1.0.0/16", "10.2.0.0/16"]),
        (neighbor(named("peer-10.0.0.2")), &["10.1.0.0/16"]),
        (neighbor(named("peer-10.0.0.9")), &[]),
        (
            neighbor(NeighborMatch {
                address: Some(prefix("10.0.0.4/30")),
                ..NeighborMatch::default()
            }),
            &["10.2.0.0/16"],
        ),
        (
            neighbor(NeighborMatch {
                asn: Some(65002),
                ..NeighborMatch::default()
            }),
            &["10.1.0.0/16"],
        ),
    ] {
        export(&mut solo, 1, rules(vec![]));
        hear(&mut solo, to, 65003);
        let nothing = rules(vec![Rule::new("no", Action::Reject, None)]);
        export(&mut solo, 1, nothing);
        hear(&mut solo, to, 65003);
        let rule = Rule::new("e", Action::Accept, None).when(when.clone());
        export(&mut solo, 1, rules(vec![rule]));
        let heard = hear(&mut solo, to, 65003);
        let prefixes: Vec<String> = heard.announced.keys().map(ToString::to_string).collect();
        assert_eq!(prefixes, expected, "{when:?}");
    }
}

fn source(source: Source) -> Conditions {
    Conditions {
        source: Some(source),
        ..Conditions::default()
    }
}

fn neighbor(neighbor: NeighborMatch) -> Conditions {
    Conditions {
        neighbor,
        ..Conditions::default()
    }
}

/// The same path, told by another peer: what was told of it is judged by who tells it now.
#[test]
fn who_tells_an_equal_path_matters_to_rules_that_ask() {
    let mut solo = Solo::new();
    let first = solo.establish(PEER, 65002);
    let to = solo.establish(OTHER, 65003);
    let second = solo.establish(INSIDE, 65001);
    let rule = Rule::new("first", Action::Accept, None)
        .when(source(Source::External))
        .set(Changes {
            med: Some(1),
            ..Changes::default()
        });
    let rest = Rule::new("rest", Action::Accept, None);
    export(&mut solo, 1, rules(vec![rule, rest]));
    let path = told("10.0.7.7", &[], &[65002]);
    announce(&mut solo, first, "10.1.0.0/16", &path);
    announce(&mut solo, second, "10.1.0.0/16", &path);
    let med = |heard: &Heard| heard.announced[&prefix("10.1.0.0/16")].med;
    assert_eq!(med(&hear(&mut solo, to, 65003)), Some(1));
    let withdrawn = [crate::wire::Nlri::from(prefix("10.1.0.0/16"))];
    let options = SessionOptions {
        four_octet_as: true,
        families: vec![crate::iana::Family::IPV4_UNICAST],
        ..SessionOptions::default()
    };
    let family = crate::iana::Family::IPV4_UNICAST;
    for bytes in crate::message::pack_withdrawals(family, &withdrawn, &options) {
        solo.send(first, &bytes);
    }
    assert_eq!(med(&hear(&mut solo, to, 65003)), None);
}

#[test]
fn only_what_differs_is_told() {
    let mut solo = Solo::new();
    let from = solo.establish(PEER, 65002);
    let to = solo.establish(OTHER, 65003);
    for third in 0..100 {
        let text = format!("10.{third}.0.0/16");
        announce(&mut solo, from, &text, &told(PEER, &[], &[65002]));
    }
    assert_eq!(hear(&mut solo, to, 65003).announced.len(), 100);
    // All are permitted as before, by other rules.
    export(&mut solo, 1, accept(Changes::default()));
    let heard = hear(&mut solo, to, 65003);
    assert!(heard.announced.is_empty() && heard.withdrawn.is_empty());
    // One is marked, the others are not.
    let mark = Changes {
        med: Some(3),
        ..Changes::default()
    };
    let one = only("10.7.0.0/16", 16, 16);
    let marked = || {
        let matches = crate::policy::PrefixMatch {
            operator: crate::policy::Operator::Equal,
            cidr: prefix("10.7.0.0/16"),
            min_len: 16,
            max_len: 16,
        };
        rules(vec![
            Rule::new("one", Action::Accept, Some(matches)).set(mark.clone()),
            Rule::new("rest", Action::Accept, None),
        ])
    };
    export(&mut solo, 1, marked());
    let heard = hear(&mut solo, to, 65003);
    assert_eq!(heard.announced.len(), 1);
    assert_eq!(heard.announced[&prefix("10.7.0.0/16")].med, Some(3));
    // Less: exactly the rest is withdrawn.
    export(&mut solo, 1, one);
    let heard = hear(&mut solo, to, 65003);
    assert_eq!(
        heard.announced.keys().collect::<Vec<_>>(),
        [&prefix("10.7.0.0/16")]
    );
    assert_eq!(heard.announced[&prefix("10.7.0.0/16")].med, None);
    assert_eq!(heard.withdrawn.len(), 100);
    // Twice, before a word of it was said: the newest counts, whatever was told by which.
    let peer = PeerId(1);
    for export in [Policy::accept_all(), marked()] {
        let import = Policy::accept_all();
        solo.input(Input::Policies {
            peer,
            import,
            export,
        });
    }
    let heard = hear(&mut solo, to, 65003);
    assert_eq!(heard.announced.len(), 101);
    assert_eq!(heard.announced[&prefix("10.7.0.0/16")].med, Some(3));
}

/// A rule of the import side changes a path; what others are told is what is in use.
#[test]
fn what_import_rules_made_of_a_path_goes_on() {
    let mut solo = Solo::new();
    let from = solo.establish(PEER, 65002);
    let to = solo.establish(INSIDE, 65001);
    hear(&mut solo, to, 65001);
    let path = told(PEER, &[5], &[65002]);
    announce(&mut solo, from, "10.9.0.0/16", &path);
    assert_eq!(hear(&mut solo, to, 65001).announced.len(), 1);
    let changes = Changes {
        local_pref: Some(300),
        communities: CommunityChanges {
            remove: [CommunityPattern::All].into(),
            add: [Community::Standard(6)].into(),
        },
        ..Changes::default()
    };
    let rule = Rule::new("i", Action::Accept, None).set(changes.clone());
    set_rules(&mut solo, 0, rules(vec![rule]), Policy::accept_all());
    let heard = hear(&mut solo, to, 65001);
    let told = &heard.announced[&prefix("10.9.0.0/16")];
    assert_eq!(
        (told.local_pref.get(), &*told.communities),
        (Some(300), &[6][..])
    );
    // Another mark, which the rule takes away: the peer sees no difference, and hears nothing.
    let other = PathAttributes {
        communities: [7].into(),
        ..path
    };
    announce(&mut solo, from, "10.9.0.0/16", &other);
    assert!(hear(&mut solo, to, 65001).announced.is_empty());
    let now = route(&solo.speaker, "10.9.0.0/16", 0);
    assert_eq!(*now.attributes.received().communities, [7]);
}
