//! Network prefixes without ambiguity.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// An IPv4 or IPv6 prefix with an explicit length and no bits set behind it.
///
/// `ipnetwork` alone would also take `10.0.0.5/24`, `10.0.0.5` and `10.0.0.0/255.255.255.0`; each of
/// those is more often a slip than an intention, so they are errors here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr(IpNetwork);

/// Why a text is not a [`Cidr`]. The text of each says what to write instead where that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// Bits are set behind the prefix length.
    #[error("{given} has host bits set; the network is {meant}")]
    HostBits {
        /// What was written.
        given: String,
        /// The same with the host bits cleared.
        meant: Cidr,
    },
    /// An address without `/length`.
    #[error("{0} has no prefix length; write {0}/{1} for the one address")]
    NoLength(IpAddr, u8),
    /// The length is not a decimal number, or longer than the address.
    #[error("the prefix length of {given} must be a number from 0 to {max}")]
    Length {
        /// What was written.
        given: String,
        /// 32 or 128.
        max: u8,
    },
    /// Not an address at all.
    #[error("{0:?} is not an IP prefix such as 10.244.1.0/24 or fd00:10::/64")]
    NotAPrefix(String),
}

impl Cidr {
    /// Checks that `network` has no host bits.
    ///
    /// # Errors
    /// [`CidrError::HostBits`], with the network that was probably meant.
    pub fn new(network: IpNetwork) -> Result<Self, CidrError> {
        let masked = Self::masked(network);
        if masked.ip() == network.ip() {
            Ok(masked)
        } else {
            Err(CidrError::HostBits {
                given: network.to_string(),
                meant: masked,
            })
        }
    }

    /// The prefix that contains `network`'s address: host bits are cleared.
    #[must_use]
    pub fn masked(network: IpNetwork) -> Self {
        // The length comes from a valid network, so that `new` cannot fail.
        Self(IpNetwork::new(network.network(), network.prefix()).unwrap_or(network))
    }

    /// The prefix of exactly one address: `/32` or `/128`.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        Self(IpNetwork::from(address))
    }

    /// As the type that the other crates use for prefixes.
    #[must_use]
    pub fn network(&self) -> IpNetwork {
        self.0
    }

    /// The first address.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        self.0.ip()
    }

    /// The length in bits: 0 to 32 or 0 to 128.
    #[must_use]
    pub fn prefix_len(&self) -> u8 {
        self.0.prefix()
    }

    /// The greatest length that this family has: 32 or 128.
    #[must_use]
    pub fn max_len(&self) -> u8 {
        if self.is_ipv4() { 32 } else { 128 }
    }

    /// Whether this is an IPv4 prefix.
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        self.0.is_ipv4()
    }

    /// Whether `address` lies within. False for the other family.
    #[must_use]
    pub fn contains_ip(&self, address: IpAddr) -> bool {
        self.0.contains(address)
    }

    /// Whether all of `other` lies within (also if both are the same).
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        self.prefix_len() <= other.prefix_len() && self.contains_ip(other.ip())
    }

    /// Whether any address lies in both. Prefixes are nested or disjoint, never half and half.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.contains(other) || other.contains(self)
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err(CidrError::NotAPrefix(shorten(text)));
        };
        let max = if address.is_ipv4() { 32 } else { 128 };
        let Some(length) = length else {
            return Err(CidrError::NoLength(address, max));
        };
        let bad_length = || CidrError::Length {
            given: shorten(text),
            max,
        };
        // Digits only: `u8::from_str` would also take "+24".
        if !length.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad_length());
        }
        let length = length.parse::<u8>().map_err(|_| bad_length())?;
        Self::new(IpNetwork::new(address, length).map_err(|_| bad_length())?)
    }
}

/// What was written, in an error text: at most 64 characters of it.
fn shorten(text: &str) -> String {
    match text.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

impl TryFrom<IpNetwork> for Cidr {
    type Error = CidrError;

    fn try_from(network: IpNetwork) -> Result<Self, CidrError> {
        Self::new(network)
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;

    fn try_from(text: String) -> Result<Self, CidrError> {
        text.parse()
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

impl From<Cidr> for IpNetwork {
    fn from(cidr: Cidr) -> Self {
        cidr.0
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cidr(text: &str) -> Cidr {
        text.parse().unwrap()
    }

    #[test]
    fn what_ipnetwork_takes_and_we_do_not() {
        assert!("10.0.0.5/24".parse::<IpNetwork>().is_ok());
        let meant = cidr("10.0.0.0/24");
        let given = "10.0.0.5/24".to_owned();
        assert_eq!(
            "10.0.0.5/24".parse::<Cidr>(),
            Err(CidrError::HostBits { given, meant })
        );

        assert!("10.0.0.5".parse::<IpNetwork>().is_ok());
        let address = "10.0.0.5".parse().unwrap();
        assert_eq!(
            "10.0.0.5".parse::<Cidr>(),
            Err(CidrError::NoLength(address, 32))
        );

        assert!("10.0.0.0/255.255.255.0".parse::<IpNetwork>().is_ok());
        for text in [
            "10.0.0.0/255.255.255.0",
            "10.0.0.0/",
            "10.0.0.0/+24",
            "10.0.0.0/-1",
            "10.0.0.0/24/8",
        ] {
            assert!(
                matches!(text.parse::<Cidr>(), Err(CidrError::Length { max: 32, .. })),
                "{text}"
            );
        }
        for text in [
            "",
            "/24",
            "10.0.0/24",
            " 10.0.0.0/24",
            "fd00:/8",
            "fe80::1%eth0/64",
        ] {
            assert!(
                matches!(text.parse::<Cidr>(), Err(CidrError::NotAPrefix(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn the_ends_of_both_families() {
        for text in [
            "0.0.0.0/0",
            "255.255.255.255/32",
            "::/0",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
        ] {
            assert_eq!(cidr(text).to_string(), text);
        }
        assert!("0.0.0.1/0".parse::<Cidr>().is_err());
        assert!("::1/127".parse::<Cidr>().is_err());
        assert_eq!(Cidr::host("fd00::1".parse().unwrap()), cidr("fd00::1/128"));
        assert_eq!(
            Cidr::masked("10.1.2.3/8".parse().unwrap()),
            cidr("10.0.0.0/8")
        );
    }

    #[test]
    fn containment() {
        let (wide, narrow) = (cidr("10.244.0.0/16"), cidr("10.244.1.0/24"));
        assert!(wide.contains(&narrow) && !narrow.contains(&wide) && wide.contains(&wide));
        assert!(wide.overlaps(&narrow) && narrow.overlaps(&wide));
        assert!(!narrow.overlaps(&cidr("10.244.2.0/24")));
        assert!(!cidr("0.0.0.0/0").contains(&cidr("::/0")));
        assert!(!cidr("::/0").overlaps(&narrow));
        assert!(narrow.contains_ip("10.244.1.255".parse().unwrap()));
        assert!(!narrow.contains_ip("10.244.2.0".parse().unwrap()));
        assert!(!narrow.contains_ip("::ffff:10.244.1.1".parse().unwrap()));
    }

    #[test]
    fn json() {
        assert_eq!(
            serde_json::to_string(&cidr("10.244.1.0/24")).unwrap(),
            r#""10.244.1.0/24""#
        );
        assert!(serde_json::from_str::<Cidr>(r#""10.244.1.1/24""#).is_err());
    }
}
