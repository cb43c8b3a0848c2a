//! Noticing changes of legacy rules. The kernel tells nobody, but answers the size of a table by one
//! system call, which is cheap enough for every second; a change that keeps the size is found by the
//! next full check.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::model::Family;

/// `IPT_SO_GET_INFO`, linux/netfilter_ipv4/ip_tables.h, and `IP6T_SO_GET_INFO`.
const IPT_SO_GET_INFO: libc::c_int = 64;

/// `struct ipt_getinfo`.
#[repr(C)]
#[derive(Clone, Copy)]
struct GetInfo {
    name: [u8; 32],
    valid_hooks: u32,
    hook_entry: [u32; 5],
    underflow: [u32; 5],
    entries: u32,
    size: u32,
}

/// How many entries a table has and how many bytes they take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Rules, policies and chain heads.
    pub entries: u32,
    /// Bytes.
    pub bytes: u32,
}

/// Asks for tables' sizes.
#[derive(Debug)]
pub struct Probe {
    socket: OwnedFd,
    level: libc::c_int,
}

impl Probe {
    /// For the current network namespace.
    ///
    /// # Errors
    /// No raw socket may be opened.
    pub fn open(family: Family) -> io::Result<Self> {
        let (domain, level) = match family {
            Family::V4 => (libc::AF_INET, libc::SOL_IP),
            Family::V6 => (libc::AF_INET6, libc::SOL_IPV6),
        };
        let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC;
        // SAFETY: no pointers are passed; the result is checked below.
        let socket = unsafe { libc::socket(domain, kind, libc::IPPROTO_RAW) };
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Self {
            // SAFETY: a descriptor that was just opened and that nobody else has.
            socket: unsafe { OwnedFd::from_raw_fd(socket) },
            level,
        })
    }

    /// The size of a table; `None` if the kernel does not have it.
    #[must_use]
    pub fn size(&self, table: &str) -> Option<Size> {
        let mut info = GetInfo {
            name: [0; 32],
            valid_hooks: 0,
            hook_entry: [0; 5],
            underflow: [0; 5],
            entries: 0,
            size: 0,
        };
        // The last byte stays 0: the kernel reads a C string.
        for (slot, byte) in info.name.iter_mut().take(31).zip(table.bytes()) {
            *slot = byte;
        }
        let mut len = libc::socklen_t::try_from(mem::size_of::<GetInfo>()).ok()?;
        // SAFETY: `info` is as large as `len` says and has the kernel's layout; both live until
        // the call returns.
        let failed = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                self.level,
                IPT_SO_GET_INFO,
                (&raw mut info).cast(),
                &raw mut len,
            )
        };
        (failed == 0).then_some(Size {
            entries: info.entries,
            bytes: info.size,
        })
    }
}
