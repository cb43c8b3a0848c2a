//! What the kernel takes at most, and what it would refuse is refused before it is asked.

use serde_json::{Value, json};

use crate::support::{Answer, Netns, Node, host_end, script};

fn with_args(node: &Node, id: &str, pod: &Netns, args: &str, conf: &Value) -> Answer {
    let mut command = node.command("ADD", id, &pod.path(), "eth0");
    command.env("CNI_ARGS", args);
    node.call(command, conf)
}

fn alias_of(node: &Node, id: &str) -> String {
    let link = &node.host.ip_json(&format!("link show {}", host_end(id)))[0];
    link["ifalias"].as_str().expect("an alias").to_owned()
}

/// The kernel keeps 254 bytes: the 255th is the NUL.
#[test]
fn the_longest_names_fit_the_kernels_alias() {
    let node = Node::new();
    for (at, (namespace, name)) in [
        ("default".to_owned(), "p".repeat(246)),
        ("default".to_owned(), "p".repeat(247)),
        ("default".to_owned(), "p".repeat(253)),
        ("n".repeat(63), "p".repeat(253)),
        ("n".repeat(4000), "p".repeat(4000)),
        ("n".repeat(62), "ö".repeat(253)),
        ("n".repeat(63), "ö".repeat(253)),
    ]
    .iter()
    .enumerate()
    {
        let (id, pod) = (format!("pod{at}"), Netns::new());
        let args = format!("K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name}");
        with_args(&node, &id, &pod, &args, &node.conf()).result();
        let (alias, whole) = (alias_of(&node, &id), format!("{namespace}/{name}"));
        assert!(whole.starts_with(&alias), "{alias}");
        let next = whole[alias.len()..]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
        assert!(
            alias.len() <= 254 && (next == 0 || alias.len() + next > 254),
            "{alias}"
        );
        assert!(node.del(&id, &pod.path()).is_silent());
    }
    for length in [254, 255, 256, 1000] {
        let (id, pod) = ("c".repeat(length), Netns::new());
        with_args(&node, &id, &pod, "", &node.conf()).result();
        assert_eq!(alias_of(&node, &id), "c".repeat(254));
        assert!(node.del(&id, &pod.path()).is_silent());
    }
    assert_eq!(node.state(), [""; 0]);
}

/// Whatever is wrong is said with code 7, and nothing was done.
#[test]
fn what_no_pod_can_have_is_refused_with_the_reason() {
    let (node, pod) = (Node::dual(), Netns::new());
    let before = (node.host.snapshot(), pod.snapshot());
    let refuse = |conf: &Value, args: &str, reason: &str| {
        let answer = with_args(&node, "one", &pod, args, conf);
        assert_eq!(answer.code(), 7, "{answer:?}");
        assert!(answer.stdout.contains(reason), "{reason}: {answer:?}");
        assert_eq!((node.host.snapshot(), pod.snapshot()), before, "{reason}");
        assert_eq!(node.state(), [""; 0], "{reason}");
    };
    for (subnet, reason) in [
        ("0.0.0.0/8", "this network"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "169.254.1.1"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    ] {
        refuse(&node.conf_with(&json!([[{"subnet": subnet}]])), "", reason);
    }
    let gateway = json!([[{"subnet": "10.244.1.0/24", "gateway": "fd00::1"}]]);
    refuse(&node.conf_with(&gateway), "", "leave gateway out");
    for (mac, reason) in [
        ("ee:ee:ee:ee:ee:ee", "the pod's gateway"),
        ("EE-EE-EE-EE-EE-EE", "the pod's gateway"),
        ("01:00:5e:00:00:01", "multicast"),
        ("ff:ff:ff:ff:ff:ff", "multicast"),
    ] {
        refuse(&node.conf_dual(), &format!("MAC={mac}"), reason);
        let mut conf = node.conf();
        conf["runtimeConfig"] = json!({"mac": mac});
        refuse(&conf, "", reason);
    }
}

#[test]
fn doubled_routes_are_made_once() {
    let (node, pod) = (Node::dual(), Netns::new());
    let mut conf = node.conf_dual();
    conf["ipam"]["routes"] = json!([{"dst": "0.0.0.0/0"}, {"dst": "::/0"}, {"dst": "10.7.0.0/16"},
        {"dst": "0.0.0.0/0"}, {"dst": "10.7.1.0/16"}, {"dst": "::/0"}]);
    let result = node.verb("ADD", "one", &pod, &conf).result();
    assert_eq!(result["routes"].as_array().map(Vec::len), Some(3));
    for words in [
        "-4 route show default",
        "-6 route show default",
        "route show 10.7.0.0/16",
    ] {
        assert_eq!(pod.ip_json(words).len(), 1, "{words}");
    }
    conf["prevResult"] = result;
    assert!(node.verb("CHECK", "one", &pod, &conf).is_silent());
}

/// What the kernel refuses after all: the step and its values are in `details`.
#[test]
fn a_refusal_of_the_kernels_names_what_was_to_be_set() {
    let (node, pod) = (Node::new(), Netns::new());
    node.host.ip("route add 10.244.1.2/32 dev lo");
    let answer = node.add("one", &pod);
    assert_eq!(answer.code(), 102);
    let details = details_of(&answer);
    assert!(
        details.contains("add the route 10.244.1.2/32 to the pod"),
        "{details}"
    );
    assert!(details.contains("what is in the way"), "{details}");

    // A delegate's addresses and routes are its own affair: the kernel judges them.
    let bin = node.folder.path().join("bin");
    std::fs::create_dir(&bin).expect("folder");
    script(
        &bin.join("other-ipam"),
        "#!/bin/sh\n[ $CNI_COMMAND != ADD ] || echo '{\"ips\": [{\"address\": \"ff02::7/64\"}]}'\n",
    );
    let conf = json!({"cniVersion": "1.0.0", "name": "rcni", "type": "rcni",
        "ipam": {"type": "other-ipam"}});
    let mut command = node.command("ADD", "two", &pod.path(), "eth0");
    command.env("CNI_PATH", &bin);
    let answer = node.call(command, &conf);
    assert_eq!(answer.code(), 102);
    let details = details_of(&answer);
    assert!(
        details.contains("give the pod the address ff02::7/128"),
        "{details}"
    );
    assert!(details.contains("does not take a value"), "{details}");
}

fn details_of(answer: &Answer) -> String {
    let error: Value = serde_json::from_str(&answer.stdout).expect("an error object");
    error["details"].as_str().expect("details").to_owned()
}
