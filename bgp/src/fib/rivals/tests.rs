use std::net::Ipv4Addr;

use super::*;

const OWNER: Ownership = Ownership {
    protocol: 77,
    metric: 77,
    default_route_metric: 20_077,
    table: 254,
};

fn foreign(prefix: &str, metric: u32, protocol: u8) -> Foreign {
    Foreign {
        prefix: prefix.parse().unwrap(),
        metric,
        protocol,
        kind: 1,
    }
}

fn numbered(index: usize) -> Foreign {
    let index = u32::try_from(index).unwrap();
    let address = Ipv4Addr::from(0x0a00_0000 + (index << 8));
    Foreign {
        prefix: Prefix::new(address.into(), 24).unwrap(),
        ..foreign("0.0.0.0/0", 20, 4)
    }
}

fn seen(route: Foreign) -> News {
    News::Seen {
        route,
        replaced: false,
    }
}

#[test]
fn the_metric_says_what_a_foreign_route_does() {
    let cases = [
        ("10.1.0.0/16", 76, Effect::Preferred),
        ("10.1.0.0/16", 0, Effect::Preferred),
        ("10.1.0.0/16", 77, Effect::InTheWay),
        ("10.1.0.0/16", 78, Effect::Beside),
        ("0.0.0.0/0", 100, Effect::Preferred),
        ("::/0", 1024, Effect::Preferred),
        ("::/0", 20_077, Effect::InTheWay),
        ("0.0.0.0/0", 20_078, Effect::Beside),
    ];
    for (prefix, metric, effect) in cases {
        let route = foreign(prefix, metric, 4);
        assert_eq!(route.effect(&OWNER), effect, "{prefix} {metric}");
    }
}

#[test]
fn ours_and_those_of_other_tables_sources_and_classes_are_no_rivals() {
    let route = KernelRoute {
        prefix: "10.1.0.0/16".parse().unwrap(),
        protocol: 4,
        metric: 20,
        table: 254,
        kind: 1,
        unicast: true,
        interface: None,
        gateways: vec![],
        object: None,
        source: None,
        extras: false,
    };
    let of = |route: &KernelRoute| Foreign::of(&OWNER, route);
    assert_eq!(of(&route), Some(foreign("10.1.0.0/16", 20, 4)));
    // Our number at another metric is not ours.
    let number = KernelRoute {
        protocol: 77,
        ..route.clone()
    };
    assert_eq!(of(&number), Some(foreign("10.1.0.0/16", 20, 77)));
    for other in [
        KernelRoute {
            metric: 77,
            ..number
        },
        KernelRoute {
            table: 10,
            ..route.clone()
        },
        KernelRoute { kind: 0, ..route },
    ] {
        assert_eq!(of(&other), None, "{other:?}");
    }
}

#[test]
fn only_those_at_own_prefixes_are_told_and_the_worst_come_first() {
    let mut rivals = Rivals::default();
    let ours = |prefix: Prefix| prefix.prefix() != 8;
    for route in [
        foreign("10.3.0.0/16", 90, 4),
        foreign("10.2.0.0/16", 77, 11),
        foreign("10.9.0.0/16", 20, 4),
        foreign("10.0.0.0/8", 20, 4),
        foreign("::/0", 30_000, 9),
    ] {
        rivals.heard(seen(route), ours(route.prefix));
    }
    let status = rivals.status(&OWNER, ours);
    let told: Vec<(String, Effect)> = status
        .listed
        .iter()
        .map(|(route, effect)| (route.prefix.to_string(), *effect))
        .collect();
    let expected = [
        ("::/0", Effect::Beside),
        ("10.9.0.0/16", Effect::Preferred),
        ("10.2.0.0/16", Effect::InTheWay),
        ("10.3.0.0/16", Effect::Beside),
    ];
    assert_eq!(
        told,
        expected.map(|(prefix, effect)| (prefix.to_owned(), effect))
    );
    assert_eq!(status.counts, [1, 1, 2]);
    // A prefix that becomes ours later brings its rivals along.
    assert_eq!(rivals.status(&OWNER, |_| true).counts, [2, 1, 2]);
    assert_eq!(rivals.status(&OWNER, |_| false), RivalStatus::default());
}

#[test]
fn what_goes_or_is_replaced_is_forgotten() {
    let mut rivals = Rivals::default();
    let (old, new) = (
        foreign("10.1.0.0/16", 20, 4),
        foreign("10.1.0.0/16", 20, 11),
    );
    let beside = foreign("10.1.0.0/16", 21, 4);
    rivals.heard(seen(old), true);
    rivals.heard(seen(beside), true);
    rivals.heard(
        News::Seen {
            route: new,
            replaced: true,
        },
        true,
    );
    assert_eq!(rivals.known, BTreeSet::from([new, beside]));
    rivals.heard(News::Gone(new), true);
    // Told twice, and told of what was never there.
    rivals.heard(News::Gone(new), true);
    assert_eq!(rivals.known, BTreeSet::from([beside]));
    let mut others = Others::default();
    others.add(old);
    rivals.dumped(Some(&others), |_| true);
    assert_eq!(rivals.known, BTreeSet::from([old]));
    rivals.dumped(None, |_| true);
    assert_eq!(rivals.known, BTreeSet::from([old]));
}

#[test]
fn what_is_remembered_is_bounded_and_own_prefixes_have_more_room() {
    let mut rivals = Rivals::default();
    for index in 0..STRANGERS + 10 {
        rivals.heard(seen(numbered(index)), false);
    }
    assert_eq!(rivals.known.len(), STRANGERS);
    let last = numbered(STRANGERS + 20);
    rivals.heard(seen(last), true);
    assert!(rivals.known.contains(&last));
    for index in 0..MOST + 10 {
        rivals.heard(seen(numbered(index)), true);
    }
    assert_eq!(rivals.known.len(), MOST);
    let status = rivals.status(&OWNER, |_| true);
    assert_eq!((status.counts[0], status.listed.len()), (MOST, LISTED));
}

#[test]
fn a_table_with_many_foreign_routes_is_read_seldom() {
    let mut rivals = Rivals::default();
    let mut others = Others::default();
    for index in 0..MANY {
        others.add(numbered(index));
    }
    assert!(rivals.wanted());
    rivals.dumped(Some(&others), |_| false);
    let mut skipped = 0;
    while !rivals.wanted() {
        rivals.dumped(None, |_| false);
        skipped += 1;
    }
    assert_eq!(skipped, SELDOM - 1);
    others.forget(crate::fib::message::family::INET);
    others.forget(crate::fib::message::family::INET6);
    rivals.dumped(Some(&others), |_| false);
    assert!(rivals.wanted());
}

#[test]
fn networks_of_this_node_keep_routes_that_would_hide_them_out() {
    let mut rivals = Rivals::default();
    let network = foreign("fd00:1::/64", 256, 2);
    let prefix = network.prefix;
    let hops: NextHops = [std::net::IpAddr::from([10, 0, 0, 1]).into()].into();
    let none = NextHops::default();
    // Not known yet: it is wanted, until a notification or a dump tells.
    assert_eq!(rivals.filter(&OWNER, prefix, hops.clone()), hops);
    assert_eq!(rivals.review(&OWNER, prefix, Some(hops.clone())), None);
    rivals.heard(seen(network), false);
    let review = |rivals: &mut Rivals, wanted: Option<&NextHops>| {
        rivals.review(&OWNER, prefix, wanted.cloned())
    };
    assert_eq!(review(&mut rivals, Some(&hops)), Some(none.clone()));
    assert_eq!(review(&mut rivals, None), None);
    assert_eq!(rivals.filter(&OWNER, prefix, hops.clone()), none);
    // It is told, although nothing is wanted of the table.
    let status = rivals.status(&OWNER, |_| false);
    assert_eq!(status.listed, [(network, Effect::Preferred)]);
    assert_eq!(rivals.to_review(&OWNER), BTreeSet::from([prefix]));
    // The speaker takes it back, or the network goes.
    assert_eq!(rivals.filter(&OWNER, prefix, none.clone()), none);
    rivals.heard(News::Gone(network), false);
    assert_eq!(review(&mut rivals, None), None);
    rivals.heard(seen(network), false);
    assert_eq!(rivals.filter(&OWNER, prefix, hops.clone()), none);
    rivals.dumped(Some(&Others::default()), |_| false);
    assert_eq!(rivals.to_review(&OWNER), BTreeSet::from([prefix]));
    assert_eq!(review(&mut rivals, None), Some(hops.clone()));
    assert_eq!(rivals.to_review(&OWNER), BTreeSet::new());
    // IPv4's come first anyway, and so does one with a lower metric, or another program's route.
    for other in [
        foreign("10.1.0.0/16", 0, 2),
        foreign("fd00:2::/64", 76, 2),
        foreign("fd00:3::/64", 256, 4),
    ] {
        rivals.heard(seen(other), false);
        assert_eq!(rivals.filter(&OWNER, other.prefix, hops.clone()), hops);
    }
}
