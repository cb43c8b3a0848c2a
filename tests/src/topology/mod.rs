//! What a `*.clab.yml` asks for, resolved: every node and link as the lab will make it.
//!
//! ```text
//! text -> raw (the file's own shape) -> resolve (inheritance, checks) -> Topology
//! ```

mod binds;
mod raw;
mod resolve;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// Default MTU of a link in containerlab, in bytes.
pub const DEFAULT_LINK_MTU: u32 = 9500;

/// A topology that can be realised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// `name:`; the lab's name unless the caller gives another.
    pub name: String,
    /// Where it was read from; relative binds are relative to its folder.
    pub file: PathBuf,
    /// Nodes by name.
    pub nodes: Vec<NodeSpec>,
    /// Links in the order of the file.
    pub links: Vec<LinkSpec>,
}

/// One node with everything inherited from its group, kind and the defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// The node's name, also its host name.
    pub name: String,
    /// Line of the node in the file.
    pub line: u64,
    /// Image as written, with tag.
    pub image: String,
    /// Overrides the image's entry point.
    pub entrypoint: Option<ExecSpec>,
    /// Overrides the image's command.
    pub cmd: Option<ExecSpec>,
    /// Commands run in the node after its links are up; defaults first, the node's own last.
    pub exec: Vec<ExecSpec>,
    /// Files and folders of the host to see in the node.
    pub binds: Vec<BindSpec>,
    /// Environment of every process in the node.
    pub env: BTreeMap<String, String>,
    /// `net.*` settings, written before the links exist (as a container engine does).
    pub sysctls: BTreeMap<String, SettingSpec>,
}

/// A command of `exec`, `cmd` or `entrypoint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecSpec {
    /// Line in the file.
    pub line: u64,
    /// Split as containerlab does: shell quoting, no shell.
    pub argv: Vec<String>,
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingSpec {
    /// Line in the file.
    pub line: u64,
    /// As text.
    pub value: String,
}

/// A bind mount. `source` may begin with [`NODE_DIR`], which only a deployed lab can resolve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindSpec {
    /// Line in the file.
    pub line: u64,
    /// Absolute path on the host.
    pub source: PathBuf,
    /// Absolute path in the node.
    pub target: PathBuf,
    /// `:ro`.
    pub read_only: bool,
}

/// containerlab's variable for a node's own folder in the lab's folder.
pub const NODE_DIR: &str = "__clabNodeDir__";
/// containerlab's variable for the node's name.
pub const NODE_NAME: &str = "__clabNodeName__";

/// A veth pair between two nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkSpec {
    /// Line in the file.
    pub line: u64,
    /// Both ends, in the order of the file.
    pub ends: [Endpoint; 2],
    /// In bytes, for both ends.
    pub mtu: u32,
}

/// One end of a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Name of the node.
    pub node: String,
    /// Name of the interface in the node.
    pub interface: String,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.node, self.interface)
    }
}

/// One thing in a file that is wrong or that the lab cannot honour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named by the caller.
    pub file: PathBuf,
    /// 1-based; 0 if the place is unknown.
    pub line: u64,
    /// What and why, and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// All problems of a file, one per line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TopologyError(pub Vec<Problem>);

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl Topology {
    /// Reads and resolves a file.
    ///
    /// # Errors
    /// The file cannot be read, is not a containerlab topology, or asks for something that
    /// namespaces cannot give; each with its line.
    pub fn load(file: &Path) -> Result<Self, TopologyError> {
        let unreadable = |error: std::io::Error| {
            TopologyError(vec![Problem {
                file: file.to_owned(),
                line: 0,
                message: error.to_string(),
            }])
        };
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        let folder = file
            .canonicalize()
            .map_err(unreadable)?
            .parent()
            .map(Path::to_owned)
            .unwrap_or_default();
        Self::parse(file, &folder, &text)
    }

    /// Resolves `text`; `file` is for messages, `folder` (absolute) for relative binds.
    ///
    /// # Errors
    /// As [`Topology::load`].
    pub fn parse(file: &Path, folder: &Path, text: &str) -> Result<Self, TopologyError> {
        resolve::resolve(file, folder, text)
    }

    /// The node of that name.
    #[must_use]
    pub fn node(&self, name: &str) -> Option<&NodeSpec> {
        self.nodes.iter().find(|node| node.name == name)
    }
}
