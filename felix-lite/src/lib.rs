//! `felix-lite`, the node agent: makes a node ready for routed pods and keeps it so.
//!
//! ```text
//! felix.yaml -> desired -> rules -> table/{model, render, save, diff, apply} -> iptables-restore
//!                  |-> uplink, sysctl, compat, linkdown -> /proc/sys/net
//!                  |-> blackhole   -> rtnetlink
//!                  '-> conflist    -> /etc/cni/net.d        (last of all)
//! agent -> control (what the last pass found) <- felix-lite status, Prometheus, the kubelet
//! monitor (nftables, routes, forwarding, folder) -> agent -> the same way again
//! ```
//!
//! [`desired`] is a pure function of the configuration; everything after it compares what is with
//! what should be and changes only the difference, so that a pass over a node that is right writes
//! nothing. What was changed, and how it was before, is kept by [`state`] for `felix-lite clean`.

pub mod agent;
pub mod blackhole;
pub mod clean;
pub mod cli;
pub mod compat;
pub mod conflist;
pub mod control;
pub mod desired;
pub mod linkdown;
pub mod monitor;
pub mod nfnetlink;
pub mod readers;
pub mod rules;
mod schedule;
pub mod source;
pub mod state;
pub mod sysctl;
pub mod table;
pub mod uplink;
