//! `accept_ra`: what routers advertise must not become routes of this node. A default route of theirs would
//! outlive BGP, and would be there before it.

use std::io;
use std::path::PathBuf;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepting {
    /// It was 0 already.
    Off,
    /// It was this one, and is 0 now.
    SwitchedOff(String),
    /// It is this one, and cannot be changed.
    Still(String, String),
    /// There is no such setting: no IPv6.
    Unknown,
}

/// Of the namespace of the calling thread.
fn path(interface: &str, setting: &str) -> PathBuf {
    let all = PathBuf::from("/proc/sys/net/ipv6/conf");
    all.join(interface).join(setting)
}

/// A setting of a link.
#[must_use]
pub fn setting(interface: &str, setting: &str) -> Option<String> {
    let text = std::fs::read_to_string(path(interface, setting)).ok()?;
    Some(text.trim().to_owned())
}

/// Switches it off; before that it is told what it was.
#[must_use]
pub fn switch_off(interface: &str, was: impl FnOnce(&str)) -> Accepting {
    let Some(found) = setting(interface, "accept_ra") else {
        return Accepting::Unknown;
    };
    if found == "0" {
        return Accepting::Off;
    }
    was(&found);
    match set(interface, "0") {
        Ok(()) => Accepting::SwitchedOff(found),
        Err(why) => Accepting::Still(found, why),
    }
}

fn set(interface: &str, to: &str) -> Result<(), String> {
    let written: io::Result<()> = std::fs::write(path(interface, "accept_ra"), to);
    match (written, setting(interface, "accept_ra")) {
        (_, Some(is)) if is == to => Ok(()),
        (Err(error), _) => Err(error.to_string()),
        (Ok(()), _) => Err("it was written and is not so".to_owned()),
    }
}

/// What became of a link that nobody means any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It has this again.
    Back(String),
    /// It was not 0 any more: somebody else's word.
    Left(String),
    /// It was to have this, and cannot.
    Failed(String, String),
}

/// Undoes [`switch_off`].
#[must_use]
pub fn put_back(interface: &str, was: &str) -> Restored {
    match setting(interface, "accept_ra") {
        Some(is) if is != "0" => Restored::Left(is),
        _ => match set(interface, was) {
            Ok(()) => Restored::Back(was.to_owned()),
            Err(why) => Restored::Failed(was.to_owned(), why),
        },
    }
}

impl Restored {
    /// For people.
    #[must_use]
    pub fn describe(&self, interface: &str) -> String {
        match self {
            Self::Back(was) => format!("accept_ra of {interface} is {was} again, as it was found"),
            Self::Left(is) => format!("accept_ra of {interface} is {is} already, and is left so"),
            Self::Failed(was, why) => format!(
                "accept_ra of {interface} cannot be set to {was} again, as it was found ({why}); on the \
                 host: `sysctl -w net/ipv6/conf/{interface}/accept_ra={was}`"
            ),
        }
    }
}

impl Accepting {
    /// For people, if there is something to say.
    #[must_use]
    pub fn note(&self, interface: &str) -> Option<String> {
        match self {
            Self::Off | Self::Unknown => None,
            Self::SwitchedOff(was) => Some(format!(
                "accept_ra of {interface} was {was} and is 0 now: a default route from a router \
                 advertisement would outlive BGP"
            )),
            Self::Still(is, why) => Some(format!(
                "accept_ra of {interface} is {is} and cannot be changed ({why}): a default route from a \
                 router advertisement may outlive BGP; on the host: `sysctl -w \
                 net/ipv6/conf/{interface}/accept_ra=0`"
            )),
        }
    }
}

/// Why a link has no link-local address, and what to do.
#[must_use]
pub fn no_address(interface: &str, unsure: bool) -> String {
    if setting(interface, "disable_ipv6").is_none() {
        return format!("{interface} has no IPv6 at all: this kernel, or this link, is without");
    }
    if setting(interface, "disable_ipv6").as_deref() == Some("1") {
        return format!(
            "IPv6 is switched off on {interface}: `sysctl -w net/ipv6/conf/{interface}/disable_ipv6=0`"
        );
    }
    if unsure {
        return format!(
            "the link-local address of {interface} cannot be used yet: duplicate address detection is not \
             through, or has found it elsewhere (`ip -6 address show dev {interface}`)"
        );
    }
    format!(
        "{interface} has no link-local address: `ip link set dev {interface} addrgenmode eui64` and set it \
         down and up, or add one"
    )
}
