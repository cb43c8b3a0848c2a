//! The task: adoption, repair, foreign routes, refusal.

use super::*;

#[test]
fn adopted_routes_stay_until_the_speaker_is_synced() {
    let namespace = lonely();
    for (text, rest) in [
        ("10.128.0.0/24", "via 10.0.0.1 proto 77 metric 77"),
        ("10.128.1.0/24", "via 10.0.0.1 proto 77 metric 77"),
        ("10.128.2.0/24", "via 10.0.0.1 proto 77 metric 77"),
        ("default", "via 10.0.0.1 proto 77 metric 20077"),
        // A pod's, felix-lite's, and somebody else's.
        ("10.128.3.0/24", "via 10.0.0.1 proto 77"),
        ("10.128.4.0/24", "via 10.0.0.1 proto bird metric 77"),
    ] {
        namespace.ip(&format!("route add {text} {rest}"));
    }
    namespace.ip("route add blackhole 10.128.9.0/24 proto 77 metric 4278198272");
    let adopted = namespace.run(|| async {
        let fib = Running::start().await;
        fib.want("10.128.0.0/24", &["10.0.0.1"]).await;
        fib.want("10.128.1.0/24", &["10.0.0.3"]).await;
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
    let mut left: Vec<String> = namespace
        .ip("-4 route show")
        .lines()
        .filter(|line| !line.contains("proto kernel"))
        .map(|line| {
            line.split_whitespace()
                .take(3)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    left.sort();
    assert_eq!(
        left,
        [
            "10.128.0.0/24 via 10.0.0.1",
            "10.128.1.0/24 via 10.0.0.3",
            "10.128.3.0/24 via 10.0.0.1",
            "10.128.4.0/24 via 10.0.0.1",
            "blackhole 10.128.9.0/24 proto",
        ]
    );
}

#[test]
fn what_others_do_to_our_routes_is_undone() {
    let namespace = lonely();
    namespace.run(|| async {
        let fib = Running::start().await;
        fib.want("10.128.0.0/24", &["10.0.0.1"]).await;
        fib.until("written", |status| status.installed == 1).await;

        ip_here("route del 10.128.0.0/24 proto 77");
        fib.until("put back", |s| s.repaired == 1 && s.installed == 1)
            .await;
        ip_here("route replace 10.128.0.0/24 via 10.0.0.66 proto 77 metric 77");
        fib.until("put right", |s| s.repaired == 2 && s.installed == 1)
            .await;
        // Routes of a link that goes down vanish without a word.
        ip_here("link set eth0 down");
        fib.until("told", |s| s.failed_count == 1 && s.installed == 0)
            .await;
        ip_here("link set eth0 up");
        fib.until("back with the link", |s| {
            s.failed_count == 0 && s.installed == 1
        })
        .await;
        ip_here("address flush dev eth0");
        fib.until("told again", |s| s.failed_count == 1).await;
        ip_here("address add 10.0.0.2/24 dev eth0");
        fib.until("back with the address", |s| {
            s.failed_count == 0 && s.installed == 1
        })
        .await;
    });
    assert_eq!(
        namespace.own_routes(),
        ["10.128.0.0/24 via 10.0.0.1 dev eth0 metric 77"]
    );
}

#[test]
fn a_foreign_route_is_left_reported_and_followed() {
    let namespace = lonely();
    namespace.ip("route add 10.128.0.0/24 via 10.0.0.9 proto static metric 77");
    namespace.run(|| async {
        let fib = Running::start().await;
        fib.want("10.128.0.0/24", &["10.0.0.1"]).await;
        let named = |status: &FibStatus| {
            status
                .failed
                .iter()
                .any(|(_, reason)| reason.contains("(protocol 4)"))
        };
        let status = fib.until("the holder is named", named).await;
        assert_eq!(status.installed, 0);
        ip_here("route del 10.128.0.0/24 proto static");
        fib.until("ours follows", |s| s.installed == 1 && s.failed_count == 0)
            .await;
        // Somebody takes the place of ours.
        ip_here("route replace 10.128.0.0/24 via 10.0.0.9 proto static metric 77");
        fib.until("the holder is named again", named).await;
    });
    let shown = namespace.ip("-4 route show 10.128.0.0/24");
    assert!(
        shown.contains("via 10.0.0.9") && shown.contains("proto static"),
        "{shown}"
    );
    assert_eq!(shown.lines().count(), 1, "{shown}");
}

#[test]
fn without_the_right_to_write_the_first_question_tells() {
    let namespace = Namespace::new();
    let error = namespace.run(|| async {
        rustix::thread::set_capabilities(
            None,
            rustix::thread::CapabilitySets {
                effective: rustix::thread::CapabilitySet::empty(),
                permitted: rustix::thread::CapabilitySet::empty(),
                inheritable: rustix::thread::CapabilitySet::empty(),
            },
        )
        .unwrap();
        Fib::open(OWNER).await.map(|_| ()).unwrap_err()
    });
    assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
}
