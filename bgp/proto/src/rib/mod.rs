//! The routing information bases.
//!
//! ```text
//!            policy                decision                      policy, export
//! UPDATE ---------------> adj_in ------------> loc ---------------------------> adj_out ---> UPDATE
//!  accepted, rejected or           |            |  changed prefixes marked       taken from it as
//!  unusable: kept with the reason  |            |  in each peer's dirty set      the peer reads
//!                                  v            v
//!                       a status for       change of next
//!                       every path         hops -> FIB
//! ```

pub mod decision;

pub use decision::{Candidate, Decision, PathStatus, Step, Teller, Unusable, decide};
