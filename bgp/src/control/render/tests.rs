use super::*;
use crate::control::drain::DrainStatus;
use crate::control::model::{
    BfdSockets, ByFamily, Capability, Configuration, Conflict, Details, Failed, ForeignRoute,
    Kernel, LastError, Listener, Negotiated, Operation, Others, Prefixes, Range, Refused, Session,
    VERSION,
};

pub(crate) fn peer(name: &str, address: &str) -> Peer {
    Peer {
        name: name.to_owned(),
        address: address.parse().unwrap(),
        asn: Some(65000),
        details: Details::default(),
        kind: "external".to_owned(),
        state: "Established".to_owned(),
        since_seconds: 192,
        last_error: None,
        next_attempt_seconds: None,
        negotiated: Negotiated {
            hold_time_seconds: Some(90),
            keepalive_seconds: Some(30),
            families: vec!["ipv4 unicast".to_owned()],
        },
        prefixes: Prefixes {
            received: 2,
            accepted: 2,
            rejected: 0,
            best: 2,
            installed: 2,
            advertised: 1,
        },
        prefixes_by_family: ByFamily::default(),
        bfd: None,
        notes: vec![],
    }
}

pub(crate) fn down(name: &str, address: &str) -> Peer {
    Peer {
        state: "Active".to_owned(),
        since_seconds: 4,
        last_error: Some(LastError {
            class: "refused".to_owned(),
            text: "nobody listens on 10.0.2.1 port 179".to_owned(),
            age_seconds: 4,
        }),
        next_attempt_seconds: Some(2),
        negotiated: Negotiated::default(),
        prefixes: Prefixes::default(),
        ..peer(name, address)
    }
}

pub(crate) fn status(peers: Vec<Peer>) -> Status {
    Status {
        slowest_step_micros: 1_500,
        configuration: Configuration::default(),
        version: VERSION,
        asn: 65001,
        router_id: "10.0.1.11".parse().unwrap(),
        pid: 42,
        uptime_seconds: 4000,
        peers,
        kernel: Kernel {
            next_hops: None,
            protocol: 77,
            metric: 77,
            table: 254,
            install: true,
            installed: 2,
            stale: 0,
            pending: 0,
            failed_count: 0,
            failed: vec![],
            degraded_count: 0,
            degraded: vec![],
            trouble: None,
            others: Others {
                default_route_metric: 20_077,
                ..Others::default()
            },
        },
        conflicts: vec![],
        operation: Operation {
            synced: true,
            learning: vec![],
            drain: DrainStatus::default(),
        },
        bfd: BfdSockets::default(),
        ranges: vec![],
        links: vec![],
        listener: Listener::default(),
    }
}

#[test]
fn two_peers_one_down() {
    let status = status(vec![peer("tor-a", "10.0.1.1"), down("tor-b", "10.0.2.1")]);
    let expected = "\
router id 10.0.1.11, AS 65001, up 1h06m, 1 of 2 peers established
kernel routes (proto 77 metric 77 table 254): 2 installed

PEER  ADDRESS     AS STATE       SINCE RECV ACC ADV INST
tor-a 10.0.1.1 65000 Established 3m12s    2   2   1    2
tor-b 10.0.2.1 65000 Active         4s    0   0   0    0
  refused, 4s ago: nobody listens on 10.0.2.1 port 179; next attempt in 2s
";
    assert_eq!(table(&status, false), expected);
}

#[test]
fn both_families_notes_and_conflicts_are_told() {
    let prefixes = peer("tor", "10.0.1.1").prefixes;
    let ipv6 = Prefixes {
        received: 1,
        accepted: 1,
        best: 1,
        installed: 1,
        ..Prefixes::default()
    };
    let mut tor = peer("tor", "10.0.1.1");
    tor.prefixes_by_family = ByFamily {
        ipv4: prefixes,
        ipv6,
    };
    tor.notes = vec!["ipv6 unicast: nothing is announced: eth0 has no global address".to_owned()];
    let mut status = status(vec![tor]);
    status.conflicts.push(Conflict {
        prefix: "10.244.1.0/24".to_owned(),
        peer: "tor".to_owned(),
        as_path: "65000 65002".to_owned(),
        text: "peer tor (10.0.1.1) announces 10.244.1.0/24 (AS path 65000 65002), and this node \
               originates 10.244.1.0/24"
            .to_owned(),
    });
    let expected = "\
router id 10.0.1.11, AS 65001, up 1h06m, 1 of 1 peers established
kernel routes (proto 77 metric 77 table 254): 2 installed

*** CONFLICT: 1 own network is announced by others, too ***
  peer tor (10.0.1.1) announces 10.244.1.0/24 (AS path 65000 65002), and this
    node originates 10.244.1.0/24

PEER ADDRESS     AS STATE       SINCE RECV ACC ADV INST
tor  10.0.1.1 65000 Established 3m12s    2   2   1    2
    ipv4: received 2, accepted 2, advertised 1, installed 2
    ipv6: received 1, accepted 1, advertised 0, installed 1
  note: ipv6 unicast: nothing is announced: eth0 has no global address
";
    assert_eq!(table(&status, false), expected);
}

#[test]
fn colour_changes_nothing_but_colour() {
    let status = status(vec![peer("tor-a", "10.0.1.1"), down("tor-b", "10.0.2.1")]);
    let coloured = table(&status, true);
    assert!(coloured.contains("\x1b[32mEstablished\x1b[0m"));
    assert!(coloured.contains("\x1b[31mActive     \x1b[0m"));
    let plain = coloured
        .replace(GREEN, "")
        .replace(RED, "")
        .replace(PLAIN, "");
    assert_eq!(plain, table(&status, false));
    assert!(!table(&status, false).contains('\x1b'));
}

#[test]
fn routes_that_the_kernel_refused() {
    let mut status = status(vec![]);
    status.kernel.failed_count = 300;
    status.kernel.pending = 3;
    status.kernel.failed = (0..100)
        .map(|n| Failed {
            prefix: format!("10.9.{n}.0/24"),
            reason: "another program's route (protocol 4) has this prefix, metric and table: \
                     left alone"
                .to_owned(),
        })
        .collect();
    let text = table(&status, false);
    assert!(
        text.contains("2 installed, 3 pending, 300 failed\n"),
        "{text}"
    );
    assert!(text.contains("no peers are configured\n"), "{text}");
    let reason = "  10.9.0.0/24: another program's route (protocol 4) has this prefix, metric and
    table: left alone
  10.9.1.0/24: ";
    assert!(text.contains(reason), "{text}");
    assert!(
        text.ends_with("  and 290 more: `-o json` lists them\n"),
        "{text}"
    );
    status.kernel.install = false;
    assert!(table(&status, false).contains("spec.kernel.install is false"));
}

#[test]
fn routes_that_wait_for_the_others_after_a_restart() {
    let mut status = status(vec![peer("tor-a", "10.0.1.1")]);
    assert!(!table(&status, false).contains("restart"));
    status.operation.synced = false;
    let text = table(&status, false);
    assert!(text.contains("installed\n  after a restart: "), "{text}");
}

#[test]
fn who_was_turned_away_at_the_listener() {
    let mut status = status(vec![peer("tor-a", "10.0.1.1")]);
    assert!(!table(&status, false).contains("turned away"));
    status.listener.refused_strangers = 7;
    let text = table(&status, false);
    assert!(
        text.contains("connections turned away: 7 from addresses that no peer has\n"),
        "{text}"
    );
    status.listener.notes = vec!["nodes (10.0.1.0/24): not signed".to_owned()];
    let text = table(&status, false);
    assert!(
        text.contains("\n  nodes (10.0.1.0/24): not signed\n"),
        "{text}"
    );
}

#[test]
fn routes_with_fewer_next_hops_than_bgp_has() {
    let mut status = status(vec![]);
    status.kernel.degraded_count = 1;
    status.kernel.degraded = vec![Failed {
        prefix: "10.9.0.0/24".to_owned(),
        reason: "installed via 10.0.1.1 only: next hop 10.0.2.1 is away".to_owned(),
    }];
    let text = table(&status, false);
    assert!(text.contains("2 installed, 1 degraded\n"), "{text}");
    let expected = "
in the kernel without some of their next hops:
  10.9.0.0/24: installed via 10.0.1.1 only: next hop 10.0.2.1 is away
";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn eighty_columns_whatever_the_names() {
    let long = "rack-17-top-of-rack-switch-in-the-second-building";
    let mut big = peer(long, "10.100.200.100");
    big.asn = Some(u32::MAX);
    big.prefixes = Prefixes {
        received: 1_234_567,
        accepted: 1_234_567,
        rejected: 0,
        best: 1_234_567,
        installed: 1_234_567,
        advertised: 1_234_567,
    };
    let v6 = peer(long, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
    let evil = peer("a\nb\x1b[2J", "10.0.1.1");
    for peers in [
        vec![big.clone()],
        vec![v6.clone()],
        vec![big, v6, evil, down(long, "10.0.0.1")],
    ] {
        let text = table(&status(peers), false);
        for line in text.lines() {
            assert!(
                line.chars().count() <= 80,
                "{} columns: {line}",
                line.chars().count()
            );
        }
        assert!(text.contains('…'), "{text}");
        assert!(text.contains("Established"));
        assert!(!text.contains('\x1b'), "{text}");
    }
}

#[test]
fn durations_are_short() {
    let texts = [0, 59, 60, 3599, 3600, 86_399, 86_400, 1_000_000].map(duration);
    assert_eq!(
        texts,
        [
            "0s", "59s", "1m00s", "59m59s", "1h00m", "23h59m", "1d00h", "11d13h"
        ]
    );
}

#[test]
fn who_is_shut_down_and_who_came_from_a_range_is_told() {
    let mut down = down("tor", "10.0.1.1");
    down.details.shut_down = true;
    let mut status = status(vec![down]);
    status.ranges = vec![Range {
        name: "rack".to_owned(),
        network: "10.0.7.0/24".to_owned(),
        peers: 3,
        maximum_peers: 3,
        refused: 2,
    }];
    let text = table(&status, false);
    assert!(text.contains("ShutDown"), "{text}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let advice = "`rcni-bgp peer start tor` starts it";
    assert!(words.contains(advice), "{text}");
    let line = "range rack 10.0.7.0/24: 3 of 3 peers, 2 refused over the maximum";
    assert!(text.contains(line), "{text}");
    status.peers.clear();
    assert!(table(&status, false).contains("nobody has come yet"));
}

#[test]
fn a_refused_configuration_is_said_until_it_is_fine() {
    let mut status = status(vec![peer("tor", "10.0.1.1")]);
    assert!(!table(&status, false).contains("configuration"));
    status.configuration = Configuration {
        file: "/etc/rcni/bgp.yaml".to_owned(),
        refused: Some(Refused {
            since_seconds: 200,
            error_count: 12,
            errors: (1..=12)
                .map(|line| format!("bgp.yaml:{line}: no\u{1b}"))
                .collect(),
        }),
        next_start: vec!["spec.kernel.metric: takes effect at the next start".to_owned()],
        ..Configuration::default()
    };
    let text = table(&status, false);
    assert!(text.contains("configuration refused for 3m20s"), "{text}");
    assert!(
        text.contains("  bgp.yaml:10: no") && !text.contains("bgp.yaml:11"),
        "{text}"
    );
    assert!(
        text.contains("`rcni-bgp check /etc/rcni/bgp.yaml` lists them"),
        "{text}"
    );
    assert!(text.contains("spec.kernel.metric: takes effect"), "{text}");
    assert!(!text.contains('\u{1b}'));
}

fn foreign(
    prefix: &str,
    protocol: u8,
    name: Option<&str>,
    metric: u32,
    effect: &str,
) -> ForeignRoute {
    ForeignRoute {
        prefix: prefix.to_owned(),
        protocol,
        protocol_name: name.map(str::to_owned),
        kind: "unicast".to_owned(),
        metric,
        table: 254,
        effect: effect.to_owned(),
    }
}

#[test]
fn routes_of_other_programs_are_told_where_they_matter() {
    let mut status = status(vec![]);
    let others = &mut status.kernel.others;
    others.foreign_count = 1;
    others.foreign = vec![foreign("10.9.0.0/16", 4, Some("static"), 90, "beside")];
    // It changes nothing.
    assert!(!table(&status, false).contains("other programs"));
    let others = &mut status.kernel.others;
    others.foreign_count = 140;
    others.foreign = vec![
        foreign("0.0.0.0/0", 16, Some("dhcp"), 100, "preferred"),
        foreign("::/0", 9, Some("ra"), 30_000, "beside"),
        foreign("10.0.1.0/24", 2, Some("kernel"), 0, "preferred"),
        ForeignRoute {
            kind: "blackhole".to_owned(),
            ..foreign("10.1.0.0/16", 200, None, 20, "preferred")
        },
        foreign("10.2.0.0/16", 11, Some("zebra"), 77, "in the way"),
        foreign("10.9.0.0/16", 4, Some("static"), 90, "beside"),
    ];
    let text = table(&status, false);
    let (_, shown) = text.split_once("no peers are configured\n").unwrap();
    let expected = "
routes of other programs for the same prefixes, which are left alone:
  0.0.0.0/0 (dhcp, metric 100) is the default route in use, before ours (metric
    20077): spec.kernel.defaultRouteMetric says which comes first
  ::/0 (ra, metric 30000) stands behind ours (metric 20077)
  10.1.0.0/16 (protocol 200, blackhole, metric 20) is used before ours (metric
    77)
  10.2.0.0/16 (zebra, metric 77) has the place of ours
  and 136 more: `-o json` lists them
";
    assert_eq!(shown, expected);
}

#[test]
fn all_about_one_peer_fits_too() {
    let capability = |name: &str, sent: Option<&str>, received: Option<&str>, in_use| Capability {
        name: name.to_owned(),
        sent: sent.map(str::to_owned),
        received: received.map(str::to_owned),
        in_use,
    };
    let mut tor = peer("tor-a", "10.0.1.1");
    tor.details = Details {
        local_asn: 65001,
        established: 2,
        session: Some(Session {
            local: "10.0.1.11:43210".to_owned(),
            remote: "10.0.1.1:179".to_owned(),
            router_id: [10, 255, 0, 1].into(),
            capabilities: vec![
                capability("multiprotocol ipv4 unicast", Some(""), Some(""), true),
                capability("graceful-restart", Some("120 s"), None, false),
            ],
        }),
        ..Details::default()
    };
    tor.last_error = Some(LastError {
        class: "hold-expired".to_owned(),
        text: "nothing was heard for 90 s".to_owned(),
        age_seconds: 300,
    });
    tor.prefixes_by_family.ipv4 = tor.prefixes;
    let status = status(vec![tor, down("tor-b", "10.0.2.1")]);
    let expected = "\
tor-a 10.0.1.1 AS 65000 (external), our AS 65001
  Established for 3m12s; established 2 times since the daemon's start
  10.0.1.11:43210 - 10.0.1.1:179, router id 10.255.0.1
  hold time 90 s, keepalive 30 s
  last error 5m00s ago: hold-expired: nothing was heard for 90 s
  messages received 0 (0 UPDATEs), sent 0 (0 UPDATEs)
  PREFIXES       RECEIVED ACCEPTED REJECTED BEST INSTALLED ADVERTISED
  ipv4 unicast          2        2        0    2         2          1
  CAPABILITIES                   SENT RECEIVED IN USE
  multiprotocol ipv4 unicast     yes  yes      yes
  graceful-restart               yes  -        -
    sent: 120 s
";
    assert_eq!(
        wide(&status, Some("10.0.1.1"), false).as_deref(),
        Some(expected)
    );
    let all = wide(&status, None, true).unwrap();
    assert!(
        all.contains("\n\ntor-b 10.0.2.1") && all.contains("next attempt in 2s"),
        "{all}"
    );
    assert!(all.contains(RED) && all.contains(GREEN), "{all}");
    assert_eq!(wide(&status, Some("tor"), false), None);
}
