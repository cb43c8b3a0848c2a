//! The words between the table, the writer and the task: what to write, how it went, what is there.

use std::collections::HashMap;
use std::fmt;

use rcni_bgp_proto::rib::PrefixMap;

use super::rivals::Others;
use super::{NextHops, Prefix};

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is no route of ours.
    Create {
        /// Destination.
        prefix: Prefix,
        /// Never empty.
        next_hops: NextHops,
    },
    /// There is one, with other next hops.
    Replace {
        /// Destination.
        prefix: Prefix,
        /// Never empty.
        next_hops: NextHops,
    },
    /// There is one, and none is wanted.
    Delete {
        /// Destination.
        prefix: Prefix,
        /// What is there; empty: whatever is there. Only IPv6 looks at it.
        next_hops: NextHops,
    },
}

impl Change {
    /// What it is about.
    #[must_use]
    pub fn prefix(&self) -> Prefix {
        match self {
            Self::Create { prefix, .. }
            | Self::Replace { prefix, .. }
            | Self::Delete { prefix, .. } => *prefix,
        }
    }
}

/// How a write went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// A creation found a route in its place (`EEXIST`).
    Exists,
    /// Nothing to replace or delete (`ENOENT`, `ESRCH`).
    Missing,
    /// The kernel's errno.
    Refused(i32),
    /// The request did not reach the kernel; errno.
    NotSent(i32),
    /// No answer: what the kernel has must be asked.
    Unknown,
}

/// What a refusal for want of memory, or in the middle of something, is: nothing is wrong with the
/// request.
#[must_use]
pub fn is_passing(errno: i32) -> bool {
    matches!(
        errno,
        libc::ENOMEM | libc::ENOBUFS | libc::EAGAIN | libc::EINTR | libc::EBUSY
    )
}

/// Why a prefix is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Another program's route has the place; its protocol number if that is known already.
    Held(Option<u8>),
    /// The kernel's errno.
    Errno(i32),
    /// The request did not reach the kernel; errno.
    NotSent(i32),
    /// The answer did not come, or was lost.
    NoAnswer,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(Some(protocol)) => write!(
                f,
                "another program's route (protocol {protocol}) has this prefix, metric and table: left alone"
            ),
            Self::Held(None) => f.write_str("a route with this prefix, metric and table exists"),
            Self::Errno(libc::ENETUNREACH | libc::EHOSTUNREACH) => {
                f.write_str("a next hop is not on any connected network")
            }
            Self::Errno(libc::ENETDOWN) => {
                f.write_str("the link of a next hop is down (ENETDOWN): set it up")
            }
            Self::Errno(libc::ENODEV) => {
                f.write_str("the link of a next hop does not exist any more (ENODEV)")
            }
            // What the kernel says of a link without IPv6.
            Self::Errno(libc::EACCES) => f.write_str(
                "IPv6 is switched off on the link of a next hop (EACCES): set its disable_ipv6 to 0",
            ),
            Self::Errno(libc::EOPNOTSUPP | libc::EAFNOSUPPORT) => {
                f.write_str("this kernel has no IPv6 (EOPNOTSUPP)")
            }
            Self::Errno(libc::EINVAL) => f.write_str(
                "the kernel takes no such route now (EINVAL): the link of a link-local next hop has \
                 lost its IPv6 addresses, or the next hop is this node's own",
            ),
            Self::Errno(libc::EPERM) => {
                f.write_str("the kernel does not permit it (EPERM): CAP_NET_ADMIN was lost")
            }
            Self::Errno(code) if is_passing(*code) => write!(
                f,
                "the kernel is short of memory or busy ({}): it is tried again within a minute; look at the memory of this machine",
                name(*code)
            ),
            Self::Errno(code) => write!(f, "{}", std::io::Error::from_raw_os_error(*code)),
            Self::NotSent(libc::ETIMEDOUT) => f.write_str(
                "the kernel has been busy with an earlier netlink request for 5 s: this one waits for it",
            ),
            Self::NotSent(code) => write!(
                f,
                "netlink requests cannot be sent ({}): look for a security policy (SELinux, seccomp) or \
                 want of memory; it is tried again within a minute",
                std::io::Error::from_raw_os_error(*code)
            ),
            Self::NoAnswer => f.write_str(
                "the kernel's answer was lost or did not come within 5 s: its routes are read, and what \
                 differs is written again",
            ),
        }
    }
}

/// Of those that [`is_passing`] knows.
fn name(errno: i32) -> &'static str {
    match errno {
        libc::ENOMEM => "ENOMEM",
        libc::ENOBUFS => "ENOBUFS",
        libc::EAGAIN => "EAGAIN",
        libc::EINTR => "EINTR",
        _ => "EBUSY",
    }
}

/// What a dump showed.
#[derive(Debug, Default)]
pub struct Found {
    /// Own routes.
    pub ours: PrefixMap<NextHops>,
    /// Protocol of foreign routes that stand where ours would; `None` if only own routes were
    /// asked for.
    pub foreign: Option<HashMap<Prefix, u8>>,
    /// All foreign routes of the table, also those at another metric; `None` as with `foreign`.
    pub others: Option<Others>,
}

impl Found {
    /// Forgets a family (`AF_*`).
    pub(super) fn forget(&mut self, family: u8) {
        let keep = |prefix: &Prefix| prefix.is_ipv4() != (family == super::message::family::INET);
        self.ours.retain(|prefix, _| keep(&prefix));
        if let Some(foreign) = &mut self.foreign {
            foreign.retain(|prefix, _| keep(prefix));
        }
        if let Some(others) = &mut self.others {
            others.retain(keep);
        }
    }
}

/// What a dump showed to be different from what was believed; prefixes as samples for the log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// Believed in the kernel and not there.
    pub vanished: Vec<Prefix>,
    /// There with other next hops.
    pub altered: Vec<Prefix>,
    /// There and not believed to be.
    pub unexpected: Vec<Prefix>,
}
