//! What was probably meant.

/// The known name that was probably meant: the same in other case, or at most two letters off.
pub(crate) fn closest<'k>(given: &str, known: &[&'k str]) -> Option<&'k str> {
    if given.len() > 64 {
        return None;
    }
    let given = given.to_ascii_lowercase();
    let scored = known
        .iter()
        .map(|name| (distance(&given, &name.to_ascii_lowercase()), *name));
    let (score, name) = scored.min_by_key(|(score, _)| *score)?;
    (score <= 2 && score * 2 < name.len()).then_some(name)
}

/// Levenshtein's: letters to add, drop or replace.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, to) in row.iter_mut().skip(1).zip(&b) {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = *cell;
            left = replaced.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("ab", "ba", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn only_what_is_close_is_suggested() {
        let known = ["peerIP", "asNumber", "min"];
        assert_eq!(closest("peerip", &known), Some("peerIP"));
        assert_eq!(closest("asNumbr", &known), Some("asNumber"));
        assert_eq!(closest("max", &known), None);
        assert_eq!(closest("bfd", &known), None);
    }
}
