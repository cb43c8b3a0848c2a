//! Tests of the RIBs without sessions.
