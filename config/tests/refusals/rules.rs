//! What a rule may ask of a route, and change in it.

use rcni_config::{Action, Community, CommunityPattern, Conditions, NextHopChange, Rule, Source};

use super::*;

/// The second rule of the list, in line 14.
#[track_caller]
fn refuses_in(list: &str, rule: &str, expected: &[&str]) {
    let expected: Vec<String> = expected
        .iter()
        .map(|text| {
            let (field, reason) = text.split_once(' ').unwrap();
            let field = if field == "-" { "" } else { field };
            format!("bgp.yaml:14: spec.{list}[1]{field} (BGPFilter from-fabric): {reason}")
        })
        .collect();
    let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
    let text = format!("  {list}:\n    - {{action: Reject}}\n    - {{action: {rule}}}\n");
    speaker_refuses(&with_filter(&text), &expected);
}

#[track_caller]
fn refuses(rule: &str, expected: &[&str]) {
    refuses_in("importV4", rule, expected);
}

/// The only rule of the list; there is a peer `tor-b`.
#[track_caller]
fn accepted(list: &str, rule: &str) -> Rule {
    let filter = with_filter(&format!("  {list}: [{{action: {rule}}}]\n"));
    let peer = object("BGPPeer", "tor-b", "  {peerIP: 10.0.1.9, asNumber: 1}\n");
    let config = parse_speaker("bgp.yaml", &format!("{filter}{peer}"))
        .unwrap_or_else(|errors| panic!("{errors}"));
    let filter = &config.filters["from-fabric"];
    let lists = [
        &filter.import_v4,
        &filter.import_v6,
        &filter.export_v4,
        &filter.export_v6,
    ];
    lists.into_iter().flatten().next().unwrap().clone()
}

#[track_caller]
fn changes(list: &str, set: &str) -> rcni_config::Changes {
    match accepted(list, &format!("Accept, set: {{{set}}}")).action {
        Action::Accept(changes) => changes,
        Action::Reject => panic!("{set}"),
    }
}

#[test]
fn communities() {
    refuses(
        "Accept, communities: {}",
        &[".communities says nothing; add anyOf, allOf or noneOf, or remove it"],
    );
    refuses(
        "Accept, communities: {anyOf: [], noneOf: no-export}",
        &[
            ".communities.anyOf is empty; write at least one community, or leave it out",
            ".communities.noneOf wrong type: string \"no-export\"; write a list ([a, b], or lines \
             that begin with -)",
        ],
    );
    refuses(
        "Accept, communities: {anyOf: [65000, no-exprt, rt:1, 65536:1, 1:2:4294967296, all, 1:1, 01:1]}",
        &[
            ".communities.anyOf[0] wrong type: integer `65000`; write a text",
            ".communities.anyOf[1] \"no-exprt\" is not a community; did you mean no-export?",
            ".communities.anyOf[2] \"rt:1\" is not a community: an extended community has an AS number \
             of 2 octets and a number of 4, or an AS number of 4 octets or an IPv4 address and a \
             number of 2; write such as rt:65000:100, rt:10.0.0.1:100 or ext:0x0002fde800000064",
            ".communities.anyOf[3] \"65536:1\" is not a community: a number of a standard community is \
             at most 65535; for an AS number of 4 octets write a large community such as \
             4200000000:1:2",
            ".communities.anyOf[4] \"1:2:4294967296\" is not a community: a number of a large \
             community is at most 4294967295; write three numbers of 0 to 4294967295",
            ".communities.anyOf[5] \"all\" is not a community; is for set.communities.remove only; \
             write one community",
            ".communities.anyOf[7] 1:1 is listed twice; remove one of them",
        ],
    );
}

#[test]
fn communities_that_contradict_each_other_or_are_too_many() {
    refuses(
        "Accept, communities: {noneOf: ['65000 100']}",
        &[
            ".communities.noneOf[0] \"65000 100\" is not a community; write 65000:100, rt:65000:100, \
             ro:65000:100, 65000:1:2 or a name: no-export, no-advertise, no-export-subconfed, \
             no-peer, blackhole, graceful-shutdown, accept-own, llgr-stale, no-llgr",
        ],
    );
    for other in ["allOf: [1:2, no-export]", "anyOf: [no-export]"] {
        refuses(
            &format!("Accept, communities: {{{other}, noneOf: [65535:65281]}}"),
            &[
                ".communities.noneOf forbids no-export, which another list asks for: nothing can \
                 match; remove it from one of them",
            ],
        );
    }
    let many: Vec<String> = (0..65).map(|n| format!("1:{n}")).collect();
    refuses(
        &format!("Accept, communities: {{anyOf: [{}]}}", many.join(", ")),
        &[".communities.anyOf has 65 communities; write at most 64"],
    );
    let rule = accepted(
        "importV6",
        "Reject, communities: {anyOf: [1:1, 1:2], allOf: [rt:1:1], noneOf: [1:2, 1:1:1]}",
    );
    let matches = rule.matches.communities;
    let large = Community::Large {
        global: 1,
        local1: 1,
        local2: 1,
    };
    assert_eq!(
        (
            matches.any_of.len(),
            &matches.all_of[..],
            &matches.none_of[..]
        ),
        (
            2,
            &[Community::Extended(0x0002_0001_0000_0001)][..],
            &[Community::Standard(0x1_0002), large][..]
        )
    );
}

#[test]
fn as_paths() {
    refuses(
        "Accept, asPath: {}",
        &[
            ".asPath says nothing; add contains, origin, neighbor, minLength, maxLength or regex, or \
             remove it",
        ],
    );
    refuses(
        "Accept, asPath: {contains: 0, origin: 23456, neighbor: 4294967296, minLength: -1}",
        &[
            ".asPath.contains AS 0 is reserved (RFC 7607); write 1 to 4294967295",
            ".asPath.origin AS 23456 is reserved (AS_TRANS, RFC 6793); write 1 to 4294967295",
            ".asPath.neighbor 4294967296 is out of range; write 1 to 4294967295",
            ".asPath.minLength -1 is out of range; write 0 to 65535",
        ],
    );
    refuses(
        "Accept, asPath: {minLength: 3, maxLength: 2}",
        &[
            ".asPath.maxLength minLength 3 is greater than maxLength 2, so nothing can match; write 3 \
             or more, or a smaller minLength",
        ],
    );
    // Only what is the cause is refused.
    refuses(
        "Accept, asPath: {minLength: 3, maxLength: two}",
        &[".asPath.maxLength wrong type: string \"two\"; write a whole number"],
    );
    let rule = accepted(
        "exportV4",
        "Accept, asPath: {contains: 1, origin: 2, neighbor: 3, minLength: 2, maxLength: 2, regex: _1_}",
    );
    let path = rule.matches.as_path;
    assert_eq!((path.min_length, path.max_length), (Some(2), Some(2)));
    assert_eq!(path.origin.unwrap().get(), 2);
    assert!(path.regex.unwrap().is_match("3 1 2"));
}

#[test]
fn regular_expressions() {
    let hint = r"write such as ^65001_ or _(65001|65002)_; the brackets of a set are \{ and \}";
    for (pattern, reason) in [
        (
            "'(65001'",
            r#""(65001" is no regular expression that can be used: found open group without closing ')'"#,
        ),
        (
            "'*'",
            r#""*" is no regular expression that can be used: uncounted repetition operator must be applied to a sub-expression"#,
        ),
    ] {
        refuses(
            &format!("Accept, asPath: {{regex: {pattern}}}"),
            &[&format!(".asPath.regex {reason}; {hint}")],
        );
    }
    refuses(
        &format!("Accept, asPath: {{regex: '{}'}}", "1".repeat(257)),
        &[
            ".asPath.regex has 257 bytes, and 256 are the most; write at most 256 bytes, or several \
             rules",
        ],
    );
    refuses(
        "Accept, asPath: {regex: ''}",
        &[".asPath.regex is empty; write ^$ for paths that are empty, or leave it out"],
    );
}

#[test]
fn more_regular_expressions_than_there_is_memory_for() {
    let filter = |name: &str, count: usize| {
        let rules = (0..count)
            .map(|n| format!("    - {{action: Reject, asPath: {{regex: '(.{{9}}){{9}}{n}'}}}}\n"));
        let rules: String = rules.collect();
        object("BGPFilter", name, &format!("  importV4:\n{rules}"))
    };
    let most = format!("{NODE}{}{}", filter("a", 1000), filter("b", 24));
    assert!(parse_speaker("bgp.yaml", &most).is_ok());
    let errors = parse_speaker("bgp.yaml", &format!("{most}{}", filter("c", 2)));
    let errors = errors.unwrap_err().to_string();
    let said = "spec.importV4[0].asPath.regex (BGPFilter c): is one more than 1024 regular \
                expressions in all filters; join several such as _(65001|65002)_, or ask for \
                origin, neighbor or contains";
    assert!(errors.ends_with(said), "{errors}");
    assert_eq!(errors.lines().count(), 1);
}

#[test]
fn more_rules_than_a_route_should_be_compared_with() {
    let filter = |name: &str| {
        let rules = "    - {action: Reject}\n".repeat(5001);
        object("BGPFilter", name, &format!("  exportV6:\n{rules}"))
    };
    let peer = |filters: &str| {
        let spec = format!("  {{peerIP: 10.0.1.9, asNumber: 1, filters: [{filters}]}}\n");
        object("BGPPeer", "tor-b", &spec)
    };
    let filters = format!("{NODE}{}{}", filter("a"), filter("b"));
    assert!(parse_speaker("bgp.yaml", &format!("{filters}{}", peer("a"))).is_ok());
    let errors = parse_speaker("bgp.yaml", &format!("{filters}{}", peer("a, b")));
    let errors = errors.unwrap_err().to_string();
    let said = "spec.filters[1] (BGPPeer tor-b): b makes it 10002 exportV6 rules, and every route is \
                compared with all of them; name filters with at most 10000 in each list together";
    assert!(errors.ends_with(said), "{errors}");
}

#[test]
fn next_hops_and_neighbours() {
    refuses(
        "Accept, nextHop: 10.0.1.1/24, neighbor: {}, source: Any",
        &[
            ".nextHop 10.0.1.1/24 has host bits set; the network is 10.0.1.0/24",
            ".neighbor says nothing; add name, address or asNumber, or remove it",
            ".source unknown value \"Any\"; write one of Own, External, Internal, RemotePeers",
        ],
    );
    refuses(
        "Accept, neighbor: {name: tor-b, address: tor, asNumber: 0}",
        &[
            ".neighbor.name there is no BGPPeer named \"tor-b\"; add it as a document of kind BGPPeer",
            ".neighbor.address \"tor\" is not an IP prefix; write one such as 10.244.1.0/24 or \
             fd00:10::/64",
            ".neighbor.asNumber AS 0 is reserved (RFC 7607); write 1 to 4294967295",
        ],
    );
    refuses(
        "Accept, source: Own",
        &[
            ".source Own has no meaning in an import rule: what comes from a neighbour is not one of \
             the own networks; move the rule to the export list, or remove source",
        ],
    );
    refuses_in(
        "exportV4",
        "Accept, source: Own, neighbor: {asNumber: 1}",
        &[
            ".source Own does not go with neighbor: no neighbour told own networks, so nothing can \
             match; remove one of them",
        ],
    );
    let Conditions {
        next_hop,
        neighbor,
        source,
        ..
    } = accepted(
        "importV4",
        "Accept, nextHop: 'fd00::1', neighbor: {name: tor-b, address: 10.0.0.0/8}, source: Internal",
    )
    .matches;
    assert_eq!(next_hop.unwrap().to_string(), "fd00::1/128");
    assert_eq!(neighbor.name.unwrap(), "tor-b");
    assert_eq!(source, Some(Source::Internal));
    let own = accepted("exportV6", "Accept, source: Own").matches.source;
    assert_eq!(own, Some(Source::Own));
}

/// A peer that could not be read may be the one that is meant.
#[test]
fn a_broken_neighbour_is_not_reported_twice() {
    let filter = with_filter("  importV4: [{action: Reject, neighbor: {name: tor-b}}]\n");
    let peer = object("BGPPeer", "tor-b", "  [\n");
    let errors = parse_speaker("bgp.yaml", &format!("{filter}{peer}")).unwrap_err();
    assert_eq!(errors.0.len(), 1, "{errors}");
}

#[test]
fn only_what_is_accepted_is_changed() {
    refuses(
        "Reject, set: {med: 1}",
        &[
            ".set has no meaning with Reject: nothing is left to be changed; remove it, or write \
             action: Accept",
        ],
    );
    // Only what is the cause is refused.
    refuses(
        "accept, set: {med: 1}",
        &[".action unknown value \"accept\"; did you mean Accept? Write one of Accept, Reject"],
    );
    refuses(
        "Accept, set: {}",
        &[
            ".set says nothing; add localPreference, med, nextHop, prependASPath or communities, or \
             remove it",
        ],
    );
    refuses(
        "Accept, set: {localPreference: 4294967296, med: -1, prependASPath: {count: 17, asNumber: 0}}",
        &[
            ".set.localPreference 4294967296 is out of range; write 0 to 4294967295",
            ".set.med -1 is out of range; write 0 to 4294967295",
            ".set.prependASPath.count 17 is out of range; write 1 to 16",
            ".set.prependASPath.asNumber AS 0 is reserved (RFC 7607); write 1 to 4294967295",
        ],
    );
    refuses(
        "Accept, set: {prependASPath: {}, communities: {}}",
        &[
            ".set.prependASPath.count is required; add count",
            ".set.communities says nothing; add the field add or remove, or remove it",
        ],
    );
    refuses(
        "Accept, set: {communities: {add: [1:*, 1:*:*], remove: [1:*, all, '*:1', 1:*]}}",
        &[
            ".set.communities.add[0] \"1:*\" is not a community; is for set.communities.remove only; \
             write one community",
            ".set.communities.add[1] \"1:*:*\" is not a community; is for set.communities.remove only; \
             write one community",
            ".set.communities.remove[2] \"*:1\" is not a community; write 65000:100, rt:65000:100, \
             ro:65000:100, 65000:1:2 or a name: no-export, no-advertise, no-export-subconfed, \
             no-peer, blackhole, graceful-shutdown, accept-own, llgr-stale, no-llgr",
            ".set.communities.remove[3] 1:* is listed twice; remove one of them",
        ],
    );
    let set = changes(
        "exportV4",
        "localPreference: 0, med: 4294967295, prependASPath: {count: 16, asNumber: 65009}, \
         communities: {add: [blackhole], remove: [65000:*, all, 1:1]}",
    );
    assert_eq!((set.local_preference, set.med), (Some(0), Some(u32::MAX)));
    assert_eq!(set.prepend.unwrap().count, 16);
    assert_eq!(set.communities.add, [Community::Standard(0xffff_029a)]);
    let removed = [
        CommunityPattern::StandardOf(65000),
        CommunityPattern::All,
        CommunityPattern::One(Community::Standard(0x1_0001)),
    ];
    assert_eq!(set.communities.remove, removed);
}

#[test]
fn next_hops_that_are_set() {
    for (list, next_hop, reason) in [
        (
            "exportV4",
            "127.0.0.1",
            "127.0.0.1 is a loopback address: nobody else is reached by it; write the address of one \
             host",
        ),
        (
            "importV4",
            "self",
            "self has no meaning in an import rule: routes through this side itself lead nowhere; \
             write an address, or move the rule to the export list",
        ),
        (
            "importV6",
            "unchanged",
            "unchanged has no meaning in an import rule: it is as the neighbour wrote it; remove it, \
             or move the rule to the export list",
        ),
        (
            "importV4",
            "tor",
            r#""tor" is not an IP address; write one such as 10.0.1.1 or fd00::1"#,
        ),
        (
            "exportV4",
            "Self",
            r#""Self" is not an IP address; write one such as 10.0.1.1 or fd00::1, or self, or unchanged"#,
        ),
        (
            "exportV4",
            "'fd00::1'",
            "fd00::1 is IPv6, and this list is for IPv4 routes; write an IPv4 address",
        ),
        (
            "importV6",
            "10.0.1.1",
            "10.0.1.1 is IPv4, and this list is for IPv6 routes; write an IPv6 address",
        ),
        (
            "exportV4",
            "0.0.0.0",
            "0.0.0.0 is no host's address; write the address of one host",
        ),
    ] {
        let rule = format!("Accept, set: {{nextHop: {next_hop}}}");
        refuses_in(list, &rule, &[&format!(".set.nextHop {reason}")]);
    }
    let next_hop = |list: &str, text: &str| changes(list, &format!("nextHop: {text}")).next_hop;
    assert_eq!(next_hop("exportV6", "self"), Some(NextHopChange::Own));
    let unchanged = next_hop("exportV4", "unchanged");
    assert_eq!(unchanged, Some(NextHopChange::Unchanged));
    let address = NextHopChange::Address("10.0.1.1".parse().unwrap());
    assert_eq!(next_hop("importV4", "10.0.1.1"), Some(address));
}
