//! What is said of what a peer is told.

use super::policies::{announce, set_rules, told};
use super::prefix;
use super::solo::{PEER, Solo};
use crate::policy::{Action, Changes, Policy, Rule};
use crate::rib::Withheld;
use crate::speaker::{Listing, PeerId};

const OTHER: &str = "10.0.0.3";

/// Prefix, what the peer is told (AS path and MED) or why not, and the rule.
type Said = (String, Result<String, Withheld>, Option<String>);

fn asked(solo: &Solo, to: u32) -> Option<Vec<Said>> {
    let routes = solo.speaker.list(Listing::All, None, 100).routes;
    let telling = solo.speaker.telling(PeerId(to), routes)?.into_iter();
    let telling = telling.map(|telling| {
        let told = telling
            .told
            .map(|told| format!("{} {:?}", told.as_path, told.med));
        let rule = telling.rule.map(|rule| rule.to_string());
        (telling.route.prefix.to_string(), told, rule)
    });
    Some(telling.collect())
}

#[test]
fn every_best_path_with_its_rule_or_the_reason() {
    let mut solo = Solo::new();
    assert!(asked(&solo, 1).is_none(), "no session");
    let from = solo.establish(PEER, 65002);
    solo.establish(OTHER, 65003);
    assert!(asked(&solo, 9).is_none(), "no peer");
    for (prefix, path) in [
        ("10.1.0.0/16", &[65002][..]),
        ("10.2.0.0/16", &[65002, 65003]),
        ("10.3.0.0/16", &[65002]),
        // A loop.
        ("10.4.0.0/16", &[65002, 65001]),
    ] {
        announce(&mut solo, from, prefix, &told(PEER, &[], path));
    }
    let named = |name: &str, prefix_text: &str| {
        let matches = crate::policy::PrefixMatch {
            operator: crate::policy::Operator::Equal,
            cidr: prefix(prefix_text),
            min_len: 16,
            max_len: 16,
        };
        Rule::new(name, Action::Accept, Some(matches))
    };
    let med = Changes {
        med: Some(7),
        ..Changes::default()
    };
    let rules = vec![
        named("one", "10.1.0.0/16").set(med),
        named("two", "10.2.0.0/16"),
        Rule::new("rest", Action::Reject, None),
    ];
    set_rules(
        &mut solo,
        1,
        Policy::accept_all(),
        Policy::new(rules, vec![]),
    );
    let seen = asked(&solo, 1).unwrap();
    let rule = |name: &str| Some(name.to_owned());
    assert_eq!(
        seen[..2],
        [
            (
                "10.1.0.0/16".to_owned(),
                Ok("65001 65002 Some(7)".to_owned()),
                rule("one")
            ),
            ("10.2.0.0/16".to_owned(), Err(Withheld::PeerAs), None),
        ]
    );
    for (rejected, text) in seen[2..].iter().zip(["10.3.0.0/16", "10.244.1.0/24"]) {
        assert!(
            matches!(rejected.1, Err(Withheld::Policy(_))),
            "{rejected:?}"
        );
        assert_eq!((rejected.0.as_str(), &rejected.2), (text, &rule("rest")));
    }
    assert_eq!(seen.len(), 4);
    // Without rules: own networks only, and no rule is named.
    set_rules(&mut solo, 1, Policy::accept_all(), Policy::default());
    let seen = asked(&solo, 1).unwrap();
    assert!(seen.iter().all(|(.., rule)| rule.is_none()), "{seen:?}");
    let told: Vec<bool> = seen.iter().map(|(_, told, _)| told.is_ok()).collect();
    assert_eq!(told, [false, false, false, true]);
}
