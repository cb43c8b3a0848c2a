//! Another plugin's IPAM, as a script that notes how it was called.

use crate::support::{Answer, Netns, Node, script};
use serde_json::{Value, json};

/// As plugins made with the reference library do: they refuse their own namespace also in DEL.
const OTHER_VERBS: &str = r#"{
    if [ "$CNI_NETNS" -ef /proc/self/ns/net ]; then
        echo '{"code": 8, "msg": "the same namespace", "details": "-"}'
        exit 1
    fi
    exit 0
}"#;

struct Delegated {
    node: Node,
    pod: Netns,
}

impl Delegated {
    /// `on_add` is what the delegate does on ADD.
    fn new(on_add: &str) -> Self {
        let node = Node::new();
        let folder = node.folder.path();
        std::fs::create_dir(folder.join("bin")).expect("folder");
        let log = folder.join("log");
        script(
            &folder.join("bin/other-ipam"),
            &format!(
                "#!/bin/sh\necho \"$CNI_COMMAND $CNI_CONTAINERID $CNI_IFNAME $(wc -c)\" >> {}\n\
                 [ \"$CNI_COMMAND\" = ADD ] || {OTHER_VERBS}\n{on_add}\n",
                log.display()
            ),
        );
        Self {
            node,
            pod: Netns::new(),
        }
    }

    fn conf(&self) -> Value {
        json!({
            "cniVersion": "0.4.0", "name": "rcni", "type": "rcni",
            "ipam": {"type": "other-ipam", "ranges": "its own business"},
        })
    }

    fn call(&self, verb: &str) -> Answer {
        self.call_in(verb, &self.pod.path())
    }

    fn call_in(&self, verb: &str, netns: &str) -> Answer {
        let mut command = self.node.command(verb, "one", netns, "eth0");
        let bin = self.node.folder.path().join("bin");
        command.env("CNI_PATH", format!("/nowhere:{}", bin.display()));
        self.node.call(command, &self.conf())
    }

    /// The calls; each one must have got our whole stdin.
    fn calls(&self) -> Vec<String> {
        let length = self.conf().to_string().len();
        std::fs::read_to_string(self.node.folder.path().join("log"))
            .unwrap_or_default()
            .lines()
            .map(|line| {
                line.strip_suffix(&format!(" one eth0 {length}"))
                    .unwrap_or_else(|| panic!("{line}"))
                    .to_owned()
            })
            .collect()
    }
}

#[test]
fn its_addresses_routes_and_dns_are_used() {
    let delegated = Delegated::new(
        r#"echo '{"ips": [{"version": "4", "address": "10.9.0.7/24", "gateway": "10.9.0.1"}],
                  "routes": [{"dst": "10.0.0.0/8"}], "dns": {"nameservers": ["10.96.0.10"]}}'"#,
    );
    let before = delegated.node.host.snapshot();
    let result = delegated.call("ADD").result();
    assert_eq!(
        result["ips"],
        json!([{"version": "4", "address": "10.9.0.7/32", "gateway": "169.254.1.1", "interface": 1}])
    );
    assert_eq!(
        result["routes"],
        json!([{"dst": "10.0.0.0/8", "gw": "169.254.1.1"}])
    );
    assert_eq!(result["dns"]["nameservers"][0], "10.96.0.10");
    assert_eq!(
        delegated.pod.ip_json("route show 10.0.0.0/8")[0]["gateway"],
        "169.254.1.1"
    );
    assert_eq!(delegated.node.host.ip_json("route show 10.9.0.7").len(), 1);
    assert!(delegated.call("DEL").is_silent());
    assert_eq!(delegated.calls(), ["ADD", "DEL"]);
    assert_eq!(delegated.node.host.snapshot(), before);
}

#[test]
fn what_it_says_twice_is_made_once() {
    let delegated = Delegated::new(
        r#"echo '{"ips": [{"address": "10.9.0.7/24"}, {"address": "10.9.0.7/16"}],
                  "routes": [{"dst": "10.0.0.0/8"}, {"dst": "0.0.0.0/0"}, {"dst": "10.1.0.0/8"}]}'"#,
    );
    let result = delegated.call("ADD").result();
    assert_eq!(result["ips"].as_array().map(Vec::len), Some(1));
    assert_eq!(result["routes"].as_array().map(Vec::len), Some(2));
    let addresses = &delegated.pod.ip_json("-4 addr show eth0")[0]["addr_info"];
    assert_eq!(addresses.as_array().map(Vec::len), Some(1));
    assert_eq!(delegated.pod.ip_json("route show 10.0.0.0/8").len(), 1);
    assert!(delegated.call("DEL").is_silent());
}

#[test]
fn both_families_of_it_are_used() {
    // A route of a family that it gave no address of is for other nodes.
    let delegated = Delegated::new(
        r#"echo '{"ips": [{"version": "6", "address": "fd00:9::7/64", "gateway": "fd00:9::1"}],
                  "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0", "gw": "fd00:9::1"}]}'"#,
    );
    let gateway = "fe80::ecee:eeff:feee:eeee";
    let result = delegated.call("ADD").result();
    assert_eq!(
        result["ips"],
        json!([{"version": "6", "address": "fd00:9::7/128", "gateway": gateway, "interface": 1}])
    );
    assert_eq!(result["routes"], json!([{"dst": "::/0", "gw": gateway}]));
    assert_eq!(delegated.pod.ip_json("-6 route show default").len(), 1);
    let host = &delegated.node.host;
    assert_eq!(host.ip_json("-6 route show fd00:9::7").len(), 1);
    assert!(delegated.call("DEL").is_silent());
    assert_eq!(host.ip_json("-6 route show fd00:9::7").len(), 0);
}

#[test]
fn whatever_goes_wrong_it_gets_its_del() {
    let own_error = r#"echo '{"code": 117, "msg": "pool is dry", "details": "fill it"}'; exit 1"#;
    for (on_add, code) in [
        (own_error, 117),
        ("echo garbage", 104),
        ("echo '{\"ips\": []}'", 104),
        ("exit 3", 104),
        (
            "echo '{\"ips\": [{\"address\": \"fd00::7/64\"}], \"routes\": [{\"dst\": \"x\"}]}'",
            7,
        ),
        // Given, but the wiring fails: the pod has such an interface.
        ("echo '{\"ips\": [{\"address\": \"10.9.0.7/24\"}]}'", 101),
    ] {
        let delegated = Delegated::new(on_add);
        delegated
            .pod
            .ip("link add eth0 type veth peer name eth0-end");
        let (host, pod) = (delegated.node.host.snapshot(), delegated.pod.snapshot());
        assert_eq!(delegated.call("ADD").code(), code, "{on_add}");
        assert_eq!(delegated.calls(), ["ADD", "DEL"], "{on_add}");
        assert_eq!(delegated.node.host.snapshot(), host, "{on_add}");
        assert_eq!(delegated.pod.snapshot(), pod, "{on_add}");
    }
}

#[test]
fn a_repeated_add_does_not_reach_it() {
    // host-local refuses a repeat, dhcp and static give the same address again.
    for repeat in [
        r#"echo '{"code": 100, "msg": "duplicate allocation", "details": "-"}'; exit 1"#,
        r#"echo '{"ips": [{"address": "10.9.0.7/24"}]}'"#,
    ] {
        let delegated = Delegated::new(&format!(
            r#"if [ -e "${{0%/*}}/given" ]; then {repeat}; exit; fi; : > "${{0%/*}}/given"
               echo '{{"ips": [{{"address": "10.9.0.7/24"}}]}}'"#
        ));
        delegated.call("ADD").result();
        let (host, pod) = (delegated.node.host.snapshot(), delegated.pod.snapshot());
        let again = delegated.call("ADD");
        assert_eq!(again.code(), 101, "{repeat}");
        assert!(again.stdout.contains("added before"), "{again:?}");
        assert_eq!(delegated.calls(), ["ADD"], "the address is the pod's");
        assert_eq!(delegated.node.host.snapshot(), host);
        assert_eq!(delegated.pod.snapshot(), pod);
        assert!(delegated.call("DEL").is_silent());
        assert_eq!(delegated.calls(), ["ADD", "DEL"]);
    }
}

#[test]
fn its_del_is_not_told_our_own_namespace() {
    let delegated = Delegated::new("echo '{\"ips\": [{\"address\": \"10.9.0.7/24\"}]}'");
    delegated.call("ADD").result();
    let answer = delegated.call_in("DEL", "/proc/self/ns/net");
    assert!(answer.is_silent(), "{answer:?}");
    assert_eq!(delegated.calls(), ["ADD", "DEL"]);
}

#[test]
fn a_missing_delegate_is_named() {
    let delegated = Delegated::new("");
    std::fs::remove_file(delegated.node.folder.path().join("bin/other-ipam")).expect("remove");
    for verb in ["ADD", "DEL"] {
        let answer = delegated.call(verb);
        assert_eq!(answer.code(), 104);
        assert!(
            answer.stdout.contains("other-ipam is not in CNI_PATH"),
            "{answer:?}"
        );
    }
}
