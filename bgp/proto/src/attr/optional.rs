//! A number that may be missing, in as few octets as it takes.

use std::fmt;

/// An `Option<u32>` of 5 octets that aligns to one, where `Option` takes 8: it is what keeps
/// [`PathAttributes`](super::PathAttributes), of which there are hundreds of thousands, one step of the
/// allocator smaller.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct OptionalU32(Option<[u8; 4]>);

impl OptionalU32 {
    /// Missing.
    pub const NONE: Self = Self(None);

    /// The number.
    #[must_use]
    pub const fn get(self) -> Option<u32> {
        match self.0 {
            Some(octets) => Some(u32::from_ne_bytes(octets)),
            None => None,
        }
    }
}

impl From<Option<u32>> for OptionalU32 {
    fn from(number: Option<u32>) -> Self {
        Self(number.map(u32::to_ne_bytes))
    }
}

impl From<u32> for OptionalU32 {
    fn from(number: u32) -> Self {
        Some(number).into()
    }
}

impl PartialEq<Option<u32>> for OptionalU32 {
    fn eq(&self, other: &Option<u32>) -> bool {
        self.get() == *other
    }
}

impl fmt::Debug for OptionalU32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}
