use super::*;
use crate::fib::change::{Change, Drift, Outcome};
use crate::fib::message::Lookup;
use crate::fib::objects::FIRST_ID;
use crate::fib::{Gateway, KernelRoute, NextHop, Path};

mod flights;
mod foreign;
mod next_hops;
mod objects;

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn hops(texts: &[&str]) -> NextHops {
    let address = |text: &&str| text.parse::<IpAddr>().unwrap();
    texts.iter().map(|text| address(text).into()).collect()
}

const OWNER: Ownership = Ownership {
    protocol: 77,
    metric: 77,
    default_route_metric: 20_077,
    table: 254,
};

/// Routes name their gateways themselves.
fn table() -> Table {
    Table::new(OWNER, Mode::Multipath("a test"), |pause| pause)
}

/// All next hops that are asked about are on link 1.
fn judge(table: &mut Table) {
    let suspects = table.suspects();
    answer(
        table,
        suspects.into_iter().map(|hop| (hop, Lookup::Connected(1))),
    );
}

/// The answers of the kernel about next hops. Returns those that are not what they were.
fn answer(table: &mut Table, answers: impl IntoIterator<Item = (NextHop, Lookup)>) -> Vec<NextHop> {
    let (changed, hidden) = table.judge(answers.into_iter().collect());
    assert_eq!(hidden, []);
    changed
}

fn next(table: &mut Table, most: usize) -> Vec<Change> {
    judge(table);
    table.next_changes(most)
}

/// Takes all work and answers it with `outcome`.
fn work(table: &mut Table, now: Instant, outcome: Outcome) -> Vec<String> {
    let changes = next(table, usize::MAX);
    for change in &changes {
        table.settle(change, outcome, now);
    }
    changes.iter().map(line).collect()
}

/// A route of ours with these gateways on link 1, with a link of their own where they say one.
fn target(texts: &[&str]) -> Target {
    let gateways: Vec<Gateway> = texts.iter().map(|text| gateway(text)).collect();
    gateways.as_slice().into()
}

fn gateway(text: &str) -> Gateway {
    let (address, interface) = text.split_once('%').unwrap_or((text, "1"));
    Gateway {
        address: address.parse().unwrap(),
        interface: interface.parse().unwrap(),
    }
}

/// As [`gateway`] reads it.
fn shown(gateway: &Gateway) -> String {
    match gateway.interface {
        1 => gateway.address.to_string(),
        link => format!("{}%{link}", gateway.address),
    }
}

fn line(change: &Change) -> String {
    let (word, target) = match change {
        Change::Create { target, .. } => ("create", Some(target)),
        Change::Replace { target, .. } => ("replace", Some(target)),
        // Only IPv6 looks at the gateways.
        Change::Delete { prefix, .. } if prefix.is_ipv4() => ("delete", None),
        Change::Delete { target, .. } => ("delete", target.as_ref()),
    };
    let path = match target.map(|target| &target.path) {
        Some(Path::Hops(hops)) => hops.iter().map(shown).collect(),
        Some(Path::Object(id)) => vec![format!("object {}", id - FIRST_ID)],
        None => vec![],
    };
    let source = target.and_then(|target| target.source);
    let source = source.map_or_else(String::new, |source| format!(" src {source}"));
    format!("{word} {} {}{source}", change.prefix(), path.join("+"))
        .trim_end()
        .to_owned()
}

fn route(text: &str, protocol: u8, gateways: &[&str]) -> KernelRoute {
    KernelRoute {
        prefix: prefix(text),
        protocol,
        metric: 77,
        table: 254,
        kind: 1,
        unicast: true,
        interface: None,
        gateways: gateways.iter().map(|text| gateway(text)).collect(),
        object: None,
        source: None,
        extras: false,
    }
}

/// A dump of own routes, and on demand of foreign ones with their protocols.
fn resync(table: &mut Table, ours: &[(&str, &[&str])], foreign: Option<&[(&str, u8)]>) -> Drift {
    table.begin_dump(None);
    for (text, gateways) in ours {
        table.dumped(&route(text, 77, gateways));
    }
    for (text, protocol) in foreign.unwrap_or_default() {
        table.dumped(&route(text, *protocol, &["10.0.1.66"]));
    }
    table.end_dump(foreign.is_some())
}

const P: &str = "10.244.2.0/24";
const P6: &str = "2001:db8:2::/64";

#[test]
fn create_replace_delete_and_nothing_for_nothing() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.2.1", "10.0.1.1", "10.0.2.1"]));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P} 10.0.1.1+10.0.2.1")]
    );
    table.want(prefix(P), &hops(&["10.0.1.1", "10.0.2.1"]));
    assert_eq!(work(&mut table, now, Outcome::Done), [""; 0]);
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("replace {P} 10.0.1.1")]
    );
    assert_eq!(table.status().installed, 1);
    table.want(prefix(P), &NextHops::default());
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("delete {P}")]
    );
    assert!(table.entries.is_empty());
    // Announced and withdrawn before anything was written.
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    table.want(prefix(P), &NextHops::default());
    assert_eq!(work(&mut table, now, Outcome::Done), [""; 0]);
    assert!(table.entries.is_empty() && !table.has_work());
}

#[test]
fn adopted_routes_stay_until_synced_and_the_same_again_is_no_work() {
    let (mut table, now) = (table(), Instant::now());
    for text in [P, "10.244.3.0/24", "10.244.4.0/24"] {
        table.adopt(prefix(text), &target(&["10.0.1.1"]));
    }
    assert_eq!(table.status().stale, 3);
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    table.want(prefix("10.244.3.0/24"), &hops(&["10.0.1.2"]));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        ["replace 10.244.3.0/24 10.0.1.2"]
    );
    // Even when others delete and put back what is not wanted yet, it is not swept.
    table.appeared(prefix("10.244.4.0/24"), &target(&["10.0.1.1"]));
    assert_eq!(work(&mut table, now, Outcome::Done), [""; 0]);
    assert_eq!(table.synced(), 1);
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        ["delete 10.244.4.0/24"]
    );
    let status = table.status();
    assert_eq!((status.installed, status.stale, status.pending), (2, 0, 0));
}

#[test]
fn an_adopted_route_that_was_learned_and_withdrawn_goes_at_once() {
    let (mut table, now) = (table(), Instant::now());
    table.adopt(prefix(P), &target(&["10.0.1.1"]));
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    table.want(prefix(P), &NextHops::default());
    assert_eq!(
        work(&mut table, now, Outcome::Missing),
        [format!("delete {P}")]
    );
    assert_eq!(table.synced(), 0);
}

#[test]
fn a_missing_route_is_created_when_it_cannot_be_replaced() {
    let (mut table, now) = (table(), Instant::now());
    table.adopt(prefix(P), &target(&["10.0.1.1"]));
    table.want(prefix(P), &hops(&["10.0.1.2"]));
    assert_eq!(
        work(&mut table, now, Outcome::Missing),
        [format!("replace {P} 10.0.1.2")]
    );
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P} 10.0.1.2")]
    );
}

#[test]
fn a_route_that_vanished_while_its_replacement_was_refused_is_created() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    work(&mut table, now, Outcome::Done);
    table.want(prefix(P), &hops(&["10.0.1.2"]));
    work(&mut table, now, Outcome::Refused(libc::ENETDOWN));
    // The kernel took the route with the link and told nobody; the link is back.
    table.retry_all();
    assert_eq!(
        work(&mut table, now, Outcome::Missing),
        [format!("replace {P} 10.0.1.2")]
    );
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P} 10.0.1.2")]
    );
    assert_eq!(table.failure(prefix(P)), None);
    assert!(table.status().unsettled.is_empty());
}

#[test]
fn refusals_are_kept_with_their_reason_and_retried_ever_later() {
    let (mut table, mut now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.9.1"]));
    work(&mut table, now, Outcome::Refused(libc::ENETUNREACH));
    let status = table.status();
    assert_eq!(status.unsettled, [prefix(P)]);
    assert_eq!(
        status.failed,
        [(
            prefix(P),
            "via 10.0.9.1: a next hop is not on any connected network".to_owned()
        )]
    );
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let at = table.next_retry().unwrap();
        pauses.push((at - now).as_secs());
        table.retry_due(at - Duration::from_millis(1));
        assert!(!table.has_work());
        now = at;
        table.retry_due(now);
        assert_eq!(
            work(&mut table, now, Outcome::Refused(libc::ENETUNREACH)).len(),
            1
        );
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    // A link came up.
    table.retry_all();
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P} 10.0.9.1")]
    );
    assert_eq!(table.next_retry(), None);
    assert_eq!(table.status().failed_count, 0);
}

#[test]
fn a_new_word_of_the_speaker_does_not_wait_for_the_retry() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.9.1"]));
    work(&mut table, now, Outcome::Refused(libc::ENETUNREACH));
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P} 10.0.1.1")]
    );
    table.want(prefix(P), &hops(&["10.0.9.1"]));
    work(&mut table, now, Outcome::Refused(libc::ENETUNREACH));
    table.want(prefix(P), &NextHops::default());
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("delete {P}")]
    );
    assert_eq!((table.status().failed_count, table.next_retry()), (0, None));
}

#[test]
fn what_others_delete_or_replace_is_put_back() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    work(&mut table, now, Outcome::Done);
    assert!(table.vanished(prefix(P), &[]));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P} 10.0.1.1")]
    );
    assert!(table.appeared(prefix(P), &target(&["10.0.1.66"])));
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("replace {P} 10.0.1.1")]
    );
    table.foreign_appeared(prefix(P), true);
    assert_eq!(
        work(&mut table, now, Outcome::Exists),
        [format!("create {P} 10.0.1.1")]
    );
    assert_eq!(table.status().repaired, 3);
    // What is not ours is nobody's business here.
    assert!(!table.vanished(prefix("192.0.2.0/24"), &[]));
    assert!(table.entries.len() == 1);
}

#[test]
fn a_route_that_was_moved_to_another_link_is_put_back() {
    for (prefix, gateway) in [(P, "10.0.1.1"), (P6, "2001:db8::1")] {
        let (mut table, now) = (table(), Instant::now());
        let moved = format!("{gateway}%2");
        table.want(self::prefix(prefix), &hops(&[gateway]));
        work(&mut table, now, Outcome::Done);
        assert!(table.appeared(self::prefix(prefix), &target(&[&moved])));
        let back = [format!("replace {prefix} {gateway}")];
        assert_eq!(work(&mut table, now, Outcome::Done), back);
        // Without a word.
        let drift = resync(&mut table, &[(prefix, &[&moved])], None);
        assert_eq!(drift.altered.count, 1);
        assert_eq!(work(&mut table, now, Outcome::Done), back);
        // The gateway itself is on the other link now.
        table.retry_within(&self::prefix(if gateway.contains(':') {
            "2001:db8::/64"
        } else {
            "10.0.1.0/24"
        }));
        let asked = table.suspects();
        assert_eq!(*asked, *hops(&[gateway]));
        answer(&mut table, [(asked[0], Lookup::Connected(2))]);
        let changes = table.next_changes(9);
        assert_eq!(
            changes.iter().map(line).collect::<Vec<_>>(),
            [format!("replace {prefix} {moved}")]
        );
        // Refused, since it has gone back meanwhile: nobody waits for the next try.
        table.settle(&changes[0], Outcome::Refused(libc::ENETUNREACH), now);
        assert_eq!(*table.suspects(), *hops(&[gateway]));
        answer(&mut table, [(asked[0], Lookup::Connected(1))]);
        assert_eq!(table.status().installed, 1);
    }
}

#[test]
fn after_lost_answers_a_dump_decides() {
    let (mut table, now) = (table(), Instant::now());
    for text in ["10.1.0.0/24", "10.2.0.0/24", "10.3.0.0/24"] {
        table.want(prefix(text), &hops(&["10.0.1.1"]));
    }
    work(&mut table, now, Outcome::Done);
    table.want(prefix("10.3.0.0/24"), &NextHops::default());
    table.want(prefix("10.4.0.0/24"), &hops(&["10.0.1.1"]));
    let changes = next(&mut table, 9);
    assert!(
        changes
            .iter()
            .all(|change| table.settle(change, Outcome::Unknown, now))
    );
    assert!(!table.has_work());
    let drift = resync(
        &mut table,
        &[
            ("10.2.0.0/24", &["10.0.1.9"]),
            ("10.3.0.0/24", &["10.0.1.1"]),
            ("10.5.0.0/24", &["10.0.1.1"]),
        ],
        None,
    );
    assert_eq!(drift.vanished.some, [prefix("10.1.0.0/24")]);
    assert_eq!(drift.altered.some, [prefix("10.2.0.0/24")]);
    table.synced();
    let mut lines = work(&mut table, now, Outcome::Done);
    lines.sort();
    assert_eq!(
        lines,
        [
            "create 10.1.0.0/24 10.0.1.1",
            "create 10.4.0.0/24 10.0.1.1",
            "delete 10.3.0.0/24",
            "delete 10.5.0.0/24",
            "replace 10.2.0.0/24 10.0.1.1",
        ]
    );
    assert!(!table.has_work());
}

#[test]
fn a_lost_answer_to_a_retry_is_not_lost_for_ever() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.9.1"]));
    work(&mut table, now, Outcome::Refused(libc::ENETUNREACH));
    table.retry_all();
    work(&mut table, now, Outcome::Unknown);
    resync(&mut table, &[], None);
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P} 10.0.9.1")]
    );
}

#[test]
fn sets_of_next_hops_are_shared_and_old_ones_forgotten() {
    let mut table = table();
    table.want(prefix("10.1.0.0/24"), &hops(&["10.0.1.1"]));
    table.want(prefix("10.2.0.0/24"), &hops(&["10.0.1.1"]));
    assert_eq!(table.sets.iter().count(), 1);
    for number in 0..20_000_u32 {
        table.want(
            prefix(P),
            &[IpAddr::V4((0x0a00_0000 + number).into()).into()].into(),
        );
    }
    assert_eq!(table.sets.iter().count(), 2);
    let known = table.hops.resolver.len();
    assert!(known < 2048, "{known}");
}

#[test]
fn an_old_notification_does_not_make_a_route_forgotten() {
    let (mut table, now) = (table(), Instant::now());
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    work(&mut table, now, Outcome::Done);
    // Deleted by another, found missing by a dump, written again; then the notification is read.
    resync(&mut table, &[], None);
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("create {P} 10.0.1.1")]
    );
    table.vanished(prefix(P), &[]);
    table.want(prefix(P), &NextHops::default());
    assert_eq!(
        work(&mut table, now, Outcome::Done),
        [format!("delete {P}")]
    );
    assert!(table.entries.is_empty() && !table.has_work());
    // And where it was right, a delete of nothing is the end of it.
    table.want(prefix(P), &hops(&["10.0.1.1"]));
    work(&mut table, now, Outcome::Done);
    table.vanished(prefix(P), &[]);
    table.want(prefix(P), &NextHops::default());
    assert_eq!(
        work(&mut table, now, Outcome::Missing),
        [format!("delete {P}")]
    );
    assert!(table.entries.is_empty() && !table.has_work());
}
