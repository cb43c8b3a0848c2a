//! Rules as data. No backend's words are in here.

use std::net::IpAddr;

use rcni_config::Cidr;

/// All own chains' names start with this, and no other chain's may.
pub const OWN_PREFIX: &str = "RCNI-";

/// Address family of a rule set; each has its own tables in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, in the order in which they are applied.
    pub const ALL: [Self; 2] = [Self::V4, Self::V6];

    /// The family of a range.
    #[must_use]
    pub fn of(range: &Cidr) -> Self {
        if range.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The plain name of its iptables program.
    #[must_use]
    pub fn iptables(self) -> &'static str {
        match self {
            Self::V4 => "iptables",
            Self::V6 => "ip6tables",
        }
    }

    /// For a table's name in a sentence: nothing for IPv4, `IPv6 ` else.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::V4 => "",
            Self::V6 => "IPv6 ",
        }
    }
}

/// The kernel's tables that are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TableName {
    /// What is let through.
    Filter,
    /// What is translated.
    Nat,
}

impl TableName {
    /// In the order in which they are applied.
    pub const ALL: [Self; 2] = [Self::Filter, Self::Nat];

    /// As the kernel and all tools write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
        }
    }

    /// Its name, if it is one of ours.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.as_str() == name)
    }
}

/// Where in a packet's way a chain is entered from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Between interfaces.
    Forward,
    /// On the way out.
    Postrouting,
}

impl Hook {
    /// The name of the built-in chain.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forward => "FORWARD",
            Self::Postrouting => "POSTROUTING",
        }
    }
}

/// One condition; a rule's conditions must all hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Came in by a link whose name starts so.
    InLinkPrefix(String),
    /// Goes out by a link whose name starts so.
    OutLinkPrefix(String),
    /// Comes from here.
    Source(Cidr),
    /// Goes there.
    Destination(Cidr),
}

/// What becomes of a packet that matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Let through; later rules of this hook and table do not see it.
    Accept,
    /// Back to the built-in chain, where other people's rules go on.
    Return,
    /// Translated to the address of the outgoing link, with a port chosen wholly at random: the
    /// default picks the next free one, and two packets of one moment can be given the same port
    /// and be lost.
    Masquerade,
    /// Translated to this address of the node, with such a port, whichever link it leaves by.
    Snat(IpAddr),
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// All must hold.
    pub matches: Vec<Match>,
    /// What follows then.
    pub action: Action,
    /// For people: printed by `felix-lite render`.
    pub why: String,
}

/// An own chain, and the built-in one that it is entered from as the first rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Starts with [`OWN_PREFIX`].
    pub name: String,
    /// Entered from here.
    pub hook: Hook,
    /// In order.
    pub rules: Vec<Rule>,
}

/// What is wanted in one table. A table without chains means: nothing of ours is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Which.
    pub name: TableName,
    /// The own chains.
    pub chains: Vec<Chain>,
}

/// All that is wanted for one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSet {
    /// Whose tables.
    pub family: Family,
    /// Each of [`TableName::ALL`], once, in that order.
    pub tables: Vec<Table>,
}

impl RuleSet {
    /// Nothing of ours anywhere.
    #[must_use]
    pub fn empty(family: Family) -> Self {
        let tables = TableName::ALL.into_iter();
        Self {
            family,
            tables: tables
                .map(|name| Table {
                    name,
                    chains: Vec::new(),
                })
                .collect(),
        }
    }
}
