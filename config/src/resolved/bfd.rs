//! How the way to a neighbour is watched.

/// Times of BFD (RFC 5880 §6.8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BfdProfile {
    /// bfd.DesiredMinTxInterval while the session is up; 10 to 60000.
    pub transmit_ms: u16,
    /// bfd.RequiredMinRxInterval; 10 to 60000.
    pub receive_ms: u16,
    /// bfd.DetectMult; never 0.
    pub multiplier: u8,
    /// Send nothing before the peer has.
    pub passive: bool,
    /// Over routers (RFC 5883), packets with a lower TTL are dropped; 1 to 254.
    pub minimum_ttl: u8,
}

impl Default for BfdProfile {
    fn default() -> Self {
        Self {
            transmit_ms: 300,
            receive_ms: 300,
            multiplier: 3,
            passive: false,
            minimum_ttl: 254,
        }
    }
}
