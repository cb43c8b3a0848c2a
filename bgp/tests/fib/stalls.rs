//! Requests that cannot be sent, answers that are late, lost or cut, dumps that break off.

use std::time::Instant;

use rcni_bgp::fib::message::{self, kind};

use super::agree::foreign_routes;
use super::errors::Bench;
use super::faulty::{Fault, Faults, Request, is_dump, is_verdict};
use super::*;

/// More than the deadline of an answer.
pub const STALL: Duration = Duration::from_secs(7);

pub fn is_write(request: &Request) -> bool {
    matches!(request.kind, kind::NEW_ROUTE | kind::DEL_ROUTE)
}

/// `count` prefixes of both families through the first gateway of theirs; none: not wanted.
pub fn many(count: u32, wanted: bool) -> Vec<(Prefix, Vec<NextHop>)> {
    let hops = |text: &str| if wanted { vec![hop(text)] } else { Vec::new() };
    let v4 = (0..count).map(|index| (numbered(index), hops("10.0.0.1")));
    let v6 = (0..count).map(|index| (prefix(&format!("fd80:{index:x}::/32")), hops("fd00::1")));
    v4.chain(v6).collect()
}

/// Waits for status to say so of `count` prefixes, and for agreement after it.
async fn told_and_agreed(bench: &Bench, count: usize, words: &str) {
    let told = |status: &FibStatus| {
        status.failed_count == count && status.failed.iter().all(|(_, why)| why.contains(words))
    };
    bench.fib.until(words, told).await;
    bench.agrees().await;
}

#[test]
fn a_send_that_fails_is_told_of_all_its_prefixes() {
    let namespace = lonely_dual();
    namespace.run(|| async {
        let mut bench = Bench::start().await;
        for (errno, count) in [
            (libc::EPERM, 3),
            (libc::EACCES, 200),
            (libc::ENOBUFS, 200),
            (libc::EMSGSIZE, 3),
        ] {
            for wanted in [true, false] {
                bench.netlink.on_request(1, Fault::NotSent(errno), is_write);
                bench.want(many(count, wanted)).await;
                let words = format!(
                    "cannot be sent ({}",
                    std::io::Error::from_raw_os_error(errno)
                );
                told_and_agreed(&bench, 2 * count as usize, &words).await;
                assert_eq!(bench.netlink.calm(), [Fault::NotSent(errno)]);
            }
        }
    });
}

#[test]
fn answers_that_are_lost_are_asked_for_and_told_of() {
    let namespace = lonely_dual();
    namespace.run(|| async {
        let mut bench = Bench::start().await;
        for (fault, count) in [
            (Fault::Lost, 3),
            (Fault::Broken(libc::EIO), 200),
            (Fault::Cut(1), 3),
            (Fault::Cut(20), 200),
        ] {
            for wanted in [true, false] {
                bench.netlink.on_datagram(1, fault, is_verdict);
                bench.want(many(count, wanted)).await;
                told_and_agreed(&bench, 2 * count as usize, "answer was lost").await;
                assert_eq!(bench.netlink.calm(), [fault]);
            }
        }
        // Said twice, or with an error that is none: nothing comes of it but another look.
        bench.netlink.on_datagram(9, Fault::Twice, |_| true);
        bench.want(many(50, true)).await;
        bench.agrees().await;
        bench.netlink.calm();
        bench
            .netlink
            .on_request(40, Fault::Lie(libc::ENOMEM), is_write);
        bench.want(many(50, false)).await;
        bench.agrees().await;
        bench
            .netlink
            .on_request(40, Fault::Lie(libc::EPERM), is_write);
        bench.want(many(50, true)).await;
        bench.agrees().await;
    });
}

/// Asks for status until `end`; every answer must come soon.
async fn is_answered_until(bench: &Bench, end: Instant) {
    while Instant::now() < end {
        let asked = Instant::now();
        let answer = timeout(Duration::from_secs(2), bench.fib.status()).await;
        assert!(answer.is_ok(), "no status within {:?}", asked.elapsed());
        sleep(Duration::from_millis(100)).await;
    }
}

/// One test for each way in which the kernel may be silent for longer than the deadline.
async fn stalled(strike: impl Fn(&Faults), fault: Fault) {
    let mut bench = Bench::start().await;
    bench.want(many(20, true)).await;
    bench.agrees().await;
    for wanted in [true, false] {
        strike(&bench.netlink);
        let begun = Instant::now();
        bench.want(many(150, wanted)).await;
        sleep(Duration::from_millis(500)).await;
        // Another word meanwhile, which must not be overtaken by the one before.
        bench.want(many(100, !wanted)).await;
        let told = bench.fib.until("told", |status| {
            status
                .failed
                .iter()
                .any(|(_, why)| why.contains("answer was lost"))
        });
        told.await;
        is_answered_until(&bench, begun + STALL + Duration::from_secs(1)).await;
        bench.agrees().await;
        assert_eq!(bench.netlink.calm(), [fault]);
    }
}

#[test]
fn a_send_that_takes_longer_than_the_deadline_is_not_overtaken() {
    let namespace = lonely_dual();
    namespace.run(|| {
        let strike = |faults: &Faults| faults.on_request(1, Fault::Stall(STALL), is_write);
        stalled(strike, Fault::Stall(STALL))
    });
}

#[test]
fn answers_that_come_after_the_deadline_are_nobody_elses() {
    let namespace = lonely_dual();
    namespace.run(|| {
        let strike = |faults: &Faults| faults.on_datagram(1, Fault::Late(STALL), is_verdict);
        stalled(strike, Fault::Late(STALL))
    });
}

#[test]
fn a_batch_that_is_never_answered_is_written_again() {
    let namespace = lonely_dual();
    namespace.run(|| {
        let last = |request: &Request| is_write(request) && request.index + 1 == request.count;
        let strike = move |faults: &Faults| faults.on_request(1, Fault::Swallow, last);
        stalled(strike, Fault::Swallow)
    });
}

/// Others delete own routes, which is not heard; then the kernel says that it lost notifications,
/// and the dump goes wrong, too.
async fn dump_breaks(bench: &Bench, count: u32, fault: Fault) {
    bench.monitor.on_datagram(usize::MAX, Fault::Drop, |_| true);
    for index in [0, count / 2, count - 1] {
        ip_here(&format!("route del {} proto 77", numbered(index)));
        ip_here(&format!("-6 route del fd80:{index:x}::/32 proto 77"));
    }
    // Those are read before the next.
    sleep(Duration::from_millis(200)).await;
    assert!(bench.monitor.calm().len() >= 6);
    match fault {
        Fault::Refuse(_) => {
            // A question about one address is no dump.
            let dump = |request: &Request| {
                let about_one = request.prefix.is_some_and(|prefix| prefix.prefix() > 0);
                request.kind == kind::GET_ROUTE && !about_one
            };
            bench.netlink.on_request(3, fault, dump);
        }
        fault => {
            // Not the first: it has begun.
            let mut number = 0;
            bench.netlink.on_datagram(1, fault, move |datagram| {
                number += usize::from(is_dump(datagram));
                number == 2
            });
        }
    }
    // Where the kernel still has one half read, it begins no other.
    let busy = |datagram: &[u8]| {
        let mut all = message::split(datagram);
        all.any(|raw| raw.kind == kind::ERROR && message::errno_of(raw.payload) == libc::EBUSY)
    };
    bench.netlink.on_datagram(usize::MAX, Fault::Twice, busy);
    bench.monitor.on_datagram(1, Fault::Lost, |_| true);
    ip_here("route add 10.77.0.0/24 via 10.0.0.9 proto static");
    let trouble = bench
        .fib
        .until("trouble is told", |status| status.trouble.is_some());
    let trouble = trouble.await.trouble.unwrap();
    assert!(
        trouble.contains("cannot read the kernel's routes"),
        "{trouble}"
    );
    let before = bench.fib.status().await.repaired;
    bench.agrees().await;
    assert_eq!(bench.fib.status().await.repaired, before + 6, "{fault:?}");
    let struck = bench.netlink.calm();
    assert!(
        struck.contains(&fault) && !struck.contains(&Fault::Twice),
        "{struck:?}"
    );
    ip_here("route del 10.77.0.0/24 via 10.0.0.9 proto static");
}

#[test]
fn a_dump_that_breaks_off_is_told_and_begun_again() {
    let namespace = lonely_dual();
    namespace.run(|| async {
        let mut bench = Bench::start().await;
        let count = 3000;
        bench.want(many(count, true)).await;
        bench.agrees().await;
        let foreign = foreign_routes();
        for fault in [
            Fault::Refuse(libc::ENOMEM),
            Fault::Refuse(libc::EPERM),
            Fault::Lost,
            Fault::Cut(40),
            Fault::Broken(libc::ENOMEM),
            Fault::Late(STALL),
        ] {
            dump_breaks(&bench, count, fault).await;
        }
        assert_eq!(foreign_routes(), foreign);
    });
}

#[test]
fn a_socket_that_is_broken_is_replaced() {
    let namespace = lonely_dual();
    namespace.run(|| async {
        let mut bench = Bench::start().await;
        bench.want(many(5, true)).await;
        bench.agrees().await;
        // The one that listens.
        for fault in [Fault::Broken(libc::EIO), Fault::Cut(3)] {
            bench.monitor.on_datagram(1, fault, |_| true);
            ip_here("route del 10.128.0.0/24 proto 77");
            // Heard by the dump, or by the next socket.
            bench
                .fib
                .until("put back", |status| status.repaired > 0)
                .await;
            bench.agrees().await;
            assert_eq!(bench.monitor.calm(), [fault]);
            // And it hears again, and not its own daemon.
            let repaired = bench.fib.status().await.repaired;
            bench.want(many(50, true)).await;
            ip_here("route del 10.128.1.0/24 proto 77");
            let heard = |status: &FibStatus| status.repaired > repaired;
            bench.fib.until("heard", heard).await;
            bench.agrees().await;
            assert_eq!(bench.fib.status().await.repaired, repaired + 1);
        }
    });
}

#[test]
fn without_the_filter_of_own_writes_no_new_socket_is_used() {
    let namespace = lonely_dual();
    namespace.run(|| async {
        let mut bench = Bench::start().await;
        bench.want(many(5, true)).await;
        bench.agrees().await;
        // A dump breaks off: the next is asked for through another socket, which has another port.
        bench.netlink.on_datagram(1, Fault::Lost, is_dump);
        bench.monitor.on_filter(2, Fault::Refuse(libc::ENOMEM));
        bench.monitor.on_datagram(1, Fault::Lost, |_| true);
        ip_here("route add 10.77.0.0/24 via 10.0.0.9 proto static");
        let tried = |_: &FibStatus| bench.monitor.struck() == 3;
        bench.fib.until("the filter is tried twice", tried).await;
        bench.agrees().await;
        let repaired = bench.fib.status().await.repaired;
        // Heard now, they would be another program's: something else is wanted already.
        let stall = Fault::Stall(Duration::from_secs(1));
        bench.netlink.on_request(1, stall, is_write);
        bench.want(many(150, true)).await;
        let launched = |_: &FibStatus| bench.netlink.struck() == 2;
        bench.fib.until("a batch is on its way", launched).await;
        bench.want(many(150, false)).await;
        bench.agrees().await;
        assert_eq!(bench.fib.status().await.repaired, repaired);
    });
}
