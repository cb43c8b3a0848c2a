//! The results, to the letter, in every version and mix of families; and read back as `prevResult`.

use serde_json::{Value, json};

use crate::support::{Netns, Node, host_end};

const VERSIONS: [&str; 5] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];
const V4: &str = "10.244.1.0/24";
const V6: &str = "fd00:10:244:1::/64";

/// What is expected, spelled out per version: nothing here is computed as the plugin computes it.
fn golden(version: &str, families: &[&str], host: &str, mac: &str, sandbox: &str) -> Value {
    let before_1_0 = ["0.3.0", "0.3.1", "0.4.0"].contains(&version);
    let mut ips = Vec::new();
    let mut routes = Vec::new();
    for family in families {
        ips.push(match (*family, before_1_0) {
            (V4, true) => json!({"version": "4", "address": "10.244.1.2/32",
                "gateway": "169.254.1.1", "interface": 1}),
            (V4, false) => json!({"address": "10.244.1.2/32",
                "gateway": "169.254.1.1", "interface": 1}),
            (_, true) => json!({"version": "6", "address": "fd00:10:244:1::2/128",
                "gateway": "fe80::ecee:eeff:feee:eeee", "interface": 1}),
            (_, false) => json!({"address": "fd00:10:244:1::2/128",
                "gateway": "fe80::ecee:eeff:feee:eeee", "interface": 1}),
        });
        routes.push(if *family == V4 {
            json!({"dst": "0.0.0.0/0", "gw": "169.254.1.1"})
        } else {
            json!({"dst": "::/0", "gw": "fe80::ecee:eeff:feee:eeee"})
        });
    }
    let interfaces = if version == "1.1.0" {
        json!([{"name": host, "mac": "ee:ee:ee:ee:ee:ee", "mtu": 1500},
            {"name": "eth0", "mac": mac, "sandbox": sandbox, "mtu": 1500}])
    } else {
        json!([{"name": host, "mac": "ee:ee:ee:ee:ee:ee"},
            {"name": "eth0", "mac": mac, "sandbox": sandbox}])
    };
    json!({"cniVersion": version, "interfaces": interfaces, "ips": ips, "routes": routes,
        "dns": {"nameservers": ["10.96.0.10"], "search": ["svc.cluster.local"]}})
}

fn conf(node: &Node, version: &str, families: &[&str]) -> Value {
    let sets: Vec<Value> = families.iter().map(|f| json!([{"subnet": f}])).collect();
    let mut conf = node.conf_with(&json!(sets));
    conf["cniVersion"] = json!(version);
    conf["dns"] = json!({"nameservers": ["10.96.0.10"], "search": ["svc.cluster.local"]});
    conf
}

#[test]
fn every_version_and_mix_of_families() {
    for version in VERSIONS {
        for families in [&[V4][..], &[V6], &[V4, V6]] {
            let (node, pod) = (Node::dual(), Netns::new());
            let mut conf = conf(&node, version, families);
            let result = node.verb("ADD", "one", &pod, &conf).result();
            let mac = pod.ip_json("link show eth0")[0]["address"].clone();
            let mac = mac.as_str().expect("a MAC address");
            let expected = golden(version, families, &host_end("one"), mac, &pod.path());
            assert_eq!(result, expected, "{version} {families:?}");
            // The runtime hands it back.
            conf["prevResult"] = result;
            let check = node.verb("CHECK", "one", &pod, &conf);
            if version < "0.4.0" {
                assert_eq!(check.code(), 1);
            } else {
                assert!(check.is_silent(), "{version}: {check:?}");
            }
            assert!(node.verb("DEL", "one", &pod, &conf).is_silent());
            assert_eq!(node.state(), [""; 0]);
        }
    }
}

#[test]
fn a_result_of_any_version_is_understood_in_any_other() {
    let (node, pod) = (Node::dual(), Netns::new());
    let families = [V4, V6];
    let added = conf(&node, "1.0.0", &families);
    let result = node.verb("ADD", "one", &pod, &added).result();
    let mac = result["interfaces"][1]["mac"]
        .as_str()
        .expect("a MAC address");
    for written in VERSIONS {
        for asked in ["0.4.0", "1.0.0", "1.1.0"] {
            let mut conf = conf(&node, asked, &families);
            conf["prevResult"] = golden(written, &families, &host_end("one"), mac, &pod.path());
            let check = node.verb("CHECK", "one", &pod, &conf);
            assert!(check.is_silent(), "{written} in {asked}: {check:?}");
        }
    }
    // DEL believes none of it, and is not stopped by it either.
    let strange = [
        json!(null),
        json!("text"),
        json!([]),
        json!({"ips": 7}),
        json!({"ip4": {"ip": "10.244.1.9/24"}}),
    ];
    for previous in strange {
        let other = Netns::new();
        node.verb("ADD", "two", &other, &added).result();
        let mut conf = added.clone();
        conf["prevResult"] = previous;
        assert!(node.verb("DEL", "two", &other, &conf).is_silent());
        assert_eq!(node.state().len(), 3, "only the other pod's");
    }
    // The chain's result can name addresses of other plugins' and of other pods.
    let mut foreign = added.clone();
    foreign["prevResult"] = result;
    assert!(node.verb("DEL", "three", &pod, &foreign).is_silent());
    assert_eq!(node.state().len(), 3);
}

#[test]
fn behind_another_plugin_its_result_is_kept() {
    for version in VERSIONS {
        let (node, pod) = (Node::dual(), Netns::new());
        let mut conf = conf(&node, version, &[V4, V6]);
        conf["dns"] = json!({});
        // As a runtime passes it, or as an older plugin printed it.
        conf["prevResult"] = json!({
            "cniVersion": "0.4.0",
            "interfaces": [{"name": "net0", "mac": "02:00:00:00:00:05", "sandbox": pod.path()}],
            "ips": [
                {"version": "4", "address": "10.9.0.5/24", "interface": 0},
                {"address": "fd00:9::5/64", "interface": 0},
            ],
            "routes": null,
            "dns": {"nameservers": ["10.96.0.11"]},
        });
        let result = node.verb("ADD", "one", &pod, &conf).result();
        assert_eq!(result["cniVersion"], version);
        assert_eq!(result["interfaces"][0]["name"], "net0");
        assert_eq!(result["interfaces"][1]["name"], host_end("one"));
        assert_eq!(result["interfaces"][2]["name"], "eth0");
        assert_eq!(result["dns"], json!({"nameservers": ["10.96.0.11"]}));
        let ips = result["ips"].as_array().expect("a list");
        let indices: Vec<_> = ips.iter().map(|ip| ip["interface"].as_u64()).collect();
        assert_eq!(indices, [Some(0), Some(0), Some(2), Some(2)]);
        let old = version < "1.0.0";
        for (ip, family) in ips.iter().zip(["4", "6", "4", "6"]) {
            let expected = if old { json!(family) } else { json!(null) };
            assert_eq!(ip["version"], expected, "{version}");
        }
        if version >= "0.4.0" {
            conf["prevResult"] = result;
            let check = node.verb("CHECK", "one", &pod, &conf);
            assert!(check.is_silent(), "{check:?}");
        }
    }
    let (node, pod) = (Node::new(), Netns::new());
    for unusable in [
        json!("text"),
        json!({"interfaces": {}}),
        json!({"ips": ["x"]}),
        json!({"ips": [{"version": "4"}], "cniVersion": "0.4.0"}),
        json!({"ip4": {"ip": "10.9.0.5/24"}}),
    ] {
        let mut conf = conf(&node, "0.4.0", &[V4]);
        conf["prevResult"] = unusable.clone();
        assert_eq!(node.verb("ADD", "one", &pod, &conf).code(), 7, "{unusable}");
        assert_eq!(node.state(), [""; 0]);
    }
}
