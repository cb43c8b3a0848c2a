//! Neighbours.

use rcni_config::{AddressFamily, Security};

use super::*;

#[test]
fn two_with_one_address() {
    let spec = "  peerIP: 10.0.1.1\n  asNumber: 65000\n";
    speaker_refuses(
        &format!("{}{}", with_peer(spec), object("BGPPeer", "tor-b", spec)),
        &[
            "bgp.yaml:19: spec.peerIP (BGPPeer tor-b): 10.0.1.1 is already the address of BGPPeer \
           tor-a (line 12); there is one session to one address; remove one of the two",
        ],
    );
    let v6 = |ip: &str| format!("  peerIP: {ip}\n  asNumber: 65000\n");
    speaker_refuses(
        &format!(
            "{}{}",
            with_peer(&v6("fd00::1")),
            object("BGPPeer", "tor-b", &v6("FD00:0::1"))
        ),
        &[
            "bgp.yaml:19: spec.peerIP (BGPPeer tor-b): fd00::1 is already the address of BGPPeer \
           tor-a (line 12); there is one session to one address; remove one of the two",
        ],
    );
}

#[test]
fn addresses_of_nobody() {
    let refuses = |given: &str, reason: &str| {
        speaker_refuses(
            &with_peer(&format!("  peerIP: {given}\n  asNumber: 65000\n")),
            &[&format!(
                "bgp.yaml:12: spec.peerIP (BGPPeer tor-a): {reason}"
            )],
        );
    };
    refuses(
        "tor",
        r#""tor" is not an IP address; write one such as 10.0.1.1 or fd00::1"#,
    );
    refuses(
        "10.0.1.1/24",
        r#""10.0.1.1/24" is not an IP address; write one such as 10.0.1.1 or fd00::1"#,
    );
    refuses(
        "0.0.0.0",
        "0.0.0.0 is no host's address; write the address of one host",
    );
    refuses(
        "224.0.0.5",
        "224.0.0.5 is a multicast address; write the address of one host",
    );
    refuses(
        "255.255.255.255",
        "255.255.255.255 is a broadcast address; write the address of one host",
    );
    refuses(
        "\"::ffff:10.0.1.1\"",
        "::ffff:10.0.1.1 is an IPv4 address in IPv6 form; write 10.0.1.1",
    );
    refuses(
        "fd00::1%eth0",
        "fd00::1 is no link-local address, and %eth0 says nothing of it; write fd00::1",
    );
    refuses(
        "10.0.1.1%eth0",
        "10.0.1.1 is no link-local address, and %eth0 says nothing of it; write 10.0.1.1",
    );
    refuses(
        "fe80::1",
        "fe80::1 is a link-local address, which every link may have; write the interface that leads \
         to it, fe80::1%eth0, or peerInterface: eth0 for whoever is on that link",
    );
    refuses(
        "fe80::1%2",
        "2 is the number of an interface, which changes; write its name, such as fe80::1%eth0; `ip \
         link show` has both",
    );
    refuses(
        "fe80::1%",
        "\"\" is not the name of an interface; write a name after %, such as fe80::1%eth0",
    );
    refuses(
        "fe80::1%eth*",
        "fe80::1 is one neighbour, and eth* may be several links; write one BGPPeer for each link, or \
         peerInterface: eth*",
    );
}

#[test]
fn source_address() {
    let text = |source: &str| {
        with_peer(&format!(
            "  peerIP: 10.0.1.1\n  asNumber: 65000\n  sourceAddress: {source}\n"
        ))
    };
    speaker_refuses(
        &text("10.0.1.1"),
        &[
            "bgp.yaml:14: spec.sourceAddress (BGPPeer tor-a): 10.0.1.1 is also peerIP: a speaker \
           cannot be its own peer; write this node's own address",
        ],
    );
    speaker_refuses(
        &text("fd00::1"),
        &[
            "bgp.yaml:14: spec.sourceAddress (BGPPeer tor-a): fd00::1 and peerIP 10.0.1.1 are of \
           different families; write an address of peerIP's family",
        ],
    );
}

#[test]
fn hold_time() {
    for secs in [1, 2] {
        speaker_refuses(
            &with_peer(&format!(
                "  peerIP: 10.0.1.1\n  asNumber: 65000\n  holdTimeSeconds: {secs}\n"
            )),
            &[
                "bgp.yaml:14: spec.holdTimeSeconds (BGPPeer tor-a): a hold time of 1 or 2 seconds is \
               not allowed (RFC 4271 §4.2); write 0, or 3 to 65535",
            ],
        );
    }
    speaker_refuses(
        &with_peer("  peerIP: 10.0.1.1\n  asNumber: 65000\n  holdTimeSeconds: 65536\n"),
        &[
            "bgp.yaml:14: spec.holdTimeSeconds (BGPPeer tor-a): 65536 is out of range; write 0 to 65535",
        ],
    );
}

#[test]
fn filters_that_do_not_exist_or_are_named_twice() {
    let peer = |filters: &str| {
        with_peer(&format!(
            "  peerIP: 10.0.1.1\n  asNumber: 65000\n  filters: [{filters}]\n"
        ))
    };
    speaker_refuses(
        &peer("from-fabric"),
        &[
            r#"bgp.yaml:14: spec.filters[0] (BGPPeer tor-a): there is no BGPFilter named "from-fabric"; add it as a document of kind BGPFilter"#,
        ],
    );
    let filter = object(
        "BGPFilter",
        "from-fabric",
        "  importV4: [{action: Accept}]\n",
    );
    speaker_refuses(
        &format!("{}{filter}", peer("from-fabric, form-fabric, from-fabric")),
        &[
            r#"bgp.yaml:14: spec.filters[1] (BGPPeer tor-a): there is no BGPFilter named "form-fabric"; did you mean from-fabric? There are: from-fabric"#,
            "bgp.yaml:14: spec.filters[2] (BGPPeer tor-a): from-fabric is listed twice; remove one of them",
        ],
    );
}

#[test]
fn families() {
    let peer = |families: &str| {
        with_peer(&format!(
            "  peerIP: 10.0.1.1\n  asNumber: 65000\n  families: {families}\n"
        ))
    };
    speaker_refuses(
        &peer("[]"),
        &[
            "bgp.yaml:14: spec.families (BGPPeer tor-a): is empty, and a session without a family \
           carries nothing; write [ipv4], [ipv6] or [ipv4, ipv6], or leave it out for both",
        ],
    );
    speaker_refuses(
        &peer("[ipv6, ipv4, ipv6]"),
        &[
            "bgp.yaml:14: spec.families[2] (BGPPeer tor-a): ipv6 is listed twice; remove one of them",
        ],
    );
    speaker_refuses(
        &peer("[ipv4, IPv6]"),
        &[
            r#"bgp.yaml:14: spec.families[1] (BGPPeer tor-a): unknown value "IPv6"; did you mean ipv6? Write one of ipv4, ipv6"#,
        ],
    );
    for (given, expected) in [
        ("[ipv6, ipv4]", &AddressFamily::ALL[..]),
        ("[ipv4]", &[AddressFamily::Ipv4]),
        ("[ipv6]", &[AddressFamily::Ipv6]),
        ("", &AddressFamily::ALL),
    ] {
        let config = parse_speaker("bgp.yaml", &peer(given)).unwrap();
        assert_eq!(config.peers[0].capabilities.families, expected, "{given}");
    }
}

/// Every way to write a password wrong: said, and the password is not shown.
#[test]
fn passwords() {
    let peer = |password: &str| {
        with_peer(&format!(
            "  peerIP: 10.0.1.1\n  asNumber: 65000\n  password: {password}\n"
        ))
    };
    let refuses = |password: &str, reason: &str| {
        speaker_refuses(
            &peer(password),
            &[&format!(
                "bgp.yaml:14: spec.password (BGPPeer tor-a): {reason}"
            )],
        );
    };
    refuses("''", "is empty; write the neighbour's, or remove the field");
    refuses(
        &format!("'{}'", "geheim-".repeat(12)),
        "has 84 bytes, and the kernel takes keys of at most 80; agree on one of 1 to 80 bytes",
    );
    refuses(
        r#""geheim\n""#,
        "has a control character or line end in it; write it in one line, in quotes",
    );
    for no_text in ["4711", "-4711", "true"] {
        refuses(no_text, "wrong type: not a text; write a text in quotes");
    }
    for number in ["47.11", "1e9", "99999999999999999999"] {
        refuses(number, "wrong type: number ***; write a text in quotes");
    }
    refuses("", "has no value; write a text in quotes");
    refuses("[geheim]", "wrong type: a list; write a text in quotes");
    refuses(
        "{geheim: 1}",
        "wrong type: fields (name: value); write a text in quotes",
    );
    // No YAML: even there, what is shown of the text is not the secret.
    for torn in [
        "\"geheim",
        "!geheim x",
        "*geheim",
        "geheim: geheim",
        "geheim\n  \tgeheim",
    ] {
        let shown = parse_speaker("bgp.yaml", &peer(torn)).unwrap_err();
        assert!(!shown.to_string().contains("geheim"), "{torn}: {shown}");
        assert!(
            !format!("{shown:?}").contains("geheim"),
            "{torn}: {shown:?}"
        );
    }
    // Where a space is missing, or where it is used for something else.
    for spec in [
        "  password:geheim\n",
        "  password:geheim: 5\n",
        "  peerIP: 10.0.1.1\n  passwort: &p geheim\n  asNumber: *p\n  sourceAddress: *p\n",
        "  peerIP: &p geheim\n  asNumber: 1\n  password: *p\n  filters: [*p]\n",
    ] {
        let shown = parse_speaker("bgp.yaml", &with_peer(spec)).unwrap_err();
        assert!(!shown.to_string().contains("geheim"), "{spec}: {shown}");
        assert!(
            !format!("{shown:?}").contains("geheim"),
            "{spec}: {shown:?}"
        );
    }
    let config = parse_speaker("bgp.yaml", &peer("ge heim")).unwrap();
    let Security::Md5(password) = &config.peers[0].security else {
        panic!("{config:?}")
    };
    assert_eq!(password.expose(), "ge heim");
    assert!(!format!("{config:?}").contains("heim"), "{config:?}");
}

/// Without a space behind its name, a password is part of the name.
#[test]
fn a_password_in_a_field_s_name_is_not_shown() {
    for field in [
        "password=GEHEIM",
        "Password=GEHEIM: x",
        "password-GEHEIM: x",
        "password.GEHEIM: x",
        "password:GEHEIM: x",
        "\"password GEHEIM\": x",
        "password/GEHEIM: {GEHEIM: 1, GEHEIM: 2}",
        "\"=password=GEHEIM\": 1",
        "pasword=GEHEIM: x",
    ] {
        let start = "{peerIP: 10.0.1.1, asNumber: 1, ";
        let flow = format!("{} {start}{field}}}\n", with_peer("").trim_end());
        let block = with_peer(&format!("  peerIP: 10.0.1.1\n  asNumber: 1\n  {field}\n"));
        for text in [flow, block] {
            let shown = parse_speaker("bgp.yaml", &text)
                .expect_err(field)
                .to_string();
            assert!(!shown.contains("GEHEIM"), "{field}: {shown}");
        }
    }
    speaker_refuses(
        &with_peer("  peerIP: 10.0.1.1\n  asNumber: 1\n  password=GEHEIM: x\n"),
        &[
            "bgp.yaml:14: spec.password (BGPPeer tor-a): unknown field; did you mean password? Known \
             here: peerIP, peerRange, peerInterface, maximumPeers, asNumber, localASNumber, peerPort, passive, \
             sourceAddress, multihop, ttlSecurity, profile, holdTimeSeconds, keepaliveSeconds, \
             bfdProfile, connectRetrySeconds, families, addPath, extendedMessages, role, roleStrict, \
             enforceFirstAS, numAllowedLocalASNumbers, asOverride, removePrivateAS, nextHopMode, routeReflectorClient, maximumPrefixes, honorGracefulShutdown, password, tcpAO, filters",
        ],
    );
}
