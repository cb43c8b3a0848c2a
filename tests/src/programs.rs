//! Where the programs under test are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Programs that an rcni node contains, besides `rcni-lab`.
pub const NODE_PROGRAMS: [&str; 5] = [
    "rcni-bgp",
    "rcni-bgpd",
    "rcni-bgp-watch",
    "felix-lite",
    "rcni",
];

/// The programs that labs use, as absolute paths on the host.
#[derive(Clone, Debug)]
pub struct Programs {
    /// Folder with [`NODE_PROGRAMS`].
    pub folder: PathBuf,
    /// This crate's own program; it is also the first process of every node.
    pub lab: PathBuf,
}

impl Programs {
    /// `RCNI_BIN_DIR`, else `target/dist` of this workspace, else beside the running program.
    ///
    /// # Errors
    /// One of the programs is not built; the message says how to build it.
    pub fn find() -> Result<Self> {
        let folder = Self::folder()?;
        for name in NODE_PROGRAMS {
            let path = folder.join(name);
            if !path.is_file() {
                bail!(
                    "{} is not built: run `make build`, or `cargo build --workspace --bins` and \
                     set RCNI_BIN_DIR to its folder",
                    path.display()
                );
            }
        }
        Ok(Self {
            folder,
            lab: lab_program()?,
        })
    }

    fn folder() -> Result<PathBuf> {
        if let Some(folder) = std::env::var_os("RCNI_BIN_DIR") {
            return Path::new(&folder)
                .canonicalize()
                .with_context(|| format!("RCNI_BIN_DIR={}", Path::new(&folder).display()));
        }
        let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/dist");
        if let Ok(dist) = dist.canonicalize()
            && NODE_PROGRAMS.iter().all(|name| dist.join(name).is_file())
        {
            return Ok(dist);
        }
        profile_folder()
    }
}

/// `rcni-lab` itself: the running program, or the one that cargo built beside the test.
///
/// # Errors
/// It is not built.
pub fn lab_program() -> Result<PathBuf> {
    let current = std::env::current_exe().context("own program")?;
    if current.file_name().is_some_and(|name| name == "rcni-lab") {
        return Ok(current);
    }
    let beside = profile_folder()?.join("rcni-lab");
    if !beside.is_file() {
        bail!(
            "{} is not built: run `cargo build -p rcni-tests --bin rcni-lab`",
            beside.display()
        );
    }
    Ok(beside)
}

/// `target/debug` for `target/debug/deps/x-123` and for `target/debug/rcni-lab`.
fn profile_folder() -> Result<PathBuf> {
    let current = std::env::current_exe().context("own program")?;
    let folder = current.parent().context("own program's folder")?;
    let up = folder.ends_with("deps") || folder.ends_with("examples");
    Ok(if up {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    }
    .to_owned())
}
