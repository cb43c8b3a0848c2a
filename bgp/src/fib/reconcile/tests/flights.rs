//! What is said while writes are on their way.

use super::*;

const PREFIX: &str = "10.1.0.0/24";

/// One write is out: [`PREFIX`] via 10.0.1.1.
fn flying() -> (Table, Vec<Change>) {
    let mut table = table();
    table.want(prefix(PREFIX), &hops(&["10.0.1.1"]));
    let out = next(&mut table, 10);
    assert_eq!(lines(&out), ["create 10.1.0.0/24 10.0.1.1"]);
    (table, out)
}

fn lines(changes: &[Change]) -> Vec<String> {
    changes.iter().map(line).collect()
}

/// The answer to what is out, and what is to be written then.
fn after(table: &mut Table, out: &[Change], outcome: Outcome) -> Vec<String> {
    for change in out {
        table.settle(change, outcome, Instant::now());
    }
    lines(&next(table, 10))
}

#[test]
fn nothing_is_given_out_twice() {
    let (mut table, out) = flying();
    table.want(prefix(PREFIX), &hops(&["10.0.1.2"]));
    assert_eq!(lines(&next(&mut table, 10)), [""; 0]);
    // Nor when all are looked at again.
    table.look_at_all();
    assert_eq!(lines(&next(&mut table, 10)), [""; 0]);
    let then = after(&mut table, &out, Outcome::Done);
    assert_eq!(then, ["replace 10.1.0.0/24 10.0.1.2"]);
}

#[test]
fn what_is_withdrawn_meanwhile_is_deleted_then() {
    let (mut table, out) = flying();
    table.want(prefix(PREFIX), &hops(&[]));
    assert_eq!(lines(&next(&mut table, 10)), [""; 0]);
    assert_eq!(table.status().pending, 1);
    let then = after(&mut table, &out, Outcome::Done);
    assert_eq!(then, ["delete 10.1.0.0/24"]);
    assert_eq!(work(&mut table, Instant::now(), Outcome::Done), [""; 0]);
}

#[test]
fn what_is_wanted_again_meanwhile_is_written_again() {
    let (mut table, out) = flying();
    after(&mut table, &out, Outcome::Done);
    table.want(prefix(PREFIX), &hops(&[]));
    let out = next(&mut table, 10);
    table.want(prefix(PREFIX), &hops(&["10.0.1.1"]));
    let then = after(&mut table, &out, Outcome::Done);
    assert_eq!(then, ["create 10.1.0.0/24 10.0.1.1"]);
}

#[test]
fn a_refusal_of_what_is_not_wanted_any_more_is_no_reason_to_wait() {
    for outcome in [
        Outcome::Refused(libc::ENETUNREACH),
        Outcome::NotSent(libc::ENOBUFS),
    ] {
        let (mut table, out) = flying();
        table.want(prefix(PREFIX), &hops(&["10.0.1.2"]));
        let then = after(&mut table, &out, outcome);
        assert_eq!(then, ["create 10.1.0.0/24 10.0.1.2"]);
        let (mut table, out) = flying();
        assert_eq!(after(&mut table, &out, outcome), [""; 0]);
        assert!(table.failure(prefix(PREFIX)).is_some());
    }
}

#[test]
fn what_is_put_back_is_decided_anew() {
    let (mut table, out) = flying();
    table.want(prefix(PREFIX), &hops(&["10.0.1.2"]));
    table.put_back(&out);
    assert_eq!(
        lines(&next(&mut table, 10)),
        ["create 10.1.0.0/24 10.0.1.2"]
    );
    let (mut table, out) = flying();
    table.want(prefix(PREFIX), &hops(&[]));
    table.put_back(&out);
    assert_eq!(lines(&next(&mut table, 10)), [""; 0]);
    assert!(!table.knows(prefix(PREFIX)));
}

#[test]
fn next_hops_on_links_are_asked_about_when_a_route_to_them_goes() {
    let mut table = table();
    table.want(prefix(PREFIX), &hops(&["10.0.1.1"]));
    judge(&mut table);
    assert!(!table.has_suspects());
    table.suspect_within(&prefix("0.0.0.0/0"));
    assert!(!table.has_suspects());
    table.suspect_within(&prefix("10.0.1.1/32"));
    assert!(table.has_suspects());
}
