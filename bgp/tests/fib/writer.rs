//! Batches, dumps and notifications.

use rcni_bgp::fib::change::Outcome;
use rcni_bgp::fib::drift::Doer;
use rcni_bgp::fib::monitor::{Monitor, Observed};
use rcni_bgp::fib::netlink::Netlink;

use super::*;

#[test]
fn a_batch_of_a_thousand_is_written_read_back_and_deleted() {
    let namespace = lonely();
    let (outcomes, ours) = namespace.run(|| async {
        let mut netlink = Netlink::open().unwrap();
        let mut changes: Vec<Change> = (0..998)
            .map(|index| create(numbered(index), &["10.0.0.1"]))
            .collect();
        changes.push(create(prefix("10.200.0.0/16"), &["10.0.0.1", "10.0.0.3"]));
        changes.push(create(prefix("0.0.0.0/0"), &["10.0.0.1"]));
        let outcomes = netlink.apply(&OWNER, &changes).await;
        (outcomes, netlink.find(&OWNER).await.unwrap())
    });
    assert_eq!(outcomes, vec![Outcome::Done; 1000]);
    assert_eq!(ours.len(), 1000);
    assert_eq!(named(ours.get(&numbered(997))), [hop("10.0.0.1")]);
    assert_eq!(
        named(ours.get(&prefix("10.200.0.0/16"))),
        [hop("10.0.0.1"), hop("10.0.0.3")]
    );
    // As another program sees them.
    let shown = namespace.own_routes();
    assert!(shown.contains(&"default via 10.0.0.1 dev eth0 metric 20077".to_owned()));
    assert!(shown.contains(&"10.128.5.0/24 via 10.0.0.1 dev eth0 metric 77".to_owned()));

    let outcomes = namespace.run(|| async {
        let mut netlink = Netlink::open().unwrap();
        let deletes: Vec<Change> = (0..1001)
            .map(|index| Change::Delete {
                prefix: numbered(index),
                target: None,
            })
            .collect();
        netlink.apply(&OWNER, &deletes).await
    });
    assert_eq!(outcomes[997], Outcome::Done);
    assert_eq!(outcomes[998..], [Outcome::Missing; 3]);
    assert_eq!(namespace.own_routes().len(), 2);
}

#[test]
fn failures_in_the_middle_of_a_batch_are_those_of_the_right_prefixes() {
    let namespace = lonely();
    let outcomes = namespace.run(|| async {
        let changes: Vec<Change> = (0..1500)
            .map(|index| {
                let gateway = if index % 7 == 0 {
                    "192.0.2.1"
                } else {
                    "10.0.0.1"
                };
                create(numbered(index), &[gateway])
            })
            .collect();
        Netlink::open().unwrap().apply(&OWNER, &changes).await
    });
    for (index, outcome) in outcomes.into_iter().enumerate() {
        let expected = match index % 7 {
            0 => Outcome::Refused(libc::ENETUNREACH),
            _ => Outcome::Done,
        };
        assert_eq!(outcome, expected, "{index}");
    }
}

#[test]
fn the_failures_of_a_whole_batch_are_all_heard() {
    let namespace = lonely();
    let outcomes = namespace.run(|| async {
        let changes: Vec<Change> = (0..3000)
            .map(|index| create(numbered(index), &["192.0.2.1"]))
            .collect();
        Netlink::open().unwrap().apply(&OWNER, &changes).await
    });
    assert_eq!(outcomes, vec![Outcome::Refused(libc::ENETUNREACH); 3000]);
}

#[test]
fn a_foreign_route_survives_creation_and_deletion_of_ours() {
    let namespace = lonely();
    namespace.ip("route add 10.128.0.0/24 via 10.0.0.9 proto static metric 77");
    namespace.ip("route add 10.128.1.0/24 via 10.0.0.9 proto 77 metric 0");
    let before = namespace.ip("route show");
    let outcomes = namespace.run(|| async {
        let mut netlink = Netlink::open().unwrap();
        let changes = [
            create(numbered(0), &["10.0.0.1"]),
            delete(numbered(0), &[]),
            // The right protocol at another metric: the plugin's, not ours.
            delete(numbered(1), &[]),
        ];
        netlink.apply(&OWNER, &changes).await
    });
    assert_eq!(
        outcomes,
        [Outcome::Exists, Outcome::Missing, Outcome::Missing]
    );
    assert_eq!(namespace.ip("route show"), before);
}

#[test]
fn the_monitor_hears_others_and_not_its_own_daemon() {
    let namespace = lonely();
    let heard = namespace.run(|| async {
        let mut own = Netlink::open().unwrap();
        let mut other = Netlink::open().unwrap();
        let mut monitor = Monitor::open(OWNER, own.port()).unwrap();
        for index in 0..500 {
            own.apply(&OWNER, &[create(numbered(index), &["10.0.0.1"])])
                .await;
        }
        other.apply(&OWNER, &[delete(numbered(3), &[])]).await;
        let doer = Doer(other.port());
        let heard = loop {
            match timeout(SOON, monitor.next()).await.unwrap().unwrap() {
                // The link is still coming up.
                Observed::Reachable
                | Observed::Flushed
                | Observed::Connected(_)
                | Observed::Link { .. } => {}
                Observed::Rival(_) => {}
                heard => break heard,
            }
        };
        (heard, doer)
    });
    let (heard, doer) = heard;
    let Observed::OwnGone(prefix, gone, by) = heard else {
        panic!("{heard:?}");
    };
    assert_eq!((prefix, by), (numbered(3), doer));
    assert_eq!(named(Some(&gone.as_slice().into())), [hop("10.0.0.1")]);
    assert!(gone[0].interface != 0);
}

#[test]
fn what_happens_to_pods_is_not_told() {
    let namespace = lonely();
    // One pod is older than the daemon, one comes and goes under it.
    namespace.ip("link add rcni00000000001 type veth peer name pod1");
    namespace.ip("link set rcni00000000001 up");
    let heard = namespace.run(|| async {
        let own = Netlink::open().unwrap();
        let mut monitor = Monitor::open(OWNER, own.port()).unwrap();
        // Its first answers are what it asked for itself.
        let _ = timeout(Duration::from_millis(300), monitor.next()).await;
        ip_here("link add rcni00000000002 type veth peer name rcnipeer0000002");
        for (number, link) in ["rcni00000000001", "rcni00000000002"].iter().enumerate() {
            ip_here(&format!("link set {link} up"));
            ip_here(&format!("address add 10.7.0.{number}/32 dev {link}"));
            ip_here(&format!("address add fd07::{number}/128 dev {link} nodad"));
            ip_here(&format!(
                "route add 10.8.0.{number}/32 dev {link} proto 77 scope link"
            ));
            ip_here(&format!("route add fd08::{number}/128 dev {link} proto 77"));
            ip_here(&format!("address del fd07::{number}/128 dev {link}"));
            ip_here(&format!("address flush dev {link}"));
        }
        ip_here("link del rcni00000000002");
        // The last word is about something else.
        ip_here("route add 10.128.7.0/24 via 10.0.0.1 proto 77 metric 77");
        let mut heard = Vec::new();
        while !matches!(heard.last(), Some(Observed::OwnSeen(prefix, ..)) if *prefix == numbered(7))
        {
            heard.push(timeout(SOON, monitor.next()).await.unwrap().unwrap());
        }
        heard
    });
    assert_eq!(heard.len(), 1, "{heard:?}");
}
