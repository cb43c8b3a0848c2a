use std::collections::BTreeMap;

use proptest::prelude::*;

use super::chunked::{CHUNK, GROWTH};
use super::*;

/// Few enough to meet again, many enough for several chunks; not only in order.
fn prefixes() -> impl Strategy<Value = Prefix> {
    let v4 = (0_u32..600, 24_u8..27).prop_map(|(number, length)| {
        Prefix::new(Ipv4Addr::from(0x0a00_0000 + (number << 8)).into(), length).unwrap()
    });
    let v6 = (0_u128..600, 64_u8..67).prop_map(|(number, length)| {
        let bits = 0xfd00_u128 << 112 | (number % 8) << 64 | (number / 8);
        Prefix::new(Ipv6Addr::from_bits(bits).into(), length).unwrap()
    });
    prop_oneof![v4, v6]
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(Prefix, u32),
    /// So many neighbours, upwards or downwards.
    Run(u32, u32, bool),
    Remove(Prefix),
    Change(Prefix, u32),
    Pop(usize),
    Spread(usize),
    Retain(u32),
    Mark(Prefix, u32),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => (prefixes(), any::<u32>()).prop_map(|(p, v)| Step::Insert(p, v)),
        10 => (0_u32..600, 1_u32..300, any::<bool>()).prop_map(|(f, n, up)| Step::Run(f, n, up)),
        20 => prefixes().prop_map(Step::Remove),
        10 => (prefixes(), any::<u32>()).prop_map(|(p, v)| Step::Change(p, v)),
        1 => (0_usize..400).prop_map(Step::Pop),
        1 => (1_usize..400).prop_map(Step::Spread),
        1 => (1_u32..9).prop_map(Step::Retain),
        20 => (prefixes(), 0..=MARK_MAX).prop_map(|(p, m)| Step::Mark(p, m)),
    ]
}

fn run(
    step: Step,
    map: &mut PrefixMap<u32>,
    model: &mut BTreeMap<Prefix, u32>,
    marks: &mut BTreeMap<Prefix, u32>,
) {
    match step {
        Step::Mark(prefix, mark) => {
            assert_eq!(map.set_mark(&prefix, mark), model.contains_key(&prefix));
            if model.contains_key(&prefix) {
                marks.insert(prefix, mark);
            }
        }
        Step::Insert(prefix, value) => {
            assert_eq!(map.insert(prefix, value), model.insert(prefix, value));
        }
        Step::Run(first, count, up) => {
            for index in 0..count {
                let number = first + if up { index } else { count - index };
                let address = Ipv4Addr::from(0x0a00_0000 + (number << 8));
                let prefix = Prefix::new(address.into(), 24).unwrap();
                assert_eq!(map.insert(prefix, index), model.insert(prefix, index));
            }
        }
        Step::Remove(prefix) => assert_eq!(map.remove(&prefix), model.remove(&prefix)),
        Step::Change(prefix, value) => {
            *map.get_or_insert_with(prefix, || value) ^= 1;
            *model.entry(prefix).or_insert(value) ^= 1;
            assert_eq!(map.get_mut(&prefix), model.get_mut(&prefix));
        }
        Step::Pop(most) => {
            let popped: Vec<_> = std::iter::from_fn(|| model.pop_first())
                .take(most)
                .collect();
            assert_eq!(map.pop_first(most), popped);
        }
        Step::Spread(most) => {
            let every = model.len().div_ceil(most).max(1);
            let all = model.iter().map(|(prefix, value)| (*prefix, *value));
            let spread: Vec<_> = all.step_by(every).collect();
            assert!(spread.len() <= most);
            model.retain(|prefix, _| !spread.iter().any(|(gone, _)| gone == prefix));
            assert_eq!(map.pop_spread(most), spread);
        }
        Step::Retain(by) => {
            map.retain(|_, value| !value.is_multiple_of(by));
            model.retain(|_, value| !value.is_multiple_of(by));
        }
    }
}

fn check<K: Key, V>(chunked: &Chunked<K, V>) {
    assert_eq!(chunked.heads.len(), chunked.chunks.len());
    let len: usize = chunked.chunks.iter().map(Vec::len).sum();
    assert_eq!(chunked.len, len);
    for (head, chunk) in chunked.heads.iter().zip(&chunked.chunks) {
        assert!((1..=CHUNK).contains(&chunk.len()) && *head <= chunk[0].0);
        assert!(chunk.capacity() <= (chunk.len() * 2 + GROWTH).max(CHUNK));
    }
    for (head, before) in chunked.heads.iter().skip(1).zip(&chunked.chunks) {
        assert!(before.last().unwrap().0 < *head);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn it_is_what_a_btree_map_is(
        steps in prop::collection::vec(steps(), 1..200),
        from in prefixes(),
    ) {
        let mut map = PrefixMap::default();
        let mut model = BTreeMap::new();
        let mut marks = BTreeMap::new();
        for step in steps {
            run(step, &mut map, &mut model, &mut marks);
            marks.retain(|prefix, _| model.contains_key(prefix));
            check(&map.v4);
            check(&map.v6);
            assert_eq!(map.len(), model.len());
        }
        assert!(map.iter().eq(model.iter().map(|(prefix, value)| (*prefix, value))));
        assert!(map.iter().all(|(prefix, value)| map.get(&prefix) == Some(value)));
        for (prefix, value) in &model {
            let mark = marks.get(prefix).copied().unwrap_or_default();
            assert_eq!(map.get_marked(prefix), Some((value, mark)));
        }
        let family = |(prefix, _): &(&Prefix, &u32)| prefix.is_ipv4() == from.is_ipv4();
        let rest = model.range(from..).filter(family);
        assert!(map.range_from(from).eq(rest.map(|(prefix, value)| (*prefix, value))));
        let places: Vec<Prefix> = map.iter_mut().map(|(prefix, _)| prefix).collect();
        assert!(places.iter().eq(model.keys()));
    }
}

#[test]
fn in_order_chunks_are_full() {
    let mut map = PrefixMap::default();
    for number in 0..6_400_u32 {
        let prefix = Prefix::new(Ipv4Addr::from(number << 8).into(), 24).unwrap();
        map.insert(prefix, ());
    }
    assert_eq!(map.v4.chunks.len(), 6_400 / CHUNK);
}
