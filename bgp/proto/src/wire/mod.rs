//! The outermost layer: frames and prefixes.

pub mod frame;
pub mod nlri;

pub use frame::{Frame, Framer};
pub use nlri::Nlri;

/// A prefix of either family; host bits beyond the length are zero when it comes from the wire.
pub type Prefix = ipnetwork::IpNetwork;

/// Octets of marker, length and type (RFC 4271 §4.1).
pub const HEADER_LEN: usize = 19;
/// Largest message without RFC 8654.
pub const MAX_MESSAGE_LEN: usize = 4096;
/// Largest message with RFC 8654.
pub const MAX_EXTENDED_MESSAGE_LEN: usize = 65535;
