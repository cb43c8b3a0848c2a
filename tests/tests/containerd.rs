//! containerd 1.6 and `ctr run --cni`: a runtime that reads the same plugin list with another
//! library and deletes without a namespace.

mod common;
mod containers;

use anyhow::{Context, Result, ensure};
use common::DEADLINE;
use containers::{Calls, Container, DUAL, IPV6, ROOT, Traces, in_container_lab, run};
use rcni_tests::lab::node::ExecOptions;
use rcni_tests::{Node, wait_until};

/// Neither the kubelet's interface nor snapshots are needed.
const CONFIGURATION: &str = r#"
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
"#;
/// ctr has no word for containers without cgroups.
const NO_CGROUPS: &str = "#!/bin/sh\nexec crun --cgroup-manager=disabled \"$@\"\n";
const CRUN: &str = "/usr/local/bin/crun-without-cgroups";

fn set_up(node: &Node) -> Result<()> {
    let folder = node.path("/etc/containerd");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("config.toml"), CONFIGURATION)?;
    std::fs::write(node.path(CRUN), NO_CGROUPS)?;
    node.check(&["chmod", "+x", CRUN])?;
    node.spawn("containerd", &["containerd"], &ExecOptions::default())?;
    wait_until(DEADLINE, "containerd answers", || {
        run(node, &["ctr", "version"])
    })
    .map(drop)
}

/// Starts a container that serves, under a ctr that waits for it and then removes it.
fn start(node: &Node, name: &str) -> Result<Container> {
    let argv = [
        "ctr",
        "run",
        "--rm",
        "--cni",
        "--env",
        "PATH=/bin",
        "--cgroup",
        "",
        "--runc-binary",
        CRUN,
        "--rootfs",
        ROOT,
        name,
        "rcni-lab",
        "serve",
    ];
    node.spawn(&format!("ctr-{name}"), &argv, &ExecOptions::default())?;
    // It runs once the plugin has answered; before, it is CREATED.
    let pid = wait_until(
        DEADLINE,
        &format!("container {name}"),
        || -> Result<String> {
            let tasks = run(node, &["ctr", "task", "ls"])?;
            let running = tasks.lines().find_map(|line| {
                let words: Vec<&str> = line.split_ascii_whitespace().collect();
                match words[..] {
                    [task, pid, "RUNNING"] if task == name => Some(pid.to_owned()),
                    _ => None,
                }
            });
            running.with_context(|| tasks)
        },
    )?;
    Ok(container(node, &pid))
}

/// Not with `ctr task exec`, which may end before it has passed on what the process printed.
fn container(node: &Node, pid: &str) -> Container {
    let words = ["nsenter", "--target", pid, "--mount", "--net", "--"].map(str::to_owned);
    Container::new(node, move || words.to_vec())
}

fn kill(node: &Node, name: &str) -> Result<()> {
    run(node, &["ctr", "task", "kill", "--signal", "SIGKILL", name]).map(drop)
}

fn a_container_is_a_pod(topology: &str, families: usize) -> Result<()> {
    in_container_lab(topology, |node, bob| {
        set_up(node)?;
        let calls = Calls::record(node)?;
        let web = start(node, "web")?;
        web.check_attached()?;
        web.check_traffic(bob)?;
        assert_eq!(web.ips()?.len(), families);
        kill(node, "web")?;
        Traces::wait_none(node)?;
        let calls = calls.all()?;
        let [add, del] = calls.as_slice() else {
            anyhow::bail!("not one ADD and one DEL: {calls:#?}");
        };
        assert_eq!((add.command.as_str(), del.command.as_str()), ("ADD", "DEL"));
        assert_eq!(add.container, "default-web");
        ensure!(add.netns.starts_with("/proc/"), "{add:?}");
        // The task and its namespace are gone by then.
        assert_eq!(del.netns, "");
        Ok(())
    })
}

#[test]
fn a_container_of_ctr_is_a_pod_and_nothing_is_left_of_it() -> Result<()> {
    a_container_is_a_pod(DUAL, 2)
}

#[test]
fn a_container_of_ctr_is_a_pod_without_ipv4_too() -> Result<()> {
    a_container_is_a_pod(IPV6, 1)
}

#[test]
fn the_end_of_one_container_does_not_touch_the_other() -> Result<()> {
    in_container_lab(DUAL, |node, bob| {
        set_up(node)?;
        let (web, other) = (start(node, "web")?, start(node, "web-2")?);
        let (one, two) = (web.ips()?, other.ips()?);
        ensure!(
            one.iter().all(|ip| !two.contains(ip)),
            "one address for two containers"
        );
        let families = one.len();
        assert_eq!(Traces::of(node)?.count(families)?, 2);
        kill(node, "web")?;
        wait_until(DEADLINE, "one container is left", || -> Result<()> {
            let count = Traces::of(node)?.count(families)?;
            ensure!(count == 1, "{count}");
            Ok(())
        })?;
        assert_eq!(other.ips()?, two);
        other.check_attached()?;
        other.check_traffic(bob)?;
        kill(node, "web-2")?;
        Traces::wait_none(node)
    })
}
