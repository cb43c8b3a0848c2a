use super::super::facts::{Bgp, Kernel, Link, Rules, VERSION};
use super::*;
use crate::control::routes::{Attributes, Route};

fn hop(gateway: Option<&str>, link: &str) -> Hop {
    Hop {
        gateway: gateway.map(|gateway| gateway.parse().unwrap()),
        link: Link {
            name: link.to_owned(),
            alias: None,
            up: true,
            carrier: true,
            mtu: 1500,
        },
        neighbor: Some("reachable".to_owned()),
    }
}

fn used(prefix: &str, hops: Vec<Hop>) -> Option<Used> {
    Some(Used {
        prefix: prefix.to_owned(),
        kind: "unicast".to_owned(),
        protocol: "rcni".to_owned(),
        ours: true,
        metric: 77,
        table: 254,
        source: None,
        hops,
    })
}

fn path(prefix: &str, state: &str, reason: Option<&str>) -> Route {
    Route {
        prefix: prefix.to_owned(),
        peer: Some("tor-a".to_owned()),
        path_id: 0,
        state: state.to_owned(),
        reason: reason.map(str::to_owned),
        rule: None,
        stale: false,
        attributes: Attributes::new(&rcni_bgp_proto::attr::PathAttributes::default()),
        received: None,
    }
}

/// Behind two ToRs, and all is well.
fn far() -> Facts {
    let hops = vec![hop(Some("10.1.1.0"), "eth1"), hop(Some("10.2.1.0"), "eth2")];
    Facts {
        version: VERSION,
        address: "10.244.2.17".parse().unwrap(),
        verdict: Verdict::default(),
        kernel: Kernel {
            route: used("10.244.2.0/24", hops),
            ..Kernel::default()
        },
        bgp: Bgp {
            paths: vec![path("10.244.2.0/24", "best", None)],
            established: 2,
            ..Bgp::default()
        },
        rules: Rules::default(),
    }
}

fn near() -> Facts {
    let mut link = hop(None, "rcni0123456789a");
    link.link.alias = Some("default/web".to_owned());
    let mut facts = far();
    facts.kernel.route = used("10.244.1.2/32", vec![link]);
    facts.bgp.paths.clear();
    facts
}

fn unrouted(refusal: &str) -> Facts {
    let mut facts = far();
    facts.kernel.route = None;
    facts.kernel.refusal = Some(refusal.to_owned());
    facts
}

fn says(facts: &Facts, ok: bool, parts: &[&str]) {
    let verdict = verdict(facts);
    assert_eq!(verdict.ok, ok, "{}", verdict.text);
    for part in parts {
        assert!(
            verdict.text.contains(part),
            "{part:?} is not in: {}",
            verdict.text
        );
    }
}

#[test]
fn what_is_well_is_said_to_be() {
    says(
        &far(),
        true,
        &["10.1.1.0 on eth1, 10.2.1.0 on eth2", "nothing wrong"],
    );
    says(
        &near(),
        true,
        &["is default/web on this node, behind rcni0123456789a"],
    );
    let mut own = far();
    own.kernel.route.as_mut().unwrap().kind = "local".to_owned();
    says(&own, true, &["is an address of this node"]);
}

#[test]
fn a_pod_that_is_gone_or_does_not_answer() {
    let mut facts = near();
    facts.kernel.route.as_mut().unwrap().hops[0].link.carrier = false;
    says(&facts, false, &["default/web", "rcni0123456789a is down"]);
    let mut facts = near();
    facts.kernel.route.as_mut().unwrap().hops[0].neighbor = Some("failed".to_owned());
    says(&facts, false, &["nobody answers"]);
    let mut facts = unrouted("blackhole");
    facts.rules.own_pod_range = true;
    says(
        &facts,
        false,
        &["belongs to this node's pods, and no pod has it"],
    );
    facts.rules.own_pod_range = false;
    says(&facts, false, &["of type blackhole"]);
}

#[test]
fn ways_that_lead_nowhere() {
    let mut facts = far();
    facts.kernel.route.as_mut().unwrap().hops[1].neighbor = Some("failed".to_owned());
    says(
        &facts,
        false,
        &["1 of 2 ways", "10.2.1.0 does not answer on eth2"],
    );
    facts.kernel.route.as_mut().unwrap().hops.remove(0);
    facts.kernel.route.as_mut().unwrap().hops[0].link.carrier = false;
    says(
        &facts,
        false,
        &["10.244.2.0/24 leads nowhere", "eth2 has no carrier"],
    );
    facts.kernel.route.as_mut().unwrap().hops[0].link.up = false;
    says(&facts, false, &["eth2 is switched off"]);
}

#[test]
fn why_there_is_no_route() {
    let mut facts = unrouted("no route");
    facts.bgp.not_installed = Some("a route of zebra is there (metric 20)".to_owned());
    says(&facts, false, &["BGP has a route", "zebra"]);
    facts.bgp.paths = vec![path(
        "10.244.2.0/24",
        "rejected",
        Some("from-tor importV4[1]"),
    )];
    says(
        &facts,
        false,
        &[
            "tor-a tells a route to 10.244.2.0/24",
            "rejected",
            "importV4[1]",
        ],
    );
    facts.bgp.paths.clear();
    says(&facts, false, &["no peer tells", "all sessions are up"]);
    facts.bgp.down = vec!["tor-b (hold-expired: silence)".to_owned()];
    says(
        &facts,
        false,
        &["1 of 3 sessions are down: tor-b (hold-expired"],
    );
    facts.bgp.trouble = Some("rcni-bgp cannot be asked: no socket".to_owned());
    says(&facts, false, &["cannot be asked"]);
}

#[test]
fn another_route_in_its_place_and_rules_that_are_not_there() {
    let mut facts = far();
    facts.kernel.route.as_mut().unwrap().prefix = "0.0.0.0/0".to_owned();
    says(
        &facts,
        false,
        &["BGP has a route to 10.244.2.0/24", "take 0.0.0.0/0 instead"],
    );
    let mut facts = far();
    facts.rules.failures = vec!["iptables is missing".to_owned()];
    says(&facts, false, &["rules are not: iptables is missing"]);
    let mut facts = near();
    facts.rules.failures = vec!["iptables is missing".to_owned()];
    says(&facts, false, &["default/web", "iptables is missing"]);
}
