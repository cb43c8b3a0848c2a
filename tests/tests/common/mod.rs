//! What several test files share: labs from text, and questions to routers.
#![allow(dead_code, reason = "every test file uses another part")]

pub(crate) mod family;
pub(crate) mod flow;
pub(crate) mod paths;
pub(crate) mod two_nodes;
pub(crate) mod watch;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rcni_tests::lab::node::ExecOptions;
use rcni_tests::lab::process::check;
use rcni_tests::status::{ESTABLISHED, Peer, Status};
use rcni_tests::traffic::Transfer;
use rcni_tests::{Lab, Node, Options, Pod, containerlab, ready, runtime, wait_until};
use tempfile::TempDir;

/// Generous: it only costs time when something is broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Deploys a topology of the repository ([`containerlab`] says how they are called) and runs a
/// test in it. If the test fails, what the nodes' logs and routes say is shown before the lab is
/// gone.
pub(crate) fn in_lab(name: &str, test: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
    in_file(&containerlab(name), test)
}

fn in_file(file: &Path, test: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
    let lab = Lab::deploy(file, &Options::default())?;
    ready::addresses(lab.nodes(), DEADLINE)
        .and_then(|()| test(&lab))
        .inspect_err(|_| show(&lab))
}

#[expect(
    clippy::print_stderr,
    reason = "shown by the test runner, with the test that failed"
)]
fn show(lab: &Lab) {
    eprintln!("{}", lab.report());
}

/// As [`in_lab`], with replacements (file, old, new) in a copy of the topology's folder.
pub(crate) fn in_patched_lab(
    name: &str,
    patches: &[(&str, &str, &str)],
    test: impl FnOnce(&Lab) -> Result<()>,
) -> Result<()> {
    in_changed_lab(name, test, |folder| {
        for (file, old, new) in patches {
            let path = folder.join(file);
            let text = std::fs::read_to_string(&path)?;
            ensure!(text.contains(old), "{file} has no {old:?}");
            std::fs::write(&path, text.replace(old, new))?;
        }
        Ok(())
    })
}

/// As [`in_lab`], with the topology and its configurations without every line, and every item of
/// a list, that has an IPv6 address.
pub(crate) fn in_lab_without_ipv6(name: &str, test: impl FnOnce(&Lab) -> Result<()>) -> Result<()> {
    in_changed_lab(name, test, |folder| {
        // A topology may use files of another.
        without_ipv6(folder.parent().context("the topologies")?)
    })
}

fn without_ipv6(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            without_ipv6(&path)?;
        } else if path
            .extension()
            .is_some_and(|name| name == "yaml" || name == "yml")
        {
            let text = std::fs::read_to_string(&path)?;
            let lines = text.lines().filter_map(line_without_ipv6);
            let text = lines.collect::<Vec<_>>().join("\n") + "\n";
            std::fs::write(&path, text)?;
        }
    }
    Ok(())
}

fn line_without_ipv6(line: &str) -> Option<String> {
    match (line.find(", fd00:"), line.rfind(']')) {
        (Some(start), Some(end)) => Some(line[..start].to_owned() + &line[end..]),
        _ if line.contains("::") => None,
        _ => Some(line.to_owned()),
    }
}

fn in_changed_lab(
    name: &str,
    test: impl FnOnce(&Lab) -> Result<()>,
    change: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let copy = tempfile::tempdir()?;
    let original = containerlab(name);
    let folder = original.parent().context("the topology's folder")?;
    // All of them, since a topology may use files of another.
    let from = folder.parent().context("the topologies")?.join(".");
    let to = copy.path();
    check(
        "cp",
        &["-r", &from.to_string_lossy(), &to.to_string_lossy()],
    )?;
    let folder = to.join(folder.file_name().context("the folder's name")?);
    change(&folder)?;
    in_file(
        &folder.join(original.file_name().context("the file")?),
        test,
    )
}

/// Where [`serve`] listens.
const PORT: u16 = 8080;

/// A topology file of its own, in a folder that lives as long as the returned value.
pub(crate) fn write(text: &str) -> Result<(TempDir, std::path::PathBuf)> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("test.clab.yml");
    std::fs::write(&file, text)?;
    Ok((folder, file))
}

/// Deploys a topology from text.
pub(crate) fn deploy_text(text: &str) -> Result<(TempDir, Lab)> {
    let (folder, file) = write(text)?;
    let lab = Lab::deploy(&file, &Options::default())?;
    Ok((folder, lab))
}

/// Waits until FRR has applied its route maps to what it had told before: it does so 5 s after it has
/// read them. A route of which it hears the end right then leaves its table, and the neighbours are
/// never told (8.4.4: `show bgp … neighbors … advertised-routes` still has it, `show bgp …` has not).
/// Whoever waits for a withdrawal in the first seconds of a router waits for this first.
pub(crate) fn wait_frr_settled(router: &Node) -> Result<()> {
    const TIMERS: [&str; 2] = ["bgp_route_map_update_timer", "coalesce"];
    wait_until(
        DEADLINE,
        "FRR has applied its route maps",
        || -> Result<()> {
            let timers = router.check(&["vtysh", "-c", "show thread timers"])?;
            ensure!(timers.contains("bgpd"), "no timers of bgpd: {timers}");
            let left = TIMERS.iter().find(|timer| timers.contains(**timer));
            ensure!(left.is_none(), "{left:?} runs");
            Ok(())
        },
    )
}

/// Waits until the session of `node` with its peer `peer` is up.
pub(crate) fn wait_established(node: &Node, peer: &str) -> Result<()> {
    wait_established_within(DEADLINE, node, peer)
}

/// As [`wait_established`], for those who know that it takes longer.
pub(crate) fn wait_established_within(deadline: Duration, node: &Node, peer: &str) -> Result<()> {
    wait_until(
        deadline,
        &format!("{} - {peer} Established", node.name()),
        || -> Result<()> {
            let status = Status::of(node)?;
            let found = status.peer(peer)?;
            ensure!(found.state == ESTABLISHED, "{}", found.describe());
            Ok(())
        },
    )
}

/// Waits until BFD and BGP of `node` with its peer `peer` are up and stay so. FRR 8.4 begins its session of
/// BFD anew, and ends that of BGP, when that has come up for the first time.
pub(crate) fn wait_watched(node: &Node, peer: &str) -> Result<Peer> {
    wait_until(DEADLINE, "both to be up for a while", || -> Result<Peer> {
        let status = Status::of(node)?;
        let peer = status.peer(peer)?;
        let bfd = peer.bfd.as_ref().context("not watched")?;
        let up = bfd.state == "Up" && bfd.since_seconds >= 3;
        ensure!(
            up && peer.state == ESTABLISHED && peer.since_seconds >= 3.0,
            "{peer:?}"
        );
        Ok(peer.clone())
    })
}

/// Kernel routes of the node for exactly `prefix`, each with its next hops.
pub(crate) fn routes(node: &Node, prefix: &str) -> Result<String> {
    let family = if prefix.contains(':') { "-6" } else { "-4" };
    // `default` is a word of both families; `ip` says it for `::/0` too.
    let mut said = node.check(&["ip", family, "route", "show", "exact", prefix])?;
    // With nexthop_compat_mode = 0 there is nothing but the number of the nexthop object.
    if !said.contains(" via ") {
        let objects = numbers_of_objects(&said);
        for number in objects {
            said.push_str(&next_hop_object(node, &number)?);
        }
    }
    Ok(said)
}

/// What follows `nhid` in what `ip route` says.
fn numbers_of_objects(said: &str) -> Vec<String> {
    let words: Vec<&str> = said.split_whitespace().collect();
    let pairs = words.windows(2).filter(|pair| pair[0] == "nhid");
    pairs.map(|pair| pair[1].to_owned()).collect()
}

/// A nexthop object, or the members of a group, as `ip nexthop` shows them.
fn next_hop_object(node: &Node, number: &str) -> Result<String> {
    let show = |number: &str| node.check(&["ip", "nexthop", "show", "id", number]);
    let said = show(number)?;
    let Some((_, members)) = said.split_once(" group ") else {
        return Ok(said);
    };
    let members = members.split_whitespace().next().unwrap_or_default();
    // `7,3` is number 7 with weight 3.
    let members = members.split('/').filter_map(|one| one.split(',').next());
    members.map(show).collect()
}

/// Waits until the kernel of `node` has a route for `prefix` through `via`.
pub(crate) fn wait_route(node: &Node, prefix: &str, via: &str) -> Result<()> {
    let what = format!("{prefix} via {via} in the kernel of {}", node.name());
    wait_until(DEADLINE, &what, || -> Result<()> {
        let seen = routes(node, prefix)?;
        let found = seen
            .lines()
            .any(|line| line.contains(&format!("via {via} ")));
        ensure!(found, "routes for {prefix}: {seen:?}");
        Ok(())
    })
}

/// Waits until the kernel of `node` has no route for exactly `prefix`.
pub(crate) fn wait_no_route(node: &Node, prefix: &str) -> Result<()> {
    let what = format!("no route for {prefix} in the kernel of {}", node.name());
    wait_until(DEADLINE, &what, || -> Result<()> {
        let seen = routes(node, prefix)?;
        ensure!(seen.trim().is_empty(), "{seen}");
        Ok(())
    })
}

/// A TCP server in the pod that tells who asks. Returns when it answers.
pub(crate) fn serve(pod: &Pod) -> Result<SocketAddr> {
    serve_at(pod, pod.ip()?)
}

/// The same at another address of the pod.
pub(crate) fn serve_at(pod: &Pod, ip: IpAddr) -> Result<SocketAddr> {
    let address = SocketAddr::new(ip, PORT);
    pod.spawn("serve", &["rcni-lab", "serve", &format!("[::]:{PORT}")])?;
    wait_until(DEADLINE, "the server in the pod", || {
        fetch_in(pod, address, 0)
    })?;
    Ok(address)
}

/// The same on a node, at `ip`.
pub(crate) fn serve_on(node: &Node, ip: &str) -> Result<SocketAddr> {
    let address = SocketAddr::new(ip.parse()?, PORT);
    let argv = ["rcni-lab", "serve", &format!("[::]:{PORT}")];
    node.spawn("serve", &argv, &ExecOptions::default())?;
    wait_until(DEADLINE, "the server on the node", || {
        fetch_on(node, address, 0)
    })?;
    Ok(address)
}

/// Asks a server from a pod for that many MiB.
pub(crate) fn fetch_in(pod: &Pod, server: SocketAddr, mib: u32) -> Result<Transfer> {
    let netns = pod.netns();
    fetch(pod.node(), Some(&netns), server, mib)
}

/// Asks a server from a node itself.
pub(crate) fn fetch_on(node: &Node, server: SocketAddr, mib: u32) -> Result<Transfer> {
    fetch(node, None, server, mib)
}

fn fetch(node: &Node, netns: Option<&str>, server: SocketAddr, mib: u32) -> Result<Transfer> {
    let (server, mib) = (server.to_string(), mib.to_string());
    let argv = [
        "rcni-lab",
        "fetch",
        &server,
        "--mib",
        &mib,
        "--json",
        "--deadline",
        "20",
    ];
    let options = ExecOptions {
        netns,
        ..Default::default()
    };
    Ok(serde_json::from_str(
        &node.exec_with(&argv, &options)?.ok()?,
    )?)
}

/// Waits for felix-lite and adds a pod.
pub(crate) fn add_pod(lab: &Lab, node: &str, name: &str) -> Result<Pod> {
    let node = lab.node(node)?;
    wait_until(
        DEADLINE,
        &format!("the plugin list on {}", node.name()),
        || {
            if runtime::is_ready(node) {
                Ok(())
            } else {
                Err("none yet")
            }
        },
    )?;
    Pod::add(node, name).with_context(|| format!("adding pod {name}"))
}

/// A folder's entries, sorted; none if it is not there.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}
