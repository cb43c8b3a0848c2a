//! See the package description; filled by the commits that follow.
