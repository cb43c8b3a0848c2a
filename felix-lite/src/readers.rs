//! Programs on this node that read the kernel's routes and need each with its next hops, because they,
//! or versions of them that are in use, do not know nexthop objects. Told by the names of the processes
//! in this network namespace.

use std::fs;
use std::path::{Path, PathBuf};

/// Names as in `/proc/PID/comm`, which has 15 bytes of them.
///
/// Not here: what looks routes up one by one (the answer has the next hop in any case) or reads
/// `/proc/net/route` (kubelet), what knows nexthop objects (systemd-networkd since 248), and what
/// looks at its own routes alone (keepalived, calico-node's felix).
pub const NAMES: [&str; 10] = [
    // FRR 10.3 takes such routes for unreachable, 10.7 does not; quagga has this name, too.
    "zebra",
    // 2.0, 3.1 and 3.4 log an error for each such route at each scan, and do not learn it.
    "bird",
    "bird6",
    "babeld",
    // strongSwan, which searches the list of routes for the way to its peer.
    "charon",
    "charon-systemd",
    // The link of the default route.
    "flanneld",
    "cilium-agent",
    "ovs-vswitchd",
    "ovn-controller",
];

/// The first process namespace (`PROC_PID_INIT_INO`).
const HOST_PROCESSES: &str = "pid:[4026531836]";
/// Only the first network namespace has it.
const HOST_NETWORK_SETTING: &str = "sys/net/core/dev_weight";

/// One such process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// One of [`NAMES`].
    pub name: String,
    /// Its number.
    pub pid: u32,
}

/// What can be said about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// These are all.
    Clear(Vec<Reader>),
    /// Why there may be others.
    Blind(&'static str),
}

/// Access to the processes.
#[derive(Clone, Debug)]
pub struct Processes {
    root: PathBuf,
}

impl Default for Processes {
    fn default() -> Self {
        Self::at(Path::new("/proc"))
    }
}

impl Processes {
    /// Below another folder, for tests.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The readers that run now, by number.
    #[must_use]
    pub fn readers(&self) -> Sight {
        let link = |name: &str| fs::read_link(self.root.join(name));
        let (Ok(own), Ok(entries)) = (link("self/ns/net"), fs::read_dir(&self.root)) else {
            return Sight::Blind("/proc cannot be read");
        };
        let on_host = self.root.join(HOST_NETWORK_SETTING).exists();
        let sees_all = link("self/ns/pid").is_ok_and(|own| own == Path::new(HOST_PROCESSES));
        if on_host && !sees_all {
            return Sight::Blind(
                "the node's processes cannot be seen from this container (hostPID: true shows them)",
            );
        }
        // Also on a node that is a container itself: the first process of a container of its own, with the
        // node's network or not.
        let is_first = fs::read_link(self.root.join("self")).is_ok_and(|own| own == Path::new("1"));
        if is_first && !sees_all {
            return Sight::Blind(
                "this container has processes of its own only (hostPID: true shows the node's)",
            );
        }
        let numbers = entries.flatten();
        let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let mut readers: Vec<Reader> = numbers
            .filter_map(|pid: u32| {
                let comm = fs::read_to_string(self.root.join(format!("{pid}/comm"))).ok()?;
                let name = NAMES.into_iter().find(|name| *name == comm.trim_end())?;
                // One that has ended by now has none.
                let place = link(&format!("{pid}/ns/net")).ok()?;
                let name = name.to_owned();
                (place == own).then_some(Reader { name, pid })
            })
            .collect();
        readers.sort_by_key(|reader| reader.pid);
        Sight::Clear(readers)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn process(root: &Path, number: &str, name: &str, network: &str) {
        let folder = root.join(number);
        fs::create_dir_all(folder.join("ns")).unwrap();
        fs::write(folder.join("comm"), format!("{name}\n")).unwrap();
        if !network.is_empty() {
            symlink(network, folder.join("ns/net")).unwrap();
        }
    }

    #[test]
    fn readers_of_this_network_namespace_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let processes = Processes::at(root);
        assert!(matches!(processes.readers(), Sight::Blind(_)));
        process(root, "self", "felix-lite", "net:[1]");
        process(root, "1", "systemd", "net:[1]");
        process(root, "30", "zebra", "net:[1]");
        process(root, "4", "bird", "net:[1]");
        process(root, "5", "bird", "net:[2]");
        process(root, "6", "bird", "");
        process(root, "7", "birdc", "net:[1]");
        fs::create_dir(root.join("8")).unwrap();
        let Sight::Clear(found) = processes.readers() else {
            panic!("blind");
        };
        let found: Vec<(&str, u32)> = found
            .iter()
            .map(|one| (one.name.as_str(), one.pid))
            .collect();
        assert_eq!(found, [("bird", 4), ("zebra", 30)]);
    }

    #[test]
    fn a_container_on_the_host_s_network_does_not_see_the_host_s_processes() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        process(root, "self", "felix-lite", "net:[1]");
        let setting = root.join(HOST_NETWORK_SETTING);
        fs::create_dir_all(setting.parent().unwrap()).unwrap();
        fs::write(setting, "64\n").unwrap();
        let own = root.join("self/ns/pid");
        symlink("pid:[4026532000]", &own).unwrap();
        let processes = Processes::at(root);
        assert!(matches!(processes.readers(), Sight::Blind(_)));
        fs::remove_file(&own).unwrap();
        symlink(HOST_PROCESSES, &own).unwrap();
        assert_eq!(processes.readers(), Sight::Clear(Vec::new()));
    }

    #[test]
    fn the_first_process_of_a_container_sees_none_but_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let processes = Processes::at(root);
        process(root, "1", "felix-lite", "net:[1]");
        process(root, "2", "felix-lite", "net:[1]");
        for number in ["1", "2"] {
            let own = root.join(number).join("ns/pid");
            symlink("pid:[4026532000]", own).unwrap();
        }
        symlink("1", root.join("self")).unwrap();
        assert!(matches!(processes.readers(), Sight::Blind(_)));
        // Beside an init, as on a node.
        fs::remove_file(root.join("self")).unwrap();
        symlink("2", root.join("self")).unwrap();
        assert_eq!(processes.readers(), Sight::Clear(Vec::new()));
    }

    #[test]
    fn names_are_as_long_as_the_kernel_keeps_them() {
        assert!(NAMES.iter().all(|name| name.len() <= 15));
    }
}
