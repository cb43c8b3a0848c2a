//! Import and export rules.

use super::*;

#[track_caller]
fn refuses(rule: &str, field: &str, reason: &str) {
    speaker_refuses(
        &with_filter(&format!(
            "  importV4:\n    - {{action: Reject}}\n    - {rule}\n"
        )),
        &[&format!(
            "bgp.yaml:14: spec.importV4[1]{field} (BGPFilter from-fabric): {reason}"
        )],
    );
}

#[test]
fn impossible_prefix_lengths() {
    let rule = |cidr: &str, range: &str| {
        format!("{{action: Accept, matchOperator: In, cidr: {cidr}, prefixLength: {{{range}}}}}")
    };
    refuses(
        &rule("10.244.0.0/16", "min: 28, max: 24"),
        ".prefixLength",
        "min 28 is greater than max 24, so nothing can match; write 16 <= min <= max <= 32",
    );
    refuses(
        &rule("10.244.0.0/16", "min: 8"),
        ".prefixLength.min",
        "8 is shorter than 10.244.0.0/16 itself, so nothing that short is within it; write 16 to 32",
    );
    refuses(
        &rule("10.244.0.0/16", "max: 33"),
        ".prefixLength.max",
        "33 is not a prefix length of this family; write 16 to 32",
    );
    refuses(
        &rule("10.244.0.0/16", "max: -1"),
        ".prefixLength.max",
        "-1 is not a prefix length of this family; write 16 to 32",
    );
    speaker_refuses(
        &with_filter(&format!(
            "  exportV6:\n    - {}\n",
            rule("fd00::/48", "max: 129")
        )),
        &[
            "bgp.yaml:13: spec.exportV6[0].prefixLength.max (BGPFilter from-fabric): 129 is not a \
           prefix length of this family; write 48 to 128",
        ],
    );
    refuses(
        "{action: Accept, matchOperator: Equal, cidr: 0.0.0.0/0, prefixLength: {max: 8}}",
        ".prefixLength",
        "has no meaning with Equal, which is about 0.0.0.0/0 alone; remove it, or use In or NotIn",
    );
}

#[test]
fn outside_of_everything() {
    refuses(
        "{action: Reject, matchOperator: NotIn, cidr: 0.0.0.0/0}",
        ".cidr",
        "every route lies in 0.0.0.0/0, so nothing can match; write another prefix, or lengths",
    );
    for rule in [
        "{action: Reject, matchOperator: NotIn, cidr: 0.0.0.0/0, prefixLength: {max: 24}}",
        "{action: Reject, matchOperator: NotEqual, cidr: 0.0.0.0/0}",
        "{action: Reject, matchOperator: In, cidr: 0.0.0.0/0}",
    ] {
        let text = with_filter(&format!("  importV4: [{rule}]\n"));
        assert!(parse_speaker("bgp.yaml", &text).is_ok(), "{rule}");
    }
}

#[test]
fn half_a_match() {
    refuses(
        "{action: Accept, cidr: 10.0.0.0/8}",
        ".matchOperator",
        "is required with cidr; add matchOperator: Equal, NotEqual, In or NotIn",
    );
    refuses(
        "{action: Accept, matchOperator: In}",
        ".cidr",
        "is required with matchOperator; add cidr, or remove matchOperator to match every route",
    );
    refuses(
        "{action: Accept, prefixLength: {max: 24}}",
        ".cidr",
        "is required with prefixLength; add matchOperator: In and cidr: 0.0.0.0/0, or whichever is meant",
    );
}

#[test]
fn wrong_family() {
    refuses(
        "{action: Accept, matchOperator: In, cidr: \"fd00::/48\"}",
        ".cidr",
        "fd00::/48 is IPv6, and this list is for the other family; move the rule from the V4 \
         list to the V6 list",
    );
    speaker_refuses(
        &with_filter("  importV6:\n    - {action: Accept, matchOperator: In, cidr: 10.0.0.0/8}\n"),
        &[
            "bgp.yaml:13: spec.importV6[0].cidr (BGPFilter from-fabric): 10.0.0.0/8 is IPv4, and \
           this list is for the other family; move the rule from the V6 list to the V4 list",
        ],
    );
}

#[test]
fn host_bits() {
    refuses(
        "{action: Accept, matchOperator: In, cidr: 10.244.1.0/16}",
        ".cidr",
        "10.244.1.0/16 has host bits set; the network is 10.244.0.0/16",
    );
}
