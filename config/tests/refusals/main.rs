//! Every refusal as the user sees it: file, line, field, reason, and what to write instead.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests may fail a test"
)]

mod bfd;
mod felix;
mod filter;
mod golden;
mod peer;
mod routes;
mod rules;
mod session;
mod speaker;
mod text;

use rcni_config::{parse_felix, parse_speaker};

/// Six lines; whatever is appended begins in line 7.
const NODE: &str = "\
apiVersion: rcni.io/v1alpha1
kind: BGPConfiguration
metadata: {name: default}
spec:
  asNumber: 65001
  routerID: 10.0.1.11
";

/// Five lines; whatever is appended begins in line 6.
const FELIX: &str = "\
apiVersion: rcni.io/v1alpha1
kind: FelixConfiguration
metadata: {name: default}
spec:
  podCIDRs: [10.244.1.0/24]
";

/// A document whose spec begins five lines after its `---`.
fn object(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: rcni.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n{spec}"
    )
}

/// A whole file: the speaker, then one peer whose spec begins in line 12.
fn with_peer(spec: &str) -> String {
    format!("{NODE}{}", object("BGPPeer", "tor-a", spec))
}

/// A whole file: the speaker, then one filter whose spec begins in line 12.
fn with_filter(spec: &str) -> String {
    format!("{NODE}{}", object("BGPFilter", "from-fabric", spec))
}

#[track_caller]
fn speaker_refuses(text: &str, expected: &[&str]) {
    let errors = parse_speaker("bgp.yaml", text).expect_err("accepted");
    assert_eq!(errors.to_string(), expected.join("\n"), "\n{text}");
}

#[track_caller]
fn felix_refuses(text: &str, expected: &[&str]) {
    let errors = parse_felix("felix.yaml", text).expect_err("accepted");
    assert_eq!(errors.to_string(), expected.join("\n"), "\n{text}");
}

#[test]
fn what_the_cases_are_made_from_is_accepted() {
    let filter = object(
        "BGPFilter",
        "from-fabric",
        "  importV4: [{action: Accept}]\n",
    );
    let peer = with_peer("  peerIP: 10.0.1.1\n  asNumber: 65000\n  filters: [from-fabric]\n");
    parse_speaker("bgp.yaml", &format!("{peer}{filter}")).unwrap();
    parse_felix(
        "felix.yaml",
        &format!("{FELIX}  clusterCIDRs: [10.244.0.0/16]\n"),
    )
    .unwrap();
}

/// One run names what is wrong in every document, and nothing that only follows from another error.
#[test]
fn all_errors_at_once() {
    let bad_peer = object(
        "BGPPeer",
        "tor-a",
        "  peerIP: 10.0.1.1\n  asNumber: 0\n  filters: [broken, absent]\n",
    );
    let broken_filter = object("BGPFilter", "broken", "  importV4: 5\n");
    let no_yaml = object("BGPFilter", "torn", "  importV4: [\n");
    let text = format!(
        "{}{bad_peer}{broken_filter}{no_yaml}",
        NODE.replace("10.0.1.11", "10.0.1.11\n  listenPort: 0")
    );
    speaker_refuses(
        &text,
        &[
            "bgp.yaml:7: spec.listenPort (BGPConfiguration default): 0 is out of range; write 1 to 65535",
            "bgp.yaml:14: spec.asNumber (BGPPeer tor-a): AS 0 is reserved (RFC 7607); write 1 to 4294967295",
            r#"bgp.yaml:15: spec.filters[1] (BGPPeer tor-a): there is no BGPFilter named "absent"; there are: broken"#,
            "bgp.yaml:21: spec.importV4 (BGPFilter broken): wrong type: integer `5`; write a list ([a, b], or lines that begin with -)",
            "bgp.yaml:27: (BGPFilter torn): is not valid YAML: unclosed bracket '['; correct the syntax",
        ],
    );
}

#[test]
fn a_thousand_errors_fit_on_a_few_screens() {
    let peers: String = (0..1000)
        .map(|n| {
            object(
                "BGPPeer",
                &format!("p{n}"),
                "  peerIP: 10.0.1.1\n  asNumber: 0\n",
            )
        })
        .collect();
    let errors = parse_speaker("bgp.yaml", &format!("{NODE}{peers}")).unwrap_err();
    assert_eq!(errors.0.len(), 101);
    assert_eq!(
        errors.0[100].to_string(),
        "bgp.yaml: 900 further errors are not shown; correct these first"
    );
}
