//! Addresses that are nobody's network, and what a pod range must be. The plugin asks here too, so
//! that `felix-lite check` refuses what its ADD would refuse.

use crate::Cidr;

/// Reserved blocks and what they are (RFC 6890 §2.2, RFC 5771, RFC 4291 §2.4 to §2.7).
const BLOCKS: [(&str, &str); 10] = [
    ("0.0.0.0/8", "of this network (RFC 1122)"),
    ("127.0.0.0/8", "loopback"),
    (
        "169.254.0.0/16",
        "link-local, as the pods' gateway 169.254.1.1",
    ),
    ("224.0.0.0/4", "multicast"),
    ("240.0.0.0/4", "reserved (RFC 1112)"),
    ("::1/128", "loopback"),
    ("::/96", "reserved (RFC 4291)"),
    ("::ffff:0:0/96", "IPv4-mapped"),
    ("fe80::/10", "link-local"),
    ("ff00::/8", "multicast"),
];

/// All blocks: the addresses, and a word for what they are.
pub(crate) fn blocks() -> impl Iterator<Item = (Cidr, &'static str)> {
    let parsed = |(text, what): (&str, _)| text.parse().ok().map(|block| (block, what));
    BLOCKS.into_iter().filter_map(parsed)
}

/// Why pods cannot get addresses out of a range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotForPods {
    /// Nothing is left besides network, gateway and broadcast address.
    #[error("{0} is too small to give out addresses to pods")]
    TooSmall(Cidr),
    /// It lies in a reserved block, or has one in it.
    #[error(
        "{range} {}, and no pod can have such an address",
        is(range, block, what)
    )]
    Reserved {
        /// The range.
        range: Cidr,
        /// The block.
        block: Cidr,
        /// What the block is.
        what: &'static str,
    },
}

fn is(range: &Cidr, block: &Cidr, what: &str) -> String {
    if block.contains(range) {
        format!("is {what}")
    } else {
        format!("has addresses that are {what} ({block})")
    }
}

impl NotForPods {
    /// What to write instead.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::TooSmall(range) if range.is_ipv4() => "write a range of /30 or larger",
            Self::TooSmall(_) => "write a range of /126 or larger",
            Self::Reserved { range, .. } if range.is_ipv4() => {
                "write a private range such as 10.244.1.0/24"
            }
            Self::Reserved { .. } => "write one inside of fd00::/8 or of your global prefix",
        }
    }
}

/// Whether pods can get addresses out of `range`.
///
/// # Errors
/// Why not.
pub fn for_pods(range: &Cidr) -> Result<(), NotForPods> {
    if let Some((block, what)) = blocks().find(|(block, _)| block.overlaps(range)) {
        let range = *range;
        return Err(NotForPods::Reserved { range, block, what });
    }
    if range.max_len() - range.prefix_len() < 2 {
        return Err(NotForPods::TooSmall(*range));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_is_a_prefix() {
        assert_eq!(blocks().count(), BLOCKS.len());
    }
}
