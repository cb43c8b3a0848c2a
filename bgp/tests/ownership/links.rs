//! Links that go down, are renamed, or are other ones under the old name.

use crate::common::Namespace;
use crate::kernel::{others, ours};
use crate::lab::{Lab, Options};

#[test]
fn a_link_that_was_down_has_its_routes_again() {
    for compat in [false, true] {
        was_down(&Lab::new(&Options {
            compat,
            ..Options::default()
        }));
    }
}

fn was_down(lab: &Lab) {
    for link in ["eth1", "eth2"] {
        let commands = [
            format!("link set {link} down"),
            format!("link set {link} up"),
        ];
        // IPv6 addresses go with the link, and are added again by whoever manages it.
        let number = &link[3..];
        let address = format!("-6 address replace fd00:{number}::2/64 dev {link} nodad");
        let [down, up] = &commands;
        lab.survives(&[down, up, &address]);
    }
    lab.survives(&[
        "link set eth1 down",
        "link set eth2 down",
        "link set eth2 up",
        "link set eth1 up",
        "-6 address replace fd00:1::2/64 dev eth1 nodad",
        "-6 address replace fd00:2::2/64 dev eth2 nodad",
    ]);
    lab.stays();
}

#[test]
fn a_link_whose_other_end_was_down_has_its_routes_again() {
    let lab = Lab::new(&Options::default());
    let before = others(&lab.node);
    let set = |router: &Namespace, state: &str| {
        router.ip(&format!("link set eth0 {state}"));
    };
    for which in [&[0][..], &[1], &[0, 1]] {
        for index in which {
            set(&lab.routers[*index], "down");
        }
        for index in which {
            set(&lab.routers[*index], "up");
            let number = index + 1;
            lab.routers[*index].ip(&format!(
                "-6 address replace fd00:{number}::1/64 dev eth0 nodad"
            ));
        }
        lab.complete(&format!("after routers {which:?} were down"));
        assert_eq!(others(&lab.node), before);
    }
    lab.stays();
}

#[test]
fn another_name_changes_nothing() {
    let lab = Lab::new(&Options::default());
    lab.survives(&["link set eth1 name uplink"]);
    lab.survives(&[
        "link set uplink down",
        "link set uplink name eth1",
        "link set eth1 up",
        "-6 address replace fd00:1::2/64 dev eth1 nodad",
    ]);
    lab.stays();
}

#[test]
fn another_link_under_the_old_name_takes_over() {
    let lab = Lab::new(&Options::default());
    let index = |text: &str| text.split(':').next().unwrap().to_owned();
    for number in [1, 2] {
        let before = others(&lab.node);
        let shown = format!("-o link show eth{number}");
        let old = index(&lab.node.ip(&shown));
        lab.node.ip(&format!("link del eth{number}"));
        assert_ne!(ours(&lab.node).len(), 0, "the other link's");
        lab.connect(number);
        assert_ne!(index(&lab.node.ip(&shown)), old);
        lab.complete(&format!("after eth{number} was made anew"));
        assert_eq!(others(&lab.node), before);
    }
    lab.stays();
}

#[test]
fn ipv6_that_was_switched_off_on_a_link_is_back_with_it() {
    let lab = Lab::new(&Options::default());
    let before = others(&lab.node);
    for number in [1, 2] {
        for value in [1, 0] {
            let name = format!("net.ipv6.conf.eth{number}.disable_ipv6");
            lab.node.set(&name, value);
        }
        lab.node.ip(&format!(
            "-6 address replace fd00:{number}::2/64 dev eth{number} nodad"
        ));
        lab.complete(&format!("after IPv6 was off on eth{number}"));
        assert_eq!(others(&lab.node), before);
    }
    lab.stays();
}

/// As many routers do. A route for it would be used before the network, and no gateway on it any more.
#[test]
fn a_network_of_the_node_that_a_router_announces_stays_its_own() {
    let lab = Lab::new(&Options {
        links: true,
        ..Options::default()
    });
    let network = |number: u8| {
        let shown = format!("-6 route show fd00:{number}::/64");
        let text = lab.node.ip(&shown);
        assert!(!text.contains("via"), "{text}");
    };
    [1, 2].into_iter().for_each(network);
    let kernel = lab.kernel();
    let foreign = kernel["foreign"].as_array().unwrap();
    for prefix in ["fd00:1::/64", "fd00:2::/64", "10.0.1.0/24"] {
        let told = foreign.iter().find(|route| route["prefix"] == prefix);
        let told = told.unwrap_or_else(|| panic!("{prefix}: {kernel}"));
        assert_eq!(
            (&told["protocolName"], &told["effect"]),
            (&"kernel".into(), &"preferred".into())
        );
    }
    // While the network is away its prefix is one like others, and then not any more.
    lab.survives(&[
        "-6 address del fd00:1::2/64 dev eth1",
        "-6 address add fd00:1::2/64 dev eth1 nodad",
    ]);
    lab.survives(&["-4 route flush proto 77", "-6 route flush proto 77"]);
    lab.stays();
    [1, 2].into_iter().for_each(network);
}
