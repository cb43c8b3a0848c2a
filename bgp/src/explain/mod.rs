//! `rcni-bgp explain ADDRESS`: the way of a packet to an address, as this node sees it, and what is wrong
//! with it if something is.
//!
//! ```text
//!  kernel (route, next hops, links, neighbours) --+
//!  rcni-bgp's socket (paths, peers, events) ------+--> Facts --> verdict (pure) --> render, or JSON
//!  felix-lite's socket (rules) -------------------+
//! ```
//!
//! The command line asks everybody itself and changes nothing. Who does not answer is said, and the rest is
//! explained without him.

pub mod facts;
pub mod gather;
pub mod kernel;
pub mod render;
pub mod verdict;

pub use facts::Facts;
