//! Another program's route comes into the place of one of ours while a batch is on its way. The kernel
//! would let us replace it.

use std::io::Write;
use std::process::{Command as Process, Stdio};

use super::agree::foreign_routes;
use super::errors::Bench;
use super::faulty::Fault;
use super::stalls::{STALL, is_write, many};
use super::*;

/// Less than the deadline of an answer.
const SHORT: Duration = Duration::from_secs(2);
/// Prefixes of their own for which others have routes later, and a gateway.
const PLACES: [(&str, &str); 2] = [("10.66.0.0/24", "10.0.0.9"), ("fd66::/32", "fd00::9")];
const BEFORE: [&str; 2] = ["10.0.0.1", "fd00::1"];
const AFTER: [&str; 2] = ["10.0.0.3", "fd00::3"];

fn places(gateways: [&str; 2]) -> Vec<(Prefix, Vec<NextHop>)> {
    let places = PLACES.iter().zip(gateways);
    places
        .map(|((place, _), gateway)| (prefix(place), vec![hop(gateway)]))
        .collect()
}

/// Own routes are there, and a batch of others is on its way for so long.
async fn flying(time: Duration) -> Bench {
    let mut bench = Bench::start().await;
    bench.want(places(BEFORE)).await;
    // So that nothing needs to be asked about the other gateways later.
    let others = ["10.67.0.0/24", "fd67::/32"].into_iter().zip(AFTER);
    let others = others.map(|(other, gateway)| (prefix(other), vec![hop(gateway)]));
    bench.want(others.collect()).await;
    bench.agrees().await;
    bench.netlink.on_request(1, Fault::Stall(time), is_write);
    bench.want(many(150, true)).await;
    let launched = |_: &FibStatus| bench.netlink.struck() == 1;
    bench.fib.until("a batch is on its way", launched).await;
    bench
}

/// Another program takes all places.
fn take() {
    for (place, gateway) in PLACES {
        ip_here(&format!(
            "route replace {place} via {gateway} proto static metric 77"
        ));
    }
}

/// What another program has stays, and is named; when it goes, ours follow.
async fn are_left(bench: &Bench, foreign: &[String]) {
    let named = |status: &FibStatus| {
        let mut all = status.failed.iter();
        status.failed_count == 2 && all.all(|(_, why)| why.contains("(protocol 4)"))
    };
    bench.fib.until("the holder is named", named).await;
    assert_eq!(foreign_routes(), foreign);
    for (place, _) in PLACES {
        ip_here(&format!("route del {place} proto static"));
    }
    bench.agrees().await;
}

#[test]
fn what_comes_while_a_batch_is_on_its_way_is_not_replaced_by_the_next() {
    lonely_dual().run(|| async {
        let mut bench = flying(SHORT).await;
        take();
        let foreign = foreign_routes();
        // With so many others that the next batch is made at once.
        let others = (1000..3500).map(|index| (numbered(index), vec![hop("10.0.0.1")]));
        let wanted = places(AFTER).into_iter().chain(others).collect();
        bench.want(wanted).await;
        are_left(&bench, &foreign).await;
    });
}

#[test]
fn what_comes_while_a_send_stalls_is_not_replaced_afterwards() {
    lonely_dual().run(|| async {
        let mut bench = flying(STALL).await;
        bench.want(places(AFTER)).await;
        // Now the next write waits for the end of that send.
        let given_up = |status: &FibStatus| status.failed_count > 0;
        bench.fib.until("the batch is given up", given_up).await;
        take();
        let foreign = foreign_routes();
        are_left(&bench, &foreign).await;
    });
}

#[test]
fn what_is_told_behind_very_many_other_notifications_is_not_replaced() {
    lonely_dual().run(|| async {
        let mut bench = flying(SHORT).await;
        // More than are read at once.
        let mut crowd = String::new();
        for number in 0..10_000_u32 {
            let prefix = Ipv4Addr::from(0x0a40_0000 + number);
            crowd += &format!("route add {prefix} via 10.0.0.9 proto static\n");
        }
        ip_batch(&crowd);
        take();
        let foreign = foreign_routes();
        bench.want(places(AFTER)).await;
        are_left(&bench, &foreign).await;
    });
}

/// As [`ip_here`], a line each.
fn ip_batch(lines: &str) {
    let mut ip = Process::new("ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    ip.stdin
        .take()
        .unwrap()
        .write_all(lines.as_bytes())
        .unwrap();
    assert!(ip.wait().unwrap().success());
}
