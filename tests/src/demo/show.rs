//! What there is: sessions, kernel routes, rules, a pod's view.

use anyhow::Result;

use super::screen::Screen;
use super::{CLUSTER_NODES, ROUTERS};
use crate::lab::Lab;
use crate::lab::node::Node;
use crate::runtime::Pod;

fn command(node: &Node, argv: &[&str], screen: &Screen) -> Result<String> {
    let said = node.check(argv)?;
    screen.command(node.name(), &argv.join(" "), &said);
    Ok(said)
}

pub(super) fn status(lab: &Lab, screen: &Screen) -> Result<()> {
    screen.heading("sessions: rcni-bgp status");
    for name in ROUTERS {
        command(lab.node(name)?, &["rcni-bgp", "status"], screen)?;
    }
    Ok(())
}

pub(super) fn routes(lab: &Lab, screen: &mut Screen) -> Result<()> {
    screen.heading("kernel routes: `proto rcni` is ours, everything else is left alone");
    let mut said = Vec::new();
    for name in ROUTERS {
        said.push(command(lab.node(name)?, &["ip", "route"], screen)?);
    }
    let [tor, node1, node2] = &said[..] else {
        return Ok(());
    };
    for (routes, prefix, via, text) in [
        (
            node1,
            "10.244.2.0/24",
            "10.0.1.1",
            "node1 reaches the pods of node2 through the router",
        ),
        (
            node2,
            "10.244.1.0/24",
            "10.0.2.1",
            "node2 reaches the pods of node1 through the router",
        ),
        (
            node1,
            "default",
            "10.0.1.1",
            "node1 has learned its default route",
        ),
        (
            tor,
            "10.244.1.0/24",
            "10.0.1.11",
            "the router has the pod block of node1",
        ),
        (
            tor,
            "10.244.2.0/24",
            "10.0.2.12",
            "the router has the pod block of node2",
        ),
    ] {
        let wanted = format!("{prefix} via {via} ");
        let found = routes
            .lines()
            .any(|line| line.starts_with(&wanted) && line.contains("proto rcni"));
        screen.claim(found, text);
    }
    routes_ipv6(lab, screen)
}

fn routes_ipv6(lab: &Lab, screen: &mut Screen) -> Result<()> {
    let node = lab.node(CLUSTER_NODES[0])?;
    let said = command(
        node,
        &["ip", "-6", "route", "show", "proto", "rcni"],
        screen,
    )?;
    for (prefix, text) in [
        (
            "fd00:10:244:2::/64",
            "the pods of node2 in IPv6, from the same session",
        ),
        ("default", "and the IPv6 default route"),
    ] {
        let wanted = format!("{prefix} via fd00:10:0:1::1 ");
        screen.claim(said.lines().any(|line| line.starts_with(&wanted)), text);
    }
    Ok(())
}

pub(super) fn rules(lab: &Lab, screen: &mut Screen) -> Result<()> {
    screen.heading("rules: own chains only, one jump each");
    let node = lab.node(CLUSTER_NODES[0])?;
    for (table, chain, target, text) in [
        (
            "filter",
            "RCNI-FORWARD",
            "-s 10.244.1.0/24 -i rcni+",
            "what the node's pods send may pass",
        ),
        (
            "nat",
            "RCNI-POSTROUTING",
            "-j MASQUERADE --random-fully",
            "what leaves the cluster is translated",
        ),
    ] {
        let line = format!("iptables-save -t {table} | grep RCNI-");
        let own = node.check(&["sh", "-c", &line])?;
        screen.command(node.name(), &line, &own);
        let found = own
            .lines()
            .any(|line| line.starts_with(&format!("-A {chain} ")) && line.contains(target));
        screen.claim(found, &format!("{chain}: {text}"));
    }
    Ok(())
}

pub(super) fn pod(pod: &Pod, screen: &mut Screen) -> Result<()> {
    screen.heading("a pod's view, and its route on the node");
    let place = format!("{}/{}", pod.node().name(), pod.name());
    for argv in [
        &["ip", "-br", "address", "show", "eth0"][..],
        &["ip", "route"],
        &["ip", "-6", "route", "show", "default"],
    ] {
        let said = pod.exec(argv)?.ok()?;
        screen.command(&place, &argv.join(" "), &said);
    }
    let route = pod
        .node()
        .check(&["ip", "route", "show", &pod.ip()?.to_string()])?;
    screen.command(
        pod.node().name(),
        &format!("ip route show {}", pod.ip()?),
        &route,
    );
    screen.claim(
        route.contains("scope link"),
        "one /32 route per pod, no bridge",
    );
    let ipv6 = pod.ipv6()?.to_string();
    let argv = ["ip", "-6", "route", "show", &ipv6];
    let route = pod.node().check(&argv)?;
    screen.command(pod.node().name(), &argv.join(" "), &route);
    screen.claim(route.contains("proto rcni"), "and one /128 route");
    Ok(())
}
