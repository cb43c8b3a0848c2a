//! Settings below `/proc/sys/net`, of the current network namespace only.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::rules::POD_LINK_PREFIX;
use crate::state::{Saved, State, StateError};

/// A value that a setting should have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Below /proc/sys, with slashes.
    pub name: &'static str,
    /// As the file is read, without the newline.
    pub value: &'static str,
    /// For people.
    pub why: &'static str,
    /// Whether the node can do without: then a kernel that does not have it is only reported.
    pub optional: bool,
}

/// Let packets through. Writing it also changes what [`disturbed`] lists.
pub const IP_FORWARD: Setting = Setting {
    name: "net/ipv4/ip_forward",
    value: "1",
    why: "the node routes between its pods and its uplinks",
    optional: false,
};

/// Which path a flow takes where there are several.
pub const MULTIPATH_HASH: Setting = Setting {
    name: "net/ipv4/fib_multipath_hash_policy",
    value: "1",
    why: "with several equal paths, flows are spread by ports too and not by addresses alone",
    optional: true,
};

/// Let IPv6 packets through. Writing it also changes what [`Sysctls`] records along, and makes the
/// kernel ignore router advertisements: see [`crate::uplink`], which goes first.
pub const FORWARDING_IPV6: Setting = Setting {
    name: "net/ipv6/conf/all/forwarding",
    value: "1",
    why: "the node routes between its pods and its uplinks; uplinks that learn by router \
          advertisements get accept_ra = 2 before",
    optional: false,
};

/// The same as [`MULTIPATH_HASH`].
pub const MULTIPATH_HASH_IPV6: Setting = Setting {
    name: "net/ipv6/fib_multipath_hash_policy",
    ..MULTIPATH_HASH
};

/// Why a setting is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum SysctlError {
    /// Neither there nor optional, or not to be read or written.
    #[error("cannot set {name} = {value} in {root}: {source}{hint}")]
    Io {
        /// Which.
        name: String,
        /// What it should be.
        value: String,
        /// /proc/sys.
        root: PathBuf,
        /// Why.
        source: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// There are pods with IPv6, on a node without.
    #[error(
        "IPv6 is switched off on this node (net.ipv6.conf.all.disable_ipv6 = 1), and podCIDRs has \
         IPv6 ranges: no router would be reached from pods; write \
         net.ipv6.conf.all.disable_ipv6 = 0 (see /etc/sysctl.conf and /etc/sysctl.d), or take the \
         IPv6 ranges out of podCIDRs"
    )]
    Ipv6Off,
    /// The old value could not be kept, so that nothing was changed.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Access to the settings.
#[derive(Clone, Debug)]
pub struct Sysctls {
    root: PathBuf,
}

impl Default for Sysctls {
    fn default() -> Self {
        Self::at(Path::new("/proc/sys"))
    }
}

impl Sysctls {
    /// Below another folder, for tests.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The names of the links that have IPv4 settings.
    #[must_use]
    pub fn links_ipv4(&self) -> Vec<String> {
        links(&self.root.join("net/ipv4/conf"))
    }

    /// The names of the links that have IPv6 settings.
    #[must_use]
    pub fn links_ipv6(&self) -> Vec<String> {
        links(&self.root.join("net/ipv6/conf"))
    }

    /// A setting's value.
    ///
    /// # Errors
    /// It is not there or not to be read.
    pub fn read(&self, name: &str) -> io::Result<String> {
        Ok(fs::read_to_string(self.root.join(name))?.trim().to_owned())
    }

    /// Whether IPv6 can be used on any link but the loopback and pods' ones.
    ///
    /// # Errors
    /// [`SysctlError::Ipv6Off`]. It is not put right: somebody has decided so.
    pub fn ipv6_on(&self) -> Result<(), SysctlError> {
        let is = |link: &str, value: &str| {
            let now = self.read(&format!("net/ipv6/conf/{link}/disable_ipv6"));
            now.is_ok_and(|now| now == value)
        };
        let own = |link: &String| {
            !matches!(link.as_str(), "lo" | "default") && !link.starts_with(POD_LINK_PREFIX)
        };
        let mut links = self.links_ipv6().into_iter().filter(own);
        if is("all", "1") && !links.any(|link| is(&link, "0")) {
            return Err(SysctlError::Ipv6Off);
        }
        Ok(())
    }

    fn write(&self, name: &str, value: &str) -> io::Result<()> {
        fs::write(self.root.join(name), format!("{value}\n"))
    }

    /// Gives the setting its value. The first old value is kept in `state` (written before the
    /// change). `Some` says what was changed or is missing, `None` that all was right.
    ///
    /// # Errors
    /// It cannot be read, kept or written.
    pub fn ensure(
        &self,
        setting: &Setting,
        state: &mut State,
    ) -> Result<Option<String>, SysctlError> {
        let Setting { name, value, .. } = *setting;
        match self.set(name, value, state) {
            Err(SysctlError::Io { source, .. })
                if setting.optional && source.kind() == io::ErrorKind::NotFound =>
            {
                Ok(None)
            }
            other => other,
        }
    }

    /// As [`Sysctls::ensure`], for a setting that must be there.
    ///
    /// # Errors
    /// It cannot be read, kept or written.
    pub fn set(
        &self,
        name: &str,
        value: &str,
        state: &mut State,
    ) -> Result<Option<String>, SysctlError> {
        let old = match self.read(name) {
            Ok(old) if old == value => return Ok(None),
            Ok(old) => old,
            Err(source) => return Err(self.failed(name, value, source)),
        };
        let back = match state.record.settings.get_mut(name) {
            Some(saved) if saved.old == value => true,
            Some(saved) if saved.new == value => false,
            Some(saved) => {
                value.clone_into(&mut saved.new);
                state.store()?;
                false
            }
            None => {
                let saved = Saved {
                    old: old.clone(),
                    new: value.to_owned(),
                    along: self.disturbed(name),
                };
                state.record.settings.insert(name.to_owned(), saved);
                state.store()?;
                false
            }
        };
        self.write(name, value)
            .map_err(|source| self.failed(name, value, source))?;
        if back {
            // As it was before: nothing is left to put back.
            state.record.settings.remove(name);
            state.store()?;
        }
        Ok(Some(format!("{name} was {old}, is {value} now")))
    }

    fn failed(&self, name: &str, value: &str, source: io::Error) -> SysctlError {
        let hint = match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => {
                "; set it on the host, or run felix-lite where /proc/sys can be written to"
            }
            io::ErrorKind::PermissionDenied => "; root is needed",
            io::ErrorKind::NotFound if name.starts_with("net/ipv6") => {
                "; this kernel runs without IPv6: take the IPv6 ranges out of podCIDRs, or boot \
                 with IPv6 (ipv6.disable=0)"
            }
            io::ErrorKind::NotFound => "; this kernel does not have it",
            _ => "",
        };
        SysctlError::Io {
            name: name.to_owned(),
            value: value.to_owned(),
            root: self.root.clone(),
            source,
            hint,
        }
    }

    /// What the kernel overwrites when `name` is written: the switch of all links sets every link's
    /// `forwarding`, and IPv4's, being a router now, forgets `accept_redirects`.
    fn disturbed(&self, name: &str) -> BTreeMap<String, String> {
        let (folder, also) = if name == IP_FORWARD.name {
            (
                "net/ipv4/conf",
                Some("net/ipv4/conf/all/accept_redirects".to_owned()),
            )
        } else if name == FORWARDING_IPV6.name {
            ("net/ipv6/conf", None)
        } else {
            return BTreeMap::new();
        };
        let forwarding = links(&self.root.join(folder)).into_iter();
        let forwarding = forwarding.map(|link| format!("{folder}/{link}/forwarding"));
        let values = forwarding
            .chain(also)
            .filter_map(|other| Some((self.read(&other).ok()?, other)));
        values.map(|(value, other)| (other, value)).collect()
    }

    /// Puts back what was changed, unless somebody has changed it again since. Returns what was
    /// done and what was left; settings that could not be written stay in the record.
    pub fn restore(&self, state: &mut State) -> (Vec<String>, Vec<SysctlError>) {
        let mut done = Vec::new();
        let mut errors = Vec::new();
        let mut settings = std::mem::take(&mut state.record.settings);
        // A link's accept_ra goes after the forwarding that it was changed for.
        for last in [false, true] {
            settings.retain(|name, saved| {
                if name.ends_with(ACCEPT_RA) != last {
                    return true;
                }
                match self.put_back(name, saved) {
                    Ok(what) => {
                        done.push(what);
                        false
                    }
                    Err(source) => {
                        errors.push(self.failed(name, &saved.old, source));
                        true
                    }
                }
            });
        }
        state.record.settings = settings;
        (done, errors)
    }

    fn put_back(&self, name: &str, saved: &Saved) -> io::Result<String> {
        let Saved { old, new, along } = saved;
        match self.read(name) {
            Ok(now) if now == *new => {}
            Ok(now) => return Ok(format!("{name} is {now} and not {new}: left")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(format!("{name} does not exist any more"));
            }
            Err(error) => return Err(error),
        }
        if let Some(link) = name.strip_suffix(ACCEPT_RA)
            && self.read(&format!("{link}/forwarding"))? != "0"
        {
            let why = "the link still forwards, and would lose what it learned";
            return Ok(format!("{name} stays {new}: {why}"));
        }
        self.write(name, old)?;
        for (other, value) in along {
            match self.read(other) {
                Ok(now) if now != *value => self.write(other, value)?,
                // Right, or a link that has gone.
                _ => {}
            }
        }
        Ok(format!("{name} is {old} again"))
    }
}

/// The end of the name of a link's setting.
const ACCEPT_RA: &str = "/accept_ra";

/// The links in a folder of settings; `default` is one, `all` is not.
fn links(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| name != "all").collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        dir: tempfile::TempDir,
        state: State,
    }

    impl Fixture {
        fn new(files: &[(&str, &str)]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            for (name, value) in files {
                let path = dir.path().join("sys").join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, format!("{value}\n")).unwrap();
            }
            let state = State::open(&dir.path().join("state"), "x").unwrap();
            Self { dir, state }
        }

        fn sysctls(&self) -> Sysctls {
            Sysctls::at(&self.dir.path().join("sys"))
        }
    }

    #[test]
    fn the_first_old_value_is_kept_and_put_back() {
        let other = "net/ipv4/conf/eth0/forwarding";
        let mut fixture = Fixture::new(&[(IP_FORWARD.name, "0"), (other, "1")]);
        let sysctls = fixture.sysctls();
        let state = &mut fixture.state;
        let changed = sysctls.ensure(&IP_FORWARD, state).unwrap();
        assert_eq!(changed.unwrap(), "net/ipv4/ip_forward was 0, is 1 now");
        assert_eq!(sysctls.ensure(&IP_FORWARD, state).unwrap(), None);
        // Somebody else's change is put right, and is not an old value.
        sysctls.write(IP_FORWARD.name, "7").unwrap();
        assert!(sysctls.ensure(&IP_FORWARD, state).unwrap().is_some());
        assert_eq!(state.record.settings[IP_FORWARD.name].old, "0");
        // The kernel would do this by itself.
        sysctls.write(other, "0").unwrap();
        let (done, errors) = sysctls.restore(state);
        assert_eq!(done, ["net/ipv4/ip_forward is 0 again"]);
        assert!(errors.is_empty());
        assert_eq!(sysctls.read(IP_FORWARD.name).unwrap(), "0");
        assert_eq!(sysctls.read(other).unwrap(), "1");
        assert!(state.record.settings.is_empty());
    }

    #[test]
    fn a_value_that_was_right_is_not_ours_to_restore() {
        let mut fixture = Fixture::new(&[(IP_FORWARD.name, "1")]);
        let sysctls = fixture.sysctls();
        assert_eq!(
            sysctls.ensure(&IP_FORWARD, &mut fixture.state).unwrap(),
            None
        );
        assert_eq!(sysctls.restore(&mut fixture.state).0, Vec::<String>::new());
        assert_eq!(sysctls.read(IP_FORWARD.name).unwrap(), "1");
    }

    #[test]
    fn somebody_else_s_later_value_is_left() {
        let mut fixture = Fixture::new(&[(MULTIPATH_HASH.name, "0")]);
        let sysctls = fixture.sysctls();
        sysctls.ensure(&MULTIPATH_HASH, &mut fixture.state).unwrap();
        sysctls.write(MULTIPATH_HASH.name, "2").unwrap();
        let (done, _) = sysctls.restore(&mut fixture.state);
        assert_eq!(
            done,
            [format!("{} is 2 and not 1: left", MULTIPATH_HASH.name)]
        );
        assert_eq!(sysctls.read(MULTIPATH_HASH.name).unwrap(), "2");
    }

    #[test]
    fn a_value_that_goes_back_and_forth_is_ours_only_while_it_is_different() {
        let name = "net/ipv4/x";
        let mut fixture = Fixture::new(&[(name, "1")]);
        let sysctls = fixture.sysctls();
        let state = &mut fixture.state;
        sysctls.set(name, "0", state).unwrap().unwrap();
        sysctls.set(name, "2", state).unwrap().unwrap();
        let saved = &state.record.settings[name];
        assert_eq!((saved.old.as_str(), saved.new.as_str()), ("1", "2"));
        sysctls.set(name, "1", state).unwrap().unwrap();
        assert!(state.record.settings.is_empty());
        sysctls.set(name, "0", state).unwrap().unwrap();
        let (done, _) = sysctls.restore(state);
        assert_eq!(done, ["net/ipv4/x is 1 again"]);
    }

    #[test]
    fn only_an_optional_setting_may_be_missing() {
        let mut fixture = Fixture::new(&[]);
        let sysctls = fixture.sysctls();
        let state = &mut fixture.state;
        assert_eq!(sysctls.ensure(&MULTIPATH_HASH, state).unwrap(), None);
        let error = sysctls.ensure(&IP_FORWARD, state).unwrap_err().to_string();
        assert!(error.contains("net/ipv4/ip_forward = 1"), "{error}");
        assert!(error.contains("this kernel does not have it"), "{error}");
    }

    #[test]
    fn a_link_listens_to_routers_as_long_as_it_forwards() {
        let link = |what: &str| format!("net/ipv6/conf/a0/{what}");
        let (accept_ra, forwarding) = (link("accept_ra"), link("forwarding"));
        for (after, expected, said) in [
            ("0", "1", "net/ipv6/conf/a0/accept_ra is 1 again"),
            (
                "1",
                "2",
                "net/ipv6/conf/a0/accept_ra stays 2: the link still forwards, and would lose what it learned",
            ),
        ] {
            let mut fixture = Fixture::new(&[
                (FORWARDING_IPV6.name, "0"),
                (&accept_ra, "1"),
                (&forwarding, after),
            ]);
            let sysctls = fixture.sysctls();
            let state = &mut fixture.state;
            sysctls.set(&accept_ra, "2", state).unwrap().unwrap();
            sysctls.ensure(&FORWARDING_IPV6, state).unwrap().unwrap();
            assert!(
                state.record.settings[FORWARDING_IPV6.name]
                    .along
                    .contains_key(&forwarding)
            );
            // The kernel would do this by itself.
            sysctls.write(&forwarding, "1").unwrap();
            let (done, errors) = sysctls.restore(state);
            assert!(errors.is_empty(), "{errors:?}");
            // By name the link's setting comes first; it has to go last.
            assert_eq!(done, ["net/ipv6/conf/all/forwarding is 0 again", said]);
            assert_eq!(sysctls.read(&accept_ra).unwrap(), expected);
            assert_eq!(sysctls.read(&forwarding).unwrap(), after);
        }
    }

    #[test]
    fn a_kernel_without_ipv6_is_told_from_a_missing_setting() {
        let mut fixture = Fixture::new(&[]);
        let error = fixture
            .sysctls()
            .ensure(&FORWARDING_IPV6, &mut fixture.state);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("runs without IPv6") && error.contains("podCIDRs"),
            "{error}"
        );
    }

    #[test]
    fn a_node_whose_ipv6_is_switched_off_is_told_from_one_with_some() {
        let [all, lo, eth0, pod] = ["all", "lo", "eth0", "rcni0123456789a"]
            .map(|link| format!("net/ipv6/conf/{link}/disable_ipv6"));
        for (on_all, on_eth0, is_on) in [
            ("0", "0", true),
            ("0", "1", true),
            ("1", "0", true),
            ("1", "1", false),
        ] {
            // The plugin switches it on for pods' links, whatever the node has.
            let files = [(&*all, on_all), (&lo, "0"), (&eth0, on_eth0), (&pod, "0")];
            let answer = Fixture::new(&files).sysctls().ipv6_on();
            assert_eq!(answer.is_ok(), is_on, "{on_all} {on_eth0}");
        }
        // A kernel without IPv6 is told by the settings that it does not have.
        assert!(Fixture::new(&[]).sysctls().ipv6_on().is_ok());
    }
}
