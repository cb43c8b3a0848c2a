//! A user's own static routes for prefixes that BGP has, too.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::common::wait;
use crate::kernel::others;
use crate::lab::{Lab, ONE, Options, TWO};

/// Prefix, metric and effect.
type Told = BTreeSet<(String, u64, String)>;

fn told(kernel: &Value) -> Told {
    let foreign = kernel["foreign"].as_array().unwrap().iter();
    let told = foreign.map(|route| {
        assert_eq!(
            (&route["protocol"], &route["protocolName"], &route["table"]),
            (&4.into(), &"static".into(), &254.into()),
            "{route}"
        );
        let word = |key: &str| route[key].as_str().unwrap().to_owned();
        let metric = route["metric"].as_u64().unwrap();
        (word("prefix"), metric, word("effect"))
    });
    told.collect()
}

fn expected(routes: &[([&str; 2], u64, &str)]) -> Told {
    let both = routes.iter().flat_map(|(prefixes, metric, effect)| {
        prefixes.map(|prefix| (prefix.to_owned(), *metric, (*effect).to_owned()))
    });
    both.collect()
}

fn wait_told(lab: &Lab, routes: &[([&str; 2], u64, &str)]) {
    let expected = expected(routes);
    wait(&format!("status says {expected:?}"), || {
        let kernel = lab.kernel();
        let count = kernel["foreignCount"] == expected.len();
        (count && told(&kernel) == expected).then_some(())
    });
}

const BEFORE: [&str; 8] = [
    "-4 route add 10.128.1.0/24 via 10.0.9.7 dev eth9 proto static metric 20",
    "-6 route add fd00:128:1::/64 via fd00:9::7 dev eth9 proto static metric 20",
    "-4 route add 10.128.1.0/24 via 10.0.9.7 dev eth9 proto static metric 90",
    "-6 route add fd00:128:1::/64 via fd00:9::7 dev eth9 proto static metric 90",
    "-4 route add 10.128.2.0/24 via 10.0.9.7 dev eth9 proto static metric 77",
    "-6 route add fd00:128:2::/64 via fd00:9::7 dev eth9 proto static metric 77",
    "-4 route add 10.99.0.0/16 via 10.0.9.7 dev eth9 proto static metric 77",
    "-6 route add fd00:99::/64 via fd00:9::7 dev eth9 proto static metric 77",
];

#[test]
fn routes_from_before_are_left_told_and_followed() {
    let lab = Lab::begin(&Options {
        before: &BEFORE,
        ..Options::default()
    });
    lab.all_but(&TWO, "beside the user's");
    let before = others(&lab.node);
    assert_eq!(before.len(), BEFORE.len(), "{before:?}");
    wait_told(
        &lab,
        &[
            (ONE, 20, "preferred"),
            (ONE, 90, "beside"),
            (TWO, 77, "in the way"),
        ],
    );
    // For people: what matters only.
    let table = String::from_utf8(lab.daemon.status(&[]).stdout).unwrap();
    let words = table.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in [
        "10.128.1.0/24 (static, metric 20) is used before ours (metric 77)",
        "fd00:128:2::/64 (static, metric 77) has the place of ours",
        "and 2 more",
    ] {
        assert!(words.contains(line), "{line}: {table}");
    }
    assert!(!words.contains("metric 90"), "{table}");
    // Their end is our beginning, at once.
    lab.user("del", TWO, "metric 77");
    lab.complete("when the place is free");
    lab.user("del", ONE, "metric 20");
    lab.user("del", ONE, "metric 90");
    wait_told(&lab, &[]);
    let left: Vec<String> = before
        .into_iter()
        .filter(|line| line.contains("99"))
        .collect();
    assert_eq!((others(&lab.node), left.len()), (left.clone(), 2));
}

#[test]
fn routes_that_come_and_go_beside_ours_change_nothing() {
    let lab = Lab::new(&Options::default());
    for (metric, effect) in [(20, "preferred"), (90, "beside")] {
        for prefixes in [ONE, TWO] {
            let rest = format!("metric {metric}");
            lab.user("add", prefixes, &rest);
            wait_told(&lab, &[(prefixes, metric, effect)]);
            let before = others(&lab.node);
            lab.complete("beside the user's");
            // Ours deleted under it.
            lab.survives(&["-4 route flush proto 77", "-6 route flush proto 77"]);
            assert_eq!(others(&lab.node), before);
            lab.user("del", prefixes, &rest);
            wait_told(&lab, &[]);
            lab.complete("after the user's");
        }
    }
}

/// `ip route replace` with our metric takes our very place: that is the user's will.
#[test]
fn routes_in_our_place_stay_until_they_are_deleted() {
    let lab = Lab::new(&Options::default());
    for prefixes in [ONE, TWO] {
        lab.user("replace", prefixes, "metric 77");
        let before = others(&lab.node);
        assert_eq!(before.len(), 2, "{before:?}");
        lab.all_but(&prefixes, "but those that are replaced");
        wait_told(&lab, &[(prefixes, 77, "in the way")]);
        assert_eq!(others(&lab.node), before);
        lab.user("del", prefixes, "metric 77");
        lab.complete("when the place is free");
        wait_told(&lab, &[]);
    }
    assert!(lab.repaired(&["changed"]) >= 1);
    assert!(lab.repaired(&["changed", "audit", "link"]) >= 4);
}

#[test]
fn ours_deleted_or_changed_by_hand_are_back_and_the_doer_is_told() {
    let lab = Lab::new(&Options::default());
    for [v4, v6] in [ONE, TWO] {
        lab.survives(&[
            &format!("-4 route del {v4} metric 77"),
            &format!("-6 route del {v6} metric 77"),
        ]);
        // With our marks: not theirs, but wrong.
        lab.survives(&[
            &format!("-4 route replace {v4} via 10.0.9.7 proto 77 metric 77"),
            &format!("-6 route replace {v6} via fd00:9::7 proto 77 metric 77"),
        ]);
    }
    // A dump may come before the notification.
    for cause in ["deleted", "changed"] {
        assert!(lab.repaired(&[cause]) >= 1, "{cause}");
    }
    assert!(lab.repaired(&["deleted", "changed", "audit", "link"]) >= 8);
    let log = lab.daemon.log();
    for what in ["deleted this route", "wrote a route with our marks"] {
        let told = |line: &&str| line.contains(what) && line.contains("by=netlink port ");
        assert!(log.lines().any(|line| told(&line)), "{what}");
    }
    lab.stays();
}
