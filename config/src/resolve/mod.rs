//! From what is written to what is meant: every check that is about meaning, all errors collected.
//!
//! A function here records what it refuses in the [`Report`] and returns something usable or
//! `None`, so that the next check still runs. Nothing is handed out unless the report stays empty.

mod bfd;
mod felix;
mod filter;
mod peer;
mod report;
mod speaker;
mod subject;
mod usable;

pub(crate) use report::Label;
pub use report::Report;
pub use speaker::speaker;
pub(crate) use speaker::{misplaced_speaker, object_name};

pub(crate) use felix::{felix, misplaced_felix};
