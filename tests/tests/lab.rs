//! The lab itself: what a topology asks for is there, and nothing is left afterwards.

mod common;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use common::paths::next_hops;
use common::{DEADLINE, deploy_text, names, write};
use rcni_tests::lab::node::ExecOptions;
use rcni_tests::lab::process::ProcessId;
use rcni_tests::lab::state::{self, State};
use rcni_tests::programs::lab_program;
use rcni_tests::{Lab, Options, Pod, containerlab, wait_until};

const PAIR: &str = "
name: pair
topology:
  defaults:
    kind: linux
    image: alpine
    network-mode: none
    env: {GREETING: hello, COUNT: 3}
  nodes:
    a:
      binds:
        - greeting.txt:/etc/deep/greeting.txt:ro
        - folder:/srv/folder
      sysctls: {net.ipv4.ip_forward: 1}
      exec:
        - ip address add 192.0.2.1/24 dev eth1
        - sh -c 'echo \"from exec\" > /tmp/exec'
    b:
      cmd: sh -c 'echo from cmd; exec sleep 1000'
      exec:
        - ip address add 192.0.2.2/24 dev eth1
  links:
    - endpoints: ['a:eth1', 'b:eth1']
      mtu: 1400
    - endpoints: ['a:fabric0', 'b:fabric7']
";

/// The pair with the files that it binds.
fn pair() -> Result<(tempfile::TempDir, std::path::PathBuf)> {
    let (folder, file) = write(PAIR)?;
    std::fs::write(folder.path().join("greeting.txt"), "bound\n")?;
    std::fs::create_dir(folder.path().join("folder"))?;
    Ok((folder, file))
}

/// The helpers of these tests, not the kernel: `ip route` alone does not show it with 0.
#[test]
fn routes_are_shown_with_their_next_hops_in_either_compat_mode() -> Result<()> {
    let (_folder, file) = pair()?;
    let lab = Lab::deploy(&file, &Options::default())?;
    let a = lab.node("a")?;
    a.shell(
        "ip address add 192.0.3.1/24 dev fabric0; ip address add fd00::1/64 dev eth1 nodad
         ip nexthop add id 7 via 192.0.2.2 dev eth1; ip nexthop add id 8 via 192.0.3.2 dev fabric0
         ip nexthop add id 9 group 7/8,3; ip nexthop add id 6 via fd00::2 dev eth1
         ip route add 10.0.0.0/24 nhid 9; ip route add 10.0.1.0/24 nhid 8
         ip route add 10.0.2.0/24 via 192.0.2.3; ip -6 route add fd01::/64 nhid 6",
    )?;
    for mode in [0, 1] {
        a.shell(&format!(
            "echo {mode} > /proc/sys/net/ipv4/nexthop_compat_mode"
        ))?;
        for (prefix, wanted) in [
            ("10.0.0.0/24", &["192.0.2.2", "192.0.3.2"][..]),
            ("10.0.1.0/24", &["192.0.3.2"]),
            ("10.0.2.0/24", &["192.0.2.3"]),
            ("fd01::/64", &["fd00::2"]),
            ("10.0.3.0/24", &[]),
        ] {
            let found = next_hops(a, prefix)?;
            assert!(found.iter().eq(wanted), "{mode} {prefix}: {found:?}");
        }
    }
    Ok(())
}

#[test]
fn what_the_file_asks_for_is_there() -> Result<()> {
    let (folder, file) = pair()?;
    let lab = Lab::deploy(&file, &Options::default())?;
    let (a, b) = (lab.node("a")?, lab.node("b")?);
    // Links, with both MTUs, names and different indexes.
    assert_eq!(
        a.shell("cat /sys/class/net/eth1/mtu /sys/class/net/fabric0/mtu")?,
        "1400\n9500\n"
    );
    assert_eq!(
        b.shell("ls /sys/class/net")?
            .split_whitespace()
            .collect::<Vec<_>>(),
        ["eth1", "fabric7", "lo"]
    );
    let index = "cat /sys/class/net/eth1/ifindex";
    assert_ne!(a.shell(index)?, b.shell(index)?);
    a.check(&["ping", "-c", "1", "-W", "2", "192.0.2.2"])?;
    // Exactly the link's MTU goes through unfragmented.
    a.check(&[
        "ping",
        "-c",
        "1",
        "-W",
        "2",
        "-M",
        "do",
        "-s",
        "1372",
        "192.0.2.2",
    ])?;
    assert!(
        !a.exec(&[
            "ping",
            "-c",
            "1",
            "-W",
            "1",
            "-M",
            "do",
            "-s",
            "1373",
            "192.0.2.2"
        ])?
        .success()
    );
    // exec, cmd, env, sysctls, host name.
    assert_eq!(a.shell("cat /tmp/exec")?, "from exec\n");
    assert_eq!(b.daemon("sleep")?.argv, ["sleep", "1000"]);
    assert_eq!(b.shell("cat /var/log/command.log")?, "from cmd\n");
    assert_eq!(a.shell("echo $GREETING $COUNT $(hostname)")?, "hello 3 a\n");
    assert_eq!(a.shell("cat /proc/sys/net/ipv4/ip_forward")?, "1\n");
    // Binds: read-only stays so, writable writes through.
    assert_eq!(a.shell("cat /etc/deep/greeting.txt")?, "bound\n");
    assert!(
        !a.exec(&["sh", "-c", "echo x > /etc/deep/greeting.txt"])?
            .success()
    );
    a.shell("echo out > /srv/folder/file")?;
    assert_eq!(
        std::fs::read_to_string(folder.path().join("folder/file"))?,
        "out\n"
    );
    Ok(())
}

#[test]
fn a_node_cannot_change_the_machine() -> Result<()> {
    let (_folder, lab) = deploy_text(
        "name: x\ntopology:\n  nodes:\n    a: {kind: linux, image: alpine, network-mode: none}\n",
    )?;
    let a = lab.node("a")?;
    let mark = format!("rcni-lab-test-{}", std::process::id());
    a.shell(&format!(
        "echo x > /etc/{mark}; echo x > /usr/{mark}; ip netns add {mark}"
    ))?;
    for folder in ["/etc", "/usr", "/run/netns", "/var/run/netns"] {
        assert!(!Path::new(folder).join(&mark).exists(), "{folder}/{mark}");
    }
    let swappiness = std::fs::read_to_string("/proc/sys/vm/swappiness")?;
    let refused = a.exec(&["sh", "-c", "echo 7 > /proc/sys/vm/swappiness"])?;
    assert!(!refused.success());
    assert_eq!(
        std::fs::read_to_string("/proc/sys/vm/swappiness")?,
        swappiness
    );
    assert_eq!(a.shell("ls /sys/class/net")?, "lo\n");
    Ok(())
}

#[test]
fn a_file_that_cannot_be_honoured_leaves_nothing_behind() -> Result<()> {
    let (folder, file) = write(&PAIR.replace("mtu: 1400", "mtu: 1400\n      labels: {x: y}"))?;
    let error = Lab::deploy(&file, &Options::default()).unwrap_err();
    let text = format!("{error:#}");
    let place = format!("{}:", file.display());
    assert!(text.contains(&place) && text.contains("labels"), "{text}");
    let line = text
        .split(&place)
        .nth(1)
        .and_then(|rest| rest.split(':').next());
    let wanted = 1 + std::fs::read_to_string(&file)?
        .lines()
        .position(|l| l.contains("labels"))
        .unwrap();
    assert_eq!(line, Some(wanted.to_string().as_str()), "{text}");
    drop(folder);
    Ok(())
}

#[test]
fn an_exec_that_fails_is_an_error_with_its_line_and_output() -> Result<()> {
    let text = "name: failing\ntopology:\n  defaults: {kind: linux, image: alpine, network-mode: none}\n  \
                nodes:\n    a:\n      exec:\n        - 'true'\n        - sh -c 'echo why >&2; exit 3'\n";
    let error = deploy_text(text).map(drop).unwrap_err();
    let text = format!("{error:#}");
    assert!(
        text.contains("test.clab.yml:8") && text.contains("why"),
        "{text}"
    );
    let own = format!("failing-{}-", std::process::id());
    assert!(
        !names(Path::new(state::FOLDER))
            .iter()
            .any(|name| name.starts_with(&own))
    );
    Ok(())
}

/// A topology of one node with this command in line 6.
fn commanded(command: &str) -> String {
    format!(
        "name: x\ntopology:\n  defaults: {{kind: linux, image: alpine, network-mode: none}}\n  \
         nodes:\n    a:\n      {command}\n"
    )
}

#[test]
fn a_command_that_cannot_run_or_fails_is_an_error_with_its_line() -> Result<()> {
    for (command, wanted) in [
        ("cmd: nosuchcmd", "nosuchcmd: no such program"),
        ("entrypoint: /etc/passwd", "cannot be started"),
        ("cmd: 'false'", "`false` has ended with status 1"),
        (
            "cmd: sh -c 'echo the reason >&2; exit 7'",
            "status 7\nthe reason",
        ),
        ("cmd: sh -c nosuchcmd", "status 127"),
        ("cmd: sh -c 'kill -9 $$'", "status 137"),
        // Slower than any look at it, but not than the exec line.
        (
            "{cmd: sh -c 'sleep 0.6; exit 3', exec: [sleep 1]}",
            "status 3",
        ),
    ] {
        let error = deploy_text(&commanded(command)).map(drop).unwrap_err();
        let said = format!("{error:#}");
        assert!(
            said.contains("test.clab.yml:6") && said.contains(wanted),
            "{command}: {said}"
        );
    }
    // A script that starts daemons and ends is fine.
    let (_folder, lab) = deploy_text(&commanded("cmd: sh -c 'sleep 1000 & exit 0'"))?;
    assert_eq!(lab.node("a")?.daemon("sleep")?.argv, ["sleep", "1000"]);
    Ok(())
}

#[test]
fn a_setting_that_the_kernel_refuses_is_an_error_with_its_line() -> Result<()> {
    for (what, wanted) in [
        (
            "sysctls: {net.ipv4.no_such_thing: 1}",
            "net.ipv4.no_such_thing=1",
        ),
        ("sysctls: {net.ipv4.ip_forward: many}", "Invalid argument"),
        // A file cannot lie below a file.
        ("binds: ['test.clab.yml:/etc/passwd/x']", "/etc/passwd"),
    ] {
        let error = deploy_text(&commanded(what)).map(drop).unwrap_err();
        let said = format!("{error:#}");
        assert!(
            said.contains("test.clab.yml:6: ") && said.contains(wanted),
            "{what}: {said}"
        );
        assert!(!said.contains("rcni-lab: "), "{said}");
    }
    Ok(())
}

#[test]
fn two_labs_of_one_topology_live_side_by_side() -> Result<()> {
    let (_folder, file) = pair()?;
    let one = Lab::deploy(&file, &Options::default())?;
    let two = Lab::deploy(&file, &Options::default())?;
    assert_ne!(one.name(), two.name());
    let inits: Vec<ProcessId> = one.nodes().map(|node| node.init()).collect();
    drop(one);
    assert!(inits.iter().all(|init| !init.is_alive()));
    two.node("a")?
        .check(&["ping", "-c", "1", "-W", "2", "192.0.2.2"])?;
    Ok(())
}

#[test]
fn the_end_of_a_lab_ends_everything_in_it() -> Result<()> {
    let (_folder, file) = pair()?;
    let lab = Lab::deploy(&file, &Options::default())?;
    let folder = lab.state().folder();
    let a = lab.node("a")?;
    // A daemon that does all to survive: a session of its own (as all have), ignores signals.
    let argv = ["sh", "-c", "trap '' TERM HUP INT; exec sleep 3000"];
    let daemon = a.spawn("stubborn", &argv, &ExecOptions::default())?;
    assert!(daemon.id.is_alive());
    assert!(folder.exists());
    drop(lab);
    assert!(!daemon.id.is_alive());
    assert!(!folder.exists());
    Ok(())
}

#[test]
fn a_daemon_can_be_killed_and_started_again() -> Result<()> {
    let (_folder, file) = pair()?;
    let lab = Lab::deploy(&file, &Options::default())?;
    let b = lab.node("b")?;
    let killed = b.kill("sleep")?;
    assert!(!killed.id.is_alive());
    assert_eq!(b.daemons("sleep")?.len(), 0);
    let again = b.start_again(&killed)?;
    wait_until(DEADLINE, "the daemon", || b.daemon("sleep"))?;
    assert!(again.id.is_alive() && again.id != killed.id);
    assert_eq!(b.daemon("sleep")?.argv, ["sleep", "1000"]);
    // Orphans are reaped by the node's first process, whoever started them.
    b.shell("sh -c 'sleep 0.1 & :'")?;
    wait_until(DEADLINE, "no zombie in the node", || {
        let list = b.shell("cat /proc/[0-9]*/stat").unwrap_or_default();
        if list.contains(") Z ") {
            Err(list)
        } else {
            Ok(())
        }
    })
}

#[test]
fn a_command_that_hangs_is_ended_with_all_that_it_started() -> Result<()> {
    let (_folder, file) = pair()?;
    let lab = Lab::deploy(&file, &Options::default())?;
    let a = lab.node("a")?;
    let options = ExecOptions {
        deadline: Some(Duration::from_millis(300)),
        ..Default::default()
    };
    let error = a.exec_with(&["sleep", "4321"], &options).unwrap_err();
    assert!(format!("{error:#}").contains("still running"), "{error:#}");
    wait_until(DEADLINE, "the end of the command", || {
        let left = a.daemons("sleep").map_err(|error| error.to_string())?;
        if left.is_empty() {
            Ok(())
        } else {
            Err(format!("{left:?}"))
        }
    })
}

/// Runs `rcni-lab up` in a session of its own, stopped by `stop` while it still owns the lab.
fn interrupted(name: &str, signal: nix::sys::signal::Signal) -> Result<State> {
    // The last exec line keeps the deployment in the owner's hands.
    let text = "name: x\ntopology:\n  nodes:\n    a:\n      kind: linux\n      image: alpine\n      \
                network-mode: none\n      exec: [sleep 50]\n";
    let (_folder, file) = write(text)?;
    let mut command = Command::new(lab_program()?);
    command
        .arg("up")
        .arg(&file)
        .args(["--name", name])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = command.process_group(0).spawn()?;
    let state = wait_until(DEADLINE, "the node of the lab", || {
        let state = State::load(name)?;
        let node = state.nodes.first().context("no node yet")?;
        ensure!(node.init.is_alive(), "not alive yet");
        Ok::<_, anyhow::Error>(state)
    })?;
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
    nix::sys::signal::kill(pid, signal)?;
    child.wait()?;
    wait_until(DEADLINE, "the end of the node", || {
        if state.runs() {
            Err("it still runs")
        } else {
            Ok(())
        }
    })?;
    Ok(state)
}

#[test]
fn an_interrupted_run_cleans_up_itself() -> Result<()> {
    let name = format!("interrupted-{}", std::process::id());
    let state = interrupted(&name, nix::sys::signal::Signal::SIGINT)?;
    assert!(!state.folder().exists());
    Ok(())
}

/// Ctrl-C at any instant is an interrupt, never a failed demo.
#[test]
fn an_interrupted_demo_does_not_look_like_a_failed_one() -> Result<()> {
    for wait in [50, 100, 150, 200, 300, 400, 500, 600, 700, 800, 900, 1000] {
        let mut command = Command::new(lab_program()?);
        command.arg("demo").process_group(0);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = child.spawn()?;
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
        // The instant is the point: whatever the demo is doing then.
        std::thread::sleep(Duration::from_millis(wait));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?;
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        let context = format!("after {wait} ms: {:?}\n{said}{errors}", output.status);
        assert_eq!(output.status.code(), Some(130), "{context}");
        assert_eq!(errors, "interrupted, everything removed\n", "{context}");
        assert!(
            !said.contains("fail") && !said.contains("FAIL"),
            "{context}"
        );
        assert!(!state::exists(&format!("demo-{pid}")), "{context}");
    }
    Ok(())
}

#[test]
fn what_a_killed_run_leaves_is_removed_by_the_next() -> Result<()> {
    let name = format!("killed-{}", std::process::id());
    let state = interrupted(&name, nix::sys::signal::Signal::SIGKILL)?;
    // The nodes are gone with their owner; the folder waits for whoever comes next. Another
    // test's deployment may have been that.
    let (_folder, file) = pair()?;
    let lab = Lab::deploy(&file, &Options::default())?;
    assert!(!state.folder().exists());
    assert!(lab.state().folder().exists(), "a living lab is not swept");
    Ok(())
}

/// Takes a kept lab down also if the test fails.
struct Down(String);

impl Drop for Down {
    fn drop(&mut self) {
        if let Ok(state) = State::load(&self.0) {
            // The next run removes what could not be removed here.
            let _ = state.remove();
        }
    }
}

#[test]
fn a_kept_lab_outlives_its_maker_and_goes_with_down() -> Result<()> {
    let name = format!("kept-{}", std::process::id());
    let _down = Down(name.clone());
    let (_folder, file) = pair()?;
    let lab = lab_program()?;
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&lab);
        rcni_tests::lab::process::run(command.args(arguments), b"", DEADLINE)
    };
    run(&["up", &file.to_string_lossy(), "--name", &name])?.ok()?;
    let state = State::load(&name)?;
    assert!(state.keep && state.runs() && !state.owner.is_alive());
    let said = run(&["exec", &name, "a", "--", "sh", "-c", "hostname; exit 5"])?;
    assert_eq!((said.stdout.as_str(), said.status.code()), ("a\n", Some(5)));
    assert!(run(&["list"])?.ok()?.contains(&format!("{name}  up  a b")));
    let twice = run(&["up", &file.to_string_lossy(), "--name", &name])?;
    assert!(twice.stderr.contains("there is a lab"), "{}", twice.stderr);
    assert!(
        state.runs() && State::load(&name).is_ok(),
        "the second attempt must not touch the first"
    );
    run(&["down", &name])?.ok()?;
    assert!(!state.runs() && !state.folder().exists());
    Ok(())
}

#[test]
fn a_pod_waits_for_the_plugin_list() -> Result<()> {
    let (_folder, file) = pair()?;
    let lab = Lab::deploy(&file, &Options::default())?;
    let a = lab.node("a")?;
    let error = Pod::add_within(a, "early", Duration::from_secs(1)).unwrap_err();
    let text = format!("{error:#}");
    for word in ["/etc/cni/net.d of a after 1 s", "felix-lite.log"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("cannot access"), "{text}");
    // A list that comes while it waits is used; the plugin needs only to answer.
    a.shell(
        "mkdir -p /opt/cni/bin /etc/cni/net.d && cd /opt/cni/bin && \
         echo '#!/bin/sh\necho \"{\\\"mark\\\": 7}\"' > late && chmod +x late",
    )?;
    let list = r#"{"cniVersion": "1.0.0", "name": "n", "plugins": [{"type": "late"}]}"#;
    let later = format!(
        "sleep 0.5; echo '{list}' > /etc/cni/new; mv /etc/cni/new /etc/cni/net.d/x.conflist"
    );
    a.spawn("later", &["sh", "-c", &later], &ExecOptions::default())?;
    let pod = Pod::add(a, "late")?;
    assert_eq!(pod.result["mark"], 7);
    // One that is there and wrong is told at once, not waited for.
    a.shell("echo '{' > /etc/cni/net.d/x.conflist")?;
    let error = Pod::add(a, "broken").unwrap_err();
    assert!(
        format!("{error:#}").contains("x.conflist on a"),
        "{error:#}"
    );
    Ok(())
}

/// What the READMEs print works when pasted: a pod at once, and a ping at once.
#[test]
fn a_lab_that_was_waited_for_is_ready() -> Result<()> {
    let name = format!("waited-{}", std::process::id());
    let _down = Down(name.clone());
    let lab = lab_program()?;
    let run = |arguments: &[&str]| {
        let mut command = Command::new(&lab);
        rcni_tests::lab::process::run(command.args(arguments), b"", 2 * DEADLINE)
    };
    let file = containerlab("two-node");
    let said = run(&["up", "--wait", &file.to_string_lossy(), "--name", &name])?.ok()?;
    for step in ["node2: felix-lite has written", "Established: tor - "] {
        assert!(said.contains(step), "{step}: {said}");
    }
    let ping = ["ping", "-c", "1", "-W", "2", "10.244.2.2"];
    for (node, pod) in [("node1", "alice"), ("node2", "bob")] {
        run(&["cni", "--lab", &name, "add", node, pod])?.ok()?;
    }
    let mut arguments = vec!["exec", &name, "node1", "--pod", "alice", "--"];
    arguments.extend(ping);
    run(&arguments)?.ok()?;
    Ok(())
}
