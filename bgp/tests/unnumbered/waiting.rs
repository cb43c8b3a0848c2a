//! Links that are not there yet, or cannot be used.

use super::common::{Daemon, PROGRAM, wait};
use super::{config, join, link_local, namespace, notes, state, two};

#[test]
fn a_link_is_waited_for_and_every_reason_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (namespace(), namespace());
    let by_link = "peerInterface: eth0";
    let at_a = Daemon::start(&a, folder.path(), "a", &config(1, by_link));
    let is = |word: &str, said: &str| {
        let is = |json: &serde_json::Value| state(json) == word && notes(json).contains(said);
        wait(&format!("{word}: {said}"), || at_a.json().filter(is))
    };
    let json = is(
        "no-interface",
        "this node has no interface eth0 yet: it is waited for",
    );
    assert_eq!(json["peers"], serde_json::json!([]));
    assert_eq!(
        at_a.status(&[]).status.code(),
        Some(1),
        "somebody is missing"
    );
    let table = String::from_utf8(at_a.status(&[]).stdout).unwrap();
    assert!(table.contains("link eth0 (other) no-interface:"), "{table}");
    a.ip(&format!(
        "link add eth0 type veth peer name eth0 netns {}",
        b.pid()
    ));
    is("down", "eth0 is switched off: `ip link set dev eth0 up`");
    a.set("net.ipv6.conf.eth0.disable_ipv6", 1);
    a.ip("link set eth0 up");
    is("no-carrier", "look at the cable and the other end");
    b.ip("link set eth0 up");
    is("no-link-local", "IPv6 is switched off on eth0");
    a.ip("link set eth0 addrgenmode none");
    a.set("net.ipv6.conf.eth0.disable_ipv6", 0);
    is("no-link-local", "addrgenmode eui64");
    a.ip("address add fe80::a/64 dev eth0 nodad");
    is("waiting", "no router advertisement came on eth0 yet");
    let at_b = Daemon::start(&b, folder.path(), "b", &config(2, by_link));
    let json = at_a.established();
    assert_eq!(state(&json), "found");
    assert_eq!(at_a.status(&[]).status.code(), Some(0));
    at_b.established();
    // The link goes, and comes back as another one of the same name.
    a.ip("link delete eth0");
    is("no-interface", "it is waited for");
    let peers = wait("its peer goes with it", || {
        let json = at_a.json()?;
        (json["peers"] == serde_json::json!([])).then_some(json)
    });
    assert_eq!(
        peers["kernel"]["failedCount"].as_u64().unwrap_or_default(),
        0
    );
    super::join((&a, "eth0"), (&b, "eth0"));
    at_a.established();
    wait("its routes, too", || {
        (a.own_routes().len() == 1).then_some(())
    });
}

#[test]
fn who_was_shut_down_can_be_started_while_it_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = two();
    let at_a = Daemon::start(&a, folder.path(), "a", &config(1, "peerInterface: eth*"));
    let _at_b = Daemon::start(&b, folder.path(), "b", &config(2, "peerInterface: eth0"));
    at_a.established();
    at_a.orders(&["shutdown", "other/eth0"]);
    a.ip("link delete eth0");
    wait("its peer goes with its link", || {
        let json = at_a.json()?;
        (json["peers"] == serde_json::json!([])).then_some(())
    });
    let start = |name: &str| {
        let mut command = std::process::Command::new(PROGRAM);
        command.args(["peer", "start", name, "--socket"]);
        let output = command.arg(&at_a.socket).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    for unknown in ["eth0", "other", "other/eth1", "another/eth0"] {
        let (code, said) = start(unknown);
        assert_eq!(code, Some(2), "{unknown}: {said}");
        assert!(said.contains("there is no peer"), "{unknown}: {said}");
    }
    let (code, said) = start("other/eth0");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("not there at the moment"), "{said}");
    join((&a, "eth0"), (&b, "eth0"));
    let json = at_a.established();
    assert_eq!(json["peers"][0]["address"], link_local(&b, "eth0").as_str());
}
