//! Labs from the command line.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::{Cni, CniVerb, Exec, Fetch, signals};
use crate::interrupt;
use crate::lab::node::{ExecOptions, Node};
use crate::lab::state::{self, State};
use crate::lab::{Lab, Options, attach};
use crate::peers;
use crate::ready;
use crate::runtime::Pod;
use crate::topology::Topology;
use crate::traffic;

/// A line on standard output; whoever closed it does not want to know.
pub(super) fn say(text: &str) {
    interrupt::hold();
    let _ = writeln!(std::io::stdout(), "{text}");
}

pub(super) fn up(file: &Path, name: Option<String>, wait: bool) -> Result<()> {
    signals::remove_labs_on_interrupt()?;
    let name = match name {
        Some(name) => name,
        None => Topology::load(file)?.name,
    };
    let lab = Lab::deploy(
        file,
        &Options {
            name: Some(name.clone()),
            progress: Some(say),
        },
    )?;
    let nodes: Vec<String> = lab.nodes().map(|node| node.name().to_owned()).collect();
    // Still ours while waiting: an interrupt removes it.
    let ready = if wait { wait_ready(&lab) } else { Ok(()) };
    lab.keep()?;
    ready.with_context(|| {
        format!("lab {name} is up but not ready; `rcni-lab down {name}` removes it")
    })?;
    for node in nodes {
        say(&format!("rcni-lab exec {name} {node} -- bash"));
    }
    Ok(())
}

fn wait_ready(lab: &Lab) -> Result<()> {
    let start = Instant::now();
    ready::addresses(lab.nodes(), ready::DEADLINE)?;
    ready::plugin_lists(lab.nodes(), ready::DEADLINE, &say)?;
    let rest = ready::DEADLINE.saturating_sub(start.elapsed());
    ready::sessions(lab.nodes(), rest, &say)
}

pub(super) fn down(name: Option<&str>) -> Result<()> {
    let swept = state::sweep()?;
    let labs = match name {
        // A crashed one may just have been swept.
        Some(name) if swept.iter().any(|one| one == name) => Vec::new(),
        Some(name) if !state::exists(name) => {
            say(&format!("there is no lab {name}: nothing to remove"));
            Vec::new()
        }
        Some(name) => vec![State::load(name)?],
        None => state::all()?.into_iter().filter(|lab| lab.keep).collect(),
    };
    for lab in &labs {
        if !lab.keep && lab.owner.is_alive() {
            bail!(
                "lab {} belongs to the running process {}",
                lab.name,
                lab.owner.pid
            );
        }
        lab.remove()?;
    }
    let removed = labs.iter().map(|lab| &lab.name).chain(&swept);
    removed.for_each(|name| say(&format!("removed {name}")));
    Ok(())
}

pub(super) fn list() -> Result<()> {
    for lab in state::all()? {
        let condition = match (lab.keep, lab.owner.is_alive(), lab.runs()) {
            (_, _, false) => "dead".to_owned(),
            (true, ..) => "up".to_owned(),
            (false, true, _) => format!("owned by process {}", lab.owner.pid),
            (false, false, _) => "left by a crash".to_owned(),
        };
        let nodes: Vec<&str> = lab.nodes.iter().map(|node| node.name.as_str()).collect();
        say(&format!("{}  {condition}  {}", lab.name, nodes.join(" ")));
    }
    Ok(())
}

pub(super) fn check(files: &[PathBuf]) -> Result<()> {
    let mut refused = 0;
    for file in files {
        match Topology::load(file) {
            Ok(topology) => say(&format!(
                "{}: {} nodes, {} links",
                file.display(),
                topology.nodes.len(),
                topology.links.len()
            )),
            Err(error) => {
                refused += 1;
                say(&error.to_string());
            }
        }
    }
    if refused > 0 {
        bail!("{refused} of {} files refused", files.len())
    } else {
        Ok(())
    }
}

pub(super) fn build_trees(only: Option<&str>) -> Result<()> {
    let names = match &only {
        Some(name) => std::slice::from_ref(name),
        None => peers::default_names(),
    };
    for name in names {
        let path = peers::build(name, &|step| say(&format!("{name}: {step}")))?;
        say(&format!("{name}: {}", path.display()));
    }
    Ok(())
}

pub(super) fn exec(exec: &Exec) -> Result<ExitCode> {
    let node = attach(&exec.lab, &exec.node)?;
    let netns = exec.pod.as_ref().map(|pod| format!("/run/netns/{pod}"));
    let options = ExecOptions {
        netns: netns.as_deref(),
        ..Default::default()
    };
    let status = node.interactive(&exec.command, &options)?;
    Ok(ExitCode::from(u8::try_from(status).unwrap_or(1)))
}

pub(super) fn cni(cni: &Cni) -> Result<()> {
    let node = attach(&lab_name(cni.lab.as_deref())?, &cni.node)?;
    match cni.verb {
        CniVerb::Add => add(&node, &cni.pod),
        CniVerb::Del => Pod::find(&node, &cni.pod)?.del(),
    }
}

fn add(node: &Node, name: &str) -> Result<()> {
    let pod = Pod::add(node, name)?;
    say(&serde_json::to_string_pretty(&pod.result)?);
    Ok(())
}

fn lab_name(given: Option<&str>) -> Result<String> {
    if let Some(name) = given {
        return Ok(name.to_owned());
    }
    let labs = state::all()?;
    let mut running = labs.into_iter().filter(State::runs);
    match (running.next(), running.next()) {
        (Some(one), None) => Ok(one.name),
        (None, _) => bail!("no lab is up"),
        _ => bail!("more than one lab is up: say which with --lab"),
    }
}

pub(super) fn fetch(fetch: &Fetch) -> Result<()> {
    let bytes = u64::from(fetch.mib) * 1024 * 1024;
    let transfer = traffic::fetch(fetch.server, bytes, fetch.deadline())?;
    if fetch.json {
        say(&serde_json::to_string(&transfer).context("JSON")?);
        return Ok(());
    }
    say(&format!(
        "{} MiB from {} in {:.3} s ({:.0} Mbit/s)",
        fetch.mib,
        fetch.server,
        transfer.seconds,
        transfer.megabits()
    ));
    say(&format!(
        "the server saw {}; this side is {}",
        transfer.seen, transfer.local
    ));
    Ok(())
}
