//! ADD and DEL of the real program, in namespaces.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use crate::support::{Netns, Node, host_end, retransmitted, talk};
use serde_json::json;

#[test]
fn add_makes_all_of_the_wire_and_del_leaves_nothing() {
    let (node, pod) = (Node::new(), Netns::new());
    let (host_before, pod_before) = (node.host.snapshot(), pod.snapshot());
    let result = node.add("one", &pod).result();

    assert_eq!(result["cniVersion"], "1.0.0");
    assert_eq!(result["interfaces"][0]["name"], host_end("one").as_str());
    assert_eq!(result["interfaces"][0]["sandbox"], json!(null));
    assert_eq!(result["interfaces"][1]["name"], "eth0");
    assert_eq!(result["interfaces"][1]["sandbox"], pod.path());
    assert_eq!(
        result["ips"],
        json!([{"address": "10.244.1.2/32", "gateway": "169.254.1.1", "interface": 1}])
    );
    assert_eq!(
        result["routes"],
        json!([{"dst": "0.0.0.0/0", "gw": "169.254.1.1"}])
    );
    assert_host_end(&node, &host_end("one"));
    assert_pod_end(&pod, &result["interfaces"][1]["mac"]);
    let reservation = node.reservations().join("10.244.1.2");
    assert_eq!(
        std::fs::read(reservation).expect("reservation"),
        b"one\r\neth0"
    );

    assert!(node.del("one", &pod.path()).is_silent());
    assert_eq!(node.host.snapshot(), host_before);
    assert_eq!(pod.snapshot(), pod_before);
    assert_eq!(node.state(), [""; 0]);
}

fn assert_host_end(node: &Node, name: &str) {
    let link = &node.host.ip_json(&format!("link show {name}"))[0];
    assert_eq!(link["address"], "ee:ee:ee:ee:ee:ee");
    assert_eq!(link["ifalias"], "default/web");
    assert_eq!(link["mtu"], 1500);
    assert_eq!(link["linkinfo"]["info_kind"], "veth");
    let addresses = node.host.ip(&format!("-4 addr show {name}"));
    assert_eq!(addresses, "", "no address on the host end");
    for (setting, value) in [
        ("ipv4/conf/NAME/proxy_arp", "1"),
        ("ipv4/conf/NAME/forwarding", "1"),
        ("ipv4/neigh/NAME/proxy_delay", "0"),
        ("ipv6/conf/NAME/disable_ipv6", "1"),
    ] {
        assert_eq!(
            node.host.sysctl(&setting.replace("NAME", name)),
            value,
            "{setting}"
        );
    }
    let routes = node.host.ip_json("route show 10.244.1.2");
    assert_eq!(routes.len(), 1);
    let protocol = routes[0]["protocol"].as_str().expect("protocol");
    assert!(["77", "rcni"].contains(&protocol), "{protocol}");
    assert_eq!(routes[0]["dev"], name);
    assert_eq!(routes[0]["scope"], "link");
    assert_eq!(routes[0].get("metric"), None);
}

fn assert_pod_end(pod: &Netns, mac: &serde_json::Value) {
    let link = &pod.ip_json("addr show eth0")[0];
    assert_eq!(&link["address"], mac);
    assert_eq!(link["mtu"], 1500);
    assert_eq!(link["operstate"], "UP");
    assert_eq!(link["addr_info"][0]["local"], "10.244.1.2");
    assert_eq!(link["addr_info"][0]["prefixlen"], 32);
    let routes = pod.ip_json("-4 route");
    assert_eq!(routes.len(), 2, "{routes:?}");
    assert_eq!(routes[0]["dst"], "default");
    assert_eq!(routes[0]["gateway"], "169.254.1.1");
    assert_eq!(routes[1]["dst"], "169.254.1.1");
    assert_eq!(routes[1]["scope"], "link");
    let neighbours = pod.ip_json("neigh show nud permanent 169.254.1.1");
    assert_eq!(neighbours[0]["lladdr"], "ee:ee:ee:ee:ee:ee");
    for (setting, value) in [
        ("disable_ipv6", "0"),
        ("accept_ra", "1"),
        ("accept_dad", "1"),
    ] {
        let name = format!("ipv6/conf/eth0/{setting}");
        assert_eq!(
            pod.sysctl(&name),
            value,
            "{setting}: the pod keeps what it had"
        );
    }
}

#[test]
fn tcp_and_ping_work_at_once() {
    let node = Node::new();
    let pods: Vec<Netns> = (0..8).map(|_| Netns::new()).collect();
    // The first connection follows each ADD directly: node to pod, pod to node, pod to pod.
    let mut previous: Option<(&Netns, Ipv4Addr)> = None;
    for (at, pod) in pods.iter().enumerate() {
        let address = node.add(&format!("pod{at}"), pod).address();
        assert_eq!(
            talk(&node.host, pod, address).ip(),
            Ipv4Addr::new(192, 0, 2, 1)
        );
        if let Some((other, other_address)) = previous {
            assert_eq!(
                talk(other, pod, address).ip(),
                other_address,
                "no translation"
            );
            assert_eq!(
                talk(pod, other, other_address).ip(),
                address,
                "no translation"
            );
            let ping = pod.output(
                Command::new("ping")
                    .args(["-c1", "-W5"])
                    .arg(other_address.to_string()),
            );
            assert!(ping.status.success(), "{ping:?}");
        }
        assert_eq!(
            talk(pod, &node.host, Ipv4Addr::new(192, 0, 2, 1)).ip(),
            address
        );
        previous = Some((pod, address));
    }
    for (place, netns) in pods.iter().chain([&node.host]).enumerate() {
        assert_eq!(
            retransmitted(netns),
            "0",
            "a SYN was lost in namespace {place}"
        );
    }
}

#[test]
fn a_taken_name_stays_as_it_is() {
    let (node, pod) = (Node::new(), Netns::new());
    node.add("one", &pod).result();
    let (host, inside, state) = (node.host.snapshot(), pod.snapshot(), node.state());

    assert_eq!(
        node.add("one", &pod).code(),
        101,
        "the same attachment again"
    );
    assert_eq!(
        node.add("other", &pod).code(),
        101,
        "another container, the same namespace"
    );
    // The same attachment, but the files are lost: the kernel still says no.
    let mut lost = node.conf();
    let elsewhere = tempfile::tempdir().expect("folder");
    lost["ipam"]["dataDir"] = json!(elsewhere.path());
    let again = node.call(node.command("ADD", "one", &pod.path(), "eth0"), &lost);
    assert_eq!(again.code(), 101);

    assert_eq!(node.host.snapshot(), host);
    assert_eq!(pod.snapshot(), inside);
    assert_eq!(node.state(), state);
    assert!(
        !elsewhere.path().join("rcni/10.244.1.2").exists(),
        "rolled back"
    );
}

#[test]
fn a_second_interface_of_the_same_container() {
    let (node, pod) = (Node::new(), Netns::new());
    let before = node.host.snapshot();
    let first = node.add("one", &pod).address();
    let second = node.call(
        node.command("ADD", "one", &pod.path(), "net1"),
        &node.conf(),
    );
    assert_ne!(first, second.address());
    assert_eq!(pod.ip_json("route show default").len(), 2);
    assert_eq!(
        talk(&node.host, &pod, first).ip(),
        Ipv4Addr::new(192, 0, 2, 1)
    );
    assert_eq!(
        talk(&node.host, &pod, second.address()).ip(),
        Ipv4Addr::new(192, 0, 2, 1)
    );
    let gone = node.call(
        node.command("DEL", "one", &pod.path(), "net1"),
        &node.conf(),
    );
    assert!(gone.is_silent());
    assert_eq!(
        talk(&node.host, &pod, first).ip(),
        Ipv4Addr::new(192, 0, 2, 1)
    );
    assert!(node.del("one", "").is_silent());
    assert_eq!(node.host.snapshot(), before);
    assert_eq!(node.state(), [""; 0]);
}

#[test]
fn a_failed_add_leaves_nothing() {
    let (node, pod) = (Node::new(), Netns::new());
    // A foreign route for the address that comes first.
    node.host.ip("link add other type veth peer name other-end");
    node.host.ip("link set other up");
    node.host.ip("route add 10.244.1.2/32 dev other");
    let (host, inside) = (node.host.snapshot(), pod.snapshot());

    let conflict = node.add("one", &pod);
    assert_eq!(conflict.code(), 102);
    assert!(conflict.stdout.contains("10.244.1.2/32"), "{conflict:?}");

    let plain = node.folder.path().join("plain");
    std::fs::write(&plain, "").expect("file");
    let missing = node.folder.path().join("missing");
    for path in [&plain, &missing] {
        let path = path.to_str().expect("text");
        let answer = node.call(node.command("ADD", "one", path, "eth0"), &node.conf());
        assert_eq!(answer.code(), 4);
        assert!(answer.stdout.contains("CNI_NETNS"), "{answer:?}");
    }
    let own = node.call(
        node.command("ADD", "one", "/proc/self/ns/net", "eth0"),
        &node.conf(),
    );
    assert_eq!(own.code(), 4);

    // The result cannot be written: the runtime believes that ADD failed, so it did.
    for target in ["/dev/full", "closed pipe"] {
        let mut command = node.command("ADD", "one", &pod.path(), "eth0");
        if target == "/dev/full" {
            let full = std::fs::File::options()
                .write(true)
                .open(target)
                .expect("open");
            command.stdout(Stdio::from(full));
        }
        let mut child = node.spawn(command, &node.conf());
        drop(child.stdout.take());
        assert_eq!(child.wait().expect("ends").code(), Some(1), "{target}");
    }

    assert_eq!(node.host.snapshot(), host);
    assert_eq!(pod.snapshot(), inside);
    assert_eq!(node.state(), [""; 0]);
    // And there is nothing in the way of the next one.
    node.add("one", &pod).result();
}

#[test]
fn del_in_every_state_the_pod_can_be_in() {
    let node = Node::new();
    let before = node.host.snapshot();
    let plain = node.folder.path().join("plain");
    std::fs::write(&plain, "").expect("file");
    let plain = plain.to_str().expect("text");

    assert!(
        node.del("never-added", "").is_silent(),
        "no folder, no lock, nothing"
    );
    // The plugin's own: a process of the host got the sandbox's PID since.
    let recycled = "/proc/self/ns/net";
    for netns in ["", "/run/netns/gone", plain, recycled, "open"] {
        let (one, other) = (Netns::new(), Netns::new());
        let address = node.add("a", &one).address();
        node.add("ab", &other).result();
        let netns = if netns == "open" {
            one.path()
        } else {
            netns.to_owned()
        };
        for _ in 0..3 {
            assert!(node.del("a", &netns).is_silent(), "CNI_NETNS {netns:?}");
        }
        assert!(!node.reservations().join(address.to_string()).exists());
        assert_eq!(
            node.state().len(),
            2,
            "the other pod's files: {:?}",
            node.state()
        );
        assert_eq!(
            node.host.ip_json("route show proto 77").len(),
            1,
            "the other pod's route"
        );
        assert!(node.del("ab", "").is_silent());
    }
    // The namespace is gone: the kernel has taken, or is taking, both ends.
    let pod = Netns::new();
    node.add("a", &pod).result();
    let path = pod.path();
    drop(pod);
    assert!(node.del("a", &path).is_silent());
    assert_eq!(node.state(), [""; 0]);
    assert_eq!(node.host.snapshot(), before);
}

#[test]
fn a_late_del_does_not_free_what_another_pod_got_since() {
    let (node, one, other) = (Node::new(), Netns::new(), Netns::new());
    let mut conf = node.conf();
    conf["ipam"]["ranges"] = json!([[{"subnet": "10.244.1.0/30"}]]);
    let add =
        |id: &str, pod: &Netns| node.call(node.command("ADD", id, &pod.path(), "eth0"), &conf);
    let address = add("one", &one).address();
    assert_eq!(
        add("other", &other).code(),
        100,
        "the only address is taken"
    );
    assert_eq!(node.state().len(), 2, "nothing stays of a refused ADD");
    assert!(node.del("one", "").is_silent());
    assert_eq!(
        add("other", &other).address(),
        address,
        "room again after one DEL"
    );
    assert!(node.del("one", "").is_silent());
    assert!(node.reservations().join(address.to_string()).exists());
}

#[test]
fn the_mtu_is_configured_or_the_smallest_uplinks() {
    let node = Node::new();
    for (name, mtu, address) in [("up0", 1400, 1), ("up1", 9000, 2), ("docker0", 1280, 3)] {
        node.host.ip(&format!(
            "link add {name} mtu {mtu} type veth peer name {name}-end"
        ));
        node.host
            .ip(&format!("addr add 198.51.{address}.1/24 dev {name}"));
        node.host.ip(&format!("link set {name} up"));
    }
    node.host
        .ip("route add default nexthop via 198.51.1.2 nexthop via 198.51.2.2");
    for (configured, expected) in [(None, 1400), (Some(0), 1400), (Some(1300), 1300)] {
        let pod = Netns::new();
        let mut conf = node.conf();
        conf["cniVersion"] = json!("1.1.0");
        if let Some(mtu) = configured {
            conf["mtu"] = json!(mtu);
        }
        let added = node
            .call(node.command("ADD", "one", &pod.path(), "eth0"), &conf)
            .result();
        for interface in 0..2 {
            assert_eq!(added["interfaces"][interface]["mtu"], expected);
        }
        assert_eq!(pod.ip_json("link show eth0")[0]["mtu"], expected);
        let host = node.host.ip_json(&format!("link show {}", host_end("one")));
        assert_eq!(host[0]["mtu"], expected);
        assert!(node.del("one", "").is_silent());
    }
}

/// The routes of a node whose uplinks are shared by nexthop objects, as the kernel shows them with
/// `nexthop_compat_mode`: as ever (1), or with nothing but the objects' numbers (0).
#[test]
fn the_mtu_follows_routes_through_nexthop_objects() {
    for compat_mode in ["0", "1"] {
        let node = Node::new();
        node.host
            .set_sysctl("ipv4/nexthop_compat_mode", compat_mode);
        for (name, mtu, address) in [("up0", 1400, 1), ("up1", 9000, 2), ("docker0", 1280, 3)] {
            node.host.ip(&format!(
                "link add {name} mtu {mtu} type veth peer name {name}-end"
            ));
            for end in [name, &format!("{name}-end")] {
                node.host.ip(&format!("link set {end} up"));
            }
            node.host
                .ip(&format!("addr add 198.51.{address}.1/24 dev {name}"));
            node.host.ip(&format!(
                "addr add 2001:db8:{address}::1/64 dev {name} nodad"
            ));
        }
        let one_more = |setup: &[&str], id: &str, expected: u32| {
            for words in setup {
                node.host.ip(words);
            }
            let pod = Netns::new();
            let added = node.add(id, &pod).result();
            let mtu = &pod.ip_json("link show eth0")[0]["mtu"];
            assert_eq!(mtu, expected, "compat mode {compat_mode}, {id}: {added}");
        };
        // Neither has a gateway: docker0 counts.
        one_more(&[], "none", 1280);
        one_more(
            &[
                "nexthop add id 1 via 198.51.1.2 dev up0",
                "nexthop add id 2 via 198.51.2.2 dev up1",
                "nexthop add id 9 group 1/2",
                "route add default nhid 9",
            ],
            "group",
            1400,
        );
        let shown = node.host.ip("route show default");
        assert_eq!(shown.contains("198.51.1.2"), compat_mode == "1", "{shown}");
        one_more(
            &["route del default", "route add default nhid 2"],
            "single",
            9000,
        );
        one_more(
            &[
                "route del default",
                "nexthop add id 3 via 2001:db8:1::2 dev up0",
                "-6 route add default nhid 3",
            ],
            "ipv6",
            1400,
        );
    }
}

#[test]
fn requested_address_and_mac() {
    let (node, pod, other) = (Node::new(), Netns::new(), Netns::new());
    let add = |id: &str, pod: &Netns, args: &str| {
        let mut command = node.command("ADD", id, &pod.path(), "eth0");
        command.env("CNI_ARGS", args);
        node.call(command, &node.conf())
    };
    // As podman asks.
    let given = add("one", &pod, "IP=10.244.1.77;MAC=02:00:00:00:00:07").result();
    assert_eq!(given["ips"][0]["address"], "10.244.1.77/32");
    assert_eq!(given["interfaces"][1]["mac"], "02:00:00:00:00:07");
    assert_eq!(
        pod.ip_json("link show eth0")[0]["address"],
        "02:00:00:00:00:07"
    );
    assert_eq!(add("two", &other, "IP=10.244.1.77").code(), 101, "taken");
    assert_eq!(add("two", &other, "IP=10.9.9.9").code(), 7, "outside");
    assert_eq!(
        add("two", &other, "IP=10.244.1.1").code(),
        7,
        "the gateway's"
    );
    assert_eq!(node.state().len(), 2);
}
