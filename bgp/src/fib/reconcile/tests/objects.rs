//! Routes that share nexthop groups.

use super::*;
use crate::fib::objects::{Object, Shape, Write};
use crate::fib::resolve::Link;

const A: &str = "10.0.1.1";
const B: &str = "10.0.2.1";

fn grouping() -> Table {
    Table::new(OWNER, Mode::Groups, |pause| pause)
}

/// A is on link 1, B on link 2.
fn know(table: &mut Table) {
    while table.has_suspects() {
        let suspects = table.suspects().into_iter();
        let answers: Vec<_> = suspects
            .map(|hop| {
                let link = u32::from(hop.address == B.parse::<IpAddr>().unwrap()) + 1;
                (hop, Lookup::Connected(link))
            })
            .collect();
        answer(table, answers);
    }
}

fn lines(writes: &[Write]) -> Vec<String> {
    let line = |write: &Write| match write {
        Write::Hop { id, gateway, .. } => format!(
            "{} is {} on {}",
            id - FIRST_ID,
            gateway.address,
            gateway.interface
        ),
        Write::Group { id, members, .. } => {
            let members = members.iter().map(|id| (id - FIRST_ID).to_string());
            format!(
                "{} has {}",
                id - FIRST_ID,
                members.collect::<Vec<_>>().join("+")
            )
        }
        Write::Delete { id } => format!("{} goes", id - FIRST_ID),
    };
    writes.iter().map(line).collect()
}

/// Writes all objects that should be there.
fn write_objects(table: &mut Table) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let writes = table.next_objects();
        if writes.is_empty() {
            return all;
        }
        assert!(table.settle_objects(&writes, &vec![0; writes.len()]));
        all.extend(lines(&writes));
    }
}

fn both_wanted() -> Table {
    let mut table = grouping();
    for text in [P, "10.244.3.0/24"] {
        table.want(prefix(text), &hops(&[A, B]));
    }
    know(&mut table);
    table
}

fn object(number: u32, shape: Shape) -> Object {
    Object {
        id: FIRST_ID + number,
        protocol: 77,
        shape,
        extras: false,
    }
}

fn on_link(number: u32, address: &str, interface: u32) -> Object {
    let address = address.parse().unwrap();
    object(number, Shape::Hop(Gateway { address, interface }))
}

fn group(number: u32, members: &[u32]) -> Object {
    let members = members.iter().map(|number| FIRST_ID + number).collect();
    let resilient = None;
    object(number, Shape::Group { members, resilient })
}

#[test]
fn several_gateways_are_shared_and_one_is_plain() {
    let (mut table, now) = (both_wanted(), Instant::now());
    table.want(prefix("10.244.4.0/24"), &hops(&[A]));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        ["create 10.244.4.0/24 10.0.1.1"],
        "the group is not there yet"
    );
    assert_eq!(
        write_objects(&mut table),
        ["0 is 10.0.1.1 on 1", "1 is 10.0.2.1 on 2", "2 has 0+1"]
    );
    let mut lines = work(&mut table, now, Outcome::Done);
    lines.sort();
    assert_eq!(
        lines,
        [
            "create 10.244.2.0/24 object 2",
            "create 10.244.3.0/24 object 2"
        ]
    );
    assert_eq!(table.objects().counts(), (1, 3));
    // A peer withdraws one of them.
    table.want(prefix(P), &hops(&[B]));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("replace {P} 10.0.2.1%2")]
    );
}

#[test]
fn a_link_that_goes_and_comes_is_a_message_and_the_last_one_takes_all_routes() {
    let (mut table, now) = (both_wanted(), Instant::now());
    write_objects(&mut table);
    work(&mut table, now, Outcome::Done);
    // The kernel has taken the hop out of the group.
    table.link(2, Link::NoCarrier);
    let (differences, routes) = table.observe_objects(vec![on_link(0, A, 1), group(2, &[0])]);
    assert_eq!((differences, routes), (2, 0));
    know(&mut table);
    assert_eq!(write_objects(&mut table), [""; 0]);
    assert_eq!(work(&mut table, now, Outcome::Done), [""; 0]);
    let status = table.status();
    assert_eq!((status.installed, status.degraded_count), (2, 2));
    let text = &status.degraded[0].1;
    assert!(
        text.starts_with("installed via 10.0.1.1 only: the link (index 2) of next hop 10.0.2.1"),
        "{text}"
    );
    table.link(1, Link::NoCarrier);
    assert_eq!(table.observe_objects(vec![]), (2, 2));
    know(&mut table);
    assert_eq!(write_objects(&mut table), [""; 0]);
    assert_eq!(work(&mut table, now, Outcome::Done), [""; 0]);
    let status = table.status();
    assert_eq!((status.installed, status.failed_count), (0, 2));
    // One is back, then the other.
    table.link(1, Link::Up);
    know(&mut table);
    assert_eq!(write_objects(&mut table), ["0 is 10.0.1.1 on 1", "2 has 0"]);
    assert_eq!(work(&mut table, now, Outcome::Done).len(), 2);
    table.link(2, Link::Up);
    know(&mut table);
    assert_eq!(
        write_objects(&mut table),
        ["1 is 10.0.2.1 on 2", "2 has 0+1"]
    );
    assert_eq!(work(&mut table, now, Outcome::Done), [""; 0]);
    assert_eq!(table.status().degraded_count, 0);
}

fn lost(address: &str) -> NextHop {
    let address: std::net::IpAddr = address.parse().unwrap();
    address.into()
}

#[test]
fn a_neighbour_that_is_lost_leaves_the_group_before_any_route_changes() {
    let (mut table, now) = (both_wanted(), Instant::now());
    write_objects(&mut table);
    work(&mut table, now, Outcome::Done);
    table.lose(lost(B));
    assert_eq!(write_objects(&mut table), ["2 has 0"]);
    // What it means for each prefix is said: one keeps it, by somebody else's word.
    table.want(prefix(P), &hops(&[A]));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("replace {P} 10.0.1.1")]
    );
    table.find_lost();
    assert_eq!(write_objects(&mut table), ["2 has 0+1"]);
    // With nothing else a lost neighbour is better than none.
    table.lose(lost(A));
    table.lose(lost(B));
    assert_eq!(write_objects(&mut table), [""; 0]);
}

#[test]
fn what_an_earlier_run_left_is_adopted_and_what_nobody_uses_is_swept() {
    let now = Instant::now();
    let mut table = grouping();
    table.observe_objects(vec![
        on_link(5, A, 1),
        on_link(6, B, 2),
        group(7, &[6, 5]),
        on_link(8, "10.0.3.1", 3),
        group(9, &[8, 5]),
        // A foreign group needs one that nobody else does, a foreign route another.
        on_link(10, "10.0.4.1", 4),
        on_link(12, "10.0.5.1", 4),
        Object {
            protocol: 4,
            ..group(11, &[10])
        },
    ]);
    let object = |number: u32| Target {
        path: Path::Object(FIRST_ID + number),
        source: None,
    };
    table.adopt(prefix(P), &object(7));
    table.adopt(prefix("10.244.3.0/24"), &object(9));
    table.want(prefix(P), &hops(&[A, B]));
    know(&mut table);
    assert_eq!(write_objects(&mut table), [""; 0]);
    assert_eq!(work(&mut table, now, Outcome::Done), [""; 0]);
    assert!(
        !table.has_unused_objects(),
        "not while routes may be missing"
    );
    table.synced();
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        ["delete 10.244.3.0/24"]
    );
    assert!(table.has_unused_objects());
    let foreign = [FIRST_ID + 12].into();
    let unused = table.unused_objects(&foreign);
    assert_eq!(lines(&unused), ["9 goes", "8 goes"]);
    assert!(table.settle_objects(&unused, &[0, libc::ENOENT]));
    assert_eq!(table.unused_objects(&foreign), []);
}

#[test]
fn a_refused_group_leaves_routes_with_gateways_of_their_own() {
    let (mut table, now) = (both_wanted(), Instant::now());
    let hops_written = table.next_objects();
    assert!(table.settle_objects(&hops_written, &[0, 0]));
    let writes = table.next_objects();
    assert!(!table.settle_objects(&writes, &[libc::ENOMEM]));
    assert!(table.note_on_objects().unwrap().contains("memory"));
    assert_eq!(
        work(&mut table, now, Outcome::Done)[0],
        format!("create {P} 10.0.1.1+10.0.2.1%2")
    );
    table.retry_objects();
    assert_eq!(write_objects(&mut table), ["2 has 0+1"]);
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [
            "replace 10.244.2.0/24 object 2",
            "replace 10.244.3.0/24 object 2"
        ]
    );
}

#[test]
fn a_group_whose_member_went_is_looked_at_before_it_counts_as_refused() {
    let (mut table, now) = (both_wanted(), Instant::now());
    let hops_written = table.next_objects();
    table.settle_objects(&hops_written, &[0, 0]);
    let writes = table.next_objects();
    assert!(!table.settle_objects(&writes, &[libc::EINVAL]));
    assert_eq!(table.note_on_objects(), None);
    assert_eq!(work(&mut table, now, Outcome::Done), [""; 0]);
    table.observe_objects(vec![on_link(0, A, 1)]);
    assert_eq!(
        write_objects(&mut table),
        ["1 is 10.0.2.1 on 2", "2 has 0+1"]
    );
}

#[test]
fn a_refused_gateway_leaves_the_others() {
    let (mut table, now) = (both_wanted(), Instant::now());
    let writes = table.next_objects();
    assert!(!table.settle_objects(&writes, &[0, libc::ENETDOWN]));
    assert_eq!(write_objects(&mut table), ["2 has 0"]);
    assert_eq!(
        work(&mut table, now, Outcome::Done)[0],
        format!("create {P} object 2")
    );
    table.retry_objects();
    assert_eq!(
        write_objects(&mut table),
        ["1 is 10.0.2.1 on 2", "2 has 0+1"]
    );
}

#[test]
fn a_number_that_another_program_took_is_evaded() {
    let mut table = both_wanted();
    let writes = table.next_objects();
    assert!(!table.settle_objects(&writes, &[libc::EEXIST, 0]));
    let foreign = Object {
        protocol: 4,
        ..on_link(0, "192.0.2.1", 9)
    };
    table.observe_objects(vec![foreign, on_link(1, B, 2)]);
    assert_eq!(
        write_objects(&mut table),
        ["3 is 10.0.1.1 on 1", "2 has 1+3"]
    );
}

#[test]
fn a_route_to_a_group_that_is_gone_unseen_is_written_when_the_group_is_back() {
    let (mut table, now) = (both_wanted(), Instant::now());
    write_objects(&mut table);
    assert_eq!(
        work(&mut table, now, Outcome::Refused(libc::EINVAL)).len(),
        2
    );
    assert!(table.take_doubt() && !table.take_doubt());
    table.observe_objects(vec![]);
    assert_eq!(
        write_objects(&mut table),
        ["0 is 10.0.1.1 on 1", "1 is 10.0.2.1 on 2", "2 has 0+1"]
    );
    assert_eq!(work(&mut table, now, Outcome::Done).len(), 2);
    assert_eq!(table.status().failed_count, 0);
}

#[test]
fn another_programs_change_of_a_group_is_put_right() {
    let mut table = both_wanted();
    write_objects(&mut table);
    let changed = vec![on_link(0, A, 1), on_link(1, "10.0.2.66", 2), group(2, &[0])];
    assert_eq!(table.observe_objects(changed).0, 2);
    assert_eq!(
        write_objects(&mut table),
        ["1 is 10.0.2.1 on 2", "2 has 0+1"]
    );
}
