//! The words between the table, the writer and the task: what to write, how it went, what is there.

use std::fmt;

use super::{Prefix, Target};

/// One write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// There is no route of ours.
    Create {
        /// Destination.
        prefix: Prefix,
        /// Where it leads.
        target: Target,
    },
    /// There is one, with other next hops.
    Replace {
        /// Destination.
        prefix: Prefix,
        /// Where it leads.
        target: Target,
    },
    /// There is one, and none is wanted.
    Delete {
        /// Destination.
        prefix: Prefix,
        /// What is there; `None`: whatever is there. Only IPv6 looks at it.
        target: Option<Target>,
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

/// What a dump showed to be different from what was believed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Drift {
    /// Believed in the kernel and not there.
    pub vanished: Sample,
    /// There, and leading elsewhere.
    pub altered: Sample,
    /// There and not believed to be.
    pub unexpected: Sample,
}

/// Prefixes: how many, and some of them for the log.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// How many.
    pub count: usize,
    /// The first ones.
    pub some: Vec<Prefix>,
}

/// How many prefixes a log line about drift names.
const NAMED: usize = 3;

impl Sample {
    /// One more.
    pub fn add(&mut self, prefix: Prefix) {
        self.count += 1;
        if self.some.len() < NAMED {
            self.some.push(prefix);
        }
    }
}
