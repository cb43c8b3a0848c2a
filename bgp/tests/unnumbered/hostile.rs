//! Whoever else is on the link, and what comes over it.

use std::net::{Ipv6Addr, SocketAddrV6};

use rustix::process::Signal;
use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};

use super::common::{Daemon, Namespace, wait};
use super::{config, join, link_local, namespace, notes, state, two, wait_long};

const BY_LINK: &str = "peerInterface: eth0";
const ADVERTISEMENT: [u8; 16] = [134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0];

/// Sends ICMPv6 messages to all nodes of `eth0`, from `source` with this hop limit, so many times.
fn send(from: &Namespace, source: &str, hop_limit: u32, bytes: &[u8], times: usize) {
    let (source, bytes): (Ipv6Addr, Vec<u8>) = (source.parse().unwrap(), bytes.to_vec());
    from.run(move || async move {
        let socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
        socket.bind_device(Some(b"eth0")).unwrap();
        socket.set_multicast_hops_v6(hop_limit).unwrap();
        let link = std::fs::read_to_string("/proc/thread-self/net/if_inet6").unwrap();
        let mut lines = link
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>());
        let line = lines.find(|words| words.last() == Some(&"eth0")).unwrap();
        let index = u32::from_str_radix(line[1], 16).unwrap();
        socket
            .bind(&SocketAddrV6::new(source, 0, 0, index).into())
            .unwrap();
        let all_nodes = SocketAddrV6::new("ff02::1".parse().unwrap(), 0, 0, index);
        for _ in 0..times {
            // A full queue drops, as a link would.
            let _ = socket.send_to(&bytes, &all_nodes.into());
        }
    });
}

fn dropped(json: &Value) -> u64 {
    json["links"][0]["dropped"].as_u64().unwrap_or_default()
}

#[test]
fn forged_and_broken_advertisements_make_no_neighbour() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = two();
    let router = link_local(&b, "eth0");
    b.ip("address add 2001:db8::1/64 dev eth0 nodad");
    let at_a = Daemon::start(&a, folder.path(), "a", &config(1, BY_LINK));
    wait("it listens", || {
        at_a.json().filter(|json| state(json) == "waiting")
    });
    let mut longer = ADVERTISEMENT.to_vec();
    longer.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    let mut code = ADVERTISEMENT;
    code[1] = 1;
    let forged: [(&str, u32, &[u8], &str); 5] = [
        (&router, 64, &ADVERTISEMENT, "hop limit 64 instead of 255"),
        (
            "2001:db8::1",
            255,
            &ADVERTISEMENT,
            "is no link-local address",
        ),
        (&router, 255, &ADVERTISEMENT[..8], "8 octets are too few"),
        (&router, 255, &longer, "has no valid length"),
        (&router, 255, &code, "code 1 instead of 0"),
    ];
    for (count, (source, hop_limit, bytes, reason)) in (1..).zip(forged) {
        send(&b, source, hop_limit, bytes, 1);
        let json = wait("it is counted", || {
            at_a.json().filter(|json| dropped(json) == count)
        });
        assert!(notes(&json).contains(reason), "{reason}: {}", notes(&json));
        assert_eq!(state(&json), "waiting");
        assert_eq!(json["peers"], serde_json::json!([]));
    }
    send(&b, &router, 255, &ADVERTISEMENT, 1);
    let json = wait("a real one", || {
        at_a.json().filter(|json| state(json) == "found")
    });
    assert_eq!(json["links"][0]["neighbor"], router.as_str());
    // Its lifetime (1800 s) makes no default route.
    assert_eq!(a.ip("-6 route show default"), "");
}

/// Three on one link: a bridge between them.
fn three() -> (Namespace, [Namespace; 3]) {
    let all = [namespace(), namespace(), namespace()];
    let switch = namespace();
    switch.ip("link add switch type bridge mcast_snooping 0");
    for (number, one) in all.iter().enumerate() {
        let port = format!("port{number}");
        join((one, "eth0"), (&switch, &port));
        switch.ip(&format!("link set {port} master switch"));
    }
    switch.ip("link set switch up");
    (switch, all)
}

#[test]
fn two_neighbours_on_one_link_are_refused_until_one_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let (_switch, [a, b, c]) = three();
    let (at_b, at_c) = (link_local(&b, "eth0"), link_local(&c, "eth0"));
    let daemon = Daemon::start(&a, folder.path(), "a", &config(1, BY_LINK));
    wait("it listens", || {
        daemon.json().filter(|json| state(json) == "waiting")
    });
    send(&b, &at_b, 255, &ADVERTISEMENT, 1);
    send(&c, &at_c, 255, &ADVERTISEMENT, 1);
    let json = wait("both were heard", || {
        daemon.json().filter(|json| state(json) == "several")
    });
    assert_eq!(json["peers"], serde_json::json!([]));
    for address in [&at_b, &at_c] {
        assert!(notes(&json).contains(address.as_str()), "{}", notes(&json));
    }
    assert_eq!(json["links"][0]["others"].as_array().unwrap().len(), 2);
    assert_eq!(daemon.status(&[]).status.code(), Some(1));
    assert!(
        daemon
            .log()
            .contains("routers advertise themselves on eth0")
    );
    // One is a router that goes on saying so; the other one was there once.
    let router = Daemon::start(
        &b,
        folder.path(),
        "b",
        &config(2, &format!("peerIP: '{}%eth0'", link_local(&a, "eth0"))),
    );
    let json = wait_long("only one is left, and a session with it", || {
        send(&b, &at_b, 255, &ADVERTISEMENT, 1);
        let json = daemon.json()?;
        (json["peers"][0]["state"] == "Established").then_some(json)
    });
    assert_eq!(json["peers"][0]["address"], at_b.as_str());
    // The other one comes back: the session stays, and it is named.
    send(&c, &at_c, 255, &ADVERTISEMENT, 1);
    let json = wait("it is named", || {
        let json = daemon.json()?;
        (json["links"][0]["others"] == serde_json::json!([at_c])).then_some(json)
    });
    assert_eq!(json["peers"][0]["address"], at_b.as_str());
    assert_eq!(json["peers"][0]["state"], "Established");
    let said = format!("has a session with {at_b}, and {at_c} advertises itself there, too");
    assert!(notes(&json).contains(&said), "{}", notes(&json));
    drop(router);
}

/// An advertisement of a third one while the neighbour restarts: its routes are kept for it.
#[test]
fn who_restarts_is_the_neighbour_until_its_routes_are_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (_switch, [a, b, c]) = three();
    let (at_b, at_c) = (link_local(&b, "eth0"), link_local(&c, "eth0"));
    let daemon = Daemon::start(&a, folder.path(), "a", &config(1, BY_LINK));
    // Longer than what is looked at here takes; with the time since it was heard less than 30 s.
    let short = "gracefulRestart: {restartTimeSeconds: 15}\n  networks";
    let router = config(2, BY_LINK).replacen("networks", short, 1);
    let mut at_router = Daemon::start(&b, folder.path(), "b", &router);
    daemon.established();
    let learned = || (a.own_routes().len() == 1).then_some(());
    wait("its routes", learned);
    let lose = |router: &mut Daemon| {
        router.signal(Signal::KILL);
        router.ended();
        wait("it is gone", || {
            let json = daemon.json()?;
            (json["peers"][0]["state"] != "Established").then_some(())
        });
        send(&c, &at_c, 255, &ADVERTISEMENT, 1);
        wait("the other one is named", || {
            let json = daemon.json()?;
            let others = json["links"][0]["others"].as_array()?;
            others.contains(&Value::from(at_c.as_str())).then_some(json)
        })
    };
    let json = lose(&mut at_router);
    assert_eq!(state(&json), "found");
    assert_eq!(json["peers"][0]["address"], at_b.as_str());
    let said =
        format!("keeps the routes of {at_b}, which may be restarting, and {at_c} advertises");
    assert!(notes(&json).contains(&said), "{}", notes(&json));
    learned().expect("kept as stale");
    let mut at_router = Daemon::start(&b, folder.path(), "b", &router);
    let json = wait("it is back", || {
        let json = daemon.json()?;
        let peer = &json["peers"][0];
        (peer["state"] == "Established").then_some(json)
    });
    assert_eq!(json["peers"][0]["established"], 2, "the same peer");
    // It does not come back: when its routes go there are two, and none is preferred.
    let json = lose(&mut at_router);
    assert_eq!(state(&json), "found");
    let json = wait_long("two neighbours", || {
        daemon.json().filter(|json| state(json) == "several")
    });
    assert_eq!(json["links"][0]["others"], {
        let mut both = [at_b, at_c].map(|address| address.parse::<Ipv6Addr>().unwrap());
        both.sort_unstable();
        serde_json::json!(both.map(|address| address.to_string()))
    });
    wait("nothing is left of it", || {
        let json = daemon.json()?;
        (json["peers"] == serde_json::json!([]) && a.own_routes().is_empty()).then_some(())
    });
}

#[test]
fn a_flood_keeps_nobody_waiting_and_ends_no_session() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = two();
    let c = namespace();
    join((&a, "eth1"), (&c, "eth0"));
    let at_a = Daemon::start(&a, folder.path(), "a", &config(1, "peerInterface: eth*"));
    let _at_b = Daemon::start(&b, folder.path(), "b", &config(2, BY_LINK));
    at_a.established();
    // Many routers, and broken ones, on the link with the session.
    for number in 1..=20 {
        b.ip(&format!(
            "address add fe80::bad:{number:x}/64 dev eth0 nodad"
        ));
    }
    for number in 1..=20 {
        let source = format!("fe80::bad:{number:x}");
        send(&b, &source, 255, &ADVERTISEMENT, 2_000);
        send(&b, &source, 255, &ADVERTISEMENT[..8], 500);
    }
    // Meanwhile somebody comes on the other link.
    let _at_c = Daemon::start(&c, folder.path(), "c", &config(3, BY_LINK));
    let json = wait("both are up", || {
        let json = at_a.json()?;
        let up = |peer: &Value| peer["state"] == "Established";
        let all = json["peers"].as_array()?;
        (all.len() == 2 && all.iter().all(up)).then_some(json)
    });
    assert_eq!(json["peers"][0]["established"], 1, "the same session");
    let others = json["links"][0]["others"].as_array().unwrap().len();
    assert!((1..8).contains(&others), "{others}");
    wait("what is broken is counted", || {
        send(&b, "fe80::bad:1", 255, &ADVERTISEMENT[..8], 1);
        (dropped(&at_a.json()?) > 0).then_some(())
    });
}
