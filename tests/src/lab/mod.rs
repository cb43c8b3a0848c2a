//! A running lab: nodes as namespaces, links as veth pairs.
//!
//! ```text
//! Topology -> node-init per node -> lo and links -> the image's command -> exec lines
//! ```

mod commands;
pub mod links;
pub mod node;
pub mod process;
pub mod state;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

use crate::images::{self, Image, Root};
use crate::interrupt;
use crate::node::init::{KEEP, READY};
use crate::node::{InitBind, InitFile, InitSpec, InitSysctl, NodeRoot};
use crate::peers;
use crate::programs::{NODE_PROGRAMS, Programs, lab_program};
use crate::topology::{NODE_DIR, NodeSpec, Topology};
use node::Node;
use process::ProcessId;
use state::{NodeState, State};

const RCNI_ENTRYPOINT: &str = include_str!("../../../containerlab/node/entrypoint.sh");
/// Makes `ip route` print `proto rcni`; from this crate's folder.
const PROTOCOL_NAMES: &str = "../bgp/dist/rt_protos.d/rcni.conf";
/// What a failed test shows of every node. Those without such a program show nothing.
const REPORTED: &[&[&str]] = &[
    &["ip", "-br", "addr"],
    &["ip", "route"],
    &["ip", "-6", "route"],
    &["ip", "neigh"],
    &[
        "sh",
        "-c",
        "! [ -S /run/rcni/bgp.sock ] || rcni-bgp status || :",
    ],
    &[
        "sh",
        "-c",
        "! [ -e /etc/frr/frr.conf ] || \
         vtysh -c 'show bgp summary' -c 'show bgp ipv4 unicast' -c 'show bgp ipv6 unicast' || :",
    ],
];
/// How much of each log a failed test shows, in lines.
const LOG_TAIL: usize = 60;

/// A lab that this process owns: it ends with this value, and with this process.
#[derive(Debug)]
pub struct Lab {
    state: State,
    nodes: BTreeMap<String, Node>,
    /// One per node; standard input is the node's lifeline.
    children: Vec<Child>,
}

/// How to deploy.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The lab's name; one that cannot collide if none.
    pub name: Option<String>,
    /// Told what is being done, for people who wait.
    pub progress: Option<fn(&str)>,
}

/// A name that no other lab has, also of the same topology in the same process.
fn unique_name(topology: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{topology}-{}-{count}", std::process::id())
}

impl Lab {
    /// Realises a topology file. Leftovers of crashed runs are removed first.
    ///
    /// # Errors
    /// Not root; the file asks for what cannot be given (with file and line); programs are not
    /// built; or the kernel refuses something. Nothing is left behind.
    pub fn deploy(file: &Path, options: &Options) -> Result<Self> {
        if !nix::unistd::geteuid().is_root() {
            bail!("a lab is made of network namespaces, which needs root");
        }
        let topology = Topology::load(file)?;
        let owner = i32::try_from(std::process::id())
            .ok()
            .and_then(ProcessId::of);
        state::sweep()?;
        let state = State {
            name: options
                .name
                .clone()
                .unwrap_or_else(|| unique_name(&topology.name)),
            topology: file.canonicalize()?,
            owner: owner.context("own process")?,
            keep: false,
            nodes: Vec::new(),
        };
        // Before there is a value whose end removes the folder: it may be another lab's.
        state.create()?;
        let mut lab = Self {
            state,
            nodes: BTreeMap::new(),
            children: Vec::new(),
        };
        let say = |text: &str| {
            if let Some(progress) = options.progress {
                progress(text);
            }
        };
        say(&format!("{} nodes", topology.nodes.len()));
        lab.start_nodes(&topology)?;
        say(&format!("{} links", topology.links.len()));
        lab.connect(&topology)?;
        say("commands of the images and of the topology");
        lab.start_commands(&topology)?;
        Ok(lab)
    }

    /// The lab's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// What is known about it on the host.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The node of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn node(&self, name: &str) -> Result<&Node> {
        self.nodes
            .get(name)
            .with_context(|| format!("lab {} has no node {name}", self.name()))
    }

    /// All nodes by name.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// Lets the lab outlive this process.
    ///
    /// # Errors
    /// A node has ended.
    pub fn keep(mut self) -> Result<()> {
        self.state.keep = true;
        self.state.write()?;
        for child in &mut self.children {
            let lifeline = child.stdin.as_mut().context("a node without a lifeline")?;
            lifeline
                .write_all(format!("{KEEP}\n").as_bytes())
                .context("a node has ended")?;
        }
        // From here on nothing is ours to end.
        self.state.nodes.clear();
        self.children.clear();
        Ok(())
    }

    fn start_nodes(&mut self, topology: &Topology) -> Result<()> {
        let images: Vec<&Image> = topology
            .nodes
            .iter()
            .filter_map(|node| images::find(&node.image))
            .collect();
        let programs = images
            .iter()
            .any(|image| image.rcni)
            .then(Programs::find)
            .transpose()?;
        let mut talking = Vec::new();
        for (spec, image) in topology.nodes.iter().zip(images) {
            let init = self.init_spec(&topology.file, spec, image, programs.as_ref())?;
            talking.push(self.start_node(spec, &init)?);
        }
        for (spec, mut said) in topology.nodes.iter().zip(talking) {
            self.expect(&spec.name, &mut said, READY)?;
        }
        Ok(())
    }

    /// Starts the first process of a node and notes it in the state.
    fn start_node(&mut self, spec: &NodeSpec, init: &InitSpec) -> Result<BufReader<ChildStdout>> {
        interrupt::hold();
        let log = File::create(init.log_folder.join("node-init.log"))?;
        let mut child = Command::new(lab_program()?)
            .arg("node-init")
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("starting a node")?;
        let mut line = serde_json::to_vec(init)?;
        line.push(b'\n');
        let (stdin, stdout) = (child.stdin.as_mut(), child.stdout.take());
        let written = stdin.context("stdin")?.write_all(&line);
        self.children.push(child);
        written.with_context(|| format!("node {}", spec.name))?;
        let mut said = BufReader::new(stdout.context("stdout")?);
        let text = self.expect(&spec.name, &mut said, "pid")?;
        let Some(init) = text.parse().ok().and_then(ProcessId::of) else {
            // It has ended already, and has said why.
            self.expect(&spec.name, &mut said, READY)?;
            bail!("node {} ended at once", spec.name);
        };
        let node = NodeState {
            name: spec.name.clone(),
            init,
            env: spec.env.clone(),
        };
        self.nodes
            .insert(node.name.clone(), Node::new(&node, &self.state.folder()));
        self.state.nodes.push(node);
        self.state.write()?;
        Ok(said)
    }

    /// Reads a line from a node's first process, which must begin with `word`; the rest.
    fn expect(&self, node: &str, from: &mut impl BufRead, word: &str) -> Result<String> {
        let mut line = String::new();
        from.read_line(&mut line)?;
        match line.trim().strip_prefix(word) {
            Some(rest) => Ok(rest.trim().to_owned()),
            None => {
                let log = self.state.folder().join(node).join("log/node-init.log");
                let text = std::fs::read_to_string(log).unwrap_or_default();
                // It is the same program: its name is said once, by this process.
                let text = text.trim();
                let text = text.strip_prefix("rcni-lab: ").unwrap_or(text);
                bail!("node {node} could not be set up: {text}");
            }
        }
    }

    fn init_spec(
        &self,
        file: &Path,
        spec: &NodeSpec,
        image: &Image,
        programs: Option<&Programs>,
    ) -> Result<InitSpec> {
        let folder = self.state.folder().join(&spec.name);
        for name in ["root", "log", "dir"] {
            std::fs::create_dir_all(folder.join(name))?;
        }
        let place = |line: u64| format!("{}:{line}", file.display());
        let mut binds = Vec::new();
        if image.rcni || image.root == Root::Host {
            binds.push(program_bind(lab_program()?, "/usr/local/bin/rcni-lab"));
        }
        if let (true, Some(programs)) = (image.rcni, programs) {
            for name in NODE_PROGRAMS {
                let path = programs.folder.join(name);
                binds.push(program_bind(path, &format!("/usr/local/bin/{name}")));
            }
            binds.push(program_bind(
                programs.folder.join("rcni"),
                "/opt/cni/bin/rcni",
            ));
        }
        for bind in &spec.binds {
            let source = match bind.source.strip_prefix(NODE_DIR) {
                Ok(rest) => folder.join("dir").join(rest),
                Err(_) => bind.source.clone(),
            };
            let target = bind.target.clone();
            binds.push(InitBind {
                source,
                target,
                read_only: bind.read_only,
                place: Some(place(bind.line)),
            });
        }
        let lower = match image.suite(&spec.image) {
            None => PathBuf::from("/"),
            Some(suite) => peers::find(suite).with_context(|| place(spec.line))?,
        };
        Ok(InitSpec {
            name: spec.name.clone(),
            root: NodeRoot {
                lower,
                host: image.root == Root::Host,
            },
            mount_point: folder.join("root"),
            ended: folder.join(node::ENDED),
            log_folder: folder.join("log"),
            binds,
            files: node_files(&spec.name, image)?,
            sysctls: spec
                .sysctls
                .iter()
                .map(|(key, setting)| InitSysctl {
                    key: key.clone(),
                    value: setting.value.clone(),
                    place: place(setting.line),
                })
                .collect(),
        })
    }

    fn connect(&self, topology: &Topology) -> Result<()> {
        for node in self.nodes.values() {
            links::ip(node.init().pid, &["link", "set", "dev", "lo", "up"])?;
        }
        for (number, link) in topology.links.iter().enumerate() {
            let [a, b] = &link.ends;
            let pids = [
                self.node(&a.node)?.init().pid,
                self.node(&b.node)?.init().pid,
            ];
            links::connect(link, number, pids)
                .with_context(|| format!("{}:{}", topology.file.display(), link.line))?;
        }
        Ok(())
    }

    /// The end of every log and the routes of every node, for a test that failed.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = String::new();
        for node in self.nodes.values() {
            let _ = writeln!(text, "==== {} of lab {}", node.name(), self.name());
            for command in REPORTED {
                let said = node.exec(command).and_then(process::Output::ok);
                let said = said.unwrap_or_else(|error| format!("{error:#}"));
                let _ = writeln!(text, "$ {}\n{}", command.join(" "), said.trim_end());
            }
            logs(&node.log_folder(), &mut text);
        }
        text
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            interrupt::hold();
            show(&self.report());
        }
        if self.children.is_empty() && self.state.nodes.is_empty() && self.state.keep {
            return;
        }
        for child in &mut self.children {
            // Closing the lifeline ends the node; a child that never became one is killed.
            drop(child.stdin.take());
        }
        let removed = self.state.remove();
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Err(error) = removed {
            interrupt::hold();
            let _ = writeln!(std::io::stderr(), "lab {}: {error:#}", self.state.name);
        }
    }
}

#[expect(
    clippy::print_stderr,
    reason = "shown by the test runner, with the test that failed"
)]
fn show(report: &str) {
    eprintln!("{report}");
}

fn logs(folder: &Path, text: &mut String) {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            logs(&path, text);
            continue;
        }
        let content = std::fs::read(&path).unwrap_or_default();
        let content = String::from_utf8_lossy(&content);
        let lines: Vec<&str> = content.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL)..];
        if !tail.is_empty() {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let _ = writeln!(
                text,
                "---- {name} ({} lines)\n{}",
                lines.len(),
                tail.join("\n")
            );
        }
    }
}

fn program_bind(source: PathBuf, target: &str) -> InitBind {
    InitBind {
        source,
        target: PathBuf::from(target),
        read_only: true,
        place: None,
    }
}

/// Files that a container engine, or rcni's image, puts into every container.
fn node_files(name: &str, image: &Image) -> Result<Vec<InitFile>> {
    let file = |path: &str, content: String, mode: u32| InitFile {
        path: PathBuf::from(path),
        content,
        mode,
    };
    let mut files = vec![
        file("/etc/hostname", format!("{name}\n"), 0o644),
        file(
            "/etc/hosts",
            format!("127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {name}\n"),
            0o644,
        ),
        // No name server: nothing in a lab may wait for one.
        file("/etc/resolv.conf", String::new(), 0o644),
    ];
    if image.rcni {
        files.push(file(
            images::ENTRYPOINT_PATH,
            RCNI_ENTRYPOINT.to_owned(),
            0o755,
        ));
        let names = Path::new(env!("CARGO_MANIFEST_DIR")).join(PROTOCOL_NAMES);
        let content =
            std::fs::read_to_string(&names).with_context(|| names.display().to_string())?;
        files.push(file("/etc/iproute2/rt_protos.d/rcni.conf", content, 0o644));
    }
    Ok(files)
}

/// A running lab of another process.
///
/// # Errors
/// There is no such lab or node.
pub fn attach(lab: &str, node: &str) -> Result<Node> {
    let state = State::load(lab)?;
    let found = state.nodes.iter().find(|one| one.name == node);
    let found = found.with_context(|| {
        let names: Vec<&str> = state.nodes.iter().map(|one| one.name.as_str()).collect();
        format!("lab {lab} has no node {node}; it has {}", names.join(", "))
    })?;
    Ok(Node::new(found, &state.folder()))
}
