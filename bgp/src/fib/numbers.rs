//! Equal values, kept once, by number: a hundred thousand routes have a handful of sets of next hops.

use std::collections::HashMap;
use std::hash::Hash;

/// No value has this number.
pub const NONE: u32 = 0;

#[derive(Debug)]
struct Slot<T> {
    value: T,
    users: u32,
}

/// Invariant: as many users of a value are counted as were taken and not given back; a value without
/// users is forgotten, and its number is another's then.
#[derive(Debug)]
pub struct Numbers<T> {
    /// From number 1 on.
    slots: Vec<Option<Slot<T>>>,
    /// Not iterated.
    numbers: HashMap<T, u32>,
    free: Vec<u32>,
}

impl<T> Default for Numbers<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            numbers: HashMap::new(),
            free: Vec::new(),
        }
    }
}

impl<T: Clone + Eq + Hash> Numbers<T> {
    /// The number of a value, with one more user. True: it is new.
    pub fn take(&mut self, value: &T) -> (u32, bool) {
        if let Some(number) = self.numbers.get(value).copied() {
            self.more(number);
            return (number, false);
        }
        let slot = Some(Slot {
            value: value.clone(),
            users: 1,
        });
        let number = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            u32::try_from(self.slots.len()).unwrap_or(u32::MAX)
        });
        if let Some(place) = self.slots.get_mut(place(number)) {
            *place = slot;
        }
        self.numbers.insert(value.clone(), number);
        (number, true)
    }

    /// One more user of what has users already.
    pub fn more(&mut self, number: u32) {
        if let Some(Some(slot)) = self.slots.get_mut(place(number)) {
            slot.users = slot.users.saturating_add(1);
        }
    }

    /// One user less. True: it was the last one, and the value is forgotten.
    pub fn give_back(&mut self, number: u32) -> bool {
        let Some(place) = self.slots.get_mut(place(number)) else {
            return false;
        };
        let Some(slot) = place else { return false };
        slot.users = slot.users.saturating_sub(1);
        if slot.users > 0 {
            return false;
        }
        self.numbers.remove(&slot.value);
        *place = None;
        self.free.push(number);
        true
    }

    /// The value.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<&T> {
        let slot = self.slots.get(place(number))?.as_ref()?;
        Some(&slot.value)
    }

    /// All that have users.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots.iter().zip(1..).filter_map(|(slot, number)| {
            let slot = slot.as_ref()?;
            Some((number, &slot.value))
        })
    }
}

fn place(number: u32) -> usize {
    (number as usize).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stays_while_it_is_used_and_is_anothers_then() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.take(&"one"), (1, true));
        assert_eq!(numbers.take(&"two"), (2, true));
        assert_eq!(numbers.take(&"one"), (1, false));
        assert!(!numbers.give_back(1));
        assert_eq!(numbers.get(1), Some(&"one"));
        assert!(numbers.give_back(1));
        assert_eq!((numbers.get(1), numbers.get(NONE)), (None, None));
        assert!(!numbers.give_back(1) && !numbers.give_back(NONE));
        assert_eq!(numbers.take(&"three"), (1, true));
        let all: Vec<_> = numbers.iter().collect();
        assert_eq!(all, [(1, &"three"), (2, &"two")]);
    }
}
