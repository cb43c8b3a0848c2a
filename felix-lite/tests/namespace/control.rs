//! What a running agent answers on its control socket.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::Value;

use crate::node::Node;

/// What `GET path` is answered with: the status line's code, and the body.
fn get(node: &Node, path: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(node.path("felix.sock")).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: felix-lite\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    let code = head.split(' ').nth(1).unwrap().parse().unwrap();
    (code, body.to_owned())
}

fn ask(node: &Node, command: &str) -> (Option<i32>, String) {
    let output = node.try_sh(&format!("$FELIX {command} --socket $DIR/felix.sock 2>&1"));
    (
        output.status.code(),
        String::from_utf8(output.stdout).unwrap(),
    )
}

/// What is answered is as its schema says.
fn fits(name: &str, answer: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/observability/schemas");
    let schema = fs::read(folder.join(format!("{name}.json"))).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<String> = validator
        .iter_errors(answer)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{name}: {errors:#?}\n{answer:#}");
}

#[test]
fn rules_are_explained_for_an_address() {
    let node = Node::new();
    let running = node.run();
    let (code, body) = get(&node, "/v1/explain?address=10.244.1.7");
    assert_eq!(code, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    fits("felix-explain", &answer);
    assert_eq!(answer["ownPodRange"], true);
    assert!(
        body.contains("accepted: from a pod of this node") && body.contains("MASQUERADE"),
        "{body}"
    );
    let (code, body) = get(&node, "/v1/explain?address=nowhere");
    assert_eq!(code, 400);
    assert!(body.contains("nowhere is no address"), "{body}");
    running.stop();
}

#[test]
fn the_agent_says_whether_the_node_is_ready_now_and_what_it_put_back() {
    let node = Node::new();
    let (code, said) = ask(&node, "status");
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("not running") && said.contains("felix-lite run --config FILE"),
        "{said}"
    );

    let running = node.run();
    let (code, said) = ask(&node, "status");
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.starts_with("node ready for ") && said.contains("pods 10.244.1.0/24"),
        "{said}"
    );
    assert_eq!(get(&node, "/healthz"), (200, "ok\n".to_owned()));
    let all_good = "[+]settings ok\n[+]routes ok\n[+]rules ok\n[+]conflist ok\n[+]agent ok\nreadyz check passed\n";
    assert_eq!(get(&node, "/readyz"), (200, all_good.to_owned()));

    node.sh("iptables-nft -F RCNI-FORWARD");
    node.wait_until("the repair is told", || {
        let (_, page) = ask(&node, "events -o json");
        let page: Value = serde_json::from_str(&page).unwrap();
        let events = page["events"].as_array().unwrap();
        events.iter().any(|event| {
            event["severity"] == "warning" && event["text"].as_str().unwrap().contains("repaired")
        })
    });
    let (_, numbers) = ask(&node, "metrics");
    let repaired = numbers
        .lines()
        .find_map(|line| line.strip_prefix("rcni_felix_repaired_total "));
    assert!(repaired.unwrap().parse::<u64>().unwrap() >= 1, "{numbers}");
    assert!(numbers.contains("rcni_felix_ready 1\n"), "{numbers}");

    // It changes while it runs.
    let (code, said) = ask(&node, "log debug");
    assert_eq!(
        (code, said.contains("log level debug")),
        (Some(0), true),
        "{said}"
    );
    node.sh("iptables-nft -F RCNI-FORWARD");
    running.wait_for_log("somebody changed something");

    // Something takes the place of the network configuration, and cannot be replaced.
    fs::remove_file(node.conflist()).unwrap();
    fs::create_dir(node.conflist()).unwrap();
    node.wait_until("it is not ready any more", || {
        get(&node, "/readyz").0 == 503
    });
    let (_, body) = get(&node, "/readyz");
    assert!(body.contains("[+]rules ok\n[-]conflist failed: "), "{body}");
    let (code, said) = ask(&node, "status");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.starts_with("node not ready\n  ") && said.contains("10-rcni.conflist"),
        "{said}"
    );
    let (_, json) = ask(&node, "status -o json");
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&json["version"], &json["ready"]),
        (&1.into(), &false.into())
    );

    fs::remove_dir(node.conflist()).unwrap();
    node.wait_until("it is ready again", || get(&node, "/readyz").0 == 200);
    running.stop();
    assert!(!node.path("felix.sock").exists());
}

#[test]
fn a_second_agents_socket_is_told_apart() {
    let node = Node::new();
    let running = node.run();
    let output = node.try_sh(
        "$FELIX run --config $DIR/felix.yaml --state-dir $DIR/other --socket $DIR/felix.sock 2>&1",
    );
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("another felix-lite answers on"), "{said}");
    running.stop();
}
