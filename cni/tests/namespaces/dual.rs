//! Pods with IPv6: beside IPv4 and alone.

use std::net::{IpAddr, Ipv6Addr};
use std::process::Command;

use rcni_cni::naming::Attachment;
use rcni_cni::netlink::Netlink;
use rcni_cni::netns::Netns as PodNamespace;
use rcni_cni::sysctl;
use rcni_cni::veth::{self, Plan};
use serde_json::{Value, json};

use crate::support::{Answer, Netns, Node, host_end, retransmitted, talk};

const GATEWAY: &str = "fe80::ecee:eeff:feee:eeee";
const NODE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

fn only_v6(node: &Node) -> Value {
    node.conf_with(&json!([[{"subnet": "fd00:10:244:1::/64"}]]))
}

fn addresses(answer: &Answer) -> Vec<IpAddr> {
    let result = answer.result();
    let ips = result["ips"].as_array().expect("ips");
    ips.iter()
        .map(|ip| {
            let text = ip["address"].as_str().expect("text");
            let (address, length) = text.split_once('/').expect("a prefix");
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(length, if address.is_ipv4() { "32" } else { "128" });
            address
        })
        .collect()
}

/// The routes of one family that `ip` shows for these words.
fn routes(place: &Netns, words: &str) -> Vec<Value> {
    place.ip_json(&format!("-6 route show {words}"))
}

#[test]
fn both_families_are_wired_and_del_leaves_nothing() {
    let (node, pod) = (Node::dual(), Netns::new());
    let everything = || {
        let host = (node.host.snapshot(), node.host.snapshot_v6());
        (host, pod.snapshot(), pod.snapshot_v6())
    };
    let before = everything();
    let result = node.verb("ADD", "one", &pod, &node.conf_dual()).result();
    assert_eq!(
        result["ips"],
        json!([
            {"address": "10.244.1.2/32", "gateway": "169.254.1.1", "interface": 1},
            {"address": "fd00:10:244:1::2/128", "gateway": GATEWAY, "interface": 1},
        ])
    );
    assert_eq!(
        result["routes"],
        json!([
            {"dst": "0.0.0.0/0", "gw": "169.254.1.1"},
            {"dst": "::/0", "gw": GATEWAY},
        ])
    );
    assert_v6_host_end(&node, &host_end("one"));
    assert_v6_pod_end(&pod);
    let reservation = node.reservations().join("fd00:10:244:1::2");
    assert_eq!(
        std::fs::read(reservation).expect("reservation"),
        b"one\r\neth0"
    );
    assert!(node.verb("DEL", "one", &pod, &node.conf_dual()).is_silent());
    assert_eq!(everything(), before);
    assert_eq!(node.state(), [""; 0]);
}

fn assert_v6_host_end(node: &Node, name: &str) {
    for (setting, value) in [
        ("disable_ipv6", "0"),
        ("addr_gen_mode", "0"),
        ("accept_dad", "0"),
        ("accept_ra", "0"),
    ] {
        let found = node.host.sysctl(&format!("ipv6/conf/{name}/{setting}"));
        assert_eq!(found, value, "{setting}");
    }
    let link = &node.host.ip_json(&format!("-6 addr show {name}"))[0];
    assert_eq!(
        link["addr_info"].as_array().expect("addresses").len(),
        1,
        "no global address on the host end"
    );
    assert_eq!(link["addr_info"][0]["local"], GATEWAY);
    let pod_routes = routes(&node.host, "fd00:10:244:1::2");
    assert_eq!(pod_routes.len(), 1);
    let protocol = pod_routes[0]["protocol"].as_str().expect("protocol");
    assert!(["77", "rcni"].contains(&protocol), "{protocol}");
    assert_eq!(pod_routes[0]["dev"], name);
    assert_eq!(pod_routes[0]["metric"], 1, "better than a learned one's 77");
}

fn assert_v6_pod_end(pod: &Netns) {
    assert_eq!(pod.ip("-6 addr show tentative"), "");
    let global = pod.ip_json("-6 addr show eth0 scope global");
    assert_eq!(global[0]["addr_info"][0]["local"], "fd00:10:244:1::2");
    assert_eq!(global[0]["addr_info"][0]["prefixlen"], 128);
    let default = routes(pod, "default");
    assert_eq!(default.len(), 1, "{default:?}");
    assert_eq!(default[0]["gateway"], GATEWAY);
    assert_eq!(default[0]["dev"], "eth0");
    let neighbours = pod.ip_json(&format!("neigh show nud permanent {GATEWAY}"));
    assert_eq!(neighbours[0]["lladdr"], "ee:ee:ee:ee:ee:ee");
    assert_eq!(pod.sysctl("ipv6/conf/eth0/accept_ra"), "0");
}

#[test]
fn pods_with_ipv6_alone_have_no_ipv4_and_talk_at_once() {
    let node = Node::dual();
    let pods: Vec<Netns> = (0..6).map(|_| Netns::new()).collect();
    let mut previous: Option<(&Netns, IpAddr)> = None;
    for (at, pod) in pods.iter().enumerate() {
        let id = format!("pod{at}");
        let answer = node.verb("ADD", &id, pod, &only_v6(&node));
        assert_eq!(
            answer.result()["routes"],
            json!([{"dst": "::/0", "gw": GATEWAY}])
        );
        let address = addresses(&answer)[0];
        assert_eq!(talk(&node.host, pod, address).ip(), NODE_V6);
        assert_eq!(talk(pod, &node.host, NODE_V6).ip(), address);
        if let Some((other, other_address)) = previous {
            assert_eq!(talk(other, pod, address).ip(), other_address);
            assert_eq!(talk(pod, other, other_address).ip(), address);
            let mut ping = Command::new("ping");
            ping.args(["-c1", "-W5"]).arg(other_address.to_string());
            assert!(pod.output(&mut ping).status.success());
        }
        previous = Some((pod, address));
        assert_eq!(pod.ip("-4 route show"), "", "nothing of IPv4");
        assert_eq!(pod.ip("-4 neigh show"), "");
        let proxy_arp = format!("ipv4/conf/{}/proxy_arp", host_end(&id));
        assert_eq!(node.host.sysctl(&proxy_arp), "0");
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
fn namespaces_without_ipv6_get_it_for_the_pods_interface() {
    // As podman and Docker make them; and a node whose new interfaces have none.
    let (node, pod) = (Node::dual(), Netns::new());
    pod.set_sysctl("ipv6/conf/all/disable_ipv6", "1");
    pod.set_sysctl("ipv6/conf/default/disable_ipv6", "1");
    node.host.set_sysctl("ipv6/conf/default/disable_ipv6", "1");
    pod.ip("link add other type veth peer name other-end");
    let answer = node.verb("ADD", "one", &pod, &node.conf_dual());
    let address = addresses(&answer)[1];
    assert_eq!(talk(&node.host, &pod, address).ip(), NODE_V6);
    assert_eq!(talk(&pod, &pod, address).ip(), address, "by way of lo");
    for (name, value) in [
        ("all", "1"),
        ("default", "1"),
        ("other", "1"),
        ("eth0", "0"),
    ] {
        let found = pod.sysctl(&format!("ipv6/conf/{name}/disable_ipv6"));
        assert_eq!(found, value, "{name}");
    }
    // Without IPv6 ranges it stays as it is.
    let plain = Netns::new();
    plain.set_sysctl("ipv6/conf/default/disable_ipv6", "1");
    node.add("two", &plain).result();
    assert_eq!(plain.sysctl("ipv6/conf/eth0/disable_ipv6"), "1");
    assert_eq!(plain.ip("-6 addr show eth0"), "");
}

#[test]
fn a_host_end_that_does_no_ipv6_is_said() {
    // The kernel gives an interface with a smaller MTU no IPv6, as one without the module would.
    let (node, pod) = (Node::dual(), Netns::new());
    let attachment = Attachment::new("one", "eth0").expect("valid");
    let plan = Plan {
        host_name: attachment.host_interface(),
        pod_name: "eth0".to_owned(),
        pod_mac: attachment.pod_mac(),
        alias: "default/web".to_owned(),
        mtu: 1279,
        addresses: vec!["fd00::2".parse().expect("address")],
        routes: vec![],
    };
    node.host.run(|| {
        let netns = PodNamespace::open(std::path::Path::new(&pod.path())).expect("namespace");
        let mut inside = netns
            .enter(|| Ok(Netlink::open()?))
            .expect("socket in the pod");
        let mut outside = Netlink::open().expect("socket");
        let host_end = veth::create(&mut outside, &netns, &plan).expect("pair");
        let error = sysctl::host_end(&host_end, plan.families()).expect_err("no IPv6");
        assert!(error.msg.contains("the node has no IPv6"), "{error}");
        let error =
            veth::configure_pod(&mut inside, &netns, &host_end, &plan).expect_err("no IPv6");
        assert!(error.msg.contains("the pod has no IPv6"), "{error}");
        assert!(error.details.contains("ipv6.disable=1"), "{error}");
    });
}

#[test]
fn the_mtu_is_large_enough_for_ipv6() {
    let (node, pod) = (Node::dual(), Netns::new());
    node.host
        .ip("link add up0 mtu 1200 type veth peer name up0-end");
    node.host.ip("addr add 198.51.100.1/24 dev up0");
    node.host.ip("link set up0 up");
    let mut conf = node.conf_dual();
    conf["cniVersion"] = json!("1.1.0");
    let added = node.verb("ADD", "one", &pod, &conf).result();
    assert_eq!(added["interfaces"][1]["mtu"], 1280, "the uplink's is less");
    assert!(node.verb("DEL", "one", &pod, &conf).is_silent());
    conf["mtu"] = json!(1279);
    let refused = node.verb("ADD", "one", &pod, &conf);
    assert_eq!(refused.code(), 7);
    assert!(refused.stdout.contains("at least 1280"), "{refused:?}");
    assert_eq!(node.state(), [""; 0]);
    // IPv4 alone follows.
    conf["ipam"]["ranges"] = json!([[{"subnet": "10.244.1.0/24"}]]);
    let added = node.verb("ADD", "one", &pod, &conf).result();
    assert_eq!(added["interfaces"][1]["mtu"], 1279);
}

#[test]
fn the_uplinks_of_a_node_with_ipv6_alone_are_found() {
    let (node, pod) = (Node::dual(), Netns::new());
    for (name, mtu, subnet) in [
        ("up0", 1400, "1"),
        ("up1", 9000, "2"),
        ("docker0", 1300, "3"),
    ] {
        node.host.ip(&format!(
            "link add {name} mtu {mtu} type veth peer name {name}-end"
        ));
        node.host.ip(&format!(
            "addr add 2001:db8:{subnet}::1/64 dev {name} nodad"
        ));
        node.host.ip(&format!("link set {name} up"));
    }
    node.host
        .ip("-6 route add default nexthop via 2001:db8:1::2 nexthop via 2001:db8:2::2");
    let mut conf = only_v6(&node);
    conf["cniVersion"] = json!("1.1.0");
    let added = node.verb("ADD", "one", &pod, &conf).result();
    assert_eq!(added["interfaces"][1]["mtu"], 1400);
}

#[test]
fn a_second_interfaces_routes_come_behind_the_firsts() {
    let (node, pod) = (Node::dual(), Netns::new());
    let first = addresses(&node.verb("ADD", "one", &pod, &node.conf_dual()))[1];
    let command = node.command("ADD", "one", &pod.path(), "net1");
    let second = addresses(&node.call(command, &node.conf_dual()))[1];
    let default = routes(&pod, "default");
    assert_eq!(default.len(), 2, "not one multipath route: {default:?}");
    let chosen = &routes(&pod, "default")[0];
    assert_eq!(chosen["dev"], "eth0");
    let used = pod.ip("-o -6 route get 2001:db8:9::9");
    assert!(used.contains("dev eth0"), "{used}");
    for address in [first, second] {
        assert_eq!(talk(&node.host, &pod, address).ip(), NODE_V6);
    }
}

#[test]
fn a_failure_in_one_family_takes_both_back() {
    let (node, pod) = (Node::dual(), Netns::new());
    node.host.ip("link add other type veth peer name other-end");
    node.host.ip("link set other up");
    // At the metric at which ours would be: the kernel refuses the second.
    node.host
        .ip("-6 route add fd00:10:244:1::2/128 dev other metric 1");
    let everything = || (node.host.snapshot(), pod.snapshot(), pod.snapshot_v6());
    let before = everything();
    let refused = node.verb("ADD", "one", &pod, &node.conf_dual());
    assert_eq!(refused.code(), 102);
    assert!(
        refused.stdout.contains("fd00:10:244:1::2/128"),
        "{refused:?}"
    );
    assert_eq!(everything(), before);
    assert_eq!(node.state(), [""; 0]);
    // One family's pool is empty: the other's address is not kept.
    let small = json!([[{"subnet": "10.244.1.0/24"}], [{"subnet": "fd00:10:244:2::/126"}]]);
    let conf = node.conf_with(&small);
    let pods: Vec<Netns> = (0..3).map(|_| Netns::new()).collect();
    for (at, pod) in pods.iter().enumerate() {
        let answer = node.verb("ADD", &format!("pod{at}"), pod, &conf);
        if at < 2 {
            answer.result();
        } else {
            assert_eq!(answer.code(), 100);
            assert!(answer.stdout.contains("fd00:10:244:2::/126"), "{answer:?}");
        }
    }
    assert_eq!(node.state().len(), 6, "{:?}", node.state());
}

#[test]
fn requested_addresses_of_both_families() {
    let node = Node::dual();
    let wanted = ["10.244.1.77", "fd00:10:244:1::77"];
    let expected = wanted.map(|text| text.parse::<IpAddr>().expect("address"));
    let long = ["10.244.1.77/32", "fd00:10:244:1::77/128"];
    let cases = [
        ("runtimeConfig", json!({"ips": long}), ""),
        ("args", json!({"cni": {"ips": wanted}}), "IP=10.244.1.99"),
        ("unused", json!({}), "IP=10.244.1.77,fd00:10:244:1::77"),
    ];
    for (key, value, args) in cases {
        let (pod, other) = (Netns::new(), Netns::new());
        let mut conf = node.conf_dual();
        conf[key] = value;
        let add = |id: &str, pod: &Netns| {
            let mut command = node.command("ADD", id, &pod.path(), "eth0");
            command.env("CNI_ARGS", args);
            node.call(command, &conf)
        };
        assert_eq!(addresses(&add("one", &pod)), expected, "{key}");
        let files = node.state();
        assert_eq!(add("two", &other).code(), 101, "taken");
        assert_eq!(node.state(), files);
        assert!(node.verb("DEL", "one", &pod, &conf).is_silent());
    }
    // One family asked for, the other as it comes; and one that no range has.
    let (pod, other) = (Netns::new(), Netns::new());
    let mut conf = node.conf_dual();
    conf["runtimeConfig"] = json!({"ips": ["fd00:10:244:1::1:5"]});
    let given = addresses(&node.verb("ADD", "one", &pod, &conf));
    assert!(given[0].is_ipv4());
    assert_eq!(given[1].to_string(), "fd00:10:244:1::1:5");
    for outside in ["fd00:10:244:2::5", "fd00:10:244:1::1", "fd00:10:244:1::"] {
        conf["runtimeConfig"] = json!({"ips": [outside]});
        assert_eq!(
            node.verb("ADD", "two", &other, &conf).code(),
            7,
            "{outside}"
        );
    }
}
