//! Routes and addresses that are flushed and changed, as network managers and people do it.

use crate::common::wait;
use crate::kernel::others;
use crate::lab::{Lab, ONE, Options};

/// A user's own routes, which nothing here concerns.
const USERS: [&str; 4] = [
    "route add 198.51.100.0/24 via 10.0.9.7 proto static",
    "route add blackhole 203.0.113.0/24 proto static metric 9",
    "-6 route add 2001:db8:1::/48 via fd00:9::7 proto static",
    "-6 route add unreachable 2001:db8:2::/48 proto static metric 9",
];

fn lab() -> Lab {
    Lab::new(&Options {
        before: &USERS,
        ..Options::default()
    })
}

#[test]
fn flushed_routes_are_back_and_counted() {
    let lab = lab();
    lab.survives(&["-4 route flush proto 77"]);
    lab.survives(&["-6 route flush proto 77"]);
    lab.survives(&["-4 route flush proto 77", "-6 route flush proto 77"]);
    lab.stays();
    // A dump may come before the notification.
    assert!(lab.repaired(&["deleted"]) >= 1);
    assert!(lab.repaired(&["deleted", "audit", "link"]) >= 8);
    let log = lab.daemon.log();
    let line = log
        .lines()
        .find(|line| line.contains("another program deleted this route"))
        .expect("what was done is said");
    assert!(
        line.contains("prefix=10.128.") && line.contains("by=netlink port "),
        "{line}"
    );
}

#[test]
fn flushed_addresses_take_nothing_of_ours_with_them_for_long() {
    let lab = lab();
    for number in [1, 2] {
        let again = [
            format!("address flush dev eth{number}"),
            format!("address add 10.0.{number}.2/24 dev eth{number}"),
            format!("address add fd00:{number}::2/64 dev eth{number} nodad"),
        ];
        // Where the last IPv6 address goes, so does all of IPv6 on that link.
        lab.survives(&again.each_ref().map(String::as_str));
    }
    // The second address of a network goes with the first.
    lab.survives(&[
        "address add 10.0.1.3/24 dev eth1",
        "address del 10.0.1.2/24 dev eth1",
        "address add 10.0.1.2/24 dev eth1",
    ]);
    lab.stays();
}

/// With the routes of the node's own networks: without them there is no next hop.
#[test]
fn a_flushed_table_is_filled_when_its_networks_are_there_again() {
    let lab = lab();
    let back: Vec<String> = [1, 2]
        .iter()
        .flat_map(|number| {
            [
                format!(
                    "route add 10.0.{number}.0/24 dev eth{number} proto kernel scope link src 10.0.{number}.2"
                ),
                format!("-6 route add fd00:{number}::/64 dev eth{number} proto kernel metric 256"),
            ]
        })
        .collect();
    for flush in [
        ["-4 route flush dev eth1", "-6 route flush dev eth1"],
        ["-4 route flush table main", "-6 route flush table main"],
    ] {
        let before = others(&lab.node);
        for command in flush {
            lab.node.ip(command);
        }
        let table = flush[0].contains("table");
        assert_eq!(others(&lab.node).is_empty(), table);
        for command in &back {
            // Those of the link that was not flushed are there.
            let command = command.replace("route add", "route replace");
            lab.node.ip(&command);
        }
        lab.complete(&format!("after {flush:?}"));
        if !table {
            assert_eq!(others(&lab.node), before);
        }
    }
    lab.stays();
}

/// What a route is besides its prefix and gateways is part of it, too.
#[test]
fn routes_and_objects_that_are_changed_but_for_their_gateways_are_put_right() {
    let lab = Lab::new(&Options::default());
    let shown = || {
        let families = ["-4", "-6"].map(|family| {
            lab.node
                .ip(&format!("-o {family} route show table main proto 77"))
        });
        families.concat() + &lab.node.ip("nexthop show proto 77")
    };
    let before = shown();
    let group = lab.node.ip("-j nexthop show groups proto 77");
    let group: serde_json::Value = serde_json::from_str(&group).unwrap();
    let group = &group.as_array().unwrap()[0];
    let member = &group["group"][0]["id"];
    let gateway = lab.node.ip(&format!("-j nexthop show id {member}"));
    let gateway: serde_json::Value = serde_json::from_str(&gateway).unwrap();
    let gateway = gateway[0]["gateway"].as_str().unwrap();
    let ours = "proto 77 metric 77";
    for command in [
        format!("route replace {} via 10.0.1.1 {ours} mtu 500", ONE[0]),
        format!(
            "route replace {} via 10.0.1.1 dev eth2 onlink {ours}",
            ONE[0]
        ),
        format!(
            "route replace {} encap ip id 5 dst 10.0.9.7 via 10.0.1.1 dev eth1 {ours}",
            ONE[0]
        ),
        format!(
            "-6 route replace {} via fd00:1::1 dev eth1 {ours} mtu 1300",
            ONE[1]
        ),
        format!(
            "nexthop replace id {} group {member},9/{} proto 77",
            group["id"], group["group"][1]["id"]
        ),
        format!("nexthop replace id {member} via {gateway} dev eth9 onlink proto 77"),
    ] {
        // A dump may come before the notification.
        let causes = ["changed", "audit", "link"];
        let repaired = lab.repaired(&causes);
        lab.node.ip(&command);
        wait(&format!("all is as before after {command}"), || {
            (shown() == before).then_some(())
        });
        let is_route = command.contains("route replace");
        assert!(
            lab.repaired(&causes) >= repaired + u64::from(is_route),
            "{command}"
        );
    }
    lab.complete("at the end");
}

/// What an object takes with it is not told, and then all objects are as before.
#[test]
fn routes_are_back_at_once_after_their_group_was_deleted_and_made_again() {
    let lab = Lab::new(&Options::default());
    let groups = lab.node.ip("nexthop show groups proto 77");
    let all: Vec<&str> = groups.lines().collect();
    assert_eq!(all.len(), 2, "{groups}");
    // Faster than anybody can look.
    let batch = tempfile::NamedTempFile::new().unwrap();
    let again = all.iter().map(|group| {
        let id = group.split(' ').nth(1).unwrap();
        format!("nexthop del id {id}\nnexthop add {group}\n")
    });
    std::fs::write(batch.path(), again.collect::<String>()).unwrap();
    // The audit, every minute, is too late at least once.
    for _ in 0..3 {
        // It fails where we were faster.
        let mut batch_of = lab.node.command("ip");
        batch_of.args(["-force", "-batch"]).arg(batch.path());
        batch_of.output().unwrap();
        lab.complete("after groups were made again");
        lab.stays();
    }
}

/// An address that is configured as the source of routes, and is not there, is said.
#[test]
fn node_addresses_that_the_node_does_not_have_are_said() {
    let lab = Lab::new(&Options {
        spec: "{}, nodeAddresses: [10.0.9.2, 'fd00:9::99']",
        ..Options::default()
    });
    let sources = || {
        let of = |family: &str| {
            let shown = format!("-o {family} route show table main proto 77");
            let text = lab.node.ip(&shown);
            (text.lines().count(), text.matches(" src ").count())
        };
        ["-4", "-6"].map(of)
    };
    let missing = || lab.kernel()["nextHops"]["missingNodeAddresses"].clone();
    assert_eq!(sources(), [(2, 2), (2, 0)]);
    assert_eq!(missing(), serde_json::json!(["fd00:9::99"]));
    let log = lab.daemon.log();
    let said =
        |line: &str| line.contains("does not have the address") && line.contains("fd00:9::99");
    assert_eq!(log.lines().filter(|line| said(line)).count(), 1, "{log}");
    let table = String::from_utf8(lab.daemon.status(&[]).stdout).unwrap();
    assert!(
        table.contains("fd00:9::99 of spec.nodeAddresses"),
        "{table}"
    );
    assert!(
        table.lines().all(|line| line.chars().count() <= 80),
        "{table}"
    );
    lab.node.ip("address add fd00:9::99/128 dev lo");
    wait("routes have both sources", || {
        (sources() == [(2, 2), (2, 2)] && missing() == serde_json::json!([])).then_some(())
    });
}
