//! The whole core: 100,000 routes from one peer through decoding, policy, decision and Loc-RIB to
//! route changes for the FIB, and out again to a second peer.
//!
//! Four prefixes an UPDATE, each UPDATE with attributes of its own.

#![allow(
    clippy::expect_used,
    missing_docs,
    reason = "a benchmark that cannot go on fails; criterion's macros make undocumented items"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Instant;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rcni_bgp_proto::attr::{AsPath, NextHop, PathAttributes};
use rcni_bgp_proto::message::{self, Message, pack_announcements};
use rcni_bgp_proto::policy::Policy;
use rcni_bgp_proto::speaker::{
    ConnId, GracefulRestartConfig, Input, Knobs, Output, PeerConfig, Remote, Speaker,
    SpeakerConfig, Timers,
};
use rcni_bgp_proto::validate::{LocalOpen, Offer, SessionOptions};
use rcni_bgp_proto::{Family, Prefix};

const ROUTES: u32 = 100_000;
const GROUP: u32 = 4;

fn options() -> SessionOptions {
    SessionOptions {
        four_octet_as: true,
        families: vec![Family::IPV4_UNICAST],
        ..SessionOptions::default()
    }
}

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

fn peer(last: u8) -> PeerConfig {
    PeerConfig {
        name: format!("peer-{last}"),
        remote: Remote::Address {
            address: IpAddr::from([10, 0, 0, last]),
            port: 179,
        },
        asn: (64_999 + u32::from(last)).into(),
        local_asn: None,
        passive: true,
        local_address: None,
        timers: Timers::default(),
        families: vec![Family::IPV4_UNICAST],
        offer: Offer::default(),
        enforce_first_as: true,
        knobs: Knobs::default(),
        limits: None,
        import: Policy::accept_all(),
        export: Policy::accept_all(),
    }
}

/// A speaker with both sessions up.
fn established() -> (Speaker, [ConnId; 2], Instant) {
    let now = Instant::now();
    let mut speaker = Speaker::new(
        SpeakerConfig {
            asn: 65_000,
            router_id: [10, 0, 0, 1].into(),
            cluster_id: [10, 0, 0, 1].into(),
            networks: vec![],
            maximum_paths: 8,
            multipath_relax: true,
            graceful_restart: GracefulRestartConfig::default(),
            restarting: false,
            peers: vec![peer(2), peer(3)],
            seed: 1,
        },
        now,
    );
    speaker.handle(Input::Start, now);
    let conns = [2, 3].map(|last: u8| {
        let conn = speaker.new_conn();
        let local = SocketAddr::from(([10, 0, 0, 1], 179));
        let remote = SocketAddr::from(([10, 0, 0, last], 40_000));
        speaker.handle(
            Input::Accepted {
                conn,
                local,
                remote,
            },
            now,
        );
        let open = LocalOpen {
            asn: 64_999 + u32::from(last),
            bgp_id: [10, 0, 0, last].into(),
            hold_time: 90,
            families: vec![Family::IPV4_UNICAST],
            graceful_restart: None,
            long_lived_secs: None,
            extended_next_hop: false,
            offer: Offer::default(),
        };
        let mut bytes = BytesMut::new();
        message::encode(&Message::Open(open.to_open()), &options(), &mut bytes).expect("short");
        bytes.extend_from_slice(&message::keepalive());
        let bytes = &bytes[..];
        speaker.handle(Input::Received { conn, bytes }, now);
        conn
    });
    (speaker, conns, now)
}

/// Returns how many route changes and octets came out.
fn run(
    speaker: &mut Speaker,
    [from, to]: [ConnId; 2],
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
            established,
            |(mut speaker, conns, now)| {
                let (changes, octets) = run(&mut speaker, conns, now, &wire);
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
