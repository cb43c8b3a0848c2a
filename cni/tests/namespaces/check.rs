//! CHECK: every thing that ADD made, damaged one by one.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Answer, Netns, Node, host_end, script};

/// A pod that was just added, and its configuration with the result in it.
struct Added {
    node: Node,
    pod: Netns,
    conf: Value,
}

impl Added {
    fn new() -> Self {
        let (node, pod) = (Node::dual(), Netns::new());
        let mut conf = node.conf_dual();
        conf["prevResult"] = node.verb("ADD", "one", &pod, &conf).result();
        Self { node, pod, conf }
    }

    fn check(&self) -> Answer {
        self.check_of(&self.conf)
    }

    fn check_of(&self, conf: &Value) -> Answer {
        self.node.verb("CHECK", "one", &self.pod, conf)
    }

    fn everything(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let host = (self.node.host.snapshot(), self.node.host.snapshot_v6());
        let pod = (self.pod.snapshot(), self.pod.snapshot_v6());
        (host, pod, self.node.state())
    }

    /// CHECK says what is wrong, with these words, and changes nothing.
    fn finds(&self, words: &str, what: &str) {
        let before = self.everything();
        let answer = self.check();
        assert_eq!(answer.code(), 102, "{what}");
        assert!(answer.stdout.contains(words), "{what}: {answer:?}");
        assert_eq!(self.everything(), before, "{what}: CHECK only reads");
    }
}

#[test]
fn right_after_add_and_again_nothing_is_wrong_and_nothing_changes() {
    let added = Added::new();
    let before = added.everything();
    for _ in 0..3 {
        assert!(added.check().is_silent(), "{:?}", added.check());
    }
    assert_eq!(added.everything(), before);
}

#[test]
fn versions_before_0_4_0_have_no_check() {
    let added = Added::new();
    for (version, code) in [("0.3.0", 1), ("0.3.1", 1), ("9.9.9", 1)] {
        let mut conf = added.conf.clone();
        conf["cniVersion"] = json!(version);
        assert_eq!(added.check_of(&conf).code(), code, "{version}");
    }
    for version in ["0.4.0", "1.0.0", "1.1.0"] {
        let mut conf = added.conf.clone();
        conf["cniVersion"] = json!(version);
        assert!(added.check_of(&conf).is_silent(), "{version}");
    }
}

#[test]
fn without_a_usable_prev_result_it_is_an_error() {
    let added = Added::new();
    let mut unusable = vec![
        json!(null),
        json!("text"),
        json!([]),
        json!({}),
        json!({"interfaces": "eth0"}),
        json!({"interfaces": [{"name": "eth0"}], "ips": [{"address": "x"}]}),
    ];
    // Somebody else's.
    let mut other = added.conf["prevResult"].clone();
    other["interfaces"][1]["name"] = json!("eth7");
    unusable.push(other);
    for previous in unusable {
        let mut conf = added.conf.clone();
        conf["prevResult"] = previous.clone();
        let answer = added.check_of(&conf);
        assert_eq!(answer.code(), 7, "{previous}");
        assert!(answer.stdout.contains("prevResult"), "{answer:?}");
    }
    let mut conf = added.conf.clone();
    conf.as_object_mut().expect("object").remove("prevResult");
    assert_eq!(added.check_of(&conf).code(), 7);
}

#[test]
fn each_missing_or_wrong_thing_in_the_pod_is_named() {
    let gateway = "fe80::ecee:eeff:feee:eeee";
    let damage = [
        ("link set eth0 down", "eth0 is down"),
        ("link del eth0", "eth0 is gone"),
        (
            "link set eth0 address 02:00:00:00:00:99",
            "eth0 has not the MAC address",
        ),
        (
            "addr del 10.244.1.2/32 dev eth0",
            "has not its address 10.244.1.2",
        ),
        (
            "addr del fd00:10:244:1::2/128 dev eth0",
            "has not its address fd00:10:244:1::2",
        ),
        ("route del default", "has not the route 0.0.0.0/0"),
        ("-6 route del default", "has not the route ::/0"),
        (
            "neigh del 169.254.1.1 dev eth0",
            "neighbour entry for 169.254.1.1",
        ),
        (
            &format!("neigh del {gateway} dev eth0"),
            "neighbour entry for fe80::ecee:eeff:feee:eeee",
        ),
        (
            "neigh replace 169.254.1.1 lladdr 02:00:00:00:00:01 dev eth0 nud permanent",
            "neighbour entry for 169.254.1.1",
        ),
    ];
    for (words, expected) in damage {
        let added = Added::new();
        added.pod.ip(words);
        added.finds(expected, words);
    }
    // Renamed; and another interface under its name.
    let added = Added::new();
    added.pod.ip("link set eth0 down");
    added.pod.ip("link set eth0 name renamed");
    added.finds("eth0 is gone", "renamed");
    added.pod.ip("link add eth0 type veth peer name eth0-end");
    added.finds("not the other end", "another interface");
    // The way to the gateway: the default route has to go first.
    let added = Added::new();
    added.pod.ip("route del default");
    added.pod.ip("route del 169.254.1.1");
    added.finds("has not the route 169.254.1.1/32", "the gateway");
}

/// An own address is a host prefix, in the kernel and in the result.
#[test]
fn a_wrong_prefix_length_is_named() {
    for (right, wrong) in [
        ("10.244.1.2/32", "10.244.1.2/24"),
        ("10.244.1.2/32", "10.244.1.2/31"),
        ("fd00:10:244:1::2/128", "fd00:10:244:1::2/64"),
    ] {
        let mut added = Added::new();
        added.pod.ip(&format!("addr del {right} dev eth0"));
        let flag = if right.contains(':') { "nodad" } else { "" };
        added.pod.ip(&format!("addr add {wrong} dev eth0 {flag}"));
        let complaint = format!("eth0 has not its address {right}, but {wrong}");
        added.finds(&complaint, wrong);
        // Not even if the result says so.
        let at = usize::from(right.contains(':'));
        added.conf["prevResult"]["ips"][at]["address"] = json!(wrong);
        added.finds(&complaint, wrong);
    }
    for wrong in ["10.244.1.2/24", "10.244.1.2/0", "10.244.1.2/31"] {
        let mut added = Added::new();
        added.conf["prevResult"]["ips"][0]["address"] = json!(wrong);
        let complaint = format!("prevResult does not name its address 10.244.1.2/32, but {wrong}");
        added.finds(&complaint, wrong);
        // Nor without the record.
        let records = added.node.folder.path().join(".rcni/rcni");
        fs::remove_file(records.join(host_end("one"))).expect("there");
        added.finds(&complaint, wrong);
    }
    // The gateway that answers on the host end.
    let added = Added::new();
    let name = host_end("one");
    let host = &added.node.host;
    host.ip(&format!("-6 addr flush dev {name}"));
    let gateway = "fe80::ecee:eeff:feee:eeee";
    host.ip(&format!("addr add {gateway}/128 dev {name} nodad"));
    added.finds(&format!("has not the address {gateway}/64"), "the gateway");
}

#[test]
fn each_missing_or_wrong_thing_on_the_node_is_named() {
    let name = host_end("one");
    let damage = [
        (format!("link set {name} down"), "is down"),
        (format!("link del {name}"), "is gone"),
        (
            format!("link set {name} address 02:00:00:00:00:98"),
            "has not the MAC address",
        ),
        ("route del 10.244.1.2".into(), "no route to 10.244.1.2"),
        (
            "-6 route del fd00:10:244:1::2".into(),
            "no route to fd00:10:244:1::2",
        ),
        (
            format!("-6 addr flush dev {name}"),
            "has not the address fe80::ecee:eeff:feee:eeee",
        ),
        (
            format!("route replace 10.244.1.2 dev {name} proto static scope link"),
            "no route to 10.244.1.2",
        ),
    ];
    for (words, expected) in damage {
        let added = Added::new();
        added.node.host.ip(&words);
        added.finds(expected, &words);
    }
    for (setting, value, expected) in [
        ("ipv4/conf/NAME/forwarding", "0", "forwarding is not 1"),
        ("ipv4/conf/NAME/proxy_arp", "0", "proxy_arp is not 1"),
        ("ipv6/conf/NAME/disable_ipv6", "1", "has no IPv6"),
        ("ipv6/conf/NAME/accept_ra", "2", "accept_ra is not 0"),
    ] {
        let added = Added::new();
        added
            .node
            .host
            .set_sysctl(&setting.replace("NAME", &name), value);
        added.finds(expected, setting);
    }
    // Somebody else's route to the same address is better than ours.
    let added = Added::new();
    added
        .node
        .host
        .ip("link add other type veth peer name other-end");
    added.node.host.ip("link set other up");
    added.node.host.ip("-6 route del fd00:10:244:1::2");
    added
        .node
        .host
        .ip("-6 route add fd00:10:244:1::2 dev other metric 1");
    added.finds("no route to fd00:10:244:1::2", "a foreign route");
}

#[test]
fn a_lost_reservation_is_named() {
    for file in ["10.244.1.2", "fd00:10:244:1::2"] {
        let added = Added::new();
        let path = added.node.reservations().join(file);
        fs::write(&path, "two\r\neth0").expect("another pod's");
        added.finds(&format!("{file} is not reserved"), "another pod's");
        fs::remove_file(&path).expect("there");
        added.finds(&format!("{file} is not reserved"), "gone");
    }
    // The record alone is lost: the reservations are as host-local writes them.
    let added = Added::new();
    let records = added.node.folder.path().join(".rcni/rcni");
    fs::remove_file(records.join(host_end("one"))).expect("there");
    assert!(added.check().is_silent(), "{:?}", added.check());
}

#[test]
fn the_wrong_sandbox_and_addresses_of_an_older_result_are_named() {
    let mut added = Added::new();
    let other = Netns::new();
    added.conf["prevResult"]["interfaces"][1]["sandbox"] = json!(other.path());
    added.finds("CNI_NETNS is", "another namespace");
    added.conf["prevResult"]["interfaces"][1]["sandbox"] = json!("/run/netns/gone");
    added.finds("CNI_NETNS is", "a namespace that is gone");
    // The same one by another name is no error.
    let name = added.node.folder.path().join("same");
    std::os::unix::fs::symlink(added.pod.path(), &name).expect("link");
    added.conf["prevResult"]["interfaces"][1]["sandbox"] = json!(name);
    assert!(added.check().is_silent(), "{:?}", added.check());
    added.conf["prevResult"]["ips"][1]["address"] = json!("fd00:10:244:1::9/128");
    added.finds("does not name its address fd00:10:244:1::2", "older");
}

#[test]
fn what_later_plugins_changed_is_tolerated() {
    let mut added = Added::new();
    added.pod.ip("link set eth0 address 02:00:00:00:00:99");
    added.pod.ip("link set eth0 mtu 1400");
    added.pod.ip("link add extra type veth peer name extra-end");
    added.pod.ip("addr add 10.9.0.1/24 dev extra");
    added.pod.ip("addr add 10.8.0.1/32 dev eth0");
    added.pod.ip("route add 10.9.0.0/16 via 169.254.1.1");
    added
        .pod
        .ip("-6 route add fd00:9::/64 via fe80::ecee:eeff:feee:eeee dev eth0");
    added
        .node
        .host
        .ip("link add ifb-like type veth peer name ifb-end");
    let previous = &mut added.conf["prevResult"];
    previous["interfaces"][1]["mac"] = json!("02:00:00:00:00:99");
    let interfaces = previous["interfaces"].as_array_mut().expect("a list");
    interfaces.push(json!({"name": "ifb-like", "mac": "02:00:00:00:00:01"}));
    interfaces.push(json!({"name": "extra", "sandbox": added.pod.path()}));
    // Another plugin's address on our interface, its own interface's, and its routes: whether they
    // are there is its business.
    let ips = previous["ips"].as_array_mut().expect("a list");
    ips.push(json!({"address": "10.8.0.1/32", "interface": 1}));
    ips.push(json!({"address": "10.8.0.2/32", "interface": 1}));
    ips.push(json!({"address": "10.9.0.1/24", "interface": 3}));
    ips.push(json!({"address": "10.7.0.1/24", "interface": 99}));
    ips.push(json!({"address": "10.7.0.2/24", "interface": -1}));
    let routes = previous["routes"].as_array_mut().expect("a list");
    routes.push(json!({"dst": "10.6.0.0/16", "gw": "10.9.0.254"}));
    routes.push(json!({"dst": "10.5.0.0/16"}));
    assert!(added.check().is_silent(), "{:?}", added.check());
    // A plugin that leaves the host end out of its result.
    added.conf["prevResult"]["interfaces"][0]["name"] = json!("left-out");
    assert!(added.check().is_silent(), "{:?}", added.check());
    // Source based routing moves an interface's routes to a table of its own.
    added.pod.ip("route del default");
    added
        .pod
        .ip("route add default via 169.254.1.1 dev eth0 table 100");
    assert!(added.check().is_silent(), "{:?}", added.check());
}

#[test]
fn after_del_and_without_the_namespace_it_is_an_error() {
    let added = Added::new();
    let mut call = added
        .node
        .command("CHECK", "one", "/run/netns/gone", "eth0");
    assert_eq!(added.node.call(call, &added.conf).code(), 4);
    let plain = added.node.folder.path().join("plain");
    fs::write(&plain, "").expect("file");
    call = added
        .node
        .command("CHECK", "one", plain.to_str().expect("text"), "eth0");
    assert_eq!(added.node.call(call, &added.conf).code(), 4);
    call = added.node.command("CHECK", "one", "", "eth0");
    assert_eq!(added.node.call(call, &added.conf).code(), 4);
    call = added
        .node
        .command("CHECK", "one", "/proc/self/ns/net", "eth0");
    assert_eq!(added.node.call(call, &added.conf).code(), 4);
    let gone = added.node.verb("DEL", "one", &added.pod, &added.conf);
    assert!(gone.is_silent());
    added.finds("is gone", "after DEL");
    added.finds("not reserved", "after DEL");
}

#[test]
fn one_family_alone() {
    for (ranges, damage) in [
        (
            json!([[{"subnet": "10.244.1.0/24"}]]),
            "-4 route del default",
        ),
        (
            json!([[{"subnet": "fd00:10:244:1::/64"}]]),
            "-6 route del default",
        ),
    ] {
        let (node, pod) = (Node::dual(), Netns::new());
        let mut conf = node.conf_with(&ranges);
        conf["prevResult"] = node.verb("ADD", "one", &pod, &conf).result();
        let check = || node.verb("CHECK", "one", &pod, &conf);
        assert!(check().is_silent(), "{:?}", check());
        pod.ip(damage);
        assert_eq!(check().code(), 102);
    }
}

#[test]
fn a_delegates_check_is_run_and_its_error_passed_on() {
    let (node, pod) = (Node::new(), Netns::new());
    let bin = node.folder.path().join("bin");
    fs::create_dir(&bin).expect("folder");
    let (log, fails) = (bin.join("log"), bin.join("fails"));
    script(
        &bin.join("other-ipam"),
        &format!(
            "#!/bin/sh\necho \"$CNI_COMMAND $(grep -c prevResult)\" >> {}\ncase $CNI_COMMAND in\n\
             ADD) echo '{{\"ips\": [{{\"address\": \"10.9.0.7/24\"}}]}}';;\n\
             CHECK) [ ! -e {} ] || {{ echo '{{\"code\": 117, \"msg\": \"not mine\"}}'; exit 1; }};;\nesac\n",
            log.display(),
            fails.display()
        ),
    );
    let mut conf = json!({"cniVersion": "1.0.0", "name": "rcni", "type": "rcni",
        "ipam": {"type": "other-ipam"}});
    let call = |verb: &str, conf: &Value| {
        let mut command = node.command(verb, "one", &pod.path(), "eth0");
        command.env("CNI_PATH", &bin);
        node.call(command, conf)
    };
    conf["prevResult"] = call("ADD", &conf).result();
    assert!(call("CHECK", &conf).is_silent());
    // ADD made a host prefix of the delegate's /24.
    let mut other = conf.clone();
    other["prevResult"]["ips"][0]["address"] = json!("10.9.0.7/24");
    let answer = call("CHECK", &other);
    assert_eq!(answer.code(), 102, "{answer:?}");
    assert!(
        answer.stdout.contains("10.9.0.7/32, but 10.9.0.7/24"),
        "{answer:?}"
    );
    pod.ip("addr add 10.9.0.7/24 dev eth0");
    pod.ip("addr del 10.9.0.7/32 dev eth0");
    let answer = call("CHECK", &conf);
    assert_eq!(answer.code(), 102, "{answer:?}");
    assert!(
        answer.stdout.contains("10.9.0.7/32, but 10.9.0.7/24"),
        "{answer:?}"
    );
    pod.ip("addr add 10.9.0.7/32 dev eth0");
    pod.ip("addr del 10.9.0.7/24 dev eth0");
    assert!(call("CHECK", &conf).is_silent());
    pod.ip("route del default");
    assert_eq!(call("CHECK", &conf).code(), 102, "ours");
    fs::write(&fails, "").expect("file");
    let both = call("CHECK", &conf);
    assert_eq!(both.code(), 117);
    assert!(both.stdout.contains("not mine"), "{both:?}");
    assert!(both.stdout.contains("0.0.0.0/0"), "ours besides: {both:?}");
    let calls = fs::read_to_string(&log).expect("log");
    assert_eq!(calls, format!("ADD 0\n{}", "CHECK 1\n".repeat(6)));
}
