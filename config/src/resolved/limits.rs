//! How many prefixes a peer may announce.

use std::num::NonZeroU32;

/// Prefixes that are taken from a peer, counted before any filter; there is a limit for at least one
/// family that the session offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaximumPrefixes {
    /// For IPv4.
    pub ipv4: Option<NonZeroU32>,
    /// For IPv6.
    pub ipv6: Option<NonZeroU32>,
    /// At which part of a limit there is a warning: 1 to 100.
    pub warning_percent: u8,
    /// What happens when there are more.
    pub action: LimitAction,
}

/// What happens to a session with too many prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitAction {
    /// It ends, and comes back after so many seconds; at least 1.
    Restart(u16),
    /// It ends, and stays down until somebody starts it.
    Shutdown,
    /// It stays, and further prefixes are not taken.
    Drop,
    /// It stays, and it is only said.
    Warn,
}
