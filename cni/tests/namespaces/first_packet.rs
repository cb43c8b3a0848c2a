//! The moment at which ADD is complete, from inside: the first packet of a pod, sent by the thread that
//! just wired it, so that no process has to end in between.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rcni_cni::naming::Attachment;
use rcni_cni::netlink::Netlink;
use rcni_cni::netns::Netns as PodNamespace;
use rcni_cni::sysctl;
use rcni_cni::veth::{self, Plan};

use crate::support::{Netns, Node};

#[test]
fn no_first_packet_is_lost() {
    let node = Node::new();
    let host = Ipv4Addr::new(192, 0, 2, 1);
    let receiver = node.host.run(|| UdpSocket::bind((host, 0)).expect("bind"));
    receiver
        .set_read_timeout(Some(Duration::from_secs(2)))
        .expect("timeout");
    let target = receiver.local_addr().expect("address");
    let mut lost = Vec::new();
    for round in 0..60_u8 {
        let pod = Netns::new();
        let plan = plan(round);
        let sender = pod.run(|| UdpSocket::bind("0.0.0.0:0").expect("bind"));
        node.host.run(|| {
            wire(&pod, &plan);
            sender.send_to(&[round], target).expect("send");
        });
        let mut buffer = [0; 8];
        if !matches!(receiver.recv(&mut buffer), Ok(1) if buffer[0] == round) {
            lost.push(round);
        }
        node.host.run(|| {
            let mut netlink = Netlink::open().expect("socket");
            assert!(veth::delete(&mut netlink, &plan.host_name).expect("deleted"));
        });
    }
    assert!(lost.is_empty(), "lost in the rounds {lost:?}");
}

/// The kernel's duplicate address detection takes at least this long: a packet that had to wait for
/// it did not arrive sooner. (A lower bound of what must not be waited for, not of speed.)
const DETECTION: Duration = Duration::from_millis(900);
const ROUNDS: u8 = 12;

/// A neighbour of the node, two hops from its pods.
struct Uplink {
    netns: Netns,
}

impl Uplink {
    const V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
    const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 2);

    fn of(node: &Node) -> Self {
        let netns = Netns::new();
        let path = netns.path();
        node.host.ip(&format!(
            "link add up0 type veth peer name up1 netns {path}"
        ));
        for (place, name, last) in [(&node.host, "up0", 1), (&netns, "up1", 2)] {
            place.ip(&format!("addr add 198.51.100.{last}/24 dev {name}"));
            place.ip(&format!("addr add 2001:db8:1::{last}/64 dev {name} nodad"));
            place.ip(&format!("link set {name} up"));
        }
        netns.ip("route add default via 198.51.100.1");
        netns.ip("route add default via 2001:db8:1::1");
        // This link is older than the pods: its neighbours know each other.
        for (place, target) in [
            (&netns, "198.51.100.1"),
            (&netns, "2001:db8:1::1"),
            (&node.host, "2001:db8:1::2"),
        ] {
            let mut ping = Command::new("ping");
            ping.args(["-c", "1", "-w", "30", target]);
            let answer = place.output(&mut ping);
            assert!(answer.status.success(), "{answer:?}");
        }
        Self { netns }
    }

    fn address(ipv6: bool) -> IpAddr {
        if ipv6 {
            Self::V6.into()
        } else {
            Self::V4.into()
        }
    }
}

/// A socket for any address of the family.
fn socket(netns: &Netns, ipv6: bool) -> UdpSocket {
    let any: IpAddr = if ipv6 {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        Ipv4Addr::UNSPECIFIED.into()
    };
    let socket = netns.run(|| UdpSocket::bind((any, 0)).expect("bind"));
    let wait = Some(Duration::from_secs(10));
    socket.set_read_timeout(wait).expect("timeout");
    socket
}

/// One datagram, sent as soon as the pod is wired and never again, to or from beyond the node.
fn one_datagram(node: &Node, uplink: &Uplink, round: u8, ipv6: bool, to_pod: bool) -> Duration {
    let pod = Netns::new();
    let plan = plan(round);
    let address = plan.addresses[usize::from(ipv6)];
    let (inside, outside) = (socket(&pod, ipv6), socket(&uplink.netns, ipv6));
    let port = |socket: &UdpSocket| socket.local_addr().expect("address").port();
    let (sender, receiver, target) = if to_pod {
        (&outside, &inside, SocketAddr::new(address, port(&inside)))
    } else {
        let target = SocketAddr::new(Uplink::address(ipv6), port(&outside));
        (&inside, &outside, target)
    };
    let sent = node.host.run(|| {
        wire(&pod, &plan);
        sender.send_to(&[round], target).expect("send");
        Instant::now()
    });
    let mut buffer = [0; 8];
    let (length, from) = receiver.recv_from(&mut buffer).unwrap_or_else(|error| {
        panic!("round {round}, IPv6 {ipv6}, to the pod {to_pod}: lost ({error})")
    });
    let taken = sent.elapsed();
    assert_eq!(&buffer[..length], [round]);
    let expected = if to_pod {
        Uplink::address(ipv6)
    } else {
        address
    };
    assert_eq!(from.ip(), expected, "no translation");
    for (place, name) in [(&node.host, plan.host_name.as_str()), (&pod, "eth0")] {
        let waiting = place.ip(&format!("-6 addr show dev {name} tentative"));
        assert_eq!(waiting, "", "duplicate address detection");
    }
    node.host.run(|| {
        let mut netlink = Netlink::open().expect("socket");
        assert!(veth::delete(&mut netlink, &plan.host_name).expect("deleted"));
    });
    taken
}

#[test]
fn the_first_packet_is_not_late_in_either_family_and_direction() {
    for detection_everywhere in ["0", "1"] {
        let node = Node::dual();
        // An administrator's choice that must not matter.
        let all = "ipv6/conf/all/accept_dad";
        node.host.set_sysctl(all, detection_everywhere);
        let uplink = Uplink::of(&node);
        for (ipv6, to_pod) in [(false, false), (false, true), (true, false), (true, true)] {
            let late = (1..=ROUNDS)
                .filter(|round| one_datagram(&node, &uplink, *round, ipv6, to_pod) >= DETECTION)
                .count();
            let most = usize::from(ROUNDS) / 2;
            assert!(
                late < most,
                "IPv6 {ipv6}, to the pod {to_pod}: {late} were late"
            );
        }
    }
}

fn plan(round: u8) -> Plan {
    let attachment = Attachment::new(&format!("pod{round}"), "eth0").expect("valid");
    Plan {
        host_name: attachment.host_interface(),
        pod_name: "eth0".to_owned(),
        pod_mac: attachment.pod_mac(),
        alias: "default/web".to_owned(),
        mtu: 1500,
        addresses: vec![
            Ipv4Addr::new(10, 244, 1, round).into(),
            Ipv6Addr::new(0xfd00, 0x10, 0x244, 1, 0, 0, 1, round.into()).into(),
        ],
        routes: ["0.0.0.0/0", "::/0"]
            .map(|text| text.parse().expect("network"))
            .into(),
    }
}

/// ADD's own steps.
fn wire(pod: &Netns, plan: &Plan) {
    let netns = PodNamespace::open(Path::new(&pod.path())).expect("namespace");
    let mut inside = netns
        .enter(|| Ok(Netlink::open()?))
        .expect("socket in the pod");
    let mut outside = Netlink::open().expect("socket");
    let host_end = veth::create(&mut outside, &netns, plan).expect("pair");
    sysctl::host_end(&host_end, plan.families()).expect("sysctls");
    veth::configure_pod(&mut inside, &netns, &host_end, plan).expect("pod end");
    veth::publish(&mut outside, &host_end, plan).expect("host end");
    veth::wait_ready(&mut outside, &mut inside, &host_end, plan).expect("ready");
}
