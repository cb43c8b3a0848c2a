//! The product in one command: `containerlab/two-node` on this machine, with pods.
//!
//! ```text
//! deploy -> felix-lite writes the plugin list -> pods -> BGP Established -> routes in kernels
//!        -> show what there is -> let traffic run and compare what arrives with what is claimed
//! ```
//! Everything printed under a prompt was said by that command on that node (`fetch`'s answer is
//! asked for as JSON and printed in words); every claim is checked, and one that does not hold
//! makes the exit status 1.

mod screen;
mod show;
mod traffic;

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::lab::node::Node;
use crate::lab::{Lab, Options};
use crate::{Pod, containerlab, programs, ready, wait_until};
use screen::Screen;

/// Name of the demo's lab.
pub const LAB: &str = "demo";

const ROUTERS: [&str; 3] = ["tor", "node1", "node2"];
const CLUSTER_NODES: [&str; 2] = ["node1", "node2"];

const PICTURE: &str = "
                      internet   203.0.113.10   2001:db8:cafe::10
                          |
                          | eth3
              +-----------------------+
              |  tor       AS 65000   |            rcni-bgp as a router
              +-----------------------+
       eth1 10.0.1.1 |         | eth2 10.0.2.1     eBGP on both links, one
     fd00:10:0:1::1  |         | fd00:10:0:2::1    session for both families
      eth1 10.0.1.11 |         | eth1 10.0.2.12
    +--------------------+ +--------------------+
    |  node1   AS 65001  | |  node2   AS 65002  |  rcni-bgp and felix-lite
    |  10.244.1.0/24     | |  10.244.2.0/24     |
    | fd00:10:244:1::/64 | | fd00:10:244:2::/64 |
    |    [ alice ]       | |       [ bob ]      |  pods, wired by rcni (CNI)
    +--------------------+ +--------------------+
";

/// Runs the demo; with `keep` the lab stays.
///
/// # Errors
/// The lab cannot be brought up. What goes wrong later is printed with the nodes' logs.
pub fn run(keep: bool) -> Result<ExitCode> {
    let mut screen = Screen::new();
    screen.heading("rcni: two nodes, a router, and nothing but routes between their pods");
    screen.line(PICTURE.trim_matches('\n'));
    screen.heading("bringing it up, in network namespaces of this machine");
    let options = Options {
        // Only a lab that stays needs a name that people know; others may run side by side.
        name: Some(if keep {
            LAB.to_owned()
        } else {
            format!("{LAB}-{}", std::process::id())
        }),
        progress: None,
    };
    if keep && crate::lab::state::remove_kept(LAB)? {
        screen.step("the demo that was still up is removed");
    }
    let lab = Lab::deploy(&containerlab("two-node"), &options)?;
    screen.step("4 namespaces, 3 links, daemons started");
    let fine = match play(&lab, &mut screen) {
        Ok(()) => screen.summary(),
        Err(error) => {
            screen.line(&format!("the demo failed: {error:#}"));
            false
        }
    };
    if !fine {
        screen.line(&lab.report());
    }
    if keep {
        how_to_enter(&screen)?;
        lab.keep()?;
    } else {
        drop(lab);
        screen.line("the namespaces are removed; KEEP=1 leaves them up");
    }
    Ok(if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn play(lab: &Lab, screen: &mut Screen) -> Result<()> {
    ready::addresses(lab.nodes(), ready::DEADLINE)?;
    ready::plugin_lists(lab.nodes(), ready::DEADLINE, &|text| screen.step(text))?;
    let alice = add_pod(lab.node("node1")?, "alice", screen)?;
    let bob = add_pod(lab.node("node2")?, "bob", screen)?;
    ready::sessions(lab.nodes(), ready::DEADLINE, &|text| screen.step(text))?;
    wait_routes(lab)?;
    screen.step("the routes are in the kernels");
    show::status(lab, screen)?;
    show::routes(lab, screen)?;
    show::rules(lab, screen)?;
    show::pod(&alice, screen)?;
    traffic::pod_to_pod(lab, &alice, &bob, screen)?;
    traffic::pod_to_pod_ipv6(&alice, &bob, screen)?;
    traffic::pod_to_internet(lab, &alice, screen)
}

fn add_pod(node: &Node, name: &str, screen: &Screen) -> Result<Pod> {
    let pod = Pod::add(node, name).with_context(|| format!("adding pod {name}"))?;
    screen.step(&format!(
        "{}: rcni ADD gave pod {name} {} and {}",
        node.name(),
        pod.ipv4()?,
        pod.ipv6()?
    ));
    Ok(pod)
}

/// What must be in the kernels before anything is shown.
fn wait_routes(lab: &Lab) -> Result<()> {
    for (name, prefix) in [
        ("node1", "10.244.2.0/24"),
        ("node2", "10.244.1.0/24"),
        ("node1", "default"),
        ("node2", "default"),
        ("tor", "10.244.1.0/24"),
        ("tor", "10.244.2.0/24"),
        ("node1", "fd00:10:244:2::/64"),
        ("node2", "fd00:10:244:1::/64"),
        ("node1", "::/0"),
        ("node2", "::/0"),
    ] {
        let node = lab.node(name)?;
        let family = if prefix.contains(':') { "-6" } else { "-4" };
        let question = [
            "ip", family, "route", "show", "exact", prefix, "proto", "rcni", "type", "unicast",
        ];
        wait_until(ready::DEADLINE, "a route from BGP", || -> Result<()> {
            let said = node.check(&question)?;
            anyhow::ensure!(!said.trim().is_empty(), "{name} has none to {prefix}");
            Ok(())
        })?;
    }
    Ok(())
}

fn how_to_enter(screen: &Screen) -> Result<()> {
    let program = programs::lab_program()?;
    // Short enough to be read, if this is where the user stands.
    let here = std::env::current_dir()?;
    let program = program.strip_prefix(&here).unwrap_or(&program).display();
    screen.heading("it is still up");
    for (place, command) in [
        ("tor", "rcni-bgp status"),
        ("node1", "ip route"),
        ("node2", "bash"),
        ("node1 --pod alice", "ping 10.244.2.2"),
        ("node1 --pod alice", "ping fd00:10:244:2::2"),
        ("internet", "bash"),
    ] {
        screen.line(&format!("{program} exec {LAB} {place} -- {command}"));
    }
    screen.line(&format!("{program} cni add --lab {LAB} node1 carol"));
    screen.line("make demo-down");
    Ok(())
}
