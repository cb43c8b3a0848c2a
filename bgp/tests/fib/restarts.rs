//! What a start makes of the nexthop objects of an earlier run.

use rcni_bgp::clean;
use rcni_bgp::fib::Groups;
use rcni_bgp::fib::former::Former;
use rcni_bgp::fib::message::nexthop::Resilient;

use super::objects::{BOTH, show_here, two_uplinks, until_shown};
use super::*;

#[test]
fn a_restart_adopts_objects_and_sweeps_what_is_left_over() {
    let namespace = two_uplinks();
    namespace.run(|| async {
        let fib = Running::start().await;
        fib.want("10.128.0.0/24", &BOTH).await;
        fib.want("10.128.1.0/24", &["10.0.0.1", "10.0.0.9"]).await;
        fib.until("two groups", |s| s.installed == 2).await;
    });
    let shown = namespace.ip("-4 route show 10.128.0.0/24");
    // Others have objects, too, also in our range and with our gateways.
    namespace.ip("nexthop add id 5 via 10.0.0.1 dev eth0");
    namespace.ip("nexthop add id 1919156000 via 10.0.0.9 dev eth0 proto static");
    namespace.ip("nexthop add id 1919156001 via 10.0.0.8 dev eth0 proto 77");
    namespace.ip("route add 10.200.0.0/24 nhid 1919156001 proto static");
    // Used by a route in another table, and by a group with a number that is none of ours.
    namespace.ip("nexthop add id 1919156002 via 10.0.0.7 dev eth0 proto 77");
    namespace.ip("route add 10.201.0.0/24 nhid 1919156002 table 100 proto static");
    namespace.ip("nexthop add id 1919156003 via 10.0.0.6 dev eth0 proto 77");
    namespace.ip("nexthop add id 6 group 1919156003 proto static");
    namespace.ip("route add 10.202.0.0/24 nhid 6 proto static");
    namespace.run(|| async {
        let fib = Running::start().await;
        assert_eq!(fib.adopted, 2);
        fib.want("10.128.0.0/24", &BOTH).await;
        fib.commands.send(Command::Synced).await.unwrap();
        fib.until("swept", |s| {
            s.installed == 1 && s.stale == 0 && s.pending == 0
        })
        .await;
        // A look at all routes tells who uses what: caused by an address here.
        ip_here("address add 10.0.7.2/24 dev eth0");
        let swept = |s: &FibStatus| s.objects.as_ref().unwrap().objects == 6;
        fib.until("objects", swept).await;
    });
    assert_eq!(
        namespace.ip("-4 route show 10.128.0.0/24"),
        shown,
        "not even rewritten"
    );
    let left = namespace.ip("nexthop show");
    for (id, stays) in [
        ("id 5 ", true),
        ("id 1919156000 ", true),
        ("id 1919156001 ", true),
        ("id 1919156002 ", true),
        ("id 1919156003 ", true),
        ("id 6 group 1919156003 ", true),
    ] {
        assert_eq!(left.contains(id), stays, "{id}: {left}");
    }
    assert_eq!(left.lines().count(), 9, "{left}");
    for (route, gateway) in [
        ("route show 10.200.0.0/24", "10.0.0.8"),
        ("route show 10.201.0.0/24 table 100", "10.0.0.7"),
        ("route show 10.202.0.0/24", "10.0.0.6"),
    ] {
        assert!(namespace.ip(route).contains(gateway), "{route}");
    }
}

#[test]
fn objects_of_an_older_protocol_number_go_with_its_routes() {
    let namespace = two_uplinks();
    let now = Ownership {
        protocol: 88,
        ..OWNER
    };
    let make = |owner: Ownership| {
        namespace.run(move || async move {
            let fib = Running::with(owner).await;
            fib.want("10.128.0.0/24", &BOTH).await;
            fib.until("a group", |s| s.installed == 1).await;
        });
    };
    make(OWNER);
    // With an older number, but not with one of the own range: another program's.
    namespace.ip("nexthop add id 7 via 10.0.0.9 dev eth0 proto 77");
    namespace.run(move || async move {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("bgp.sock");
        let former = |owner| {
            let mut former = Former::beside(&socket).unwrap();
            former.begin(Some(owner)).unwrap();
            former
        };
        former(OWNER);
        let (fib, adopted) = Fib::open(now).await.unwrap();
        let fib = Running::of(fib.after(Some(former(now))), adopted);
        fib.want("10.128.0.0/24", &BOTH).await;
        fib.commands.send(Command::Synced).await.unwrap();
        until_objects("proto 77", &["id 7 "]).await;
        fib.until("its own are there", |s| s.installed == 1).await;
    });
    assert_eq!(
        namespace.ip("nexthop show proto 88").lines().count(),
        3,
        "own ones stay"
    );
    // And back, without a daemon that knows: for an uninstallation.
    namespace.ip("route del 10.128.0.0/24 proto 88");
    make(OWNER);
    namespace.run(move || async move {
        let cleaned = clean::kernel(&OWNER, &[now]).await.unwrap();
        assert_eq!(cleaned.failed, Vec::<String>::new());
        until_objects("proto 77", &[]).await;
        until_objects("proto 88", &[]).await;
    });
}

/// Until the kernel has these nexthop objects and no others.
async fn until_objects(which: &str, ids: &[&str]) {
    let begun = std::time::Instant::now();
    loop {
        let shown = show_here(&format!("nexthop show {which}"));
        let all = ids.iter().all(|id| shown.contains(id));
        if all && shown.lines().count() == ids.len() {
            return;
        }
        assert!(begun.elapsed() < SOON, "{which}: {shown}");
        sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn resilient_groups_are_made_and_changed() {
    let namespace = two_uplinks();
    let settings = |buckets| Settings {
        groups: Groups::Resilient(Resilient {
            buckets,
            idle_time_secs: 30,
            unbalanced_time_secs: 300,
        }),
        ..OWNER.into()
    };
    namespace.run(move || async move {
        let fib = Running::with(settings(64)).await;
        fib.want("10.128.0.0/24", &BOTH).await;
        let status = fib.until("at first", |s| s.installed == 1).await;
        assert_eq!(status.objects.unwrap().mode, "resilient");
        let shown = show_here("-d nexthop show");
        assert!(
            shown.contains("type resilient buckets 64 idle_timer 30 unbalanced_timer 300"),
            "{shown}"
        );
        ip_here("link set far1 down");
        fib.until("one left", |s| s.installed == 1 && s.degraded_count == 1)
            .await;
        ip_here("link set far1 up");
        fib.until("both again", |s| {
            let noted = s.objects.as_ref().is_some_and(|o| o.note.is_some());
            s.installed == 1 && s.degraded_count == 0 && !noted
        })
        .await;
        until_shown("nexthop show", |shown| shown.contains('/')).await;
    });
    let before = namespace.ip("-4 route show 10.128.0.0/24");
    namespace.run(move || async move {
        let fib = Running::with(settings(64)).await;
        fib.want("10.128.0.0/24", &BOTH).await;
        fib.until("adopted", |s| s.installed == 1 && s.stale == 0)
            .await;
    });
    let after = namespace.ip("-4 route show 10.128.0.0/24");
    assert_eq!(after, before, "adopted");
    // What a group has cannot be changed: a start with other words makes another one.
    namespace.run(move || async move {
        let fib = Running::with(settings(256)).await;
        fib.want("10.128.0.0/24", &BOTH).await;
        fib.commands.send(Command::Synced).await.unwrap();
        ip_here("address add 10.0.7.2/24 dev eth0");
        let swept = |s: &FibStatus| {
            let one = s.objects.as_ref().is_some_and(|o| o.groups == 1);
            one && !show_here("-d nexthop show").contains("buckets 64 ")
        };
        let status = fib.until("swept", swept).await;
        let objects = status.objects.unwrap();
        assert_eq!((objects.mode, objects.note), ("resilient", None));
        let shown = show_here("-d nexthop show");
        assert!(shown.contains("type resilient buckets 256 "), "{shown}");
    });
}
