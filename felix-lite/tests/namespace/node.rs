//! One node: namespaces that live as long as a process in them, which ends with the test.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::ipv6;

/// How long anything may take on a busy machine; nothing is expected to.
const DEADLINE: Duration = Duration::from_secs(30);

/// A node without anything of ours.
pub(crate) struct Node {
    holder: Child,
    init: u32,
    dir: TempDir,
}

/// A `felix-lite run` that was started.
pub(crate) struct Running<'a> {
    node: &'a Node,
    child: Child,
}

/// First process of the namespaces: reports, then waits for the test to end (which closes its
/// input). As process 1 it takes all others with it.
const INIT: &str = "mount -t tmpfs tmpfs /run && ip link set lo up && echo ready && exec cat";

impl Node {
    pub(crate) fn new() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        assert!(
            status.lines().any(|line| line.starts_with("Uid:\t0\t0")),
            "this test makes network namespaces and needs root"
        );
        let mut holder = Command::new("unshare")
            .args([
                "--net",
                "--mount",
                "--pid",
                "--fork",
                "--kill-child",
                "--mount-proc",
            ])
            .args(["sh", "-c", INIT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare (package util-linux)");
        let mut line = String::new();
        let mut stdout = BufReader::new(holder.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the namespaces did not come up");
        let pid = holder.id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let init = children.split_whitespace().next().unwrap().parse().unwrap();
        let node = Self {
            holder,
            init,
            dir: TempDir::new().unwrap(),
        };
        node.configure("");
        node
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn conflist(&self) -> PathBuf {
        self.path("net.d/10-rcni.conflist")
    }

    /// Writes the configuration, with these further lines of `spec`. Unless they say otherwise, the
    /// periodic check is an hour away, so that what is repaired was repaired because of an event.
    /// The words of [`crate::ipv6`] stand for ranges of IPv6 beside or instead of those of IPv4.
    pub(crate) fn configure(&self, more: &str) {
        let refresh = if more.contains("refreshIntervalSeconds") {
            ""
        } else {
            "  refreshIntervalSeconds: 3600\n"
        };
        let v4 = ["10.244.1.0/24", "10.244.0.0/16", "10.0.0.0/16"];
        let v6 = [
            "'fd00:10:244:1::/64'",
            "'fd00:10:244::/48'",
            "'fd00:10::/48'",
        ];
        let range = |index: usize| {
            if more.contains(ipv6::BOTH) {
                format!("{}, {}", v4[index], v6[index])
            } else if more.contains(ipv6::ONLY) {
                v6[index].to_owned()
            } else {
                v4[index].to_owned()
            }
        };
        let more = more.replace(ipv6::BOTH, "").replace(ipv6::ONLY, "");
        let text = format!(
            "apiVersion: rcni.io/v1alpha1\nkind: FelixConfiguration\nmetadata: {{name: default}}\n\
             spec:\n  podCIDRs: [{}]\n  clusterCIDRs: [{}]\n  nodeCIDRs: [{}]\n  \
             cni: {{confDir: {}}}\n{refresh}{more}\n",
            range(0),
            range(1),
            range(2),
            self.path("net.d").display()
        );
        fs::write(self.path("felix.yaml"), text).unwrap();
    }

    /// A namespace that was made in the node by `ip netns add`.
    pub(crate) fn namespace(&self, name: &str) -> File {
        File::open(format!("/proc/{}/root/run/netns/{name}", self.init)).unwrap()
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.init.to_string()])
            .args(["--net", "--mount", "--pid", "sh", "-ec", script])
            .env("DIR", self.dir.path())
            .env("FELIX", env!("CARGO_BIN_EXE_felix-lite"))
            .env(
                "FILES",
                format!(
                    "--config {0}/felix.yaml --state-dir {0}/state",
                    self.dir.path().display()
                ),
            )
            .env("NO_COLOR", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs a shell script in the node. `$FELIX` is the program, `$FILES` its file options, `$DIR`
    /// the node's own folder.
    pub(crate) fn try_sh(&self, script: &str) -> Output {
        self.command(script)
            .output()
            .expect("nsenter (package util-linux)")
    }

    /// The same; it must succeed. Returns what it printed.
    #[track_caller]
    pub(crate) fn sh(&self, script: &str) -> String {
        let output = self.try_sh(script);
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{stdout}{stderr}");
        stdout
    }

    /// `felix-lite` that ends by itself: exit code and all that it said.
    pub(crate) fn felix(&self, arguments: &str) -> (i32, String) {
        let output = self.try_sh(&format!("$FELIX {arguments} $FILES 2>&1"));
        let text = String::from_utf8(output.stdout).unwrap();
        (output.status.code().expect("it ended by itself"), text)
    }

    #[track_caller]
    pub(crate) fn oneshot(&self) {
        let (code, said) = self.felix("run --oneshot");
        assert_eq!(code, 0, "{said}");
    }

    /// Starts `felix-lite run` and waits until it says that the node is ready.
    #[track_caller]
    pub(crate) fn run(&self) -> Running<'_> {
        let running = self.start();
        running.wait_for_log("node ready");
        running
    }

    pub(crate) fn start(&self) -> Running<'_> {
        let _ = fs::remove_file(self.path("log"));
        let script =
            "echo $$ > $DIR/pid; exec $FELIX run $FILES --socket $DIR/felix.sock 2> $DIR/log";
        let child = self.command(script).spawn().unwrap();
        Running { node: self, child }
    }

    /// All rules of a backend (`iptables-nft`), without the comments that have the time in them.
    pub(crate) fn saved(&self, backend: &str) -> String {
        let text = self.sh(&format!("{backend}-save"));
        without_comments(&text)
    }

    /// The same with the counters.
    pub(crate) fn counted(&self, backend: &str) -> String {
        let text = self.sh(&format!("{backend}-save -c"));
        without_comments(&text)
    }

    pub(crate) fn sysctls(&self) -> String {
        self.sh(
            "sysctl -a 2>/dev/null | grep -E '^net.ipv4.(ip_forward|fib_multipath|conf|nexthop)'",
        )
    }

    /// The own rules' lines.
    pub(crate) fn own_rules(&self, backend: &str) -> Vec<String> {
        let saved = self.saved(backend);
        let own = saved.lines().filter(|line| {
            // Not those whose comment only talks about it.
            let outside_quotes: String = line.split('"').step_by(2).collect();
            outside_quotes.contains("RCNI-")
        });
        own.map(str::to_owned).collect()
    }

    pub(crate) fn routes(&self) -> String {
        self.sh("ip route show table main").trim().to_owned()
    }

    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn() -> bool) {
        let start = Instant::now();
        while !condition() {
            if start.elapsed() > DEADLINE {
                let log = fs::read_to_string(self.path("log")).unwrap_or_default();
                panic!("never: {what}\n{log}");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn without_comments(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| format!("{line}\n")).collect()
}

impl Drop for Node {
    fn drop(&mut self) {
        // `--kill-child` ends process 1, and that all others.
        drop(self.holder.stdin.take());
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Running<'_> {
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.node.path("log")).unwrap_or_default()
    }

    #[track_caller]
    pub(crate) fn wait_for_log(&self, text: &str) {
        self.node.wait_until(&format!("{text:?} in the log"), || {
            self.log().contains(text)
        });
    }

    /// SIGTERM; it has to end with 0.
    #[track_caller]
    pub(crate) fn stop(mut self) {
        self.node.sh("kill -TERM $(cat $DIR/pid)");
        let status = self.child.wait().unwrap();
        assert_eq!(
            status.code(),
            Some(0),
            "{status} {:?}\n{}",
            status.signal(),
            self.log()
        );
    }

    pub(crate) fn kill(mut self) {
        self.node.sh("kill -KILL $(cat $DIR/pid)");
        self.child.wait().unwrap();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // After `stop` there is nobody to kill, and the wait has been done.
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.node.try_sh("kill -KILL $(cat $DIR/pid)");
            let _ = self.child.wait();
        }
    }
}
