//! Tests of the RIBs without sessions: the steps of the decision, what changes cause, packing.

mod deciding;
mod leaving;
mod several;
mod telling;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::attr::{AsPath, NextHop};
use crate::iana::Family;
use crate::message::{self, Message};
use crate::policy::Policy;
use crate::speaker::NextHops;
use crate::speaker::OwnAddresses;
use crate::validate::SessionOptions;
use crate::wire::Framer;

/// Up to eight equal paths.
const EIGHT: Multipath = Multipath {
    most: 8,
    relax: true,
};

fn attributes(path: &[u32]) -> PathAttributes {
    PathAttributes {
        as_path: AsPath::from_sequence(path),
        next_hop: Some(NextHop::V4(Ipv4Addr::new(10, 0, 0, 9))),
        ..PathAttributes::default()
    }
}

fn teller(number: u8, external: bool) -> Teller {
    Teller::Peer {
        external,
        client: false,
        bgp_id: [10, 255, 0, number].into(),
        address: IpAddr::from([10, 0, 0, number]),
        number: number.into(),
    }
}

fn prefix(n: u32) -> Prefix {
    Prefix::new(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + (n << 8))), 24).unwrap()
}

fn rib() -> Rib {
    let mut rib = Rib::new(&[prefix(0)], 3, EIGHT);
    (0..3).for_each(|n| rib.set_teller(PeerId(n), teller(u8::try_from(n).unwrap(), true)));
    rib.select();
    rib
}

fn settle(rib: &mut Rib) -> Vec<(Prefix, LocChange)> {
    let mut changes: Vec<_> = std::iter::from_fn(|| rib.decide_next()).collect();
    while rib.is_sweeping() {
        // Small slices: what they do together does not depend on where they begin.
        changes.extend(rib.sweep(7));
    }
    changes
}

fn announce(rib: &mut Rib, peer: u32, n: u32, path: &[u32]) {
    let attributes = rib.intern(Arc::new(attributes(path)));
    rib.announce(PeerId(peer), prefix(n), attributes, PathStatus::Pending);
}

#[test]
fn only_what_changes_is_a_change() {
    let mut rib = rib();
    announce(&mut rib, 0, 1, &[65001]);
    let hops = || Some([IpAddr::from([10, 0, 0, 9]).into()].into());
    assert_eq!(
        settle(&mut rib),
        [(
            prefix(1),
            LocChange {
                fib: hops(),
                export: true,
                unsure: false
            }
        )]
    );
    announce(&mut rib, 0, 1, &[65001]);
    assert!(rib.is_settled(), "the same again");
    announce(&mut rib, 1, 1, &[65002, 65003]);
    assert_eq!(
        settle(&mut rib),
        [(prefix(1), LocChange::default())],
        "worse: nobody is told"
    );
    announce(&mut rib, 0, 1, &[65001, 65004, 65005]);
    assert_eq!(
        settle(&mut rib),
        [(
            prefix(1),
            LocChange {
                fib: None,
                export: true,
                unsure: false
            }
        )]
    );
    let refused = PathStatus::Rejected(crate::policy::DecidedBy::NoMatch);
    rib.announce(
        PeerId(2),
        prefix(1),
        Arc::new(attributes(&[65009])),
        refused,
    );
    assert!(
        rib.is_settled(),
        "a rejected path is kept and changes nothing"
    );
    assert_eq!(rib.adj_in().paths(&prefix(1)).count(), 3);
    rib.flush(PeerId(0));
    rib.flush(PeerId(1));
    let gone = LocChange {
        fib: Some(NextHops::default()),
        export: true,
        unsure: false,
    };
    assert_eq!(settle(&mut rib), [(prefix(1), gone)]);
    rib.flush(PeerId(2));
    assert_eq!(rib.adj_in().iter().count(), 0, "at once");
    assert!(
        settle(&mut rib)
            .iter()
            .all(|(_, change)| change.fib.is_none())
    );
    assert!(rib.adj_in().is_empty());
    assert_eq!(rib.loc().len(), 1, "the own network");
}

#[test]
fn a_second_loss_flushes_what_was_stale_already() {
    let mut rib = rib();
    let families = [Family::IPV4_UNICAST];
    announce(&mut rib, 0, 1, &[65001]);
    announce(&mut rib, 0, 2, &[65001]);
    settle(&mut rib);
    rib.mark_stale(PeerId(0), &families);
    assert!(
        rib.is_settled() && !rib.is_sweeping(),
        "stale routes stay in use"
    );
    assert_eq!(rib.adj_in().counts(PeerId(0)).stale, 2);
    announce(&mut rib, 0, 2, &[65001]);
    assert_eq!(rib.adj_in().counts(PeerId(0)).stale, 1);
    rib.mark_stale(PeerId(0), &families);
    let changed: Vec<_> = settle(&mut rib)
        .into_iter()
        .map(|(prefix, _)| prefix)
        .collect();
    assert_eq!(changed, [prefix(1)]);
    assert_eq!(rib.adj_in().counts(PeerId(0)).stale, 1);
    // A family that the peer did not list is not kept.
    rib.mark_stale(PeerId(0), &[Family::IPV6_UNICAST]);
    assert_eq!(rib.adj_in().counts(PeerId(0)), PathCounts::default());
}

/// An external peer that takes everything.
pub(super) fn target() -> Target {
    Target {
        peer: PeerId(2),
        asn: 65099,
        who: Who {
            address: [10, 0, 0, 2].into(),
            bgp_id: [10, 255, 0, 2].into(),
        },
        local_asn: 65000,
        cluster_id: [10, 255, 0, 99].into(),
        knobs: Knobs::default(),
        own: OwnAddresses::only(IpAddr::from([10, 0, 0, 1])),
        on_link: false,
        extended_next_hop: false,
        role: None,
        policy: Policy::accept_all(),
        graceful: Graceful::default(),
    }
}

/// The next message in octets.
pub(super) fn next_message(
    out: &mut AdjRibOut,
    rib: &Rib,
    to: &Target,
    complete: bool,
) -> Option<bytes::Bytes> {
    let message = out.next_message(rib, &Arc::new(to.clone()), complete)?;
    Some(message.into_bytes())
}

/// All messages, and the prefixes announced and withdrawn in them.
fn drain(out: &mut AdjRibOut, rib: &Rib, complete: bool) -> (usize, usize, usize) {
    let target = target();
    let mut framer = Framer::new();
    let (mut messages, mut announced, mut withdrawn) = (0, 0, 0);
    while out.has_work(complete) {
        let Some(bytes) = next_message(out, rib, &target, complete) else {
            continue;
        };
        framer.push(&bytes);
        let frame = framer
            .next_frame(4096)
            .unwrap()
            .expect("complete messages only");
        let Ok(Message::Update(update)) = message::decode(frame, &options()) else {
            panic!()
        };
        messages += 1;
        announced += update.nlri.len();
        withdrawn += update.withdrawn.len();
    }
    assert!(!out.has_work(complete));
    (messages, announced, withdrawn)
}

fn options() -> SessionOptions {
    let families = vec![Family::IPV4_UNICAST];
    SessionOptions {
        four_octet_as: true,
        families,
        ..SessionOptions::default()
    }
}

#[test]
fn many_prefixes_with_equal_attributes_share_messages_and_changes_are_coalesced() {
    let mut rib = rib();
    let count = 20_000;
    (1..=count).for_each(|n| announce(&mut rib, n % 2, n, &[65001 + n % 2]));
    settle(&mut rib);
    let mut out = AdjRibOut::new(options());
    let (messages, announced, _) = drain(&mut out, &rib, false);
    assert_eq!(announced, 20_001, "with the own network");
    assert!(messages < 60, "{messages} messages");
    assert_eq!(out.advertised(), 20_001);
    assert_eq!(drain(&mut out, &rib, true), (1, 0, 0), "End-of-RIB, once");
    assert_eq!(drain(&mut out, &rib, true), (0, 0, 0));
    // Away and back three times before anybody reads: told again, once. What it was that the peer had
    // is not remembered: that would be another eight octets for each prefix and peer.
    for _ in 0..3 {
        rib.flush(PeerId(0));
        settle(&mut rib)
            .iter()
            .for_each(|(prefix, _)| out.mark(*prefix));
        (1..=count / 2).for_each(|n| announce(&mut rib, 0, 2 * n, &[65001]));
        settle(&mut rib)
            .iter()
            .for_each(|(prefix, _)| out.mark(*prefix));
    }
    let (messages, announced, withdrawn) = drain(&mut out, &rib, true);
    assert_eq!((announced, withdrawn), (10_000, 0));
    assert!(messages < 30, "{messages} messages");
    assert_eq!(drain(&mut out, &rib, true), (0, 0, 0));
    rib.flush(PeerId(0));
    settle(&mut rib)
        .iter()
        .for_each(|(prefix, _)| out.mark(*prefix));
    let (messages, _, withdrawn) = drain(&mut out, &rib, true);
    assert_eq!(withdrawn, 10_000);
    assert!(messages < 20, "{messages} messages");
    out.refresh(Family::IPV4_UNICAST);
    assert_eq!(drain(&mut out, &rib, true).1, 10_001, "all of it again");
}

/// What a peer hears: prefixes and marks, in order.
fn heard(out: &mut AdjRibOut, rib: &Rib, options: &SessionOptions) -> Vec<String> {
    let to = target();
    let mut framer = Framer::new();
    let mut heard = vec![];
    while let Some(bytes) = next_message(out, rib, &to, true) {
        framer.push(&bytes);
        let frame = framer.next_frame(options.max_message_len()).unwrap();
        heard.push(match message::decode(frame.unwrap(), options).unwrap() {
            Message::Update(update) if update.attributes.is_empty() => "end".to_owned(),
            Message::Update(update) => update.nlri.len().to_string(),
            Message::RouteRefresh(refresh) => format!("mark {}", refresh.subtype),
            other => panic!("{other:?}"),
        });
    }
    heard
}

#[test]
fn a_refresh_is_told_between_marks_and_a_flood_of_them_once_more() {
    let mut rib = rib();
    (1..=9000).for_each(|n| announce(&mut rib, 0, n, &[65001]));
    settle(&mut rib);
    let enhanced = SessionOptions {
        enhanced_route_refresh: true,
        ..options()
    };
    let v4 = Family::IPV4_UNICAST;
    let mut out = AdjRibOut::new(enhanced.clone());
    // No mark before the first End-of-RIB (RFC 7313 §4.1).
    out.asked(v4);
    let first = heard(&mut out, &rib, &enhanced);
    let end = first.iter().position(|what| what == "end").unwrap();
    let begin = first.iter().position(|what| what == "mark 1").unwrap();
    assert!(end < begin, "{first:?}");
    assert_eq!(first.last().unwrap(), "mark 2");

    // While one is told, many are asked for: one more is told, all of it.
    out.asked(v4);
    let to = target();
    next_message(&mut out, &rib, &to, true).unwrap();
    next_message(&mut out, &rib, &to, true).unwrap();
    (0..1000).for_each(|_| out.asked(v4));
    let rest = heard(&mut out, &rib, &enhanced);
    let marks: Vec<&String> = rest
        .iter()
        .filter(|what| what.starts_with("mark"))
        .collect();
    assert_eq!(marks, ["mark 2", "mark 1", "mark 2"]);
    let again = rest.iter().skip_while(|what| *what != "mark 1");
    let told: u32 = again.filter_map(|what| what.parse::<u32>().ok()).sum();
    assert_eq!(told, 9001);

    // Nobody asked for marks: none are told.
    out.refresh(v4);
    let plain = heard(&mut out, &rib, &enhanced);
    assert!(
        plain.iter().all(|what| !what.starts_with("mark")),
        "{plain:?}"
    );
}

#[test]
fn what_does_not_fit_into_a_message_is_withdrawn_and_harms_nothing_else() {
    let mut rib = rib();
    announce(&mut rib, 0, 1, &[65001]);
    announce(&mut rib, 0, 2, &[65001]);
    settle(&mut rib);
    let mut out = AdjRibOut::new(options());
    drain(&mut out, &rib, true);
    let huge: Vec<u32> = (0..3000).collect();
    announce(&mut rib, 0, 1, &huge);
    settle(&mut rib)
        .iter()
        .for_each(|(prefix, _)| out.mark(*prefix));
    assert_eq!(drain(&mut out, &rib, true), (1, 0, 1));
    assert_eq!(out.advertised(), 2);
    assert_eq!(
        out.too_long(),
        Some((1, prefix(1))),
        "and it can be seen why"
    );
    announce(&mut rib, 0, 1, &[65001]);
    settle(&mut rib)
        .iter()
        .for_each(|(prefix, _)| out.mark(*prefix));
    assert_eq!(drain(&mut out, &rib, true), (1, 1, 0));
    assert_eq!(out.too_long(), None);
}

#[test]
fn a_prefix_is_told_wherever_it_fits_itself() {
    let short: Prefix = "10.0.0.0/8".parse().unwrap();
    let long: Prefix = "10.1.1.1/32".parse().unwrap();
    let told = |asns: u32| {
        let mut rib = rib();
        let path: Vec<u32> = (1..=asns).collect();
        for prefix in [short, long] {
            let shared = rib.intern(Arc::new(attributes(&path)));
            rib.announce(PeerId(0), prefix, shared, PathStatus::Pending);
        }
        settle(&mut rib);
        let mut out = AdjRibOut::new(options());
        // The own network is told, too.
        let told = drain(&mut out, &rib, true).1 - 1;
        (told, out.too_long())
    };
    // From what fits with ease to what cannot: between them the shorter prefix alone.
    let seen: Vec<_> = (1000..1020).map(told).collect();
    assert_eq!(seen.first(), Some(&(2, None)));
    assert!(seen.contains(&(1, Some((1, long)))), "{seen:?}");
    assert_eq!(seen.last(), Some(&(0, Some((2, short)))));
}
