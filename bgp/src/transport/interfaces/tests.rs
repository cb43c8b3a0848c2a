use super::*;

fn address(interface: u32, text: &str, lasting: bool) -> OwnAddress {
    let network: IpNetwork = text.parse().unwrap();
    OwnAddress {
        interface,
        address: network.ip(),
        network,
        lasting,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn machine() -> Interfaces {
    Interfaces {
        addresses: vec![
            address(1, "127.0.0.1/8", false),
            address(1, "10.255.0.1/32", true),
            address(0xffff, "10.0.1.9/24", false),
            address(0xffff, "10.0.1.11/24", true),
            address(0xffff, "10.0.1.12/24", false),
            address(0xffff, "fd00:1::dead/64", false),
            address(0xffff, "fd00:1::11/64", true),
            address(0xffff, "fd00:1::12/64", true),
            address(0xffff, "fe80::11/64", false),
            address(3, "2001:db8::1/64", true),
        ],
    }
}

#[test]
fn each_family_has_the_first_lasting_address_of_the_interface() {
    let own = machine().own(ip("10.0.1.11").into());
    assert_eq!(own.v4, Some([10, 0, 1, 11].into()));
    assert_eq!(own.v6, Some("fd00:1::11".parse().unwrap()));
    // There is no such index.
    let interface = own.interface.clone().unwrap();
    assert_eq!(
        (interface.index, &interface.name[..]),
        (0xffff, "interface 65535")
    );
    assert!(own.contains(ip("fe80::11")) && !own.addresses.contains(&ip("2001:db8::1")));
    assert!(own.networks.contains(&"fd00:1::11/64".parse().unwrap()));
}

#[test]
fn the_sessions_own_end_is_the_next_hop_of_its_family_whatever_else_there_is() {
    let own = machine().own(ip("10.0.1.12").into());
    assert_eq!(own.v4, Some([10, 0, 1, 12].into()));
    let own = machine().own(ip("fd00:1::dead").into());
    assert_eq!(own.v6, Some("fd00:1::dead".parse().unwrap()));
    assert_eq!(own.v4, Some([10, 0, 1, 11].into()));
    // A link-local end is no next hop to tell.
    let own = machine().own(ip("fe80::11").into());
    assert_eq!(own.v6, Some("fd00:1::11".parse().unwrap()));
}

#[test]
fn loopback_is_no_link_and_an_unknown_address_stands_for_itself() {
    let own = machine().own(ip("10.255.0.1").into());
    assert_eq!(own.interface, None);
    assert_eq!((own.v4, own.v6), (Some([10, 255, 0, 1].into()), None));
    assert_eq!(
        machine().own(ip("192.0.2.1").into()),
        OwnAddresses::only(ip("192.0.2.1"))
    );
}

#[tokio::test]
async fn the_kernel_tells_loopback() {
    let mut watcher = Watcher::open().unwrap();
    let read = watcher.read().await.unwrap();
    let own = read.own(ip("127.0.0.1").into());
    assert!(own.contains(ip("127.0.0.1")), "{read:?}");
    assert!(own.networks.contains(&"127.0.0.1/8".parse().unwrap()));
    assert_eq!(own.interface, None);
    assert_eq!(watcher.read().await.unwrap(), read, "a second question");
    assert_eq!(name_of(1).as_deref(), Some("lo"));
    assert_eq!(name_of(u32::MAX), None);
}

#[test]
fn addresses_of_other_interfaces_are_own_ones_too() {
    let own = machine().own(ip("10.0.1.11").into());
    assert_eq!(own.elsewhere, ["10.255.0.1", "2001:db8::1"].map(ip));
    for text in ["10.0.1.12", "fe80::11", "10.255.0.1", "2001:db8::1"] {
        assert!(own.contains(ip(text)), "{text}");
    }
    assert!(!own.contains(ip("10.0.1.1")));
    // Another link's link-local addresses may well be somebody else's here.
    let other = machine().own(ip("2001:db8::1").into());
    assert!(!other.contains(ip("fe80::11")));
}

#[test]
fn one_link_local_address_may_be_on_several_links() {
    let mut machine = machine();
    machine.addresses.push(address(3, "fe80::11/64", false));
    for (link, global) in [(0xffff, "fd00:1::11"), (3, "2001:db8::1")] {
        let own = machine.own(NextHop {
            address: ip("fe80::11"),
            interface: Some(link),
        });
        assert_eq!(own.interface.map(|interface| interface.index), Some(link));
        assert_eq!(own.v6, Some(global.parse().unwrap()));
    }
}

#[test]
fn the_link_to_an_address_is_that_of_its_longest_network_if_it_is_one() {
    let mut machine = machine();
    assert_eq!(machine.link_to(ip("10.0.1.1")), Some(0xffff));
    assert_eq!(machine.link_to(ip("fd00:1::1")), Some(0xffff));
    assert_eq!(machine.link_to(ip("10.0.2.1")), None);
    machine.addresses.push(address(4, "10.0.1.0/31", true));
    assert_eq!(machine.link_to(ip("10.0.1.1")), Some(4));
    assert_eq!(machine.link_to(ip("10.0.1.2")), Some(0xffff));
    // A second one in the same network.
    machine.addresses.push(address(5, "10.0.1.13/24", true));
    assert_eq!(machine.link_to(ip("10.0.1.2")), None);
}
