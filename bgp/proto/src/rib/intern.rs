//! Equal attributes, and equal sets of gateways, are stored once, from whichever UPDATE or peer
//! they came.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// The pool. It also holds what nobody uses any more, until as much has come in as it held after
/// the last sweep: the cost per attribute set stays constant and the pool below twice the need.
#[derive(Debug)]
pub(super) struct Interner<T: ?Sized> {
    pool: HashSet<Arc<T>>,
    sweep_at: usize,
}

impl<T: ?Sized> Default for Interner<T> {
    fn default() -> Self {
        Self {
            pool: HashSet::new(),
            sweep_at: 0,
        }
    }
}

/// Not worth a sweep below this many.
const SMALL: usize = 1024;

impl<T: ?Sized + Eq + Hash> Interner<T> {
    /// The shared copy of what is equal.
    pub(super) fn intern<V: AsRef<T> + Into<Arc<T>>>(&mut self, value: V) -> Arc<T> {
        if let Some(known) = self.pool.get(value.as_ref()) {
            return Arc::clone(known);
        }
        if self.pool.len() >= self.sweep_at.max(SMALL) {
            self.pool.retain(|shared| Arc::strong_count(shared) > 1);
            self.sweep_at = self.pool.len() * 2;
        }
        let value = value.into();
        self.pool.insert(Arc::clone(&value));
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
        let mut interner = Interner::default();
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
