//! One line of `binds`.

use std::path::{Component, Path, PathBuf};

use super::{NODE_DIR, NODE_NAME};

/// Folders whose content is the kernel's, made anew for every node.
const KERNEL_FOLDERS: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Source on the host, target in the node, whether it is read-only.
pub(super) type Bind = (PathBuf, PathBuf, bool);

/// Reads `SOURCE:TARGET[:ro]` of a node; `folder` is for relative sources.
pub(super) fn parse(text: &str, node: &str, folder: &Path) -> Result<Bind, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [source, target] => (source, target, ""),
        [source, target, options] => (source, target, options),
        _ => return Err(format!("{text:?} is not SOURCE:TARGET[:ro]")),
    };
    let read_only = match options {
        "" | "rw" => false,
        "ro" => true,
        other => return Err(format!("option {other:?}: only ro and rw are known")),
    };
    let target = target_path(&target.replace(NODE_NAME, node))?;
    let source = source_path(&source.replace(NODE_NAME, node), folder)?;
    Ok((source, target, read_only))
}

fn target_path(text: &str) -> Result<PathBuf, String> {
    let target = PathBuf::from(text);
    let plain = |part| matches!(part, Component::RootDir | Component::Normal(_));
    if !target.is_absolute() || !target.components().all(plain) || target.parent().is_none() {
        return Err(format!("target {text} is not an absolute path"));
    }
    if let Some(folder) = KERNEL_FOLDERS.iter().find(|name| target.starts_with(name)) {
        return Err(format!(
            "target {text}: every node has a {folder} of its own, nothing can be bound into it"
        ));
    }
    Ok(target)
}

fn source_path(source: &str, folder: &Path) -> Result<PathBuf, String> {
    if source.starts_with('~') {
        return Err(format!(
            "source {source}: a home folder is another one on every machine"
        ));
    }
    let in_node_dir = source.starts_with(NODE_DIR);
    if source.is_empty() || source.replacen(NODE_DIR, "", 1).contains("__clab") {
        return Err(format!(
            "source {source:?}: {NODE_DIR} may stand at its beginning"
        ));
    }
    if in_node_dir {
        return Ok(PathBuf::from(source));
    }
    let path = folder.join(source);
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("source {} does not exist", path.display()))
    }
}
