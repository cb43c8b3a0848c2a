use super::*;
use crate::fib::change::Change;
use crate::fib::message;

const OWNER: Ownership = Ownership {
    protocol: 77,
    metric: 77,
    default_route_metric: 20_077,
    table: 254,
};

const DOER: Doer = Doer(812);

fn gateway() -> Gateway {
    Gateway {
        address: [10, 0, 1, 1].into(),
        interface: 7,
    }
}

fn prefix() -> Prefix {
    "10.244.2.0/24".parse().unwrap()
}

/// A notification about a route of `owner`.
fn notice(owner: Ownership, kind: u16, flags: u16) -> Option<Observed> {
    let change = Change::Create {
        prefix: prefix(),
        target: [gateway()].as_slice().into(),
    };
    let mut bytes = Vec::new();
    message::change(&mut bytes, 0, &owner, &change);
    let raw = message::split(&bytes).next().unwrap();
    let raw = RawMessage {
        kind,
        flags,
        port: DOER.0,
        ..raw
    };
    let route = message::parse_route(raw.payload).unwrap();
    classify(&OWNER, &Links::default(), &route, &raw)
}

#[test]
fn own_and_foreign_routes_are_told_apart() {
    let zebra = Ownership {
        protocol: 11,
        ..OWNER
    };
    let elsewhere = Ownership {
        protocol: 11,
        metric: 20,
        ..OWNER
    };
    assert_eq!(
        notice(OWNER, kind::DEL_ROUTE, 0),
        Some(Observed::OwnGone(prefix(), vec![gateway()], DOER))
    );
    assert_eq!(
        notice(OWNER, kind::NEW_ROUTE, 0),
        Some(Observed::OwnSeen(
            prefix(),
            [gateway()].as_slice().into(),
            DOER
        ))
    );
    assert_eq!(
        notice(zebra, kind::NEW_ROUTE, flag::REPLACE),
        Some(Observed::ForeignSeen {
            prefix: prefix(),
            replaced: true,
            doer: DOER
        })
    );
    assert_eq!(
        notice(zebra, kind::NEW_ROUTE, 0),
        Some(Observed::ForeignSeen {
            prefix: prefix(),
            replaced: false,
            doer: DOER
        })
    );
    assert_eq!(
        notice(zebra, kind::DEL_ROUTE, 0),
        Some(Observed::ForeignGone(prefix()))
    );
    assert_eq!(notice(elsewhere, kind::NEW_ROUTE, 0), None);
}

/// A notification about link 7; `flags` of the header.
fn link(links: &mut Links, kind: u16, flags: u16, name: &str, up: bool) -> Option<Observed> {
    let state = if up {
        libc::IFF_UP | libc::IFF_RUNNING
    } else {
        libc::IFF_UP
    };
    link_in(links, kind, flags, name, state)
}

fn link_in(links: &mut Links, kind: u16, flags: u16, name: &str, state: i32) -> Option<Observed> {
    let mut payload = vec![0; 4];
    payload.extend_from_slice(&7_u32.to_ne_bytes());
    payload.extend_from_slice(&state.to_ne_bytes());
    payload.extend_from_slice(&[0; 4]);
    payload.extend_from_slice(&u16::try_from(name.len() + 4).unwrap().to_ne_bytes());
    payload.extend_from_slice(&3_u16.to_ne_bytes());
    payload.extend_from_slice(name.as_bytes());
    payload.resize(payload.len().next_multiple_of(4), 0);
    links.change(&RawMessage {
        kind,
        flags,
        sequence: 0,
        port: 0,
        payload: &payload,
    })
}

/// A notification about an address on link 7.
fn address(links: &Links, kind: u16) -> Option<Observed> {
    let mut payload = vec![10, 64, 0, 0];
    payload.extend_from_slice(&7_u32.to_ne_bytes());
    links.address(&RawMessage {
        kind,
        flags: 0,
        sequence: 0,
        port: 0,
        payload: &payload,
    })
}

fn is(now: Link) -> Option<Observed> {
    Some(Observed::Link { index: 7, now })
}

#[test]
fn links_count_only_when_they_change() {
    let mut links = Links::default();
    let steps = [
        (kind::NEW_LINK, true, is(Link::Up)),
        (kind::NEW_LINK, true, None),
        (kind::NEW_LINK, false, is(Link::NoCarrier)),
        (kind::NEW_LINK, true, is(Link::Up)),
        (kind::DEL_LINK, false, is(Link::Gone)),
        (kind::DEL_LINK, false, None),
    ];
    for (index, (kind, up, expected)) in steps.into_iter().enumerate() {
        assert_eq!(link(&mut links, kind, 0, "eth1", up), expected, "{index}");
    }
    // What the dump at the start tells is no news, and later changes are told by it.
    assert_eq!(
        link(&mut links, kind::NEW_LINK, flag::MULTI, "eth1", true),
        None
    );
    assert_eq!(link(&mut links, kind::NEW_LINK, 0, "eth1", true), None);
    assert_eq!(
        link(&mut links, kind::NEW_LINK, 0, "eth1", false),
        is(Link::NoCarrier)
    );
    assert_eq!(
        link_in(&mut links, kind::NEW_LINK, 0, "eth1", libc::IFF_RUNNING),
        is(Link::Off)
    );
    // But for a link that is down from the start.
    let mut links = Links::default();
    assert_eq!(
        link(&mut links, kind::NEW_LINK, flag::MULTI, "eth1", false),
        is(Link::NoCarrier)
    );
}

#[test]
fn links_of_pods_and_their_addresses_never_count() {
    let mut links = Links::default();
    let pod = "rcni0123456789a";
    for flags in [0, flag::MULTI] {
        assert_eq!(link(&mut links, kind::NEW_LINK, flags, pod, true), None);
        assert_eq!(address(&links, kind::NEW_ADDRESS), None);
        assert_eq!(address(&links, kind::DEL_ADDRESS), None);
        assert_eq!(link(&mut links, kind::DEL_LINK, 0, pod, false), None);
        // The index is given to another link.
        assert_eq!(
            address(&links, kind::NEW_ADDRESS),
            Some(Observed::Reachable)
        );
        assert_eq!(address(&links, kind::DEL_ADDRESS), Some(Observed::Flushed));
    }
    // A link that is given another name.
    link(&mut links, kind::NEW_LINK, 0, pod, true);
    link(&mut links, kind::NEW_LINK, 0, "eth1", true);
    assert_eq!(
        address(&links, kind::NEW_ADDRESS),
        Some(Observed::Reachable)
    );
}

/// A notification about a route of another program without a gateway, on link 7.
fn connected(links: &Links, kind: u16) -> Option<Observed> {
    let elsewhere = Ownership { metric: 0, ..OWNER };
    let change = Change::Create {
        prefix: prefix(),
        target: [].as_slice().into(),
    };
    let mut bytes = Vec::new();
    message::change(&mut bytes, 0, &elsewhere, &change);
    bytes.extend_from_slice(&[8, 0, 4, 0]);
    bytes.extend_from_slice(&7_u32.to_ne_bytes());
    let payload = &bytes[message::HEADER_LEN..];
    let raw = RawMessage {
        kind,
        flags: 0,
        sequence: 0,
        port: 0,
        payload,
    };
    let route = message::parse_route(payload).unwrap();
    classify(&OWNER, links, &route, &raw)
}

#[test]
fn a_network_that_is_connected_now_is_told_unless_it_is_a_pod() {
    let mut links = Links::default();
    assert_eq!(
        connected(&links, kind::NEW_ROUTE),
        Some(Observed::Connected(prefix()))
    );
    assert_eq!(connected(&links, kind::DEL_ROUTE), None);
    link(&mut links, kind::NEW_LINK, 0, "rcni0123456789a", true);
    assert_eq!(connected(&links, kind::NEW_ROUTE), None);
}
