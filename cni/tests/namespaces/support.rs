//! A node and its pods as network namespaces that live as long as this process holds them open:
//! nothing is left after a crash, and the machine's own namespace is never touched.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rcni_cni::naming::Attachment;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A network namespace.
pub(crate) struct Netns {
    file: File,
}

impl Netns {
    /// A new one, with nothing but `lo`, which is up.
    pub(crate) fn new() -> Self {
        let file = std::thread::spawn(|| {
            // SAFETY: only the network namespace of this thread changes, and the thread ends here;
            // file descriptors stay shared.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
                .expect("these tests make network namespaces: run them as root");
            File::open("/proc/thread-self/ns/net").expect("own namespace")
        })
        .join()
        .expect("namespace");
        let netns = Self { file };
        netns.ip("link set lo up");
        netns
    }

    /// As a path for `CNI_NETNS`.
    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// Runs `work` inside, in a thread of its own.
    pub(crate) fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            scope
                .spawn(|| {
                    move_into_link_name_space(self.file.as_fd(), Some(LinkNameSpaceType::Network))
                        .expect("enter the namespace (root is needed)");
                    work()
                })
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Runs a program inside.
    pub(crate) fn output(&self, command: &mut Command) -> Output {
        self.run(|| command.output().expect("program starts"))
    }

    /// Runs `ip` with these words inside; it must succeed.
    pub(crate) fn ip(&self, words: &str) -> String {
        let output = self.output(Command::new("ip").args(words.split_whitespace()));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "ip {words}: {}",
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// The same, parsed from `ip -j`.
    pub(crate) fn ip_json(&self, words: &str) -> Vec<Value> {
        let text = self.ip(&format!("-d -j {words}"));
        if text.trim().is_empty() {
            return Vec::new();
        }
        serde_json::from_str(&text).expect("ip prints JSON")
    }

    /// Everything that an attachment could leave: links, routes of all tables, addresses,
    /// neighbours. Without what the kernel changes by itself a little later: carrier and operational
    /// state, and IPv6's duplicate address detection.
    pub(crate) fn snapshot(&self) -> String {
        self.lines_of(&[
            "-o link",
            "-4 route show table all",
            "-4 -o addr",
            "-4 neigh show nud permanent",
            "neigh show proxy",
        ])
    }

    /// The same for IPv6, where the plugin made all of it: without what the kernel adds once the link
    /// carries packets.
    pub(crate) fn snapshot_v6(&self) -> String {
        let text = self.lines_of(&[
            "-6 route show table all",
            "-6 -o addr",
            "-6 neigh show nud permanent",
        ]);
        let later = ["multicast", "anycast", "local"];
        let at_once = |line: &&str| !later.iter().any(|word| line.starts_with(word));
        text.lines().filter(at_once).collect::<Vec<_>>().join("\n")
    }

    fn lines_of(&self, questions: &[&str]) -> String {
        let texts: Vec<String> = questions.iter().map(|words| self.ip(words)).collect();
        let text = texts.join("--\n");
        let words = |line: &str| {
            let mut words = Vec::new();
            let mut before = "";
            for word in line.split_whitespace() {
                if !word.starts_with('<') && before != "state" && word != "linkdown" {
                    words.push(word);
                }
                before = word;
            }
            words.join(" ")
        };
        text.lines().map(words).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn set_sysctl(&self, name: &str, value: &str) {
        self.run(|| {
            std::fs::write(format!("/proc/sys/net/{name}"), value)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
        });
    }

    pub(crate) fn sysctl(&self, name: &str) -> String {
        self.run(|| {
            std::fs::read_to_string(format!("/proc/sys/net/{name}"))
                .unwrap_or_else(|error| panic!("{name}: {error}"))
                .trim()
                .to_owned()
        })
    }
}

/// A node: a namespace with forwarding and an address on `lo`, and a state folder.
pub(crate) struct Node {
    pub(crate) host: Netns,
    pub(crate) folder: TempDir,
}

/// What the plugin answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Answer {
    /// The result; the call must have succeeded.
    pub(crate) fn result(&self) -> Value {
        assert_eq!(self.status, Some(0), "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The error's code; the call must have failed with one JSON document on stdout.
    pub(crate) fn code(&self) -> u64 {
        assert_eq!(self.status, Some(1), "{self:?}");
        let error: Value = serde_json::from_str(&self.stdout).expect("an error object");
        assert!(!error["msg"].as_str().expect("msg").is_empty());
        assert!(!error["details"].as_str().expect("details").is_empty());
        error["code"].as_u64().expect("a number")
    }

    /// Success without a word.
    pub(crate) fn is_silent(&self) -> bool {
        self.status == Some(0) && self.stdout.is_empty() && self.stderr.is_empty()
    }

    pub(crate) fn address(&self) -> Ipv4Addr {
        let result = self.result();
        let text = result["ips"][0]["address"].as_str().expect("an address");
        text.strip_suffix("/32")
            .expect("a /32")
            .parse()
            .expect("IPv4")
    }
}

impl Node {
    pub(crate) fn new() -> Self {
        let host = Netns::new();
        host.ip("addr add 192.0.2.1/32 dev lo");
        host.run(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("forwarding"));
        Self {
            host,
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// A node that also forwards IPv6.
    pub(crate) fn dual() -> Self {
        let node = Self::new();
        node.host.ip("addr add 2001:db8::1/128 dev lo nodad");
        node.host.set_sysctl("ipv6/conf/all/forwarding", "1");
        // The kernel takes packets to a new address in a little later.
        let own = "-6 route show table local 2001:db8::1";
        while node.host.ip(own).is_empty() {
            std::thread::sleep(Duration::from_millis(1));
        }
        node
    }

    /// The configuration with these range sets.
    pub(crate) fn conf_with(&self, ranges: &Value) -> Value {
        let mut conf = self.conf();
        conf["ipam"]["ranges"] = ranges.clone();
        conf
    }

    /// The configuration for both families.
    pub(crate) fn conf_dual(&self) -> Value {
        self.conf_with(&json!([[{"subnet": "10.244.1.0/24"}], [{"subnet": "fd00:10:244:1::/64"}]]))
    }

    /// One verb for `eth0` of a pod.
    pub(crate) fn verb(&self, verb: &str, id: &str, pod: &Netns, conf: &Value) -> Answer {
        self.call(self.command(verb, id, &pod.path(), "eth0"), conf)
    }

    pub(crate) fn conf(&self) -> Value {
        json!({
            "cniVersion": "1.0.0", "name": "rcni", "type": "rcni",
            "ipam": {
                "type": "rcni",
                "dataDir": self.folder.path(),
                "ranges": [[{"subnet": "10.244.1.0/24"}]],
            },
        })
    }

    /// A call that can still be changed before it is made.
    pub(crate) fn command(&self, verb: &str, id: &str, netns: &str, ifname: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rcni"));
        command
            .env_clear()
            .envs([
                ("CNI_COMMAND", verb),
                ("CNI_CONTAINERID", id),
                ("CNI_NETNS", netns),
                ("CNI_IFNAME", ifname),
                ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
                (
                    "CNI_ARGS",
                    "K8S_POD_NAME=web;K8S_POD_NAMESPACE=default;IgnoreUnknown=1",
                ),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts it in the node and feeds it.
    pub(crate) fn spawn(&self, mut command: Command, conf: &Value) -> Child {
        let mut child = self.host.run(|| command.spawn().expect("rcni starts"));
        let mut stdin = child.stdin.take().expect("piped");
        // It may have ended without reading: that is for the caller to judge.
        let _ = stdin.write_all(conf.to_string().as_bytes());
        child
    }

    pub(crate) fn call(&self, command: Command, conf: &Value) -> Answer {
        let output = self
            .spawn(command, conf)
            .wait_with_output()
            .expect("rcni ends");
        Answer {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn add(&self, id: &str, pod: &Netns) -> Answer {
        self.call(self.command("ADD", id, &pod.path(), "eth0"), &self.conf())
    }

    pub(crate) fn del(&self, id: &str, netns: &str) -> Answer {
        self.call(self.command("DEL", id, netns, "eth0"), &self.conf())
    }

    /// The reservations and records that are there.
    pub(crate) fn state(&self) -> Vec<String> {
        let mut names = Vec::new();
        for folder in [self.reservations(), self.folder.path().join(".rcni/rcni")] {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let name = entry.expect("entry").file_name();
                names.push(name.to_string_lossy().into_owned());
            }
        }
        names.retain(|name| name != "lock" && !name.starts_with("last_reserved_ip"));
        names.sort();
        names
    }

    pub(crate) fn reservations(&self) -> PathBuf {
        self.folder.path().join("rcni")
    }
}

/// An executable file.
pub(crate) fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, text).expect("script");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("mode");
}

/// The host end of `eth0` of a container.
pub(crate) fn host_end(id: &str) -> String {
    Attachment::new(id, "eth0").expect("valid").host_interface()
}

/// Connects from one namespace to another and returns the address that arrived there.
pub(crate) fn talk(from: &Netns, to: &Netns, address: impl Into<IpAddr>) -> SocketAddr {
    let address = address.into();
    let listener = to.run(|| TcpListener::bind((address, 0)).expect("bind"));
    let target = listener.local_addr().expect("address");
    let mut client =
        from.run(|| TcpStream::connect_timeout(&target, Duration::from_secs(10)).expect("connect"));
    client.write_all(b"hello").expect("send");
    drop(client);
    let (mut server, peer) = listener.accept().expect("accept");
    let mut text = String::new();
    server.read_to_string(&mut text).expect("receive");
    assert_eq!(text, "hello");
    peer
}

/// `RetransSegs` of RFC 4022: not a measurement of time, but whether anything was lost.
pub(crate) fn retransmitted(netns: &Netns) -> String {
    let text = netns.run(|| std::fs::read_to_string("/proc/thread-self/net/snmp").expect("snmp"));
    let lines: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("Tcp:"))
        .map(|line| line.split(' ').collect())
        .collect();
    let column = lines[0]
        .iter()
        .position(|name| *name == "RetransSegs")
        .expect("column");
    lines[1][column].to_owned()
}
