//! podman 4.3 with `network_backend = "cni"`, the last one that executes plugins by default:
//! its containers are pods like any others.

mod common;
mod containers;

use anyhow::{Context, Result, ensure};
use containers::{Calls, Container, ROOT, Traces, in_container_lab, run, try_run};
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

#[test]
fn a_container_of_podman_is_a_pod() -> Result<()> {
    in_container_lab(|_, node, bob| {
        set_up(node)?;
        let listed = podman(node, &["network", "ls", "--format", "{{.Name}}"])?;
        ensure!(listed.lines().any(|name| name == "rcni"), "{listed}");
        let web = start(node, "web", &[])?;
        web.check_attached()?;
        web.check_traffic(bob)?;
        // What podman itself tells is what is.
        let path = "{{json .NetworkSettings.Networks.rcni}}";
        let told = podman(node, &["inspect", "web", "--format", path])?;
        let told: Value = serde_json::from_str(&told)?;
        assert_eq!(told["IPAddress"], web.ipv4()?.to_string());
        assert_eq!(told["Gateway"], "169.254.1.1");
        let network = podman(node, &["network", "inspect", "rcni"])?;
        let network: Value = serde_json::from_str(&network)?;
        assert_eq!(network[0]["driver"], "rcni");
        // Two containers of one node.
        let other = start(node, "other", &[])?;
        ensure!(
            other.ipv4()? != web.ipv4()?,
            "one address for two containers"
        );
        other.check_traffic(bob)
    })
}

#[test]
fn podman_may_ask_for_an_address_and_is_told_why_it_cannot_have_it() -> Result<()> {
    in_container_lab(|_, node, bob| {
        set_up(node)?;
        let mac = "02:00:00:00:00:4d";
        let wanted = ["--ip", "10.244.1.77", "--mac-address", mac];
        let web = start(node, "web", &wanted)?;
        assert_eq!(web.ipv4()?.to_string(), "10.244.1.77");
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
        let families = web.addresses()?.len();
        assert_eq!(Traces::of(node)?.count(families)?, 1);
        web.check_traffic(bob)?;
        podman(node, &["rm", "-f", "-t", "0", "web"])?;
        Traces::wait_none(node)
    })
}

#[test]
fn nothing_is_left_of_a_container_however_it_ends() -> Result<()> {
    in_container_lab(|_, node, bob| {
        set_up(node)?;
        let calls = Calls::record(node)?;
        Traces::wait_none(node)?;
        let web = start(node, "web", &[])?;
        let first = web.ipv4()?;
        podman(node, &["stop", "-t", "0", "web"])?;
        Traces::wait_none(node)?;
        // The same container again: another address, since that of the ended one rests.
        podman(node, &["start", "web"])?;
        web.check_attached()?;
        web.check_traffic(bob)?;
        ensure!(web.ipv4()? != first, "{first} was given out again at once");
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
    in_container_lab(|_, node, bob| {
        set_up(node)?;
        let web = start(node, "web", &[])?;
        let before = (web.ipv4()?, web.mac()?);
        let calls = Calls::record(node)?;
        podman(node, &["network", "reload", "web"])?;
        web.check_attached()?;
        assert_eq!((web.ipv4()?, web.mac()?), before);
        web.check_traffic(bob)?;
        let add = calls.all()?.into_iter().find(|call| call.command == "ADD");
        let add = add.context("no ADD")?;
        // How it asks for them: with one address in the arguments, with more as a capability.
        let (ip, mac) = before;
        let asked = |word: String| add.args.split(';').any(|one| one == word);
        let ips = &add.config["runtimeConfig"]["ips"];
        let ip_asked = asked(format!("IP={ip}")) || ips[0] == ip.to_string();
        ensure!(ip_asked && asked(format!("MAC={mac}")), "{add:?}");
        assert_eq!(calls.commands()?, ["VERSION", "DEL", "ADD"]);
        Ok(())
    })
}
