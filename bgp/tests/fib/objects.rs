//! Routes with several gateways share nexthop groups: links that flap, restarts, what others do.

use std::net::IpAddr;

use rcni_bgp::fib::Groups;

use super::*;

/// Routes that share a group: more than any queue or batch.
const MANY: u32 = 100_000;

/// 10.0.0.2/24 on `eth0`, 10.0.1.2/24 on `eth1`; the far ends are `far` and `far1`.
pub(super) fn two_uplinks() -> Namespace {
    let namespace = lonely_dual();
    namespace.ip("link add eth1 type veth peer name far1");
    namespace.ip("link set far1 up");
    namespace.ip("address add 10.0.1.2/24 dev eth1");
    namespace.ip("address add fd01::2/64 dev eth1 nodad");
    namespace.ip("link set eth1 up");
    namespace
}

pub(super) const BOTH: [&str; 2] = ["10.0.0.1", "10.0.1.1"];

async fn want_many(fib: &Running, gateways: &[&str]) {
    let gateways: NextHops = gateways.iter().map(|text| hop(text)).collect();
    let all: Vec<u32> = (0..MANY).collect();
    for some in all.chunks(1000) {
        let wanted = some
            .iter()
            .map(|index| (numbered(*index), gateways.clone()));
        let wanted = wanted.collect();
        fib.commands.send(Command::Want(wanted)).await.unwrap();
    }
}

/// Own routes as the kernel has them: by a reader that shares nothing with the daemon.
fn count_here(arguments: &str) -> usize {
    let output = std::process::Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('\t'))
        .count()
}

/// What the daemon thinks and what the kernel has; it may not have heard yet what was just done.
async fn all_are_there(fib: &Running, what: &str) {
    let all = MANY as usize;
    let begun = std::time::Instant::now();
    loop {
        fib.until(what, |s| {
            s.installed == all && s.pending == 0 && s.degraded_count == 0
        })
        .await;
        let there = count_here("-4 route show proto 77");
        let dead = show_here("-4 route show proto 77")
            .matches("linkdown")
            .count();
        if (there, dead) == (all, 0) {
            return;
        }
        assert!(
            begun.elapsed() < SOON,
            "{what}: {there}, of which dead: {dead}"
        );
        sleep(Duration::from_millis(100)).await;
    }
}

async fn none_is_there(what: &str) {
    let begun = std::time::Instant::now();
    while count_here("-4 route show proto 77") > 0 {
        let left = show_here("-4 route show proto 77");
        let some: Vec<&str> = left.lines().take(6).collect();
        assert!(begun.elapsed() < SOON, "{what}: {some:?}");
        sleep(Duration::from_millis(100)).await;
    }
}

#[test]
fn a_hundred_thousand_routes_are_back_after_either_link_and_both() {
    let namespace = two_uplinks();
    namespace.run(|| async {
        let fib = Running::start().await;
        want_many(&fib, &BOTH).await;
        all_are_there(&fib, "at first").await;
        let objects = fib.status().await.objects.unwrap();
        assert_eq!(
            (objects.mode, objects.groups, objects.objects),
            ("groups", 1, 3)
        );
        // The other end goes: no carrier. Then our own is switched off.
        for (down, up) in [
            ("link set far1 down", "link set far1 up"),
            ("link set eth1 down", "link set eth1 up"),
        ] {
            ip_here(down);
            let degraded = |s: &FibStatus| s.degraded_count == MANY as usize;
            let status = fib.until(down, degraded).await;
            assert_eq!(status.installed, MANY as usize, "{down}");
            assert_eq!(
                count_here("-4 route show proto 77"),
                MANY as usize,
                "{down}"
            );
            ip_here(up);
            all_are_there(&fib, up).await;
        }
        for (down, up) in [
            (
                ["link set far down", "link set far1 down"],
                ["link set far up", "link set far1 up"],
            ),
            (
                ["link set eth0 down", "link set eth1 down"],
                ["link set eth1 up", "link set eth0 up"],
            ),
        ] {
            down.iter().for_each(|step| ip_here(step));
            fib.until(down[0], |s| {
                s.installed == 0 && s.failed_count == MANY as usize
            })
            .await;
            none_is_there(down[0]).await;
            up.iter().for_each(|step| ip_here(step));
            all_are_there(&fib, up[0]).await;
        }
        // Faster than anybody looks.
        for step in [
            "link set far down",
            "link set far1 down",
            "link set far up",
            "link set far1 up",
            "link set eth0 down",
            "link set eth0 up",
            "link set eth1 down",
            "link set eth1 up",
        ] {
            ip_here(step);
        }
        all_are_there(&fib, "after a quick one").await;
    });
}

#[test]
fn a_hundred_thousand_routes_are_back_after_the_only_link() {
    let namespace = lonely();
    namespace.run(|| async {
        let fib = Running::start().await;
        want_many(&fib, &["10.0.0.1"]).await;
        all_are_there(&fib, "at first").await;
        for (down, up) in [
            ("link set far down", "link set far up"),
            ("link set eth0 down", "link set eth0 up"),
        ] {
            ip_here(down);
            let seen = |s: &FibStatus| s.degraded_count + s.failed_count == MANY as usize;
            fib.until(down, seen).await;
            ip_here(up);
            all_are_there(&fib, up).await;
        }
        ip_here("link set eth0 down");
        ip_here("link set eth0 up");
        all_are_there(&fib, "after a quick one").await;
    });
}

#[test]
fn what_others_do_to_objects_is_undone_in_both_compatibility_modes() {
    for mode in ["0", "1"] {
        let namespace = two_uplinks();
        let key = format!("net.ipv4.nexthop_compat_mode={mode}");
        let set = namespace.command("sysctl").args(["-qw", &key]).status();
        assert!(set.unwrap().success());
        namespace.run(move || async move {
            let fib = Running::start().await;
            let routes = [
                ("10.128.0.0/24", BOTH),
                ("10.128.1.0/24", ["fd00::1", "fd01::1"]),
                ("2001:db8:1::/64", ["fd00::1", "fd01::1"]),
                ("0.0.0.0/0", BOTH),
            ];
            for (route, gateways) in &routes {
                fib.want(route, gateways).await;
            }
            let whole = |s: &FibStatus| {
                s.installed == routes.len() && s.degraded_count == 0 && s.pending == 0
            };
            let status = fib.until("at first", whole).await;
            let objects = status.objects.unwrap();
            assert_eq!(objects.compat_mode, Some(mode == "1"));
            assert_eq!((objects.groups, objects.objects), (2, 6));
            let first = 0x7263_0000;
            for what in [
                format!("nexthop del id {first}"),
                format!("nexthop del id {}", first + 2),
                format!(
                    "nexthop replace id {} group {} proto 77",
                    first + 2,
                    first + 1
                ),
                format!("nexthop replace id {first} via 10.0.0.77 dev eth0 proto 77"),
                "nexthop flush proto 77".to_owned(),
                "route flush proto 77".to_owned(),
                "-6 route flush proto 77".to_owned(),
                "route replace 10.128.0.0/24 via 10.0.0.66 proto 77 metric 77".to_owned(),
                "address flush dev eth1".to_owned(),
            ] {
                // A flush gives up when it finds what it has just flushed again and again.
                let _ = std::process::Command::new("ip")
                    .args(what.split(' '))
                    .output();
                if what.starts_with("address") {
                    ip_here("address add 10.0.1.2/24 dev eth1");
                    ip_here("address add fd01::2/64 dev eth1 nodad");
                }
                // What others have done is heard after it was done: look until it is undone.
                let right =
                    |shown: &str| shown.contains("10.0.0.1 ") && shown.contains("10.0.1.1 ");
                let begun = std::time::Instant::now();
                loop {
                    fib.until(&what, whole).await;
                    let shown = show_here("nexthop show");
                    let routes =
                        show_here("route show proto 77") + &show_here("-6 route show proto 77");
                    if right(&shown) && routes.matches("nhid").count() == 4 {
                        break;
                    }
                    assert!(begun.elapsed() < SOON, "{what}: {shown}\n{routes}");
                    sleep(Duration::from_millis(20)).await;
                }
            }
        });
    }
}

pub(super) fn show_here(arguments: &str) -> String {
    let output = std::process::Command::new("ip")
        .args(arguments.split(' '))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// What `ip` shows in the end: a group is written after its routes are known to have it.
pub(super) async fn until_shown(arguments: &str, right: impl Fn(&str) -> bool) {
    let begun = std::time::Instant::now();
    loop {
        let shown = show_here(arguments);
        if right(&shown) {
            return;
        }
        assert!(begun.elapsed() < SOON, "{arguments}: {shown}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn without_groups_routes_have_gateways_of_their_own_and_leave_dead_links() {
    let namespace = two_uplinks();
    namespace.run(|| async {
        let fib = Running::with(Settings {
            groups: Groups::Never,
            ..OWNER.into()
        })
        .await;
        fib.want("10.128.0.0/24", &BOTH).await;
        fib.want("2001:db8:1::/64", &["fd00::1", "fd01::1"]).await;
        let status = fib.until("at first", |s| s.installed == 2).await;
        let objects = status.objects.unwrap();
        assert_eq!((objects.mode, objects.objects), ("multipath", 0));
        assert!(objects.note.unwrap().contains("Never"));
        let shown = show_here("route show proto 77");
        assert!(!shown.contains("nhid") && shown.matches("nexthop via").count() == 2);
        ip_here("link set far1 down");
        fib.until("one left", |s| s.installed == 2 && s.degraded_count == 2)
            .await;
        let shown = show_here("route show proto 77");
        assert_eq!(
            shown.trim(),
            "10.128.0.0/24 via 10.0.0.1 dev eth0 metric 77"
        );
        ip_here("link set far1 up");
        fib.until("both again", |s| s.installed == 2 && s.degraded_count == 0)
            .await;
        assert_eq!(
            show_here("route show proto 77")
                .matches("nexthop via")
                .count(),
            2
        );
    });
}

#[test]
fn a_lost_neighbour_leaves_the_group_before_its_routes_are_withdrawn() {
    let namespace = two_uplinks();
    namespace.run(|| async {
        let fib = Running::start().await;
        fib.want("10.128.0.0/24", &BOTH).await;
        fib.until("at first", |s| s.installed == 1).await;
        let members = || show_here("nexthop show").matches('/').count();
        assert_eq!(members(), 1);
        let lost: IpAddr = "10.0.1.1".parse().unwrap();
        let lost = Command::Lost(lost.into());
        fib.commands.send(lost).await.unwrap();
        let begun = std::time::Instant::now();
        while members() == 1 {
            assert!(begun.elapsed() < SOON);
            sleep(Duration::from_millis(5)).await;
        }
        assert!(
            show_here("route show proto 77").contains("nhid"),
            "the same route"
        );
        // Nobody withdraws it: it counts again.
        while members() == 0 {
            assert!(begun.elapsed() < SOON);
            sleep(Duration::from_millis(50)).await;
        }
    });
}

#[test]
fn next_hops_behind_routes_are_followed() {
    let namespace = two_uplinks();
    namespace.run(|| async {
        let fib = Running::start().await;
        // Two nodes' pod networks behind addresses that routes of ours and of others lead to.
        fib.want("10.128.0.0/24", &["10.9.0.2"]).await;
        fib.want("2001:db8:1::/64", &["fd09::2"]).await;
        fib.want("10.128.1.0/24", &["10.9.1.2"]).await;
        fib.until("unknown", |s| s.failed_count == 3).await;
        fib.want("10.9.0.2/32", &BOTH).await;
        fib.want("fd09::2/128", &["fd00::1", "fd01::1"]).await;
        ip_here("route add 10.9.1.0/24 via 10.0.1.7");
        fib.until("known", |s| s.installed == 5 && s.degraded_count == 0)
            .await;
        let shown = show_here("route show 10.128.1.0/24");
        assert!(shown.contains("via 10.0.1.7 dev eth1"), "{shown}");
        let shown = show_here("route show 10.128.0.0/24");
        assert!(
            shown.contains("10.0.0.1") && shown.contains("10.0.1.1"),
            "{shown}"
        );
        // A better one, then another gateway, then none.
        ip_here("route add 10.9.1.2/32 via 10.0.0.7");
        let via = async |what: &str, gateway: &str| {
            let begun = std::time::Instant::now();
            while !show_here("route show 10.128.1.0/24").contains(gateway) {
                assert!(begun.elapsed() < SOON, "{what}");
                sleep(Duration::from_millis(5)).await;
            }
        };
        via("longer", "via 10.0.0.7 dev eth0").await;
        ip_here("route replace 10.9.1.2/32 via 10.0.0.8");
        via("replaced", "via 10.0.0.8 dev eth0").await;
        ip_here("route del 10.9.1.2/32");
        via("shorter again", "via 10.0.1.7 dev eth1").await;
        ip_here("route del 10.9.1.0/24");
        fib.until("gone", |s| s.failed_count == 1 && s.installed == 4)
            .await;
        assert_eq!(show_here("route show 10.128.1.0/24"), "");
        // Not through the default route, whoever has it.
        ip_here("route add default via 10.0.0.1");
        fib.want("0.0.0.0/0", &BOTH).await;
        fib.want("10.9.0.2/32", &["10.0.0.1"]).await;
        let status = fib.until("one gateway", |s| s.installed == 5).await;
        assert_eq!(status.failed_count, 1);
        // What leads through it comes after it.
        until_shown("route show 10.128.0.0/24", |shown| {
            shown.contains("via 10.0.0.1 dev eth0") && !shown.contains("nhid")
        })
        .await;
        fib.want("10.9.0.2/32", &[]).await;
        fib.until("both gone", |s| s.failed_count == 2 && s.installed == 3)
            .await;
    });
}

#[test]
fn the_object_of_anothers_route_is_followed_in_both_compatibility_modes() {
    for mode in [0, 1] {
        let namespace = two_uplinks();
        namespace.set("net.ipv4.nexthop_compat_mode", mode);
        namespace.ip("nexthop add id 5 via 10.0.0.5 dev eth0 proto zebra");
        namespace.ip("route add 10.9.0.0/24 nhid 5 proto ospf");
        // Every new address leads to another look.
        common::wait("the links have their addresses", || {
            let tentative = namespace.ip("-6 address show tentative");
            tentative.is_empty().then_some(())
        });
        namespace.run(move || async move {
            let fib = Running::start().await;
            fib.want("10.128.0.0/24", &["10.9.0.2"]).await;
            fib.until("known", |s| s.installed == 1).await;
            // Of the route nothing is told then, if there is no compatibility mode. More than once: a dump
            // that the start has led to may see the first ones, and there is none after it for long.
            for gateway in [
                "via 10.0.1.5 dev eth1",
                "via 10.0.0.6 dev eth0",
                "via 10.0.1.6 dev eth1",
                "via 10.0.0.7 dev eth0",
                "via 10.0.1.7 dev eth1",
                "via 10.0.0.8 dev eth0",
            ] {
                ip_here(&format!("nexthop replace id 5 {gateway} proto zebra"));
                let begun = std::time::Instant::now();
                while !show_here("route show 10.128.0.0/24").contains(gateway) {
                    assert!(begun.elapsed() < SOON, "mode {mode}: {gateway}");
                    sleep(Duration::from_millis(5)).await;
                }
            }
        });
    }
}

#[test]
fn a_route_within_which_its_next_hop_lies_does_not_keep_itself() {
    let namespace = two_uplinks();
    namespace.run(|| async {
        let fib = Running::start().await;
        ip_here("route add 10.0.0.0/8 via 10.0.0.7");
        fib.want("10.9.0.0/16", &["10.9.0.2"]).await;
        fib.until("by the static route", |s| s.installed == 1).await;
        // It is looked at again and again, and stays.
        for number in 0..20 {
            ip_here(&format!("address add 10.0.0.{}/24 dev eth0", 100 + number));
        }
        sleep(Duration::from_millis(200)).await;
        fib.until("still", |s| s.installed == 1 && s.pending == 0)
            .await;
        ip_here("route del 10.0.0.0/8");
        fib.until("gone with it", |s| s.installed == 0 && s.failed_count == 1)
            .await;
    });
}

#[test]
fn the_nodes_own_address_is_the_source_while_it_has_it() {
    let namespace = two_uplinks();
    namespace.ip("link set lo up");
    namespace.run(|| async {
        let fib = Running::with(Settings {
            sources: ["10.9.9.9".parse().ok(), "fd99::9".parse().ok()],
            ..OWNER.into()
        })
        .await;
        for (route, gateways) in [
            ("10.128.0.0/24", &BOTH[..]),
            ("10.128.1.0/24", &BOTH[..1]),
            ("2001:db8:1::/64", &["fd00::1", "fd01::1"][..]),
            ("2001:db8:2::/64", &["fd00::1"][..]),
        ] {
            fib.want(route, gateways).await;
        }
        fib.until("without", |s| s.installed == 4).await;
        let with_source = || {
            let shown = show_here("route show proto 77") + &show_here("-6 route show proto 77");
            shown.matches("src 10.9.9.9").count() + shown.matches("src fd99::9").count()
        };
        let wait = async |what: &str, count: usize| {
            let begun = std::time::Instant::now();
            while with_source() != count || fib.status().await.installed != 4 {
                assert!(begun.elapsed() < SOON, "{what}: {}", with_source());
                sleep(Duration::from_millis(5)).await;
            }
        };
        assert_eq!(with_source(), 0);
        ip_here("address add 10.9.9.9/32 dev lo");
        wait("IPv4's is there", 2).await;
        ip_here("address add fd99::9/128 dev lo");
        wait("both are there", 4).await;
        // The kernel takes IPv4 routes along.
        ip_here("address del 10.9.9.9/32 dev lo");
        wait("IPv4's is gone", 2).await;
        ip_here("address del fd99::9/128 dev lo");
        wait("both are gone", 0).await;
    });
}
