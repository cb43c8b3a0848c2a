//! How an attachment is named: on the node, on the wire and in the eyes of an operator.
//!
//! Everything follows from the attachment's key (container id, interface name) alone, so that DEL
//! finds what ADD made without any file, and so that two attachments of one container differ.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sha2::{Digest, Sha256};

/// What the names of all host ends begin with.
pub const HOST_PREFIX: &str = "rcni";
/// The MAC address of every host end. It never changes, so that a pod's permanent neighbour entry
/// for the gateway stays right; the links are point to point, so that it need not be unique.
pub const HOST_MAC: [u8; 6] = [0xee; 6];
/// The pods' IPv4 gateway. Link-local (RFC 3927), the same in every pod, and owned by no
/// interface: the pod reaches it by its permanent neighbour entry.
pub const GATEWAY_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// The pods' IPv6 gateway: the host end's link-local address, which follows from [`HOST_MAC`]
/// (RFC 4291 appendix A) and is thus the same in every pod.
pub const GATEWAY_V6: Ipv6Addr = link_local(HOST_MAC);
/// In bytes. The kernel takes `IFLA_IFALIAS` up to `IFALIASZ` less one (255), and the NUL that ends the
/// attribute counts.
const ALIAS_MAX: usize = 254;
/// `IFNAMSIZ` less the final NUL.
const IFNAME_MAX: usize = 15;

/// Why an attachment's key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not `[A-Za-z0-9][A-Za-z0-9_.-]*`.
    #[error(
        "{0:?} is not an identifier: it must begin with a letter or digit, followed by letters, digits, '_', '.' or '-'"
    )]
    Identifier(String),
    /// The kernel would not take it, or would read it as something else.
    #[error(
        "{0:?} is not an interface name: 1 to 15 bytes, without '/', ':', '%', white space or control characters, not \".\" or \"..\""
    )]
    Interface(String),
}

/// The key of an attachment: one interface of one container.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attachment {
    container_id: String,
    ifname: String,
}

impl Attachment {
    /// Checks both parts.
    ///
    /// # Errors
    /// If one of them breaks the rules of the specification or of the kernel.
    pub fn new(container_id: &str, ifname: &str) -> Result<Self, NameError> {
        check_identifier(container_id)?;
        check_interface(ifname)?;
        Ok(Self {
            container_id: container_id.to_owned(),
            ifname: ifname.to_owned(),
        })
    }

    /// `CNI_CONTAINERID`.
    #[must_use]
    pub fn container_id(&self) -> &str {
        &self.container_id
    }

    /// `CNI_IFNAME`.
    #[must_use]
    pub fn ifname(&self) -> &str {
        &self.ifname
    }

    /// The host end's name: `rcni` and 11 hex digits, 15 bytes, the most that the kernel takes.
    #[must_use]
    pub fn host_interface(&self) -> String {
        let hex: String = self.digest()[..6]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{HOST_PREFIX}{}", &hex[..11])
    }

    /// The pod end's MAC address: unicast, locally administered, the same at every ADD of this key.
    /// Chosen here and not by the kernel, so that the result needs no further question.
    #[must_use]
    pub fn pod_mac(&self) -> [u8; 6] {
        let digest = self.digest();
        let mut mac = [0; 6];
        mac.copy_from_slice(&digest[8..14]);
        mac[0] = (mac[0] & 0b1111_1100) | 0b10;
        mac
    }

    fn digest(&self) -> [u8; 32] {
        Sha256::new()
            .chain_update(&self.container_id)
            .chain_update([0])
            .chain_update(&self.ifname)
            .finalize()
            .into()
    }
}

impl fmt::Display for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of container {}", self.ifname, self.container_id)
    }
}

/// The host end's ifalias: `namespace/pod` where a Kubernetes runtime said so, else the container
/// id. Cut to what the kernel takes, between characters.
#[must_use]
pub fn alias(namespace: Option<&str>, pod: Option<&str>, container_id: &str) -> String {
    let mut alias = match (namespace, pod) {
        (Some(namespace), Some(pod)) => format!("{namespace}/{pod}"),
        _ => container_id.to_owned(),
    };
    while alias.len() > ALIAS_MAX {
        alias.pop();
    }
    alias
}

/// The gateway of the pods' addresses and routes of that address's family.
#[must_use]
pub fn gateway_for(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => IpAddr::V4(GATEWAY_V4),
        IpAddr::V6(_) => IpAddr::V6(GATEWAY_V6),
    }
}

/// The link-local address that the kernel derives from a MAC address (RFC 4291 appendix A,
/// modified EUI-64).
#[must_use]
pub const fn link_local(mac: [u8; 6]) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac;
    Ipv6Addr::from_bits(u128::from_be_bytes([
        0xfe,
        0x80,
        0,
        0,
        0,
        0,
        0,
        0,
        a ^ 0b10,
        b,
        c,
        0xff,
        0xfe,
        d,
        e,
        f,
    ]))
}

/// A MAC address as text.
#[must_use]
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

/// The specification's rule for container ids and network names.
///
/// # Errors
/// With the text, if it breaks the rule.
pub fn check_identifier(text: &str) -> Result<(), NameError> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric());
    if first && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-')) {
        Ok(())
    } else {
        Err(NameError::Identifier(text.chars().take(80).collect()))
    }
}

/// The kernel's rule for interface names (`dev_valid_name`). `%` is refused besides: the kernel
/// would take `eth%d` for a pattern and make `eth0`.
fn check_interface(text: &str) -> Result<(), NameError> {
    let forbidden = |c: char| matches!(c, '/' | ':' | '%') || c.is_whitespace() || c.is_control();
    if text.is_empty()
        || text.len() > IFNAME_MAX
        || matches!(text, "." | "..")
        || text.contains(forbidden)
    {
        Err(NameError::Interface(text.chars().take(80).collect()))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_follow_from_the_key_alone() {
        let eth0 = Attachment::new("abc", "eth0").expect("valid");
        // printf 'abc\0eth0' | sha256sum
        assert_eq!(eth0.host_interface(), "rcnid887cd28687");
        assert_eq!(
            eth0.pod_mac()[0] & 0b11,
            0b10,
            "unicast, locally administered"
        );
        let net1 = Attachment::new("abc", "net1").expect("valid");
        assert_ne!(eth0.host_interface(), net1.host_interface());
        assert_ne!(eth0.pod_mac(), net1.pod_mac());
        // The separator keeps ("ab", "ceth0") apart from ("abc", "eth0").
        let shifted = Attachment::new("ab", "ceth0").expect("valid");
        assert_ne!(eth0.host_interface(), shifted.host_interface());
    }

    #[test]
    fn the_ipv6_gateway_is_the_host_ends_link_local_address() {
        assert_eq!(GATEWAY_V6.to_string(), "fe80::ecee:eeff:feee:eeee");
        let pod = link_local([2, 0, 0, 0x12, 0x34, 0x56]);
        assert_eq!(pod.to_string(), "fe80::ff:fe12:3456");
    }

    #[test]
    fn bad_names_are_refused() {
        for id in ["", "-a", ".a", "_a", "a/b", "../a", "a b", "ä", "a\n"] {
            assert!(Attachment::new(id, "eth0").is_err(), "container id {id:?}");
        }
        for name in [
            "",
            ".",
            "..",
            "a/b",
            "a:b",
            "a b",
            "eth%d",
            "a\tb",
            "sixteen-bytes-ab",
            "a\u{7}",
        ] {
            assert!(Attachment::new("abc", name).is_err(), "interface {name:?}");
        }
        for (id, name) in [("a", "e"), ("A1_.-", "fifteen-bytes-a"), ("0", "eth0.100")] {
            assert!(Attachment::new(id, name).is_ok(), "{id:?} {name:?}");
        }
    }

    #[test]
    fn the_alias_names_the_pod_and_fits_the_kernel() {
        assert_eq!(
            alias(Some("default"), Some("web-0"), "abc"),
            "default/web-0"
        );
        assert_eq!(alias(None, Some("web-0"), "abc"), "abc");
        // An 'ö' has two bytes: the last one that fits whole ends at 254, one byte earlier at 253.
        for (namespace, length) in [(63, 254), (62, 253)] {
            let namespace = "n".repeat(namespace);
            let long = alias(Some(&namespace), Some(&"ö".repeat(253)), "abc");
            assert_eq!(long.len(), length);
            assert!(long.ends_with('ö'));
        }
        assert_eq!(alias(None, None, &"a".repeat(254)).len(), 254);
        assert_eq!(alias(None, None, &"a".repeat(255)).len(), 254);
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_named(id in ".{0,40}", ifname in ".{0,20}") {
            if let Ok(attachment) = Attachment::new(&id, &ifname) {
                prop_assert_eq!(attachment.host_interface().len(), 15);
            }
            prop_assert!(alias(Some(&id), Some(&ifname), &id).len() <= 254);
        }
    }
}
