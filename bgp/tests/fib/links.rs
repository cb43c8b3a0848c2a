//! One network on several links: a route names the link of its gateway, and keeps to it.

use rcni_bgp::fib::drift::Cause;

use super::objects::show_here;
use super::*;

const PREFIXES: [&str; 2] = ["10.128.1.0/24", "2001:db8:1::/64"];
const GATEWAYS: [&str; 2] = ["10.0.0.1", "fd00::1"];

/// As [`lonely_dual`], and `eth1` on the same networks, which the kernel uses after eth0.
fn twice_on_one_network() -> Namespace {
    let namespace = lonely_dual();
    namespace.ip("link add eth1 type veth peer name far1");
    namespace.ip("link set far1 up");
    namespace.ip("link set eth1 up");
    namespace.ip("address add 10.0.0.3/24 dev eth1 metric 500");
    namespace.ip("address add fd00::3/64 dev eth1 metric 500 nodad");
    namespace
}

/// Each route with its gateway and link.
fn shown() -> Vec<String> {
    let all = show_here("route show proto 77") + &show_here("-6 route show proto 77");
    let words = |line: &str| line.split(' ').take(5).collect::<Vec<_>>().join(" ");
    all.lines().map(words).collect()
}

fn on(link: &str) -> Vec<String> {
    let both = PREFIXES.iter().zip(GATEWAYS);
    let line = |(prefix, gateway)| format!("{prefix} via {gateway} dev {link}");
    both.map(line).collect()
}

async fn until_on(fib: &Running, link: &str, when: &str) -> FibStatus {
    let begun = std::time::Instant::now();
    while shown() != on(link) {
        assert!(begun.elapsed() < SOON, "{when}: {:?}", shown());
        sleep(Duration::from_millis(5)).await;
    }
    fib.until(when, |s| s.installed == 2 && s.pending == 0)
        .await
}

async fn start() -> Running {
    let fib = Running::start().await;
    for (prefix, gateway) in PREFIXES.iter().zip(GATEWAYS) {
        fib.want(prefix, &[gateway]).await;
    }
    until_on(&fib, "eth0", "at first").await;
    fib
}

#[test]
fn a_route_that_is_moved_to_another_link_is_put_back_at_once() {
    let namespace = twice_on_one_network();
    namespace.run(|| async {
        let fib = start().await;
        // Hints of the start are worked off: what follows is not found by a dump.
        sleep(Duration::from_millis(2500)).await;
        let before = fib.status().await.repairs;
        for (prefix, gateway) in PREFIXES.iter().zip(GATEWAYS) {
            ip_here(&format!(
                "route replace {prefix} via {gateway} dev eth1 proto 77 metric 77"
            ));
        }
        let status = fib
            .until("both were seen", |s| {
                s.repairs.of(Cause::Changed) == before.of(Cause::Changed) + 2
            })
            .await;
        assert_eq!(status.repairs.total(), before.total() + 2);
        until_on(&fib, "eth0", "after the change").await;
    });
}

#[test]
fn routes_follow_a_gateway_from_link_to_link() {
    let namespace = twice_on_one_network();
    namespace.run(|| async {
        let fib = start().await;
        // The kernel prefers the other one now, and says so by a route only.
        ip_here("route add 10.0.0.0/25 dev eth1 scope link");
        ip_here("-6 route add fd00::/80 dev eth1");
        until_on(&fib, "eth1", "with a better route to the network").await;
        ip_here("-6 route del fd00::/80 dev eth1");
        ip_here("address del 10.0.0.3/24 dev eth1");
        ip_here("address del fd00::3/64 dev eth1");
        until_on(&fib, "eth0", "without an address").await;
        ip_here("address add 10.0.0.3/24 dev eth1 metric 500");
        ip_here("address add fd00::3/64 dev eth1 metric 500 nodad");
        for what in ["link set eth0 down", "link del eth0"] {
            ip_here(what);
            until_on(&fib, "eth1", what).await;
            if what.contains("down") {
                ip_here("link set eth0 up");
                ip_here("address add fd00::2/64 dev eth0 nodad");
                until_on(&fib, "eth0", "up again").await;
            }
        }
        // The same name and addresses with another index, and another name with the same index.
        ip_here("link add eth0 type veth peer name far0");
        ip_here("link set far0 up");
        ip_here("link set eth0 up");
        ip_here("address add 10.0.0.2/24 dev eth0");
        ip_here("address add fd00::2/64 dev eth0 nodad");
        until_on(&fib, "eth0", "made again").await;
        ip_here("link set eth0 name other0");
        until_on(&fib, "other0", "renamed").await;
        ip_here("link del eth1");
        sleep(Duration::from_millis(1500)).await;
        until_on(&fib, "other0", "the other one deleted").await;
    });
}
