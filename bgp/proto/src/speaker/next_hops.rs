//! Sets of gateways, shared between all routes that have the same.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use super::NextHop;

/// The gateways of a route: sorted, without duplicates. One word; a copy costs no allocation.
#[derive(Clone, Eq)]
pub struct NextHops(Arc<Box<[NextHop]>>);

impl NextHops {
    /// How many there are of this one.
    #[must_use]
    pub fn copies(&self) -> usize {
        Arc::strong_count(&self.0)
    }
}

impl Default for NextHops {
    /// None.
    fn default() -> Self {
        static NONE: LazyLock<NextHops> = LazyLock::new(|| NextHops(Arc::default()));
        NONE.clone()
    }
}

impl Deref for NextHops {
    type Target = [NextHop];

    fn deref(&self) -> &[NextHop] {
        &self.0
    }
}

impl From<Vec<NextHop>> for NextHops {
    fn from(mut hops: Vec<NextHop>) -> Self {
        hops.sort_unstable();
        hops.dedup();
        Self(Arc::new(hops.into()))
    }
}

impl From<&[NextHop]> for NextHops {
    fn from(hops: &[NextHop]) -> Self {
        hops.to_vec().into()
    }
}

impl<const N: usize> From<[NextHop; N]> for NextHops {
    fn from(hops: [NextHop; N]) -> Self {
        hops.to_vec().into()
    }
}

impl FromIterator<NextHop> for NextHops {
    fn from_iter<I: IntoIterator<Item = NextHop>>(hops: I) -> Self {
        hops.into_iter().collect::<Vec<_>>().into()
    }
}

// As sets: where they are stored makes no difference. Most are one and the same.
impl PartialEq for NextHops {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || **self == **other
    }
}

impl Hash for NextHops {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl Borrow<[NextHop]> for NextHops {
    fn borrow(&self) -> &[NextHop] {
        self
    }
}

impl fmt::Debug for NextHops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
