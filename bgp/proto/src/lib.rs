//! BGP-4 without IO: codec, state machines, RIBs and policy.
//!
//! No socket, no clock, no configuration file: bytes and `now` come in, bytes, deadlines and
//! route changes come out. The modules are named after the way of a route:
//!
//! ```text
//! bytes -> intake (wire::frame -> message -> validate) -> fsm -> policy -> rib -> message::pack -> bytes
//! ```
//!
//! `message` says what the wire said, `validate` says what is accepted and with which reaction
//! (RFC 4271 §6, RFC 7606). See the crate's README for the invariants.

pub mod attr;
pub mod bfd;
pub mod capability;
pub mod discovery;
pub mod error;
pub mod fsm;
pub mod iana;
pub mod intake;
pub mod message;
pub mod policy;
pub mod rib;
pub mod speaker;
pub mod validate;
pub mod wire;

pub use attr::{AsPath, NextHop, Origin, PathAttributes};
pub use capability::Capability;
pub use error::Notification;
pub use iana::Family;
pub use message::{Message, Open, RouteRefresh, Update};
pub use wire::{Nlri, Prefix};
