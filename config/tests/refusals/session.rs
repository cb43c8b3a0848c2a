//! What a session with a neighbour, or with those of a range, cannot be.

use super::*;

/// One object, whose spec is in line 12.
#[track_caller]
fn refuses(fields: &str, expected: &[&str]) {
    let expected: Vec<String> = expected
        .iter()
        .map(|text| format!("bgp.yaml:12: spec.{text}"))
        .collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    speaker_refuses(&with_peer(&format!("  {{{fields}}}\n")), &expected);
}

#[track_caller]
fn accepts(fields: &str) {
    let text = with_peer(&format!("  {{{fields}}}\n"));
    parse_speaker("bgp.yaml", &text).unwrap_or_else(|errors| panic!("{errors}"));
}

const STATIC: &str = "peerIP: 10.0.1.1, asNumber: 65000";

#[test]
fn local_as() {
    refuses(
        &format!("{STATIC}, localASNumber: 65001"),
        &[
            "localASNumber (BGPPeer tor-a): 65001 is the speaker's own AS (spec.asNumber of \
           BGPConfiguration); remove it, or write the other AS that this neighbour shall see",
        ],
    );
    refuses(
        &format!("{STATIC}, localASNumber: 0"),
        &["localASNumber (BGPPeer tor-a): AS 0 is reserved (RFC 7607); write 1 to 4294967295"],
    );
    refuses(
        "peerIP: 10.0.1.1, asNumber: 23456",
        &[
            "asNumber (BGPPeer tor-a): AS 23456 is reserved (AS_TRANS, RFC 6793); write 1 to \
           4294967295",
        ],
    );
    // The same as the neighbour's: iBGP with an AS of another network.
    let internal = "peerIP: 10.0.1.1, asNumber: 65000, localASNumber: 65000";
    accepts(internal);
    let role = "role (BGPPeer tor-a): is for eBGP, and this neighbour has this side's AS \
                (RFC 9234 §4.1); remove it";
    refuses(&format!("{internal}, role: customer"), &[role]);
    let multihop = "multihop (BGPPeer tor-a): is for eBGP, and this neighbour has this side's AS: \
                    iBGP goes over routers anyway; remove it";
    refuses(&format!("{internal}, multihop: 3"), &[multihop]);
    refuses("peerIP: 10.0.1.1, asNumber: 65001, role: peer", &[role]);
    // With another AS on this side, the speaker's own is somebody else's.
    accepts("peerIP: 10.0.1.1, asNumber: 65001, localASNumber: 65009, role: peer, multihop: 2");
    accepts("peerIP: 10.0.1.1, asNumber: internal, localASNumber: 65009, ttlSecurity: 1");
}

#[test]
fn hops() {
    refuses(
        &format!("{STATIC}, ttlSecurity: 2, multihop: 2"),
        &[
            "multihop (BGPPeer tor-a): does not go with ttlSecurity, which sends with TTL 255 itself; \
           remove it, and write the number of hops as ttlSecurity; or remove ttlSecurity",
        ],
    );
    refuses(
        &format!("{STATIC}, ttlSecurity: 0"),
        &["ttlSecurity (BGPPeer tor-a): 0 is out of range; write 1 to 254"],
    );
}

#[test]
fn keepalives() {
    refuses(
        &format!("{STATIC}, keepaliveSeconds: 31"),
        &[
            "keepaliveSeconds (BGPPeer tor-a): 31 is more than a third of holdTimeSeconds 90 (the \
           default): one lost keepalive too many would end the session (RFC 4271 §4.4); write 1 to \
           30, or a longer hold time",
        ],
    );
    refuses(
        &format!("{STATIC}, keepaliveSeconds: 4, profile: dc"),
        &[
            "keepaliveSeconds (BGPPeer tor-a): 4 is more than a third of holdTimeSeconds 9 (of profile \
           dc): one lost keepalive too many would end the session (RFC 4271 §4.4); write 1 to 3, or \
           a longer hold time",
        ],
    );
    refuses(
        &format!("{STATIC}, keepaliveSeconds: 1, holdTimeSeconds: 0"),
        &[
            "keepaliveSeconds (BGPPeer tor-a): does not go with holdTimeSeconds 0, with which there \
           are no keepalives; remove it, or write a hold time of at least 3",
        ],
    );
    // Only the hold time is to blame.
    refuses(
        &format!("{STATIC}, keepaliveSeconds: 40, holdTimeSeconds: none"),
        &[r#"holdTimeSeconds (BGPPeer tor-a): wrong type: string "none"; write a whole number"#],
    );
    accepts(&format!(
        "{STATIC}, keepaliveSeconds: 21845, holdTimeSeconds: 65535"
    ));
}

#[test]
fn ranges() {
    refuses(
        "peerRange: 10.0.1.0/24, asNumber: internal, connectRetrySeconds: 5, passive: false",
        &[
            "connectRetrySeconds (BGPPeer tor-a): is about dialling, and neighbours of a peerRange \
             are never dialled; remove it",
            "passive (BGPPeer tor-a): is about dialling, and neighbours of a peerRange are never \
             dialled; remove it",
        ],
    );
    for (range, reason) in [
        (
            "224.0.0.0/8",
            "nobody connects from 224.0.0.0/8: it is multicast; write the network that the \
             neighbours' addresses are in",
        ),
        (
            "'fe80::/64'",
            "nobody connects from fe80::/64: it is link-local, and says nothing without a link \
             (peerInterface); write the network that the neighbours' addresses are in",
        ),
        (
            "10.0.1.1",
            "10.0.1.1 has no prefix length; write 10.0.1.1/32 for the one address",
        ),
    ] {
        refuses(
            &format!("peerRange: {range}, asNumber: internal"),
            &[&format!("peerRange (BGPPeer tor-a): {reason}")],
        );
    }
    accepts("peerRange: '::/0', asNumber: external");
}

#[test]
fn links() {
    refuses(
        "peerInterface: eth0, asNumber: external, multihop: 2, sourceAddress: 10.0.1.11, \
         maximumPeers: 2",
        &[
            "multihop (BGPPeer tor-a): is for neighbours behind routers, and link-local addresses are \
             never routed; remove it",
            "sourceAddress (BGPPeer tor-a): does not go with a link-local neighbour: the link's own \
             link-local address is the source; remove it; nodeAddresses of BGPConfiguration has what \
             learned routes use",
            "maximumPeers (BGPPeer tor-a): is about dynamic neighbours, and there is one neighbour on a \
             link; remove it, or write peerRange instead",
        ],
    );
    refuses(
        "peerIP: 'fe80::1%eth0', asNumber: 1, multihop: 2",
        &[
            "multihop (BGPPeer tor-a): is for neighbours behind routers, and link-local addresses are \
             never routed; remove it",
        ],
    );
    refuses(
        "peerIP: 10.0.1.1, peerInterface: eth0, asNumber: 1",
        &[
            "peerInterface (BGPPeer tor-a): does not go with peerIP: a neighbour is an address or \
             whoever is on the link; remove one of them; a link-local peerIP names its link itself: \
             fe80::1%eth0",
        ],
    );
    refuses(
        "peerRange: 10.0.1.0/24, peerInterface: eth0, asNumber: 1",
        &[
            "peerInterface (BGPPeer tor-a): does not go with peerRange: there is one neighbour on a \
             link; remove one of them, or write two BGPPeer objects",
        ],
    );
    for (name, reason) in [
        ("lo", "lo is this node itself: there is no neighbour on it"),
        ("''", "\"\" is not the name of an interface"),
        (
            "eth/0",
            "\"eth/0\" has '/', which no interface has in its name",
        ),
        (
            "averyverylongname",
            "\"averyverylongname\" is longer than the 15 characters that the name of an interface has \
             at most",
        ),
    ] {
        let hint = "write a name such as eth0, or a pattern such as eth*";
        refuses(
            &format!("peerInterface: {name}, asNumber: internal"),
            &[&format!("peerInterface (BGPPeer tor-a): {reason}; {hint}")],
        );
    }
    accepts("peerInterface: eth0, asNumber: external, ttlSecurity: 1, passive: true, password: x");
    accepts("peerInterface: 'e*', asNumber: internal");
    accepts("peerIP: 'fe80::1%eth0', asNumber: 65000, peerPort: 1179");
}

#[test]
fn two_on_one_link() {
    let hint = "there is one session with whoever is on a link; remove one of the two, or write both as \
                link-local peerIP";
    let refused = |first: &str, second: &str, path: &str, link: &str| {
        second_refused(
            &format!("{first}, asNumber: external"),
            &format!("{second}, asNumber: external"),
            &format!(
                "{path} (BGPPeer tor-b): {link} is already the link of BGPPeer tor-a (line 12); {hint}"
            ),
        );
    };
    let eth0 = "peerInterface: eth0";
    refused(eth0, eth0, "peerInterface", "eth0");
    refused(
        "peerInterface: e*",
        "peerInterface: e*",
        "peerInterface",
        "e*",
    );
    refused(eth0, "peerIP: 'fe80::1%eth0'", "peerIP", "eth0");
    refused(
        "peerIP: 'fe80::1%eth0'",
        "peerIP: 'fe80:0::1%eth0'",
        "peerIP",
        "eth0",
    );
    for (first, second) in [
        ("peerIP: 'fe80::1%eth0'", "peerIP: 'fe80::2%eth0'"),
        ("peerIP: 'fe80::1%eth0'", "peerIP: 'fe80::1%eth1'"),
        ("peerInterface: e*", "peerInterface: eth*"),
        ("peerInterface: e*", "peerInterface: eth0"),
    ] {
        let text = two(
            &format!("{first}, asNumber: external"),
            &format!("{second}, asNumber: external"),
        );
        parse_speaker("bgp.yaml", &text).expect(second);
    }
}

#[test]
fn who_waits_on_a_link_is_listened_for() {
    let text = with_peer("  {peerInterface: eth0, asNumber: external, passive: true}\n");
    let text = text.replacen("spec:\n", "spec:\n  bindAddresses: ['fd00::1']\n", 1);
    speaker_refuses(
        &text,
        &[
            "bgp.yaml:13: spec.peerInterface (BGPPeer tor-a): eth0 is only waited for, and \
           spec.bindAddresses of BGPConfiguration has no link-local address: it could never connect; \
           remove passive, so that it is dialled, or remove bindAddresses",
        ],
    );
}

fn two(first: &str, second: &str) -> String {
    let first = with_peer(&format!("  {{{first}}}\n"));
    format!(
        "{first}{}",
        object("BGPPeer", "tor-b", &format!("  {{{second}}}\n"))
    )
}

/// The second one is refused, in line 18.
#[track_caller]
fn second_refused(first: &str, second: &str, expected: &str) {
    speaker_refuses(
        &two(first, second),
        &[&format!("bgp.yaml:18: spec.{expected}")],
    );
}

#[test]
fn ranges_and_addresses_within_one_another() {
    let outer = "peerRange: 10.0.0.0/16, asNumber: external";
    let text = two(
        outer,
        "peerRange: 10.0.1.0/24, asNumber: internal, password: x",
    );
    parse_speaker("bgp.yaml", &text).unwrap();
    let text = two(
        &format!("{outer}, password: a"),
        "peerIP: 10.0.1.1, asNumber: 1, password: b",
    );
    parse_speaker("bgp.yaml", &text).unwrap();
    second_refused(
        outer,
        "peerRange: 10.0.0.0/16, asNumber: 1",
        "peerRange (BGPPeer tor-b): 10.0.0.0/16 is already the range of BGPPeer tor-a (line 12); a \
         connection belongs to one BGPPeer; remove one of the two",
    );
    second_refused(
        "peerIP: 10.0.0.1, asNumber: 1",
        "peerRange: 10.0.0.1/32, asNumber: 1",
        "peerRange (BGPPeer tor-b): 10.0.0.1/32 is already the only address of BGPPeer tor-a \
         (line 12); a range of one address leaves nothing beside it; remove one of the two",
    );
}

#[test]
fn keys_of_a_range_are_for_all_in_it() {
    let lies = "lies in the range 10.0.0.0/16 of BGPPeer tor-a (line 12), which has";
    let outer = "peerRange: 10.0.0.0/16, asNumber: external";
    second_refused(
        &format!("{outer}, password: geheim"),
        "peerRange: 10.0.1.0/24, asNumber: 1",
        &format!(
            "peerRange (BGPPeer tor-b): 10.0.1.0/24 {lies} a key: the kernel drops what comes from \
             there without a signature; give this one a password or keys, too, of the same kind; or \
             take it out of the range"
        ),
    );
    let keys = |ids: &str| {
        format!("tcpAO: {{keys: [{{{ids}, algorithm: hmac-sha-1-96, secret: geheim}}]}}")
    };
    let mine = keys("sendID: 1, receiveID: 1");
    second_refused(
        &format!("{outer}, {mine}"),
        "peerIP: 10.0.1.1, asNumber: 1, password: geheim",
        &format!(
            "peerIP (BGPPeer tor-b): 10.0.1.1 {lies} signatures of the other kind: the kernel takes \
             one kind for an address; write password in both, or tcpAO in both"
        ),
    );
    second_refused(
        &format!("{outer}, {mine}"),
        &format!(
            "peerIP: 10.0.1.1, asNumber: 1, {}",
            keys("sendID: 2, receiveID: 1")
        ),
        &format!(
            "peerIP (BGPPeer tor-b): 10.0.1.1 {lies} a TCP-AO key with the same ID: the kernel keeps \
             one; give the keys of this one other IDs, on both sides"
        ),
    );
    let other = keys("sendID: 2, receiveID: 2");
    let text = two(
        &format!("{outer}, {mine}"),
        &format!("peerIP: 10.0.1.1, asNumber: 1, {other}"),
    );
    parse_speaker("bgp.yaml", &text).unwrap();
}

#[test]
fn who_is_waited_for_must_find_a_listener() {
    let bound = NODE.to_owned() + "  bindAddresses: [10.0.1.11]\n";
    let text = |fields: &str| {
        format!(
            "{bound}{}",
            object("BGPPeer", "tor-a", &format!("  {{{fields}}}\n"))
        )
    };
    let reason = "is only waited for, and spec.bindAddresses of BGPConfiguration has no IPv6 address: \
                  it could never connect; add an IPv6 address to bindAddresses, or remove \
                  bindAddresses";
    speaker_refuses(
        &text("peerIP: 'fd00::1', passive: true, asNumber: 1"),
        &[&format!(
            "bgp.yaml:13: spec.peerIP (BGPPeer tor-a): fd00::1 {reason}"
        )],
    );
    speaker_refuses(
        &text("peerRange: 'fd00::/64', asNumber: 1"),
        &[&format!(
            "bgp.yaml:13: spec.peerRange (BGPPeer tor-a): fd00::/64 {reason}"
        )],
    );
    for fine in [
        "peerIP: 'fd00::1', asNumber: 1",
        "peerIP: 10.0.1.1, passive: true, asNumber: 1",
    ] {
        parse_speaker("bgp.yaml", &text(fine)).unwrap();
    }
    speaker_refuses(
        &(NODE.to_owned() + "  bindAddresses: []\n"),
        &[
            "bgp.yaml:7: spec.bindAddresses (BGPConfiguration default): is empty, and nobody could \
           connect; write this node's addresses, or leave it out for all",
        ],
    );
}

#[test]
fn keys() {
    let start = format!("{STATIC}, tcpAO:");
    refuses(
        &format!("{start} {{keys: []}}"),
        &["tcpAO.keys (BGPPeer tor-a): is empty; write at least one key, or remove tcpAO"],
    );
    // An empty variable of a template must not switch it off.
    refuses(
        &start,
        &["tcpAO.keys (BGPPeer tor-a): is required; add keys"],
    );
    let many: Vec<String> = (0..9)
        .map(|id| {
            format!("{{sendID: {id}, receiveID: {id}, algorithm: hmac-sha-1-96, secret: geheim}}")
        })
        .collect();
    refuses(
        &format!("{start} {{keys: [{}]}}", many.join(", ")),
        &[
            "tcpAO.keys (BGPPeer tor-a): has 9 keys; keep at most 8: what is in use, and what comes \
           next",
        ],
    );
    refuses(
        &format!("{start} {{keys: [{}]}}, password: geheim", many[0]),
        &[
            "tcpAO (BGPPeer tor-a): does not go with password: a session has signatures of one kind; \
           remove password once the neighbour has the keys, too, or remove tcpAO",
        ],
    );
}

/// However it is written, the secret of a key is in no error.
#[test]
fn secrets_of_keys_are_not_shown() {
    let key = "sendID: 1, receiveID: 1, algorithm: hmac-sha-1-96";
    for wrong in [
        "tcpAO: geheim".to_owned(),
        "tcpAO: [geheim]".to_owned(),
        "tcpAO: {keys: geheim}".to_owned(),
        "tcpAO: {keys: [geheim]}".to_owned(),
        "tcp-ao: geheim".to_owned(),
        "tcpAO: {key: geheim}".to_owned(),
        "tcpAO: {secret: geheim}".to_owned(),
        format!("tcpAO: {{keys: [{{{key}, secret: [geheim]}}]}}"),
        format!("tcpAO: {{keys: [{{{key}, secret: {{geheim: 1}}}}]}}"),
        format!("tcpAO: {{keys: [{{{key}, secret: geheim, secret: geheim}}]}}"),
        format!("tcpAO: {{keys: [{{{key}, secert: geheim}}]}}"),
        format!("tcpAO: {{keys: [{{{key}, secret=geheim}}]}}"),
        format!("tcpAO: {{keys: [{{{key}, secret:geheim}}]}}"),
        format!("tcpAO: {{keys: [{{{key}, Secret=geheim: 1}}]}}"),
        format!("tcpAO: {{keys: [{{{key}, secret: \"geheim\\n\"}}]}}"),
        format!("tcpAO: {{keys: [{{{key}, secret: !geheim x}}]}}"),
        format!("tcpAO: {{keys: [{{{key}, secret: \"geheim}}]}}"),
        format!("tcpAO: {{keys: [{{{key}, secret: *geheim}}]}}"),
        format!("tcpAO: {{keys: [{{{key}, secret: &s geheim}}]}}, filters: [*s], passive: *s"),
        format!(
            "tcpAO: {{keys: [{{{key}, secret: {}}}]}}",
            "geheim".repeat(20)
        ),
        format!("tcpAO: {{keys: {{{key}, secret: geheim}}}}"),
        "tcpAO: {keys: [{sendID: geheim, secret: geheim}]}, password: geheim".to_owned(),
    ] {
        let text = with_peer(&format!("  {{{STATIC}, {wrong}}}\n"));
        let errors = parse_speaker("bgp.yaml", &text).expect_err(&wrong);
        let shown = format!("{errors} {errors:?}");
        assert!(!shown.contains("geheim"), "{wrong}: {errors}");
    }
    let text = with_peer(&format!(
        "  {{{STATIC}, tcpAO: {{keys: [{{{key}, secret: geheim}}]}}}}\n"
    ));
    let config = parse_speaker("bgp.yaml", &text).unwrap();
    assert!(!format!("{config:?}").contains("geheim"), "{config:?}");
    // Its number is nobody's secret.
    let text = with_peer(&format!(
        "  {{{STATIC}, tcpAO: {{keys: [{{{key}, secret: geheim}}]}}, sourceAddress: '1'}}\n"
    ));
    let shown = parse_speaker("bgp.yaml", &text).unwrap_err().to_string();
    assert!(shown.contains(r#""1" is not an IP address"#), "{shown}");
}
