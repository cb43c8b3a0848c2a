//! Network namespaces of our own, and programs in them. Nothing outside of them is touched; a
//! namespace lives as long as the process that holds it, and that one dies with its test.

// Each test binary uses a part of it.
#![allow(dead_code, unreachable_pub)]

use std::fs::File;
use std::future::Future;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// For what should happen soon; far more than it takes.
pub const SOON: Duration = Duration::from_secs(30);

/// A BGPFilter `all`, which accepts everything.
pub const FILTER_ALL: &str = "---
apiVersion: rcni.io/v1alpha1
kind: BGPFilter
metadata: {name: all}
spec:
  importV4: [{action: Accept}]
  importV6: [{action: Accept}]
  exportV4: [{action: Accept}]
  exportV6: [{action: Accept}]
";

/// A network namespace with loopback up.
pub struct Namespace {
    holder: Child,
}

impl Namespace {
    pub fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test makes network namespaces: run it as root"
        );
        let holder = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--net", "sleep", "600"])
            .stdin(Stdio::null())
            .spawn()
            .expect("setpriv and unshare are needed (package util-linux)");
        let namespace = Self { holder };
        let ours = std::fs::read_link("/proc/self/ns/net").unwrap();
        wait("the namespace exists", || {
            let theirs = std::fs::read_link(namespace.path()).ok()?;
            (theirs != ours).then_some(())
        });
        namespace.ip("link set lo up");
        namespace
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.holder.id()))
    }

    pub fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// A command that will run here.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg("--target")
            .arg(self.holder.id().to_string())
            .args(["--net", "--", "setpriv", "--pdeathsig", "KILL"])
            .arg(program)
            .stdin(Stdio::null());
        command
    }

    /// `ip` with these arguments; must succeed. Returns what it prints.
    pub fn ip(&self, arguments: &str) -> String {
        let output = self
            .command("ip")
            .args(arguments.split(' '))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "ip {arguments}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// A sysctl of this namespace.
    pub fn set(&self, name: &str, value: u8) {
        let setting = format!("{name}={value}");
        let done = self.command("sysctl").args(["-qw", &setting]).status();
        assert!(done.unwrap().success(), "sysctl {setting}");
    }

    /// Own routes, one per line, as `ip` prints them.
    pub fn own_routes(&self) -> Vec<String> {
        let text = self.ip("-o -4 route show proto 77");
        text.lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    /// Own IPv6 routes, without what `ip` adds by itself.
    pub fn own_routes_v6(&self) -> Vec<String> {
        let text = self.ip("-o -6 route show proto 77");
        let lines = text.lines().map(|line| {
            let line = line.split(" pref ").next().unwrap_or(line);
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        });
        lines.collect()
    }

    /// Runs `work` on a thread of its own in the namespace, with a runtime for sockets.
    pub fn run<T, F>(&self, work: impl FnOnce() -> F + Send + 'static) -> T
    where
        T: Send + 'static,
        F: Future<Output = T>,
    {
        let namespace = File::open(self.path()).unwrap();
        let thread = std::thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(work())
        });
        match thread.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// Two namespaces joined by a link: 10.0.0.1/24 and 10.0.0.2/24 on `eth0`.
pub fn pair() -> (Namespace, Namespace) {
    let (a, b) = (Namespace::new(), Namespace::new());
    a.ip(&format!(
        "link add eth0 type veth peer name eth0 netns {}",
        b.pid()
    ));
    for (namespace, address) in [(&a, "10.0.0.1/24"), (&b, "10.0.0.2/24")] {
        namespace.ip(&format!("address add {address} dev eth0"));
        namespace.ip("link set eth0 up");
    }
    (a, b)
}

/// A namespace with a link to itself that has 10.0.0.2/24: gateways from 10.0.0.0/24 are usable.
pub fn lonely() -> Namespace {
    let namespace = Namespace::new();
    namespace.ip("link add eth0 type veth peer name far");
    namespace.ip("link set far up");
    namespace.ip("address add 10.0.0.2/24 dev eth0");
    namespace.ip("link set eth0 up");
    namespace
}

/// Asks until there is an answer; fails after [`SOON`].
pub fn wait<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {SOON:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A running daemon in a namespace; killed at the end. Its log is printed if the test fails.
pub struct Daemon {
    child: Child,
    pub socket: PathBuf,
    pub log: PathBuf,
}

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_rcni-bgp");

impl Daemon {
    /// Starts and does not wait. Files are in `folder`, by `name`.
    pub fn start(namespace: &Namespace, folder: &Path, name: &str, config: &str) -> Self {
        let file = folder.join(format!("{name}.yaml"));
        std::fs::write(&file, config).unwrap();
        let socket = folder.join(format!("{name}.sock"));
        let log = folder.join(format!("{name}.log"));
        let stderr = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        let child = namespace
            .command(PROGRAM)
            .args(["run", "--log-level", "debug", "--config"])
            .arg(&file)
            .arg("--socket")
            .arg(&socket)
            .stderr(stderr)
            .spawn()
            .unwrap();
        Self { child, socket, log }
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// `rcni-bgp status` with further arguments.
    pub fn status(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(["status", "--socket"])
            .arg(&self.socket)
            .args(arguments)
            .output()
            .unwrap()
    }

    /// `rcni-bgp peer` with these arguments; must be obeyed.
    pub fn orders(&self, arguments: &[&str]) {
        let output = Command::new(PROGRAM)
            .arg("peer")
            .args(arguments)
            .arg("--socket")
            .arg(&self.socket)
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaint}");
    }

    /// The JSON answer, once there is one.
    pub fn json(&self) -> Option<serde_json::Value> {
        let output = self.status(&["-o", "json"]);
        if output.status.code() == Some(2) {
            return None;
        }
        Some(serde_json::from_slice(&output.stdout).unwrap())
    }

    /// Waits until the first session is up.
    pub fn established(&self) -> serde_json::Value {
        wait("the session is established", || {
            self.json()
                .filter(|json| json["peers"][0]["state"] == "Established")
        })
    }

    /// `rcni-bgp metrics`.
    pub fn metrics(&self) -> String {
        let mut command = Command::new(PROGRAM);
        let output = command.args(["metrics", "--socket"]).arg(&self.socket);
        String::from_utf8(output.output().unwrap().stdout).unwrap()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end; the exit code, if it ended by itself.
    pub fn ended(&mut self) -> Option<i32> {
        wait("the daemon ends", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking()
            && let Ok(log) = std::fs::read_to_string(&self.log)
        {
            eprintln!("--- {}\n{log}", self.log.display());
        }
    }
}
