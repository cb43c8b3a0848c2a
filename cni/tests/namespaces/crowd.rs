//! Many at once, and processes killed in the middle.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::support::{Netns, Node};

#[test]
fn fifty_at_once_get_fifty_addresses_of_each_family() {
    let node = Node::dual();
    let before = (node.host.snapshot(), node.host.snapshot_v6());
    let pods: Vec<Netns> = (0..50).map(|_| Netns::new()).collect();
    let conf = node.conf_dual();
    let start = |verb: &str| -> Vec<_> {
        pods.iter()
            .enumerate()
            .map(|(at, pod)| {
                let command = node.command(verb, &format!("pod{at}"), &pod.path(), "eth0");
                node.spawn(command, &conf)
            })
            .collect()
    };
    let mut addresses = BTreeSet::new();
    for child in start("ADD") {
        let output = child.wait_with_output().expect("ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        let result: serde_json::Value = serde_json::from_str(&text).expect("a result");
        for family in 0..2 {
            addresses.insert(result["ips"][family]["address"].to_string());
        }
    }
    assert_eq!(addresses.len(), 100);
    for family in ["-4", "-6"] {
        let routes = node.host.ip_json(&format!("{family} route show proto 77"));
        assert_eq!(routes.len(), 50);
    }
    for child in start("DEL") {
        assert!(child.wait_with_output().expect("ends").status.success());
    }
    assert_eq!(node.state(), [""; 0]);
    assert_eq!((node.host.snapshot(), node.host.snapshot_v6()), before);
}

/// A small generator, seeded and printed, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[test]
fn killed_anywhere_the_next_del_cleans() {
    let seed = std::env::var("RCNI_SEED").map_or_else(
        |_| {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .expect("clock")
                .subsec_nanos()
                .into()
        },
        |seed| seed.parse().expect("RCNI_SEED is a number"),
    );
    println!("RCNI_SEED={seed}");
    let mut random = Random(seed);
    let (node, pod) = (Node::dual(), Netns::new());
    let everything = || {
        (
            node.host.snapshot(),
            node.host.snapshot_v6(),
            pod.snapshot(),
        )
    };
    let before = everything();
    let mut unfinished = 0;
    for round in 0..60 {
        // Every third time the DEL is killed too.
        let verbs: &[&str] = if round % 3 == 0 {
            &["ADD", "DEL"]
        } else {
            &["ADD"]
        };
        for verb in verbs {
            let command = node.command(verb, "one", &pod.path(), "eth0");
            let mut child = node.spawn(command, &node.conf_dual());
            std::thread::sleep(Duration::from_micros(random.below(8_000)));
            child.kill().expect("kill");
            unfinished += u32::from(child.wait().expect("ends").code().is_none());
        }
        assert!(node.del("one", &pod.path()).is_silent(), "round {round}");
        assert_eq!(node.state(), [""; 0], "round {round}");
        assert_eq!(everything(), before, "round {round}");
    }
    println!("{unfinished} of them did not come to their end");
    assert!(
        unfinished > 0,
        "nothing was killed in the middle: the delays do not fit this machine"
    );
    node.add("one", &pod).result();
}
