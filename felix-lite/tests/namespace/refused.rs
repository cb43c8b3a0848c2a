//! What cannot be done is said in one line, what works is done, and the conflist stays away.

use std::fs;

use crate::apply::{OWN, assert_in_place, bare};
use crate::node::Node;

#[test]
fn a_refused_configuration_is_exit_code_2_and_changes_nothing() {
    let node = Node::new();
    let before = node.sysctls();
    for (bad, named) in [
        ("  podCIDR: 10.0.0.0/8", "podCIDR"),
        ("  iptablesBackend: ebpf", "iptablesBackend"),
        ("  nonMasqueradeCIDRs: [10.0.0.1/8]", "nonMasqueradeCIDRs"),
    ] {
        node.configure(bad);
        for command in ["run --oneshot", "run", "clean"] {
            let (code, said) = node.felix(command);
            assert_eq!(code, 2, "{command}: {said}");
            assert!(
                said.contains("felix.yaml:") && said.contains(named),
                "{said}"
            );
        }
    }
    assert_eq!(node.sysctls(), before);
    assert_eq!(node.saved("iptables-nft"), "");
    assert!(!node.conflist().exists() && !node.path("state").exists());
}

#[test]
fn without_iptables_the_package_is_named_and_the_rest_is_done() {
    let node = Node::new();
    node.sh("for program in nft legacy; do \
             mount --bind /dev/null $(readlink -f $(command -v iptables-$program)); done");
    let running = node.start();
    running.wait_for_log("install the package iptables");
    assert!(!node.conflist().exists());
    assert_eq!(
        node.routes(),
        "blackhole 10.244.1.0/24 proto 77 metric 4278198272"
    );
    // Somebody installs it.
    node.sh("umount $(awk '/xtables-/ {print $2}' /proc/self/mounts)");
    running.wait_for_log("node ready");
    assert_in_place(&node, "iptables-nft");
}

#[test]
fn without_masquerade_the_rule_is_named_and_forwarding_works() {
    let node = Node::new();
    node.sh(
        "for file in $(find /usr/lib /usr/lib64 -name 'lib*t_MASQUERADE.so'); do \
             mount --bind /dev/null $file; done",
    );
    let running = node.start();
    running.wait_for_log("xt_MASQUERADE");
    let log = running.log();
    let errors: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{log}");
    assert!(errors[0].contains("-s 10.244.1.0/24"), "{log}");
    assert!(!node.conflist().exists(), "{log}");
    assert_eq!(bare(&node.own_rules("iptables-nft")), OWN[..4]);
    // The same error is not said with each attempt.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(
        running.log().matches("ERROR").count(),
        1,
        "{}",
        running.log()
    );
    node.sh(
        "for file in $(find /usr/lib /usr/lib64 -name 'lib*t_MASQUERADE.so'); do \
             umount $file || true; done 2> /dev/null",
    );
    running.wait_for_log("node ready");
    assert_in_place(&node, "iptables-nft");
}

#[test]
fn a_read_only_proc_sys_is_named_once_and_is_no_matter_if_the_values_are_right() {
    let node = Node::new();
    node.sh("mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys");
    let running = node.start();
    running.wait_for_log("net/ipv4/ip_forward = 1");
    assert!(
        running.log().contains("Read-only file system"),
        "{}",
        running.log()
    );
    assert!(!node.conflist().exists());
    assert_eq!(node.own_rules("iptables-nft").len(), OWN.len());
    running.kill();
    node.sh("umount /proc/sys; sysctl -qw net.ipv4.ip_forward=1 \
             net.ipv4.fib_multipath_hash_policy=1; \
             mount --bind /proc/sys /proc/sys; mount -o remount,ro,bind /proc/sys");
    node.oneshot();
    assert_in_place(&node, "iptables-nft");
}

#[test]
fn a_foreign_route_in_the_blackhole_s_place_is_left_and_named() {
    let node = Node::new();
    let foreign = "blackhole 10.244.1.0/24 proto 4 metric 4278198272";
    node.sh("ip route add blackhole 10.244.1.0/24 proto 4 metric 4278198272");
    let foreign_shown = node.routes();
    let (code, said) = node.felix("run --oneshot");
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("10.244.1.0/24") && said.contains("not ours"),
        "{said}"
    );
    assert_eq!(node.routes(), foreign_shown, "{foreign}");
    assert!(!node.conflist().exists());
}

#[test]
fn without_root_it_is_one_line() {
    let node = Node::new();
    let output = node.try_sh(
        "chmod 755 $DIR; setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all \
         $FELIX run --oneshot --config $DIR/felix.yaml --state-dir $DIR/other 2>&1",
    );
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("CAP_NET_ADMIN"), "{said}");
}

#[test]
fn a_second_agent_is_refused() {
    let node = Node::new();
    let running = node.run();
    let (code, said) = node.felix("run --oneshot");
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("another felix-lite is running"), "{said}");
    running.stop();
}

#[test]
fn a_conflist_folder_that_cannot_be_made_is_named_and_tried_again() {
    let node = Node::new();
    fs::write(node.path("net.d"), "a file").unwrap();
    let running = node.start();
    running.wait_for_log("net.d");
    assert_eq!(node.own_rules("iptables-nft").len(), OWN.len());
    fs::remove_file(node.path("net.d")).unwrap();
    running.wait_for_log("node ready");
    assert_in_place(&node, "iptables-nft");
}

#[test]
fn another_plugin_s_conflist_is_named_and_stays_and_so_does_ours_from_before() {
    let node = Node::new();
    node.oneshot();
    let foreign = r#"{"name": "k8s", "plugins": [{"type": "calico"}]}"#;
    fs::write(node.path("net.d/10-calico.conflist"), foreign).unwrap();
    node.sh("sed -i 's/cni: {/cni: {confName: 10-calico.conflist, /' $DIR/felix.yaml");
    let (code, said) = node.felix("run --oneshot");
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("10-calico.conflist is the configuration of another plugin"),
        "{said}"
    );
    let now = fs::read_to_string(node.path("net.d/10-calico.conflist")).unwrap();
    assert_eq!(now, foreign);
    assert!(node.conflist().exists());
}
