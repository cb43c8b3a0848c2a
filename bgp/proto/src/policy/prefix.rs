//! Conditions on prefixes.

use crate::wire::Prefix;

/// How a rule compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// The prefix is the rule's, and its length within the range.
    Equal,
    /// Not `Equal`.
    NotEqual,
    /// The prefix lies in the rule's, and its length within the range.
    In,
    /// Not `In`.
    NotIn,
}

/// A condition on a prefix. A prefix of the other family never matches, whatever the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PrefixMatch {
    /// How to compare.
    pub operator: Operator,
    /// With what.
    pub cidr: Prefix,
    /// Shortest prefix length, inclusive.
    pub min_len: u8,
    /// Longest prefix length, inclusive.
    pub max_len: u8,
}

impl PrefixMatch {
    /// Does it hold for the prefix?
    #[must_use]
    pub fn matches(&self, prefix: &Prefix) -> bool {
        if prefix.is_ipv4() != self.cidr.is_ipv4() {
            return false;
        }
        let length = (self.min_len..=self.max_len).contains(&prefix.prefix());
        let equal =
            prefix.network() == self.cidr.network() && prefix.prefix() == self.cidr.prefix();
        let within = prefix.prefix() >= self.cidr.prefix() && self.cidr.contains(prefix.network());
        match self.operator {
            Operator::Equal => equal && length,
            Operator::NotEqual => !(equal && length),
            Operator::In => within && length,
            Operator::NotIn => !(within && length),
        }
    }
}
