//! Equal attributes, and equal sets of gateways, are stored once, from whichever UPDATE or peer
//! they came.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc;

use crate::speaker::NextHops;

/// What can be shared.
pub(super) trait Shared: Deref + Borrow<Self::Target> + Clone + Eq + Hash {
    /// Does anybody but the pool have it?
    fn is_used(&self) -> bool;
}

impl<T: Eq + Hash> Shared for Arc<T> {
    fn is_used(&self) -> bool {
        Arc::strong_count(self) > 1
    }
}

impl Shared for NextHops {
    fn is_used(&self) -> bool {
        self.copies() > 1
    }
}

/// The pool. It also holds what nobody uses any more, until as much has come in as it held after
/// the last sweep: the cost per attribute set stays constant and the pool below twice the need.
#[derive(Debug)]
pub(super) struct Interner<S> {
    pool: HashSet<S>,
    sweep_at: usize,
}

impl<S> Default for Interner<S> {
    fn default() -> Self {
        Self {
            pool: HashSet::new(),
            sweep_at: 0,
        }
    }
}

/// Not worth a sweep below this many.
const SMALL: usize = 1024;

impl<S: Shared> Interner<S>
where
    S::Target: Eq + Hash,
{
    /// The shared copy of what is equal.
    pub(super) fn intern<V: Borrow<S::Target> + Into<S>>(&mut self, value: V) -> S {
        if let Some(known) = self.pool.get(value.borrow()) {
            return known.clone();
        }
        if self.pool.len() >= self.sweep_at.max(SMALL) {
            self.pool.retain(S::is_used);
            self.sweep_at = self.pool.len() * 2;
        }
        let value = value.into();
        self.pool.insert(value.clone());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::PathAttributes;

    fn attributes(med: u32) -> Arc<PathAttributes> {
        Arc::new(PathAttributes {
            med: Some(med),
            ..PathAttributes::default()
        })
    }

    #[test]
    fn equal_attributes_are_one_and_unused_ones_go() {
        let mut interner = Interner::<Arc<PathAttributes>>::default();
        let kept = interner.intern(attributes(0));
        assert!(Arc::ptr_eq(&kept, &interner.intern(attributes(0))));
        for med in 1..10_000 {
            interner.intern(attributes(med));
            assert!(interner.pool.len() <= SMALL);
        }
        assert!(
            Arc::ptr_eq(&kept, &interner.intern(attributes(0))),
            "what is in use stays"
        );
    }
}
