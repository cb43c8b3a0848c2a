//! The whole core: 100,000 routes from one peer through decoding, policy, decision and Loc-RIB to
//! route changes for the FIB, and out again to a second peer.
//!
//! Four prefixes an UPDATE, each UPDATE with attributes of its own.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark that cannot go on fails; criterion's macros make undocumented items"
)]

mod support;

use std::net::Ipv4Addr;
use std::time::Instant;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rcni_bgp_proto::attr::{AsPath, NextHop, PathAttributes};
use rcni_bgp_proto::message::pack_announcements;
use rcni_bgp_proto::speaker::{ConnId, Input, Output, Speaker};
use rcni_bgp_proto::{Family, Prefix};
use support::{established, options};

const ROUTES: u32 = 100_000;
const GROUP: u32 = 4;

/// What the first peer sends, in the portions in which a socket is read.
fn updates() -> Vec<Vec<u8>> {
    let mut wire = Vec::new();
    for group in 0..ROUTES / GROUP {
        let attributes = PathAttributes {
            as_path: AsPath::from_sequence(&[65001, 64512 + group % 400, 100_000 + group]),
            next_hop: Some(NextHop::V4([10, 0, 0, 2].into())),
            ..PathAttributes::default()
        };
        let prefix = |index: u32| {
            let address = Ipv4Addr::from(0x1400_0000 + ((group * GROUP + index) << 8));
            Prefix::new(address.into(), 24).expect("a length that exists")
        };
        let prefixes: Vec<Prefix> = (0..GROUP).map(prefix).collect();
        let packed = pack_announcements(Family::IPV4_UNICAST, &attributes, &prefixes, &options());
        wire.extend(packed.expect("they fit").concat());
    }
    wire.chunks(65_536).map(<[u8]>::to_vec).collect()
}

/// Returns how many route changes and octets came out.
fn run(
    speaker: &mut Speaker,
    (from, to): (ConnId, ConnId),
    now: Instant,
    wire: &[Vec<u8>],
) -> (u32, usize) {
    let (mut changes, mut octets) = (0, 0);
    for bytes in wire {
        speaker.handle(Input::Received { conn: from, bytes }, now);
        while let Some(output) = speaker.poll_output() {
            changes += u32::from(matches!(output, Output::Fib(_)));
        }
        while let Some(message) = speaker.poll_transmit(to, now) {
            octets += message.len();
        }
    }
    (changes, octets)
}

fn routes(c: &mut Criterion) {
    let wire = updates();
    let mut group = c.benchmark_group("speaker");
    group.throughput(Throughput::Elements(ROUTES.into()));
    group.sample_size(10);
    group.bench_function("100,000 routes in, to the FIB and out", |b| {
        b.iter_batched(
            || established(&[2, 3]),
            |(mut speaker, conns, now)| {
                let (changes, octets) = run(&mut speaker, (conns[0], conns[1]), now, &wire);
                assert_eq!(changes, ROUTES);
                assert!(octets > 1_000_000);
                // Not measured: forgetting it all.
                speaker
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, routes);
criterion_main!(benches);
