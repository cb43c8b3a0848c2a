//! Questions while other pods come and go: the kernel says when a list changed under its pen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rcni_cni::netlink::Netlink;
use rcni_cni::uplink;

use crate::support::{Netns, Node};

/// More than fit in one piece of an answer.
const LINKS: u32 = 120;
const LEAST: u32 = 1320;

#[test]
fn a_list_of_links_is_whole_while_links_come_and_go() {
    let node = Node::new();
    // Around the one that decides lie others; it is the last but few.
    for at in 0..LINKS / 2 {
        let mtu = if at == LINKS / 2 - 3 { LEAST } else { 1500 };
        node.host.ip(&format!(
            "link add keep{at} mtu {mtu} type veth peer name end{at} mtu 1500"
        ));
        node.host.ip(&format!("link set keep{at} up"));
    }
    node.host.ip(&format!(
        "addr add 198.51.100.1/24 dev keep{}",
        LINKS / 2 - 3
    ));
    node.host.ip("route add default via 198.51.100.2");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| churn(&node.host, &stop));
        let found = node.host.run(|| {
            let mut netlink = Netlink::open().expect("socket");
            let until = Instant::now() + Duration::from_secs(2);
            let mut found = Vec::new();
            while Instant::now() < until {
                found.push(uplink::mtu(&mut netlink));
            }
            found
        });
        stop.store(true, Ordering::Relaxed);
        println!("{} questions", found.len());
        assert!(found.len() > 10, "{}", found.len());
        for mtu in found {
            assert_eq!(mtu, Ok(LEAST));
        }
    });
}

fn churn(place: &Netns, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        place.ip("link add passing type veth peer name passing-end");
        place.ip("link del passing");
    }
}
