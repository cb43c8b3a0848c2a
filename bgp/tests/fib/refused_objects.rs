//! Nexthop objects that the kernel refuses, does not answer about, or does not tell: no route is lost.

use rcni_bgp::fib::message::kind;

use super::agree::shown;
use super::errors::Bench;
use super::faulty::{Fault, Faults, Request, is_verdict};
use super::*;

fn is_object(request: &Request) -> bool {
    matches!(request.kind, kind::NEW_NEXTHOP | kind::DEL_NEXTHOP)
}

/// `count` prefixes of both families through both gateways of theirs, or through the first.
fn many(count: u32, both: bool) -> Vec<(Prefix, Vec<NextHop>)> {
    let hops = |first: &str, second: &str| match both {
        true => vec![hop(first), hop(second)],
        false => vec![hop(first)],
    };
    let v4 = (0..count).map(|index| (numbered(index), hops("10.0.0.1", "10.0.0.3")));
    let v6 = (0..count).map(|index| {
        let prefix = prefix(&format!("fd80:{index:x}::/32"));
        (prefix, hops("fd00::1", "fd00::3"))
    });
    v4.chain(v6).collect()
}

/// All routes that have two gateways name a group.
async fn all_are_shared(bench: &Bench) {
    let shared = || {
        let routes = ["-4", "-6"].map(|family| shown(&format!("{family} route show proto 77")));
        let mut routes = routes.iter().flatten();
        routes.all(|route| route["nhid"].is_number())
    };
    let wait = async {
        while !shared() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(timeout(SOON, wait).await.is_ok(), "routes without groups");
    bench.agrees().await;
}

/// While `strike` lasts the routes are there all the same; afterwards they share groups again.
async fn weathered(what: &str, strike: impl Fn(&Faults)) {
    // So that a dump of objects is never empty.
    ip_here("nexthop add id 7 blackhole");
    let mut bench = Bench::start().await;
    for round in 0..2 {
        strike(&bench.netlink);
        bench.want(many(20, true)).await;
        bench.agrees().await;
        // Links that flap take the objects along.
        ip_here("link set eth0 down");
        ip_here("link set eth0 up");
        ip_here("address add fd00::2/64 dev eth0 nodad");
        bench.agrees().await;
        let struck = async {
            while bench.netlink.struck() == 0 {
                sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(timeout(SOON, struck).await.is_ok(), "{what} {round}");
        bench.agrees().await;
        bench.netlink.calm();
        all_are_shared(&bench).await;
        bench.want(many(20, false)).await;
        bench.agrees().await;
    }
    bench.want_none().await;
}

fn in_own_namespaces<F>(cases: Vec<(&'static str, F)>)
where
    F: Fn(&Faults) + Send + 'static,
{
    let tests = cases.into_iter().map(|(what, strike)| {
        let test = move || lonely_dual().run(move || weathered(what, strike));
        (what, std::thread::spawn(test))
    });
    for (what, test) in tests.collect::<Vec<_>>() {
        assert!(test.join().is_ok(), "{what}");
    }
}

#[test]
fn objects_that_are_refused_lose_no_route() {
    let refusals = [
        ("ENOMEM", libc::ENOMEM),
        ("ENOBUFS", libc::ENOBUFS),
        ("EPERM", libc::EPERM),
        ("EINVAL", libc::EINVAL),
        ("EEXIST", libc::EEXIST),
    ];
    let cases = refusals.map(|(what, errno)| {
        let strike = move |faults: &Faults| {
            faults.on_request(usize::MAX, Fault::Refuse(errno), is_object);
        };
        (what, strike)
    });
    in_own_namespaces(cases.into());
}

#[test]
fn objects_without_an_answer_lose_no_route() {
    type Strike = Box<dyn Fn(&Faults) + Send>;
    let cases: Vec<(&str, Strike)> = vec![
        (
            "not sent",
            Box::new(|faults| faults.on_request(5, Fault::NotSent(libc::EPERM), is_object)),
        ),
        (
            "not obeyed and not answered",
            Box::new(|faults| faults.on_request(2, Fault::Swallow, is_object)),
        ),
        (
            "answers lost",
            Box::new(|faults| faults.on_datagram(5, Fault::Lost, is_verdict)),
        ),
        (
            "obeyed and refused",
            Box::new(|faults| faults.on_request(9, Fault::Lie(libc::ENOMEM), is_object)),
        ),
        (
            "dump refused",
            Box::new(|faults| {
                let dump = |request: &Request| request.kind == kind::GET_NEXTHOP;
                faults.on_request(3, Fault::Refuse(libc::ENOMEM), dump);
            }),
        ),
    ];
    in_own_namespaces(cases);
}
