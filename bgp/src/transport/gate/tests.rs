use super::*;

fn gate(networks: &[(&str, u8)]) -> Arc<Gate> {
    let entry = |(network, min_ttl): &(&str, u8)| Entry {
        network: network.parse().unwrap(),
        options: Options {
            min_ttl: *min_ttl,
            ..Options::default()
        },
    };
    Gate::new(&networks.iter().map(entry).collect::<Vec<_>>())
}

fn from(address: &str) -> SocketAddr {
    SocketAddr::new(address.parse().unwrap(), 50_000)
}

fn nth(net: u8, host: usize) -> SocketAddr {
    let host = u8::try_from(host).unwrap();
    SocketAddr::from(([10, 0, net, host], 50_000))
}

async fn is_evicted(place: &mut Place) -> bool {
    tokio::time::timeout(Duration::ZERO, &mut place.evicted.0)
        .await
        .is_ok_and(|stays| stays.is_err())
}

#[test]
fn the_most_specific_wins() {
    let gate = gate(&[
        ("0.0.0.0/0", 0),
        ("10.0.1.0/24", 0),
        ("10.0.0.0/16", 0),
        ("10.0.1.7/32", 0),
        ("fd00::/64", 0),
    ]);
    let find = |address: &str| {
        let found = gate.find(from(address).into());
        found.map(|network| network.to_string())
    };
    assert_eq!(find("10.0.1.7").as_deref(), Some("10.0.1.7/32"));
    assert_eq!(find("10.0.1.8").as_deref(), Some("10.0.1.0/24"));
    assert_eq!(find("10.0.2.8").as_deref(), Some("10.0.0.0/16"));
    assert_eq!(find("192.0.2.1").as_deref(), Some("0.0.0.0/0"));
    assert_eq!(find("fd00::1").as_deref(), Some("fd00::/64"));
    assert_eq!(find("fd00:1::1"), None);
}

#[test]
fn who_is_here_stays_when_others_may_come() {
    let gate = gate(&[("10.0.0.1/32", 0)]);
    let one = gate.admit(from("10.0.0.1"), None).unwrap();
    let entry = Entry {
        network: "10.0.0.2/32".parse().unwrap(),
        options: Options {
            min_ttl: 255,
            ..Options::default()
        },
    };
    gate.replace(&[entry]);
    assert_eq!(gate.min_ttls(true), (255, 255));
    let again = gate.admit(from("10.0.0.1"), None).unwrap_err();
    assert_eq!(again, Refusal::Stranger);
    let _two = gate.admit(from("10.0.0.2"), None).unwrap();
    assert_eq!(gate.counts().waiting, 2);
    drop(one);
    assert_eq!(gate.counts().waiting, 1);
}

#[test]
fn strangers_the_fifth_and_those_from_afar_are_counted() {
    let gate = gate(&[("10.0.0.1/32", 254)]);
    let refused = |address, ttl| gate.admit(from(address), ttl).unwrap_err();
    assert_eq!(refused("10.0.0.2", Some(255)), Refusal::Stranger);
    assert_eq!(refused("fd00::1", None), Refusal::Stranger);
    assert_eq!(refused("10.0.0.1", Some(253)), Refusal::TooFar);
    let mut places: Vec<_> = (0..PER_ADDRESS)
        .map(|_| gate.admit(from("10.0.0.1"), Some(254)).unwrap())
        .collect();
    assert_eq!(refused("10.0.0.1", None), Refusal::TooMany);
    places.pop();
    // A kernel that is flooded has not kept the SYN.
    let last = gate.admit(from("10.0.0.1"), None).unwrap();
    let expected = Counts {
        accepted: 5,
        strangers: 2,
        too_many: 1,
        too_far: 1,
        dropped: 0,
        waiting: 4,
    };
    assert_eq!(gate.counts(), expected);
    drop((places, last));
    assert_eq!(gate.counts().waiting, 0);
    assert!(gate.state().addresses.is_empty());
}

#[tokio::test]
async fn of_a_full_range_the_oldest_that_waits_goes() {
    let gate = gate(&[("10.0.1.0/24", 0), ("10.0.2.0/24", 0), ("10.0.9.9/32", 0)]);
    let admit = |net, host| gate.admit(nth(net, host), None).unwrap().0;
    let mut single = gate.admit(from("10.0.9.9"), None).unwrap().0;
    let mut other = admit(2, 1);
    let mut places: Vec<Place> = (0..WAITING_OF_RANGE).map(|host| admit(1, host)).collect();
    // The first two of the range have said their OPEN.
    for _ in 0..2 {
        let place = places.remove(0);
        place.visit.opened();
        let mut evicted = place.evicted.0;
        assert_eq!(evicted.try_recv(), Ok(()));
    }
    let mut fits = [admit(1, 100), admit(1, 101)];
    assert_eq!(gate.counts().dropped, 0);
    let mut third = admit(1, 102);
    assert_eq!(gate.counts().dropped, 1);
    assert!(is_evicted(&mut places[0]).await);
    let stay = [
        &mut places[1],
        &mut fits[0],
        &mut third,
        &mut other,
        &mut single,
    ];
    for place in stay {
        assert!(!is_evicted(place).await);
    }
}

#[tokio::test]
async fn ranges_go_before_configured_addresses() {
    let networks: Vec<String> = (0..5).map(|net| format!("10.0.{net}.0/24")).collect();
    let mut networks: Vec<(&str, u8)> = networks.iter().map(|text| (text.as_str(), 0)).collect();
    networks.push(("10.9.0.1/32", 0));
    let gate = gate(&networks);
    let mut single = gate.admit(from("10.9.0.1"), None).unwrap().0;
    let mut places = Vec::new();
    for net in 0..4 {
        for host in 0..WAITING_OF_RANGE {
            places.push(gate.admit(nth(net, host), None).unwrap().0);
        }
    }
    assert_eq!((gate.counts().waiting, gate.counts().dropped), (WAITING, 1));
    let _late = gate.admit(nth(4, 1), None).unwrap();
    assert_eq!((gate.counts().waiting, gate.counts().dropped), (WAITING, 2));
    assert!(is_evicted(&mut places[0]).await && is_evicted(&mut places[1]).await);
    assert!(!is_evicted(&mut places[2]).await && !is_evicted(&mut single).await);
}

#[test]
fn a_bound_for_configured_addresses_too() {
    let networks: Vec<String> = (0..=u8::MAX)
        .map(|host| format!("10.0.0.{host}/32"))
        .collect();
    let networks: Vec<(&str, u8)> = networks.iter().map(|text| (text.as_str(), 0)).collect();
    let gate = gate(&networks);
    let admit = |host| gate.admit(nth(0, host), None).unwrap();
    let places: Vec<_> = (0..256).chain(0..100).map(admit).collect();
    let counts = gate.counts();
    assert_eq!((counts.waiting, counts.dropped), (WAITING, 100));
    assert_eq!(counts.accepted, u64::try_from(places.len()).unwrap());
}

#[test]
fn a_link_local_address_counts_with_its_link() {
    let on = |link| Origin {
        network: "fe80::1/128".parse().unwrap(),
        link: Some(link),
    };
    let options = Options::default();
    let entry = |link| Entry {
        network: on(link),
        options,
    };
    let any = Entry {
        network: "::/0".parse().unwrap(),
        options,
    };
    let gate = Gate::new(&[entry(7), entry(8), any]);
    let from = |address: &str, link| {
        SocketAddr::from(std::net::SocketAddrV6::new(
            address.parse().unwrap(),
            50_000,
            0,
            link,
        ))
    };
    for link in [7, 8] {
        assert_eq!(gate.find(from("fe80::1", link).into()), Some(on(link)));
        assert_eq!(on(link).to_string(), format!("fe80::1/128%{link}"));
    }
    // A range is for those who have an address of their own.
    for (address, link) in [("fe80::2", 7), ("fe80::1", 9)] {
        let refused = gate.admit(from(address, link), None).unwrap_err();
        assert_eq!(refused, Refusal::Stranger);
    }
    let _all: Vec<_> = (0..PER_ADDRESS)
        .map(|_| gate.admit(from("fe80::1", 7), None).unwrap())
        .collect();
    let one_more = gate.admit(from("fe80::1", 7), None).unwrap_err();
    assert_eq!(one_more, Refusal::TooMany);
    assert!(gate.admit(from("fe80::1", 8), None).is_ok());
}
