//! The moment at which ADD is complete, from inside: the first packet of a pod, sent by the thread that
//! just wired it, so that no process has to end in between.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use rcni_cni::naming::Attachment;
use rcni_cni::netlink::Netlink;
use rcni_cni::netns::Netns as PodNamespace;
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

fn plan(round: u8) -> Plan {
    let attachment = Attachment::new(&format!("pod{round}"), "eth0").expect("valid");
    Plan {
        host_name: attachment.host_interface(),
        pod_name: "eth0".to_owned(),
        pod_mac: attachment.pod_mac(),
        alias: "default/web".to_owned(),
        mtu: 1500,
        addresses: vec![Ipv4Addr::new(10, 244, 1, round).into()],
        routes: vec!["0.0.0.0/0".parse().expect("network")],
    }
}

/// ADD's own steps.
fn wire(pod: &Netns, plan: &Plan) {
    let netns = PodNamespace::open(Path::new(&pod.path())).expect("namespace");
    let mut inside = netns
        .enter(|| Ok(Netlink::open()?))
        .expect("socket in the pod");
    let mut outside = Netlink::open().expect("socket");
    let pair = veth::create(&mut outside, &netns, plan).expect("pair");
    veth::host_sysctls(&plan.host_name).expect("sysctls");
    veth::configure_pod(&mut inside, pair, plan).expect("pod end");
    veth::publish(&mut outside, pair, plan).expect("host end");
    veth::wait_ready(&mut inside, plan).expect("ready");
}
