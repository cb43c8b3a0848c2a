//! What is on the wire below BGP: TTL, class, signatures, and where is listened.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, also in its helpers"
)]

mod common;

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use common::{Daemon, Namespace, PROGRAM, pair, wait};
use rcni_bgp::transport::ao::Side;
use rcni_bgp::transport::dialler::{Dial, dial};
use rcni_bgp::transport::gate::{Entry, Gate};
use rcni_bgp::transport::keys::{self, KeyFor};
use rcni_bgp::transport::listener::{self, Sockets};
use rcni_bgp::transport::socket::{self, Options};
use rcni_bgp_proto::speaker::ConnectError;
use rcni_config::{AoAlgorithm, AoKey, Cidr, Password, Security};
use socket2::{Domain, Protocol, Socket, Type};

/// The file of a speaker with one peer, `peer` being YAML flow items.
fn config(asn: u32, peer: &str, more: &str) -> String {
    format!(
        "apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {{name: default}}
spec: {{asNumber: {asn}, routerID: 10.0.0.{}{more}}}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {{name: other}}
spec: {{{peer}}}
",
        asn % 100
    )
}

/// a - router - c, 10.0.0.0/24 and 10.0.1.0/24.
struct Routed {
    a: Namespace,
    _router: Namespace,
    c: Namespace,
}

fn routed() -> Routed {
    let (a, router) = pair();
    let c = Namespace::new();
    router.ip(&format!(
        "link add eth1 type veth peer name eth0 netns {}",
        c.pid()
    ));
    router.ip("address add 10.0.1.2/24 dev eth1");
    c.ip("address add 10.0.1.1/24 dev eth0");
    router.ip("link set eth1 up");
    c.ip("link set eth0 up");
    let forwarding = router
        .command("sysctl")
        .args(["-qw", "net.ipv4.ip_forward=1"])
        .status();
    assert!(forwarding.unwrap().success());
    a.ip("route add 10.0.1.0/24 via 10.0.0.2");
    c.ip("route add 10.0.0.0/24 via 10.0.1.2");
    Routed {
        a,
        _router: router,
        c,
    }
}

fn two_daemons(folder: &Path, ends: (&Namespace, &Namespace), peers: [&str; 2]) -> [Daemon; 2] {
    let [first, second] = peers;
    let first = format!("{first}, connectRetrySeconds: 1");
    let second = format!("{second}, connectRetrySeconds: 1");
    [
        Daemon::start(ends.0, folder, "a", &config(65001, &first, "")),
        Daemon::start(ends.1, folder, "b", &config(65002, &second, "")),
    ]
}

/// What the first peer's last error says.
fn complaint(daemon: &Daemon, word: &str) -> String {
    wait(&format!("an error with {word}"), || {
        let json = daemon.json()?;
        assert_ne!(json["peers"][0]["state"], "Established");
        let text = json["peers"][0]["lastError"]["text"].as_str()?;
        text.contains(word).then(|| text.to_owned())
    })
}

#[test]
fn over_a_router_ebgp_needs_multihop() {
    let net = routed();
    let ends = (&net.a, &net.c);
    let folder = tempfile::tempdir().unwrap();
    let peers = [
        "peerIP: 10.0.1.1, asNumber: 65002",
        "peerIP: 10.0.0.1, asNumber: 65001, passive: true",
    ];
    let [first, second] = two_daemons(folder.path(), ends, peers);
    wait("a failed attempt", || {
        let json = first.json()?;
        json["peers"][0]["lastError"]["class"]
            .is_string()
            .then_some(())
    });
    // The SYN does not get through, so the other end has never heard of it.
    let status = wait("an answer of the other", || second.json());
    assert_eq!(status["listener"]["accepted"], 0);
    drop((first, second));

    let peers = peers.map(|peer| format!("{peer}, multihop: 2"));
    let [first, _second] = two_daemons(folder.path(), ends, [&peers[0], &peers[1]]);
    first.established();
}

#[test]
fn ttl_security_counts_hops() {
    // One link.
    let (a, b) = pair();
    let folder = tempfile::tempdir().unwrap();
    let peers = [
        "peerIP: 10.0.0.2, asNumber: 65002, ttlSecurity: 1",
        "peerIP: 10.0.0.1, asNumber: 65001, passive: true, ttlSecurity: 1",
    ];
    let [first, second] = two_daemons(folder.path(), (&a, &b), peers);
    first.established();
    drop((first, second));

    // A peer on the link that knows nothing of it: its SYN-ACK has TTL 64.
    let without = "peerIP: 10.0.0.1, asNumber: 65001, passive: true";
    let [first, second] = two_daemons(folder.path(), (&a, &b), [peers[0], without]);
    let text = complaint(&first, "TCPMinTTLDrop");
    assert!(text.contains("spec.ttlSecurity"), "{text}");
    drop((first, second));

    // With a router between them, one hop is too little and two are enough.
    let net = routed();
    let ends = (&net.a, &net.c);
    let peers = |hops: u8| {
        [
            format!("peerIP: 10.0.1.1, asNumber: 65002, ttlSecurity: {hops}"),
            format!("peerIP: 10.0.0.1, asNumber: 65001, passive: true, ttlSecurity: {hops}"),
        ]
    };
    let near = peers(1);
    let [first, second] = two_daemons(folder.path(), ends, [&near[0], &near[1]]);
    complaint(&first, "spec.ttlSecurity");
    let status = wait("an answer of the other", || second.json());
    assert_eq!(status["listener"]["accepted"], 0);
    drop((first, second));
    let far = peers(2);
    let [first, _second] = two_daemons(folder.path(), ends, [&far[0], &far[1]]);
    first.established();
}

/// Where another peer of the family does without TTL security, the listening socket takes all SYNs, and
/// the connection is refused by what its SYN had.
#[test]
fn who_is_too_far_away_is_refused_where_others_may_be() {
    let net = routed();
    let folder = tempfile::tempdir().unwrap();
    let peer = "peerIP: 10.0.0.1, asNumber: 65001, passive: true, ttlSecurity: 1";
    let more = "---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: second}
spec: {peerIP: 10.0.1.77, asNumber: 65003, passive: true}
";
    let text = config(65002, peer, "") + more;
    let daemon = Daemon::start(&net.c, folder.path(), "c", &text);
    wait("it runs", || daemon.json());
    let attempt = |ttl: u8| {
        net.a.run(move || async move {
            let options = Options {
                ttl: Some(ttl),
                ..Options::default()
            };
            let remote = "10.0.1.1:179".parse().unwrap();
            // The reset may come before the handshake is looked at.
            let Ok(mut stream) = dial(plain(remote, options)).await else {
                return true;
            };
            let mut buffer = [0; 1];
            let read = tokio::io::AsyncReadExt::read(&mut stream, &mut buffer).await;
            read.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset)
        })
    };
    // One router takes one off 255.
    assert!(attempt(255) && attempt(64));
    let listener = &daemon.json().unwrap()["listener"];
    assert_eq!(
        (
            listener["refusedTooFar"].clone(),
            listener["accepted"].clone()
        ),
        (2.into(), 0.into())
    );
}

fn plain(remote: SocketAddr, options: Options) -> Dial {
    Dial {
        remote,
        local: None,
        options,
        security: Security::None,
        patience: Duration::from_secs(3),
    }
}

/// TTL and type of service of all IPv4 packets of TCP from `source` that arrive within a while after
/// `begin`.
fn seen_from(namespace: &Namespace, source: Ipv4Addr, begin: impl FnOnce()) -> BTreeSet<(u8, u8)> {
    let mut socket = namespace.run(|| async {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::TCP)).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        socket
    });
    begin();
    let mut seen = BTreeSet::new();
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        let mut packet = [0; 2048];
        if socket.read(&mut packet).is_ok() && packet[12..16] == source.octets() {
            seen.insert((packet[8], packet[1]));
        }
    }
    seen
}

/// Every packet of a session, also SYN and SYN-ACK, as the other end's kernel gets it.
#[test]
fn every_packet_has_its_class_and_ttl() {
    const CS6: u8 = 0xc0;
    let source: Ipv4Addr = "10.0.0.1".parse().unwrap();
    for (passive, ttl, expected) in [
        ("", "", [1_u8].as_slice()),
        ("", ", multihop: 9", &[9]),
        ("", ", ttlSecurity: 1", &[255]),
        (", passive: true", ", ttlSecurity: 1", &[255]),
        // The SYN-ACK is the listening socket's, which is for all peers.
        (", passive: true", ", multihop: 9", &[9, 64]),
    ] {
        let (a, b) = pair();
        let folder = tempfile::tempdir().unwrap();
        let other = if passive.is_empty() {
            ", passive: true"
        } else {
            ""
        };
        let other =
            format!("peerIP: 10.0.0.1, asNumber: 65001, connectRetrySeconds: 1{other}{ttl}");
        let other = Daemon::start(&b, folder.path(), "b", &config(65002, &other, ""));
        wait("it runs", || other.json());
        let mut started = None;
        let seen = seen_from(&b, source, || {
            let peer =
                format!("peerIP: 10.0.0.2, asNumber: 65002, connectRetrySeconds: 1{passive}{ttl}");
            started = Some(Daemon::start(
                &a,
                folder.path(),
                "a",
                &config(65001, &peer, ""),
            ));
            started.as_ref().unwrap().established();
        });
        let expected: BTreeSet<_> = expected.iter().map(|ttl| (*ttl, CS6)).collect();
        // Refusals of the kernel, before the daemon listens, are no packets of a session.
        let seen: BTreeSet<_> = seen.into_iter().filter(|(_, class)| *class != 0).collect();
        assert_eq!(seen, expected, "{passive}{ttl}");
    }
}

fn md5(text: &str) -> Security {
    Security::Md5(Password::new(text).unwrap())
}

/// A listening socket with keys for a range and for one address in it, against what dials have.
#[test]
fn md5_keys_of_ranges_and_addresses() {
    for (addresses, range, bind) in [
        (["10.0.0.1", "10.0.0.77"], "10.0.0.0/24", "10.0.0.2"),
        (["fd00::1", "fd00::77"], "fd00::/64", "fd00::2"),
    ] {
        let (a, b) = pair();
        for (namespace, address) in [(&a, "fd00::1"), (&a, "fd00::77"), (&b, "fd00::2")] {
            namespace.ip(&format!("address add {address}/64 dev eth0 nodad"));
        }
        a.ip("address add 10.0.0.77/24 dev eth0");
        let bind: IpAddr = bind.parse().unwrap();
        let [_, single] = addresses;
        let single: IpAddr = single.parse().unwrap();
        let network: Cidr = range.parse().unwrap();
        // The listeners must outlive the runtime that made them; the kernel completes the handshakes.
        let listener = b.run(move || async move {
            let key = |network, text: &str| KeyFor {
                name: "x".to_owned(),
                network,
                security: md5(text),
            };
            let entry = Entry {
                network: network.into(),
                options: Options::default(),
            };
            let sockets = Sockets {
                addresses: &[bind],
                port: 179,
                keys: &[key(network, "range"), key(Cidr::host(single), "single")],
                gate: &Gate::new(&[entry]),
            };
            let mut listeners = listener::bind(sockets).unwrap();
            listeners.remove(0).into_std().unwrap()
        });
        let attempt = |local: &str, security: Security| {
            let dialled = Dial {
                local: Some(local.parse().unwrap()),
                security,
                patience: Duration::from_millis(500),
                ..plain(SocketAddr::new(bind, 179), Options::default())
            };
            a.run(|| async { dial(dialled).await.map(drop) })
        };
        let [of_range, single] = addresses;
        assert_eq!(attempt(of_range, md5("range")), Ok(()));
        assert_eq!(attempt(single, md5("single")), Ok(()));
        for (local, security) in [
            (of_range, md5("single")),
            (of_range, Security::None),
            (single, md5("range")),
            (single, Security::None),
        ] {
            let result = attempt(local, security);
            assert_eq!(result, Err(ConnectError::TimedOut), "{local}");
        }
        drop(listener);
    }
}

/// As many peers as the listening socket has room for keys, and what is said of one more.
#[test]
fn more_keys_than_fit_are_explained() {
    let namespace = Namespace::new();
    namespace.run(|| async {
        let keys: Vec<KeyFor> = (0..60_000_u32)
            .map(|n| KeyFor {
                name: format!("p{n}"),
                network: Cidr::host(IpAddr::from((0x0a00_0000 + n).to_be_bytes())),
                security: md5("x"),
            })
            .collect();
        let socket = socket::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
        let error = keys::set_all(&socket, &keys).unwrap_err().to_string();
        assert!(error.contains("net.core.optmem_max"), "{error}");
        assert!(error.contains("peer p"), "{error}");
    });
}

/// With TCP-AO in the kernel there is a session; without it the daemon does not start, and says who
/// wants it, what is missing and what to do.
#[test]
fn tcp_ao_works_or_is_explained() {
    let (a, b) = pair();
    let folder = tempfile::tempdir().unwrap();
    let keys =
        "tcpAO: {keys: [{sendID: 1, receiveID: 2, algorithm: hmac-sha-1-96, secret: geheim}]}";
    let other_keys =
        "tcpAO: {keys: [{sendID: 2, receiveID: 1, algorithm: hmac-sha-1-96, secret: geheim}]}";
    let peer = format!("peerIP: 10.0.0.2, asNumber: 65002, {keys}");
    if a.run(|| async { kernel_has_tcp_ao() }) {
        let other = format!("peerIP: 10.0.0.1, asNumber: 65001, {other_keys}");
        let [first, _second] = two_daemons(folder.path(), (&a, &b), [&peer, &other]);
        first.established();
        return;
    }
    let file = folder.path().join("a.yaml");
    std::fs::write(&file, config(65001, &peer, "")).unwrap();
    let mut child = a
        .command(PROGRAM)
        .args(["run", "--config"])
        .arg(&file)
        .arg("--socket")
        .arg(folder.path().join("a.sock"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = wait("it ends", || child.try_wait().unwrap());
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert!(!status.success());
    for word in [
        "peer other (10.0.0.2/32)",
        "CONFIG_TCP_AO",
        "Linux 6.7",
        "spec.password",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("geheim"), "{text}");
}

fn kernel_has_tcp_ao() -> bool {
    let socket = socket::tcp("127.0.0.1:0".parse().unwrap()).unwrap();
    let key = AoKey {
        send_id: 1,
        receive_id: 1,
        algorithm: AoAlgorithm::HmacSha1,
        secret: Password::new("x").unwrap(),
    };
    let peer = Cidr::host("10.0.0.1".parse().unwrap());
    match keys::set(&socket, peer, &Security::Ao(vec![key]), Side::Dialling) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(libc::ENOPROTOOPT), "{error}");
            false
        }
    }
}

#[test]
fn only_bind_addresses_are_listened_on() {
    let (a, b) = pair();
    b.ip("address add 10.0.0.3/24 dev eth0");
    let folder = tempfile::tempdir().unwrap();
    let peer = "peerIP: 10.0.0.1, asNumber: 65001, passive: true";
    let more = ", listenPort: 1179, bindAddresses: [10.0.0.3, 10.0.0.9]";
    let daemon = Daemon::start(&b, folder.path(), "b", &config(65002, peer, more));
    wait("it runs", || daemon.json());
    // What is not there yet works when it comes; until then the log says so.
    assert!(daemon.log().contains("10.0.0.9"), "{}", daemon.log());
    assert!(
        daemon.log().contains("spec.bindAddresses"),
        "{}",
        daemon.log()
    );
    let attempt = |address: &str| {
        let remote = SocketAddr::new(address.parse().unwrap(), 1179);
        a.run(move || async move { dial(plain(remote, Options::default())).await.map(drop) })
    };
    assert_eq!(attempt("10.0.0.2"), Err(ConnectError::Refused));
    assert_eq!(attempt("10.0.0.3"), Ok(()));
    b.ip("address add 10.0.0.9/24 dev eth0");
    assert_eq!(attempt("10.0.0.9"), Ok(()));
    let listening = b.command("ss").args(["-ltnH"]).output().unwrap();
    let listening = String::from_utf8(listening.stdout).unwrap();
    assert_eq!(listening.lines().count(), 2, "{listening}");
}

fn pid(daemon: &Daemon) -> u64 {
    daemon.json().unwrap()["pid"].as_u64().unwrap()
}

/// Connections out of a range that say nothing, far more than there are places: bounded, counted, and a
/// neighbour that says its OPEN has its session all the same.
#[test]
fn a_silent_crowd_of_a_range_keeps_nobody_out() {
    const ADDRESSES: usize = 60;
    let (a, b) = pair();
    for host in 100..100 + ADDRESSES {
        a.ip(&format!("address add 10.0.0.{host}/24 dev eth0"));
    }
    let folder = tempfile::tempdir().unwrap();
    let range = "peerRange: 10.0.0.0/24, asNumber: external";
    let daemon = Daemon::start(&b, folder.path(), "b", &config(65002, range, ""));
    wait("it runs", || daemon.json());
    let silent = a.run(|| async {
        let mut silent = Vec::new();
        for host in (100..100 + ADDRESSES).cycle().take(3 * ADDRESSES) {
            let dialled = Dial {
                local: Some(format!("10.0.0.{host}").parse().unwrap()),
                ..plain("10.0.0.2:179".parse().unwrap(), Options::default())
            };
            silent.push(dial(dialled).await.unwrap().into_std().unwrap());
        }
        silent
    });
    // It may have as many connections open as the machine allows.
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", pid(&daemon))).unwrap();
    let limit = limits
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .unwrap();
    let numbers: Vec<&str> = limit.split_whitespace().skip(3).take(2).collect();
    assert_eq!(numbers[0], numbers[1], "{limit}");
    let listener = wait("all have been seen", || {
        let listener = daemon.json()?["listener"].clone();
        (listener["accepted"] == 3 * ADDRESSES).then_some(listener)
    });
    let number = |name: &str| listener[name].as_u64().unwrap();
    assert!(number("halfOpen") <= 64, "{listener}");
    assert!(number("halfOpenDropped") >= 3 * 60 - 64, "{listener}");
    let peer = "peerIP: 10.0.0.2, asNumber: 65002, connectRetrySeconds: 1";
    let real = Daemon::start(&a, folder.path(), "a", &config(65001, peer, ""));
    real.established();
    drop(silent);
}
