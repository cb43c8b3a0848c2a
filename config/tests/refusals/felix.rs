//! `felix-lite`'s file.

use super::*;

#[test]
fn pod_ranges() {
    let text =
        |pods: &str| FELIX.replace("[10.244.1.0/24]", pods) + "  clusterCIDRs: [10.244.0.0/16]\n";
    felix_refuses(
        &text("[10.245.1.0/24]"),
        &[
            "felix.yaml:5: spec.podCIDRs[0] (FelixConfiguration default): 10.245.1.0/24 is not \
           within clusterCIDRs (10.244.0.0/16); add its range to clusterCIDRs, or correct one of the two",
        ],
    );
    felix_refuses(
        &text("[10.244.1.0/24, 10.244.1.0/25]"),
        &[
            "felix.yaml:5: spec.podCIDRs[1] (FelixConfiguration default): 10.244.1.0/25 overlaps \
           10.244.1.0/24 (line 5); list disjoint prefixes, or 10.244.1.0/24 alone",
        ],
    );
    felix_refuses(
        &text("[10.244.1.1/24]"),
        &[
            "felix.yaml:5: spec.podCIDRs[0] (FelixConfiguration default): 10.244.1.1/24 has host \
           bits set; the network is 10.244.1.0/24",
        ],
    );
    felix_refuses(
        &text("[]"),
        &[
            "felix.yaml:5: spec.podCIDRs (FelixConfiguration default): is empty; list the node's own \
           pod ranges, such as [10.244.1.0/24]",
        ],
    );
    felix_refuses(
        &text("[0.0.0.0/0]"),
        &[
            "felix.yaml:5: spec.podCIDRs[0] (FelixConfiguration default): 0.0.0.0/0 is everything, \
           and felix-lite blackholes unused pod ranges; write the node's own range",
        ],
    );
}

#[test]
fn what_the_plugin_would_refuse() {
    let at = "spec.podCIDRs[0] (FelixConfiguration default)";
    for (range, reason) in [
        (
            "10.244.1.0/31",
            "10.244.1.0/31 is too small to give out addresses to pods; write a range of /30 or larger",
        ),
        (
            "'fd00::/128'",
            "fd00::/128 is too small to give out addresses to pods; write a range of /126 or larger",
        ),
        (
            "240.0.1.0/24",
            "240.0.1.0/24 is reserved (RFC 1112), and no pod can have such an address; write a \
             private range such as 10.244.1.0/24",
        ),
        (
            "'::/64'",
            "::/64 has addresses that are loopback (::1/128), and no pod can have such an address; \
             write one inside of fd00::/8 or of your global prefix",
        ),
    ] {
        let text = FELIX.replace("10.244.1.0/24", range) + "  masquerade: false\n";
        felix_refuses(&text, &[&format!("felix.yaml:5: {at}: {reason}")]);
    }
    let text = |pods: &str, mtu: u32| {
        FELIX.replace("10.244.1.0/24", pods)
            + &format!("  masquerade: false\n  cni: {{mtu: {mtu}}}\n")
    };
    let dual = "10.244.1.0/24, 'fd00::/64'";
    felix_refuses(
        &text(dual, 1279),
        &[
            "felix.yaml:7: spec.cni.mtu (FelixConfiguration default): 1279 is too small for pods \
             with IPv6, which needs 1280 (RFC 8200); write at least 1280, leave it out to follow \
             the uplinks, or take the IPv6 ranges out of podCIDRs",
        ],
    );
    parse_felix("felix.yaml", &text(dual, 1280)).unwrap();
    parse_felix("felix.yaml", &text("10.244.1.0/24", 576)).unwrap();
}

#[test]
fn an_empty_list_is_reported_where_it_is() {
    for value in ["[]", "~", "null", ""] {
        let text = format!(
            "{}  # far below the name\n\n  podCIDRs: {value}\n  masquerade: false\n",
            FELIX.replace("  podCIDRs: [10.244.1.0/24]\n", "")
        );
        felix_refuses(
            &text,
            &[
                "felix.yaml:7: spec.podCIDRs (FelixConfiguration default): is empty; list the node's \
                 own pod ranges, such as [10.244.1.0/24]",
            ],
        );
    }
}

#[test]
fn masquerade_without_cluster_ranges() {
    let reason = "needs an IPv4 range with masquerade (which is on unless it is switched off): \
                  without one, traffic between IPv4 pods of different nodes would be translated; \
                  list the IPv4 ranges of all pods of the cluster, or write masquerade: false";
    let field = "spec.clusterCIDRs (FelixConfiguration default)";
    felix_refuses(FELIX, &[&format!("felix.yaml:5: {field}: {reason}")]);
    felix_refuses(
        &format!("{FELIX}  masquerade: true\n"),
        &[&format!("felix.yaml:6: {field}: {reason}")],
    );
    parse_felix("felix.yaml", &format!("{FELIX}  masquerade: false\n")).unwrap();
}

#[test]
fn each_translated_family_needs_its_cluster_ranges() {
    let text =
        |pods: &str, rest: &str| FELIX.replace("[10.244.1.0/24]", pods) + &rest.replace('|', "\n");
    let v4 = "10.244.1.0/24";
    let v6 = "'fd00:10:244:1::/64'";
    let both = format!("[{v4}, {v6}]");
    let accepted = |pods: &str, rest: &str| {
        parse_felix("felix.yaml", &text(pods, rest)).unwrap_or_else(|errors| panic!("{errors}"))
    };
    // Not translated by default.
    let config = accepted(&format!("[{v6}]"), "");
    assert!(config.masquerade && !config.masquerade_ipv6);
    accepted(&both, "  clusterCIDRs: [10.244.0.0/16]|");
    // Said for the whole cluster; this node has no pods of that family.
    let config = accepted(
        &format!("[{v4}]"),
        "  clusterCIDRs: [10.244.0.0/16]|  masqueradeIPv6: true|",
    );
    assert!(config.masquerade_ipv6);
    let whole = "  clusterCIDRs: [10.244.0.0/16, 'fd00:10:244::/48']|  masqueradeIPv6: true|";
    assert_eq!(accepted(&both, whole).pod_cidrs.len(), 2);
    felix_refuses(
        &text(
            &both,
            "  clusterCIDRs: [10.244.0.0/16]|  masqueradeIPv6: true|",
        ),
        &[
            "felix.yaml:7: spec.clusterCIDRs (FelixConfiguration default): needs an IPv6 range \
           with masqueradeIPv6: without one, traffic between IPv6 pods of different nodes would \
           be translated; list the IPv6 ranges of all pods of the cluster, or write \
           masqueradeIPv6: false",
        ],
    );
    // The other family's ranges are no reason against a range.
    felix_refuses(
        &text(
            "['fd00:10:245:1::/64']",
            "  clusterCIDRs: [10.244.0.0/16, 'fd00:10:244::/48']|",
        ),
        &[
            "felix.yaml:5: spec.podCIDRs[0] (FelixConfiguration default): fd00:10:245:1::/64 is not \
           within clusterCIDRs (fd00:10:244::/48); add its range to clusterCIDRs, or correct one \
           of the two",
        ],
    );
    // What cannot be read may have been meant for the family: one mistake, one error.
    felix_refuses(
        &text(&format!("[{v4}]"), "  clusterCIDRs: [10.244.0.0]|"),
        &[
            "felix.yaml:6: spec.clusterCIDRs[0] (FelixConfiguration default): 10.244.0.0 has no \
           prefix length; write 10.244.0.0/32 for the one address",
        ],
    );
}

#[test]
fn everything_else() {
    let text = format!(
        "{FELIX}  clusterCIDRs: [10.244.0.0/16]\n  refreshIntervalSeconds: 0\n  kernel: {{protocol: 186}}\n  \
         cni:\n    confDir: etc\n    confName: rcni.json\n    networkName: a/b\n    mtu: 100\n    dataDir: ../x\n"
    );
    let at = |line: usize, field: &str, reason: &str| {
        format!("felix.yaml:{line}: spec.{field} (FelixConfiguration default): {reason}")
    };
    let expected = [
        at(
            7,
            "refreshIntervalSeconds",
            "0 is out of range; write 1 to 86400",
        ),
        at(
            8,
            "kernel.protocol",
            "route protocol 186 belongs to FRR, whose zebra deletes 186 to 199 when it starts; \
             leave it out for 77, or write 5 to 255 without 11, 12, 80 and 186 to 199",
        ),
        at(
            10,
            "cni.confDir",
            "\"etc\" cannot be used; write an absolute path such as /etc/cni/net.d",
        ),
        at(
            11,
            "cni.confName",
            "\"rcni.json\" cannot be used; write a plain file name that ends with .conflist, such \
             as 10-rcni.conflist",
        ),
        at(
            12,
            "cni.networkName",
            "\"a/b\" cannot be used; begin with a letter or digit; then letters, digits, _ . and - \
             (CNI specification)",
        ),
        at(13, "cni.mtu", "100 is out of range; write 576 to 65535"),
        at(
            14,
            "cni.dataDir",
            "\"../x\" cannot be used; write an absolute path such as /var/lib/cni/networks",
        ),
    ];
    felix_refuses(&text, &expected.each_ref().map(String::as_str));
}

#[test]
fn a_kind_of_the_speaker() {
    felix_refuses(
        &format!(
            "{FELIX}  clusterCIDRs: [10.244.0.0/16]\n{}",
            object("BGPPeer", "a", "  x: 1\n")
        ),
        &[
            "felix.yaml:9: kind (BGPPeer a): a BGPPeer does not belong into this file; move it to \
           the other program's (/etc/rcni/bgp.yaml)",
            "felix.yaml:12: spec.x (BGPPeer a): unknown field; known here: peerIP, peerRange, peerInterface, \
           maximumPeers, asNumber, localASNumber, peerPort, passive, sourceAddress, multihop, \
           ttlSecurity, profile, holdTimeSeconds, keepaliveSeconds, bfdProfile, connectRetrySeconds, families, \
           addPath, extendedMessages, role, roleStrict, enforceFirstAS, numAllowedLocalASNumbers, asOverride, removePrivateAS, nextHopMode, routeReflectorClient, maximumPrefixes, honorGracefulShutdown, password, tcpAO, filters",
            "felix.yaml:12: spec.asNumber (BGPPeer a): is required; add asNumber",
            "felix.yaml:12: spec.peerIP (BGPPeer a): is required; add peerIP, or peerRange for all \
           that connect from a prefix, or peerInterface for whoever is on a link",
        ],
    );
    felix_refuses(
        &(FELIX.replace(
            "metadata: {name: default}",
            "metadata: {name: default, x: 1}",
        ) + "  masquerade: false\n"),
        &["felix.yaml:3: metadata.x (FelixConfiguration default): unknown field; known here: name"],
    );
}

fn of_kind(kind: &str) -> String {
    format!(
        "apiVersion: v1\n{kind}metadata: {{name: A}}\nspec:\n  podCIDRs: [10.244.1.1/24]\n  \
             masquerade: false\n  x: 1\n"
    )
}

/// What is wrong besides; the name is in line `first`.
fn besides_the_kind(first: usize) -> [String; 4] {
    let at = |line: usize, field: &str, reason: &str| {
        format!("felix.yaml:{line}: {field} (FelixConfiguration A): {reason}")
    };
    [
        at(
            1,
            "apiVersion",
            "unknown version \"v1\"; write rcni.io/v1alpha1",
        ),
        at(
            first,
            "metadata.name",
            "an object's name has only a-z, 0-9, - and ., and begins and ends with a letter or \
                 digit; write one such as tor-a",
        ),
        at(
            first + 2,
            "spec.podCIDRs[0]",
            "10.244.1.1/24 has host bits set; the network is 10.244.1.0/24",
        ),
        at(
            first + 4,
            "spec.x",
            "unknown field; known here: podCIDRs, clusterCIDRs, nodeCIDRs, nonMasqueradeCIDRs, \
                 masquerade, masqueradeIPv6, nodeAddresses, iptablesBackend, \
                 nexthopCompatMode, refreshIntervalSeconds, cni, kernel",
        ),
    ]
}

#[test]
fn the_compat_mode_is_a_word() {
    for (given, reason) in [
        (
            "0",
            "wrong type: integer `0`; write one of auto, enabled, disabled",
        ),
        (
            "Auto",
            "unknown value \"Auto\"; did you mean auto? Write one of auto, enabled, disabled",
        ),
        (
            "off",
            "unknown value \"off\"; write one of auto, enabled, disabled",
        ),
    ] {
        felix_refuses(
            &format!("{FELIX}  clusterCIDRs: [10.244.0.0/16]\n  nexthopCompatMode: {given}\n"),
            &[&format!(
                "felix.yaml:7: spec.nexthopCompatMode (FelixConfiguration default): {reason}"
            )],
        );
    }
}

/// A wrong kind hides nothing: what the document was meant to be is looked at.
#[test]
fn a_wrong_kind_and_everything_else() {
    for (kind, error) in [
        (
            "kind: FelixConfig\n",
            r#"kind (FelixConfig A): unknown kind "FelixConfig"; write FelixConfiguration"#,
        ),
        (
            "kind: Node\n",
            r#"kind (Node A): unknown kind "Node"; write FelixConfiguration"#,
        ),
        (
            "kind: BGPConfiguration\n",
            "kind (BGPConfiguration A): a BGPConfiguration does not belong into this file; write \
             FelixConfiguration, which has such fields, or move it to the other program's \
             (/etc/rcni/bgp.yaml)",
        ),
        (
            "kind: [x]\n",
            "kind (A): is not a kind; write FelixConfiguration",
        ),
    ] {
        let [first, others @ ..] = besides_the_kind(3);
        let kind_error = format!("felix.yaml:2: {error}");
        let mut expected = vec![first.as_str(), kind_error.as_str()];
        expected.extend(others.iter().map(String::as_str));
        felix_refuses(&of_kind(kind), &expected);
    }
    let shown = parse_felix("felix.yaml", &of_kind(""))
        .unwrap_err()
        .to_string();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 5, "{shown}");
    let missing = "felix.yaml:1: kind (A): is required; write FelixConfiguration";
    assert!(lines.contains(&missing), "{shown}");
    assert!(
        besides_the_kind(2)
            .iter()
            .all(|error| lines.contains(&error.as_str())),
        "{shown}"
    );
}

#[test]
fn node_addresses_are_those_of_the_other_file() {
    let text = format!(
        "{FELIX}  clusterCIDRs: [10.244.0.0/16]\n  nodeAddresses: [10.255.1.1, 'fd00:255::1']\n"
    );
    let config = rcni_config::parse_felix("felix.yaml", &text).unwrap();
    assert_eq!(config.node_addresses.v4, Some([10, 255, 1, 1].into()));
    assert_eq!(config.node_addresses.v6, "fd00:255::1".parse().ok());
    let text = format!(
        "{FELIX}  clusterCIDRs: [10.244.0.0/16]\n  nodeAddresses: [10.255.1.1/32, 127.0.0.1, 10.255.1.2, 10.255.1.3]\n"
    );
    let errors = rcni_config::parse_felix("felix.yaml", &text).unwrap_err();
    let errors = errors.to_string();
    for part in [
        "write 10.255.1.1",
        "others could not answer it",
        "a second IPv4 address",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
}
