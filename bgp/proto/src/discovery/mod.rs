//! Who is at the other end of a link, by router advertisements (RFC 4861), as FRR, Cumulus and SONiC do
//! it for "unnumbered" peers. No IO: bytes and times in, bytes and a verdict out.
//!
//! ```text
//!  bytes, source, hop limit --> message::parse --fine--> Link::hear --+
//!                                  |                                  +--> Link::verdict: whom to dial
//!                                  +-- Malformed: dropped             +--> Link::due: what to send
//! ```
//!
//! Routers (lifetime or not) are neighbours; who only solicits is a host, and gets an answer. What is said
//! in an advertisement beyond who sends it is not looked at: this is no way to get addresses or routes.

mod link;
mod message;

pub use link::{Link, PRESENT, Send, Verdict};
pub use message::{HOP_LIMIT, Malformed, Message, advertisement, parse, solicitation};
