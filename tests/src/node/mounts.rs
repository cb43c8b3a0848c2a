//! A node's root: an overlay whose upper layer is memory of the node's mount namespace.
//!
//! Nothing that a node writes reaches the host: what is not the overlay is a mount of its own
//! (`/proc /sys /dev /run /tmp …`), a read-only bind, or the lab's log folder.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{chdir, pivot_root};

use super::{InitBind, InitFile, InitSpec};

/// Emptied in every node, so that it knows nothing of what the machine itself runs.
const EMPTY: &[&str] = &[
    "run",
    "tmp",
    "var/tmp",
    "etc/rcni",
    "etc/cni",
    "opt/cni",
    "var/lib/cni",
    "var/lib/rcni",
    "etc/frr",
    "etc/bird",
    "etc/gobgp",
];

/// Folders that machines put onto file systems of their own; an overlay does not look below the
/// mount points of its lower layer.
const SEPARATE: &[&str] = &["usr", "etc", "var", "opt"];

const DEVICES: &[(&str, u64, u64)] = &[
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// Makes the root that `spec` describes and changes into it.
pub(super) fn enter_root(spec: &InitSpec) -> Result<()> {
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .context("making mounts private")?;
    let memory = &spec.mount_point;
    tmpfs(memory, "0755")?;
    let root = memory.join("root");
    std::fs::create_dir(&root)?;
    overlay(memory, "top", &spec.root.lower, &root)?;
    if spec.root.host {
        for name in SEPARATE {
            let lower = Path::new("/").join(name);
            if is_mount_point(&lower) {
                overlay(memory, name, &lower, &root.join(name))?;
            }
        }
    }
    for folder in EMPTY {
        let path = root.join(folder);
        create_folder(&path)?;
        tmpfs(
            &path,
            if folder.ends_with("tmp") {
                "1777"
            } else {
                "0755"
            },
        )?;
    }
    kernel_folders(&root)?;
    devices(&root.join("dev"))?;
    bind(
        &root,
        &InitBind {
            source: spec.log_folder.clone(),
            target: PathBuf::from("/var/log"),
            read_only: false,
            place: None,
        },
    )?;
    spec.files
        .iter()
        .try_for_each(|file| write_file(&root, file))?;
    for one in &spec.binds {
        let bound = bind(&root, one);
        match &one.place {
            Some(place) => bound.with_context(|| place.clone())?,
            None => bound?,
        }
    }
    change_root(&root)
}

fn tmpfs(path: &Path, mode: &str) -> Result<()> {
    let options = format!("mode={mode}");
    mount(
        Some("tmpfs"),
        path,
        Some("tmpfs"),
        MsFlags::MS_NOSUID,
        Some(options.as_str()),
    )
    .with_context(|| format!("tmpfs on {}", path.display()))
}

fn overlay(memory: &Path, name: &str, lower: &Path, target: &Path) -> Result<()> {
    let upper = memory.join(format!("{name}-upper"));
    let work = memory.join(format!("{name}-work"));
    std::fs::create_dir(&upper)?;
    std::fs::create_dir(&work)?;
    // The upper layer's own mode would show as the mode of the node's `/`.
    std::fs::set_permissions(&upper, std::fs::Permissions::from_mode(0o755))?;
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        lower.display(),
        upper.display(),
        work.display()
    );
    mount(
        Some("overlay"),
        target,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    )
    .with_context(|| format!("overlay of {}", lower.display()))
}

fn is_mount_point(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| path.symlink_metadata().map(|m| m.dev()).ok();
    path.is_dir() && !path.is_symlink() && device(path) != device(Path::new("/"))
}

/// Fresh /proc and /sys. Of /proc/sys only `net` can be written: the rest is the machine's.
fn kernel_folders(root: &Path) -> Result<()> {
    let quiet = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let proc = root.join("proc");
    create_folder(&proc)?;
    mount(Some("proc"), &proc, Some("proc"), quiet, None::<&str>).context("/proc")?;
    for name in ["sys", "sysrq-trigger"] {
        let path = proc.join(name);
        if path.exists() {
            bind_onto(&path, &path, name == "sys")?;
            read_only(&path)?;
        }
    }
    let net = proc.join("sys/net");
    bind_onto(&net, &net, false)?;
    let writable = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | quiet;
    mount(None::<&str>, &net, None::<&str>, writable, None::<&str>).context("/proc/sys/net")?;
    let sys = root.join("sys");
    create_folder(&sys)?;
    mount(
        Some("sysfs"),
        &sys,
        Some("sysfs"),
        quiet | MsFlags::MS_RDONLY,
        None::<&str>,
    )
    .context("/sys")
}

fn devices(dev: &Path) -> Result<()> {
    create_folder(dev)?;
    tmpfs(dev, "0755")?;
    for (name, major, minor) in DEVICES {
        device(&dev.join(name), *major, *minor)?;
    }
    if Path::new("/dev/net/tun").exists() {
        create_folder(&dev.join("net"))?;
        device(&dev.join("net/tun"), 10, 200)?;
    }
    for name in ["pts", "shm"] {
        create_folder(&dev.join(name))?;
    }
    tmpfs(&dev.join("shm"), "1777")?;
    let options = Some("newinstance,ptmxmode=0666,mode=0620");
    mount(
        Some("devpts"),
        &dev.join("pts"),
        Some("devpts"),
        MsFlags::MS_NOSUID,
        options,
    )
    .context("/dev/pts")?;
    for (name, to) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        std::os::unix::fs::symlink(to, dev.join(name))?;
    }
    Ok(())
}

fn device(path: &Path, major: u64, minor: u64) -> Result<()> {
    mknod(path, SFlag::S_IFCHR, Mode::empty(), makedev(major, minor))
        .with_context(|| format!("mknod {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(())
}

fn create_folder(path: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .with_context(|| format!("folder {}", path.display()))
}

fn write_file(root: &Path, file: &InitFile) -> Result<()> {
    let path = below(root, &file.path);
    if let Some(parent) = path.parent() {
        create_folder(parent)?;
    }
    // A symbolic link of the lower layer could lead out of the node.
    if path.is_symlink() {
        std::fs::remove_file(&path)?;
    }
    std::fs::write(&path, &file.content).with_context(|| path.display().to_string())?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(file.mode))?;
    Ok(())
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn bind(root: &Path, one: &InitBind) -> Result<()> {
    let target = below(root, &one.target);
    let is_folder = one.source.is_dir();
    if is_folder {
        create_folder(&target)?;
    } else if !target.exists() {
        if let Some(parent) = target.parent() {
            create_folder(parent)?;
        }
        std::fs::write(&target, "").with_context(|| target.display().to_string())?;
    }
    bind_onto(&one.source, &target, is_folder)?;
    if one.read_only {
        read_only(&target)
    } else {
        Ok(())
    }
}

fn bind_onto(source: &Path, target: &Path, recursive: bool) -> Result<()> {
    let flags = if recursive {
        MsFlags::MS_BIND | MsFlags::MS_REC
    } else {
        MsFlags::MS_BIND
    };
    mount(Some(source), target, None::<&str>, flags, None::<&str>)
        .with_context(|| format!("bind {} to {}", source.display(), target.display()))
}

fn read_only(target: &Path) -> Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(None::<&str>, target, None::<&str>, flags, None::<&str>)
        .with_context(|| format!("read-only {}", target.display()))
}

fn change_root(root: &Path) -> Result<()> {
    chdir(root).context("chdir")?;
    // Both at one place: the old root ends up below the new one and is taken off from there.
    pivot_root(".", ".").context("pivot_root")?;
    umount2(".", MntFlags::MNT_DETACH).context("taking off the old root")?;
    chdir("/").context("chdir /")
}
