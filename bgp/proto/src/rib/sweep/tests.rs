//! Whatever happens between the slices: in the end all is as if there were none, and in between no
//! peer is told what a gone one said.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use super::super::*;
use crate::attr::{AsPath, NextHop};
use crate::iana::Family;
use crate::message::{self, Message};
use crate::speaker::NextHops;
use crate::validate::SessionOptions;
use crate::wire::Framer;

const PEERS: u32 = 3;
const PREFIXES: u32 = 8;
const FOUR: Multipath = Multipath {
    most: 4,
    relax: true,
};
const V4: Family = Family::IPV4_UNICAST;

fn prefix(number: u32) -> Prefix {
    Prefix::new(
        IpAddr::from((0x0a00_0000 + (number << 8)).to_be_bytes()),
        24,
    )
    .unwrap()
}

fn teller(number: u32, id: u8) -> Teller {
    Teller::Peer {
        external: true,
        client: false,
        bgp_id: [10, 0, 0, id].into(),
        address: IpAddr::from([10, 0, 0, u8::try_from(number).unwrap()]),
        number,
    }
}

/// One thing that happens, with the same arguments for both.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Peer, prefix, AS of the origin; eligible or not.
    Announce(u32, u32, u32, bool),
    Withdraw(u32, u32),
    Lost(u32, bool),
    FlushStale(u32),
    BeginRefresh(u32),
    EndRefresh(u32),
    Teller(u32, u8),
}

fn random(rng: &mut SmallRng) -> Step {
    let (peer, number) = (rng.random_range(0..PEERS), rng.random_range(0..PREFIXES));
    match rng.random_range(0..40) {
        0..24 => Step::Announce(
            peer,
            number,
            rng.random_range(1..3),
            rng.random_range(0..10) > 0,
        ),
        24..29 => Step::Withdraw(peer, number),
        29..32 => Step::Lost(peer, false),
        32..35 => Step::Lost(peer, true),
        35 => Step::FlushStale(peer),
        36 => Step::BeginRefresh(peer),
        37 => Step::EndRefresh(peer),
        _ => Step::Teller(peer, rng.random_range(1..9)),
    }
}

fn apply(rib: &mut Rib, step: Step) {
    match step {
        Step::Announce(peer, number, origin, eligible) => {
            let attributes = rib.intern(Arc::new(PathAttributes {
                as_path: AsPath::from_sequence(&[65_001 + peer, origin]),
                next_hop: Some(NextHop::V4([10, 0, 0, 9].into())),
                ..PathAttributes::default()
            }));
            let status = match eligible {
                true => PathStatus::Pending,
                false => PathStatus::Unusable(Unusable::OwnAs),
            };
            rib.announce(PeerId(peer), prefix(number), attributes, status);
        }
        Step::Withdraw(peer, number) => rib.withdraw(PeerId(peer), prefix(number)),
        Step::Lost(peer, true) => rib.mark_stale(PeerId(peer), &[V4]),
        Step::Lost(peer, false) => rib.flush(PeerId(peer)),
        Step::FlushStale(peer) => {
            rib.flush_stale(PeerId(peer), None, |_| true);
        }
        Step::BeginRefresh(peer) => rib.begin_refresh(PeerId(peer), V4),
        Step::EndRefresh(peer) => {
            rib.end_refresh(PeerId(peer), V4);
        }
        Step::Teller(peer, id) => rib.set_teller(PeerId(peer), teller(peer, id)),
    }
}

fn rib() -> Rib {
    let mut rib = Rib::new(&[prefix(PREFIXES)], PEERS as usize, FOUR);
    for peer in 0..PEERS {
        rib.set_teller(PeerId(peer), teller(peer, 1));
    }
    rib.select();
    rib
}

/// A peer that is told everything, and what it has.
struct Listener {
    out: AdjRibOut,
    framer: Framer,
    has: BTreeMap<Prefix, AsPath>,
}

fn options() -> SessionOptions {
    SessionOptions {
        four_octet_as: true,
        families: vec![V4],
        ..SessionOptions::default()
    }
}

impl Listener {
    fn new() -> Self {
        Self {
            out: AdjRibOut::new(options()),
            framer: Framer::new(),
            has: BTreeMap::new(),
        }
    }

    /// Reads all that there is.
    fn read(&mut self, rib: &Rib) {
        let target = Target {
            peer: PeerId(99),
            ..super::super::tests::target()
        };
        while let Some(bytes) =
            super::super::tests::next_message(&mut self.out, rib, &target, false)
        {
            self.framer.push(&bytes);
            let frame = self.framer.next_frame(4096).unwrap().unwrap();
            let Message::Update(update) = message::decode(frame, &options()).unwrap() else {
                panic!("an UPDATE")
            };
            let context = crate::validate::UpdateContext {
                peer_is_external: true,
                peer_asn: 65_000,
                local_asn: 64_999,
                enforce_first_as: true,
                local_addresses: vec![],
            };
            let routes = crate::validate::update(update, &options(), &context).unwrap();
            for (_, gone) in routes.withdrawn {
                gone.iter().for_each(|nlri| {
                    self.has.remove(&nlri.prefix);
                });
            }
            for told in routes.announced {
                for crate::wire::Nlri { prefix, .. } in told.prefixes {
                    let path = told.attributes.as_path.clone();
                    if rib.adj_in().paths(&prefix).next().is_none() && path.path_len() > 1 {
                        panic!("{prefix} is told, and nobody tells it");
                    }
                    self.has.insert(prefix, path);
                }
            }
        }
    }
}

fn picture(rib: &Rib) -> Vec<String> {
    let loc = rib.loc().iter();
    let loc = loc.map(|(prefix, route)| {
        format!(
            "{prefix} {:?} {} {:?}",
            route.source, route.attributes.as_path, route.next_hops
        )
    });
    let paths = rib.adj_in().iter();
    let paths = paths.map(|(prefix, path)| {
        let stale = rib.adj_in().is_stale(&prefix.prefix, path);
        let peer = path.peer();
        format!(
            "{prefix} {peer:?} {} {stale} {}",
            path.attributes.as_path, path.status
        )
    });
    let counts = (0..PEERS).map(|peer| format!("{:?}", rib.adj_in().counts(PeerId(peer))));
    let mut lines: Vec<String> = loc.chain(paths).chain(counts).collect();
    lines.sort_unstable();
    lines
}

/// What a listener must have.
fn expected(rib: &Rib) -> BTreeMap<Prefix, AsPath> {
    let routes = rib.loc().iter();
    let told = routes.map(|(prefix, route)| (prefix, route.attributes.as_path.prepend(65_000, 1)));
    told.collect()
}

fn decide_all(
    rib: &mut Rib,
    fib: &mut BTreeMap<Prefix, NextHops>,
    out: &mut AdjRibOut,
    most: usize,
) {
    let mut changes: Vec<_> = std::iter::from_fn(|| rib.decide_next()).collect();
    changes.extend(rib.sweep(most));
    for (prefix, mut change) in changes {
        if let Some(hops) = change.fib.take() {
            if hops.is_empty() {
                assert!(fib.remove(&prefix).is_some(), "removed twice");
            } else {
                fib.insert(prefix, hops);
            }
        }
        out.note(prefix, &change);
    }
}

#[test]
fn slices_end_as_one_walk_does_and_never_tell_what_is_gone() {
    for seed in 0..400_u64 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let (mut sliced, mut whole) = (rib(), rib());
        let (mut fib, mut listener) = (BTreeMap::new(), Listener::new());
        let (mut other_fib, mut other) = (BTreeMap::new(), Listener::new());
        for number in 0..150 {
            let step = random(&mut rng);
            apply(&mut sliced, step);
            apply(&mut whole, step);
            decide_all(
                &mut sliced,
                &mut fib,
                &mut listener.out,
                rng.random_range(0..2),
            );
            while !whole.is_settled() || whole.is_sweeping() {
                decide_all(&mut whole, &mut other_fib, &mut other.out, 5);
            }
            if rng.random() {
                listener.read(&sliced);
            }
            other.read(&whole);
            if number < 140 && rng.random_range(0..15) == 0 {
                // Another one in its place, that knows nothing yet.
                listener = Listener::new();
            }
        }
        while sliced.is_sweeping() {
            decide_all(&mut sliced, &mut fib, &mut listener.out, 3);
        }
        listener.read(&sliced);
        assert_eq!(picture(&sliced), picture(&whole), "seed {seed}");
        assert_eq!(fib, other_fib, "seed {seed}");
        assert_eq!(listener.has, expected(&sliced), "seed {seed}");
        assert_eq!(other.has, expected(&whole), "seed {seed}");
    }
}

#[test]
fn a_peer_that_comes_and_goes_faster_than_the_sweep_is_told_apart_from_itself() {
    let mut rib = rib();
    for round in 0..10_000 {
        apply(&mut rib, Step::Announce(0, round % PREFIXES, 1, true));
        while rib.decide_next().is_some() {}
        rib.flush(PeerId(0));
        assert_eq!(rib.adj_in().iter().count(), 0, "round {round}");
    }
    while rib.is_sweeping() || !rib.is_settled() {
        while rib.decide_next().is_some() {}
        rib.sweep(3);
    }
    assert!(rib.adj_in().is_empty());
    assert_eq!(rib.loc().len(), 1, "the own network");
}
