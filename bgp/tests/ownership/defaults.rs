//! Default routes: one from BGP is used before one that is there only if the file says so.

use crate::common::{Namespace, wait};
use crate::kernel::others;
use crate::lab::{Lab, Options};

/// As DHCP clients and router advertisements leave them.
const USUAL: [&str; 2] = [
    "-4 route add default via 10.0.9.1 dev eth9 proto dhcp metric 100",
    "-6 route add default via fd00:9::1 dev eth9 proto ra metric 1024",
];
/// As `dhclient` does.
const ZERO: [&str; 1] = ["-4 route add default via 10.0.9.1 dev eth9 proto static"];

/// Through which link traffic to the outside goes.
fn links(node: &Namespace) -> [String; 2] {
    ["-4 route get 192.0.2.1", "-6 route get 2001:db8::1"].map(|question| {
        let answer = node.ip(question);
        let mut words = answer.split_whitespace();
        words.find(|word| *word == "dev");
        words.next().unwrap_or_default().to_owned()
    })
}

fn shown(lab: &Lab) -> String {
    let table = String::from_utf8(lab.daemon.status(&[]).stdout).unwrap();
    table.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_default_that_is_there_stays_in_use() {
    let lab = Lab::new(&Options {
        defaults: true,
        before: &USUAL,
        ..Options::default()
    });
    assert_eq!(links(&lab.node), ["eth9", "eth9"]);
    let kernel = lab.kernel();
    assert_eq!(kernel["defaultRouteMetric"], 20_077);
    assert_eq!(kernel["foreignCount"], 2, "{kernel}");
    for (route, (prefix, name, metric)) in kernel["foreign"]
        .as_array()
        .unwrap()
        .iter()
        .zip([("0.0.0.0/0", "dhcp", 100), ("::/0", "ra", 1024)])
    {
        let told = (&route["prefix"], &route["protocolName"], &route["metric"]);
        assert_eq!(told, (&prefix.into(), &name.into(), &metric.into()));
        assert_eq!(route["effect"], "preferred");
    }
    let words = shown(&lab);
    let line =
        "0.0.0.0/0 (dhcp, metric 100) is the default route in use, before ours (metric 20077)";
    assert!(words.contains(line), "{words}");
    // It goes: ours is what is left. It comes back: it is in use again.
    lab.node.ip("-4 route del default via 10.0.9.1");
    wait("ours is used", || {
        (links(&lab.node)[0] != "eth9").then_some(())
    });
    wait("it is not told any more", || {
        (lab.kernel()["foreignCount"] == 1).then_some(())
    });
    lab.node.ip(ZERO[0]);
    assert_eq!(links(&lab.node)[0], "eth9");
    lab.complete("beside one with metric 0");
    wait("it is told", || {
        let kernel = lab.kernel();
        let route = &kernel["foreign"][0];
        (route["metric"] == 0 && route["effect"] == "preferred").then_some(())
    });
}

#[test]
fn a_lower_metric_takes_over_and_gives_back() {
    let mut lab = Lab::new(&Options {
        spec: "{defaultRouteMetric: 50}",
        defaults: true,
        before: &USUAL,
        ..Options::default()
    });
    let before = others(&lab.node);
    assert_eq!(before.len(), 2);
    let used = links(&lab.node);
    assert!(!used.contains(&"eth9".to_owned()), "{used:?}");
    let kernel = lab.kernel();
    for route in kernel["foreign"].as_array().unwrap() {
        assert_eq!(route["effect"], "beside", "{kernel}");
    }
    assert_eq!(kernel["foreignCount"], 2);
    let words = shown(&lab);
    let line = "0.0.0.0/0 (dhcp, metric 100) stands behind ours (metric 50)";
    assert!(words.contains(line), "{words}");
    // The routers' word is withdrawn: the other default is in use again.
    lab.stop_routers();
    wait("the other defaults are used", || {
        (links(&lab.node) == ["eth9", "eth9"]).then_some(())
    });
    assert_eq!(others(&lab.node), before);
}
