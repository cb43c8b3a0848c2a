//! `accept_ra` of links: 0 while a peer is looked for there, as it was found when none is any more.

use std::path::Path;

use rustix::process::Signal;

use super::common::{Daemon, Namespace, PROGRAM, wait};
use super::{config, namespace, notes, two};

const BY_LINK: &str = "peerInterface: eth0";
const ELSEWHERE: &str = "peerInterface: swp1";

pub(super) fn accept_ra(namespace: &Namespace, link: &str) -> String {
    let mut question = namespace.command("sysctl");
    question.args(["-n", &format!("net.ipv6.conf.{link}.accept_ra")]);
    let said = question.output().unwrap().stdout;
    String::from_utf8(said).unwrap().trim().to_owned()
}

fn wait_for(namespace: &Namespace, link: &str, wanted: &str) {
    wait(&format!("accept_ra of {link} is {wanted}"), || {
        (accept_ra(namespace, link) == wanted).then_some(())
    });
}

fn reload(folder: &Path, peer: &str) {
    std::fs::write(folder.join("a.yaml"), config(1, peer)).unwrap();
}

fn is_written(folder: &Path) -> bool {
    folder.join("a.sock.accept_ra").exists()
}

#[test]
fn a_link_that_no_peer_means_any_more_is_as_it_was_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (a, b) = two();
    a.ip("link add eth1 type veth peer name far");
    for (link, found) in [("eth0", 2), ("eth1", 0)] {
        a.set(&format!("net.ipv6.conf.{link}.accept_ra"), found);
    }
    let at_a = Daemon::start(&a, folder, "a", &config(1, "peerInterface: eth*"));
    let _at_b = Daemon::start(&b, folder, "b", &config(2, BY_LINK));
    at_a.established();
    assert_eq!(accept_ra(&a, "eth0"), "0");
    assert!(is_written(folder));
    // Another peer that means it, too.
    reload(folder, BY_LINK);
    wait("its name is another", || {
        (at_a.json()?["peers"][0]["name"] == "other").then_some(())
    });
    assert_eq!(accept_ra(&a, "eth0"), "0");
    reload(folder, ELSEWHERE);
    wait_for(&a, "eth0", "2");
    assert_eq!(accept_ra(&a, "eth1"), "0", "as it was found");
    assert!(!is_written(folder));
    // And again; by its address it needs no advertisements, and they are the node's own matter.
    reload(folder, BY_LINK);
    wait_for(&a, "eth0", "0");
    reload(folder, "peerIP: 'fe80::99%eth0'");
    wait_for(&a, "eth0", "2");
    // A link that is called so no longer.
    reload(folder, BY_LINK);
    wait_for(&a, "eth0", "0");
    a.ip("link set eth0 down");
    a.ip("link set eth0 name eno7");
    wait_for(&a, "eno7", "2");
}

/// Routes of BGP stay without the daemon, and so must what keeps others away.
#[test]
fn it_stays_0_without_the_daemon_and_the_next_one_knows_what_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let a = namespace();
    a.ip("link add eth0 type veth peer name far");
    let start = |peer: &str| Daemon::start(&a, folder, "a", &config(1, peer));
    for signal in [Signal::KILL, Signal::TERM] {
        let mut daemon = start(BY_LINK);
        wait_for(&a, "eth0", "0");
        let json = wait("an answer", || daemon.json());
        assert!(notes(&json).contains("accept_ra of eth0 was 1 and is 0 now"));
        daemon.signal(signal);
        daemon.ended();
        assert_eq!(accept_ra(&a, "eth0"), "0");
    }
    // The peer is removed while there is none.
    let mut daemon = start(ELSEWHERE);
    wait_for(&a, "eth0", "1");
    assert!(!is_written(folder));
    // What somebody else has set meanwhile is left.
    reload(folder, BY_LINK);
    wait_for(&a, "eth0", "0");
    daemon.signal(Signal::KILL);
    daemon.ended();
    a.set("net.ipv6.conf.eth0.accept_ra", 2);
    let mut daemon = start(ELSEWHERE);
    wait("forgotten", || (!is_written(folder)).then_some(()));
    assert_eq!(accept_ra(&a, "eth0"), "2");
    // A link of the same name is another one.
    reload(folder, BY_LINK);
    wait_for(&a, "eth0", "0");
    a.ip("link delete eth0");
    wait("forgotten with its link", || {
        (!is_written(folder)).then_some(())
    });
    a.ip("link add eth0 type veth peer name far");
    wait_for(&a, "eth0", "0");
    daemon.signal(Signal::TERM);
    daemon.ended();
    // An uninstallation.
    let mut clean = a.command(PROGRAM);
    let clean = clean.arg("clean").arg("--socket").arg(&daemon.socket);
    let clean = clean.arg("--config").arg(folder.join("a.yaml"));
    let clean = clean.output().unwrap();
    let said = String::from_utf8_lossy(&clean.stdout);
    assert!(said.contains("accept_ra of eth0 is 1 again"), "{clean:?}");
    assert_eq!(accept_ra(&a, "eth0"), "1");
    assert!(!is_written(folder));
}
