//! Settings below `/proc/sys/net`, of the current network namespace only.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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

    fn read(&self, name: &str) -> io::Result<String> {
        Ok(fs::read_to_string(self.root.join(name))?.trim().to_owned())
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
        let old = match self.read(name) {
            Ok(old) if old == value => return Ok(None),
            Ok(old) => old,
            Err(error) if setting.optional && error.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(source) => return Err(self.failed(name, value, source)),
        };
        if !state.record.settings.contains_key(name) {
            let saved = Saved {
                old: old.clone(),
                new: value.to_owned(),
                along: self.disturbed(name),
            };
            state.record.settings.insert(name.to_owned(), saved);
            state.store()?;
        }
        self.write(name, value)
            .map_err(|source| self.failed(name, value, source))?;
        Ok(Some(format!("{name} was {old}, is {value} now")))
    }

    fn failed(&self, name: &str, value: &str, source: io::Error) -> SysctlError {
        let hint = match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => {
                "; set it on the host, or run felix-lite where /proc/sys can be written to"
            }
            io::ErrorKind::PermissionDenied => "; root is needed",
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

    /// What the kernel overwrites when `name` is written: `ip_forward` sets every link's
    /// `forwarding` and, being a router now, forgets `accept_redirects`.
    fn disturbed(&self, name: &str) -> BTreeMap<String, String> {
        let mut along = BTreeMap::new();
        if name != IP_FORWARD.name {
            return along;
        }
        let links = fs::read_dir(self.root.join("net/ipv4/conf"));
        let links = links.into_iter().flatten().flatten();
        let forwarding = links.filter_map(|link| {
            let link = link.file_name().into_string().ok()?;
            // `all` is ip_forward itself.
            (link != "all").then(|| format!("net/ipv4/conf/{link}/forwarding"))
        });
        let redirects = "net/ipv4/conf/all/accept_redirects".to_owned();
        for other in forwarding.chain([redirects]) {
            if let Ok(value) = self.read(&other) {
                along.insert(other, value);
            }
        }
        along
    }

    /// Puts back what was changed, unless somebody has changed it again since. Returns what was
    /// done and what was left; settings that could not be written stay in the record.
    pub fn restore(&self, state: &mut State) -> (Vec<String>, Vec<SysctlError>) {
        let mut done = Vec::new();
        let mut errors = Vec::new();
        let mut settings = std::mem::take(&mut state.record.settings);
        settings.retain(|name, saved| match self.put_back(name, saved) {
            Ok(what) => {
                done.push(what);
                false
            }
            Err(source) => {
                errors.push(self.failed(name, &saved.old, source));
                true
            }
        });
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
    fn only_an_optional_setting_may_be_missing() {
        let mut fixture = Fixture::new(&[]);
        let sysctls = fixture.sysctls();
        let state = &mut fixture.state;
        assert_eq!(sysctls.ensure(&MULTIPATH_HASH, state).unwrap(), None);
        let error = sysctls.ensure(&IP_FORWARD, state).unwrap_err().to_string();
        assert!(error.contains("net/ipv4/ip_forward = 1"), "{error}");
        assert!(error.contains("this kernel does not have it"), "{error}");
    }
}
