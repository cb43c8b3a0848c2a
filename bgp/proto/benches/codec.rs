//! Time to decode and judge an UPDATE, and to pack a full table's worth of prefixes.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark's set-up; criterion's macros"
)]

use std::hint::black_box;
use std::net::Ipv4Addr;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ipnetwork::{IpNetwork, Ipv4Network};
use rcni_bgp_proto::message::{self, Message, pack_announcements};
use rcni_bgp_proto::validate::{self, SessionOptions, UpdateContext};
use rcni_bgp_proto::wire::Framer;
use rcni_bgp_proto::{AsPath, Family, NextHop, PathAttributes, Prefix};

fn options() -> SessionOptions {
    let families = vec![Family::IPV4_UNICAST, Family::IPV6_UNICAST];
    SessionOptions {
        four_octet_as: true,
        families,
        ..SessionOptions::default()
    }
}

fn context() -> UpdateContext {
    UpdateContext {
        peer_is_external: true,
        peer_asn: 65001,
        local_asn: 65000,
        enforce_first_as: true,
        local_addresses: vec!["10.0.0.1".parse().unwrap()],
    }
}

fn prefixes(count: u32) -> Vec<Prefix> {
    let prefix = |index: u32| {
        let address = Ipv4Addr::from(0x0a00_0000 + index * 256);
        IpNetwork::V4(Ipv4Network::new(address, 24).unwrap())
    };
    (0..count).map(prefix).collect()
}

fn attributes() -> PathAttributes {
    PathAttributes {
        as_path: AsPath::from_sequence(&[65001, 65002, 65003]),
        next_hop: Some(NextHop::V4(Ipv4Addr::new(10, 0, 0, 2))),
        med: Some(100),
        communities: [0xfde9_0001, 0xfde9_0002].into(),
        ..PathAttributes::default()
    }
}

fn pack(count: u32) -> Vec<Bytes> {
    pack_announcements(
        Family::IPV4_UNICAST,
        &attributes(),
        &prefixes(count),
        &options(),
    )
    .unwrap()
}

fn decode(c: &mut Criterion) {
    let (options, context) = (options(), context());
    let mut group = c.benchmark_group("decode_update");
    for count in [4, 500] {
        let message = pack(count).remove(0);
        group.throughput(Throughput::Elements(u64::from(count)));
        group.bench_function(format!("{count}_prefixes"), |b| {
            b.iter_batched_ref(
                Framer::new,
                |framer| {
                    framer.push(black_box(&message));
                    let frame = framer.next_frame(4096).unwrap().unwrap();
                    let Ok(Message::Update(update)) = message::decode(frame, &options) else {
                        return None;
                    };
                    validate::update(update, &options, &context).ok()
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn encode(c: &mut Criterion) {
    let (attributes, options) = (attributes(), options());
    let prefixes = prefixes(100_000);
    let mut group = c.benchmark_group("pack");
    group
        .sample_size(20)
        .throughput(Throughput::Elements(100_000));
    group.bench_function("100k_prefixes_shared_attributes", |b| {
        b.iter(|| {
            let prefixes = black_box(&prefixes);
            pack_announcements(Family::IPV4_UNICAST, &attributes, prefixes, &options)
        });
    });
    group.finish();
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
