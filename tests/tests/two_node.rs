//! `containerlab/two-node`: the rules of the Kubernetes network model, by what arrives.

mod common;

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use common::{
    DEADLINE, add_pod, fetch_in, fetch_on, in_lab, in_patched_lab, routes, serve, serve_on,
    wait_established, wait_no_route, wait_route,
};
use rcni_tests::runtime::PluginError;
use rcni_tests::status::Status;
use rcni_tests::{Lab, Pod, wait_until};

const NODE1: &str = "10.0.1.11";
const INTERNET: &str = "203.0.113.10";

/// Waits for all sessions and for the routes that follow from them.
fn wait_fabric(lab: &Lab) -> Result<()> {
    let (tor, node1, node2) = (lab.node("tor")?, lab.node("node1")?, lab.node("node2")?);
    wait_established(node1, "tor")?;
    wait_established(node2, "tor")?;
    wait_route(tor, "10.244.1.0/24", "10.0.1.11")?;
    wait_route(tor, "10.244.2.0/24", "10.0.2.12")?;
    wait_route(node1, "10.244.2.0/24", "10.0.1.1")?;
    wait_route(node2, "10.244.1.0/24", "10.0.2.1")?;
    wait_route(node1, "default", "10.0.1.1")?;
    wait_route(node2, "default", "10.0.2.1")
}

/// The address with which `from` appears at `server`, after a transfer in both directions.
fn seen(from: &Pod, server: std::net::SocketAddr) -> Result<IpAddr> {
    let transfer = fetch_in(from, server, 4)?;
    // What a pod believes of itself is what was asked for, whatever arrives elsewhere.
    ensure!(
        transfer.local.ip() == from.ip()?,
        "{} sent from {}",
        from.name(),
        transfer.local
    );
    Ok(transfer.seen_ip())
}

#[test]
fn the_network_model_holds_by_what_arrives() -> Result<()> {
    in_lab("two-node", |lab| {
        let (node1, node2) = (lab.node("node1")?, lab.node("node2")?);
        let alice = add_pod(lab, "node1", "alice")?;
        let anna = add_pod(lab, "node1", "anna")?;
        let bob = add_pod(lab, "node2", "bob")?;
        wait_fabric(lab)?;
        let (at_alice, at_anna, at_bob) = (serve(&alice)?, serve(&anna)?, serve(&bob)?);
        // Pod to pod, same node and other node, both directions, no translation.
        assert_eq!(seen(&alice, at_anna)?, alice.ip()?);
        assert_eq!(seen(&alice, at_bob)?, alice.ip()?);
        assert_eq!(seen(&bob, at_alice)?, bob.ip()?);
        // A pod reaches itself by the address that others use.
        assert_eq!(seen(&alice, at_alice)?, alice.ip()?);
        // Node to its own pod, and to a pod elsewhere, as one of its own addresses.
        let own = fetch_on(node1, at_alice, 1)?;
        assert!(own.is_untranslated(), "{own:?}");
        let other = fetch_on(node1, at_bob, 1)?;
        assert!(other.is_untranslated(), "{other:?}");
        assert_eq!(other.seen_ip().to_string(), NODE1);
        // Pod to its node and to the other node: a node sees the pod's own address.
        assert_eq!(seen(&alice, serve_on(node1, NODE1)?)?, alice.ip()?);
        assert_eq!(seen(&alice, serve_on(node2, "10.0.2.12")?)?, alice.ip()?);
        Ok(())
    })
}

#[test]
fn what_leaves_the_cluster_is_translated_and_the_answer_returns() -> Result<()> {
    in_lab("two-node", |lab| {
        let internet = lab.node("internet")?;
        let alice = add_pod(lab, "node1", "alice")?;
        wait_fabric(lab)?;
        let server = serve_on(internet, INTERNET)?;
        assert_eq!(seen(&alice, server)?.to_string(), NODE1);
        alice
            .exec(&["ping", "-c", "3", "-i", "0.2", "-W", "2", INTERNET])?
            .ok()?;
        // The node itself is not translated to anything else.
        let own = fetch_on(lab.node("node1")?, server, 1)?;
        assert_eq!(
            (own.is_untranslated(), own.seen_ip().to_string().as_str()),
            (true, NODE1)
        );
        Ok(())
    })
}

#[test]
fn a_deleted_pod_is_gone_and_delete_can_be_repeated() -> Result<()> {
    in_lab("two-node", |lab| {
        let node = lab.node("node1")?;
        let before = node.check(&["ip", "-o", "link"])?.lines().count();
        let pod = add_pod(lab, "node1", "alice")?;
        let ip = pod.ip()?.to_string();
        assert!(
            routes(node, &format!("{ip}/32"))?.contains("scope link"),
            "{ip}"
        );
        assert_eq!(
            node.check(&["ip", "-o", "link"])?.lines().count(),
            before + 1
        );
        let reservation = format!("/var/lib/cni/networks/rcni/{ip}");
        node.check(&["test", "-e", &reservation])?;
        pod.del()?;
        assert_eq!(routes(node, &format!("{ip}/32"))?, "");
        assert_eq!(node.check(&["ip", "-o", "link"])?.lines().count(), before);
        assert!(!node.exec(&["test", "-e", &reservation])?.success());
        pod.del().context("the second DEL")?;
        // Addresses rest before they are given out again.
        let next = Pod::add(node, "anna")?;
        assert_ne!(next.ip()?.to_string(), ip);
        Ok(())
    })
}

#[test]
fn a_pod_that_exists_is_refused_by_the_plugin_and_keeps_working() -> Result<()> {
    in_lab("two-node", |lab| {
        let pod = add_pod(lab, "node1", "alice")?;
        // The same container once more, as a confused runtime would: by hand, since the mini
        // runtime refuses to make the namespace again.
        let netns = pod.netns();
        let script = format!(
            "CNI_COMMAND=ADD CNI_CONTAINERID={} CNI_NETNS={netns} CNI_IFNAME=eth0 \
             CNI_PATH=/opt/cni/bin /opt/cni/bin/rcni",
            pod.container_id()
        );
        let config = r#"{"cniVersion":"1.0.0","name":"rcni","type":"rcni","ipam":{"type":"rcni","ranges":[[{"subnet":"10.244.1.0/24"}]]}}"#;
        let options = rcni_tests::lab::node::ExecOptions {
            input: config.as_bytes(),
            ..Default::default()
        };
        let said = pod.node().exec_with(&["sh", "-c", &script], &options)?;
        assert!(
            !said.success() && said.stdout.contains("\"code\""),
            "{said:?}"
        );
        pod.exec(&["ping", "-c", "1", "-W", "2", NODE1])?.ok()?;
        Ok(())
    })
}

/// The lab with a hold time of 3 s and a restart time of 4 s for node1, at the router's side and
/// its own: so that what waits for them is seen in a test's time.
const IMPATIENT: &[(&str, &str, &str)] = &[
    (
        "configs/tor/bgp.yaml",
        "peerIP: 10.0.1.11",
        "peerIP: 10.0.1.11\n  holdTimeSeconds: 3",
    ),
    (
        "configs/node1/bgp.yaml",
        "routerID: 10.0.1.11",
        "routerID: 10.0.1.11\n  gracefulRestart: {restartTimeSeconds: 4}",
    ),
];

#[test]
fn a_link_that_is_cut_takes_the_routes_with_it_and_brings_them_back() -> Result<()> {
    in_patched_lab("two-node", IMPATIENT, |lab| {
        wait_fabric(lab)?;
        let (tor, node1, node2) = (lab.node("tor")?, lab.node("node1")?, lab.node("node2")?);
        // Its block of either family.
        assert_eq!(Status::of(tor)?.peer("node1")?.prefixes.accepted, 2);
        tor.check(&["ip", "link", "set", "dev", "eth1", "down"])?;
        wait_no_route(tor, "10.244.1.0/24")?;
        wait_no_route(node2, "10.244.1.0/24")?;
        tor.check(&["ip", "link", "set", "dev", "eth1", "up"])?;
        wait_established(node1, "tor")?;
        wait_fabric(lab)
    })
}

#[test]
fn a_speaker_that_stays_away_loses_its_routes_after_the_restart_time() -> Result<()> {
    in_patched_lab("two-node", IMPATIENT, |lab| {
        wait_fabric(lab)?;
        let (tor, node1, node2) = (lab.node("tor")?, lab.node("node1")?, lab.node("node2")?);
        let killed = node1.kill("rcni-bgp")?;
        let learned = routes(node1, "10.244.2.0/24")?;
        ensure!(
            learned.contains("proto rcni"),
            "the dead speaker's routes must stay: {learned:?}"
        );
        ensure!(
            !routes(tor, "10.244.1.0/24")?.is_empty(),
            "the helper gave up at once"
        );
        wait_no_route(tor, "10.244.1.0/24")?;
        wait_no_route(node2, "10.244.1.0/24")?;
        node1.start_again(&killed)?;
        wait_fabric(lab)
    })
}

#[test]
fn a_pod_added_before_bgp_is_up_is_reachable_once_it_is() -> Result<()> {
    in_lab("two-node", |lab| {
        let bob = add_pod(lab, "node2", "bob")?;
        wait_fabric(lab)?;
        let target = bob.ip()?.to_string();
        wait_until(DEADLINE, "the pod answers node1", || {
            lab.node("node1")?
                .check(&["ping", "-c", "1", "-W", "1", &target])
        })?;
        Ok(())
    })
}

#[test]
fn a_plugin_error_reaches_the_runtime_and_leaves_nothing() -> Result<()> {
    in_lab("two-node", |lab| {
        let node = lab.node("node1")?;
        add_pod(lab, "node1", "alice")?.del()?;
        let links = node.check(&["ip", "-o", "link"])?;
        // A range without a free address: the block is a single reserved address.
        node.shell(
            "sed 's#10.244.1.0/24#10.244.1.0/31#' /etc/cni/net.d/10-rcni.conflist \
             > /etc/cni/net.d/00-tiny.conflist",
        )?;
        let first = Pod::add(node, "one");
        let error = match first {
            Ok(_) => Pod::add(node, "two")
                .and_then(|_| Pod::add(node, "three"))
                .map(drop),
            Err(error) => Err(error),
        };
        let error = error.unwrap_err();
        let plugin = error
            .downcast_ref::<PluginError>()
            .context(format!("{error:#}"))?;
        ensure!(
            !plugin.message.is_empty() && plugin.command == "ADD",
            "{plugin}"
        );
        node.check(&["rm", "/etc/cni/net.d/00-tiny.conflist"])?;
        for name in ["one", "two", "three"] {
            if let Ok(pod) = Pod::find(node, name) {
                pod.del()?;
            }
        }
        assert_eq!(node.check(&["ip", "-o", "link"])?, links);
        assert_eq!(node.shell("ls /run/netns")?, "");
        Ok(())
    })
}
