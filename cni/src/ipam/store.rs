//! The files: host-local's reservations, and rcni's records beside them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rcni_config::paths;
use serde::{Deserialize, Serialize};

use super::IpamError;
use crate::naming::{self, Attachment};

/// Nothing that we or host-local write is near this long, in bytes.
const FILE_MAX: u64 = 64 * 1024;
/// host-local's separator between container id and interface name.
const LINE_BREAK: &str = "\r\n";

/// The store of one network.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    records: PathBuf,
}

/// One reserved address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The address.
    pub address: IpAddr,
    /// What the file says: the container id, and behind a line break the interface's name. Empty
    /// after a crash between making and writing it.
    pub owner: String,
}

/// What rcni notes of an attachment before it reserves anything for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Of this layout: 1.
    pub version: u32,
    /// `CNI_CONTAINERID`.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// The host end's name.
    pub host_interface: String,
    /// `namespace/pod`, or the container id.
    pub pod: String,
    /// The addresses that are, or were about to be, reserved.
    pub addresses: Vec<IpAddr>,
}

impl Record {
    fn is_of(&self, attachment: &Attachment) -> bool {
        self.container_id == attachment.container_id() && self.ifname == attachment.ifname()
    }
}

impl Store {
    /// The store of `network` under `data_dir` (by default [`paths::CNI_DATA_DIR`]). Records lie in
    /// [`paths::CNI_RECORD_DIR`]; for another `data_dir` in its folder `.rcni`, which cannot be a
    /// network's name.
    #[must_use]
    pub fn new(data_dir: &Path, network: &str) -> Self {
        let records = if data_dir == Path::new(paths::CNI_DATA_DIR) {
            PathBuf::from(paths::CNI_RECORD_DIR)
        } else {
            data_dir.join(".rcni")
        };
        Self {
            folder: data_dir.join(network),
            records: records.join(network),
        }
    }

    /// Where the reservations are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the records are: one file per attachment, named like its host end.
    #[must_use]
    pub fn record_folder(&self) -> &Path {
        &self.records
    }

    /// All reservations, whoever made them. Without a lock this is a snapshot in motion.
    ///
    /// # Errors
    /// If the folder or a file in it cannot be read.
    pub fn reservations(&self) -> Result<Vec<Reservation>, IpamError> {
        let mut found = Vec::new();
        for (name, path) in list(&self.folder)? {
            let Ok(address) = name.parse() else {
                continue;
            };
            if let Some(owner) = read(&path)? {
                found.push(Reservation { address, owner });
            }
        }
        Ok(found)
    }

    /// All records. One that cannot be understood is left out.
    ///
    /// # Errors
    /// If the folder or a file in it cannot be read.
    pub fn records(&self) -> Result<Vec<Record>, IpamError> {
        let mut found = Vec::new();
        for (name, path) in list(&self.records)? {
            if name.starts_with(naming::HOST_PREFIX)
                && let Some(text) = read(&path)?
            {
                found.extend(serde_json::from_str::<Record>(&text));
            }
        }
        Ok(found)
    }

    /// Whether the address is reserved for this attachment.
    ///
    /// # Errors
    /// If the reservation cannot be read.
    pub fn is_held_by(&self, address: IpAddr, attachment: &Attachment) -> Result<bool, IpamError> {
        let owner = self.owner(address)?;
        Ok(owner.is_some_and(|owner| {
            owner == owner_text(attachment) || owner == attachment.container_id()
        }))
    }

    /// The attachment's record, if there is one that can be understood.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn record(&self, attachment: &Attachment) -> Result<Option<Record>, IpamError> {
        let text = read(&self.record_path(attachment))?;
        Ok(text
            .and_then(|text| serde_json::from_str::<Record>(&text).ok())
            .filter(|record| record.is_of(attachment)))
    }

    /// Writes the attachment's record over whatever was there.
    pub(super) fn write_record(
        &self,
        attachment: &Attachment,
        record: &Record,
    ) -> Result<(), IpamError> {
        let path = self.record_path(attachment);
        let text = serde_json::to_string(record)
            .map_err(|error| IpamError::file("write", &path, error.into()))?;
        replace(&path, &text).map_err(|error| IpamError::file("write", &path, error))
    }

    pub(super) fn remove_record(&self, attachment: &Attachment) -> Result<(), IpamError> {
        remove(&self.record_path(attachment))
    }

    /// Whether somebody holds the address.
    pub(super) fn is_reserved(&self, address: IpAddr) -> bool {
        fs::symlink_metadata(self.reservation_path(address)).is_ok()
    }

    /// Who holds the address, if somebody does.
    pub(super) fn owner(&self, address: IpAddr) -> Result<Option<String>, IpamError> {
        read(&self.reservation_path(address))
    }

    /// Reserves the address; false if somebody holds it.
    pub(super) fn reserve(
        &self,
        address: IpAddr,
        attachment: &Attachment,
    ) -> Result<bool, IpamError> {
        let path = self.reservation_path(address);
        let failed = |error| IpamError::file("write", &path, error);
        let made = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        let mut file = match made {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        if let Err(error) = file.write_all(owner_text(attachment).as_bytes()) {
            // A disk that is full: an empty reservation would be nobody's.
            let _ = fs::remove_file(&path);
            return Err(failed(error));
        }
        Ok(true)
    }

    pub(super) fn free(&self, address: IpAddr) -> Result<(), IpamError> {
        remove(&self.reservation_path(address))
    }

    /// The address of set number `set` that was given out last.
    pub(super) fn last_reserved(&self, set: usize) -> Option<IpAddr> {
        let text = read(&self.last_path(set)).ok()??;
        text.parse().ok()
    }

    pub(super) fn set_last_reserved(&self, set: usize, address: IpAddr) -> Result<(), IpamError> {
        let path = self.last_path(set);
        replace(&path, &address.to_string()).map_err(|error| IpamError::file("write", &path, error))
    }

    fn reservation_path(&self, address: IpAddr) -> PathBuf {
        self.folder.join(address.to_string())
    }

    fn last_path(&self, set: usize) -> PathBuf {
        self.folder.join(format!("last_reserved_ip.{set}"))
    }

    fn record_path(&self, attachment: &Attachment) -> PathBuf {
        self.records.join(attachment.host_interface())
    }
}

/// What host-local writes into a reservation.
pub(super) fn owner_text(attachment: &Attachment) -> String {
    format!(
        "{}{LINE_BREAK}{}",
        attachment.container_id(),
        attachment.ifname()
    )
}

/// The names and paths in a folder; none if it is not there.
fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>, IpamError> {
    let failed = |error| IpamError::file("list", folder, error);
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed)?;
        if let Ok(name) = entry.file_name().into_string() {
            found.push((name, entry.path()));
        }
    }
    Ok(found)
}

/// A small file's text without white space around it; `None` if it is not there.
fn read(path: &Path) -> Result<Option<String>, IpamError> {
    let failed = |error| IpamError::file("read", path, error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_MAX)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()))
}

/// One open, one write: a crash between them leaves an empty file, which readers take for none.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?
        .write_all(text.as_bytes())
}

fn remove(path: &Path) -> Result<(), IpamError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(IpamError::file("delete", path, error))
        }
        _ => Ok(()),
    }
}
