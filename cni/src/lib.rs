//! The `rcni` CNI plugin: a veth pair and one host route per pod, no bridge, no daemon.
//!
//! ```text
//! runtime --env, stdin--> skel -> netconf -> command/add -> ipam -> netns -> veth -> result --stdout--> runtime
//!                                               |                    (netlink)
//!                                               +-> rollback, if any step fails
//! ```
//!
//! All state is in files on the node and in the kernel; see the README for the order in which it is
//! written and why a process killed at any point leaves nothing that the next DEL does not find.
//! felix-lite uses [`ipam`] and [`naming`].

pub mod command;
pub mod error;
pub mod ipam;
mod jitter;
pub mod naming;
pub mod netconf;
pub mod netlink;
pub mod netns;
pub mod result;
pub mod rollback;
pub mod route;
pub mod skel;
pub mod sysctl;
pub mod uplink;
pub mod veth;
