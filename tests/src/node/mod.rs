//! What runs inside a node: its first process, its root file system, and the way in.
//!
//! Everything here runs in a freshly started, single-threaded `rcni-lab`, never in the process
//! of a test: namespaces are entered by processes, not by threads of somebody else.

pub mod enter;
pub mod init;
mod mounts;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the first process of a node is told, as one line of JSON on its standard input.
#[derive(Debug, Serialize, Deserialize)]
pub struct InitSpec {
    /// Host name.
    pub name: String,
    /// Which tree the node's root is an overlay of.
    pub root: NodeRoot,
    /// An empty folder of the lab's own on the host; the root is mounted over it, in the node's
    /// mount namespace only.
    pub mount_point: PathBuf,
    /// File on the host for `PID STATUS` of the processes whose end the first process sees.
    pub ended: PathBuf,
    /// Folder on the host that is the node's `/var/log`.
    pub log_folder: PathBuf,
    /// Bind mounts, parents before children.
    pub binds: Vec<InitBind>,
    /// Files to write into the node: path, content, mode.
    pub files: Vec<InitFile>,
    /// `net.*` settings.
    pub sysctls: Vec<InitSysctl>,
}

/// Lower layer of a node's root.
#[derive(Debug, Serialize, Deserialize)]
pub struct NodeRoot {
    /// The tree; `/` for the machine's own.
    pub lower: PathBuf,
    /// Whether `lower` is the machine's own root.
    pub host: bool,
}

/// One bind mount.
#[derive(Debug, Serialize, Deserialize)]
pub struct InitBind {
    /// On the host.
    pub source: PathBuf,
    /// In the node.
    pub target: PathBuf,
    /// Mounted read-only.
    pub read_only: bool,
    /// `FILE:LINE` that asks for it, for messages; none if the lab itself does.
    pub place: Option<String>,
}

/// One `net.*` setting.
#[derive(Debug, Serialize, Deserialize)]
pub struct InitSysctl {
    /// With dots.
    pub key: String,
    /// What to write.
    pub value: String,
    /// `FILE:LINE` that asks for it, for messages.
    pub place: String,
}

/// One file.
#[derive(Debug, Serialize, Deserialize)]
pub struct InitFile {
    /// In the node.
    pub path: PathBuf,
    /// What it holds.
    pub content: String,
    /// Permissions.
    pub mode: u32,
}
