//! Next hops that are no gateways now.

use super::*;

/// Two links, one address on the first only.
async fn one_of_two_is_missing(route: &str, gateways: [&str; 2], come: &[&str], go: &str) {
    let fib = Running::start().await;
    fib.want(route, &gateways).await;
    let degraded = |status: &FibStatus| {
        status.installed == 1
            && status.degraded_count == 1
            && status.failed_count == 0
            && [
                format!("next hop {} is not on any connected network", gateways[1]),
                // While it is expected back.
                format!("of next hop {} is switched off", gateways[1]),
            ]
            .iter()
            .any(|why| status.degraded[0].1.contains(why))
            && status.degraded[0]
                .1
                .starts_with(&format!("installed via {} only: ", gateways[0]))
    };
    let whole = |status: &FibStatus| status.installed == 1 && status.degraded_count == 0;
    let status = fib.until("without the missing one", degraded).await;
    assert!(status.unsettled.is_empty());
    come.iter().for_each(|step| ip_here(step));
    fib.until("with both", whole).await;
    ip_here(go);
    fib.until("without it again", degraded).await;
    come.iter().for_each(|step| ip_here(step));
    fib.until("with both again", whole).await;
}

fn two_links(namespace: &Namespace) {
    namespace.ip("link add eth1 type veth peer name far1");
    namespace.ip("link set far1 up");
    namespace.ip("link set eth1 up");
}

#[test]
fn an_ipv4_route_has_the_usable_next_hops_and_the_others_when_they_come() {
    let namespace = lonely();
    two_links(&namespace);
    namespace.run(|| {
        one_of_two_is_missing(
            "10.128.0.0/24",
            ["10.0.0.1", "10.0.9.1"],
            &["address add 10.0.9.2/24 dev eth1"],
            "address flush dev eth1",
        )
    });
    let shown = namespace.own_routes().join(" ");
    assert!(
        shown.contains("via 10.0.0.1 dev eth0") && shown.contains("via 10.0.9.1 dev eth1"),
        "{shown}"
    );
}

#[test]
fn an_ipv6_route_has_the_usable_next_hops_and_the_others_when_they_come() {
    let namespace = lonely_dual();
    two_links(&namespace);
    namespace.run(|| async {
        // An address that goes leaves IPv6 routes where they are; a link that goes does not.
        one_of_two_is_missing(
            "2001:db8:1::/64",
            ["fd00::1", "fd09::1"],
            &["link set eth1 up", "address add fd09::2/64 dev eth1 nodad"],
            "link set eth1 down",
        )
        .await;
    });
    let shown = own_ipv6_routes(&namespace).join(" ");
    assert!(
        shown.contains("via fd00::1 dev eth0") && shown.contains("via fd09::1 dev eth1"),
        "{shown}"
    );
}

#[test]
fn a_single_next_hop_is_named_and_taken_when_its_network_comes() {
    let namespace = lonely_dual();
    namespace.run(|| async {
        let fib = Running::start().await;
        for (route, gateway, come) in [
            (
                "10.128.0.0/24",
                "192.0.2.1",
                "route add 192.0.2.0/28 dev eth0",
            ),
            (
                "2001:db8:1::/64",
                "fd09::1",
                "-6 route add fd09::/64 dev eth0",
            ),
        ] {
            let before = fib.status().await.installed;
            fib.want(route, &[gateway]).await;
            let text = format!("next hop {gateway} is not on any connected network, and no route");
            fib.until("named", |status| {
                status.failed_count == 1 && status.failed[0].1.starts_with(&text)
            })
            .await;
            ip_here(come);
            fib.until("installed", |status| {
                status.installed == before + 1 && status.failed_count == 0
            })
            .await;
        }
        // Of IPv4 the kernel takes one.
        fib.want("2001:db8:2::/64", &["fd00::2"]).await;
        fib.until("our own address", |status| {
            status.failed_count == 1
                && status.failed[0]
                    .1
                    .starts_with("next hop fd00::2 is an address of this node")
        })
        .await;
    });
}
