//! What arrives: the claims of the Kubernetes network model, by the address that is seen.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};

use super::screen::Screen;
use crate::Pod;
use crate::lab::Lab;
use crate::lab::node::ExecOptions;
use crate::traffic::Transfer;
use crate::wait_until;

const PORT: u16 = 8080;
const DEADLINE: Duration = Duration::from_secs(30);
const MEBIBYTES: u32 = 256;
/// The host that stands for the internet, and node1's address as it must appear there.
const INTERNET: &str = "203.0.113.10";
const INTERNET_IPV6: &str = "2001:db8:cafe::10";
const NODE1: &str = "10.0.1.11";

pub(super) fn pod_to_pod(lab: &Lab, alice: &Pod, bob: &Pod, screen: &mut Screen) -> Result<()> {
    screen.heading("pod to pod, across nodes: no translation");
    let (from, to) = (alice.ip()?, bob.ip()?);
    let ping = ["ping", "-c", "5", "-i", "0.2", "-W", "2", &to.to_string()];
    let said = alice.exec(&ping)?;
    screen.command("node1/alice", &ping.join(" "), &said.stdout);
    screen.claim(
        said.success() && said.stdout.contains(" 0% packet loss"),
        "every ping is answered",
    );
    let server = SocketAddr::new(to, PORT);
    bob.spawn("serve", &["rcni-lab", "serve", &format!("[::]:{PORT}")])?;
    let transfer = fetch(alice, server, screen)?;
    screen.claim(
        transfer.seen_ip() == from,
        &format!(
            "bob sees {}, alice's own address is {from}",
            transfer.seen_ip()
        ),
    );
    let node = lab.node("node1")?;
    let said = node.exec(&["ping", "-c", "2", "-i", "0.2", "-W", "2", &to.to_string()])?;
    screen.claim(said.success(), "node1 itself reaches bob, a pod of node2");
    Ok(())
}

pub(super) fn pod_to_pod_ipv6(alice: &Pod, bob: &Pod, screen: &mut Screen) -> Result<()> {
    screen.heading("the same in IPv6, from the first packet on");
    let (from, to) = (alice.ipv6()?, bob.ipv6()?);
    let ping = ["ping", "-c", "1", "-W", "1", &to.to_string()];
    let said = alice.exec(&ping)?;
    screen.command("node1/alice", &ping.join(" "), &said.stdout);
    screen.claim(
        said.success(),
        "the first packet is answered: nothing waits for duplicate address detection",
    );
    let transfer = fetch(alice, SocketAddr::new(to, PORT), screen)?;
    screen.claim(
        transfer.seen_ip() == from,
        &format!("bob sees {}, alice's own address", transfer.seen_ip()),
    );
    Ok(())
}

pub(super) fn pod_to_internet(lab: &Lab, alice: &Pod, screen: &mut Screen) -> Result<()> {
    screen.heading("pod to \"the internet\": translated to the node's address");
    let internet = lab.node("internet")?;
    let listen = format!("[::]:{PORT}");
    internet.spawn(
        "serve",
        &["rcni-lab", "serve", &listen],
        &ExecOptions::default(),
    )?;
    let transfer = fetch(alice, SocketAddr::new(INTERNET.parse()?, PORT), screen)?;
    let node: IpAddr = NODE1.parse()?;
    screen.claim(
        transfer.seen_ip() == node,
        &format!(
            "{INTERNET} sees {}, node1's address is {node}",
            transfer.seen_ip()
        ),
    );
    screen.claim(
        transfer.local.ip() == alice.ip()?,
        &format!("alice herself sent from {}", transfer.local.ip()),
    );
    let transfer = fetch(alice, SocketAddr::new(INTERNET_IPV6.parse()?, PORT), screen)?;
    screen.claim(
        transfer.seen_ip() == alice.ipv6()?,
        &format!("in IPv6 it sees {}: not translated", transfer.seen_ip()),
    );
    Ok(())
}

/// A transfer, shown with what both ends saw.
fn fetch(pod: &Pod, server: SocketAddr, screen: &Screen) -> Result<Transfer> {
    let (server, mib) = (server.to_string(), MEBIBYTES.to_string());
    let argv = ["rcni-lab", "fetch", &server, "--mib", &mib, "--json"];
    // The server was started a moment ago and may not listen yet.
    let said = wait_until(DEADLINE, "a TCP transfer", || pod.exec(&argv)?.ok())?;
    let transfer: Transfer = serde_json::from_str(&said).with_context(|| said.clone())?;
    let text = format!(
        "{MEBIBYTES} MiB in {:.3} s ({:.0} Mbit/s)\nthe server saw {}; this side is {}",
        transfer.seconds,
        transfer.megabits(),
        transfer.seen,
        transfer.local
    );
    let place = format!("{}/{}", pod.node().name(), pod.name());
    screen.command(&place, &argv[..5].join(" "), &text);
    Ok(transfer)
}
