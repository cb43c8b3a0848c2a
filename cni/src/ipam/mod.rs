//! Address management: which address a pod gets, and who has which.
//!
//! ```text
//! netconf -> range (what may be given out) -> store (flock, records, reservations) -> addresses
//!         -> delegate (any other ipam.type: that plugin is executed)
//! ```
//!
//! The store's files are host-local's own (`<dataDir>/<network>/<ip>`, `last_reserved_ip.N`, `lock`),
//! so that a node can move from and to host-local. Beside them lies one record per attachment of
//! rcni's own, which makes DEL independent of the pool's size and tells rcni's reservations from
//! other plugins'.

mod allocate;
pub mod delegate;
mod lock;
pub mod range;
mod store;
#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

pub use lock::Locked;
pub use store::{Record, Reservation, Store};

/// Why an address could not be given or taken back.
#[derive(Debug, thiserror::Error)]
pub enum IpamError {
    /// Every address of a range set is reserved.
    #[error("no free address in {ranges}: all {tried} are reserved (in {folder})")]
    Exhausted {
        /// The range set.
        ranges: String,
        /// How many addresses it has.
        tried: u64,
        /// Where the reservations are.
        folder: PathBuf,
    },
    /// The attachment has addresses already.
    #[error("{attachment} has the address {addresses} already")]
    AlreadyAttached {
        /// Which attachment.
        attachment: String,
        /// Its addresses.
        addresses: String,
    },
    /// A requested address is reserved.
    #[error("the requested address {0} is in use")]
    Taken(
        /// The address.
        IpAddr,
    ),
    /// A requested address cannot be given out.
    #[error("the requested address {0} is not in the ranges of this node")]
    OutsideRanges(
        /// The address.
        IpAddr,
    ),
    /// Two addresses of the same range set are requested.
    #[error("the requested address {0} is the second of its range set, which gives a pod only one")]
    Surplus(
        /// The address.
        IpAddr,
    ),
    /// Somebody else holds the lock.
    #[error("{path} was locked by another process for {waited_secs} s")]
    Busy {
        /// The lock file.
        path: PathBuf,
        /// How long it was tried, in seconds.
        waited_secs: u64,
    },
    /// A file operation failed.
    #[error("cannot {action} {path}: {source}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl IpamError {
    fn file(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File {
            action,
            path: path.to_owned(),
            source,
        }
    }
}
