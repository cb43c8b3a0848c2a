//! What a peer is told: next hops, communities, roles, and each reason to tell nothing.

use super::*;
use crate::policy::Memo;
use crate::policy::{Action, AsPathMatch, Conditions, Rule};
use crate::validate::Role;

/// As far as it does not matter who told it.
fn permit(prefix: &Prefix, route: &LocRoute, to: &Target) -> Result<(), Withheld> {
    export::permit(prefix, route, to, None, &mut Memo::default()).map(drop)
}

#[test]
fn a_link_local_next_hop_does_not_leave_its_link() {
    let to = |asn| Target {
        asn,
        own: OwnAddresses::only("2001:db8::1".parse().unwrap()),
        ..target()
    };
    let (global, link_local) = ("2001:db8:9::1", "fe80::1");
    let v6 = |text: &str| NextHop::V6(text.parse().unwrap());
    let both = |global: &str| NextHop::V6LinkLocal {
        global: global.parse().unwrap(),
        link_local: link_local.parse().unwrap(),
    };
    let told = |next_hop, asn| {
        let mut attributes = attributes(&[65001]);
        attributes.next_hop = Some(next_hop);
        export::transform(&attributes, false, Family::IPV6_UNICAST, &to(asn), None).next_hop
    };
    let own = Some(v6("2001:db8::1"));
    assert_eq!(told(v6(global), 65000), Some(v6(global)));
    assert_eq!(told(both(global), 65000), Some(v6(global)));
    assert_eq!(told(v6(link_local), 65000), own);
    assert_eq!(told(both("::"), 65000), own);
    for next_hop in [v6(global), both(global), v6(link_local)] {
        assert_eq!(told(next_hop, 65099), own, "{next_hop}");
    }
}

#[test]
fn the_own_next_hop_is_what_the_session_can_carry() {
    let both: OwnAddresses = OwnAddresses {
        v4: Some([10, 0, 0, 1].into()),
        v6: Some("2001:db8::1".parse().unwrap()),
        addresses: ["10.0.0.1", "fe80::1", "2001:db8::1"]
            .map(|text| text.parse().unwrap())
            .to_vec(),
        ..OwnAddresses::default()
    };
    let hop = |v4: bool, on_link, extended_next_hop, family| {
        let mut to = Target {
            own: both.clone(),
            on_link,
            extended_next_hop,
            ..target()
        };
        to.own.v4 = to.own.v4.filter(|_| v4);
        to.own_next_hop(family).map(|hop| hop.to_string())
    };
    let (v4, v6) = (Family::IPV4_UNICAST, Family::IPV6_UNICAST);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(hop(true, true, true, v4), some("10.0.0.1"));
    assert_eq!(hop(false, true, true, v4), some("2001:db8::1 (fe80::1)"));
    assert_eq!(hop(false, false, true, v4), some("2001:db8::1"));
    assert_eq!(hop(false, true, false, v4), None);
    assert_eq!(hop(true, true, false, v6), some("2001:db8::1 (fe80::1)"));
    assert_eq!(hop(true, false, false, v6), some("2001:db8::1"));
}

/// An internal peer that takes no IPv6 next hop of IPv4 prefixes gets our own.
#[test]
fn what_an_internal_peer_cannot_take_as_a_next_hop_is_replaced() {
    let told = |extended_next_hop| {
        let to = Target {
            asn: 65000,
            extended_next_hop,
            ..target()
        };
        let mut attributes = attributes(&[65001]);
        attributes.next_hop = Some(NextHop::V6("2001:db8::9".parse().unwrap()));
        let told = export::transform(&attributes, false, Family::IPV4_UNICAST, &to, None);
        told.next_hop.map(|hop| hop.to_string())
    };
    assert_eq!(told(true), Some("2001:db8::9".to_owned()));
    assert_eq!(told(false), Some("10.0.0.1".to_owned()));
}

#[test]
fn non_transitive_communities_do_not_leave_the_as() {
    let told = |asn| {
        let mut attributes = attributes(&[65001]);
        let rare = attributes.rare_mut();
        rare.extended_communities = vec![[0, 2, 0, 0, 0, 0, 0, 1], [0x43, 0, 0, 0, 0, 0, 0, 2]];
        let mut v6 = [0; 20];
        v6[0] = 0x40;
        rare.ipv6_extended_communities = vec![[0; 20], v6];
        rare.large_communities = vec![[1, 2, 3]];
        let to = Target { asn, ..target() };
        let rare = export::transform(&attributes, false, Family::IPV4_UNICAST, &to, None).rare;
        let rare = rare.unwrap();
        let count = rare.ipv6_extended_communities.len();
        (
            rare.extended_communities.len(),
            count,
            rare.large_communities.len(),
        )
    };
    assert_eq!(told(65000), (2, 2, 1));
    assert_eq!(told(65099), (1, 1, 1));
}

fn with_otc(otc: Option<u32>, path: &[u32]) -> Arc<PathAttributes> {
    let mut attributes = attributes(path);
    if otc.is_some() {
        attributes.rare_mut().only_to_customer = otc;
    }
    Arc::new(attributes)
}

/// What becomes of a path that comes from AS 65099.
fn received(role: Role, otc: Option<u32>) -> String {
    let attributes = leak::marked(role, 65099, with_otc(otc, &[65099, 65001]));
    match leak::is_leak(role, 65099, &attributes) {
        true => "leak".to_owned(),
        false => format!("{:?}", attributes.only_to_customer()),
    }
}

/// What AS 65099 is told.
fn sent(role: Role, otc: Option<u32>) -> String {
    let to = Target {
        role: Some(role),
        ..target()
    };
    let route = LocRoute {
        source: Source::Own,
        attributes: with_otc(otc, &[]),
        next_hops: NextHops::default(),
    };
    if let Err(why) = permit(&prefix(1), &route, &to) {
        return format!("{why:?}");
    }
    let told = export::transform(&route.attributes, true, Family::IPV4_UNICAST, &to, None);
    format!("{:?}", told.only_to_customer())
}

/// RFC 9234 §5, all of its table: the own role, what comes in, what goes out.
#[test]
fn routes_with_otc_go_down_only() {
    let down = ["Some(65000)", "Some(7)"];
    let marked = ["Some(65099)", "Some(65099)", "Some(7)"];
    let table = [
        (Role::Provider, ["None", "leak", "leak"], down),
        (Role::RouteServer, ["None", "leak", "leak"], down),
        (
            Role::Peer,
            ["Some(65099)", "Some(65099)", "leak"],
            ["Some(65000)", "RouteLeak"],
        ),
        (Role::Customer, marked, ["None", "RouteLeak"]),
        (Role::RouteServerClient, marked, ["None", "RouteLeak"]),
    ];
    for (role, ins, outs) in table {
        let was = [None, Some(65099), Some(7)].map(|otc| received(role, otc));
        assert_eq!(was, ins, "{role} in");
        let was = [None, Some(7)].map(|otc| sent(role, otc));
        assert_eq!(was, outs, "{role} out");
    }
    // Within the AS a role means nothing.
    let inside = Target {
        asn: 65000,
        role: Some(Role::Customer),
        ..target()
    };
    let own = with_otc(Some(7), &[]);
    let told = export::transform(&own, true, Family::IPV4_UNICAST, &inside, None);
    assert_eq!(told.only_to_customer(), Some(7));
}

#[test]
fn each_reason_to_withhold_a_route_is_given() {
    let to = |asn: u32, policy: Policy| Target {
        asn,
        policy,
        ..target()
    };
    let route = |source: Source, path: &[u32]| LocRoute {
        source,
        attributes: Arc::new(attributes(path)),
        next_hops: NextHops::default(),
    };
    let all = Policy::accept_all;
    let from = |id, external| Source::Peer {
        id: PeerId(id),
        external,
        client: false,
    };
    let permitted = |route: &LocRoute, to: &Target| permit(&prefix(1), route, to);
    let learned = route(from(1, true), &[65001]);
    assert_eq!(permitted(&learned, &to(65099, all())), Ok(()));
    assert_eq!(
        permitted(&learned, &to(65001, all())),
        Err(Withheld::PeerAs)
    );
    let back = route(from(2, true), &[65001]);
    assert_eq!(
        permitted(&back, &to(65099, all())),
        Err(Withheld::SplitHorizon)
    );
    let internal = route(from(1, false), &[65001]);
    assert_eq!(
        permitted(&internal, &to(65000, all())),
        Err(Withheld::InternalToInternal)
    );
    assert_eq!(permitted(&internal, &to(65099, all())), Ok(()));
    let refused = Withheld::Policy(crate::policy::DecidedBy::Default);
    assert_eq!(
        permitted(&learned, &to(65099, Policy::default())),
        Err(refused)
    );
    assert_eq!(
        permitted(&route(Source::Own, &[]), &to(65099, Policy::default())),
        Ok(())
    );
    let ipv6: Prefix = "2001:db8::/32".parse().unwrap();
    let own = route(Source::Own, &[]);
    assert_eq!(
        permit(&ipv6, &own, &to(65099, all())),
        Err(Withheld::NoNextHop)
    );
}

/// Rules that look at paths may take long for each: who has others waiting does not do all at once.
#[test]
fn a_call_looks_at_few_prefixes_where_rules_look_at_paths() {
    let mut rib = rib();
    let count = 1000;
    (1..=count).for_each(|n| announce(&mut rib, n % 2, n, &[65001 + n % 2, n]));
    settle(&mut rib);
    let calls = |policy: Policy| {
        let to = Target { policy, ..target() };
        let mut out = AdjRibOut::new(options());
        let mut calls = 0;
        while out.has_work(false) {
            assert!(super::next_message(&mut out, &rib, &to, false).is_none());
            calls += 1;
        }
        calls
    };
    let reject = |when| {
        let rule = Rule::new("no", Action::Reject, None).when(when);
        Policy::new(vec![rule], vec![])
    };
    let asked = Conditions {
        as_path: AsPathMatch {
            min_len: Some(1),
            ..AsPathMatch::default()
        },
        ..Conditions::default()
    };
    assert_eq!(calls(reject(Conditions::default())), 1);
    let several = calls(reject(asked));
    assert!((8..=10).contains(&several), "{several}");
}

/// An own default route has no parts: when it goes, not all that there is is looked at.
#[test]
fn what_lies_in_a_short_own_network_is_not_judged_for_it() {
    let mut rib = rib();
    (1..=100).for_each(|n| announce(&mut rib, 0, n, &[65001]));
    settle(&mut rib);
    let mut judged = |network: &str| {
        let mut count = 0;
        rib.judge_within(network.parse().unwrap(), &mut |_, _, _, _, _| {
            count += 1;
            None
        });
        count
    };
    assert_eq!(judged("0.0.0.0/0"), 0);
    assert_eq!(judged("10.0.0.0/20"), 15);
    assert_eq!(judged("10.0.1.0/24"), 1);
}
