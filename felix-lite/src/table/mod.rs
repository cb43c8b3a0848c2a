//! Packet filter rules: from a model to what the kernel has, and back.
//!
//! ```text
//! model --render--> restore text --.
//!                                  +--diff--> plan --apply--> iptables-restore --noflush
//! iptables-save ----save---------> '
//! ```
//!
//! Only [`render`], [`save`] and [`backend`] know iptables' words; [`model`] is what a native
//! nftables backend would start from.

pub mod apply;
pub mod backend;
pub mod diff;
pub mod keeper;
pub mod leftover;
pub mod legacy;
pub mod model;
pub mod render;
pub mod runner;
pub mod save;

#[cfg(test)]
mod tests;
