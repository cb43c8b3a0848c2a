//! Next hops that are no gateways, that become gateways, and that are reached by routes.

use super::*;
use crate::fib::resolve::{Link, Ways};

fn hop(text: &str) -> NextHop {
    hops(&[text])[0]
}

#[test]
fn a_route_goes_without_the_next_hop_that_is_no_gateway_until_it_is_one() {
    let (mut table, now) = (table(), Instant::now());
    let bad = hop("10.0.9.1");
    for text in [P, "10.244.3.0/24"] {
        table.want(prefix(text), &hops(&["10.0.1.1", "10.0.9.1"]));
    }
    table.want(prefix("10.244.4.0/24"), &hops(&["10.0.1.1"]));
    assert!(table.next_changes(9).is_empty(), "nothing is known yet");
    assert_eq!(*table.suspects(), *hops(&["10.0.1.1", "10.0.9.1"]));
    assert!(!table.has_suspects());
    let verdicts = [
        (hop("10.0.1.1"), Lookup::Connected(1)),
        (bad, Lookup::Unreachable),
    ];
    assert_eq!(answer(&mut table, verdicts.clone()).len(), 2);
    // Verdicts of what is reached by routes may depend on others.
    assert_eq!(table.suspects(), [bad]);
    assert_eq!(answer(&mut table, verdicts), []);
    let mut lines = work(&mut table, now, Outcome::Done);
    lines.sort();
    assert_eq!(
        lines,
        [
            "create 10.244.2.0/24 10.0.1.1",
            "create 10.244.3.0/24 10.0.1.1",
            "create 10.244.4.0/24 10.0.1.1",
        ]
    );
    let status = table.status();
    assert_eq!(
        (status.installed, status.degraded_count, status.failed_count),
        (3, 2, 0)
    );
    assert!(status.unsettled.is_empty());
    assert_eq!(status.degraded[0].0, prefix(P));
    let text = &status.degraded[0].1;
    assert!(
        text.starts_with("installed via 10.0.1.1 only: next hop 10.0.9.1 is not on any connected")
            && text.contains("give this node an address"),
        "{text}"
    );
    // An unrelated network, then the right one.
    table.retry_within(&prefix("10.0.8.0/24"));
    assert!(!table.has_suspects());
    table.retry_within(&prefix("10.0.9.0/24"));
    assert_eq!(table.suspects(), [bad]);
    assert_eq!(answer(&mut table, [(bad, Lookup::Connected(2))]), [bad]);
    let mut lines = work(&mut table, now, Outcome::Done);
    lines.sort();
    assert_eq!(
        lines,
        [
            "replace 10.244.2.0/24 10.0.1.1+10.0.9.1%2",
            "replace 10.244.3.0/24 10.0.1.1+10.0.9.1%2",
        ]
    );
    assert_eq!(table.status().degraded_count, 0);
}

#[test]
fn where_no_next_hop_is_usable_nothing_is_written_and_each_is_named() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.8.1", "10.0.9.1"]));
    table.suspects();
    let verdicts = [
        (hop("10.0.8.1"), Lookup::Own),
        (hop("10.0.9.1"), Lookup::Unreachable),
    ];
    answer(&mut table, verdicts);
    table.suspects();
    assert_eq!(work(&mut table, now, Outcome::Done), [""; 0]);
    let status = table.status();
    assert_eq!((status.installed, status.failed_count), (0, 1));
    assert_eq!(status.unsettled, [prefix(P)]);
    let text = &status.failed[0].1;
    assert!(
        text.contains("10.0.8.1 is an address of this node")
            && text.contains("10.0.9.1 is not on any connected network"),
        "{text}"
    );
    // One of them comes: the route with that one.
    answer(&mut table, [(hop("10.0.9.1"), Lookup::Connected(1))]);
    table.suspects();
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P} 10.0.9.1")]
    );
    let status = table.status();
    assert_eq!((status.failed_count, status.degraded_count), (0, 1));
}

#[test]
fn a_refused_route_has_its_next_hops_asked_about() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.9.1"]));
    work(&mut table, now, Outcome::Refused(libc::ENETUNREACH));
    assert_eq!(table.suspects(), [hop("10.0.9.1")]);
    answer(&mut table, [(hop("10.0.9.1"), Lookup::Unreachable)]);
    table.suspects();
    assert_eq!(work(&mut table, now, Outcome::Done), [""; 0]);
    let text = table.status().failed.remove(0).1;
    assert!(
        text.starts_with("next hop 10.0.9.1 is not on any connected network"),
        "{text}"
    );
    table.retry_within(&prefix("10.0.9.0/24"));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P} 10.0.9.1")]
    );
}

/// A route of another program, as the kernel answers with it.
fn by(text: &str, gateways: &[&str]) -> Lookup {
    Lookup::Through(Box::new(route(text, 4, gateways)))
}

#[test]
fn a_next_hop_behind_a_static_route_has_that_routes_gateways_and_follows_it() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.9.1"]));
    table.suspects();
    let far = hop("10.0.9.1");
    answer(&mut table, [(far, by("10.0.9.0/24", &["10.0.1.1"]))]);
    table.suspects();
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P} 10.0.1.1")]
    );
    assert_eq!(table.status().degraded_count, 0);
    // The route is another one now; somewhere else nothing happens.
    table.suspect_within(&prefix("10.0.8.0/24"));
    assert!(!table.has_suspects());
    table.suspect_within(&prefix("10.0.9.0/24"));
    assert_eq!(table.suspects(), [far]);
    answer(
        &mut table,
        [(far, by("10.0.9.0/24", &["10.0.1.2", "10.0.1.3"]))],
    );
    table.suspects();
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("replace {P} 10.0.1.2+10.0.1.3")]
    );
    // It goes, and a default route is no way.
    answer(&mut table, [(far, by("0.0.0.0/0", &["10.0.1.1"]))]);
    table.suspects();
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("delete {P}")]
    );
    assert_eq!(table.status().failed_count, 1);
}

#[test]
fn a_next_hop_behind_an_own_route_goes_with_it() {
    let (mut table, now) = (table(), Instant::now());
    // A pod network behind a node's address that both routers tell.
    table.want(prefix(P), &hops(&["10.9.0.2"]));
    table.suspects();
    let far = hop("10.9.0.2");
    answer(&mut table, [(far, Lookup::Unreachable)]);
    table.suspects();
    assert_eq!(table.status().failed_count, 1);
    table.want(prefix("10.9.0.2/32"), &hops(&["10.0.1.1", "10.0.2.1"]));
    // The kernel has not got it yet: it is what is wanted that counts.
    let ask = |table: &mut Table, lookup: Lookup| {
        while table.has_suspects() {
            let answers = table.suspects().into_iter().map(|hop| match hop {
                _ if hop == far => (hop, lookup.clone()),
                _ => (hop, Lookup::Connected(1)),
            });
            let answers: Vec<_> = answers.collect();
            answer(table, answers);
        }
    };
    ask(&mut table, Lookup::Unreachable);
    let both = "10.0.1.1+10.0.2.1";
    let mut lines = work(&mut table, now, Outcome::Done);
    lines.sort();
    assert_eq!(
        lines,
        [
            format!("create 10.244.2.0/24 {both}"),
            format!("create 10.9.0.2/32 {both}")
        ]
    );
    // One router less.
    table.want(prefix("10.9.0.2/32"), &hops(&["10.0.1.1"]));
    let own = |gateways: &[&str]| Lookup::Through(Box::new(route("10.9.0.2/32", 77, gateways)));
    ask(&mut table, own(&["10.0.1.1", "10.0.2.1"]));
    let mut lines = work(&mut table, now, Outcome::Done);
    lines.sort();
    assert_eq!(
        lines,
        [
            "replace 10.244.2.0/24 10.0.1.1",
            "replace 10.9.0.2/32 10.0.1.1"
        ]
    );
    // None left: the address goes, and what is behind it.
    table.want(prefix("10.9.0.2/32"), &NextHops::default());
    assert!(table.has_suspects());
    ask(&mut table, Lookup::Unreachable);
    let mut lines = work(&mut table, now, Outcome::Done);
    lines.sort();
    assert_eq!(lines, ["delete 10.244.2.0/24", "delete 10.9.0.2/32"]);
}

#[test]
fn a_route_is_no_way_to_its_own_next_hop() {
    let (mut table, now) = (table(), Instant::now());
    // Reached by a static route, and within the prefix itself.
    table.want(prefix("10.9.0.0/16"), &hops(&["10.9.0.2"]));
    table.suspects();
    let far = hop("10.9.0.2");
    answer(&mut table, [(far, by("10.0.0.0/8", &["10.0.1.1"]))]);
    table.suspects();
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        ["create 10.9.0.0/16 10.0.1.1"]
    );
    // Now the kernel answers with that one: what others have is looked for behind it.
    let own = Lookup::Through(Box::new(route("10.9.0.0/16", 77, &["10.0.1.1"])));
    let (changed, hidden) = table.judge(vec![(far, own)]);
    assert_eq!((changed, hidden.len()), (vec![], 1));
    let mut ways = Ways::default();
    let offer = |ways: &mut Ways, text, gateways: &[&str]| {
        let route = route(text, 4, gateways);
        ways.offer(&[far], &route, || route.gateways.clone());
    };
    offer(&mut ways, "0.0.0.0/0", &["10.0.1.9"]);
    offer(&mut ways, "10.0.0.0/8", &["10.0.1.1"]);
    assert_eq!(table.judge_by(&hidden, &ways), []);
    assert_eq!(work(&mut table, now, Outcome::Done), [""; 0]);
    // The static route goes: there is nothing behind it, and the route does not keep itself.
    let mut ways = Ways::default();
    offer(&mut ways, "0.0.0.0/0", &["10.0.1.9"]);
    assert_eq!(table.judge_by(&hidden, &ways), [far]);
    table.suspects();
    assert_eq!(work(&mut table, now, Outcome::Done), ["delete 10.9.0.0/16"]);
}

#[test]
fn with_the_link_off_there_is_nothing_to_write_and_with_no_carrier_one_way_waits_there() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    work(&mut table, now, Outcome::Done);
    table.link(1, Link::NoCarrier);
    // The connected network is gone with the address, or marked: the link is expected back.
    let suspects = table.suspects();
    assert_eq!(suspects, [hop("10.0.1.1")]);
    answer(&mut table, [(suspects[0], Lookup::Unreachable)]);
    assert_eq!(work(&mut table, now, Outcome::Done), [""; 0]);
    let status = table.status();
    assert_eq!((status.installed, status.degraded_count), (1, 1));
    assert!(
        status.degraded[0].1.contains("has no carrier"),
        "{status:?}"
    );
    table.link(1, Link::Off);
    table.suspects();
    // The kernel has taken it: a dump shows that.
    resync(&mut table, &[], None);
    assert_eq!(work(&mut table, now, Outcome::Done), [""; 0]);
    let status = table.status();
    assert_eq!((status.installed, status.failed_count), (0, 1));
    assert!(status.failed[0].1.contains("is switched off"), "{status:?}");
    table.link(1, Link::Up);
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P} 10.0.1.1")]
    );
}

#[test]
fn a_source_is_written_where_the_node_has_it_and_taken_out_where_not() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    table.want(prefix(P6), &hops(&["2001:db8::1"]));
    work(&mut table, now, Outcome::Done);
    let source = ["10.9.9.9".parse().ok(), None];
    table.set_sources(source);
    let replaced = format!("replace {P} 10.0.1.1 src 10.9.9.9");
    assert_eq!(work(&mut table, now, Outcome::Done), [replaced]);
    table.set_sources(source);
    assert!(!table.has_work());
    // The address is deleted: the kernel takes the route, too, and it comes without.
    table.set_sources([None, None]);
    assert_eq!(
        work(&mut table, now, Outcome::Missing),
        [format!("replace {P} 10.0.1.1")]
    );
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P} 10.0.1.1")]
    );
}
