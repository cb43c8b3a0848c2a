//! The task: adoption, repair, foreign routes, refusal.

use rcni_bgp::fib::drift::Cause;
use rcni_bgp::fib::rivals::{Effect, RivalStatus};

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
fn what_stands_before_an_adopted_route_is_not_replaced() {
    let namespace = lonely();
    namespace.ip("route add 10.128.0.0/24 via 10.0.0.1 proto 77 metric 77");
    // A replacement hits the first.
    namespace.ip("route prepend 10.128.0.0/24 via 10.0.0.9 proto static metric 77");
    namespace.run(|| async {
        let fib = Running::start().await;
        assert_eq!(fib.adopted, 1);
        fib.want("10.128.0.0/24", &["10.0.0.3"]).await;
        let named = |status: &FibStatus| {
            let mut all = status.failed.iter();
            all.any(|(_, reason)| reason.contains("(protocol 4)"))
        };
        fib.until("the holder is named", named).await;
        ip_here("route del 10.128.0.0/24 via 10.0.0.9 proto static");
        fib.until("ours follows", |s| s.installed == 1 && s.failed_count == 0)
            .await;
    });
    assert_eq!(
        namespace.own_routes(),
        ["10.128.0.0/24 via 10.0.0.3 dev eth0 metric 77"]
    );
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

#[test]
fn foreign_routes_at_other_metrics_are_told_and_drift_by_its_cause() {
    let namespace = lonely();
    // Before the start, and not ours yet.
    namespace.ip("route add default via 10.0.0.9 proto dhcp metric 100");
    namespace.ip("route add blackhole 10.128.3.0/24 proto static metric 5");
    namespace.run(|| async {
        let running = Running::start().await;
        assert_eq!(running.status().await.rivals, RivalStatus::default());
        for text in ["0.0.0.0/0", "10.128.3.0/24", "10.128.4.0/24"] {
            running.want(text, &["10.0.0.1"]).await;
        }
        let told = |status: &FibStatus| {
            let listed = status.rivals.listed.iter();
            let all = listed.map(|(route, effect)| (route.prefix.to_string(), *effect));
            all.collect::<Vec<_>>()
        };
        let expect = async |what: &str, expected: &[(&str, Effect)]| {
            let expected: Vec<(String, Effect)> = expected
                .iter()
                .map(|(text, effect)| ((*text).to_owned(), *effect))
                .collect();
            let there = |status: &FibStatus| told(status) == expected && status.installed == 3;
            running.until(what, there).await
        };
        let default = ("0.0.0.0/0", Effect::Preferred);
        let hole = ("10.128.3.0/24", Effect::Preferred);
        expect("what was there before", &[default, hole]).await;
        ip_here("route add 10.128.4.0/24 via 10.0.0.9 proto static metric 90");
        let beside = ("10.128.4.0/24", Effect::Beside);
        expect("one that came", &[default, hole, beside]).await;
        ip_here("route del 10.128.4.0/24 metric 90");
        ip_here("route del default metric 100");
        expect("two that went", &[hole]).await;
        ip_here("route replace 10.128.3.0/24 via 10.0.0.9 proto static metric 5");
        let kinds = |status: &FibStatus| status.rivals.listed[0].0.kind == 1;
        running.until("another type", kinds).await;

        ip_here("route del 10.128.4.0/24 metric 77");
        ip_here("route replace 10.128.4.0/24 via 10.0.0.9 metric 77 proto 77");
        let repaired = |status: &FibStatus| status.repaired == 2 && status.installed == 3;
        running.until("both are undone", repaired).await;
        ip_here("link set eth0 down");
        ip_here("link set eth0 up");
        // All but the static one were ours.
        let back = |status: &FibStatus| status.repaired == 5 && status.installed == 3;
        let status = running.until("all are back", back).await;
        let by = Cause::ALL.map(|cause| status.repairs.of(cause));
        assert_eq!((by, status.repairs.total()), ([1, 1, 3, 0], 5));
        expect("the static one went with the link", &[]).await;
    });
}

/// Routes and their group are written, and what cannot be is refused: then it is said.
#[test]
fn whoever_asks_is_told_when_all_is_there_or_refused() {
    const MANY: u32 = 6000;
    let namespace = lonely();
    namespace.ip("route add 10.200.0.0/24 via 10.0.0.9 proto static metric 77");
    namespace.run(|| async {
        let fib = Running::start().await;
        let refused = [
            ("10.200.0.0/24", "10.0.0.1"),
            ("10.201.0.0/24", "192.0.2.1"),
        ];
        let refused = refused.map(|(to, via)| (prefix(to), [hop(via)].into_iter().collect()));
        // The question may come before anything is written, or meanwhile.
        for round in 1..=8 {
            let hops = ["10.0.0.1", "10.0.0.3"].map(hop).into_iter();
            let hops: NextHops = hops.collect();
            let network = |i| prefix(&format!("{}/28", Ipv4Addr::from(0x0a80_0000 + 16 * i)));
            let more = ((round - 1) * MANY..round * MANY).map(|i| (network(i), hops.clone()));
            let wanted = more.chain(refused.clone()).collect();
            fib.commands.send(Command::Want(wanted)).await.unwrap();
            let (answer, told) = oneshot::channel();
            let command = Command::Settle(answer);
            fib.commands.send(command).await.unwrap();
            timeout(SOON, told).await.unwrap().unwrap();
            // Nobody else runs on this thread.
            assert_eq!(routes_here(), round * MANY, "round {round}");
        }
    });
}

/// How many own routes there are in the calling thread's namespace.
fn routes_here() -> u32 {
    let mut ip = std::process::Command::new("ip");
    let said = ip.args(["-o", "-4", "route", "show", "proto", "77"]);
    let said = String::from_utf8(said.output().unwrap().stdout).unwrap();
    u32::try_from(said.lines().count()).unwrap()
}
