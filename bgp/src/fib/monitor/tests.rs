use super::*;
use crate::fib::change::Change;
use crate::fib::message;

const OWNER: Ownership = Ownership {
    protocol: 77,
    metric: 77,
    default_route_metric: 20_077,
    table: 254,
};

fn gateway() -> NextHop {
    std::net::IpAddr::from([10, 0, 1, 1]).into()
}

fn prefix() -> Prefix {
    "10.244.2.0/24".parse().unwrap()
}

/// A notification about a route of `owner`.
fn notice(owner: Ownership, kind: u16, flags: u16) -> Option<Observed> {
    let change = Change::Create {
        prefix: prefix(),
        next_hops: [gateway()].into(),
    };
    let (_, _, body) = message::of_change(&owner, &change);
    let mut bytes = Vec::new();
    message::append(&mut bytes, kind, flags, 0, &body);
    classify(&OWNER, &message::split(&bytes).next().unwrap())
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
        Some(Observed::OwnGone(prefix()))
    );
    assert_eq!(
        notice(OWNER, kind::NEW_ROUTE, 0),
        Some(Observed::OwnSeen(prefix(), vec![gateway()]))
    );
    assert_eq!(
        notice(zebra, kind::NEW_ROUTE, NLM_F_REPLACE),
        Some(Observed::ForeignSeen {
            prefix: prefix(),
            replaced: true
        })
    );
    assert_eq!(
        notice(zebra, kind::NEW_ROUTE, 0),
        Some(Observed::ForeignSeen {
            prefix: prefix(),
            replaced: false
        })
    );
    assert_eq!(
        notice(zebra, kind::DEL_ROUTE, 0),
        Some(Observed::ForeignGone(prefix()))
    );
    assert_eq!(notice(elsewhere, kind::NEW_ROUTE, 0), None);
}

fn link(links: &mut HashMap<u32, bool>, kind: u16, name: &str, up: bool) -> Option<Observed> {
    let flags = if up {
        libc::IFF_UP | libc::IFF_RUNNING
    } else {
        libc::IFF_UP
    };
    let mut payload = vec![0; 4];
    payload.extend_from_slice(&7_u32.to_ne_bytes());
    payload.extend_from_slice(&flags.to_ne_bytes());
    payload.extend_from_slice(&[0; 4]);
    payload.extend_from_slice(&u16::try_from(name.len() + 4).unwrap().to_ne_bytes());
    payload.extend_from_slice(&3_u16.to_ne_bytes());
    payload.extend_from_slice(name.as_bytes());
    payload.resize(payload.len().next_multiple_of(4), 0);
    link_change(
        links,
        &RawMessage {
            kind,
            flags: 0,
            sequence: 0,
            payload: &payload,
        },
    )
}

#[test]
fn links_count_only_when_they_change_and_pods_never() {
    let mut links = HashMap::new();
    assert_eq!(
        link(&mut links, kind::NEW_LINK, "eth1", true),
        Some(Observed::Reachable)
    );
    assert_eq!(link(&mut links, kind::NEW_LINK, "eth1", true), None);
    assert_eq!(
        link(&mut links, kind::NEW_LINK, "eth1", false),
        Some(Observed::Flushed)
    );
    assert_eq!(
        link(&mut links, kind::NEW_LINK, "eth1", true),
        Some(Observed::Reachable)
    );
    assert_eq!(
        link(&mut links, kind::DEL_LINK, "eth1", false),
        Some(Observed::Flushed)
    );
    assert_eq!(
        link(&mut links, kind::NEW_LINK, "rcni0123456789a", true),
        None
    );
    assert!(links.is_empty());
}
