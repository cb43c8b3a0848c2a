//! Trees of real routers (FRR, BIRD, GoBGP, OpenBGPD) and of container runtimes beside the host:
//! nothing of them is installed here, and none of their services starts here.
//!
//! ```text
//! apt's own configuration -> mirror
//! debootstrap (minimal system) -> apt-get --download-only -> unpack
//!     -> links, users, folders -> rename
//! ```
//!
//! A tree lives in `${RCNI_CACHE:-/var/cache/rcni}/peers/<name>-<hash of the recipe>`, is
//! built in a temporary folder under a lock, and appears by a rename, whole or not at all.
//! Nodes see it through overlays of their own, so it never changes.

mod recipe;

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::lab::process::{check, run};
use recipe::{DEFAULT, FOLDERS, GROUPS, RECIPES, Recipe, USERS};

const DEADLINE: Duration = Duration::from_secs(900);

/// The tree of that name.
///
/// # Errors
/// There is no recipe, or it is not built; the message says how to build it.
pub fn find(name: &str) -> Result<PathBuf> {
    let recipe = recipe(name)?;
    let path = path(recipe);
    if path.is_dir() {
        return Ok(path);
    }
    let (options, target) = if DEFAULT.contains(&name) {
        (String::new(), "test")
    } else {
        (format!(" --tree {name}"), "test-long")
    };
    bail!(
        "{} is not there: run `rcni-lab peers{options}` (make {target} does)",
        path.display()
    )
}

fn recipe(name: &str) -> Result<&'static Recipe> {
    let found = RECIPES.iter().find(|recipe| recipe.name == name);
    found.with_context(|| format!("no recipe for {name}; there are: {}", names().join(", ")))
}

/// Names of the trees that can be built.
#[must_use]
pub fn names() -> Vec<&'static str> {
    RECIPES.iter().map(|recipe| recipe.name).collect()
}

/// Names of the trees that `make test` needs.
#[must_use]
pub fn default_names() -> &'static [&'static str] {
    DEFAULT
}

fn path(recipe: &Recipe) -> PathBuf {
    folder().join(format!("{}-{}", recipe.name, recipe.hash()))
}

fn folder() -> PathBuf {
    let cache = std::env::var_os("RCNI_CACHE").filter(|value| !value.is_empty());
    cache
        .map_or_else(|| PathBuf::from("/var/cache/rcni"), PathBuf::from)
        .join("peers")
}

/// Builds the tree `name` unless it is there; its path.
///
/// # Errors
/// Not root, debootstrap is missing, the mirror cannot be reached, or a package is unknown.
pub fn build(name: &str, progress: &dyn Fn(&str)) -> Result<PathBuf> {
    let recipe = recipe(name)?;
    let path = path(recipe);
    if path.is_dir() {
        return Ok(path);
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("building a tree of peers needs root");
    }
    std::fs::create_dir_all(folder()).with_context(|| folder().display().to_string())?;
    let lock = File::create(folder().join(".lock"))?;
    progress("waiting for the lock of the cache");
    let _lock = Flock::lock(lock, FlockArg::LockExclusive)
        .map_err(|(_, error)| error)
        .context("locking the cache")?;
    if path.is_dir() {
        return Ok(path);
    }
    let new = folder().join(format!(".{name}-new"));
    remove(&new)?;
    let built = fill(recipe, &new, progress);
    if let Err(error) = built {
        let log = std::fs::read_to_string(new.join("debootstrap/debootstrap.log"));
        let tail = log.map(|text| last_lines(&text, 15)).unwrap_or_default();
        remove(&new)?;
        return Err(error.context(format!("building the tree {name}\n{tail}")));
    }
    std::fs::rename(&new, &path)?;
    remove_older(recipe, &path)?;
    Ok(path)
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

fn remove(tree: &Path) -> Result<()> {
    if tree.exists() {
        std::fs::remove_dir_all(tree).with_context(|| tree.display().to_string())?;
    }
    Ok(())
}

/// Trees of the same name by another recipe, unless a lab still uses one: its overlay would
/// not mind, but new processes in it would miss their programs.
fn remove_older(recipe: &Recipe, current: &Path) -> Result<()> {
    if crate::lab::state::all()?
        .iter()
        .any(crate::lab::state::State::runs)
    {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder())? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path != current && name.starts_with(&format!("{}-", recipe.name)) {
            remove(&path)?;
        }
    }
    Ok(())
}

fn fill(recipe: &Recipe, tree: &Path, progress: &dyn Fn(&str)) -> Result<()> {
    let mirror = mirror()?;
    progress(&format!("debootstrap {} (about a minute)", recipe.suite));
    // In namespaces of its own: whatever debootstrap mounts or starts ends with it.
    let mut bootstrap = Command::new("unshare");
    bootstrap
        .args([
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "debootstrap",
            "--variant=minbase",
        ])
        .arg(recipe.suite)
        .arg(tree)
        .arg(&mirror);
    run(&mut bootstrap, b"", DEADLINE)
        .context("is debootstrap installed?")?
        .ok()?;
    progress(&format!("packages {}", recipe.packages.join(" ")));
    let debs = download(recipe, tree, &mirror)?;
    progress(&format!("unpacking {} packages", debs.len()));
    debs.iter().try_for_each(|deb| unpack(deb, tree))?;
    check("ldconfig", &["-r", &tree.to_string_lossy()])?;
    for (path, to) in recipe.links {
        std::os::unix::fs::symlink(to, tree.join(path)).with_context(|| (*path).to_owned())?;
    }
    users(tree)?;
    for (name, owner, mode) in FOLDERS {
        let path = tree.join(name);
        std::fs::create_dir_all(&path)?;
        std::os::unix::fs::chown(&path, Some(*owner), Some(*owner))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(*mode))?;
    }
    remove(&tree.join("var/cache/apt/archives"))
}

/// The Debian mirror that the machine's own apt uses, or `RCNI_MIRROR`.
fn mirror() -> Result<String> {
    if let Ok(mirror) = std::env::var("RCNI_MIRROR") {
        return Ok(mirror);
    }
    let format = "$(REPO_URI) $(RELEASE) $(ORIGIN) $(COMPONENT)";
    let known = check(
        "apt-get",
        &["indextargets", "--format", format, "Created-By: Packages"],
    )?;
    let found = known.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (uri, release) = (words.next()?, words.next()?);
        let plain = !release.contains(['-', '/']);
        (plain && words.next()? == "Debian" && words.next()? == "main").then(|| uri.to_owned())
    });
    found.context(
        "apt's configuration names no Debian mirror (or `apt-get update` has never run): \
         set RCNI_MIRROR to one",
    )
}

/// Downloads with the host's apt-get, which knows the way to the mirror (proxies, credentials),
/// but with lists, cache and package status of the tree.
fn download(recipe: &Recipe, tree: &Path, mirror: &str) -> Result<Vec<PathBuf>> {
    let keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
    let sources = tree.join("etc/apt/sources.list");
    std::fs::write(
        &sources,
        format!("deb [signed-by={keyring}] {mirror} {} main\n", recipe.suite),
    )?;
    let archives = tree.join("var/cache/apt/archives");
    // What debootstrap itself has downloaded is installed already.
    remove(&archives)?;
    std::fs::create_dir_all(archives.join("partial"))?;
    let configuration = tree.join("etc/apt/rcni.conf");
    std::fs::write(&configuration, apt_configuration(tree)?)?;
    for arguments in [&["update"][..], &["install", "--download-only", "--yes"]] {
        let mut apt = Command::new("apt-get");
        apt.env("APT_CONFIG", &configuration)
            .args(["-q", "--no-install-recommends"]);
        apt.args(arguments);
        if arguments.len() > 1 {
            apt.args(recipe.packages);
        }
        run(&mut apt, b"", DEADLINE)?.ok()?;
    }
    std::fs::remove_file(&configuration)?;
    let mut debs = Vec::new();
    for entry in std::fs::read_dir(&archives)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            debs.push(path);
        }
    }
    debs.sort();
    Ok(debs)
}

/// Folders of the tree, and of the host's configuration only how to fetch: no hooks.
fn apt_configuration(tree: &Path) -> Result<String> {
    let mut text = Vec::new();
    let tree = tree.display();
    writeln!(text, "Dir::State \"{tree}/var/lib/apt\";")?;
    writeln!(text, "Dir::State::status \"{tree}/var/lib/dpkg/status\";")?;
    writeln!(text, "Dir::Cache \"{tree}/var/cache/apt\";")?;
    writeln!(
        text,
        "Dir::Etc::sourcelist \"{tree}/etc/apt/sources.list\";"
    )?;
    for name in [
        "main",
        "parts",
        "sourceparts",
        "preferences",
        "preferencesparts",
    ] {
        writeln!(text, "Dir::Etc::{name} \"/dev/null\";")?;
    }
    writeln!(text, "APT::Sandbox::User \"root\";")?;
    let fetching = check("apt-config", &["dump", "Acquire"])?;
    text.extend(
        fetching
            .lines()
            .filter(|line| !line.contains("IndexTargets"))
            .flat_map(|line| line.bytes().chain(std::iter::once(b'\n'))),
    );
    Ok(String::from_utf8(text)?)
}

/// Over the tree's merged /usr: `/bin` and `/lib` are links there, and stay so.
fn unpack(deb: &Path, tree: &Path) -> Result<()> {
    let script = "set -o pipefail; dpkg-deb --fsys-tarfile \"$1\" | \
                  tar --extract --keep-directory-symlink --directory \"$2\"";
    let mut command = Command::new("bash");
    command.args(["-c", script, "unpack"]).arg(deb).arg(tree);
    run(&mut command, b"", DEADLINE)?.ok().map(drop)
}

fn users(tree: &Path) -> Result<()> {
    let append = |name: &str, lines: String| -> Result<()> {
        let path = tree.join("etc").join(name);
        let mut file = File::options()
            .append(true)
            .open(&path)
            .with_context(|| path.display().to_string())?;
        Ok(file.write_all(lines.as_bytes())?)
    };
    for (name, number, home) in USERS {
        append(
            "passwd",
            format!("{name}:x:{number}:{number}::{home}:/usr/sbin/nologin\n"),
        )?;
        append("group", format!("{name}:x:{number}:\n"))?;
    }
    for (name, number, members) in GROUPS {
        append("group", format!("{name}:x:{number}:{members}\n"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_recipe_is_another_tree() {
        let recipe = &RECIPES[0];
        let other = Recipe {
            packages: &["frr"],
            ..*recipe
        };
        assert_ne!(recipe.hash(), other.hash());
        assert_eq!(recipe.hash(), recipe.hash());
    }
}
