//! The network configuration that tells the container runtime to use `rcni`. Its appearing is what
//! makes the node ready, so that it is written after everything else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rcni_config::{Cidr, CniConfig, paths};
use serde_json::{Value, json};

use crate::state::replace_file;
use crate::table::model::Family;

/// The plugin's name, as programs are named in the runtime's folder of plugins.
const OWN_TYPE: &str = "rcni";

/// The wanted file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflist {
    /// Where.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

/// Why it is not there.
#[derive(Debug, thiserror::Error)]
pub enum ConflistError {
    /// The file system refused.
    #[error("cannot {verb} {path}: {source}")]
    Io {
        /// What was tried.
        verb: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another plugin's configuration has this name.
    #[error(
        "{path} is the configuration of another plugin ({plugin:?}) and stays as it is: \
         set another cni.confName, or remove the file"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The type that it names first.
        plugin: String,
    },
}

/// What the plugin is told: addresses out of `ranges`, and links of this MTU.
#[must_use]
pub fn render(cni: &CniConfig, ranges: &[Cidr]) -> Conflist {
    // One set for each family: a pod gets one address out of every set.
    let sets = Family::ALL.into_iter().map(|family| {
        let ranges = ranges.iter().filter(|range| Family::of(range) == family);
        let set = ranges.map(|range| json!({"subnet": range.to_string()}));
        set.collect::<Vec<Value>>()
    });
    let sets: Vec<_> = sets.filter(|set| !set.is_empty()).collect();
    let mut ipam = json!({"type": "rcni", "ranges": sets});
    if cni.data_dir != Path::new(paths::CNI_DATA_DIR) {
        ipam["dataDir"] = json!(cni.data_dir);
    }
    let mut plugin = json!({"type": "rcni", "ipam": ipam});
    if let Some(mtu) = cni.mtu {
        plugin["mtu"] = json!(mtu);
    }
    let list = json!({
        "cniVersion": "1.0.0",
        "name": cni.network_name,
        "plugins": [plugin],
    });
    Conflist {
        path: cni.conf_dir.join(&cni.conf_name),
        text: format!("{list:#}\n"),
    }
}

/// What [`ensure`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It was right and was not touched.
    AlreadyRight,
    /// There was none.
    Created,
    /// There was another one.
    Replaced,
}

/// What is at `path`, for being replaced: nothing, ours, or what no runtime could use.
///
/// # Errors
/// It is another plugin's, or cannot be read (and could be).
pub fn replaceable(path: &Path) -> Result<Option<Vec<u8>>, ConflistError> {
    use io::ErrorKind::{NotADirectory, NotFound};
    let path = path.to_owned();
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => return Ok(None),
        Err(source) => {
            let verb = "read";
            return Err(ConflistError::Io { verb, path, source });
        }
    };
    match first_plugin(&text) {
        Some(plugin) if plugin != OWN_TYPE => Err(ConflistError::Foreign { path, plugin }),
        _ => Ok(Some(text)),
    }
}

/// Makes the file as it should be.
///
/// # Errors
/// Another plugin's file has its name, the folder cannot be made, or the file not written.
pub fn ensure(wanted: &Conflist) -> Result<Written, ConflistError> {
    let failed = |verb, path: &Path| {
        let path = path.to_owned();
        move |source| ConflistError::Io { verb, path, source }
    };
    let outcome = match replaceable(&wanted.path)? {
        Some(present) if present == wanted.text.as_bytes() => return Ok(Written::AlreadyRight),
        Some(_) => Written::Replaced,
        None => Written::Created,
    };
    if let Some(folder) = wanted.path.parent() {
        fs::create_dir_all(folder).map_err(failed("make the folder", folder))?;
    }
    replace_file(&wanted.path, &wanted.text).map_err(failed("write", &wanted.path))?;
    Ok(outcome)
}

/// Removes the file if its plugin is ours. Whether there was one.
///
/// # Errors
/// It cannot be removed.
pub fn remove(path: &Path) -> Result<bool, ConflistError> {
    if !fs::read(path).is_ok_and(|text| is_ours(&text)) {
        return Ok(false);
    }
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(ConflistError::Io {
            verb: "remove",
            path: path.to_owned(),
            source,
        }),
    }
}

fn is_ours(text: &[u8]) -> bool {
    first_plugin(text).as_deref() == Some(OWN_TYPE)
}

/// The plugin's type, also in a file of the older kind for one plugin. Nothing if no plugin is named.
fn first_plugin(text: &[u8]) -> Option<String> {
    let list: Value = serde_json::from_slice(text).ok()?;
    let named = list.pointer("/plugins/0/type").or_else(|| list.get("type"));
    named?.as_str().map(str::to_owned)
}

/// The configuration that a runtime would take instead of ours: runtimes use the first by name.
#[must_use]
pub fn preferred_to(ours: &Path) -> Option<PathBuf> {
    let own_name = ours.file_name()?;
    let entries = fs::read_dir(ours.parent()?).ok()?;
    let names = entries.flatten().map(|entry| entry.file_name());
    let first = names
        .filter(|name| {
            let extension = Path::new(name).extension();
            let extension = extension.and_then(|extension| extension.to_str());
            // As libcni looks for them.
            matches!(extension, Some("conf" | "conflist" | "json")) && name.as_os_str() < own_name
        })
        .min()?;
    Some(ours.with_file_name(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &Path) -> CniConfig {
        CniConfig {
            conf_dir: dir.to_owned(),
            conf_name: "10-rcni.conflist".to_owned(),
            network_name: "rcni".to_owned(),
            mtu: Some(1500),
            data_dir: PathBuf::from(paths::CNI_DATA_DIR),
        }
    }

    fn one_range(dir: &Path) -> Conflist {
        render(&config(dir), &["10.244.1.0/24".parse().unwrap()])
    }

    #[test]
    fn it_is_as_in_the_golden_file() {
        let text = one_range(Path::new("/etc/cni/net.d")).text;
        assert_eq!(text, include_str!("../golden/10-rcni.conflist"));
    }

    #[test]
    fn each_family_is_a_set_of_its_own() {
        let sets = |ranges: &[&str]| {
            let ranges: Vec<Cidr> = ranges.iter().map(|range| range.parse().unwrap()).collect();
            let text = render(&config(Path::new("/x")), &ranges).text;
            let list: Value = serde_json::from_str(&text).unwrap();
            list["plugins"][0]["ipam"]["ranges"].clone()
        };
        let (v4, other, v6) = ("10.244.1.0/24", "10.245.1.0/24", "fd00:10:244:1::/64");
        assert_eq!(
            sets(&[v6, v4, other]),
            json!([[{"subnet": v4}, {"subnet": other}], [{"subnet": v6}]])
        );
        assert_eq!(sets(&[v6]), json!([[{"subnet": v6}]]));
    }

    #[test]
    fn an_own_data_folder_is_said_and_an_unknown_mtu_is_not() {
        let config = CniConfig {
            mtu: None,
            data_dir: PathBuf::from("/data"),
            ..config(Path::new("/x"))
        };
        let list: Value =
            serde_json::from_str(&render(&config, &["10.0.0.0/24".parse().unwrap()]).text).unwrap();
        assert_eq!(list["plugins"][0].get("mtu"), None);
        assert_eq!(list["plugins"][0]["ipam"]["dataDir"], "/data");
    }

    #[test]
    fn it_is_written_once_and_only_ours_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = one_range(&dir.path().join("net.d"));
        assert_eq!(ensure(&wanted).unwrap(), Written::Created);
        let before = fs::metadata(&wanted.path).unwrap().modified().unwrap();
        assert_eq!(ensure(&wanted).unwrap(), Written::AlreadyRight);
        let after = fs::metadata(&wanted.path).unwrap().modified().unwrap();
        assert_eq!(before, after);
        fs::write(&wanted.path, "{}").unwrap();
        assert!(!remove(&wanted.path).unwrap());
        assert_eq!(ensure(&wanted).unwrap(), Written::Replaced);
        assert!(remove(&wanted.path).unwrap());
        assert!(!remove(&wanted.path).unwrap());
    }

    #[test]
    fn another_plugin_s_file_is_refused_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = one_range(dir.path());
        for foreign in [
            r#"{"name": "k8s", "plugins": [{"type": "calico"}, {"type": "rcni"}]}"#,
            r#"{"name": "k8s", "type": "calico"}"#,
        ] {
            fs::write(&wanted.path, foreign).unwrap();
            let error = ensure(&wanted).unwrap_err().to_string();
            let named = format!("{} is the configuration", wanted.path.display());
            assert!(error.starts_with(&named), "{error}");
            assert!(error.contains("calico"), "{error}");
            assert!(error.contains("set another cni.confName"), "{error}");
            assert_eq!(fs::read_to_string(&wanted.path).unwrap(), foreign);
            assert!(!remove(&wanted.path).unwrap());
        }
        fs::write(&wanted.path, r#"{"plugins": [{"type": "rcni"}]}"#).unwrap();
        assert_eq!(ensure(&wanted).unwrap(), Written::Replaced);
    }

    #[test]
    fn only_a_configuration_that_sorts_before_is_preferred() {
        let dir = tempfile::tempdir().unwrap();
        let ours = dir.path().join("10-rcni.conflist");
        for name in ["99-x.conflist", "05-note.txt", "10-rcni.conflist"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(preferred_to(&ours), None);
        fs::write(dir.path().join("05-x.conf"), "").unwrap();
        assert_eq!(preferred_to(&ours), Some(dir.path().join("05-x.conf")));
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let error = ensure(&one_range(Path::new("/proc/none"))).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("make the folder /proc/none"), "{error}");
    }
}
