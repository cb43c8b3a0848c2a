//! Which network interfaces of a node are meant.

use std::fmt;
use std::str::FromStr;

/// The kernel's names are shorter than its buffer of 16 (`IFNAMSIZ`).
const LONGEST: usize = 15;

/// The name of a network interface, or a pattern in which `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkPattern(String);

/// Why a text is no [`LinkPattern`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkPatternError {
    /// Nothing, or one of the two names that are folders.
    #[error("{0:?} is not the name of an interface")]
    NoName(String),
    /// A character that no interface has in its name.
    #[error("{0:?} has {1:?}, which no interface has in its name")]
    Character(String, char),
    /// More than the kernel has room for.
    #[error("{0:?} is longer than the 15 characters that the name of an interface has at most")]
    TooLong(String),
}

impl LinkPattern {
    /// Whether `*` is in it.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.0.contains('*')
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How much it says: of two that fit an interface the one with more counts. A name says more than
    /// every pattern.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self.is_pattern() {
            true => self.0.chars().filter(|c| *c != '*').count(),
            false => LONGEST + 1,
        }
    }

    /// Whether the interface is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(rest) = parts.next().and_then(|first| name.strip_prefix(first)) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        let Some(mut rest) = rest.strip_suffix(last) else {
            return false;
        };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        true
    }
}

impl FromStr for LinkPattern {
    type Err = LinkPatternError;

    fn from_str(text: &str) -> Result<Self, LinkPatternError> {
        let text = text.to_owned();
        if matches!(text.as_str(), "" | "." | "..") {
            return Err(LinkPatternError::NoName(text));
        }
        let odd = |c: &char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '%');
        if let Some(odd) = text.chars().find(odd) {
            return Err(LinkPatternError::Character(text, odd));
        }
        if text.bytes().filter(|byte| *byte != b'*').count() > LONGEST || text.len() > 2 * LONGEST {
            return Err(LinkPatternError::TooLong(text));
        }
        Ok(Self(text))
    }
}

impl fmt::Display for LinkPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matching(pattern: &str, names: &[&str]) -> Vec<String> {
        let pattern: LinkPattern = pattern.parse().unwrap();
        let names = names.iter().filter(|name| pattern.matches(name));
        names.map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn stars_stand_for_any_characters() {
        let all = ["eth0", "eth1", "eth10", "eth", "xeth1", "eno1", "ens1f0np0"];
        assert_eq!(matching("eth1", &all), ["eth1"]);
        assert_eq!(matching("eth*", &all), ["eth0", "eth1", "eth10", "eth"]);
        assert_eq!(matching("*1", &all), ["eth1", "xeth1", "eno1"]);
        assert_eq!(matching("e*1", &all), ["eth1", "eno1"]);
        assert_eq!(matching("en*f*np0", &all), ["ens1f0np0"]);
        assert_eq!(matching("*", &all), all);
        // The ends may not share characters.
        assert!(matching("eth*th0", &["eth0"]).is_empty());
        assert_eq!(matching("a*b*b", &["ab", "abb", "abxb"]), ["abb", "abxb"]);
    }

    #[test]
    fn who_says_more_counts() {
        let weight = |text: &str| text.parse::<LinkPattern>().unwrap().weight();
        assert!(weight("e") > weight("averylongnames*"));
        assert!(weight("eth*") > weight("e*"));
        assert!(weight("e*") > weight("*"));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "",
            ".",
            "..",
            "a b",
            "a/b",
            "eth0:1",
            "fe80::1%eth0",
            "sixteencharacter",
            "a\n",
        ] {
            assert!(text.parse::<LinkPattern>().is_err(), "{text:?}");
        }
        assert!("fifteencharacte".parse::<LinkPattern>().is_ok());
        assert!("fifteencharacte*".parse::<LinkPattern>().is_ok());
        assert!("*".repeat(1000).parse::<LinkPattern>().is_err());
    }
}
