//! The IPv6 settings that netlink does not take. They must hold before an interface goes up; only what
//! differs is written.
//!
//! Host end, for pods with IPv6: `disable_ipv6` 0; `accept_dad` 0, so that its link-local address is
//! usable at once also after somebody set it down and up; `accept_ra` 0, so that no pod can make
//! itself the node's router. For pods without IPv6 the host end has no IPv6 at all: nothing there
//! could use it, and each end of a pod would send its discovery into the void.
//!
//! Pod end, for pods with IPv6: `disable_ipv6` 0, which podman and Docker set to 1 in the namespaces
//! that they make (then also of `lo`, or the pod could not reach its own address); `accept_ra` 0,
//! since there is no router that would advertise itself. Pods without IPv6 keep what they have.

use std::fs;
use std::io::{self, Write};

use crate::error::{CniError, code};
use crate::netconf::Families;
use crate::netlink::{Ipv6Conf, Link};
use crate::netns::Netns;

/// Sets the host end, `link`, up to the point where it may be brought up. Runs in the host's
/// namespace.
///
/// # Errors
/// If IPv6 is wanted and the kernel has none, or a setting cannot be written.
pub fn host_end(link: &Link, families: Families) -> Result<(), CniError> {
    let conf = match link.ipv6 {
        Some(conf) => conf,
        None if families.ipv6 => return Err(no_ipv6("the node", &link.name)),
        None => return Ok(()),
    };
    if !families.ipv6 {
        return set_if(!conf.disabled, &link.name, "disable_ipv6", "1");
    }
    set_if(conf.disabled, &link.name, "disable_ipv6", "0")?;
    set_if(conf.does_dad, &link.name, "accept_dad", "0")?;
    set_if(conf.accepts_ra, &link.name, "accept_ra", "0")
}

/// Sets the pod end, `link`, up to the point where it may get IPv6 addresses; enters the namespace
/// only if something differs.
///
/// # Errors
/// If the kernel has no IPv6, or a setting cannot be written.
pub fn pod_end(netns: &Netns, link: &Link) -> Result<(), CniError> {
    let Some(conf) = link.ipv6 else {
        return Err(no_ipv6("the pod", &link.name));
    };
    let Ipv6Conf {
        disabled,
        accepts_ra,
        ..
    } = conf;
    if !disabled && !accepts_ra {
        return Ok(());
    }
    netns.enter(|| {
        set_if(disabled, "lo", "disable_ipv6", "0")?;
        set_if(disabled, &link.name, "disable_ipv6", "0")?;
        set_if(accepts_ra, &link.name, "accept_ra", "0")
    })
}

fn no_ipv6(whose: &str, name: &str) -> CniError {
    CniError::new(
        code::KERNEL,
        format!("{whose} has no IPv6 (nothing of {name} under /proc/sys/net/ipv6/conf)"),
        "start the kernel without ipv6.disable=1 and load the module ipv6, or take the IPv6 ranges \
         out of the conflist",
    )
}

fn set_if(differs: bool, name: &str, setting: &str, value: &str) -> Result<(), CniError> {
    if !differs {
        return Ok(());
    }
    let path = format!("/proc/sys/net/ipv6/conf/{name}/{setting}");
    write(&path, value).map_err(|error| {
        CniError::new(
            code::KERNEL,
            format!("cannot write {value} to {path}: {error}"),
            "the plugin needs a writable /proc/sys in the host's namespaces",
        )
    })
}

fn write(path: &str, value: &str) -> io::Result<()> {
    // Not `fs::write`: it would try to create what a kernel does not have.
    fs::File::options()
        .write(true)
        .open(path)?
        .write_all(value.as_bytes())
}
