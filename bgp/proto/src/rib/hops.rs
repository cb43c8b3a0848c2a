//! The sets of gateways in use, by number: what a prefix remembers of its next hops is a
//! [mark](super::PrefixMap::mark).

use std::collections::HashMap;

use super::table::MARK_MAX;
use crate::speaker::{NextHop, NextHops};

/// One set.
#[derive(Debug)]
struct Slot {
    hops: NextHops,
    /// Prefixes that have it.
    users: usize,
}

/// Equal sets have equal numbers; 0 is the empty one. Invariant: as many users of a set are counted
/// as were [taken](Hops::take) and not [given back](Hops::give_back).
#[derive(Debug, Default)]
pub(super) struct Hops {
    /// From number 1 on.
    slots: Vec<Slot>,
    /// Not iterated.
    numbers: HashMap<NextHops, u32>,
    /// Numbers that nobody uses.
    free: Vec<u32>,
}

/// Sets beyond those that marks can count; whether two of them are one is not known.
const BEYOND: u32 = MARK_MAX;

impl Hops {
    /// The number of a set that is sorted and without duplicates, with one more user; and the shared
    /// copy of it.
    pub(super) fn take(&mut self, hops: Vec<NextHop>) -> (u32, NextHops) {
        if hops.is_empty() {
            return (0, NextHops::default());
        }
        if let Some(number) = self.numbers.get(&hops[..]).copied()
            && let Some(slot) = self.slot_mut(number)
        {
            slot.users += 1;
            return (number, slot.hops.clone());
        }
        let hops = NextHops::from(hops);
        let slot = Slot {
            hops: hops.clone(),
            users: 1,
        };
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(place) = self.slot_mut(number) {
                    *place = slot;
                }
                number
            }
            None => {
                let next = u32::try_from(self.slots.len() + 1).unwrap_or(BEYOND);
                if next >= BEYOND {
                    return (BEYOND, hops);
                }
                self.slots.push(slot);
                next
            }
        };
        self.numbers.insert(hops.clone(), number);
        (number, hops)
    }

    /// One user less.
    pub(super) fn give_back(&mut self, number: u32) {
        let Some(slot) = self.slot_mut(number) else {
            return;
        };
        slot.users = slot.users.saturating_sub(1);
        if slot.users == 0 {
            let hops = std::mem::take(&mut slot.hops);
            self.numbers.remove(&hops);
            self.free.push(number);
        }
    }

    /// The set; of those beyond any count nothing is known.
    pub(super) fn get(&self, number: u32) -> NextHops {
        let slot = self.slots.get(Self::place(number));
        slot.map_or_else(NextHops::default, |slot| slot.hops.clone())
    }

    /// Whether two numbers are sure to mean one set.
    pub(super) fn same(one: u32, other: u32) -> bool {
        one == other && one != BEYOND
    }

    fn place(number: u32) -> usize {
        (number as usize).wrapping_sub(1)
    }

    fn slot_mut(&mut self, number: u32) -> Option<&mut Slot> {
        self.slots.get_mut(Self::place(number))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn set(last: &[u8]) -> NextHops {
        let hop = |last: &u8| NextHop::from(std::net::IpAddr::from(Ipv4Addr::new(10, 0, 0, *last)));
        last.iter().map(hop).collect()
    }

    #[test]
    fn a_number_stays_while_it_is_used_and_is_another_sets_then() {
        let mut hops = Hops::default();
        let take = |hops: &mut Hops, last: &[u8]| {
            let (number, shared) = hops.take(set(last).to_vec());
            assert_eq!(shared, set(last));
            number
        };
        let (one, two) = (take(&mut hops, &[1]), take(&mut hops, &[1, 2]));
        assert_eq!((take(&mut hops, &[]), one, two), (0, 1, 2));
        assert_eq!(take(&mut hops, &[1]), one);
        let (_, copy) = hops.take(set(&[1]).to_vec());
        assert_eq!(copy.copies(), 3, "the slot, the key and this one");
        hops.give_back(one);
        hops.give_back(one);
        assert_eq!(hops.get(one), set(&[1]), "there is another user");
        hops.give_back(one);
        hops.give_back(0);
        assert_eq!(take(&mut hops, &[3]), one);
        assert_eq!((hops.get(one), hops.get(two)), (set(&[3]), set(&[1, 2])));
        assert_eq!((hops.get(0), hops.get(BEYOND)), (set(&[]), set(&[])));
        assert!(Hops::same(one, one) && !Hops::same(one, two) && !Hops::same(BEYOND, BEYOND));
    }
}
