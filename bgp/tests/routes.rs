//! `rcni-bgp routes`, and what filters do to the routes of two daemons.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, also in its helpers"
)]

mod common;

use common::{Daemon, Namespace, PROGRAM, pair, wait};

const A: &str = r#"
apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {name: default}
spec:
  asNumber: 65001
  routerID: 10.0.0.1
  networks: [{cidr: 10.244.1.0/24}, {cidr: 10.244.2.0/24}, {cidr: 10.244.3.0/24}]
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: b}
spec: {peerIP: 10.0.0.2, asNumber: 65002, connectRetrySeconds: 1, filters: [marked]}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {name: marked}
spec:
  importV4: [{action: Accept}]
  exportV4:
    - action: Accept
      matchOperator: Equal
      cidr: 10.244.1.0/24
      set:
        med: 5
        prependASPath: {count: 2}
        communities: {add: ["65001:100", "rt:65001:7", "65001:1:2", no-export]}
    - action: Accept
      matchOperator: Equal
      cidr: 10.244.2.0/24
      set: {communities: {add: [graceful-shutdown]}}
    - {action: Accept}
"#;

const B: &str = r#"
apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {name: default}
spec: {asNumber: 65002, routerID: 10.0.0.2, networks: [{cidr: 10.9.0.0/24}]}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: a}
spec: {peerIP: 10.0.0.1, asNumber: 65001, connectRetrySeconds: 1, filters: [from-a]}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {name: from-a}
spec:
  importV4:
    - action: Accept
      communities: {allOf: ["65001:100", "rt:65001:7", "65001:1:2"]}
      asPath: {regex: "^65001 65001_", maxLength: 3}
      set: {localPreference: 200, communities: {remove: ["65001:*"], add: ["65002:1"]}}
    - {action: Reject, matchOperator: Equal, cidr: 10.244.3.0/24}
    - {action: Accept}
"#;

fn ask(
    namespace: &Namespace,
    socket: &std::path::Path,
    arguments: &[&str],
) -> (Option<i32>, String) {
    let output = namespace
        .command(PROGRAM)
        .arg("routes")
        .args(arguments)
        .arg("--socket")
        .arg(socket)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

#[test]
fn every_path_is_shown_with_what_became_of_it_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let _first = Daemon::start(&a, folder.path(), "a", A);
    let second = Daemon::start(&b, folder.path(), "b", B);
    wait("all is there", || {
        let json = second.json()?;
        (json["peers"][0]["prefixes"]["received"] == 3).then_some(())
    });
    let ask = |arguments: &[&str]| ask(&b, &second.socket, arguments);
    assert_eq!(
        ask(&[]),
        (
            Some(0),
            "\
10.9.0.0/24
  best      own network
10.244.1.0/24
  best      10.0.0.1 from a
            AS path 65001 65001 65001, local pref 200, MED 5, communities no-export 65002:1 rt:65001:7 65001:1:2
            changed by from-a importV4[0]
            as received: local pref 100, communities 65001:100 no-export rt:65001:7 65001:1:2
10.244.2.0/24
  best      10.0.0.1 from a
            AS path 65001, local pref 0, communities graceful-shutdown
            changed by GRACEFUL_SHUTDOWN (RFC 8326)
            as received: local pref 100
10.244.3.0/24
  rejected  10.0.0.1 from a: from-a importV4[1]
            AS path 65001, local pref 100
"
            .to_owned()
        )
    );
    let lines = |arguments: &[&str]| {
        let (code, text) = ask(arguments);
        let prefixes = text.lines().filter(|line| !line.starts_with(' '));
        (code, prefixes.map(str::to_owned).collect::<Vec<_>>())
    };
    let found = |texts: &[&str]| (Some(0), texts.iter().map(|t| (*t).to_owned()).collect());
    assert_eq!(lines(&["10.244.2.0/24"]), found(&["10.244.2.0/24"]));
    assert_eq!(lines(&["10.244.2.77"]), found(&["10.244.2.0/24"]));
    assert_eq!(
        lines(&["10.244.2.0/23", "--within"]),
        found(&["10.244.2.0/24", "10.244.3.0/24"])
    );
    assert_eq!(lines(&["10.9.0.0/24", "--peer", "a"]).0, Some(1));
    assert_eq!(ask(&["10.1.0.0/16"]).0, Some(1));
    let (code, text) = ask(&["--peer", "c"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("no peer \"c\"; there are a"), "{text}");
    assert_eq!(ask(&["10.1.0.1/16"]).0, Some(2));

    let (code, text) = ask(&["-o", "json", "--peer", "a"]);
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let routes = json["routes"].as_array().unwrap();
    assert_eq!(routes.len(), 3);
    assert_eq!(routes[0]["rule"], "from-a importV4[0]");
    assert_eq!(routes[0]["received"]["communities"][0], "65001:100");
    assert_eq!(routes[0]["localPreference"], 200);
    assert_eq!(routes[2]["state"], "rejected");
    assert_eq!(routes[2]["reason"], "from-a importV4[1]");
    let (_, none) = ask(&["-o", "json", "10.1.0.0/16"]);
    assert!(
        none.starts_with("{\"version\":1,\"routes\":[\n],\"next\":null}"),
        "{none}"
    );
}

#[test]
fn what_a_peer_is_told_and_why_not_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let quiet = A.replace(
        "    - {action: Accept}\n",
        "    - {action: Reject, source: Own}\n    - {action: Accept}\n",
    );
    assert_ne!(quiet, A);
    let first = Daemon::start(&a, folder.path(), "a", &quiet);
    let ask = |arguments: &[&str]| ask(&a, &first.socket, arguments);
    wait("the daemon answers", || first.json().map(drop));
    let (code, text) = ask(&["--to", "b"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("b has no session"), "{text}");
    let (code, text) = ask(&["--to", "c"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("no peer \"c\"; there are b"), "{text}");

    let _second = Daemon::start(&b, folder.path(), "b", B);
    wait("all is there", || {
        let json = first.json()?;
        (json["peers"][0]["prefixes"]["received"] == 1).then_some(())
    });
    assert_eq!(
        ask(&["--to", "b"]),
        (
            Some(0),
            "\
10.9.0.0/24
  withheld  from b: it came from this peer
            AS path 65002, local pref 100
10.244.1.0/24
  told      own network by marked exportV4[0]
            next hop 10.0.0.1, AS path 65001 65001 65001, MED 5, communities 65001:100 no-export rt:65001:7 65001:1:2
10.244.2.0/24
  told      own network by marked exportV4[1]
            next hop 10.0.0.1, AS path 65001, communities graceful-shutdown
10.244.3.0/24
  withheld  own network: marked exportV4[2]
"
            .to_owned()
        )
    );
    let (code, text) = ask(&["10.244.3.0/24", "--to", "b", "-o", "json"]);
    assert_eq!(code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["routes"][0]["state"], "withheld");
    assert_eq!(json["routes"][0]["rule"], "marked exportV4[2]");
    assert_eq!(
        ask(&["10.244.3.0/24", "--to", "b", "--peer", "b"]).0,
        Some(1)
    );
}

/// The files of two running daemons change: rules take effect where they are, and the sessions are the
/// ones that there were.
#[test]
fn rules_in_the_file_take_effect_in_the_session() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = pair();
    let first = Daemon::start(&a, folder.path(), "a", A);
    let second = Daemon::start(&b, folder.path(), "b", B);
    let counts = || Some(second.json()?["peers"][0]["prefixes"]["accepted"].clone());
    wait("two of three", || (counts()? == 2).then_some(()));
    let routes = |prefix: &str| {
        let (_, text) = ask(&b, &second.socket, &["-o", "json", "--peer", "a", prefix]);
        // What is said to stderr comes after it.
        let mut said = serde_json::Deserializer::from_str(&text).into_iter();
        let json: serde_json::Value = said.next()?.ok()?;
        Some(json["routes"][0].clone())
    };
    let write = |name: &str, text: &str| {
        let file = folder.path().join(format!("{name}.yaml"));
        std::fs::write(file, text).unwrap();
    };

    // Import: what was rejected is used, what was used is rejected, and the other way of changing it.
    let other = B.replace(
        "{action: Reject, matchOperator: Equal, cidr: 10.244.3.0/24}",
        "{action: Reject, communities: {anyOf: [graceful-shutdown]}}",
    );
    let other = other.replace("localPreference: 200", "localPreference: 300");
    assert_ne!(other, B);
    write("b", &other);
    wait("10.244.3.0/24 is used", || {
        (routes("10.244.3.0/24")?["state"] == "best").then_some(())
    });
    wait("10.244.2.0/24 is not", || {
        (routes("10.244.2.0/24")?["reason"] == "from-a importV4[1]").then_some(())
    });
    wait("preferred more", || {
        (routes("10.244.1.0/24")?["localPreference"] == 300).then_some(())
    });
    let via = |prefix| format!("{prefix} via 10.0.0.1 dev eth0 metric 77");
    wait("the kernel has them", || {
        let mut kernel = b.own_routes();
        kernel.sort();
        (kernel == ["10.244.1.0/24", "10.244.3.0/24"].map(via)).then_some(())
    });

    // Export: other marks, and one prefix less.
    let other = A.replace("med: 5", "med: 6").replace(
        "- {action: Accept}\n",
        "- {action: Accept, matchOperator: Equal, cidr: 10.244.2.0/24}\n",
    );
    assert_ne!(other, A);
    write("a", &other);
    wait("told with another MED", || {
        (routes("10.244.1.0/24")?["med"] == 6).then_some(())
    });
    wait("10.244.3.0/24 is withdrawn", || {
        (routes("10.244.3.0/24")?.is_null()).then_some(())
    });
    for daemon in [&first, &second] {
        let json = daemon.json().unwrap();
        let peer = &json["peers"][0];
        // The first session still; a Cease that was sent is that of crossing dials before it.
        assert_eq!(
            (&peer["state"], &peer["established"]),
            (&"Established".into(), &1.into())
        );
    }
}
