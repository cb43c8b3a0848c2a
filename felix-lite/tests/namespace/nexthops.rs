//! How the kernel tells of routes, and what it does with next hops whose link is down.

use crate::ipv6;
use crate::node::Node;

const COMPAT_MODE: &str = "/proc/sys/net/ipv4/nexthop_compat_mode";

fn compat_mode(node: &Node) -> String {
    node.sh(&format!("cat {COMPAT_MODE}")).trim().to_owned()
}

#[track_caller]
fn wait_for(node: &Node, value: &str) {
    let what = format!("nexthop_compat_mode = {value}");
    node.wait_until(&what, || compat_mode(node) == value);
}

/// Starts something that has this name, and returns its number.
fn runs(node: &Node, with: &str, name: &str) -> String {
    let script = format!(
        "cp $(command -v sleep) $DIR/{name}; {with} $DIR/{name} 3600 > /dev/null 2>&1 & echo $!"
    );
    let pid = node.sh(&script).trim().to_owned();
    // After the last exec.
    node.wait_until(name, || {
        node.sh(&format!("cat /proc/{pid}/comm")).trim() == name
    });
    pid
}

#[test]
fn the_compat_mode_follows_who_reads_routes() {
    let node = Node::new();
    assert_eq!(compat_mode(&node), "1", "the kernel's own");
    // In another network: not ours to care for.
    runs(&node, "exec unshare --net", "bird");
    node.configure("  refreshIntervalSeconds: 1");
    let running = node.run();
    assert_eq!(compat_mode(&node), "0");
    running.wait_for_log("nexthop_compat_mode was 1, is 0 now: nobody here needs");
    let zebra = runs(&node, "exec", "zebra");
    wait_for(&node, "1");
    running.wait_for_log(&format!("was 0, is 1 now: zebra (pid {zebra}) may need"));
    node.sh(&format!("kill {zebra}"));
    wait_for(&node, "0");
    // Somebody else's change is put right.
    node.sh(&format!("echo 1 > {COMPAT_MODE}"));
    wait_for(&node, "0");
    running.stop();
    assert_eq!(node.felix("clean").0, 0);
    assert_eq!(compat_mode(&node), "1");
    assert!(!node.path("state").exists());
}

#[test]
fn beside_a_reader_from_the_start_nothing_is_changed() {
    let node = Node::new();
    let zebra = runs(&node, "exec", "zebra");
    let (code, said) = node.felix("run --oneshot");
    assert_eq!(code, 0, "{said}");
    let expected = format!("nexthop_compat_mode stays 1: zebra (pid {zebra}) may need");
    assert!(said.contains(&expected), "{said}");
    assert_eq!(compat_mode(&node), "1");
    node.configure("  nexthopCompatMode: disabled");
    let (code, said) = node.felix("run --oneshot");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("nexthopCompatMode is disabled"), "{said}");
    assert_eq!(compat_mode(&node), "0");
    node.configure("  nexthopCompatMode: enabled");
    node.oneshot();
    assert_eq!(compat_mode(&node), "1");
    assert_eq!(node.felix("clean").0, 0);
    assert_eq!(compat_mode(&node), "1");
}

/// A pod with the node's network, and without its processes.
#[test]
fn in_a_container_that_does_not_see_the_node_nothing_is_changed() {
    let node = Node::new();
    runs(&node, "exec", "zebra");
    let pod = "unshare --pid --fork --mount-proc";
    let said = node.sh(&format!("{pod} $FELIX run --oneshot $FILES 2>&1"));
    assert!(
        said.contains("nexthop_compat_mode stays 1: this container"),
        "{said}"
    );
    assert_eq!(compat_mode(&node), "1");
    assert_eq!(node.felix("clean").0, 0);
}

#[test]
fn a_setting_that_cannot_be_written_keeps_no_node_from_being_ready() {
    let node = Node::new();
    node.sh(&format!(
        "mount --bind {COMPAT_MODE} {COMPAT_MODE}; mount -o remount,ro,bind {COMPAT_MODE}"
    ));
    let (code, said) = node.felix("run --oneshot");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(said.contains("node ready"), "{said}");
    assert_eq!(compat_mode(&node), "1");
    assert_eq!(node.felix("clean").0, 0);
}

/// Two uplinks, a bridge with a link of a container, and a route of each family over both uplinks.
const UPLINKS: &str = "
for n in 0 1; do
  ip link add up$n type veth peer name far$n
  ip link set up$n up; ip link set far$n up
  ip addr add 10.9.$n.1/24 dev up$n
  ip addr add fd00:9:$n::1/64 dev up$n nodad
done
ip link add docker0 type bridge; ip link set docker0 up
ip link add bridged type veth peer name container
ip link set bridged master docker0 up
ip route add 198.51.100.0/24 nexthop via 10.9.0.2 nexthop via 10.9.1.2
ip -6 route add 2001:db8::/64 nexthop via fd00:9:0::2 nexthop via fd00:9:1::2
";

/// As a kernel without nexthop objects looks.
const OLD_KERNEL: &str = "
mkdir $DIR/ipv4; mount --bind /proc/sys/net/ipv4 $DIR/ipv4
mount -t tmpfs none /proc/sys/net/ipv4
for f in conf ip_forward fib_multipath_hash_policy; do ln -s $DIR/ipv4/$f /proc/sys/net/ipv4/$f; done
";

/// The uplinks that addresses behind both are sent to.
fn used(node: &Node) -> String {
    node.sh(
        "for n in $(seq 1 40); do ip route get 198.51.100.$n; ip route get 2001:db8::$n; done \
         | grep -o 'dev up[01]' | sort | uniq | tr '\\n' ' '",
    )
}

#[test]
fn without_nexthop_objects_uplinks_without_carrier_are_not_used() {
    let node = Node::new();
    node.configure(ipv6::BOTH);
    node.sh(UPLINKS);
    let settings = "for f in ipv4 ipv6; do for l in all default lo docker0 bridged up0 up1; do \
                    echo $l $(cat /proc/sys/net/$f/conf/$l/ignore_routes_with_linkdown); \
                    done; done";
    let before = node.sh(settings);
    assert!(!before.contains(" 1"), "{before}");
    // With nexthop objects there is nothing to do.
    node.oneshot();
    assert_eq!(node.sh(settings), before);
    node.sh("ip link set far0 down");
    assert_eq!(
        used(&node),
        "dev up0 dev up1 ",
        "the kernel sends into the dead link"
    );
    node.sh("ip link set far0 up");
    node.sh(OLD_KERNEL);
    let (code, said) = node.felix("run --oneshot");
    assert_eq!(code, 0, "{said}");
    let wanted = before.replace("up0 0", "up0 1").replace("up1 0", "up1 1");
    assert_eq!(node.sh(settings), wanted);
    node.sh("ip link set far0 down");
    node.wait_until("only one is used", || used(&node) == "dev up1 ");
    node.sh("ip link set far0 up");
    node.wait_until("both are used", || used(&node) == "dev up0 dev up1 ");
    assert_eq!(node.felix("clean").0, 0);
    assert_eq!(node.sh(settings), before);
}
