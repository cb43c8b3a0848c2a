//! What a lab leaves on the host while it runs: one folder, from which it can be found again,
//! entered by another process, and cleaned up after its owner has crashed.
//!
//! ```text
//! /run/rcni-lab/<lab>/state.json        who owns it, its nodes' first processes
//! /run/rcni-lab/<lab>/<node>/root/      empty; the node's root is mounted here, in the node only
//! /run/rcni-lab/<lab>/<node>/log/       /var/log of the node, and the output of its daemons
//! /run/rcni-lab/<lab>/<node>/dir/       __clabNodeDir__
//! ```

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::process::ProcessId;
use crate::interrupt;

/// Everything that labs put on the host is below this folder.
pub const FOLDER: &str = "/run/rcni-lab";

/// A folder without a state is one that is just being made, or whose maker has crashed.
const UNBORN: Duration = Duration::from_secs(60);

/// One lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// The lab's name.
    pub name: String,
    /// The topology file.
    pub topology: PathBuf,
    /// The process that made it.
    pub owner: ProcessId,
    /// Whether it outlives its owner.
    pub keep: bool,
    /// Its nodes so far.
    pub nodes: Vec<NodeState>,
}

/// One node.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NodeState {
    /// Its name.
    pub name: String,
    /// Its first process, as the host numbers it.
    pub init: ProcessId,
    /// Environment of all its processes.
    pub env: BTreeMap<String, String>,
}

impl State {
    /// The lab's folder.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        Path::new(FOLDER).join(&self.name)
    }

    /// Makes the lab's folder and writes the state.
    ///
    /// # Errors
    /// There is a lab of that name.
    pub fn create(&self) -> Result<()> {
        std::fs::create_dir_all(FOLDER)
            .with_context(|| format!("{FOLDER}: making labs needs root"))?;
        interrupt::hold();
        let folder = self.folder();
        match std::fs::create_dir(&folder) {
            Ok(()) => self.write(),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!(
                    "there is a lab {} already: `rcni-lab down {}`",
                    self.name,
                    self.name
                )
            }
            Err(error) => Err(error).with_context(|| folder.display().to_string()),
        }
    }

    /// Writes the state anew, all or nothing.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn write(&self) -> Result<()> {
        let path = self.folder().join("state.json");
        let temporary = self.folder().join("state.json.new");
        std::fs::write(&temporary, serde_json::to_vec_pretty(self)?)
            .and_then(|()| std::fs::rename(&temporary, &path))
            .with_context(|| path.display().to_string())
    }

    /// The lab of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn load(name: &str) -> Result<Self> {
        let path = Path::new(FOLDER).join(name).join("state.json");
        let text = std::fs::read(&path)
            .with_context(|| format!("there is no lab {name} ({})", path.display()))?;
        serde_json::from_slice(&text).with_context(|| path.display().to_string())
    }

    /// Whether any of its nodes still runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.nodes.iter().any(|node| node.init.is_alive())
    }

    /// Ends all nodes and removes the folder. Goes on past errors and tells the first.
    ///
    /// # Errors
    /// A node does not end, or the folder cannot be removed.
    pub fn remove(&self) -> Result<()> {
        let mut first = Ok(());
        // All at once: each takes the kernel a while.
        for node in &self.nodes {
            first = first.and(node.init.signal_kill());
        }
        for node in &self.nodes {
            first = first.and(node.init.wait_gone());
        }
        first.and(remove_folder(&self.folder()))
    }
}

fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| folder.display().to_string())
        }
        _ => Ok(()),
    }
}

/// Whether there is a lab of that name, or the remains of one.
#[must_use]
pub fn exists(name: &str) -> bool {
    Path::new(FOLDER).join(name).exists()
}

/// Removes the lab of that name if it was left up on purpose; tells whether there was one.
///
/// # Errors
/// It cannot be removed.
pub fn remove_kept(name: &str) -> Result<bool> {
    match State::load(name) {
        Ok(state) if state.keep => state.remove().map(|()| true),
        _ => Ok(false),
    }
}

/// All labs on this machine.
///
/// # Errors
/// [`FOLDER`] cannot be read.
pub fn all() -> Result<Vec<State>> {
    let mut labs = Vec::new();
    for name in names()? {
        // One that is being made or removed at this moment is not there yet, or no more.
        if let Ok(state) = State::load(&name) {
            labs.push(state);
        }
    }
    Ok(labs)
}

fn names() -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(FOLDER) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context(FOLDER),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.push(
            entry
                .context(FOLDER)?
                .file_name()
                .to_string_lossy()
                .into_owned(),
        );
    }
    names.sort();
    Ok(names)
}

/// Removes what crashed runs have left: labs whose owner is gone and that were not to be kept,
/// and kept ones none of whose nodes is left (the machine was restarted). Returns their names.
///
/// # Errors
/// [`FOLDER`] cannot be read, or something cannot be removed.
pub fn sweep() -> Result<Vec<String>> {
    let mut swept = Vec::new();
    for name in names()? {
        let folder = Path::new(FOLDER).join(&name);
        match State::load(&name) {
            Ok(state) if state.owner.is_alive() || (state.keep && state.runs()) => continue,
            Ok(state) => state.remove()?,
            Err(_) if !is_older(&folder, UNBORN) => continue,
            Err(_) => remove_folder(&folder)?,
        }
        swept.push(name);
    }
    Ok(swept)
}

fn is_older(path: &Path, age: Duration) -> bool {
    let modified = path.metadata().and_then(|meta| meta.modified());
    modified.is_ok_and(|at| {
        SystemTime::now()
            .duration_since(at)
            .is_ok_and(|passed| passed > age)
    })
}
