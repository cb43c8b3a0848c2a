use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::fib::FibStatus;
use crate::fib::drift::{Cause, Repairs};
use crate::fib::rivals::RivalStatus;

/// Samples by name and labels. Panics at whatever Prometheus' text format does not allow, and at
/// what its conventions advise against.
fn strictly_parsed(text: &str) -> BTreeMap<String, u64> {
    let name_ok = |name: &str| {
        let mut chars = name.chars();
        let first = |c: char| c.is_ascii_alphabetic() || c == '_';
        chars.next().is_some_and(first) && chars.all(|c| first(c) || c.is_ascii_digit())
    };
    assert!(text.ends_with('\n') && !text.contains("\n\n"), "{text}");
    let mut families = BTreeSet::new();
    let mut samples = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let help = line.strip_prefix("# HELP ").expect(line);
        let (family, words) = help.split_once(' ').expect(line);
        assert!(name_ok(family) && family.starts_with("rcni_bgp_"), "{line}");
        assert!(words.len() > 10 && words.ends_with('.'), "{line}");
        assert!(families.insert(family), "twice: {family}");
        let line = lines.next().unwrap();
        let kind = line.strip_prefix(&format!("# TYPE {family} ")).expect(line);
        assert!(["gauge", "counter"].contains(&kind), "{line}");
        assert_eq!(kind == "counter", family.ends_with("_total"), "{line}");
        let before = samples.len();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (key, value) = line.rsplit_once(' ').expect(line);
            let rest = key.strip_prefix(family).expect(line);
            if !rest.is_empty() {
                let inner = rest
                    .strip_prefix('{')
                    .and_then(|rest| rest.strip_suffix('}'));
                for pair in inner.expect(line).split(',') {
                    let (label, value) = pair.split_once('=').expect(line);
                    assert!(name_ok(label), "{line}");
                    let value = value
                        .strip_prefix('"')
                        .and_then(|value| value.strip_suffix('"'));
                    assert!(!value.expect(line).contains(['"', '\\']), "{line}");
                }
            }
            let value: u64 = value.parse().expect(line);
            assert!(samples.insert(key.to_owned(), value).is_none(), "{line}");
        }
        assert!(samples.len() > before, "{family} has no samples");
    }
    samples
}

#[test]
fn the_kernels_side_is_told_in_prometheus_words() {
    let mut repairs = Repairs::default();
    repairs.add(Cause::Link, 7);
    repairs.add(Cause::Deleted, 1);
    let fib = FibStatus {
        installed: 100_000,
        degraded_count: 3,
        stale: 2,
        pending: 5,
        failed_count: 4,
        repairs,
        rivals: RivalStatus {
            listed: vec![],
            counts: [2, 1, 9],
        },
        trouble: Some("cannot read".to_owned()),
        ..FibStatus::default()
    };
    let mut out = Exposition::default();
    kernel(&mut out, true, &fib);
    let samples = strictly_parsed(&out.into_text());
    let expected = [
        (r#"rcni_bgp_kernel_foreign_routes{effect="beside"}"#, 9),
        (r#"rcni_bgp_kernel_foreign_routes{effect="in_the_way"}"#, 1),
        (r#"rcni_bgp_kernel_foreign_routes{effect="preferred"}"#, 2),
        ("rcni_bgp_kernel_install", 1),
        ("rcni_bgp_kernel_readable", 0),
        (r#"rcni_bgp_kernel_routes_repaired_total{cause="audit"}"#, 0),
        (
            r#"rcni_bgp_kernel_routes_repaired_total{cause="changed"}"#,
            0,
        ),
        (
            r#"rcni_bgp_kernel_routes_repaired_total{cause="deleted"}"#,
            1,
        ),
        (r#"rcni_bgp_kernel_routes_repaired_total{cause="link"}"#, 7),
        (r#"rcni_bgp_kernel_routes{state="degraded"}"#, 3),
        (r#"rcni_bgp_kernel_routes{state="failed"}"#, 4),
        (r#"rcni_bgp_kernel_routes{state="installed"}"#, 100_000),
        (r#"rcni_bgp_kernel_routes{state="pending"}"#, 5),
        (r#"rcni_bgp_kernel_routes{state="stale"}"#, 2),
    ];
    let expected: BTreeMap<String, u64> = expected
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    assert_eq!(samples, expected);
    documented(&samples);
}

/// Each of them.
fn documented(samples: &BTreeMap<String, u64>) {
    let readme = include_str!("../../../README.md");
    for key in samples.keys() {
        let name = key.split('{').next().unwrap();
        assert!(readme.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn sessions_are_told_by_peer_and_nothing_by_prefix() {
    use crate::control::render::tests::{down, peer, status};
    let mut tor_a = peer("tor-a", "10.0.1.1");
    tor_a.prefixes_by_family.ipv4 = tor_a.prefixes;
    tor_a.details.messages.sent.total = 9;
    tor_a.details.messages.sent.updates = 4;
    let cease = ("Cease".to_owned(), 2);
    tor_a.details.messages.sent.notifications = [cease].into();
    let mut out = Exposition::default();
    sessions(&mut out, &status(vec![tor_a, down("tor-b", "10.0.2.1")]));
    let samples = strictly_parsed(&out.into_text());
    for (key, value) in [
        (r#"rcni_bgp_peers{state="established"}"#, 1),
        (r#"rcni_bgp_peers{state="down"}"#, 1),
        (r#"rcni_bgp_peer_up{peer="tor-a"}"#, 1),
        (r#"rcni_bgp_peer_up{peer="tor-b"}"#, 0),
        (
            r#"rcni_bgp_peer_last_error_age_seconds{peer="tor-b",class="refused"}"#,
            4,
        ),
        (
            r#"rcni_bgp_peer_messages_total{peer="tor-a",direction="sent",type="other"}"#,
            3,
        ),
        (
            r#"rcni_bgp_peer_prefixes{peer="tor-a",family="ipv4",state="installed"}"#,
            2,
        ),
        (r#"rcni_bgp_drain{state="off"}"#, 0),
        ("rcni_bgp_complete", 1),
    ] {
        assert_eq!(samples.get(key), Some(&value), "{key}\n{samples:#?}");
    }
    documented(&samples);
}

#[test]
fn the_rest_is_documented_too() {
    let mut out = Exposition::default();
    bfd(&mut out, &crate::bfd::Report::default());
    links(&mut out, &crate::discovery::Links::default());
    documented(&strictly_parsed(&out.into_text()));
}

#[test]
fn what_has_a_meaning_in_the_format_is_escaped() {
    let mut out = Exposition::default();
    out.family("rcni_bgp_peers", Kind::Gauge, "a\\b\nc")
        .sample(&[("peer", "to\"r\\\n"), ("family", "ipv4")], 3)
        .sample(&[], 4);
    let expected = "\
# HELP rcni_bgp_peers a\\\\b\\nc
# TYPE rcni_bgp_peers gauge
rcni_bgp_peers{peer=\"to\\\"r\\\\\\n\",family=\"ipv4\"} 3
rcni_bgp_peers 4
";
    assert_eq!(out.into_text(), expected);
}
