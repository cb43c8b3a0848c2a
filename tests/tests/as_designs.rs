//! The ways to give AS numbers to nodes and ToRs, each a topology: `containerlab/README.md` has
//! the table.

mod common;
mod designs;
