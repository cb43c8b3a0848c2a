//! What is done to a path on the way out: next hops, AS_PATHs, reflection.

use super::*;
use crate::message::EncodedAttributes;
use crate::policy::Memo;

const V4: Family = Family::IPV4_UNICAST;
const V6: Family = Family::IPV6_UNICAST;
const INTERNAL: u32 = 65000;
const EXTERNAL: u32 = 65099;

fn from(external: bool, client: bool) -> Source {
    Source::Peer {
        id: PeerId(1),
        external,
        client,
    }
}

fn route(source: Source, attributes: PathAttributes) -> LocRoute {
    LocRoute {
        source,
        attributes: Arc::new(attributes),
        next_hops: NextHops::default(),
    }
}

/// Without anybody whom a rule could ask for.
fn permit(prefix: &Prefix, route: &LocRoute, to: &Target) -> Result<(), Withheld> {
    export::permit(prefix, route, to, None, &mut Memo::default()).map(drop)
}

fn to(asn: u32, knobs: Knobs) -> Target {
    Target {
        asn,
        knobs,
        ..target()
    }
}

/// The AS_PATH that AS 65099 is told of another's.
fn told_path(path: &[u32], knobs: Knobs) -> String {
    let told = export::transform(&attributes(path), false, V4, &to(EXTERNAL, knobs), None);
    told.as_path.to_string()
}

#[test]
fn private_numbers_and_the_peers_own_leave_the_path_as_it_is_set() {
    let knobs = |remove_private, as_override| Knobs {
        remove_private,
        as_override,
        ..Knobs::default()
    };
    let (remove, replace) = (Some(RemovePrivate::Remove), Some(RemovePrivate::Replace));
    let private = 4_200_000_001;
    let table: [(&[u32], [&str; 3]); 6] = [
        (&[65001], ["65000 65001", "65000", "65000 65000"]),
        (&[3356, 1299], ["65000 3356 1299"; 3]),
        // Mixed: what is public stays where it is.
        (
            &[65001, 3356, private],
            [
                "65000 65001 3356 4200000001",
                "65000 3356",
                "65000 65000 3356 65000",
            ],
        ),
        // 65535 is reserved, not private (RFC 7300).
        (&[65535], ["65000 65535"; 3]),
        // Our own from elsewhere is a private one like others.
        (
            &[65000, 65001],
            ["65000 65000 65001", "65000", "65000 65000 65000"],
        ),
        (&[], ["65000"; 3]),
    ];
    for (path, expected) in table {
        let told = [None, remove, replace].map(|mode| told_path(path, knobs(mode, false)));
        assert_eq!(told, expected, "{path:?}");
    }
    // AS override: every occurrence of the peer's, which is no private one to be taken out.
    let path = [65001, EXTERNAL, 3356, EXTERNAL];
    for (mode, expected) in [
        (None, "65000 65001 65000 3356 65000"),
        (remove, "65000 65000 3356 65000"),
        (replace, "65000 65000 65000 3356 65000"),
    ] {
        assert_eq!(told_path(&path, knobs(mode, true)), expected);
    }
    // The number that the peer knows us by.
    let aliased = Target {
        local_asn: 64999,
        ..to(EXTERNAL, knobs(replace, true))
    };
    let told = export::transform(&attributes(&path), false, V4, &aliased, None);
    assert_eq!(told.as_path.to_string(), "64999 64999 64999 3356 64999");
    // Within the AS paths stay as they are.
    let inside = to(INTERNAL, knobs(remove, true));
    let told = export::transform(&attributes(&path), false, V4, &inside, None);
    assert_eq!(told.as_path.to_string(), "65001 65099 3356 65099");
}

/// AS4_PATH is made of the path as it is told, so it tells a 2-octet peer nothing else.
#[test]
fn as4_path_has_no_numbers_that_were_removed() {
    let options = SessionOptions {
        four_octet_as: false,
        ..SessionOptions::default()
    };
    let encoded = |remove_private| {
        let knobs = Knobs {
            remove_private,
            ..Knobs::default()
        };
        let path = attributes(&[4_200_000_001, 3356, 131_072]);
        let told = export::transform(&path, false, V4, &to(EXTERNAL, knobs), None);
        let encoded = EncodedAttributes::new(V4, &told, &options).unwrap();
        let nlri = [crate::wire::Nlri::from(prefix(1))];
        let mut nlri = nlri.into_iter().peekable();
        message::announce(&encoded, &mut nlri, &options).unwrap()
    };
    let contains = |bytes: &[u8], asn: u32| bytes.windows(4).any(|w| *w == asn.to_be_bytes());
    let plain = encoded(None);
    assert!(contains(&plain, 4_200_000_001) && contains(&plain, 131_072));
    for mode in [RemovePrivate::Remove, RemovePrivate::Replace] {
        let bytes = encoded(Some(mode));
        assert!(!contains(&bytes, 4_200_000_001), "{mode:?}");
        assert!(contains(&bytes, 131_072), "{mode:?}: AS4_PATH is needed");
    }
}

#[test]
fn with_as_override_the_peers_number_in_the_path_withholds_nothing() {
    let permitted = |as_override| {
        let knobs = Knobs {
            as_override,
            ..Knobs::default()
        };
        let learned = route(from(true, false), attributes(&[65001, EXTERNAL]));
        permit(&prefix(1), &learned, &to(EXTERNAL, knobs))
    };
    assert_eq!(permitted(false), Err(Withheld::PeerAs));
    assert_eq!(permitted(true), Ok(()));
}

/// What a peer is told of `next_hop`, or why it is told nothing.
fn hop(to: &Target, next_hop: &str, family: Family) -> String {
    let next_hop: IpAddr = next_hop.parse().unwrap();
    let mut learned = attributes(&[65001]);
    learned.next_hop = Some(next_hop.into());
    let mut prefix = prefix(1);
    if family == V6 {
        prefix = "2001:db8:77::/48".parse().unwrap();
    }
    // From an external peer: internal ones may be told of it, too.
    let route = route(from(true, false), learned);
    match permit(&prefix, &route, to) {
        Ok(()) => {
            let told = export::transform(&route.attributes, false, family, to, None);
            told.next_hop.unwrap().to_string()
        }
        Err(why) => format!("{why:?}"),
    }
}

/// A link with 10.0.0.0/24 and 2001:db8::/64, on which we are .1 and the peer is .2.
fn shared(asn: u32, next_hop: NextHopMode) -> Target {
    let own = ["10.0.0.1/24", "2001:db8::1/64"];
    let networks = own.map(|text| text.parse().unwrap()).to_vec();
    let knobs = Knobs {
        next_hop,
        ..Knobs::default()
    };
    Target {
        own: OwnAddresses {
            v4: Some([10, 0, 0, 1].into()),
            v6: Some("2001:db8::1".parse().unwrap()),
            networks,
            ..OwnAddresses::default()
        },
        on_link: true,
        ..to(asn, knobs)
    }
}

#[test]
fn the_next_hop_is_the_learned_one_a_third_partys_or_our_own() {
    use NextHopMode::{Auto, Keep, Own};
    let (near, far, ours) = ("10.0.0.9", "192.0.2.9", "10.0.0.1");
    for (asn, mode, of_near, of_far) in [
        (INTERNAL, Auto, near, far),
        (INTERNAL, Own, ours, ours),
        (INTERNAL, Keep, near, far),
        (EXTERNAL, Auto, near, ours),
        (EXTERNAL, Own, ours, ours),
        (EXTERNAL, Keep, near, far),
    ] {
        let to = shared(asn, mode);
        let told = [near, far].map(|next_hop| hop(&to, next_hop, V4));
        assert_eq!(told, [of_near, of_far], "{asn} {mode:?}");
    }
    // A third party is one only where the peer is on the network, too.
    let mut elsewhere = shared(EXTERNAL, Auto);
    elsewhere.who.address = [192, 0, 2, 2].into();
    assert_eq!(hop(&elsewhere, near, V4), ours);
    elsewhere.on_link = false;
    assert_eq!(hop(&elsewhere, near, V4), ours);
    // Of the other family nobody says that the peer has an address there.
    let over_v4 = shared(EXTERNAL, Auto);
    assert_eq!(hop(&over_v4, "2001:db8::9", V6), "2001:db8::1");
    let mut over_v6 = shared(EXTERNAL, Auto);
    over_v6.who.address = "2001:db8::2".parse().unwrap();
    assert_eq!(hop(&over_v6, "2001:db8::9", V6), "2001:db8::9");
}

#[test]
fn a_peer_is_not_told_its_own_address_and_what_is_kept_is_not_replaced() {
    use NextHopMode::{Auto, Keep, Own};
    for (asn, mode, expected) in [
        (INTERNAL, Auto, "PeerNextHop"),
        (INTERNAL, Keep, "PeerNextHop"),
        (INTERNAL, Own, "10.0.0.1"),
        (EXTERNAL, Auto, "10.0.0.1"),
        (EXTERNAL, Keep, "PeerNextHop"),
    ] {
        assert_eq!(
            hop(&shared(asn, mode), "10.0.0.2", V4),
            expected,
            "{asn} {mode:?}"
        );
    }
    for (next_hop, family) in [("fe80::9", V6), ("2001:db8::9", V4)] {
        let told = |asn, mode| hop(&shared(asn, mode), next_hop, family);
        let ours = hop(&shared(INTERNAL, Own), next_hop, family);
        assert_eq!(told(INTERNAL, Auto), ours);
        assert_eq!(told(INTERNAL, Keep), "NextHopKept");
        assert_eq!(told(EXTERNAL, Keep), "NextHopKept");
    }
    let takes = Target {
        extended_next_hop: true,
        ..shared(EXTERNAL, Keep)
    };
    assert_eq!(hop(&takes, "2001:db8::9", V4), "2001:db8::9");
    // What is ours has our own next hop whatever is set.
    let own = route(Source::Own, PathAttributes::default());
    for mode in [Auto, Keep, Own] {
        let to = shared(EXTERNAL, mode);
        assert_eq!(permit(&prefix(1), &own, &to), Ok(()));
        let told = export::transform(&own.attributes, true, V4, &to, None).next_hop;
        assert_eq!(told, to.own_next_hop(V4));
    }
}

/// RFC 4456 §6, and what is told without a rule.
#[test]
fn who_is_told_of_whom() {
    let internal_only = Err(Withheld::InternalToInternal);
    let by_default = Err(Withheld::Policy(crate::policy::DecidedBy::Default));
    let peer = |asn, client, policy| Target {
        policy,
        ..to(
            asn,
            Knobs {
                client,
                ..Knobs::default()
            },
        )
    };
    // To a client, another internal peer, an external one: with rules that accept, and without.
    let (yes, no) = (Ok(()), by_default);
    for (source, accepted, without) in [
        (Source::Own, [yes, yes, yes], [yes, yes, yes]),
        (from(false, true), [yes, yes, yes], [yes, yes, no]),
        (
            from(false, false),
            [yes, internal_only, yes],
            [yes, internal_only, no],
        ),
        (from(true, false), [yes, yes, yes], [yes, no, no]),
    ] {
        for (policy, expected) in [
            (Policy::accept_all(), accepted),
            (Policy::default(), without),
        ] {
            let told =
                [(INTERNAL, true), (INTERNAL, false), (EXTERNAL, false)].map(|(asn, client)| {
                    let to = peer(asn, client, policy.clone());
                    permit(&prefix(1), &route(source, attributes(&[65001])), &to)
                });
            assert_eq!(told, expected, "{source:?}");
        }
    }
}

#[test]
fn what_is_reflected_says_where_it_came_from_and_what_it_went_through() {
    let client = to(
        INTERNAL,
        Knobs {
            client: true,
            ..Knobs::default()
        },
    );
    let (first, second) = ([10, 255, 0, 7], [10, 255, 0, 8]);
    let mut learned = PathAttributes {
        local_pref: 250.into(),
        med: Some(7),
        communities: [65000 << 16 | 1].into(),
        ..attributes(&[65001])
    };
    learned.rare_mut().told_by = Some(first.into());
    let told = export::transform(&learned, false, V4, &client, None);
    let mut expected = learned.clone();
    *expected.rare_mut() = crate::attr::RareAttributes {
        originator_id: Some(first.into()),
        cluster_list: vec![client.cluster_id],
        ..Default::default()
    };
    assert_eq!(told, expected, "all else is unmodified");

    // A second reflector keeps the originator and puts its cluster in front.
    let mut again = told;
    again.rare_mut().told_by = Some(second.into());
    let told = export::transform(&again, false, V4, &client, None);
    assert_eq!(told.originator_id(), Some(first.into()));
    assert_eq!(told.cluster_list(), [client.cluster_id, client.cluster_id]);
    assert_eq!(told.told_by(), None);

    // What an external peer told is not reflected, and nothing of it leaves the AS.
    let plain = export::transform(&attributes(&[65001]), false, V4, &client, None);
    assert_eq!(
        (plain.originator_id(), plain.cluster_list().len()),
        (None, 0)
    );
    let outside = to(EXTERNAL, Knobs::default());
    let told = export::transform(&again, false, V4, &outside, None);
    let rare = told.rare.unwrap_or_default();
    assert_eq!(*rare, crate::attr::RareAttributes::default());

    // Whoever told it first is not told it, by whichever way it came.
    let mut back = client;
    for id in [first, second] {
        back.who.bgp_id = id.into();
        let is_originator = id == first;
        for attributes in [&learned, &again] {
            let permitted = permit(
                &prefix(1),
                &route(from(false, true), attributes.clone()),
                &back,
            );
            let expected = if is_originator {
                Err(Withheld::Originator)
            } else {
                Ok(())
            };
            assert_eq!(permitted, expected);
        }
    }
}
