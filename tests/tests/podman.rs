//! podman 4.3 with `network_backend = "cni"`, the last one that executes plugins by default:
//! its containers are pods like any others.

mod common;
mod containers;

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use containers::{Calls, Container, DUAL, IPV6, ROOT, Traces, in_container_lab, run, try_run};
use rcni_tests::Node;
use serde_json::Value;

const IMAGE: &str = "localhost/lab";

/// What a user writes is `[network]`; the rest is what there is no systemd, no cgroup and no
/// second overlay for.
const CONFIGURATION: &str = r#"
[network]
network_backend = "cni"
cni_plugin_dirs = ["/opt/cni/bin"]
[containers]
cgroups = "disabled"
log_driver = "k8s-file"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
"#;
const STORAGE: &str = r#"
[storage]
driver = "vfs"
runroot = "/run/containers/storage"
graphroot = "/var/lib/containers/storage"
"#;

fn set_up(node: &Node) -> Result<()> {
    let folder = node.path("/etc/containers");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("containers.conf"), CONFIGURATION)?;
    std::fs::write(folder.join("storage.conf"), STORAGE)?;
    let import = format!("tar -C {ROOT} -c . | podman import -q - {IMAGE}");
    run(node, &["sh", "-c", &import]).map(drop)
}

fn podman(node: &Node, arguments: &[&str]) -> Result<String> {
    run(node, &[&["podman"], arguments].concat())
}

/// Starts a container that serves.
fn start(node: &Node, name: &str, options: &[&str]) -> Result<Container> {
    let what = [IMAGE, "rcni-lab", "serve"];
    let network = ["run", "-d", "--name", name, "--network", "rcni"];
    podman(node, &[&network, options, &what].concat())?;
    Ok(container(node, name))
}

fn container(node: &Node, name: &str) -> Container {
    let enter = ["podman", "exec", name].map(str::to_owned).to_vec();
    Container::new(node, move || enter.clone())
}

/// What podman tells about a container's network is what is.
fn check_told(node: &Node, name: &str, ips: &[IpAddr]) -> Result<()> {
    let path = "{{json .NetworkSettings.Networks.rcni}}";
    let told = podman(node, &["inspect", name, "--format", path])?;
    let told: Value = serde_json::from_str(&told)?;
    for ip in ips {
        let (address, gateway, expected) = match ip {
            IpAddr::V4(_) => ("IPAddress", "Gateway", "169.254.1.1"),
            IpAddr::V6(_) => (
                "GlobalIPv6Address",
                "IPv6Gateway",
                "fe80::ecee:eeff:feee:eeee",
            ),
        };
        ensure!(told[address] == ip.to_string(), "{ip}: {told}");
        ensure!(told[gateway] == expected, "{expected}: {told}");
    }
    Ok(())
}

fn a_container_is_a_pod(topology: &str, families: usize) -> Result<()> {
    in_container_lab(topology, |node, bob| {
        set_up(node)?;
        let listed = podman(
            node,
            &["network", "ls", "--format", "{{.Name}} {{.Driver}}"],
        )?;
        ensure!(listed.lines().any(|line| line == "rcni rcni"), "{listed}");
        let web = start(node, "web", &[])?;
        web.check_attached()?;
        web.check_traffic(bob)?;
        let ips = web.ips()?;
        ensure!(ips.len() == families, "{ips:?}");
        check_told(node, "web", &ips)?;
        let other = start(node, "other", &[])?;
        other.check_attached()?;
        other.check_traffic(bob)?;
        ensure!(
            other.ips()?.iter().all(|ip| !ips.contains(ip)),
            "one address for two containers"
        );
        Ok(())
    })
}

#[test]
fn a_container_of_podman_is_a_pod() -> Result<()> {
    a_container_is_a_pod(DUAL, 2)
}

#[test]
fn a_container_of_podman_is_a_pod_without_ipv4_too() -> Result<()> {
    a_container_is_a_pod(IPV6, 1)
}

#[test]
fn podman_may_ask_for_an_address_and_is_told_why_it_cannot_have_it() -> Result<()> {
    in_container_lab(DUAL, |node, bob| {
        set_up(node)?;
        let mac = "02:00:00:00:00:4d";
        let (ip, ip6) = ("10.244.1.77", "fd00:10:244:1::77");
        let wanted = ["--ip", ip, "--ip6", ip6, "--mac-address", mac];
        let web = start(node, "web", &wanted)?;
        assert_eq!(web.ips()?, [ip.parse::<IpAddr>()?, ip6.parse()?]);
        assert_eq!(web.mac()?, mac);
        web.check_attached()?;
        web.check_traffic(bob)?;
        for (address, reason) in [("10.244.1.77", "is in use"), ("10.244.9.9", "10.244.9.9")] {
            let words = [
                "podman",
                "run",
                "--rm",
                "--network",
                "rcni",
                "--ip",
                address,
            ];
            let refused = try_run(node, &[&words[..], &[IMAGE, "ip", "link"]].concat())?;
            ensure!(
                !refused.success() && refused.stderr.contains(reason),
                "{refused:?}"
            );
        }
        // Nothing of the refused ones, everything of the other.
        assert_eq!(Traces::of(node)?.count(2)?, 1);
        web.check_traffic(bob)?;
        podman(node, &["rm", "-f", "-t", "0", "web"])?;
        Traces::wait_none(node)
    })
}

#[test]
fn nothing_is_left_of_a_container_however_it_ends() -> Result<()> {
    in_container_lab(DUAL, |node, bob| {
        set_up(node)?;
        let calls = Calls::record(node)?;
        Traces::wait_none(node)?;
        let web = start(node, "web", &[])?;
        let first = web.ips()?;
        podman(node, &["stop", "-t", "0", "web"])?;
        Traces::wait_none(node)?;
        // The same container again: another address, since that of the ended one rests.
        podman(node, &["start", "web"])?;
        web.check_attached()?;
        web.check_traffic(bob)?;
        let again = web.ips()?;
        ensure!(
            again.iter().all(|ip| !first.contains(ip)),
            "{first:?} were given out again at once: {again:?}"
        );
        podman(node, &["kill", "web"])?;
        Traces::wait_none(node)?;
        podman(node, &["rm", "web"])?;
        podman(
            node,
            &["run", "--rm", "--network", "rcni", IMAGE, "ip", "link"],
        )?;
        Traces::wait_none(node)?;
        // VERSION is asked before each operation, CHECK never.
        let expected = ["VERSION", "ADD", "VERSION", "DEL"].repeat(3);
        assert_eq!(calls.commands()?, expected);
        let calls = calls.all()?;
        for call in calls.iter().filter(|call| call.command != "VERSION") {
            ensure!(call.netns.starts_with("/run/netns/"), "{call:?}");
            ensure!(
                call.args.starts_with("IgnoreUnknown=1;K8S_POD_NAME="),
                "{call:?}"
            );
        }
        Ok(())
    })
}

#[test]
fn a_reload_of_the_network_keeps_address_and_mac() -> Result<()> {
    in_container_lab(DUAL, |node, bob| {
        set_up(node)?;
        let web = start(node, "web", &[])?;
        let before = (web.ips()?, web.mac()?);
        let calls = Calls::record(node)?;
        podman(node, &["network", "reload", "web"])?;
        web.check_attached()?;
        assert_eq!((web.ips()?, web.mac()?), before);
        web.check_traffic(bob)?;
        assert_eq!(calls.commands()?, ["VERSION", "DEL", "ADD"]);
        let add = calls.all()?.pop().context("no call")?;
        // One address would be in the arguments; two are asked for as a capability, which podman
        // says the plugin has.
        let (ips, mac) = before;
        let asked: Vec<IpAddr> = serde_json::from_value(add.config["runtimeConfig"]["ips"].clone())
            .with_context(|| format!("{add:?}"))?;
        assert_eq!(asked, ips);
        let mac = format!("MAC={mac}");
        ensure!(add.args.split(';').any(|one| one == mac), "{add:?}");
        Ok(())
    })
}
