//! What `GET /v1/metrics` answers: Prometheus' text format, version 0.0.4. Names, labels and their
//! values are stable like those of a status, and no label has values without bound: nothing is said
//! per prefix. The README has the table.

mod bfd;
mod kernel;
mod links;
mod sessions;

pub use bfd::bfd;
pub use kernel::kernel;
pub use links::links;
pub use sessions::sessions;

pub use rcni_control::exposition::{CONTENT_TYPE, Exposition, Kind};

#[cfg(test)]
mod tests;
