//! The CNI error object: what the runtime, and through it `kubectl describe pod`, shows.
//!
//! Every error names the thing (`msg`) and the next step (`details`).

use std::fmt;

use serde::Serialize;

use crate::ipam::IpamError;
use crate::netlink::NetlinkError;

/// Error codes: 0 to 99 belong to the specification, ours start at 100.
pub mod code {
    /// The configuration's `cniVersion` is not supported.
    pub const INCOMPATIBLE_VERSION: u32 = 1;
    /// A field or value that the configuration asks for is not offered.
    pub const UNSUPPORTED_FIELD: u32 = 2;
    /// A `CNI_*` variable is missing or wrong.
    pub const INVALID_ENVIRONMENT: u32 = 4;
    /// Reading stdin or writing stdout failed.
    pub const IO: u32 = 5;
    /// The configuration is not JSON.
    pub const DECODE: u32 = 6;
    /// The configuration is JSON, but its content is wrong.
    pub const INVALID_CONFIG: u32 = 7;
    /// A transient condition: the same call can succeed later.
    pub const TRY_AGAIN_LATER: u32 = 11;
    /// No address is left in the ranges.
    pub const POOL_EXHAUSTED: u32 = 100;
    /// The attachment, its interface or the requested address is already there.
    pub const ALREADY_EXISTS: u32 = 101;
    /// The kernel refused a step of the wiring.
    pub const KERNEL: u32 = 102;
    /// The files under `dataDir` cannot be read or written.
    pub const STATE: u32 = 103;
    /// A delegated IPAM plugin could not be run, or answered something unusable.
    pub const DELEGATE: u32 = 104;
}

/// An error as the specification wants it on stdout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CniError {
    /// One of [`code`], or a delegated plugin's own.
    pub code: u32,
    /// What is wrong, and with what.
    pub msg: String,
    /// What to do next.
    pub details: String,
}

impl CniError {
    /// An error with its next step.
    pub fn new(code: u32, msg: impl Into<String>, details: impl Into<String>) -> Self {
        Self {
            code,
            msg: msg.into(),
            details: details.into(),
        }
    }

    /// A `CNI_*` variable that is missing or wrong.
    pub fn environment(msg: impl Into<String>, details: impl Into<String>) -> Self {
        Self::new(code::INVALID_ENVIRONMENT, msg, details)
    }

    /// A configuration that cannot be used.
    pub fn config(msg: impl Into<String>, details: impl Into<String>) -> Self {
        Self::new(code::INVALID_CONFIG, msg, details)
    }

    /// A configuration that asks for something that is not offered.
    pub fn unsupported(msg: impl Into<String>, details: impl Into<String>) -> Self {
        Self::new(code::UNSUPPORTED_FIELD, msg, details)
    }

    /// Adds what went wrong afterwards (a roll-back, a further step of DEL).
    #[must_use]
    pub fn and(mut self, further: &[String]) -> Self {
        if !further.is_empty() {
            self.details = format!("{}; also: {}", self.details, further.join("; "));
        }
        self
    }

    /// The object for stdout. `version` is the request's, as far as it could be read.
    #[must_use]
    pub fn to_json(&self, version: &str) -> String {
        let object = ErrorObject {
            cni_version: version,
            code: self.code,
            msg: &self.msg,
            details: &self.details,
        };
        // Strings and a number always serialise; the fallback keeps this total.
        serde_json::to_string(&object).unwrap_or_else(|_| format!("{{\"code\":{}}}", self.code))
    }
}

#[derive(Serialize)]
struct ErrorObject<'a> {
    #[serde(rename = "cniVersion")]
    cni_version: &'a str,
    code: u32,
    msg: &'a str,
    details: &'a str,
}

impl fmt::Display for CniError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) [code {}]", self.msg, self.details, self.code)
    }
}

impl std::error::Error for CniError {}

impl From<NetlinkError> for CniError {
    fn from(error: NetlinkError) -> Self {
        if error.errno == libc::EINTR {
            // A list that did not hold still.
            let details = "try again; many interfaces or routes come and go on this node just now";
            return Self::new(code::TRY_AGAIN_LATER, error.to_string(), details);
        }
        let step = &error.step;
        let details = match error.errno {
            libc::EPERM | libc::EACCES => {
                "run the plugin as root (it needs CAP_NET_ADMIN and CAP_SYS_ADMIN)".to_owned()
            }
            // Nothing is in the way: the kernel does not take a value.
            libc::EINVAL | libc::ERANGE | libc::EADDRNOTAVAIL | libc::EOPNOTSUPP => format!(
                "the kernel does not take a value that was to be set here: {step}; correct it where it \
                 comes from (the conflist, runtimeConfig, CNI_ARGS), else report it with `uname -r`"
            ),
            _ => format!(
                "this was to be done: {step}; `ip link` and `ip route` on the node and in the pod show \
                 what is in the way; ADD and DEL can be repeated"
            ),
        };
        Self::new(code::KERNEL, error.to_string(), details)
    }
}

impl From<IpamError> for CniError {
    fn from(error: IpamError) -> Self {
        let msg = error.to_string();
        match error {
            IpamError::Exhausted { .. } => Self::new(
                code::POOL_EXHAUSTED,
                msg,
                "delete pods on this node, or give it a larger pod CIDR",
            ),
            IpamError::AlreadyAttached { .. } => Self::new(
                code::ALREADY_EXISTS,
                msg,
                "run DEL for this container and interface first; the existing attachment was left as it is",
            ),
            IpamError::Taken(_) => Self::new(
                code::ALREADY_EXISTS,
                msg,
                "request another address, or end the pod that holds it",
            ),
            IpamError::OutsideRanges(_) => Self::config(
                msg,
                "request an address inside of the configured ranges, not the gateway's or the broadcast address",
            ),
            IpamError::Surplus(_) => Self::config(
                msg,
                "request one address of each set in ipam.ranges; nothing was reserved",
            ),
            IpamError::Busy { .. } => Self::new(
                code::TRY_AGAIN_LATER,
                msg,
                "try again; `fuser -v` on the lock file shows who holds it",
            ),
            IpamError::File { .. } => Self::new(
                code::STATE,
                msg,
                "see that the folder is writable, has free space and inodes, and try again",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_refused_is_named_with_a_next_step_that_fits() {
        for (errno, words) in [
            (libc::ERANGE, "does not take a value"),
            (libc::EINVAL, "does not take a value"),
            (libc::EEXIST, "what is in the way"),
            (libc::EBUSY, "what is in the way"),
        ] {
            let error = CniError::from(NetlinkError {
                step: "set x up with the alias \"y\"".to_owned(),
                errno,
                kernel: Some("Attribute failed policy validation".to_owned()),
            });
            assert_eq!(error.code, code::KERNEL);
            assert!(
                error.details.contains("set x up with the alias \"y\""),
                "{error}"
            );
            assert!(error.details.contains(words), "{error}");
        }
    }
}
