use super::*;

const BASE: &str = "
apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {name: default}
spec:
  asNumber: 65001
  routerID: 10.0.1.11
  networks: [{cidr: 10.244.1.0/24}]
  kernel: {metric: 77}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: tor-a}
spec: {peerIP: 10.0.1.1, asNumber: 65000, password: old-secret}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: tor-b}
spec: {peerIP: 10.0.2.1, asNumber: 65000, filters: [all]}
---
apiVersion: rcni.io/v1alpha1
kind: BGPPeer
metadata: {name: rack}
spec: {peerRange: 10.9.0.0/16, asNumber: external}
---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {name: all}
spec: {importV4: [{action: Accept}]}
";

fn config(text: &str) -> SpeakerConfig {
    rcni_config::parse_speaker("bgp.yaml", text).unwrap()
}

/// What is said when these words of the file are others.
fn report(changes: &[(&str, &str)]) -> Report {
    let mut text = BASE.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    Plan::new(&config(BASE), config(&text)).report
}

fn lines(changes: &[(&str, &str)]) -> Vec<String> {
    report(changes)
        .to_string()
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_same_is_nothing() {
    assert_eq!(lines(&[]), ["nothing is different"]);
    assert!(report(&[]).is_live_nothing());
}

#[test]
fn each_difference_is_said_with_its_field_and_effect() {
    let cases = [
        (
            "holdTimeSeconds",
            "asNumber: 65000, filters",
            "asNumber: 65000, holdTimeSeconds: 30, filters",
        ),
        (
            "multihop or spec.ttlSecurity",
            "asNumber: 65000, filters",
            "asNumber: 65000, ttlSecurity: 1, filters",
        ),
        (
            "sourceAddress",
            "asNumber: 65000, filters",
            "asNumber: 65000, sourceAddress: 10.0.2.2, filters",
        ),
        (
            "families",
            "asNumber: 65000, filters",
            "asNumber: 65000, families: [ipv4], filters",
        ),
    ];
    for (field, from, to) in cases {
        let line = format!("peer tor-b: RESET of the session, for another spec.{field}");
        assert_eq!(lines(&[(from, to)]), [line]);
    }
    let rules = report(&[("{action: Accept}", "{action: Reject}")]);
    assert_eq!(
        rules.to_string(),
        "peer tor-b: takes effect in the session: import rules\n"
    );
    assert!(!rules.resets());
    let gone = report(&[("name: tor-b", "name: tor-c"), ("10.0.2.1", "10.0.3.1")]);
    assert_eq!(
        gone.to_string(),
        "peer tor-c: new\npeer tor-b: removed: the session ends\n"
    );
    assert!(gone.resets());
    assert_eq!(
        lines(&[("asNumber: external", "asNumber: 65099")]),
        ["range rack: RESET of the sessions of the range, for another spec.asNumber"]
    );
    assert_eq!(
        lines(&[("10.9.0.0/16", "10.8.0.0/15")]),
        ["range rack: takes effect in the sessions of the range: spec.peerRange"]
    );
    for other in ["10.9.0.0/17", "10.10.0.0/15"] {
        let part = report(&[("10.9.0.0/16", other)]);
        assert_eq!(
            part.to_string(),
            "range rack: takes effect in the sessions of the range, and those who are not in it any more \
             are removed: spec.peerRange\n"
        );
        assert!(part.resets(), "for some of them");
    }
    assert_eq!(
        lines(&[("10.244.1.0/24", "10.244.2.0/24")]),
        [
            "spec.networks: 10.244.2.0/24 is announced",
            "spec.networks: 10.244.1.0/24 is withdrawn"
        ]
    );
    let all = lines(&[("routerID: 10.0.1.11", "routerID: 10.0.1.12")]);
    assert_eq!(all[0], "spec.routerID: RESET of all sessions");
    // Its default follows.
    assert_eq!(all[1], "spec.clusterID: takes effect without a reset");
    assert_eq!(all.len(), 2 + 3);
}

#[test]
fn secrets_are_compared_and_not_shown() {
    let plan = report(&[("old-secret", "new-secret")]);
    let json = serde_json::to_string(&plan).unwrap();
    assert!(!json.contains("secret"), "{json}");
    assert_eq!(
        plan.to_string(),
        "peer tor-a: RESET of the session, for another spec.password\n"
    );
}

#[test]
fn the_kernel_waits_for_the_next_start() {
    let text = BASE.replace("metric: 77", "metric: 99, install: false");
    let text = text.replace("10.244.1.0/24", "10.244.2.0/24");
    let running = config(BASE);
    let plan = Plan::new(&running, config(&text));
    assert_eq!(plan.config.kernel, running.kernel);
    assert_eq!(
        plan.report.next_start,
        [
            "spec.kernel.metric: takes effect at the next start of rcni-bgp",
            "spec.kernel.install: takes effect at the next start of rcni-bgp"
        ]
    );
    // Still so when it is read again.
    let again = Plan::new(&plan.config, config(&text)).report;
    assert_eq!(again.next_start.len(), 2);
    assert!(again.is_live_nothing());
}

#[test]
fn next_hops_of_kernel_routes_wait_too() {
    let resilient = "metric: 77, nextHopGroups: Resilient";
    let next_start = |changes: &[(&str, &str)]| report(changes).next_start;
    let line = |field: &str| format!("spec.{field}: takes effect at the next start of rcni-bgp");
    assert_eq!(
        next_start(&[
            ("kernel:", "nodeAddresses: [10.0.9.11]\n  kernel:"),
            ("metric: 77", resilient)
        ]),
        [line("nodeAddresses"), line("kernel.nextHopGroups")]
    );
    let running = config(&BASE.replacen("metric: 77", resilient, 1));
    let other = format!("{resilient}, resilientGroups: {{buckets: 64}}");
    let candidate = config(&BASE.replacen("metric: 77", &other, 1));
    let plan = Plan::new(&running, candidate);
    assert_eq!(plan.report.next_start, [line("kernel.resilientGroups")]);
    assert_eq!(plan.config, running);
    let candidate = config(&BASE.replacen("metric: 77", "metric: 77\n  , nextHopGroups: Never", 1));
    let plan = Plan::new(&running, candidate);
    assert_eq!(plan.report.next_start, [line("kernel.nextHopGroups")]);
}

#[test]
fn listening_sockets_are_no_session() {
    let plan = report(&[(
        "kernel:",
        "listenPort: 1179\n  bindAddresses: [10.0.1.11]\n  kernel:",
    )]);
    assert_eq!(plan.sockets.len(), 2);
    assert!(!plan.resets());
}
