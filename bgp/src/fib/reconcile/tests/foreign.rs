//! Where others have routes for the same prefixes, before ours, in their place or (IPv6) with gateways of
//! their own in them.

use super::*;

#[test]
fn a_foreign_route_is_left_named_and_followed_when_it_goes() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    let changes = next(&mut table, 9);
    assert!(
        table.settle(&changes[0], Outcome::Exists, now),
        "the kernel must be asked"
    );
    let drift = resync(&mut table, &[], Some(&[(P, 4)]));
    assert_eq!(drift, Drift::default());
    assert_eq!(table.failure(prefix(P)), Some(&Reason::Held(Some(4))));
    assert!(next(&mut table, 9).is_empty(), "it waits for its pause");
    // A dump that did not ask for foreign routes changes nothing.
    resync(&mut table, &[], None);
    assert_eq!(table.failure(prefix(P)), Some(&Reason::Held(Some(4))));
    table.foreign_vanished(prefix(P));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P} 10.0.1.1")]
    );
}

#[test]
fn an_existing_route_that_turns_out_to_be_ours_is_taken() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    work(&mut table, now, Outcome::Exists);
    resync(&mut table, &[(P, &["10.0.1.1"])], Some(&[]));
    assert_eq!(
        (table.status().installed, table.status().failed_count),
        (1, 0)
    );
    assert_eq!(work(&mut table, now, Outcome::Done), [""; 0]);
}

#[test]
fn beside_a_foreign_route_nothing_is_replaced() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    work(&mut table, now, Outcome::Done);
    // Prepended to ours: a replacement would hit it.
    table.foreign_appeared(prefix(P), false);
    table.want(prefix(P), &hops(&["10.0.1.2"]));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("delete {P}")]
    );
    assert_eq!(
        work(&mut table, now, Outcome::Exists),
        [format!("create {P} 10.0.1.2")]
    );
}

#[test]
fn while_notifications_are_missing_nothing_is_replaced() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    work(&mut table, now, Outcome::Done);
    table.miss();
    table.want(prefix(P), &hops(&["10.0.1.2"]));
    // Only one of ours can be deleted.
    assert_eq!(
        work(&mut table, now, Outcome::Missing),
        [format!("delete {P}")]
    );
    assert_eq!(
        work(&mut table, now, Outcome::Exists),
        [format!("create {P} 10.0.1.2")]
    );
    resync(&mut table, &[], Some(&[(P, 4)]));
    table.foreign_vanished(prefix(P));
    work(&mut table, now, Outcome::Done);
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("replace {P} 10.0.1.1")]
    );
}

#[test]
fn an_ipv6_route_that_loses_a_gateway_is_put_right() {
    let (mut table, now) = (table(), Instant::now());
    let both = hops(&["2001:db8::1", "2001:db8::2"]);
    let gateways = target(&["2001:db8::1", "2001:db8::2"]);
    let gateways = gateways.hops();
    table.want(prefix(P6), &both);
    work(&mut table, now, Outcome::Done);
    assert!(table.vanished(prefix(P6), &gateways[1..]));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("replace {P6} 2001:db8::1+2001:db8::2")]
    );
    assert!(table.vanished(prefix(P6), gateways));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P6} 2001:db8::1+2001:db8::2")]
    );
    // Withdrawn: only what is ours is named. After an old notification: whatever is there.
    table.want(prefix(P6), &NextHops::default());
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("delete {P6} 2001:db8::1+2001:db8::2")]
    );
    table.want(prefix(P6), &both);
    work(&mut table, now, Outcome::Done);
    table.vanished(prefix(P6), &gateways[1..]);
    table.want(prefix(P6), &NextHops::default());
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("delete {P6}")]
    );
}

#[test]
fn gateways_that_others_added_to_an_ipv6_route_are_not_replaced() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P6), &hops(&["2001:db8::1"]));
    work(&mut table, now, Outcome::Done);
    // A dump tells all gateways as ours.
    resync(&mut table, &[(P6, &["2001:db8::1", "2001:db8::9"])], None);
    assert_eq!(
        work(&mut table, now, Outcome::Missing),
        [format!("delete {P6} 2001:db8::1+2001:db8::9")]
    );
    let changes = next(&mut table, 9);
    assert!(table.settle(&changes[0], Outcome::Exists, now));
    resync(&mut table, &[], Some(&[(P6, 4)]));
    assert_eq!(table.failure(prefix(P6)), Some(&Reason::Held(Some(4))));
    // They were another run's of ours: created, and from then on replaced again.
    table.foreign_vanished(prefix(P6));
    work(&mut table, now, Outcome::Done);
    table.want(prefix(P6), &hops(&["2001:db8::2"]));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("replace {P6} 2001:db8::2")]
    );
}

#[test]
fn while_notifications_are_missing_nothing_is_replaced_in_ipv6_either() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P6), &hops(&["2001:db8::1"]));
    work(&mut table, now, Outcome::Done);
    table.miss();
    table.want(prefix(P6), &hops(&["2001:db8::2"]));
    let then = work(&mut table, now, Outcome::Done);
    assert_eq!(then, [format!("delete {P6} 2001:db8::1")]);
}

#[test]
fn one_of_two_foreign_routes_may_be_left() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    work(&mut table, now, Outcome::Done);
    table.foreign_appeared(prefix(P), false);
    table.foreign_appeared(prefix(P), false);
    table.foreign_vanished(prefix(P));
    table.want(prefix(P), &hops(&["10.0.1.2"]));
    let then = work(&mut table, now, Outcome::Done);
    assert_eq!(then, [format!("delete {P}")]);
    // It can be created, so it is alone.
    work(&mut table, now, Outcome::Done);
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    let then = work(&mut table, now, Outcome::Done);
    assert_eq!(then, [format!("replace {P} 10.0.1.1")]);
}

#[test]
fn of_what_is_adopted_in_ipv6_some_gateways_may_be_anothers() {
    let (mut table, now) = (table(), Instant::now());
    let both = route(P6, 77, &["2001:db8::1", "2001:db8::9"]);
    table.adopt(prefix(P6), &both.target());
    table.want(prefix(P6), &hops(&["2001:db8::1"]));
    let then = work(&mut table, now, Outcome::Done);
    assert_eq!(then, [format!("delete {P6} 2001:db8::1+2001:db8::9")]);
}

#[test]
fn a_doubtful_ipv6_route_beside_anothers_is_deleted_by_its_own_gateways() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P6), &hops(&["2001:db8::1", "2001:db8::2"]));
    work(&mut table, now, Outcome::Done);
    let gone = route(P6, 77, &["2001:db8::1"]).target().hops().to_vec();
    table.vanished(prefix(P6), &gone);
    table.foreign_appeared(prefix(P6), false);
    let then = work(&mut table, now, Outcome::Done);
    assert_eq!(then, [format!("delete {P6} 2001:db8::2")]);
}
