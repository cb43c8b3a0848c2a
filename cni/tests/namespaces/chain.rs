//! First in a chain before Debian's `tuning`, `bandwidth`, `firewall` and `portmap`, run as a runtime
//! runs them: each gets the result of the one before, DEL goes backwards, CHECK and DEL get the last
//! one's result.

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, Netns, Node, host_end};

/// The tree with Debian's plugins that `make test` unpacks; the newest of them.
fn plugins() -> PathBuf {
    let cache = std::env::var_os("RCNI_CACHE").unwrap_or_else(|| "/var/cache/rcni".into());
    let peers = Path::new(&cache).join("peers");
    let mut trees: Vec<PathBuf> = fs::read_dir(&peers)
        .into_iter()
        .flatten()
        .map(|entry| entry.expect("entry"))
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("runtimes-"))
        .map(|entry| entry.path().join("usr/lib/cni"))
        .filter(|folder| folder.join("portmap").is_file())
        .collect();
    trees.sort_by_key(|folder| fs::metadata(folder).and_then(|found| found.modified()).ok());
    trees.pop().unwrap_or_else(|| {
        panic!(
            "no runtimes-*/usr/lib/cni in {}: `rcni-lab peers` unpacks it, as `make test` does",
            peers.display()
        )
    })
}

/// A node, a pod, and the list of plugins that attach it.
struct Chain {
    node: Node,
    pod: Netns,
    plugins: PathBuf,
    list: Vec<Value>,
}

impl Chain {
    fn new(version: &str, families: &Value, others: &[Value]) -> Self {
        let (node, pod) = (Node::dual(), Netns::new());
        // `tuning` changes the pod's MAC address, whereupon the kernel forgets the pod's neighbour
        // entry for 169.254.1.1: proxy ARP answers from then on, on nodes with a default route.
        node.host.ip("link add up0 type veth peer name up1");
        node.host.ip("addr add 203.0.113.1/24 dev up0");
        node.host.ip("link set up0 up");
        node.host.ip("route add default via 203.0.113.254");
        let mut list = vec![node.conf_with(families)];
        list.extend_from_slice(others);
        for conf in &mut list {
            conf["cniVersion"] = json!(version);
            conf["name"] = json!("rcni");
        }
        Self {
            node,
            pod,
            plugins: plugins(),
            list,
        }
    }

    fn call(&self, verb: &str, at: usize, previous: Option<&Value>) -> Answer {
        let mut conf = self.list[at].clone();
        if let Some(previous) = previous {
            conf["prevResult"] = previous.clone();
        }
        let kind = conf["type"].as_str().expect("type");
        let ours = self.node.command(verb, "one", &self.pod.path(), "eth0");
        let mut command = ours;
        if kind != "rcni" {
            let variables: Vec<_> = command
                .get_envs()
                .map(|(name, value)| (name.to_owned(), value.expect("set").to_owned()))
                .collect();
            command = Command::new(self.plugins.join(kind));
            command
                .env_clear()
                .envs(variables)
                .env("CNI_PATH", &self.plugins)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
        }
        self.node.call(command, &conf)
    }

    fn add(&self) -> Value {
        let mut result = None;
        for at in 0..self.list.len() {
            result = Some(self.call("ADD", at, result.as_ref()).result());
        }
        result.expect("a chain has plugins")
    }

    fn each(&self, verb: &str, order: impl Iterator<Item = usize>, result: &Value) {
        for at in order {
            let answer = self.call(verb, at, Some(result));
            let kind = &self.list[at]["type"];
            assert_eq!(answer.status, Some(0), "{verb} {kind}: {answer:?}");
        }
    }

    fn everything(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let host = (self.node.host.snapshot(), self.node.host.snapshot_v6());
        (host, self.pod.snapshot(), self.node.state())
    }
}

fn both_families() -> Value {
    json!([[{"subnet": "10.244.1.0/24"}], [{"subnet": "fd00:10:244:1::/64"}]])
}

fn rules(node: &Node, program: &str) -> String {
    let output = node.host.output(&mut Command::new(program));
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn tuning_bandwidth_firewall_and_portmap_work_behind_it() {
    for version in ["0.3.1", "0.4.0", "1.0.0"] {
        let mut chain = Chain::new(
            version,
            &both_families(),
            &[
                json!({"type": "tuning", "mac": "02:00:00:00:00:77",
                    "sysctl": {"net.ipv4.conf.eth0.log_martians": "1"}}),
                json!({"type": "bandwidth", "capabilities": {"bandwidth": true},
                    "runtimeConfig": {"bandwidth": {
                        "ingressRate": 80_000_000, "ingressBurst": 80_000_000,
                        "egressRate": 80_000_000, "egressBurst": 80_000_000}}}),
                json!({"type": "firewall", "backend": "iptables"}),
                json!({"type": "portmap", "capabilities": {"portMappings": true},
                    "runtimeConfig": {"portMappings": [
                        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}}),
            ],
        );
        if version < "0.4.0" {
            chain.list.retain(|conf| conf["type"] != "firewall"); // It refuses older versions.
        }
        let before = chain.everything();
        let result = chain.add();
        assert_eq!(result["interfaces"][0]["name"], host_end("one"));
        assert_eq!(result["interfaces"][1]["mac"], "02:00:00:00:00:77");
        assert_eq!(result["interfaces"].as_array().expect("a list").len(), 3);
        assert_eq!(result["ips"].as_array().expect("a list").len(), 2);
        if version >= "0.4.0" {
            // But portmap, the last: 1.1.1 looks for the IPv4 rules in ip6tables too.
            chain.each("CHECK", 0..chain.list.len() - 1, &result);
        }
        let queues = chain
            .node
            .host
            .ip(&format!("-d link show {}", host_end("one")));
        assert!(
            queues.contains("tbf"),
            "bandwidth found the host end: {queues}"
        );
        let forward = rules(&chain.node, "iptables-save").contains("-A CNI-FORWARD -s 10.244.1.2");
        assert_eq!(forward, version >= "0.4.0", "firewall found the address");
        reach_through_port(&chain, "10.244.1.2".parse().expect("address"));
        reach_through_port(&chain, "fd00:10:244:1::2".parse().expect("address"));

        let all = chain.list.len();
        chain.each("DEL", (0..all).rev(), &result);
        chain.each("DEL", (0..all).rev(), &result);
        assert_eq!(chain.everything(), before, "{version}");
        let left = rules(&chain.node, "iptables-save");
        assert!(!left.contains("10.244.1.2"), "{left}");
    }
}

/// A connection from beyond the node to its port 8080 ends in the pod.
fn reach_through_port(chain: &Chain, address: IpAddr) {
    let beyond = Netns::new();
    let (name, path) = (if address.is_ipv4() { "b4" } else { "b6" }, beyond.path());
    let host = &chain.node.host;
    host.ip(&format!(
        "link add {name} type veth peer name far netns {path}"
    ));
    let (node_end, far_end, length) = if address.is_ipv4() {
        ("198.51.100.1", "198.51.100.2", 24)
    } else {
        ("2001:db8:1::1", "2001:db8:1::2", 64)
    };
    let dad = if address.is_ipv4() { "" } else { "nodad" };
    host.ip(&format!("addr add {node_end}/{length} dev {name} {dad}"));
    host.ip(&format!("link set {name} up"));
    beyond.ip(&format!("addr add {far_end}/{length} dev far {dad}"));
    beyond.ip("link set far up");
    beyond.ip(&format!("route add default via {node_end}"));
    let listener = chain
        .pod
        .run(|| TcpListener::bind(SocketAddr::new(address, 80)).expect("bind"));
    let target = SocketAddr::new(node_end.parse().expect("address"), 8080);
    let client = beyond.run(|| TcpStream::connect_timeout(&target, Duration::from_secs(20)));
    client.unwrap_or_else(|error| panic!("{address} through {target}: {error}"));
    let (_, peer) = listener.accept().expect("accept");
    assert_eq!(peer.ip(), far_end.parse::<IpAddr>().expect("address"));
    host.ip(&format!("link del {name}"));
}

#[test]
fn static_and_host_local_give_addresses_to_it() {
    let host_local = json!({"type": "host-local", "ranges": both_families(), "dataDir": "DIR",
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}]});
    let fixed = json!({"type": "static",
        "addresses": [{"address": "10.244.1.9/24"}, {"address": "fd00:10:244:1::9/64"}]});
    for (ipam, last) in [(host_local, "2"), (fixed, "9")] {
        let mut chain = Chain::new("1.0.0", &both_families(), &[]);
        let folder = chain.node.folder.path().join("theirs");
        chain.list[0]["ipam"] = ipam;
        chain.list[0]["ipam"]["dataDir"] = json!(folder);
        let before = chain.everything();
        let run = |verb: &str, previous: Option<&Value>| {
            let mut conf = chain.list[0].clone();
            if let Some(previous) = previous {
                conf["prevResult"] = previous.clone();
            }
            let mut command = chain.node.command(verb, "one", &chain.pod.path(), "eth0");
            command.env("CNI_PATH", &chain.plugins);
            chain.node.call(command, &conf)
        };
        let result = run("ADD", None).result();
        let expected = json!([
            {"address": format!("10.244.1.{last}/32"), "gateway": "169.254.1.1", "interface": 1},
            {"address": format!("fd00:10:244:1::{last}/128"),
                "gateway": "fe80::ecee:eeff:feee:eeee", "interface": 1},
        ]);
        assert_eq!(result["ips"], expected);
        let check = run("CHECK", Some(&result));
        assert_eq!(check.status, Some(0), "{check:?}");
        assert!(run("DEL", Some(&result)).is_silent());
        assert_eq!(chain.everything(), before);
        let left: Vec<_> = fs::read_dir(folder.join("rcni"))
            .into_iter()
            .flatten()
            .map(|entry| entry.expect("entry").file_name())
            .filter(|name| name.to_string_lossy().starts_with(['1', 'f']))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

/// A node can change to host-local and back: each finds and frees what the other reserved.
#[test]
fn host_local_and_rcni_share_one_folder() {
    let chain = Chain::new("1.0.0", &both_families(), &[]);
    let mut theirs = chain.list[0].clone();
    theirs["ipam"]["type"] = json!("host-local");
    let run = |verb: &str, id: &str, conf: &Value| {
        let mut command = Command::new(chain.plugins.join("host-local"));
        command
            .env_clear()
            .envs([
                ("CNI_COMMAND", verb),
                ("CNI_CONTAINERID", id),
                ("CNI_NETNS", "/unused"),
                ("CNI_IFNAME", "eth0"),
            ])
            .env("CNI_PATH", &chain.plugins)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        chain.node.call(command, conf)
    };
    let last = |answer: &Answer| -> Vec<String> {
        let result = answer.result();
        let ips = result["ips"].as_array().expect("a list");
        let texts = ips.iter().map(|ip| ip["address"].as_str().expect("text"));
        texts
            .map(|text| text.split('/').next().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(
        last(&run("ADD", "theirs", &theirs)),
        ["10.244.1.2", "fd00:10:244:1::2"]
    );
    let ours = chain.call("ADD", 0, None);
    assert_eq!(last(&ours), ["10.244.1.3", "fd00:10:244:1::3"]);
    assert_eq!(
        last(&run("ADD", "more", &theirs)),
        ["10.244.1.4", "fd00:10:244:1::4"]
    );
    // Each frees the other's.
    assert_eq!(run("DEL", "one", &theirs).status, Some(0));
    let mut command = chain.node.command("DEL", "theirs", "", "eth0");
    command.env("CNI_PATH", "");
    assert!(chain.node.call(command, &chain.list[0]).is_silent());
    let mut left = chain.node.state();
    left.retain(|name| !name.starts_with("rcni"));
    assert_eq!(left, ["10.244.1.4", "fd00:10:244:1::4"]);
    // Our own DEL finds its reservation gone and finishes.
    assert!(chain.call("DEL", 0, None).is_silent());
    assert_eq!(chain.node.state(), ["10.244.1.4", "fd00:10:244:1::4"]);
}
