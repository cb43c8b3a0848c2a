//! A speaker with passive peers 10.0.0.2 and so on, and their sessions: for benchmarks and for the test
//! of what a route costs.

#![allow(clippy::expect_used, reason = "a benchmark that cannot go on fails")]

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use bytes::BytesMut;
use rcni_bgp_proto::Family;
use rcni_bgp_proto::message::{self, Message};
use rcni_bgp_proto::policy::Policy;
use rcni_bgp_proto::speaker::{
    ConnId, GracefulRestartConfig, Input, Knobs, PeerConfig, Remote, Speaker, SpeakerConfig, Timers,
};
use rcni_bgp_proto::validate::{LocalOpen, Offer, SessionOptions};

/// IPv4 with AS numbers of four octets.
pub(crate) fn options() -> SessionOptions {
    SessionOptions {
        four_octet_as: true,
        families: vec![Family::IPV4_UNICAST],
        ..SessionOptions::default()
    }
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

fn config(peers: &[u8]) -> SpeakerConfig {
    SpeakerConfig {
        asn: 65_000,
        router_id: [10, 0, 0, 1].into(),
        cluster_id: [10, 0, 0, 1].into(),
        networks: vec![],
        maximum_paths: 8,
        multipath_relax: true,
        graceful_restart: GracefulRestartConfig::default(),
        restarting: false,
        peers: peers.iter().copied().map(peer).collect(),
        seed: 1,
    }
}

/// A speaker whose peers, by their last octet, are Established; AS 65,000 has the peers 64,999 + that.
pub(crate) fn established(peers: &[u8]) -> (Speaker, Vec<ConnId>, Instant) {
    let now = Instant::now();
    let mut speaker = Speaker::new(config(peers), now);
    speaker.handle(Input::Start, now);
    let conns = peers.iter().map(|&last| {
        let conn = speaker.new_conn();
        let local = SocketAddr::from(([10, 0, 0, 1], 179));
        let remote = SocketAddr::from(([10, 0, 0, last], 40_000));
        let accepted = Input::Accepted {
            conn,
            local,
            remote,
        };
        speaker.handle(accepted, now);
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
    let conns = conns.collect();
    (speaker, conns, now)
}
