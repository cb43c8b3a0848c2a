//! IPv6: the kernel joins routes to one prefix and metric into one, with the gateways of all.

use rcni_bgp::fib::change::Outcome;
use rcni_bgp::fib::netlink::Netlink;

use super::*;

const ONE: &str = "2001:db8:1::/64";
const TWO: &str = "2001:db8:2::/64";

fn index(namespace: &Namespace, link: &str) -> u32 {
    let shown = namespace.ip(&format!("-o link show {link}"));
    shown.split(':').next().unwrap().parse().unwrap()
}

#[test]
fn routes_of_every_shape_are_created_exclusively_and_read_back() {
    let namespace = lonely_dual();
    namespace.ip("link add eth1 type veth peer name far1");
    namespace.ip("link set far1 up");
    namespace.ip("link set eth1 up");
    let link_local = format!("fe80::1%{}", index(&namespace, "eth0"));
    let other = format!("fe80::1%{}", index(&namespace, "eth1"));
    namespace.run(|| async move {
        let mut netlink = Netlink::open().unwrap();
        let creations = [
            create(prefix(ONE), &["fd00::1"]),
            create(prefix(TWO), &["fd00::1", "fd00::3", "fd00::4"]),
            create(prefix("::/0"), &["fd00::1", "fd00::3"]),
            create(prefix("2001:db8:3::/64"), &[&link_local]),
            create(prefix("2001:db8:4::/64"), &[&link_local, &other]),
            create(prefix("2001:db8:5::5/128"), &["fd00::1", &link_local]),
        ];
        assert_eq!(netlink.apply(&OWNER, &creations).await, [Outcome::Done; 6]);
        // Nothing is appended.
        let again = [
            create(prefix(ONE), &["fd00::9"]),
            create(prefix(ONE), &["fd00::8", "fd00::9"]),
            create(prefix(TWO), &["fd00::9"]),
            create(prefix(TWO), &["fd00::8", "fd00::9"]),
        ];
        assert_eq!(netlink.apply(&OWNER, &again).await, [Outcome::Exists; 4]);
        let ours = netlink.find(&OWNER).await.unwrap();
        assert_eq!(ours.len(), 6);
        for creation in &creations {
            let Change::Create { prefix, target } = creation else {
                continue;
            };
            let mut expected = named(Some(target));
            expected.sort_unstable();
            assert_eq!(named(ours.get(prefix)), expected, "{prefix}");
        }
    });
    let shown = own_ipv6_routes(&namespace).join("\n");
    assert!(
        shown.contains("default metric 20077") && shown.contains(" via fe80::1 dev eth1 "),
        "{shown}"
    );
}

#[test]
fn a_replacement_takes_all_gateways_and_a_delete_leaves_nothing() {
    let namespace = lonely_dual();
    namespace.run(|| async {
        let mut netlink = Netlink::open().unwrap();
        let creations = [
            create(prefix(ONE), &["fd00::1"]),
            create(prefix(TWO), &["fd00::1", "fd00::3", "fd00::4"]),
            create(prefix("::/0"), &["fd00::1", "fd00::3"]),
        ];
        assert_eq!(netlink.apply(&OWNER, &creations).await, [Outcome::Done; 3]);
        let replace = |text: &str, gateways: &[&str]| Change::Replace {
            prefix: prefix(text),
            target: target(gateways),
        };
        let replacements = [
            replace(ONE, &["fd00::5", "fd00::6"]),
            replace(TWO, &["fd00::3"]),
            replace("::/0", &["fd00::3", "fd00::4", "fd00::5"]),
            replace("2001:db8:9::/64", &["fd00::3", "fd00::4"]),
        ];
        assert_eq!(
            netlink.apply(&OWNER, &replacements).await,
            [
                Outcome::Done,
                Outcome::Done,
                Outcome::Done,
                Outcome::Missing
            ]
        );
        let ours = netlink.find(&OWNER).await.unwrap();
        assert_eq!(
            named(ours.get(&prefix(ONE))),
            [hop("fd00::5"), hop("fd00::6")]
        );
        assert_eq!(named(ours.get(&prefix(TWO))), [hop("fd00::3")]);
        assert_eq!(ours.get(&prefix("::/0")).unwrap().hops().len(), 3);
        let deletes = [
            // With gateways and without.
            delete(prefix(ONE), &["fd00::5", "fd00::6"]),
            delete(prefix(TWO), &["fd00::3"]),
            delete(prefix("::/0"), &[]),
            delete(prefix(ONE), &["fd00::5"]),
            delete(prefix(TWO), &[]),
        ];
        let outcomes = netlink.apply(&OWNER, &deletes).await;
        assert_eq!(outcomes[..3], [Outcome::Done; 3]);
        assert_eq!(outcomes[3..], [Outcome::Missing; 2]);
    });
    assert!(own_ipv6_routes(&namespace).is_empty());
}

#[test]
fn what_an_earlier_run_left_is_adopted_and_swept_only_when_synced() {
    let namespace = lonely_dual();
    for rest in [
        "2001:db8:1::/64 proto 77 metric 77 nexthop via fd00::1 nexthop via fd00::3",
        "2001:db8:2::/64 proto 77 metric 77 via fd00::1",
        "2001:db8:3::/64 proto 77 metric 77 nexthop via fd00::1 nexthop via fd00::3",
        "default proto 77 metric 20077 via fd00::1",
        // A pod's, and another daemon's.
        "2001:db8:4::4/128 proto 77 dev eth0",
        "2001:db8:5::/64 proto bird metric 77 via fd00::1",
    ] {
        namespace.ip(&format!("-6 route add {rest}"));
    }
    let adopted = namespace.run(|| async {
        let fib = Running::start().await;
        fib.want(ONE, &["fd00::3", "fd00::1"]).await;
        fib.want(TWO, &["fd00::3", "fd00::4"]).await;
        let status = fib
            .until("two written", |status| status.installed == 2)
            .await;
        assert_eq!(status.stale, 2);
        fib.commands.send(Command::Synced).await.unwrap();
        fib.until("swept", |status| status.stale == 0 && status.pending == 0)
            .await;
        fib.adopted
    });
    assert_eq!(adopted, 4);
    assert_eq!(
        own_ipv6_routes(&namespace),
        [
            "2001:db8:1::/64 metric 77 nexthop via fd00::1 dev eth0 weight 1 nexthop via fd00::3 dev eth0 weight 1",
            "2001:db8:2::/64 metric 77 nexthop via fd00::3 dev eth0 weight 1 nexthop via fd00::4 dev eth0 weight 1",
            "2001:db8:4::4 dev eth0 metric 1024",
        ]
    );
    assert!(
        namespace
            .ip("-6 route show proto bird")
            .starts_with("2001:db8:5::/64 via fd00::1")
    );
}

#[test]
fn what_others_do_to_our_routes_is_undone() {
    let namespace = lonely_dual();
    namespace.run(|| async {
        let fib = Running::start().await;
        fib.want(ONE, &["fd00::1", "fd00::3"]).await;
        fib.until("written", |status| status.installed == 1).await;
        let mut repaired = 0;
        for what in [
            "-6 route del 2001:db8:1::/64 proto 77",
            // One of the gateways.
            "-6 route del 2001:db8:1::/64 via fd00::3 proto 77",
            "-6 route replace 2001:db8:1::/64 via fd00::66 proto 77 metric 77",
            "-6 route append 2001:db8:1::/64 via fd00::66 proto 77 metric 77",
        ] {
            ip_here(what);
            let before = repaired;
            let status = fib
                .until(what, |status| {
                    status.repaired > before && status.installed == 1
                })
                .await;
            repaired = status.repaired;
            assert_eq!(status.failed_count, 0, "{what}");
        }
        ip_here("link set eth0 down");
        fib.until("told", |s| s.failed_count == 1 && s.installed == 0)
            .await;
        ip_here("link set eth0 up");
        // The kernel takes IPv6 addresses away with the link.
        ip_here("address add fd00::2/64 dev eth0 nodad");
        fib.until("back with the link", |s| {
            s.failed_count == 0 && s.installed == 1
        })
        .await;
    });
    assert_eq!(
        own_ipv6_routes(&namespace),
        [
            "2001:db8:1::/64 metric 77 nexthop via fd00::1 dev eth0 weight 1 nexthop via fd00::3 dev eth0 weight 1"
        ]
    );
}

#[test]
fn a_foreign_route_is_left_reported_and_followed() {
    let namespace = lonely_dual();
    namespace.ip("-6 route add 2001:db8:1::/64 via fd00::9 proto static metric 77");
    let named = |status: &FibStatus| {
        status
            .failed
            .iter()
            .any(|(_, reason)| reason.contains("(protocol 4)"))
    };
    namespace.run(move || async move {
        let fib = Running::start().await;
        fib.want(ONE, &["fd00::1", "fd00::3"]).await;
        fib.until("the holder is named", named).await;
        ip_here("-6 route del 2001:db8:1::/64 proto static");
        fib.until("ours follows", |s| s.installed == 1 && s.failed_count == 0)
            .await;
        // Joined to ours: taking ours away leaves it.
        ip_here("-6 route append 2001:db8:1::/64 via fd00::9 proto static metric 77");
        sleep(Duration::from_millis(200)).await;
        fib.want(ONE, &["fd00::4"]).await;
        fib.until("the holder is named again", named).await;
        ip_here("-6 route del 2001:db8:1::/64 proto static");
        fib.until("ours follows again", |s| {
            s.installed == 1 && s.failed_count == 0
        })
        .await;
        // In the place of ours.
        ip_here("-6 route replace 2001:db8:1::/64 via fd00::9 proto static metric 77");
        fib.until("the holder is named once more", named).await;
        fib.want(ONE, &[]).await;
        fib.until("forgotten", |s| s.failed_count == 0 && s.pending == 0)
            .await;
    });
    assert!(own_ipv6_routes(&namespace).is_empty());
    let left = namespace.ip("-6 route show 2001:db8:1::/64");
    assert_eq!(
        left.trim(),
        "2001:db8:1::/64 via fd00::9 dev eth0 proto static metric 77 pref medium"
    );
}

#[test]
fn where_ipv6_is_switched_off_the_rest_works_and_the_reason_is_told() {
    let namespace = Namespace::new();
    for what in ["all", "default"] {
        let key = format!("net.ipv6.conf.{what}.disable_ipv6=1");
        let done = namespace
            .command("sysctl")
            .args(["-qw", &key])
            .status()
            .unwrap();
        assert!(done.success());
    }
    namespace.ip("link add eth0 type veth peer name far");
    namespace.ip("link set far up");
    namespace.ip("address add 10.0.0.2/24 dev eth0");
    namespace.ip("link set eth0 up");
    let index = index(&namespace, "eth0");
    namespace.run(move || async move {
        let fib = Running::start().await;
        fib.want("10.128.0.0/24", &["10.0.0.1"]).await;
        fib.want(ONE, &["fd00::1"]).await;
        fib.want(TWO, &[&format!("fe80::1%{index}")]).await;
        let status = fib
            .until("both families", |s| {
                let told = |text: &str| s.failed.iter().any(|(_, reason)| reason.contains(text));
                s.installed == 1
                    && told("next hop fd00::1 is not on any connected network")
                    && told("IPv6 is switched off")
            })
            .await;
        assert_eq!(status.failed_count, 2);
    });
}
