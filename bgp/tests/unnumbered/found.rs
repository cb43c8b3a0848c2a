//! Sessions with whoever is there.

use rustix::process::Signal;

use super::accepts::accept_ra;
use super::common::{Daemon, wait};
use super::{config, join, link_local, namespace, only_address, state, two};

const BY_LINK: &str = "peerInterface: eth0";

#[test]
fn two_daemons_find_each_other_and_ipv4_goes_over_ipv6() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = two();
    let at_a = Daemon::start(&a, folder.path(), "a", &config(1, BY_LINK));
    let mut at_b = Daemon::start(&b, folder.path(), "b", &config(2, BY_LINK));
    let json = at_a.established();
    let other = link_local(&b, "eth0");
    let peer = &json["peers"][0];
    assert_eq!(peer["name"], "other");
    assert_eq!(peer["address"], other.as_str());
    assert_eq!(peer["interface"], "eth0");
    assert_eq!(peer["asn"], 65002);
    assert_eq!(state(&json), "found");
    let v4 = format!("10.244.2.0/24 via inet6 {other} dev eth0 metric 77");
    let v6 = format!("fd00:10:244:2::/64 via {other} dev eth0 metric 77");
    let are_there = || {
        let found = (a.own_routes(), a.own_routes_v6());
        (found == (vec![v4.clone()], vec![v6.clone()])).then_some(())
    };
    wait("both families, over the link", are_there);
    assert_eq!(a.ip("-6 route show default"), "", "nobody's default");
    assert_eq!(accept_ra(&a, "eth0"), "0");
    assert!(super::notes(&json).contains("accept_ra of eth0 was 1 and is 0 now"));
    let table = String::from_utf8(at_a.status(&[]).stdout).unwrap();
    assert!(table.contains(&format!("{other}%eth0")), "{table}");
    let mut metrics = std::process::Command::new(super::common::PROGRAM);
    metrics.args(["metrics", "--socket"]).arg(&at_a.socket);
    let metrics = String::from_utf8(metrics.output().unwrap().stdout).unwrap();
    let labels = format!("peer=\"other\",interface=\"eth0\",address=\"{other}\"");
    let found = format!("rcni_bgp_link_neighbor{{{labels}}} 1");
    assert!(metrics.lines().any(|line| line == found), "{metrics}");
    // It restarts: what it announced stays meanwhile (graceful restart).
    at_b.signal(Signal::KILL);
    at_b.ended();
    wait("it is gone", || {
        let json = at_a.json()?;
        (json["peers"][0]["state"] != "Established").then_some(())
    });
    are_there().expect("kept as stale");
    let _again = Daemon::start(&b, folder.path(), "b", &config(2, BY_LINK));
    let json = wait("it is back", || {
        let json = at_a.json()?;
        (json["peers"][0]["established"] == 2).then_some(json)
    });
    assert_eq!(json["peers"][0]["address"], other.as_str());
    wait("the same routes", are_there);
}

/// Two routers with one address, each on its own link: as switches with a configured one have it.
#[test]
fn the_same_address_on_two_links_is_two_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b, c) = (namespace(), namespace(), namespace());
    join((&a, "eth0"), (&b, "eth0"));
    join((&a, "eth1"), (&c, "eth0"));
    for router in [&b, &c] {
        only_address(router, "eth0", "fe80::1");
    }
    let pattern = config(1, "peerInterface: eth*");
    let at_a = Daemon::start(&a, folder.path(), "a", &pattern);
    let same = |number| {
        let config = config(number, BY_LINK).replace("10.244.3.0", "10.244.2.0");
        config.replace("10.255.0.2", "10.255.0.9")
    };
    let no_restart = "gracefulRestart: {restartTimeSeconds: 0}\n  networks";
    let _at_b = Daemon::start(&b, folder.path(), "b", &same(2));
    let mut at_c = {
        let config = same(3).replacen("networks", no_restart, 1);
        Daemon::start(&c, folder.path(), "c", &config)
    };
    let both = wait("both are up", || {
        let json = at_a.json()?;
        let peers = json["peers"].as_array()?;
        let up = peers.iter().filter(|peer| peer["state"] == "Established");
        (up.count() == 2).then_some(json)
    });
    assert_eq!(both["peers"][0]["name"], "other/eth0");
    assert_eq!(both["peers"][1]["name"], "other/eth1");
    for peer in both["peers"].as_array().unwrap() {
        assert_eq!(peer["address"], "fe80::1");
    }
    let ways = || {
        let said = a.ip("nexthop show proto 77");
        ["eth0", "eth1"].map(|link| said.contains(&format!("via fe80::1 dev {link}")))
    };
    wait("two ways in a group", || {
        let group = a.ip("nexthop show proto 77").contains('/');
        (group && ways() == [true, true]).then_some(())
    });
    // Without graceful restart one goes, and the other stays: they are told apart by their links.
    at_c.signal(Signal::KILL);
    at_c.ended();
    wait("the other way alone", || {
        let routes = a.own_routes();
        let one = routes
            .iter()
            .find(|route| route.starts_with("10.244.2.0/24"))?;
        (one.contains("dev eth0") && !one.contains("nhid")).then_some(())
    });
    let json = at_a.json().unwrap();
    assert_eq!(json["peers"][0]["state"], "Established");
}

#[test]
fn a_link_local_address_with_its_link_needs_no_advertisements() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = two();
    only_address(&a, "eth0", "fe80::1");
    only_address(&b, "eth0", "fe80::2");
    let to = |address: &str| format!("peerIP: '{address}%eth0'");
    let at_a = Daemon::start(&a, folder.path(), "a", &config(1, &to("fe80::2")));
    let waits = format!("{}, passive: true", to("fe80::1"));
    let at_b = Daemon::start(&b, folder.path(), "b", &config(2, &waits));
    let json = at_a.established();
    assert_eq!(json["peers"][0]["interface"], "eth0");
    assert_eq!(at_b.established()["peers"][0]["address"], "fe80::1");
    wait("IPv4 over it", || {
        let expected = "10.244.2.0/24 via inet6 fe80::2 dev eth0 metric 77";
        (a.own_routes() == [expected]).then_some(())
    });
    // Nothing is advertised, and what routers say is the node's own matter.
    assert_eq!(accept_ra(&a, "eth0"), "1");
    // Another address, by reload: the session with the old one ends, the new one is dialled.
    b.ip("address add fe80::22/64 dev eth0 nodad");
    let file = folder.path().join("a.yaml");
    std::fs::write(&file, config(1, &to("fe80::22"))).unwrap();
    wait("the other address is dialled", || {
        let json = at_a.json()?;
        let peer = &json["peers"][0];
        (peer["address"] == "fe80::22" && peer["state"] == "Established").then_some(())
    });
}

/// A name becomes a pattern, and a session of it stays; a link that nobody means any more is left alone.
#[test]
fn another_pattern_is_taken_over_while_the_daemon_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = two();
    let at_a = Daemon::start(&a, folder.path(), "a", &config(1, BY_LINK));
    let _at_b = Daemon::start(&b, folder.path(), "b", &config(2, BY_LINK));
    at_a.established();
    let file = folder.path().join("a.yaml");
    let reload = |peer: &str| std::fs::write(&file, config(1, peer)).unwrap();
    reload("peerInterface: e*");
    let json = wait("its name has its link", || {
        let json = at_a.json()?;
        (json["peers"][0]["name"] == "other/eth0").then_some(json)
    });
    assert_eq!(json["peers"][0]["established"], 1, "the same session");
    assert_eq!(json["peers"][0]["state"], "Established");
    // The kernel renames links that are up since 6.2 or so: down, renamed, up.
    a.ip("link set eth0 down");
    a.ip("link set eth0 name eno7");
    a.ip("link set eno7 up");
    wait("it is called as its link is", || {
        let json = at_a.json()?;
        let peer = &json["peers"][0];
        (peer["name"] == "other/eno7" && peer["state"] == "Established").then_some(())
    });
    reload("peerInterface: swp*");
    wait("nobody is meant", || {
        let json = at_a.json()?;
        (json["peers"] == serde_json::json!([]) && state(&json) == "no-interface").then_some(())
    });
    assert!(a.own_routes().is_empty());
}

/// A cable is put into another router: the session with the one before has not expired.
#[test]
fn another_router_at_the_end_of_the_link_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = two();
    let c = namespace();
    let at_a = Daemon::start(&a, folder.path(), "a", &config(1, BY_LINK));
    let _at_b = Daemon::start(&b, folder.path(), "b", &config(2, BY_LINK));
    let _at_c = Daemon::start(&c, folder.path(), "c", &config(3, BY_LINK));
    assert_eq!(at_a.established()["peers"][0]["asn"], 65002);
    b.ip(&format!("link set eth0 netns {}", c.pid()));
    c.ip("link set eth0 address 02:00:00:00:00:33");
    c.ip("link set eth0 up");
    let json = wait("the other one", || {
        let json = at_a.json()?;
        let peer = &json["peers"][0];
        (peer["asn"] == 65003 && peer["state"] == "Established").then_some(json)
    });
    assert_eq!(json["peers"][0]["address"], link_local(&c, "eth0").as_str());
    wait("its routes alone", || {
        let routes = a.own_routes();
        (routes.len() == 1 && routes[0].starts_with("10.244.3.0/24")).then_some(())
    });
}
