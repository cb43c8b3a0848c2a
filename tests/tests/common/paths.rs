//! Which way: next hops in kernels, routers that packets pass, AS paths in FRR.

use std::collections::BTreeSet;
use std::net::IpAddr;

use anyhow::{Context, Result, bail, ensure};
use rcni_tests::{Node, Pod, wait_until};
use serde_json::Value;

use super::{DEADLINE, routes};

/// More routers than any path of a topology here has.
const HOPS_MAX: u32 = 12;

/// All next hops in the kernel of `node` for exactly `prefix`, link-local ones too.
pub(crate) fn next_hops(node: &Node, prefix: &str) -> Result<BTreeSet<String>> {
    let said = routes(node, prefix)?;
    let mut words = said.split_whitespace();
    let mut found = BTreeSet::new();
    while let Some(word) = words.next() {
        if word == "via" {
            let next = words.next().filter(|word| *word != "inet6");
            found.insert(next.or_else(|| words.next()).context("via")?.to_owned());
        }
    }
    Ok(found)
}

/// Waits until the next hops of `node` for `prefix` are exactly these.
pub(crate) fn wait_next_hops(node: &Node, prefix: &str, wanted: &[&str]) -> Result<()> {
    let what = format!("{prefix} via {wanted:?} in the kernel of {}", node.name());
    let wanted: BTreeSet<String> = wanted.iter().map(ToString::to_string).collect();
    wait_until(DEADLINE, &what, || -> Result<()> {
        let seen = next_hops(node, prefix)?;
        ensure!(seen == wanted, "next hops {seen:?}");
        Ok(())
    })
}

/// As [`wait_next_hops`], for routes between two FRR over one link: it sends its global and its
/// link-local address, and which of them the other uses depends on what it knew of its interface
/// when the session came up.
pub(crate) fn wait_frr_next_hops(node: &Node, prefix: &str, wanted: &[&str]) -> Result<()> {
    let what = format!(
        "{prefix} via {wanted:?} (or their link-local addresses) in the kernel of {}",
        node.name()
    );
    wait_until(DEADLINE, &what, || -> Result<()> {
        let seen = next_hops(node, prefix)?;
        let known = |hop: &String| wanted.contains(&hop.as_str()) || hop.starts_with("fe80:");
        ensure!(
            seen.len() == wanted.len() && seen.iter().all(known),
            "next hops {seen:?}"
        );
        Ok(())
    })
}

/// The routers that a packet passes from the pod to `target`, by their answers to packets that
/// die on the way. Waits for each answer: routers limit them.
pub(crate) fn hops(from: &Pod, target: IpAddr) -> Result<Vec<String>> {
    let (target, mut passed) = (target.to_string(), Vec::new());
    for ttl in 1..=HOPS_MAX {
        let ttl = ttl.to_string();
        let argv = ["ping", "-n", "-c", "1", "-W", "2", "-t", &ttl, &target];
        let said = wait_until(DEADLINE, &format!("an answer at {ttl} hops"), || {
            let said = from.exec(&argv)?.stdout;
            let heard = said.contains("bytes from") || said.contains("From ");
            ensure!(heard, "{said}");
            Ok::<_, anyhow::Error>(said)
        })?;
        if said.contains("bytes from") {
            return Ok(passed);
        }
        let who = said.split("From ").nth(1);
        let who = who.and_then(|rest| rest.split_whitespace().next());
        passed.push(who.context("who")?.to_owned());
    }
    bail!("{target} is not reached after {passed:?}")
}

/// The AS paths by which an FRR knows `prefix`, used in forwarding (best and multipath) only.
pub(crate) fn as_paths(router: &Node, prefix: &str) -> Result<Vec<String>> {
    let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
    let question = format!("show bgp {family} unicast {prefix} json");
    let said = router.check(&["vtysh", "-c", &question])?;
    let value: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
    let paths = value.get("paths").and_then(Value::as_array);
    let used = |path: &&Value| {
        path.get("multipath").and_then(Value::as_bool) == Some(true)
            || path.pointer("/bestpath/overall").and_then(Value::as_bool) == Some(true)
    };
    let text = |path: &Value| Some(path.pointer("/aspath/string")?.as_str()?.to_owned());
    let paths = paths.into_iter().flatten().filter(used).filter_map(text);
    Ok(paths.collect())
}

/// Waits until FRR uses exactly these AS paths for `prefix`, one for each next hop.
pub(crate) fn wait_as_paths(router: &Node, prefix: &str, wanted: &[&str]) -> Result<()> {
    let what = format!("AS paths {wanted:?} for {prefix} on {}", router.name());
    wait_until(DEADLINE, &what, || -> Result<()> {
        let mut seen = as_paths(router, prefix)?;
        seen.sort();
        ensure!(seen == wanted, "{seen:?}");
        Ok(())
    })
}
