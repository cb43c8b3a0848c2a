//! Randomised tests.
