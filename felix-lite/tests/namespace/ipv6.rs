//! Pods with IPv6 addresses: dual stack and IPv6 only.

use std::net::{SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd as _, FromRawFd as _};

use crate::apply::{OWN, assert_in_place, bare, sorted};
use crate::node::Node;

/// For `Node::configure`: `podCIDRs` and `clusterCIDRs` of IPv6 beside those of IPv4.
pub(crate) const BOTH: &str = "  both";
/// Instead of those of IPv4.
pub(crate) const ONLY: &str = "  only6";

const OWN_V6: [&str; 4] = [
    ":RCNI-FORWARD - [0:0]",
    "-A FORWARD -j RCNI-FORWARD",
    "-A RCNI-FORWARD -s fd00:10:244:1::/64 -i rcni+ -j ACCEPT",
    "-A RCNI-FORWARD -o rcni+ -j ACCEPT",
];
const TRANSLATED_V6: [&str; 5] = [
    ":RCNI-POSTROUTING - [0:0]",
    "-A POSTROUTING -j RCNI-POSTROUTING",
    "-A RCNI-POSTROUTING -d fd00:10:244::/48 -j RETURN",
    "-A RCNI-POSTROUTING -d fd00:10::/48 -j RETURN",
    "-A RCNI-POSTROUTING -s fd00:10:244:1::/64 -j MASQUERADE --random-fully",
];
const BLACKHOLE: &str = "blackhole fd00:10:244:1::/64 dev lo metric 4278198272";

fn routes(node: &Node) -> String {
    node.sh("ip -6 route show table main proto 77")
}

#[track_caller]
fn assert_ipv6_in_place(node: &Node, backend: &str, translated: bool) {
    let mut wanted = OWN_V6.map(str::to_owned).to_vec();
    if translated {
        wanted.extend(TRANSLATED_V6.map(str::to_owned));
    }
    assert_eq!(sorted(bare(&node.own_rules(backend))), sorted(wanted));
    assert!(routes(node).starts_with(BLACKHOLE), "{}", routes(node));
    let settings = node.sh("cat /proc/sys/net/ipv6/conf/all/forwarding \
                            /proc/sys/net/ipv6/fib_multipath_hash_policy");
    assert_eq!(settings, "1\n1\n");
}

/// All of a family that could be different after a change.
fn everything(node: &Node, family: u8) -> String {
    let (program, nft) = match family {
        4 => ("iptables", "ip"),
        _ => ("ip6tables", "ip6"),
    };
    let rules = node.saved(&format!("{program}-nft")) + &node.saved(&format!("{program}-legacy"));
    let tables = node.sh(&format!("nft list tables {nft} 2> /dev/null || true"));
    let routes = node.sh(&format!("ip -{family} route show table main"));
    let sysctls = node.sh(&format!("sysctl -a 2> /dev/null | grep ^net.ipv{family}."));
    // The first counts what it does, and has nothing to do with settings; the second is of both
    // families, whatever its name.
    let others = ["stable_secret", "nexthop_compat_mode"];
    let sysctls = sysctls
        .lines()
        .filter(|line| !others.iter().any(|other| line.contains(other)));
    rules + &tables + &routes + &sysctls.map(|line| format!("{line}\n")).collect::<String>()
}

#[test]
fn a_node_of_both_families_becomes_ready_and_clean_again() {
    for backend in ["nft", "legacy"] {
        let node = Node::new();
        let before = everything(&node, 4) + &everything(&node, 6);
        let pick = format!("{BOTH}\n  iptablesBackend: {backend}\n  masqueradeIPv6: true");
        node.configure(&pick);
        node.oneshot();
        assert_in_place(&node, &format!("iptables-{backend}"));
        assert_ipv6_in_place(&node, &format!("ip6tables-{backend}"), true);
        let (code, said) = node.felix("run --oneshot");
        assert_eq!(code, 0, "{said}");
        assert!(!said.contains("applied"), "{said}");
        let (code, said) = node.felix("clean");
        assert_eq!(code, 0, "{said}");
        if backend == "nft" {
            assert_eq!(everything(&node, 4) + &everything(&node, 6), before);
        } else {
            // The legacy store cannot forget its empty tables.
            let rules = node.own_rules("ip6tables-legacy");
            assert_eq!(rules, Vec::<String>::new());
            assert_eq!(routes(&node), "");
        }
        assert!(!node.path("state").exists());
    }
}

#[test]
fn a_family_without_pods_is_not_touched() {
    let node = Node::new();
    let before = everything(&node, 6);
    node.oneshot();
    assert_eq!(everything(&node, 6), before);
    node.felix("clean");

    let node = Node::new();
    let before = everything(&node, 4);
    node.configure(ONLY);
    node.oneshot();
    assert_ipv6_in_place(&node, "ip6tables-nft", false);
    assert_eq!(everything(&node, 4), before);
    let conflist = std::fs::read_to_string(node.conflist()).unwrap();
    let conflist: serde_json::Value = serde_json::from_str(&conflist).unwrap();
    let ranges = &conflist["plugins"][0]["ipam"]["ranges"];
    assert_eq!(
        *ranges,
        serde_json::json!([[{"subnet": "fd00:10:244:1::/64"}]])
    );
    assert_eq!(conflist.get("disableCheck"), None);
}

#[test]
fn what_is_left_of_a_family_that_was_taken_away_goes() {
    let node = Node::new();
    node.configure(&format!("{BOTH}\n  masqueradeIPv6: true"));
    node.oneshot();
    node.configure("");
    let (code, said) = node.felix("run --oneshot");
    assert_eq!(code, 0, "{said}");
    assert_in_place(&node, "iptables-nft");
    assert_eq!(node.own_rules("ip6tables-nft"), Vec::<String>::new());
    assert_eq!(routes(&node), "");
    assert!(said.contains("ip6tables-nft, IPv6 table nat"), "{said}");

    node.configure(ONLY);
    node.oneshot();
    assert_ipv6_in_place(&node, "ip6tables-nft", false);
    assert_eq!(node.own_rules("iptables-nft"), Vec::<String>::new());
    assert_eq!(node.routes(), "");
}

#[test]
fn what_others_undo_is_done_again() {
    for backend in ["nft", "legacy"] {
        let node = Node::new();
        let tables = format!("ip6tables-{backend}");
        node.configure(&format!(
            "{BOTH}\n  iptablesBackend: {backend}\n  masqueradeIPv6: true"
        ));
        let running = node.run();
        for script in [
            "$T -F",
            "$T -t nat -F RCNI-POSTROUTING",
            "$T -I FORWARD 1 -s 2001:db8::/32 -j DROP",
            "$T -D FORWARD 1; $T -F RCNI-FORWARD; $T -X RCNI-FORWARD",
            "ip -6 route del blackhole fd00:10:244:1::/64",
            "sysctl -qw net.ipv6.conf.all.forwarding=0",
        ] {
            let repairs = running.log().matches("repaired").count();
            node.sh(&script.replace("$T", &tables));
            node.wait_until(&format!("repaired after {script}"), || {
                running.log().matches("repaired").count() > repairs
            });
            node.wait_until(&format!("whole after {script}"), || {
                node.own_rules(&tables).len() == OWN.len()
                    && routes(&node).starts_with(BLACKHOLE)
                    && node.sh("cat /proc/sys/net/ipv6/conf/all/forwarding") == "1\n"
            });
        }
        assert_ipv6_in_place(&node, &tables, true);
        running.stop();
    }
}

#[test]
fn without_ip6tables_the_package_is_named_and_ipv4_is_done() {
    let node = Node::new();
    // The folder of programs, without those of IPv6.
    node.sh("mkdir /run/upper /run/work; \
             mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/run/upper,workdir=/run/work \
             /usr/sbin; rm /usr/sbin/ip6tables*");
    node.oneshot();
    assert_in_place(&node, "iptables-nft");
    node.felix("clean");
    node.configure(BOTH);
    let (code, said) = node.felix("run --oneshot");
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("there is no ip6tables on this node: install the package iptables"),
        "{said}"
    );
    assert_eq!(node.own_rules("iptables-nft").len(), OWN.len());
    assert!(!node.conflist().exists());
}

#[test]
fn a_node_whose_ipv6_is_switched_off_is_not_ready_for_ipv6_pods() {
    let node = Node::new();
    node.sh(
        "ip link add eth0 type veth peer name eth1; ip link set eth0 up; \
             echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6",
    );
    // It is no matter for IPv4.
    node.oneshot();
    node.felix("clean");
    node.configure(BOTH);
    let (code, said) = node.felix("run --oneshot");
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("IPv6 is switched off on this node") && !said.contains("node ready"),
        "{said}"
    );
    assert!(!node.conflist().exists());
    node.sh("echo 0 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
    node.oneshot();
    assert!(node.conflist().exists());
}

#[test]
fn a_broken_ip6tables_is_no_matter_without_ipv6_pods() {
    let node = Node::new();
    node.sh("mkdir /run/upper /run/work; \
             mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/run/upper,workdir=/run/work \
             /usr/sbin; for kind in nft legacy; do rm /usr/sbin/ip6tables-$kind-save; \
             printf '#!/bin/sh\\necho out of order >&2; exit 1' > /usr/sbin/ip6tables-$kind-save; \
             chmod 755 /usr/sbin/ip6tables-$kind-save; done");
    let (code, said) = node.felix("run --oneshot");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("out of order"), "{said}");
    assert_in_place(&node, "iptables-nft");
}

/// As `dataplane::WIRES`, for IPv6: the pod's gateway is the host end's link-local address, and
/// nothing waits for duplicate address detection.
const WIRES: &str = "
    ip netns add pod; ip netns add far
    ip link add rcni0123456789a type veth peer name eth0 netns pod
    ip link add eth0 type veth peer name eth0 netns far
    ip addr add fd00:10::11/64 dev eth0 nodad; ip link set eth0 up; ip link set rcni0123456789a up
    ip addr add fe80::1/64 dev rcni0123456789a nodad
    ip -6 route add fd00:10:244:1::2/128 dev rcni0123456789a proto 77
    ip -n pod addr add fd00:10:244:1::2/128 dev eth0 nodad; ip -n pod link set eth0 up
    ip -n pod route add default via fe80::1 dev eth0
    ip -n far addr add fd00:10::12/64 dev eth0 nodad; ip -n far link set eth0 up
    ip -n far link set lo up; ip -n far addr add fd00:10:244:2::9/128 dev lo
    ip -n far addr add 2001:db8:cafe::10/128 dev lo
    ip -n far -6 route add fd00:10:244:1::/64 via fd00:10::11
    ip -6 route add fd00:10:244:2::/64 via fd00:10::12
    ip -6 route add 2001:db8:cafe::/64 via fd00:10::12
    ip6tables-nft -P FORWARD DROP
";

/// With which source a ping of the pod arrived.
fn seen(node: &Node, destination: &str) -> String {
    let rule = |source: &str| {
        format!(
            "ip netns exec far ip6tables-nft -A INPUT -s {source} -d {destination} \
             -p icmpv6 --icmpv6-type echo-request"
        )
    };
    node.sh("ip netns exec far ip6tables-nft -F");
    node.sh(&format!(
        "{}; {}",
        rule("fd00:10:244:1::2"),
        rule("fd00:10::11")
    ));
    node.sh(&format!(
        "ip netns exec pod ping -6 -c 1 -W 5 -q {destination}"
    ));
    let counted = node.sh("ip netns exec far ip6tables-nft-save -c");
    let arrived = counted.lines().find(|line| line.starts_with("[1:"));
    let arrived = arrived.unwrap_or_else(|| panic!("one packet: {counted}"));
    let mut words = arrived.split(' ').skip_while(|word| *word != "-s");
    words.nth(1).unwrap().to_owned()
}

const POD: &str = "fd00:10:244:1::2/128";
const NODE: &str = "fd00:10::11/128";

#[test]
fn only_what_leaves_the_cluster_is_translated() {
    let node = Node::new();
    node.sh(WIRES);
    node.sh("sysctl -qw net.ipv6.conf.all.forwarding=1");
    let blocked = node.try_sh("ip netns exec pod ping -6 -c 1 -W 1 -q fd00:10:244:2::9");
    assert!(!blocked.status.success(), "the policy drops it");
    node.configure(&format!("{ONLY}\n  masqueradeIPv6: true"));
    let running = node.run();
    assert_eq!(
        seen(&node, "fd00:10:244:2::9"),
        POD,
        "a pod on another node"
    );
    assert_eq!(seen(&node, "fd00:10::12"), POD, "another node");
    assert_eq!(seen(&node, "2001:db8:cafe::10"), NODE, "outside");
    for source in ["fd00:10::12", "fd00:10:244:2::9"] {
        node.sh(&format!(
            "ip netns exec far ping -6 -c 1 -W 5 -q -I {source} fd00:10:244:1::2"
        ));
    }
    node.sh("ping -6 -c 1 -W 5 -q fd00:10:244:1::2; \
             ip netns exec pod ping -6 -c 1 -W 5 -q fd00:10::11");
    // An address that no pod has goes nowhere, and does not come back to who sent it.
    let refused = node.try_sh("ip netns exec far ping -6 -c 1 -W 1 -q fd00:10:244:1::77");
    assert!(!refused.status.success());
    // A foreign source out of a pod is not ours to accept, and the policy drops it.
    node.sh("ip -n pod addr add 2001:db8:bad::5/128 dev eth0 nodad");
    let spoofed = "ip netns exec pod ping -6 -c 1 -W 1 -q -I 2001:db8:bad::5 fd00:10::12";
    assert!(!node.try_sh(spoofed).status.success());
    node.sh("ip -n pod addr del 2001:db8:bad::5/128 dev eth0");
    running.stop();
    assert_eq!(
        seen(&node, "2001:db8:cafe::10"),
        NODE,
        "stopping changes nothing"
    );
}

#[test]
fn by_default_the_outside_sees_the_pod() {
    let node = Node::new();
    node.sh(WIRES);
    node.configure(ONLY);
    node.oneshot();
    assert_eq!(seen(&node, "2001:db8:cafe::10"), POD);
}

/// Neighbour discovery, link-local traffic and multicast never meet a rule of ours that does
/// something: they are not forwarded, and they do not come from a pod's own address.
#[test]
fn link_local_traffic_and_neighbour_discovery_meet_no_rule() {
    let node = Node::new();
    node.sh(WIRES);
    node.configure(&format!("{ONLY}\n  masqueradeIPv6: true"));
    node.oneshot();
    node.sh(
        "ip6tables-nft -Z; ip6tables-nft -t nat -Z; ip -6 neigh flush all; \
             ip -n pod -6 neigh flush all",
    );
    node.wait_until("the uplink's link-local address is usable", || {
        node.sh("ip -6 addr show dev eth0 tentative").is_empty()
    });
    // From the pod's link-local address to the host end's, all nodes, and neighbours.
    node.sh("ip netns exec pod ping -6 -c 1 -W 5 -q fe80::1%eth0");
    node.sh("ping -6 -c 1 -W 5 -q ff02::1%eth0; \
             ip netns exec far ping -6 -c 1 -W 5 -q fd00:10::11");
    let counted = node.counted("ip6tables-nft");
    let own: Vec<&str> = counted
        .lines()
        .filter(|line| line.contains("-A RCNI-"))
        .collect();
    assert_eq!(own.len(), 5, "{counted}");
    for rule in own {
        assert!(rule.starts_with("[0:0]"), "{rule}");
    }
}

/// The router that a host listens to is still its router when it has become one itself.
#[test]
fn an_uplink_that_lives_on_router_advertisements_keeps_its_default_route() {
    let node = Node::new();
    node.configure(ONLY);
    node.sh("ip netns add far
         ip link add eth0 type veth peer name eth0 netns far
         ip link add eth1 type veth peer name eth1 netns far
         ip link add eth2 type veth peer name eth2 netns far
         ip link add rcni0123456789a type veth peer name pod0 netns far
         for link in eth0 eth1 eth2 rcni0123456789a; do
             echo 0 > /proc/sys/net/ipv6/conf/$link/accept_dad; done
         echo 0 > /proc/sys/net/ipv6/conf/eth2/accept_ra
         ip netns exec far sh -c 'for link in eth0 eth1 eth2 pod0; do
             echo 0 > /proc/sys/net/ipv6/conf/$link/accept_dad; done'
         for link in eth0 eth1 eth2 pod0; do ip -n far link set $link up; done
         for link in eth0 eth1 eth2 rcni0123456789a; do ip link set $link up; done");
    let default_route = || node.sh("ip -6 route show default");
    // A router repeats itself; a new link loses the first ones.
    node.wait_until("the router is learned", || {
        for link in ["eth0", "pod0", "eth2"] {
            advertise(&node, link);
        }
        let routes = default_route();
        routes.contains("dev eth0 proto ra") && routes.contains("dev rcni")
    });
    let accept = "for link in default eth0 eth1 eth2 rcni0123456789a; do \
                  cat /proc/sys/net/ipv6/conf/$link/accept_ra; done | tr '\\n' ' '";
    assert_eq!(node.sh(accept), "1 1 1 0 1 ");
    let running = node.run();
    // Not where nothing was learned, nor where it was 0, nor towards a pod.
    assert_eq!(node.sh(accept), "1 2 1 0 1 ");
    assert!(
        running
            .log()
            .contains("net/ipv6/conf/eth0/accept_ra was 1, is 2 now"),
        "{}",
        running.log()
    );
    let routes = default_route();
    assert!(routes.contains("dev eth0 proto ra"), "{routes}");
    assert!(!routes.contains("dev rcni"), "{routes}");
    // It is still listened to.
    node.sh("ip -6 route del default dev eth0");
    node.wait_until("the router is learned again", || {
        advertise(&node, "eth0");
        default_route().contains("dev eth0 proto ra")
    });
    running.stop();
    let (code, said) = node.felix("clean");
    assert_eq!(code, 0, "{said}");
    assert_eq!(node.sh(accept), "1 1 1 0 1 ");
    assert_eq!(
        node.sh("cat /proc/sys/net/ipv6/conf/eth0/forwarding"),
        "0\n"
    );
    assert!(default_route().contains("dev eth0 proto ra"), "{said}");
}

/// What a router sends to all nodes: it is a default router for half an hour, and 2001:db8:5::/64 is
/// on this link and for everybody's own addresses (RFC 4861 §4.2, §4.6.2). The kernel fills in the
/// checksum.
fn advertisement() -> Vec<u8> {
    let mut bytes = vec![134, 0, 0, 0, 64, 0, 0x07, 0x08];
    bytes.extend([0; 8]);
    bytes.extend([
        3, 4, 64, 0xc0, 0, 0, 0x1c, 0x20, 0, 0, 0x0e, 0x10, 0, 0, 0, 0,
    ]);
    bytes.extend([0x20, 0x01, 0x0d, 0xb8, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes
}

/// Sends one from a link of the namespace `far`, by a thread that ends there.
fn advertise(node: &Node, link: &'static str) {
    let far = node.namespace("far");
    let send = move || -> std::io::Result<()> {
        // SAFETY: a descriptor of a namespace that is open; only this thread changes its own.
        checked(unsafe { libc::setns(far.as_raw_fd(), libc::CLONE_NEWNET) })?;
        let name = std::ffi::CString::new(link)?;
        // SAFETY: a C string that lives until the call returns.
        let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
        // SAFETY: no pointers; the result is checked.
        let socket = checked(unsafe {
            libc::socket(
                libc::AF_INET6,
                libc::SOCK_RAW | libc::SOCK_CLOEXEC,
                libc::IPPROTO_ICMPV6,
            )
        })?;
        // SAFETY: just opened, and nobody else has it. It is used as what it is not, a UDP socket,
        // for its options and `send_to` only.
        let socket = unsafe { UdpSocket::from_raw_fd(socket) };
        for (option, value) in [
            (libc::IPV6_MULTICAST_HOPS, 255),
            (
                libc::IPV6_MULTICAST_IF,
                libc::c_int::try_from(index).unwrap(),
            ),
        ] {
            // SAFETY: a pointer to an int and its size, both live until the call returns.
            checked(unsafe {
                libc::setsockopt(
                    socket.as_raw_fd(),
                    libc::IPPROTO_IPV6,
                    option,
                    (&raw const value).cast(),
                    libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap(),
                )
            })?;
        }
        let all_nodes = "ff02::1".parse().unwrap();
        socket.send_to(&advertisement(), SocketAddrV6::new(all_nodes, 0, 0, index))?;
        Ok(())
    };
    std::thread::spawn(send).join().unwrap().expect(link);
}

fn checked(result: libc::c_int) -> std::io::Result<libc::c_int> {
    if result < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(result)
}
