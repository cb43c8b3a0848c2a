//! Maximum prefixes over a real socket.

use super::bytes::{AS_PATH, NEXT_HOP, ORIGIN, ROUTE_REFRESH, hex, update};
use super::lab::Lab;
use super::puppet::Puppet;
use super::setup::Setup;
use crate::common::wait;

/// 100.66.0.0/24 and so many more, in one UPDATE.
fn announce(puppet: &Puppet, count: u8) {
    let attributes = [ORIGIN, AS_PATH, NEXT_HOP].concat();
    puppet.send(&update("", &attributes, &prefixes(count)));
}

fn prefixes(count: u8) -> String {
    (0..count).map(|n| format!("18 6442{n:02x}")).collect()
}

/// Waits until the status in JSON has this.
fn wait_status(lab: &Lab, part: &str) {
    wait(&format!("status: {part}"), || {
        let output = lab.daemon.status(&["-o", "json"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let text: String = text.split_whitespace().collect();
        text.contains(part).then_some(())
    });
}

/// The status for people; long lines are wrapped.
fn table(lab: &Lab) -> String {
    let text = String::from_utf8(lab.daemon.status(&[]).stdout).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn one_too_many_and_the_session_comes_back_when_its_time_is_over() {
    let setup = Setup::external().with(", maximumPrefixes: {ipv4: 5, restartSeconds: 3}");
    let (lab, puppet) = Lab::with_route(setup);
    wait_status(&lab, r#""ipv4":{"limit":5,"count":1,"ignored":0}"#);
    announce(&puppet, 5);
    puppet.is_told("6/1=00010100000005");
    lab.gone();
    lab.status_says("max-prefixes");
    lab.logs(&[
        "puppet",
        "more than 5 ipv4 unicast prefixes (6 taken): the session ends for 3 s",
    ]);
    assert!(table(&lab).contains("not again before"));
    // Too early.
    lab.connect().is_left();
    wait_status(&lab, r#""down":false"#);
    lab.comes_back();
}

/// RFC 8538: both sides have the N bit.
#[test]
fn within_a_hard_reset_until_somebody_starts_the_peer() {
    let setup = Setup::external()
        .and("40 06 4078 0001 01 00")
        .with(", maximumPrefixes: {ipv4: 5, action: Shutdown}");
    let (lab, puppet) = Lab::with_route(setup);
    announce(&puppet, 5);
    puppet.is_told("6/9=0601 00010100000005");
    lab.gone();
    lab.status_says("max-prefixes");
    lab.daemon.orders(&["reset", "puppet"]);
    lab.connect().is_left();
    assert!(table(&lab).contains("`rcni-bgp peer start puppet` starts it"));
    lab.daemon.orders(&["start", "puppet"]);
    lab.comes_back();
}

#[test]
fn what_is_too_much_is_not_taken_and_asked_for_later() {
    let setup = Setup::external().with(", maximumPrefixes: {ipv4: 4, action: Drop}");
    let (lab, puppet) = Lab::with_route(setup);
    announce(&puppet, 6);
    lab.observer.sees("100.66.2.0/24", |_| true);
    wait_status(&lab, r#""ipv4":{"limit":4,"count":4,"ignored":3}"#);
    lab.logs(&["puppet", "further ones are not taken"]);
    puppet.assert_up("the puppet's session");
    assert!(!lab.observer.table().contains_key("100.66.3.0/24"));
    puppet.send(&update(&prefixes(2), "", ""));
    assert_eq!(puppet.hears(ROUTE_REFRESH), hex("0001 00 01"));
    announce(&puppet, 3);
    lab.observer.sees("100.66.0.0/24", |_| true);
    puppet.assert_up("the puppet's session");
}

#[test]
fn a_warning_is_a_line_and_no_more() {
    let setup = Setup::external().with(", maximumPrefixes: {ipv4: 4, action: Warn}");
    let (lab, puppet) = Lab::with_route(setup);
    announce(&puppet, 2);
    lab.logs(&["puppet", "3 of at most 4 ipv4 unicast prefixes"]);
    announce(&puppet, 6);
    lab.logs(&["puppet", "more than 4 ipv4 unicast prefixes (7 taken)"]);
    lab.lives(&puppet);
}
